//! Running cargo, with its progress and the files it made.
//!
//! In: a `cargo build` command. Out: each step of its progress while it runs, and at its end what
//! it made. Never: decides what is built.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use serde::Deserialize;

use crate::process::{self, Piece};

/// Lines that a failed build keeps for its error.
const KEPT_LINES: usize = 200;

/// What happens while cargo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// So many of the build's units are done.
    Units {
        /// Compiled or found fresh so far.
        done: usize,
        /// All of them.
        total: usize,
        /// What is being compiled.
        current: &'a str,
    },
    /// A line that cargo or a compiler wrote for people: `Compiling …`, warnings, errors.
    Line(&'a str),
}

/// Why there is no build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CargoError {
    /// Cargo cannot be run. The machine's fault.
    #[error("cargo cannot be run")]
    Spawn(#[source] std::io::Error),
    /// The build failed, nearly always over the code that was built; `output` says where.
    #[error("the build failed ({status}):\n{output}")]
    Failed {
        /// How cargo ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
}

/// One target that was built or found fresh.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Artifact {
    /// The manifest of its package.
    pub manifest_path: PathBuf,
    /// Which target of the package.
    pub target: Target,
    /// Files that it consists of.
    #[serde(rename = "filenames")]
    pub files: Vec<PathBuf>,
    /// The program, where it is one.
    pub executable: Option<PathBuf>,
}

/// A library or program of a package.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `cdylib`, `bin`, `test`, …
    pub kind: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

/// Runs a `cargo build` (or another subcommand that builds) and gives what it made.
///
/// The command must not have a `--message-format` of its own.
///
/// # Errors
///
/// [`CargoError`] when cargo cannot be run or fails.
pub fn build(command: &mut Command, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Vec<Artifact>, CargoError> {
    command
        .arg("--message-format=json-render-diagnostics")
        // Cargo knows how many units there are, and says so only in its progress bar.
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120");
    let mut artifacts = Vec::new();
    let mut lines = VecDeque::new();
    let status = process::stream(command, |piece| match piece {
        Piece::Out(line) => {
            if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(&line) {
                artifacts.push(artifact);
            }
        }
        Piece::Err(line) => match bar(&line) {
            Some(units) => progress(units),
            None if line.trim().is_empty() => {}
            None => {
                // What is left of a bar that was wiped stands before the text.
                let line = line.trim_start_matches("\u{1b}[K");
                progress(Progress::Line(line));
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.to_owned());
            }
        },
    })
    .map_err(CargoError::Spawn)?;
    if status.success() {
        return Ok(artifacts);
    }
    Err(CargoError::Failed {
        status,
        output: Vec::from(lines).join("\n"),
    })
}

/// Reads cargo's bar: `    Building [=====>     ] 12/30: serde, syn(build)`.
fn bar(line: &str) -> Option<Progress<'_>> {
    let (_, rest) = line.split_once("Building")?;
    let (_, rest) = rest.split_once('[')?;
    let (_, rest) = rest.split_once("] ")?;
    let (counts, current) = match rest.split_once(": ") {
        Some((counts, current)) => (counts, current.trim()),
        None => (rest.trim(), ""),
    };
    let (done, total) = counts.split_once('/')?;
    Some(Progress::Units {
        done: done.trim().parse().ok()?,
        total: total.trim().parse().ok()?,
        current: current.trim_end_matches("\u{1b}[K"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_bar_is_read_and_other_lines_are_not() {
        let units = |done, total, current| Some(Progress::Units { done, total, current });
        let cases = [
            (
                "    Building [====>    ] 12/30: serde, syn(build)",
                units(12, 30, "serde, syn(build)"),
            ),
            ("    Building [>        ] 0/1", units(0, 1, "")),
            (
                "\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [=> ] 3/4: echo \u{1b}[K",
                units(3, 4, "echo "),
            ),
            ("   Compiling serde v1.0.0", None),
            ("error: expected `]`, Building [a] b/c: d", None),
        ];
        for (line, expected) in cases {
            assert_eq!(bar(line), expected, "{line:?}");
        }
    }
}
