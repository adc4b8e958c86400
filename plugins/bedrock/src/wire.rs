//! What the SDK's types cannot carry unchanged, on its way out.
//!
//! In: JSON texts that have to reach the service as they were written, and the body that the SDK
//! wrote. Out: the body with those texts in their places. Never: a meaning.
//!
//! The SDK keeps free-form JSON in hash maps, which have another order in every process: a tool's
//! schema would be another text in every request, and the provider's prompt cache would never hit.
//! Its numbers of 32 bits turn 0.7 into 0.699999988079071. Blocks that are newer than the SDK have no
//! type at all. So such values stand in the typed request as marks, and their text takes the mark's
//! place after the SDK has written the body.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use aws_sdk_bedrockruntime::types::ToolChoice;
use aws_smithy_types::Document;
use serde_json::{Map, Value, json};

/// Sets a member of a JSON object. Anything else has none, and stays.
pub fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
}

/// Texts for the places that were marked, and members that stand at the body's front.
#[derive(Debug)]
pub struct Splice {
    /// What every mark begins with. No text of a caller can hold it: it is drawn anew for each
    /// request.
    prefix: String,
    texts: Vec<String>,
    members: Map<String, Value>,
    model_tools: Vec<Value>,
    model_choice: Option<Value>,
}

impl Default for Splice {
    fn default() -> Self {
        let nonce = RandomState::new().build_hasher().finish();
        Self {
            prefix: format!("json-{nonce:016x}-"),
            texts: Vec::new(),
            members: Map::new(),
            model_tools: Vec::new(),
            model_choice: None,
        }
    }
}

impl Splice {
    fn mark(&mut self, json: String) -> String {
        self.texts.push(json);
        format!("{}{};", self.prefix, self.texts.len() - 1)
    }

    /// A value that stands for this JSON text.
    pub fn document(&mut self, json: String) -> Document {
        Document::String(self.mark(json))
    }

    /// The text of a text block that stands for a whole block of this JSON.
    pub fn block(&mut self, json: String) -> String {
        format!("{{{}", self.mark(json))
    }

    /// The name of a system tool that stands for a whole tool of this JSON.
    pub fn tool(&mut self, json: String) -> String {
        format!("{{{}", self.mark(json))
    }

    /// Adds to the tools in the model's own form, which Converse passes on beside its own.
    pub fn model_tool(&mut self, tool: Value) {
        self.model_tools.push(tool);
    }

    /// Sets a choice among tools that is for one call only, in the model's own form.
    pub fn limit_choice(&mut self, choice: Option<&ToolChoice>) {
        let mut limited = match choice {
            Some(ToolChoice::Any(_)) => json!({"type": "any"}),
            Some(ToolChoice::Tool(tool)) => json!({"type": "tool", "name": tool.name}),
            _ => json!({"type": "auto"}),
        };
        set(&mut limited, "disable_parallel_tool_use", true);
        self.model_choice = Some(limited);
    }

    /// That choice.
    pub fn take_model_choice(&mut self) -> Option<Value> {
        self.model_choice.take()
    }

    /// The tools in the model's own form.
    pub fn take_model_tools(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.model_tools)
    }

    /// Sets a member of the body that the SDK is not given.
    pub fn member(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Puts everything in its place. The body is a JSON object.
    pub fn apply(&self, body: &[u8]) -> Vec<u8> {
        let extra: usize = self.texts.iter().map(String::len).sum();
        let mut out = Vec::with_capacity(body.len() + extra + 64);
        let mut rest = body.strip_prefix(b"{").unwrap_or(body);
        out.push(b'{');
        for (name, value) in &self.members {
            out.extend_from_slice(Value::String(name.clone()).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.to_string().as_bytes());
            out.push(b',');
        }
        if rest.first() == Some(&b'}') && out.last() == Some(&b',') {
            out.pop();
        }
        while let Some(found) = self.next(rest) {
            out.extend_from_slice(rest.get(..found.start).unwrap_or_default());
            out.extend_from_slice(found.text.as_bytes());
            rest = rest.get(found.end..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        out
    }

    /// The first mark: where it begins and ends, with what is around it.
    fn next(&self, body: &[u8]) -> Option<Found<'_>> {
        // Without marks there is nothing to search a large body for.
        if self.texts.is_empty() {
            return None;
        }
        let at = find(body, self.prefix.as_bytes())?;
        let after = at + self.prefix.len();
        let length = body.get(after..)?.iter().position(|byte| *byte == b';')?;
        let number = std::str::from_utf8(body.get(after..after + length)?).ok()?;
        let text = self.texts.get(number.parse::<usize>().ok()?)?;
        let end = after + length + 1;
        let head = body.get(..at)?;
        let (before, behind) = WHOLE
            .iter()
            .find(|(before, _)| head.ends_with(before))
            .map_or((1, 1), |(before, behind)| (before.len(), *behind));
        Some(Found {
            start: at.checked_sub(before)?,
            end: end + behind,
            text,
        })
    }
}

/// What stands before the mark of a whole object, and how much of it behind. Elsewhere a mark stands
/// for its string.
const WHOLE: &[(&[u8], usize)] = &[(br#"{"text":"{"#, 2), (br#"{"systemTool":{"name":"{"#, 3)];

struct Found<'s> {
    start: usize,
    end: usize,
    text: &'s str,
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(step) = body.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + step;
        if body.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_take_the_place_of_their_marks() {
        let mut splice = Splice::default();
        let Document::String(schema) = splice.document(r#"{"b":1.10,"a":2}"#.to_owned()) else {
            panic!("a mark is a text");
        };
        let block = splice.block(r#"{"guardContent":{}}"#.to_owned());
        let tool = splice.tool(r#"{"toolSpec":1}"#.to_owned());
        let body = format!(
            r#"{{"x":[{{"text":"{block}"}},{{"text":"plain"}},{{"systemTool":{{"name":"{tool}"}}}}],"json":"{schema}"}}"#
        );
        splice.member("first", serde_json::json!({"t": 0.7}));
        let out = String::from_utf8(splice.apply(body.as_bytes())).unwrap();
        assert_eq!(
            out,
            r#"{"first":{"t":0.7},"x":[{"guardContent":{}},{"text":"plain"},{"toolSpec":1}],"json":{"b":1.10,"a":2}}"#
        );
    }

    #[test]
    fn an_empty_body_gets_its_members() {
        let mut splice = Splice::default();
        assert_eq!(splice.apply(b"{}"), b"{}");
        splice.member("a", Value::from(1));
        assert_eq!(splice.apply(b"{}"), br#"{"a":1}"#);
    }

    #[test]
    fn marks_of_two_requests_differ() {
        assert_ne!(Splice::default().prefix, Splice::default().prefix);
    }
}
