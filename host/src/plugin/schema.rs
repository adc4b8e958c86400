//! The JSON Schema of a plugin's settings.
//!
//! In: a schema as the plugin wrote it, and settings as an admin did. Out: whether they fit, and where not.
//! Never: a schema whose work is out of proportion to its length, a look at another document than the
//! schema itself, or a setting's value in an error: a key may have been put there by mistake.
//!
//! A few kilobytes of references to references describe more than a machine can hold, and the host
//! follows them outside of the sandbox. So what a schema comes to with its references followed is counted
//! before it is used.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

/// Longest schema, in bytes.
const LONGEST: usize = 256 * 1024;
/// Most parts of a schema, those counted again that it refers to more than once.
const MOST_PARTS: usize = 50_000;
/// How deep its parts may lie in each other, references followed.
const DEEPEST: usize = 100;
/// How many faults of some settings are told.
const MOST_FAULTS: usize = 20;
/// The drafts in which a reference means what is counted here.
const DRAFTS: [&str; 4] = ["2020-12", "2019-09", "draft-07", "draft-06"];

/// Reads a schema.
///
/// # Errors
/// Why it is none that the host checks by.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.len() > LONGEST {
        return Err(format!("config-schema is longer than {LONGEST} bytes"));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("config-schema is not JSON: {error}"))?;
    let draft = schema.get("$schema").and_then(Value::as_str);
    if draft.is_some_and(|draft| !DRAFTS.iter().any(|known| draft.contains(known))) {
        return Err(format!(
            "config-schema is of a draft that is not one of {}",
            DRAFTS.join(", ")
        ));
    }
    let mut count = Count {
        schema: &schema,
        left: MOST_PARTS,
    };
    count.part(&schema, 0).map_err(|why| format!("config-schema {why}"))?;
    jsonschema::validator_for(&schema).map_err(|error| format!("config-schema is not a JSON Schema: {error}"))?;
    Ok(schema)
}

/// Counts what a schema comes to.
struct Count<'s> {
    schema: &'s Value,
    left: usize,
}

impl Count<'_> {
    fn part(&mut self, part: &Value, depth: usize) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("has more than {MOST_PARTS} parts when its `$ref` are followed"))?;
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST}, or its `$ref` go in a circle"));
        }
        match part {
            Value::Array(items) => items.iter().try_for_each(|item| self.part(item, depth + 1)),
            Value::Object(members) => members
                .iter()
                .try_for_each(|(name, value)| self.member(name, value, depth)),
            _ => Ok(()),
        }
    }

    fn member(&mut self, name: &str, value: &Value, depth: usize) -> Result<(), String> {
        match (name, value) {
            ("$ref", Value::String(target)) => {
                let pointer = target.strip_prefix('#').filter(|rest| !rest.contains('%'));
                let found = pointer.and_then(|pointer| self.schema.pointer(pointer));
                let found = found.ok_or("has a `$ref` that leads to no part of it; write `#/$defs/NAME`")?;
                self.part(found, depth + 1)
            }
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                Err(format!("has a `{name}`, which the host does not follow; write `$ref`"))
            }
            // It would change where the references below it lead.
            ("$id", Value::String(_)) if depth > 0 => Err("has an `$id` within it".to_owned()),
            (_, value) => self.part(value, depth + 1),
        }
    }
}

/// Checks settings.
///
/// # Errors
/// Each thing that does not fit, with the path to it.
pub(super) fn check(schema: &Value, settings: &Map<String, Value>) -> Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let unknown = unknown(schema, settings);
    let mut faults: Vec<String> = unknown
        .iter()
        .map(|name| format!("there is no setting `{}`", name.escape_debug()))
        .collect();
    let value = Value::Object(settings.clone());
    let others = validator
        .iter_errors(&value)
        .filter(|error| unknown.is_empty() || !is_of_names(error));
    faults.extend(others.take(MOST_FAULTS).map(|error| {
        let path = error.instance_path().to_string();
        let error = error.masked_with("what is written");
        if path.is_empty() {
            error.to_string()
        } else {
            format!("{path}: {error}")
        }
    }));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

