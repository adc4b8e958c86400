//! The first pass: the document as it was written, walked against the table of keys.
//!
//! In: the parsed document, its [`Findings`] and the environment. Out: [`Table`]s that hand out typed
//! values and note what is wrong on the way. Never: stopping at the first error, and no knowledge of
//! what a value is for.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Place;
use super::findings::Findings;
use super::keys::{Default, Key, Section, TOP, elsewhere, nearest};
use super::values::{Value, Wrong, described, to_json};

/// One table of the file, which may be absent from it.
pub(super) struct Table<'r, 'a> {
    findings: &'r Findings<'a>,
    section: &'static Section,
    /// The path with the names that stand for `*`: `providers.anthropic`.
    path: String,
    entries: Option<&'r DeTable<'a>>,
    /// Where the table begins.
    span: Range<usize>,
}

impl<'r, 'a> Table<'r, 'a> {
    /// The top of the file.
    pub(super) fn top(findings: &'r Findings<'a>, document: &'r Spanned<DeTable<'a>>) -> Self {
        let (section, entries) = (&TOP, Some(document.get_ref()));
        let table = Self {
            findings,
            section,
            path: String::new(),
            entries,
            span: document.span(),
        };
        table.check_names();
        table
    }

    /// A table in this one, which is empty when the file has none.
    pub(super) fn table(&self, name: &str) -> Self {
        self.child(name, self.section_of(name, ""))
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&self, name: &str) -> Vec<Self> {
        let (path, section) = (self.path_of(name), self.section_of(name, "[]"));
        let Some((_, value)) = self.entry(name) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            let message = format!("`{path}` is {}, not a list of tables", described(value.get_ref()));
            self.wrong_kind(value, &message, &format!("[[{path}]]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let path = format!("{path}[{index}]");
                    let table = Self {
                        findings: self.findings,
                        section,
                        path,
                        entries: Some(entries),
                        span: item.span(),
                    };
                    table.check_names();
                    tables.push(table);
                }
                other => {
                    let message = format!("an entry of `{path}` is {}, not a table", described(other));
                    self.wrong_kind(item, &message, &format!("[[{path}]]"));
                }
            }
        }
        tables
    }

    /// The tables of a table by their names, each with the span of its name.
    pub(super) fn named(&self, name: &str) -> Vec<(String, Range<usize>, Self)> {
        let section = self.section_of(name, ".*");
        let parent = self.unchecked(name, section);
        let names = parent.entries.into_iter().flat_map(|entries| entries.keys());
        names
            .map(|name| {
                let place = self.findings.place(name.span());
                self.findings.note(&parent.path_of(name.get_ref()), place);
                (
                    name.get_ref().to_string(),
                    name.span(),
                    parent.child(name.get_ref(), section),
                )
            })
            .collect()
    }

    fn child(&self, name: &str, section: &'static Section) -> Self {
        let table = self.unchecked(name, section);
        table.check_names();
        table
    }

    fn unchecked(&self, name: &str, section: &'static Section) -> Self {
        let path = self.path_of(name);
        let (entries, span) = match self.entry(name) {
            None => (None, self.span.clone()),
            Some((_, value)) => match value.get_ref() {
                DeValue::Table(entries) => (Some(entries), value.span()),
                other => {
                    let message = format!("`{path}` is {}, not a table", described(other));
                    self.wrong_kind(value, &message, &format!("[{path}]"));
                    (None, value.span())
                }
            },
        };
        Self {
            findings: self.findings,
            section,
            path,
            entries,
            span,
        }
    }

    /// The section of a table in this one. Every table that `resolve` asks for has one; a test
    /// loads a file that has them all.
    fn section_of(&self, name: &str, suffix: &str) -> &'static Section {
        const NONE: Section = Section {
            path: "?",
            doc: "",
            keys: &[],
        };
        let parent = self.section.path;
        let path = if parent.is_empty() {
            format!("{name}{suffix}")
        } else {
            format!("{parent}.{name}{suffix}")
        };
        Section::find(&path).unwrap_or_else(|| {
            self.findings.push(
                self.findings.whole(),
                format!("the table of keys has no section `{path}`"),
                None,
                false,
            );
            &NONE
        })
    }

    /// Whether this table stands in the file.
    pub(super) fn is_written(&self) -> bool {
        self.entries.is_some()
    }

    /// The value of a key with a default, or of a required one.
    pub(super) fn get<T: Value>(&self, name: &str) -> Option<T> {
        let key = self.key(name)?;
        if let Some(value) = self.written(key) {
            return value;
        }
        match key.default {
            Default::Is(_) => self.default(name),
            Default::Unset(_) => None,
            Default::Required => {
                let message = format!("`{name}` is missing from {}", self.title());
                let place = self.findings.place(self.span.clone());
                let help = Some(format!("write `{name} = …`: {}", key.doc));
                self.findings.push(place, message, help, true);
                None
            }
        }
    }

    /// What holds when a key is absent, where that is a value.
    pub(super) fn default<T: Value>(&self, name: &str) -> Option<T> {
        let Default::Is(text) = self.key(name)?.default else {
            return None;
        };
        let value = T::from_text(text).map_err(|wrong| {
            let message = format!("the default of `{}` is wrong: {}", self.path_of(name), wrong.message);
            self.findings.push(self.findings.whole(), message, None, false);
        });
        value.ok()
    }

    /// The value of a key if it is written or overridden; a wrong one counts as absent, and is noted.
    pub(super) fn optional<T: Value>(&self, name: &str) -> Option<T> {
        self.written(self.key(name)?).flatten()
    }

    /// A path, absolute.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|path| self.findings.resolve(path))
    }

    /// What holds when a path is absent, absolute.
    pub(super) fn default_path(&self, name: &str) -> Option<PathBuf> {
        self.default(name).map(|path| self.findings.resolve(path))
    }

    /// A path if it is written or overridden, absolute.
    pub(super) fn optional_path(&self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(|path| self.findings.resolve(path))
    }

    /// Values by names of the author's own.
    pub(super) fn map<T: Value>(&self, name: &str) -> Vec<(String, T)> {
        let path = self.path_of(name);
        let mut read = Vec::new();
        for (key, value) in self.free_table(name) {
            let at = format!("{path}.{}", key.get_ref());
            self.findings.note(&at, self.findings.place(value.span()));
            match T::from_toml(value.get_ref()) {
                Ok(value) => read.push((key.get_ref().to_string(), value)),
                Err(wrong) => self.wrong(self.findings.place(value.span()), &at, wrong),
            }
        }
        read
    }

    /// A table of the author's own as JSON.
    pub(super) fn json(&self, name: &str) -> serde_json::Map<String, serde_json::Value> {
        let path = self.path_of(name);
        let mut read = serde_json::Map::new();
        if let Some((key, _)) = self.entry(name) {
            self.findings.note(&path, self.findings.place(key.span()));
        }
        for (key, value) in self.free_table(name) {
            match to_json(value.get_ref()) {
                Ok(json) => {
                    read.insert(key.get_ref().to_string(), json);
                }
                Err(wrong) => {
                    let at = format!("{path}.{}", key.get_ref());
                    self.wrong(self.findings.place(value.span()), &at, wrong);
                }
            }
        }
        read
    }

    /// Notes that the value of a key is wrong in the light of others.
    pub(super) fn refuse(&self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        let variable = self.key(name).and_then(|key| self.section.variable(key));
        let overridden = variable.and_then(|variable| self.findings.override_of(&variable));
        let place = match (overridden, self.entry(name)) {
            (Some((variable, _)), _) => Place::Variable(variable),
            (None, Some((_, value))) => self.findings.place(value.span()),
            (None, None) if self.is_written() && !self.path.is_empty() => self.findings.place(self.span.clone()),
            (None, None) => self.findings.whole(),
        };
        self.findings.push(place, message.into(), Some(help.into()), false);
    }

    /// Notes that something of this table is wrong, at a place of one's own.
    pub(super) fn refuse_at(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.findings
            .push(self.findings.place(span), message.into(), Some(help.into()), false);
    }

    /// Whether a key is written or overridden.
    pub(super) fn has(&self, name: &str) -> bool {
        let variable = self.key(name).and_then(|key| self.section.variable(key));
        self.entry(name).is_some() || variable.is_some_and(|variable| self.findings.override_of(&variable).is_some())
    }

    /// The value as it is written, or as a variable overrides it. `Some(None)` when it is wrong.
    fn written<T: Value>(&self, key: &Key) -> Option<Option<T>> {
        let path = self.path_of(key.name);
        let overridden = self
            .section
            .variable(key)
            .and_then(|variable| self.findings.override_of(&variable));
        let (place, read) = if let Some((variable, text)) = overridden {
            self.findings.overridden(&variable);
            (Place::Variable(variable), T::from_text(text))
        } else {
            let (_, value) = self.entry(key.name)?;
            (self.findings.place(value.span()), T::from_toml(value.get_ref()))
        };
        self.findings.note(&path, place.clone());
        Some(match read {
            Ok(value) => Some(value),
            Err(wrong) => {
                let wrong = Wrong {
                    help: wrong.help.or_else(|| Some(format!("it is: {}", key.form))),
                    ..wrong
                };
                self.wrong(place, &path, wrong);
                None
            }
        })
    }

    fn wrong(&self, place: Place, path: &str, wrong: Wrong) {
        let place = if wrong.hidden { place.without_value() } else { place };
        self.findings
            .push(place, format!("`{path}`: {}", wrong.message), wrong.help, false);
    }

    fn wrong_kind(&self, value: &Spanned<DeValue<'_>>, message: &str, header: &str) {
        let place = self.findings.place(value.span());
        self.findings.push(
            place,
            message.to_owned(),
            Some(format!("write it as `{header}`")),
            false,
        );
    }

    fn free_table(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (&'r Spanned<std::borrow::Cow<'a, str>>, &'r Spanned<DeValue<'a>>)> {
        let entries = self.entry(name).and_then(|(_, value)| match value.get_ref() {
            DeValue::Table(entries) => Some(entries),
            other => {
                let path = self.path_of(name);
                self.wrong_kind(
                    value,
                    &format!("`{path}` is {}, not a table", described(other)),
                    &format!("[{path}]"),
                );
                None
            }
        });
        entries.into_iter().flat_map(|entries| entries.iter())
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        let key = self.section.key(name);
        if key.is_none() {
            let message = format!("the table of keys has no `{}`", self.path_of(name));
            self.findings.push(self.findings.whole(), message, None, false);
        }
        key
    }

    fn entry(&self, name: &str) -> Option<(&'r Spanned<std::borrow::Cow<'a, str>>, &'r Spanned<DeValue<'a>>)> {
        self.entries?.iter().find(|(key, _)| key.get_ref() == name)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn title(&self) -> String {
        if self.section.path.ends_with("[]") {
            format!("this entry of [[{}]]", self.section.path.trim_end_matches("[]"))
        } else {
            format!("[{}]", self.path)
        }
    }

    /// Notes every name that is neither a key nor a table of this section.
    fn check_names(&self) {
        let Some(entries) = self.entries else { return };
        let names: Vec<&str> = self
            .section
            .keys
            .iter()
            .map(|key| key.name)
            .chain(self.section.children())
            .collect();
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !names.contains(&key.get_ref().as_ref()))
        {
            let name: &str = key.get_ref();
            let help = match (nearest(name, names.iter().copied()), elsewhere(name)) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(Section { path: "", .. })) => format!("`{name}` belongs at the top of the file"),
                (None, Some(section)) => format!("`{name}` belongs into [{}]", section.path),
                (None, None) => format!("known here: {}", names.join(", ")),
            };
            let here = if self.path.is_empty() {
                "the top of the file".to_owned()
            } else {
                self.title()
            };
            let message = format!("there is no key `{name}` in {here}");
            let place = self.findings.place(key.span()).without_value_of_key();
            self.findings.push(place, message, Some(help), false);
        }
    }
}
