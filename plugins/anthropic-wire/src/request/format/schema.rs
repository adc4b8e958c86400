//! Schemas as structured outputs and strict tools take them.
//!
//! In: any JSON Schema. Out: the same one without the keywords that the API refuses. What is taken
//! out of a part is written into its description, where the model still reads it. Never: a change
//! that is not reported.
//!
//! Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, JSON Schema
//! limitations. Recursive schemas and external references are refused too; they cannot be written
//! otherwise, so the API's own error is what the caller gets.

use serde_json::{Map, Value};

use crate::report::Report;

/// Keywords that bound a value and are refused.
const REFUSED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
];

/// The values of `format` that a text is held to; another one is refused.
const FORMATS: &[&str] = &[
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// Members that hold schemas by name.
const NAMED: &[&str] = &["properties", "$defs", "definitions"];

/// Members that hold a list of schemas.
const LISTED: &[&str] = &["anyOf", "oneOf", "allOf", "prefixItems"];

/// Fits a schema that stands at `at` in the caller's request. Text that is not JSON is given back as
/// a string, for the API to refuse.
pub fn fit(schema: &str, at: &str, report: &mut Report) -> Value {
    let Ok(mut schema) = serde_json::from_str::<Value>(schema) else {
        return Value::String(schema.to_owned());
    };
    let mut fitter = Fitter {
        report,
        closed_any: false,
    };
    fitter.walk(&mut schema, at);
    if fitter.closed_any {
        report.add(
            at,
            "Anthropic needs `additionalProperties: false` on every object; it was added where it was missing",
        );
    }
    schema
}

struct Fitter<'a> {
    report: &'a mut Report,
    closed_any: bool,
}

impl Fitter<'_> {
    fn walk(&mut self, schema: &mut Value, at: &str) {
        let Value::Object(fields) = schema else { return };
        self.alternatives(fields, at);
        self.bounds(fields, at);
        self.close(fields, at);
        for name in NAMED {
            if let Some(Value::Object(schemas)) = fields.get_mut(*name) {
                for (key, inner) in schemas.iter_mut() {
                    self.walk(inner, &format!("{at}.{name}.{key}"));
                }
            }
        }
        for name in LISTED {
            if let Some(Value::Array(schemas)) = fields.get_mut(*name) {
                for (index, inner) in schemas.iter_mut().enumerate() {
                    self.walk(inner, &format!("{at}.{name}[{index}]"));
                }
            }
        }
        if let Some(items) = fields.get_mut("items") {
            self.walk(items, &format!("{at}.items"));
        }
    }

    /// Of the two ways to list alternatives one is taken.
    fn alternatives(&mut self, fields: &mut Map<String, Value>, at: &str) {
        if fields.contains_key("anyOf") {
            return;
        }
        if let Some(listed) = fields.shift_remove("oneOf") {
            fields.insert("anyOf".to_owned(), listed);
            self.report
                .add(at, "Anthropic takes no `oneOf`; it was sent as `anyOf`");
        }
    }

    /// Moves bounds into the description, in the form that Anthropic's own SDKs use.
    fn bounds(&mut self, fields: &mut Map<String, Value>, at: &str) {
        let mut taken: Vec<String> = Vec::new();
        for name in REFUSED {
            if let Some(value) = fields.shift_remove(*name) {
                taken.push(format!("{name}: {value}"));
            }
        }
        let format = fields.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| !FORMATS.contains(&format))
            && let Some(value) = fields.shift_remove("format")
        {
            taken.push(format!("format: {value}"));
        }
        // Of `minItems` only 0 and 1 are known.
        if fields
            .get("minItems")
            .and_then(Value::as_u64)
            .is_some_and(|least| least > 1)
            && let Some(value) = fields.shift_remove("minItems")
        {
            taken.push(format!("minItems: {value}"));
        }
        if taken.is_empty() {
            return;
        }
        let note = format!("{{{}}}", taken.join(", "));
        self.report.add(
            at,
            format!("Anthropic takes no {note}; it was moved into the description"),
        );
        let description = match fields.get("description").and_then(Value::as_str) {
            Some(old) => format!("{old}\n\n{note}"),
            None => note,
        };
        fields.insert("description".to_owned(), Value::String(description));
    }

    /// Every object has to say that it holds nothing else.
    fn close(&mut self, fields: &mut Map<String, Value>, at: &str) {
        let is_object = match fields.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            Some(_) => false,
            None => fields.contains_key("properties"),
        };
        let open = fields.get("additionalProperties");
        if !is_object || open == Some(&Value::Bool(false)) {
            return;
        }
        if open.is_some() {
            self.report.add(
                format!("{at}.additionalProperties"),
                "Anthropic takes only `false` here, and `false` was sent",
            );
        } else {
            self.closed_any = true;
        }
        fields.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ROOT: &str = "response_format.json_schema.schema";

    fn fitted(schema: &Value) -> (Value, Vec<String>) {
        let mut report = Report::default();
        let out = fit(&schema.to_string(), ROOT, &mut report);
        let fields = report.into_dropped().into_iter().map(|entry| entry.field).collect();
        (out, fields)
    }

    #[test]
    fn a_schema_that_fits_stays_as_it_is() {
        let schema = json!({
            "$defs": {"A": {"type": "object", "properties": {}, "additionalProperties": false}},
            "type": "object",
            "properties": {
                "minimum": {"type": "string", "format": "uuid", "pattern": "^a"},
                "b": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
                "c": {"type": "array", "minItems": 1, "items": {"enum": [1, 2]}},
            },
            "required": ["minimum"],
            "additionalProperties": false,
        });
        assert_eq!(fitted(&schema), (schema.clone(), vec![]));
    }

    #[test]
    fn what_is_refused_moves_into_the_description() {
        let schema = json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 0, "maximum": 9, "description": "A digit."},
                "l": {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 3}},
                "o": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                "p": {"oneOf": [{"type": "string", "format": "password"}, {"type": "string", "format": "date"}]},
            },
        });
        let (out, fields) = fitted(&schema);
        assert_eq!(
            out,
            json!({
                "type": "object",
                "properties": {
                    "n": {"type": "integer", "description": "A digit.\n\n{minimum: 0, maximum: 9}"},
                    "l": {"type": "array", "items": {"type": "string", "description": "{maxLength: 3}"}, "description": "{minItems: 2}"},
                    "o": {"type": ["object", "null"], "additionalProperties": false},
                    "p": {"anyOf": [{"type": "string", "description": "{format: \"password\"}"}, {"type": "string", "format": "date"}]},
                },
                "additionalProperties": false,
            })
        );
        let root = ROOT;
        assert_eq!(
            fields,
            vec![
                format!("{root}.properties.n"),
                format!("{root}.properties.l"),
                format!("{root}.properties.l.items"),
                format!("{root}.properties.o.additionalProperties"),
                format!("{root}.properties.p"),
                format!("{root}.properties.p.anyOf[0]"),
                root.to_owned(),
            ]
        );
    }
}
