//! Members of a JSON object whose names are not known beforehand.
//!
//! In: extras of the neutral request. Out: something that writes itself as JSON without having
//! been parsed. Never: a member that is not valid JSON.

use std::borrow::Cow;

use llm_provider_sdk::types::Error;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Asked;
use crate::profile::Known;
use crate::wire::Fields;

/// A member's value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Member<'a> {
    Raw(&'a RawValue),
    Owned(Box<RawValue>),
    Text(Cow<'a, str>),
    Flag(bool),
    Number(usize),
    Object(Members<'a>),
    List(Vec<Members<'a>>),
}

/// Members in their order.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Member<'a>)>);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> Members<'a> {
    /// The members of an object that was read.
    pub(crate) fn of(fields: Fields<'a>) -> Self {
        Self(
            fields
                .into_pairs()
                .map(|(name, value)| (name, Member::Raw(value)))
                .collect(),
        )
    }

    pub(crate) fn push(&mut self, name: impl Into<Cow<'a, str>>, value: Member<'a>) {
        self.0.push((name.into(), value));
    }

    /// Adds a member, in place of one that has this name.
    pub(crate) fn set(&mut self, name: &'static str, value: Member<'a>) {
        self.0.retain(|(n, _)| n != name);
        self.push(name, value);
    }

    /// Adds all of these.
    pub(crate) fn append(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those extras that the provider knows, and notes the others as dropped, with the path
    /// of the object they stood in.
    pub(crate) fn extend_known(
        &mut self,
        extra: impl IntoIterator<Item = &'a (String, String)>,
        known: Known,
        path: &str,
        asked: &mut Asked,
    ) -> Result<(), Error> {
        for (name, json) in extra {
            self.add_known(name, json, known, path, asked)?;
        }
        Ok(())
    }

    /// Adds one, if the provider knows it.
    pub(crate) fn add_known(
        &mut self,
        name: &'a str,
        json: &'a str,
        known: Known,
        path: &str,
        asked: &mut Asked,
    ) -> Result<(), Error> {
        let at = format!("{path}.{name}");
        let value = raw(json, &at)?;
        // The host writes a field of a nested object with its path, e.g. `image_url.mode`.
        if !known.has(name) || name.contains(['.', '[']) {
            asked.drop(at, "the provider has no such field");
        } else if self.has(name) {
            asked.drop(at, "the message has this field already");
        } else {
            self.push(name, Member::Raw(value));
        }
        Ok(())
    }
}

/// JSON text that is written as it is.
pub(crate) fn raw<'a>(json: &'a str, at: &str) -> Result<&'a RawValue, Error> {
    serde_json::from_str(json).map_err(|_| not_json(at))
}

/// The caller, or an adapter's caller, sent something that is not JSON.
pub(crate) fn not_json(at: &str) -> Error {
    Error::invalid_request(format!("`{at}` is not the JSON it has to be")).with_param(at)
}
