//! Values drawn at random out of the service's model.
//!
//! In: a number that decides everything, and a shape's name. Out: JSON that is valid for the shape: all
//! that is required, some of what is not, and now and then what is newer than the model. Never: a value
//! that the service could not send.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 9] = ["Hello", " ", "\"quoted\"", "\\", "é", "😀", "\n", "</think>", "\u{0}1"];
        (0..=self.below(4)).map(|_| *self.of(&PIECES)).collect()
    }

    /// Letters and digits, for names, ids and padding.
    pub(crate) fn word(&mut self) -> String {
        (0..3 + self.below(20))
            .map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap()))
            .collect()
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        (0..=self.below(9)).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Free JSON: what a model writes as a call's input.
    pub(crate) fn object(&mut self) -> Value {
        let members = (0..self.below(3)).map(|_| (self.word(), ())).collect::<Vec<_>>();
        let mut out = Map::new();
        for (name, ()) in members {
            let value = match self.below(5) {
                0 => json!(self.text()),
                1 => json!(self.below(1 << 40)),
                2 => json!([true, null, -1.5]),
                3 => json!({ "inner": self.text() }),
                _ => Value::Null,
            };
            out.insert(name, value);
        }
        Value::Object(out)
    }

    /// A text in pieces, perhaps with empty ones.
    pub(crate) fn pieces(&mut self, text: &str) -> Vec<String> {
        let mut out = vec![String::new()];
        for letter in text.chars() {
            if self.once_in(3) {
                out.push(String::new());
            }
            out.last_mut().unwrap().push(letter);
        }
        out
    }
}

/// The shapes of the service.
pub(crate) struct Model(Value);

impl Model {
    /// The model; nothing, and a line that says so, when it is not on this machine.
    pub(crate) fn read() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs");
        let path = std::env::var_os("LLM_HOST_SPECS")
            .map_or_else(beside, PathBuf::from)
            .join("botocore/bedrock-runtime/service-2.json");
        let Ok(text) = std::fs::read(&path) else {
            println!("no {} (set LLM_HOST_SPECS): nothing was drawn", path.display());
            return None;
        };
        Some(Self(serde_json::from_slice(&text).unwrap()))
    }

    /// A value of a shape.
    pub(crate) fn value(&self, shape: &str, draw: &mut Draw) -> Value {
        self.at(shape, draw, 0)
    }

    fn at(&self, name: &str, draw: &mut Draw, depth: u64) -> Value {
        let shape = &self.0["shapes"][name];
        match shape["type"].as_str().unwrap() {
            "structure" if shape["document"] == true => draw.object(),
            "structure" if shape["union"] == true => self.union(shape, draw, depth),
            "structure" => self.structure(shape, draw, depth),
            "list" => {
                let count = shape["min"].as_u64().unwrap_or(0).max(draw.below(3));
                let item = shape["member"]["shape"].as_str().unwrap();
                (0..count).map(|_| self.at(item, draw, depth + 1)).collect()
            }
            "map" => {
                let item = shape["value"]["shape"].as_str().unwrap();
                let entry = (draw.word(), self.at(item, draw, depth + 1));
                Value::Object(Map::from_iter([entry]))
            }
            "string" => match shape["enum"].as_array() {
                Some(words) if !draw.once_in(12) => draw.of(words).clone(),
                Some(_) => json!(format!("newer_{}", draw.word())),
                None if name.contains("Name") || name.contains("Id") => json!(draw.word()),
                None => json!(draw.text()),
            },
            "blob" => json!(STANDARD.encode(draw.bytes())),
            "integer" => json!(draw.below(1 << 20)),
            "long" => json!(draw.below(1 << 40)),
            "double" | "float" => json!(f64::from(u32::try_from(draw.below(1000)).unwrap()) / 8.0),
            "boolean" => json!(draw.once_in(2)),
            other => panic!("{name} is a {other}"),
        }
    }

    fn structure(&self, shape: &Value, draw: &mut Draw, depth: u64) -> Value {
        let mut out = Map::new();
        for (name, member) in shape["members"].as_object().unwrap() {
            let required = shape["required"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(name)));
            if required || draw.once_in(2 + depth) {
                out.insert(
                    name.clone(),
                    self.at(member["shape"].as_str().unwrap(), draw, depth + 1),
                );
            } else if draw.once_in(10) {
                out.insert(name.clone(), Value::Null);
            }
        }
        if draw.once_in(10) {
            out.insert(newer(draw), draw.object());
        }
        Value::Object(out)
    }

    fn union(&self, shape: &Value, draw: &mut Draw, depth: u64) -> Value {
        let members: Vec<_> = shape["members"].as_object().unwrap().iter().collect();
        let mut out = Map::new();
        if draw.once_in(15) {
            out.insert(newer(draw), draw.object());
        } else {
            let (name, member) = *draw.of(&members);
            out.insert(
                name.clone(),
                self.at(member["shape"].as_str().unwrap(), draw, depth + 1),
            );
        }
        if draw.once_in(15) {
            out.insert(newer(draw), draw.object());
        }
        Value::Object(out)
    }
}

