//! What is wrong with a configuration, and where.
//!
//! In: findings of the two passes. Out: [`ConfigErrors`], which prints every one with its place, the
//! line it stands on and a remedy. Never: the value of an environment variable, since it may be secret.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// The file, as it was named.
        path: String,
        /// Counts from 1.
        line: usize,
        /// In characters, counts from 1.
        column: usize,
        /// How many characters of the line it covers; at least 1.
        width: usize,
        /// The line's text.
        text: String,
    },
    /// In this environment variable.
    Variable(String),
    /// The file as a whole: something is absent.
    Whole(String),
}

impl Place {
    /// The place of a range of bytes of the file's text.
    pub(super) fn of(path: &str, text: &str, span: Range<usize>) -> Self {
        let start = (0..=span.start.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let rest = after.split(['\n', '\r']).next().unwrap_or_default();
        let head = before.get(line_start..).unwrap_or_default();
        let covered = text.get(start..span.end.max(start)).unwrap_or_default();
        let width = covered
            .split(['\n', '\r'])
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            .max(1);
        let column = head.chars().count() + 1;
        Self::File {
            path: path.to_owned(),
            line,
            column,
            width,
            text: format!("{head}{rest}"),
        }
    }
}

/// Texts that long, of letters and digits both, are masked where a line cannot be read.
const LIKE_A_KEY: usize = 20;

impl Place {
    /// The same without the value of the key that stands there. No value is a secret where it belongs; one that
    /// does not belong may be.
    pub(super) fn without_value_of_key(self) -> Self {
        self.with_text(|text, column| {
            let value = text.chars().skip(column).position(|c| c == '=');
            value.map_or_else(|| text.to_owned(), |at| Self::first(text, column + at + 1) + " …")
        })
    }

    /// The same without the value that stands there.
    pub(super) fn without_value(self) -> Self {
        self.with_text(|text, column| Self::first(text, column) + "…")
    }

    /// The same with everything masked that looks like a key.
    pub(super) fn masked(self) -> Self {
        self.with_text(|text, _| {
            let of_key = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let mut masked = String::with_capacity(text.len());
            for run in text.split_inclusive(|c| !of_key(c)) {
                let word = run.trim_end_matches(|c| !of_key(c));
                let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
                if word.len() >= LIKE_A_KEY && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) {
                    masked.push_str(&Self::first(word, 4));
                    masked.push_str(&"*".repeat(word.len() - 4));
                    masked.push_str(run.get(word.len()..).unwrap_or_default());
                } else {
                    masked.push_str(run);
                }
            }
            masked
        })
    }

    fn first(text: &str, characters: usize) -> String {
        text.chars().take(characters).collect()
    }

    fn with_text(self, change: impl FnOnce(&str, usize) -> String) -> Self {
        match self {
            Self::File {
                path,
                line,
                column,
                width,
                text,
            } => Self::File {
                text: change(&text, column.saturating_sub(1)),
                path,
                line,
                column,
                width,
            },
            other => other,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether it says that something is absent, which a syntax error elsewhere may have caused.
    pub(super) absence: bool,
}

/// Of a longer line only what stands around the place is shown.
const LONGEST: usize = 160;

/// A line as it is shown, and how many characters of that stand before the place.
fn cut(line: &str, before: usize) -> (String, usize) {
    let first = match line.chars().count() {
        length if length <= LONGEST => 0,
        _ => before.saturating_sub(LONGEST / 2),
    };
    let mut rest = line.chars().skip(first);
    // A tab is as wide as the terminal likes; as one space the marks stay in line.
    let shown = rest.by_ref().take(LONGEST).map(|c| if c == '\t' { ' ' } else { c });
    let mark = if first > 0 { "…" } else { "" };
    let mut text = format!("{mark}{}", shown.collect::<String>());
    if rest.next().is_some() {
        text.push('…');
    }
    (text, before.saturating_sub(first) + mark.chars().count())
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = match &self.place {
            Place::File {
                path,
                line,
                column,
                width,
                text,
            } => {
                let (shown, before) = cut(text, column.saturating_sub(1));
                let indent = " ".repeat(before);
                let marks = "^".repeat((*width).min(shown.chars().count().saturating_sub(before).max(1)));
                writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
                writeln!(f, "{line:>6} | {shown}")?;
                write!(f, "       | {indent}{marks}")?;
                "       "
            }
            Place::Variable(name) => {
                write!(f, "environment variable {name}: {}", self.message)?;
                "   "
            }
            Place::Whole(path) => {
                write!(f, "{path}: {}", self.message)?;
                "   "
            }
        };
        match &self.help {
            Some(help) => write!(f, "\n{gutter}= {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The findings.
    pub errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The findings, put into the order of the file.
    pub fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        errors.dedup();
        Self { errors }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let help = (error.kind() == std::io::ErrorKind::NotFound)
            .then(|| "make one with `host init --dir DIR`, or name another with `--config FILE`".to_owned());
        Self {
            errors: vec![ConfigError {
                place: Place::Whole(path.display().to_string()),
                message: format!("cannot be read: {error}"),
                help,
                absence: false,
            }],
        }
    }
}

impl ConfigErrors {
    /// The reading came to no configuration although nothing was found wrong.
    pub(super) fn incomplete(path: &Path) -> Self {
        let message = "could not be read completely; this is a mistake in the host".to_owned();
        let place = Place::Whole(path.display().to_string());
        Self {
            errors: vec![ConfigError {
                place,
                message,
                help: None,
                absence: false,
            }],
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
