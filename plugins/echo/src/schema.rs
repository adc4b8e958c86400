//! A small value that satisfies a JSON Schema.
//!
//! In: a schema. Out: a value with what the schema requires and nothing else. Never: `pattern`,
//! `not`, `if`, `uniqueItems` or `contains`, which would take a solver; a schema that uses them may
//! get a value that does not satisfy them.

use serde_json::{Map, Value, json};

/// How deep a value may get. A schema that requires itself has no finite value.
const DEPTH: usize = 24;

/// A value of the schema, given as its JSON text. No schema, or one that is no JSON, allows all:
/// the value is an empty object then.
pub(crate) fn example(schema: Option<&str>) -> Value {
    let root: Value = schema
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or(Value::Bool(true));
    let sample = Sample { root: &root };
    match sample.value(&root, 0) {
        // What allows all allows an object, which is what callers expect.
        Value::Null if !sample.allows_only_null(&root) => json!({}),
        value => value,
    }
}

struct Sample<'s> {
    root: &'s Value,
}

impl Sample<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        let mut flat = Map::new();
        self.flatten(schema, &mut flat, depth);
        if let Some(value) = flat.get("const") {
            return value.clone();
        }
        if let Some(first) = flat.get("enum").and_then(|all| all.get(0)) {
            return first.clone();
        }
        if depth >= DEPTH {
            return Value::Null;
        }
        match kind(&flat) {
            "object" => self.object(&flat, depth),
            "array" => self.array(&flat, depth),
            "string" => string(&flat),
            "integer" => number(&flat, true),
            "number" => number(&flat, false),
            "boolean" => Value::Bool(false),
            _ => Value::Null,
        }
    }

    /// The keywords of a schema with those it refers to and those of the first alternative.
    fn flatten(&self, schema: &Value, into: &mut Map<String, Value>, depth: usize) {
        let Some(schema) = schema.as_object() else { return };
        if depth >= DEPTH {
            return;
        }
        for (name, value) in schema {
            match name.as_str() {
                "$ref" => {
                    let target = value.as_str().and_then(|to| self.root.pointer(to.strip_prefix('#')?));
                    self.flatten(target.unwrap_or(&Value::Null), into, depth + 1);
                }
                "allOf" => {
                    for part in value.as_array().into_iter().flatten() {
                        self.flatten(part, into, depth + 1);
                    }
                }
                "anyOf" | "oneOf" => {
                    self.flatten(value.get(0).unwrap_or(&Value::Null), into, depth + 1);
                }
                _ => add(into, name, value),
            }
        }
    }

    fn object(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let of = |name: &str| {
            properties
                .and_then(|all| all.get(name))
                .or_else(|| schema.get("additionalProperties"))
        };
        let required = schema.get("required").and_then(Value::as_array);
        let mut names: Vec<String> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let least = count(schema, "minProperties");
        let optional = properties.into_iter().flat_map(Map::keys).cloned();
        let made_up = (1..=least).map(|n| format!("property{n}"));
        for name in optional.chain(made_up) {
            if names.len() < least && !names.contains(&name) {
                names.push(name);
            }
        }
        let member = |name: String| {
            let value = of(&name).map_or(Value::Null, |schema| self.value(schema, depth + 1));
            (name, value)
        };
        Value::Object(names.into_iter().map(member).collect())
    }

    fn array(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let item = |at: usize| {
            let schema = first.and_then(|all| all.get(at)).or_else(|| schema.get("items"));
            schema.map_or(Value::Null, |schema| self.value(schema, depth + 1))
        };
        (0..count(schema, "minItems")).map(item).collect()
    }

    fn allows_only_null(&self, schema: &Value) -> bool {
        let mut flat = Map::new();
        self.flatten(schema, &mut flat, 0);
        flat.contains_key("const") || flat.contains_key("enum") || kind(&flat) == "null"
    }
}

