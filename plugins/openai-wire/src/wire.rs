//! JSON objects read one member at a time, so that nothing a provider says is lost.
//!
//! In: JSON text. Out: the members that were asked for; what remains becomes `extra`, with its
//! text unchanged. Never: a failure because one member has an unexpected type. Such a member
//! stays where it is and travels on as an extra.

pub(crate) mod answer;
pub(crate) mod media;
pub(crate) mod state;
pub(crate) mod verdict;

use std::borrow::Cow;
use std::fmt;

use llm_provider_sdk::types::Extras;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of one JSON object that nobody has taken yet, in their order.
#[derive(Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(12));
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Fields<'a> {
    /// Reads an object.
    pub(crate) fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Whether a member of this name is left.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Looks at a member without taking it.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// Takes a member of whatever type; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        let (_, value) = self.0.remove(at);
        (value.get() != "null").then_some(value)
    }

    /// Takes a member that reads as `T`; `null` counts as absent, and one that does not read as
    /// `T` stays.
    pub(crate) fn take_as<T: Deserialize<'a>>(&mut self, name: &str) -> Option<T> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        let raw = self.0.get(at)?.1;
        if raw.get() == "null" {
            self.0.remove(at);
            return None;
        }
        let value = read(raw)?;
        self.0.remove(at);
        Some(value)
    }

    /// Takes a text.
    pub(crate) fn take_text(&mut self, name: &str) -> Option<String> {
        self.take_as(name)
    }

    /// Takes a text that is not empty; an empty one counts as absent.
    pub(crate) fn take_some_text(&mut self, name: &str) -> Option<String> {
        self.take_text(name).filter(|text| !text.is_empty())
    }

    /// Takes an object.
    pub(crate) fn take_object(&mut self, name: &str) -> Option<Fields<'a>> {
        self.take_as(name)
    }

    /// Takes a list; of what, is for the caller to find out.
    pub(crate) fn take_list(&mut self, name: &str) -> Vec<&'a RawValue> {
        self.take_as(name).unwrap_or_default()
    }

    /// Takes a count. Some providers write counts as `28.0`.
    pub(crate) fn take_count(&mut self, name: &str) -> Option<u64> {
        let Count(n) = self.take_as(name)?;
        Some(n)
    }

    /// What nobody took, unchanged.
    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.0.into_iter()
    }

    /// What nobody took.
    pub(crate) fn into_extras(self) -> Extras {
        self.0
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value.get().to_owned()))
            .collect()
    }
}

/// Reads a JSON value as `T`, or not at all.
pub(crate) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// What a JSON value says as plain text, as the field of a form: a string without its quotes, anything
/// else as it is written.
pub(crate) fn plain(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// The text of a JSON string.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The JSON text of an object of these members.
pub(crate) fn object(members: &Extras) -> String {
    let mut json = String::from("{");
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(&json_string(name));
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// Whether a JSON text says nothing: `null`, or an empty array, object or string.
pub(crate) fn is_empty(json: &str) -> bool {
    let mut rest = json.bytes().filter(|b| !b.is_ascii_whitespace());
    match (rest.next(), rest.next()) {
        (None, _) | (Some(b'['), Some(b']')) | (Some(b'{'), Some(b'}')) => true,
        (Some(b'"'), Some(b'"')) => json.trim().len() == 2,
        _ => json.trim() == "null",
    }
}

/// Adds later fields to earlier ones, as a stream's `extra` is defined: the items of an array
/// are appended, any other value replaces. A value that says nothing never replaces one that
/// says something.
pub(crate) fn merge(into: &mut Extras, later: Extras) {
    for (name, new) in later {
        let Some((_, old)) = into.iter_mut().find(|(n, _)| *n == name) else {
            into.push((name, new));
            continue;
        };
        let lists = (
            serde_json::from_str::<Vec<&RawValue>>(old),
            serde_json::from_str::<Vec<&RawValue>>(&new),
        );
        if let (Ok(mut items), Ok(more)) = lists {
            items.extend(more);
            if let Ok(joined) = serde_json::to_string(&items) {
                *old = joined;
            }
        } else if !is_empty(&new) || is_empty(old) {
            *old = new;
        }
    }
}

/// What is new in a value that is sent again: of a list that has grown, the new items, since a
/// stream's lists are appended to; of anything else, all.
pub(crate) fn grown(before: &str, now: String) -> String {
    let lists = (
        serde_json::from_str::<Vec<&RawValue>>(before),
        serde_json::from_str::<Vec<&RawValue>>(&now),
    );
    let (Ok(old), Ok(new)) = lists else { return now };
    let same = old.iter().zip(&new).all(|(a, b)| a.get() == b.get());
    match new.get(old.len()..) {
        Some(more) if same => serde_json::to_string(more).unwrap_or_else(|_| now.clone()),
        _ => now,
    }
}

/// A count, also where it is written as a float.
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(n) = number.as_u64() {
            return Ok(Self(n));
        }
        match number.as_f64() {
            // A float this small is exact, so the cast loses nothing but a fraction.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(x) if (0.0..9e15).contains(&x) => Ok(Self(x.round() as u64)),
            _ => Err(serde::de::Error::custom("not a count")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_taken_and_the_rest_survives_unchanged() {
        let mut fields =
            Fields::parse(r#"{"a":"x","big":12345678901234567890123,"b":null,"c":[1, 2],"n":28.0}"#).unwrap();
        assert_eq!(fields.take_text("a").as_deref(), Some("x"));
        assert_eq!(fields.take_text("b"), None);
        assert_eq!(fields.take_count("n"), Some(28));
        assert_eq!(fields.take_text("c"), None, "wrong type: stays");
        assert_eq!(
            fields.into_extras(),
            [
                ("big".to_owned(), "12345678901234567890123".to_owned()),
                ("c".to_owned(), "[1, 2]".to_owned()),
            ]
        );
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (json, want) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("-1", None),
            ("\"7\"", None),
            ("1e300", None),
        ] {
            let text = format!("{{\"n\":{json}}}");
            let mut fields = Fields::parse(&text).unwrap();
            assert_eq!(fields.take_count("n"), want, "{json}");
        }
    }

    #[test]
    fn later_extras_append_to_lists_and_replace_the_rest() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let mut into = vec![pair("l", "[1]"), pair("v", "1"), pair("keep", r#"{"a":1}"#)];
        merge(
            &mut into,
            vec![
                pair("l", "[2,3]"),
                pair("v", "2"),
                pair("keep", "{ }"),
                pair("new", "null"),
            ],
        );
        assert_eq!(
            into,
            [
                pair("l", "[1,2,3]"),
                pair("v", "2"),
                pair("keep", r#"{"a":1}"#),
                pair("new", "null")
            ]
        );
    }
}
