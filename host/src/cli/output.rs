//! What a command prints.
//!
//! In: results. Out: tables and sentences for people, or one JSON document for scripts, on standard
//! output; complaints on standard error. Never: both forms at once.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;

use super::Usage;
use crate::plain;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a script reads this.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints the value as JSON, or what `for_people` makes of it.
    pub(super) fn show<T: Serialize>(self, value: &T, for_people: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if self.json {
            return self.text(&serde_json::to_string_pretty(value)?);
        }
        // Plugins and providers have a say in much of this; none in how a terminal shows it.
        self.text(&plain::lines(&for_people(value)))
    }

    /// Prints text as it is, with a line's end.
    pub(super) fn text(self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
        Ok(())
    }

    /// A remark beside the result, for people.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            self.complain(text);
        }
    }

    /// Something that is probably not meant so.
    pub(super) fn warn(self, text: &str) {
        self.complain(&format!("warning: {text}"));
    }

    /// Standard error may be closed; there is nobody to tell then.
    fn complain(self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", plain::lines(text));
    }

    /// Prints why it failed and gives the exit code. A reader that has left early is no failure.
    pub(super) fn fail(self, error: &anyhow::Error) -> ExitCode {
        let left = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
        };
        if error.chain().any(left) && !io::stdout().is_terminal() {
            return ExitCode::SUCCESS;
        }
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        if self.json {
            self.complain(&json!({ "error": error.to_string(), "causes": causes }).to_string());
        } else {
            self.complain(&format!("error: {error}"));
            for cause in causes {
                self.complain(&format!("  because: {cause}"));
            }
        }
        if error.is::<Usage>() {
            ExitCode::from(2)
        } else {
            ExitCode::FAILURE
        }
    }
}

/// A table for people.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// Values after their names, one a line.
pub(super) fn fields<'f, V: Display>(fields: impl IntoIterator<Item = (&'f str, V)>) -> String {
    let fields: Vec<(&str, String)> = fields
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = fields.iter().map(|(name, value)| {
        let mut lines = value.lines();
        let first = format!("{name:<width$}  {}", lines.next().unwrap_or_default());
        let indent = " ".repeat(width + 2);
        lines.fold(first.trim_end().to_owned(), |text, line| {
            format!("{text}\n{indent}{line}")
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}