/// The settings that a schema without room for others does not name.
fn unknown<'s>(schema: &Value, settings: &'s Map<String, Value>) -> Vec<&'s str> {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let patterns = schema.get("patternProperties").is_some();
    let known = |name: &str| {
        schema
            .pointer("/properties")
            .is_some_and(|known| known.get(name).is_some())
    };
    let names = settings.keys().map(String::as_str);
    names.filter(|name| closed && !patterns && !known(name)).collect()
}

/// Whether it is said of the settings as a whole that some are not known.
fn is_of_names(error: &ValidationError) -> bool {
    let kind = matches!(
        error.kind(),
        ValidationErrorKind::FalseSchema | ValidationErrorKind::AdditionalProperties { .. }
    );
    kind && error.instance_path().as_str().is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_schema_that_describes_more_than_can_be_checked_is_refused() {
        let chain = |times: usize| {
            let each = |at: usize| {
                let next = json!({"$ref": format!("#/$defs/d{}", at + 1)});
                (format!("d{at}"), json!({"anyOf": [next, next]}))
            };
            let mut defs: Map<String, Value> = (0..times).map(each).collect();
            defs.insert(format!("d{times}"), json!(false));
            json!({"$defs": defs, "$ref": "#/$defs/d0"})
        };
        let deep = (0..120).fold(json!(true), |inner, _| json!({"not": inner}));
        for (schema, why) in [
            (json!({"type": "object"}), None),
            (chain(5), None),
            (
                json!({"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}, "$ref": {}}}),
                None,
            ),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), None),
            (chain(20), Some("more than 50000 parts")),
            (chain(40), Some("deeper than 100")),
            (json!({"$ref": "#"}), Some("circle")),
            (
                json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
                Some("circle"),
            ),
            (deep, Some("deeper than 100")),
            (json!({"$ref": "https://a.example/schema"}), Some("leads to no part")),
            (json!({"$ref": "file:///etc/passwd"}), Some("leads to no part")),
            (json!({"$ref": "#name"}), Some("leads to no part")),
            (json!({"allOf": [{"$dynamicRef": "#n"}]}), Some("`$dynamicRef`")),
            (json!({"allOf": [{"$id": "https://a.example/"}]}), Some("`$id`")),
            (
                json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
                Some("draft"),
            ),
            (json!({"type": "nonsense"}), Some("not a JSON Schema")),
        ] {
            let read = read(&schema.to_string());
            match why {
                None => assert!(read.is_ok(), "{schema}: {read:?}"),
                Some(why) => assert!(
                    read.as_ref().is_err_and(|told| told.contains(why)),
                    "{schema}: {read:?}"
                ),
            }
        }
        // The largest of these that is taken is still checked by in no time.
        assert!(read(&chain(10).to_string()).is_ok());
        assert!(check(&chain(10), &settings(json!({"a": 1}))).is_err());
        let long = format!("{{\"description\": \"{}\"}}", "x".repeat(LONGEST));
        assert!(read(&long).unwrap_err().contains("longer"));
        assert!(read("no schema").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn a_value_is_not_repeated() {
        let schema = json!({"properties": {"n": {"type": "integer"}}});
        assert!(check(&schema, &settings(json!({"n": 1}))).is_ok());
        assert_eq!(
            check(&schema, &settings(json!({"n": "sk-one"}))).unwrap_err(),
            r#"/n: what is written is not of type "integer""#
        );
        for schema in [
            json!({"additionalProperties": false}),
            json!({"properties": {"n": {"type": "integer"}}, "additionalProperties": false}),
        ] {
            assert_eq!(
                check(&schema, &settings(json!({"api_key": "sk-one"}))).unwrap_err(),
                "there is no setting `api_key`"
            );
        }
    }
}