/// Adds a keyword. Those that several parts of a schema may have are united.
fn add(into: &mut Map<String, Value>, name: &str, value: &Value) {
    match (into.get_mut(name), value) {
        (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
        (Some(Value::Array(old)), Value::Array(new)) if name == "required" => {
            for item in new {
                if !old.contains(item) {
                    old.push(item.clone());
                }
            }
        }
        _ => {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

/// The type to make: the first that is not null, or what the keywords speak of.
fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if ["properties", "required"].iter().any(|name| schema.contains_key(*name)) => "object",
        _ if ["items", "prefixItems"].iter().any(|name| schema.contains_key(*name)) => "array",
        _ => "",
    }
}

/// A small limit; a large one would make a value nobody wants to see.
fn count(schema: &Map<String, Value>, name: &str) -> usize {
    let limit = schema.get(name).and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(limit.min(1000)).unwrap_or(0)
}

fn string(schema: &Map<String, Value>) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "1970-01-01T00:00:00Z",
        Some("date") => "1970-01-01",
        Some("time") => "00:00:00Z",
        Some("duration") => "PT0S",
        Some("email") => "echo@example.com",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uri" | "iri") => "https://example.com/",
        Some("uuid") => "00000000-0000-0000-0000-000000000000",
        _ => "",
    };
    let missing = count(schema, "minLength").saturating_sub(text.chars().count());
    Value::from(format!("{text}{}", "a".repeat(missing)))
}

/// The number nearest to 0 that the limits allow.
fn number(schema: &Map<String, Value>, whole: bool) -> Value {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let step = limit("multipleOf").filter(|step| *step > 0.0).or(whole.then_some(1.0));
    let beyond = step.unwrap_or(1.0);
    let low = limit("minimum").or_else(|| limit("exclusiveMinimum").map(|low| low + beyond));
    let high = limit("maximum").or_else(|| limit("exclusiveMaximum").map(|high| high - beyond));
    let mut number = 0.0_f64;
    match (low, high) {
        (Some(low), _) if low > 0.0 => number = step.map_or(low, |step| (low / step).ceil() * step),
        (_, Some(high)) if high < 0.0 => number = step.map_or(high, |step| (high / step).floor() * step),
        _ => {}
    }
    // An interval narrower than the step beyond its open end.
    if let (Some(open), Some(high)) = (limit("exclusiveMinimum"), high)
        && number > high
    {
        number = open.midpoint(high);
    }
    // A whole number of this size is exact, so the cast loses nothing.
    #[allow(clippy::cast_possible_truncation)]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Value::from(number as i64);
    }
    Value::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_satisfy_their_schema_and_say_no_more() {
        for (schema, want) in [
            (
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["b"]}),
                json!({"b": 0}),
            ),
            (json!({"type": ["null", "string"]}), json!("")),
            (json!({"type": "null"}), json!(null)),
            (json!({"enum": ["red", "blue"]}), json!("red")),
            (json!({"const": 7}), json!(7)),
            (
                json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}),
                json!([false, false]),
            ),
            (json!({"type": "array", "items": {"type": "boolean"}}), json!([])),
            (
                json!({"prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 3, "items": {"const": 1}}),
                json!(["", 0, 1]),
            ),
            (json!({"type": "string", "minLength": 3}), json!("aaa")),
            (json!({"type": "string", "format": "date"}), json!("1970-01-01")),
            (json!({"type": "integer", "minimum": 3}), json!(3)),
            (json!({"type": "integer", "exclusiveMinimum": 3}), json!(4)),
            (json!({"type": "integer", "minimum": 3, "multipleOf": 5}), json!(5)),
            (json!({"type": "integer", "maximum": -3}), json!(-3)),
            (json!({"type": "number", "minimum": 0.5}), json!(0.5)),
            (
                json!({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}),
                json!(0.25),
            ),
            (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), json!("")),
            (
                json!({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}, "required": ["b"]}]}),
                json!({"a": 1, "b": 2}),
            ),
            (
                json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "required": ["y"], "properties": {"y": {"$ref": "#/$defs/y"}}}, "y": {"type": "boolean"}}}),
                json!({"y": false}),
            ),
            (
                json!({"type": "object", "minProperties": 2, "properties": {"a": {"type": "string"}}}),
                json!({"a": "", "property1": null}),
            ),
            (json!({"type": "object", "required": ["free"]}), json!({"free": null})),
            (json!({}), json!({})),
        ] {
            assert_eq!(example(Some(&schema.to_string())), want, "{schema}");
        }
        assert_eq!(example(None), json!({}));
        assert_eq!(example(Some("{oops")), json!({}));
    }

    #[test]
    fn a_schema_that_requires_itself_comes_to_an_end() {
        let schema = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}}});
        assert!(example(Some(&schema.to_string())).is_object());
        let schema = json!({"$ref": "#"});
        assert_eq!(example(Some(&schema.to_string())), json!({}));
    }
}
