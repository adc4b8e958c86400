//! Values that a JSON Schema allows.
//!
//! In: a definition of a provider's API, and chance. Out: a value that fits it. Never: a text twice:
//! each says where it went.

use serde_json::{Map, Number, Value, json};

use super::random::Random;

/// Deeper than this, only what must be there is.
const DEEP: usize = 9;

/// Ends of texts that are hard to carry: quotes, line ends, other scripts, what is no character alone.
const ENDS: [&str; 8] = [
    "",
    "",
    "",
    " \"q\" \\ / ",
    "\n\r\n\tdata: x\n\n",
    " ä€",
    " 😀\u{200d}🔥",
    "\u{0}\u{7f}\u{2028}",
];

/// Makes values.
pub(crate) struct Maker<'a> {
    /// What references lead into.
    root: &'a Value,
    pub(crate) random: Random,
    made: u32,
    /// How often of a hundred times an object has a member that no definition knows.
    unknown: usize,
}

/// An object's definition, put together from all that it consists of.
#[derive(Default)]
struct Members<'a> {
    properties: Vec<(&'a str, &'a Value)>,
    required: Vec<&'a str>,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(root: &'a Value, seed: u64, unknown: usize) -> Self {
        Self {
            root,
            random: Random::new(seed),
            made: 0,
            unknown,
        }
    }

    /// A value of a definition.
    pub(crate) fn value(&mut self, schema: &'a Value) -> Value {
        self.at(schema, 0)
    }

    /// A text that is nowhere else.
    pub(crate) fn word(&mut self) -> String {
        self.made += 1;
        format!("w{:05}w", self.made)
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema["$ref"].as_str() else {
            return schema;
        };
        let pointer = reference.trim_start_matches('#');
        let target = self.root.pointer(pointer);
        self.resolve(target.unwrap_or_else(|| panic!("{reference} leads nowhere")))
    }

    fn at(&mut self, schema: &'a Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(words) = schema["enum"].as_array() {
            return self.random.pick(words).clone();
        }
        if schema["nullable"] == true && self.random.chance(15) {
            return Value::Null;
        }
        for name in ["anyOf", "oneOf"] {
            // Beside members of its own it says which of them have to be there.
            if let Some(choices) = schema[name].as_array().filter(|_| schema["properties"].is_null()) {
                let choice = self.random.pick(choices);
                return self.at(choice, depth + 1);
            }
        }
        if schema["allOf"].is_array() || schema["properties"].is_object() {
            return self.object(schema, depth);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => self.random.pick(kinds).as_str(),
            kind => kind.as_str(),
        };
        match kind {
            Some("string") => self.text(schema),
            Some("integer") => self.integer(schema),
            Some("number") => self.number(schema),
            Some("boolean") => json!(self.random.chance(50)),
            Some("null") => Value::Null,
            Some("array") => self.list(schema, depth),
            Some("object") => self.object(schema, depth),
            _ => self.free(depth),
        }
    }

    fn text(&mut self, schema: &Value) -> Value {
        let word = self.word();
        match schema["format"].as_str() {
            Some("uri") => json!(format!("https://example.com/{word}.png")),
            _ if schema["maxLength"].is_number() => json!(word),
            _ => json!(format!("{word}{}", self.random.pick(&ENDS))),
        }
    }

    fn integer(&mut self, schema: &Value) -> Value {
        if schema["format"] == "unixtime" {
            return json!(1_700_000_000 + self.random.below(1000));
        }
        let least = schema["minimum"].as_f64().unwrap_or(0.0).max(-1e6) as i64;
        let most = schema["maximum"].as_f64().unwrap_or(1000.0).min(1e6) as i64;
        let range = usize::try_from(most - least + 1).unwrap_or(1);
        json!(least + i64::try_from(self.random.below(range)).unwrap_or(0))
    }

    /// A number that a float holds exactly.
    fn number(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_f64().unwrap_or(-4.0);
        let most = schema["maximum"].as_f64().unwrap_or(4.0);
        let steps = ((most - least) * 8.0) as usize;
        let value = least + self.random.below(steps + 1) as f64 / 8.0;
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }

    fn list(&mut self, schema: &'a Value, depth: usize) -> Value {
        let count = |name: &str| schema[name].as_u64().and_then(|count| usize::try_from(count).ok());
        let least = count("minItems").unwrap_or(0);
        let most = count("maxItems").unwrap_or(usize::MAX).min(least + 3);
        let more = if depth > DEEP {
            0
        } else {
            self.random.below(most - least + 1)
        };
        let items = &schema["items"];
        (0..least + more).map(|_| self.at(items, depth + 1)).collect()
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut members = Members::default();
        self.gather(schema, &mut members);
        let mut out = Map::new();
        for (name, inner) in &members.properties {
            let rare = if depth > DEEP { 0 } else { 35 };
            if members.required.contains(name) || self.random.chance(rare) {
                let value = self.at(inner, depth + 1);
                out.insert((*name).to_owned(), value);
            }
        }
        match &schema["additionalProperties"] {
            Value::Object(_) => {
                for _ in 0..self.random.below(3) {
                    let name = self.word();
                    let value = self.at(&schema["additionalProperties"], depth + 1);
                    out.insert(name, value);
                }
            }
            _ if members.properties.is_empty() => {
                for _ in 0..self.random.below(3) {
                    let name = self.word();
                    out.insert(name, self.free(depth + 1));
                }
            }
            _ => {}
        }
        if self.random.chance(self.unknown) {
            let name = format!("new_{}", self.word());
            out.insert(name, self.free(depth + 1));
        }
        Value::Object(out)
    }

    fn gather(&self, schema: &'a Value, members: &mut Members<'a>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, members);
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            members.properties.retain(|(known, _)| known != name);
            members.properties.push((name, inner));
        }
        let required = schema["required"].as_array().into_iter().flatten();
        members.required.extend(required.filter_map(Value::as_str));
    }

    /// Any value.
    pub(crate) fn free(&mut self, depth: usize) -> Value {
        match self.random.below(if depth > DEEP { 4 } else { 6 }) {
            0 => json!(self.random.chance(50)),
            1 => json!(self.random.below(100_000)),
            2 => json!(self.random.below(64) as f64 / 8.0),
            3 => json!(self.word()),
            4 => (0..self.random.below(3)).map(|_| self.free(depth + 2)).collect(),
            _ => {
                let mut object = Map::new();
                for _ in 0..1 + self.random.below(2) {
                    let name = self.word();
                    object.insert(name, self.free(depth + 2));
                }
                Value::Object(object)
            }
        }
    }
}
