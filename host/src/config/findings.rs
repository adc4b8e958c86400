//! What is wrong so far, and what is needed to say where.
//!
//! In: the file's text and what the passes find. Out: [`ConfigErrors`], or the places of the values
//! that were read. Never: an echo of a syntax error, such as a key that is missing because its line
//! could not be read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::env::Env;
use super::error::{ConfigError, ConfigErrors, Place};

/// What is wrong so far, and what is needed to say where.
pub(super) struct Findings<'a> {
    text: &'a str,
    path: &'a Path,
    env: &'a Env,
    errors: RefCell<Vec<ConfigError>>,
    /// Lines the parser could not read; what is found on those is an echo of that.
    broken: BTreeSet<usize>,
    /// Variables that overrode a key.
    overrides: RefCell<Vec<String>>,
    /// Where each value stands that was read, by path.
    places: RefCell<BTreeMap<String, Place>>,
}

impl<'a> Findings<'a> {
    /// Parses the text. Errors of syntax are the first findings; what could be read goes on.
    pub(super) fn parse(text: &'a str, path: &'a Path, env: &'a Env) -> (Self, Spanned<DeTable<'a>>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut findings = Self {
            text,
            path,
            env,
            errors: RefCell::default(),
            broken: BTreeSet::new(),
            overrides: RefCell::default(),
            places: RefCell::default(),
        };
        for error in errors {
            let place = findings.place(error.span().unwrap_or(0..0)).masked();
            if let Place::File { line, .. } = &place {
                findings.broken.insert(*line);
            }
            findings.push(place, format!("this is not TOML: {}", error.message()), None, false);
        }
        (findings, document)
    }

    /// The place of a range of the file.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::of(&self.path.display().to_string(), self.text, span)
    }

    /// The file as a whole.
    pub(super) fn whole(&self) -> Place {
        Place::Whole(self.path.display().to_string())
    }

    /// Notes an error.
    pub(super) fn push(&self, place: Place, message: String, help: Option<String>, absence: bool) {
        self.errors.borrow_mut().push(ConfigError {
            place,
            message,
            help,
            absence,
        });
    }

    /// The variable that overrides a key, and its text.
    pub(super) fn override_of(&self, variable: &str) -> Option<(String, &'a str)> {
        self.env.override_of(variable)
    }

    /// Notes that a variable overrode a key.
    pub(super) fn overridden(&self, variable: &str) {
        self.overrides.borrow_mut().push(variable.to_owned());
    }

    /// Notes where a value stands.
    pub(super) fn note(&self, path: &str, place: Place) {
        self.places.borrow_mut().insert(path.to_owned(), place);
    }

    /// A path as it is meant: relative ones are taken from the file's directory.
    pub(super) fn resolve(&self, path: PathBuf) -> PathBuf {
        let base = self.path.parent().unwrap_or(Path::new("."));
        let joined = base.join(path);
        // `absolute` also takes out `.`; it fails only for an empty path, which this is not.
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// Everything, or, when nothing is wrong, the variables that overrode a key and the places.
    pub(super) fn finish(self) -> Result<(Vec<String>, BTreeMap<String, Place>), ConfigErrors> {
        let errors = self.errors.into_inner();
        if errors.is_empty() {
            return Ok((self.overrides.into_inner(), self.places.into_inner()));
        }
        let syntax = !self.broken.is_empty();
        let echo = |error: &ConfigError| {
            let on_broken = matches!(&error.place, Place::File { line, .. } if self.broken.contains(line));
            syntax && (error.absence || on_broken) && !error.message.starts_with("this is not TOML")
        };
        Err(ConfigErrors::new(
            errors.into_iter().filter(|error| !echo(error)).collect(),
        ))
    }
}
