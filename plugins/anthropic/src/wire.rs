//! JSON objects exactly as they stand on the wire.
//!
//! In: JSON text of the Messages API, or values to be sent. Out: an object whose members keep
//! their order and whose values keep their text. Never: a meaning; that is `request`, `response`
//! and `stream`.
//!
//! Values stay text because a parsed number does not come back as it was (`1.10`, integers beyond
//! 64 bits), and both a tool's arguments and a block that is sent back have to.

use std::fmt;

use llm_provider_sdk::types::Extras;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A JSON object: members in the order they were written, values as their text.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(String, Box<RawValue>)>);

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

    /// Adds a member. A value that JSON cannot express is left out; nothing that this crate sends
    /// is of that kind.
    pub fn put(&mut self, name: &str, value: impl Serialize) {
        if let Ok(raw) = to_raw_value(&value) {
            self.0.push((name.to_owned(), raw));
        }
    }

    /// Sets a member, replacing one of that name.
    pub fn set(&mut self, name: &str, value: impl Serialize) {
        let Ok(raw) = to_raw_value(&value) else { return };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
    }

    /// Adds a member whose value is JSON text already. False when the text is not JSON.
    #[must_use]
    pub fn put_json(&mut self, name: &str, json: &str) -> bool {
        match raw(json) {
            Some(value) => {
                self.0.push((name.to_owned(), value));
                true
            }
            None => false,
        }
    }

    /// The text of a member's value.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// Takes a member out; `null` counts as absent.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.remove(at);
        (!is_null(&value)).then_some(value)
    }

    /// A member as a typed value. `None` when it is absent, `null` or of another type.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.get(name)?;
        if is_null(value) {
            return None;
        }
        serde_json::from_str(value.get()).ok()
    }

    /// Takes a member out as a typed value.
    pub fn take_as<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_str(self.take(name)?.get()).ok()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// What is left, for an `extra` field. `null` says nothing and stays behind.
    pub fn into_extras(self) -> Extras {
        self.0
            .into_iter()
            .filter(|(_, value)| !is_null(value))
            .map(|(name, value)| (name, value.get().to_owned()))
            .collect()
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// JSON text as a value that keeps it. `None` when it is not one complete JSON value.
pub fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.trim().to_owned()).ok()
}

/// Whether a value is `null`.
pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
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
                while let Some(member) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push(member);
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
}
