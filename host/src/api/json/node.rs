//! A request's JSON as a tree that borrows from the body.
//!
//! In: the body's bytes. Out: [`Node`]s; strings without escapes are borrowed, so a large text is
//! copied once, when it moves into the typed request. Never: a second pass over the text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Number;

use crate::error::GatewayError;

use super::object::{Object, Path};

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Parses a whole body. The error says at which line and column the text stops being JSON.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, GatewayError> {
        let text = std::str::from_utf8(body).map_err(|error| GatewayError::InvalidRequest {
            message: format!(
                "the body is not UTF-8: the byte at offset {} is wrong",
                error.valid_up_to()
            ),
            param: None,
            code: Some("invalid_json"),
        })?;
        // Editors and shells put a mark before a file's text, which clients send on.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().is_empty() {
            return Err(GatewayError::InvalidRequest {
                message: "the body is empty; it must be a JSON object".to_owned(),
                param: None,
                code: Some("invalid_json"),
            });
        }
        serde_json::from_str(text).map_err(|error| GatewayError::InvalidRequest {
            message: format!("the body is not valid JSON: {error}"),
            param: None,
            code: Some("invalid_json"),
        })
    }

    /// The value as JSON text.
    pub(crate) fn to_json(&self) -> String {
        // Writing to a string cannot fail, and every key of the tree is a string.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the value is, for an error message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::Text(_) => "a string",
            Node::List(_) => "an array",
            Node::Map(_) => "an object",
        }
    }

    /// The string it must be.
    pub(crate) fn into_text(self, path: &Path<'_>) -> Result<Cow<'a, str>, GatewayError> {
        match self {
            Node::Text(text) => Ok(text),
            other => Err(path.wrong_type("a string", &other)),
        }
    }

    /// The array it must be.
    pub(crate) fn into_list(self, path: &Path<'_>) -> Result<Vec<Node<'a>>, GatewayError> {
        match self {
            Node::List(items) => Ok(items),
            other => Err(path.wrong_type("an array", &other)),
        }
    }

    /// The object it must be.
    pub(crate) fn into_object<'p>(self, path: &'p Path<'p>) -> Result<Object<'a, 'p>, GatewayError> {
        match self {
            Node::Map(fields) => Ok(Object::new(fields, path)),
            other => Err(path.wrong_type("an object", &other)),
        }
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(serde::Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut fields = Vec::new();
        while let Some((Key(name), value)) = map.next_entry()? {
            fields.push((name, value));
        }
        Ok(Node::Map(fields))
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => serializer.serialize_unit(),
            Node::Bool(value) => serializer.serialize_bool(*value),
            Node::Number(value) => value.serialize(serializer),
            Node::Text(value) => serializer.serialize_str(value),
            Node::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Node::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