impl Model {
    /// What of a value the service would refuse: a member that it does not know or misses, a union with
    /// more than one, a word that is none of its own, a length that does not fit.
    pub(crate) fn faults(&self, shape: &str, value: &Value) -> Vec<String> {
        let mut out = Vec::new();
        self.check(shape, value, shape, &mut out);
        out
    }

    fn check(&self, name: &str, value: &Value, at: &str, out: &mut Vec<String>) {
        let shape = &self.0["shapes"][name];
        let fits = match (shape["type"].as_str().unwrap(), value) {
            ("structure", _) if shape["document"] == true => true,
            ("structure", Value::Object(given)) => {
                self.members(shape, given, at, out);
                true
            }
            ("list", Value::Array(items)) => {
                let member = shape["member"]["shape"].as_str().unwrap();
                for (index, item) in items.iter().enumerate() {
                    self.check(member, item, &format!("{at}[{index}]"), out);
                }
                within(shape, items.len())
            }
            ("map", Value::Object(given)) => {
                let member = shape["value"]["shape"].as_str().unwrap();
                given
                    .iter()
                    .for_each(|(name, item)| self.check(member, item, &format!("{at}.{name}"), out));
                true
            }
            ("string", Value::String(text)) => {
                let known = shape["enum"].as_array().is_none_or(|words| words.contains(value));
                known && within(shape, text.chars().count())
            }
            ("blob", Value::String(text)) => STANDARD.decode(text).is_ok_and(|bytes| within(shape, bytes.len())),
            ("integer" | "long", Value::Number(number)) => number.is_i64() || number.is_u64(),
            ("double" | "float", Value::Number(_)) | ("boolean", Value::Bool(_)) => true,
            _ => false,
        };
        if !fits {
            out.push(format!("{at}: no {name}: {value}"));
        }
    }

    fn members(&self, shape: &Value, given: &Map<String, Value>, at: &str, out: &mut Vec<String>) {
        let known = shape["members"].as_object().unwrap();
        for (name, value) in given {
            match known.get(name) {
                Some(member) => {
                    let inner = member["shape"].as_str().unwrap();
                    self.check(inner, value, &format!("{at}.{name}"), out);
                }
                None => out.push(format!("{at}.{name}: not known")),
            }
        }
        let of_body = |name: &&Value| known[name.as_str().unwrap()]["location"].is_null();
        let required = shape["required"].as_array().into_iter().flatten().filter(of_body);
        for name in required.filter(|name| !given.contains_key(name.as_str().unwrap())) {
            out.push(format!("{at}.{name}: missing"));
        }
        if shape["union"] == true && given.len() != 1 {
            out.push(format!("{at}: a union of {}", given.len()));
        }
    }
}

fn within(shape: &Value, length: usize) -> bool {
    let limit = |name: &str| shape[name].as_u64().and_then(|limit| usize::try_from(limit).ok());
    limit("min").is_none_or(|min| length >= min) && limit("max").is_none_or(|max| length <= max)
}

/// A name that no model has yet.
fn newer(draw: &mut Draw) -> String {
    format!("newer{}", draw.word())
}
