//! JSON objects exactly as they stand on the wire.
//!
//! In: JSON text of the Messages API, or values to be sent. Out: an object whose members keep
//! their order and whose values keep their text. Never: a meaning; that is `request`, `response`
//! and `stream`.
//!
//! Values stay text because a parsed number does not come back as it was (`1.10`, integers beyond
//! 64 bits), and both a tool's arguments and a block that is sent back have to. What is written is
//! kept as a tree until it is sent, with media as their bytes: a picture of many megabytes then
//! stands in the plugin's small memory once as bytes and once in the body.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::Extras;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A JSON object: members in the order they were written, values as their text.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, Member)>);

/// The value of a member.
#[derive(Clone, Debug)]
enum Member {
    /// JSON text. All that is read is of this kind.
    Text(Box<RawValue>),
    Object(Object),
    List(Vec<Object>),
    /// Bytes, written as base64.
    Bytes(Vec<u8>),
}

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// A content block, source, event, …: an object with its `type`.
    pub fn of_type(kind: &str) -> Self {
        Self::new().with("type", kind)
    }

    /// Reads an object from JSON text. `None` when the text is not an object.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Adds a member and gives the object back.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.put(name, value);
        self
    }

    /// Adds a member that is an object and gives the whole back.
    #[must_use]
    pub fn with_object(mut self, name: &str, value: Object) -> Self {
        self.put_object(name, value);
        self
    }

    /// Adds a member that is a list of objects and gives the whole back.
    #[must_use]
    pub fn with_list(mut self, name: &str, values: Vec<Object>) -> Self {
        self.put_list(name, values);
        self
    }

    /// Adds a member that is written as base64 and gives the whole back.
    #[must_use]
    pub fn with_base64(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.0.push((name.to_owned(), Member::Bytes(bytes)));
        self
    }

    /// Adds a member. A value that JSON cannot express is left out; nothing that this crate sends
    /// is of that kind.
    pub fn put(&mut self, name: &str, value: impl Serialize) {
        if let Ok(raw) = to_raw_value(&value) {
            self.0.push((name.to_owned(), Member::Text(raw)));
        }
    }

    /// Adds a member that is an object.
    pub fn put_object(&mut self, name: &str, value: Object) {
        self.0.push((name.to_owned(), Member::Object(value)));
    }

    /// Adds a member that is a list of objects.
    pub fn put_list(&mut self, name: &str, values: Vec<Object>) {
        self.0.push((name.to_owned(), Member::List(values)));
    }

    /// Adds a member whose value is JSON text already. False when the text is not JSON.
    #[must_use]
    pub fn put_json(&mut self, name: &str, json: &str) -> bool {
        match raw(json) {
            Some(value) => {
                self.0.push((name.to_owned(), Member::Text(value)));
                true
            }
            None => false,
        }
    }

    /// Sets a member, replacing one of that name.
    pub fn set(&mut self, name: &str, value: impl Serialize) {
        let Ok(raw) = to_raw_value(&value) else { return };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = Member::Text(raw),
            None => self.0.push((name.to_owned(), Member::Text(raw))),
        }
    }

    /// Whether there is such a member, of any kind but `null`.
    pub fn has(&self, name: &str) -> bool {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.is_some_and(|(_, member)| !matches!(member, Member::Text(value) if is_null(value)))
    }

    /// The text of a member's value. `None` when it is absent, `null`, or was put in as a tree.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.members().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Takes a member's text out. `None` as in [`get`](Self::get).
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        match self.0.remove(at) {
            (_, Member::Text(value)) if !is_null(&value) => Some(value),
            _ => None,
        }
    }

    /// A member that was put in as an object.
    pub fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.0.iter_mut().find_map(|(known, member)| match member {
            Member::Object(inner) if known == name => Some(inner),
            _ => None,
        })
    }

    /// A member as a typed value. `None` when it is of another type, and as in [`get`](Self::get).
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Takes a member out as a typed value. `None` as in [`read`](Self::read); it is out then too.
    pub fn take_as<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_str(self.take(name)?.get()).ok()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members that are text and not `null`, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().filter_map(|(name, member)| match member {
            Member::Text(value) if !is_null(value) => Some((name.as_str(), &**value)),
            _ => None,
        })
    }

    /// What is left, for an `extra` field. `null` says nothing and stays behind.
    pub fn into_extras(self) -> Extras {
        self.members()
            .map(|(name, value)| (name.to_owned(), value.get().to_owned()))
            .collect()
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_bytes()).unwrap_or_default()
    }

    /// The object as JSON text, in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length());
        // Writing into memory does not fail, and a tree of texts has a JSON form.
        match serde_json::to_writer(&mut out, self) {
            Ok(()) => out,
            Err(_) => b"{}".to_vec(),
        }
    }

    /// About as many bytes as the JSON text takes, rather more than fewer.
    fn length(&self) -> usize {
        let members = self.0.iter().map(|(name, member)| {
            let value = match member {
                Member::Text(value) => value.get().len(),
                Member::Object(inner) => inner.length(),
                Member::List(items) => 2 + items.iter().map(|item| item.length() + 1).sum::<usize>(),
                Member::Bytes(bytes) => bytes.len().div_ceil(3) * 4 + 2,
            };
            name.len() + value + 4
        });
        2 + members.sum::<usize>()
    }
}

/// JSON text as a value that keeps it. `None` when it is not one complete JSON value.
pub fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.trim().to_owned()).ok()
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, member) in &self.0 {
            map.serialize_entry(name, member)?;
        }
        map.end()
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(value) => value.serialize(serializer),
            Self::Object(inner) => inner.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Bytes(bytes) => serializer.collect_str(&Base64Display::new(bytes, &STANDARD)),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, Member::Text(value)));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_and_order() {
        let text = r#"{"z":1.10,"a":123456789012345678901234567890,"m":{"b":[ 1 ],"a":null}}"#;
        let object = Object::parse(text).unwrap();
        assert_eq!(object.to_json(), text);
        assert_eq!(object.get("a").unwrap().get(), "123456789012345678901234567890");
    }

    #[test]
    fn null_counts_as_absent() {
        let mut object = Object::parse(r#"{"a":null,"b":"x","c":7}"#).unwrap();
        assert_eq!(object.read::<String>("a"), None);
        assert!(object.take("a").is_none());
        assert_eq!(object.take_as::<String>("b").as_deref(), Some("x"));
        assert_eq!(object.read::<String>("c"), None, "a number is no string");
        assert_eq!(object.into_extras(), vec![("c".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for text in ["", "[]", "1", "{", "{} x", "\"{}\""] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
        assert!(!Object::new().put_json("a", "{"));
    }

    #[test]
    fn a_tree_is_written_in_one_go() {
        let tree = Object::of_type("a")
            .with_object("o", Object::new().with_base64("data", vec![1, 2, 3, 4]))
            .with_list("l", vec![Object::new(), Object::of_type("b")]);
        let text = r#"{"type":"a","o":{"data":"AQIDBA=="},"l":[{},{"type":"b"}]}"#;
        assert_eq!(tree.to_json(), text);
        assert!(tree.length() >= text.len(), "no reallocation while it is written");
        assert!(tree.has("o") && tree.get("o").is_none());
    }
}
