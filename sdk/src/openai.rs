//! OpenAI's forms that neutral values carry as they are, for adapters of other providers.
//!
//! In: a choice or a part whose JSON is OpenAI's. Out: what it says, in types. Never: a guess; what is
//! of another form is none.
//! Source: OpenAI's API reference, "Create chat completion", `tool_choice` and `messages`.

use serde::Deserialize;

use crate::types::{Annotated, ToolCall, ToolChoice};

/// A choice among some of the tools on offer: `tool_choice` of type `allowed_tools`.
#[derive(Debug, Clone, PartialEq)]
pub struct AllowedTools {
    /// [`ToolChoice::Auto`] or [`ToolChoice::Required`].
    pub mode: ToolChoice,
    /// Names of the functions that may be called.
    pub names: Vec<String>,
}

impl AllowedTools {
    /// Reads it; `None` for every other choice.
    pub fn of(choice: Option<&ToolChoice>) -> Option<Self> {
        let Some(ToolChoice::Other(json)) = choice else {
            return None;
        };
        let written: Written = serde_json::from_str(json).ok()?;
        if written.kind != "allowed_tools" {
            return None;
        }
        let named = written.allowed_tools.tools.into_iter();
        Some(Self {
            mode: match written.allowed_tools.mode.as_deref() {
                Some("required") => ToolChoice::Required,
                _ => ToolChoice::Auto,
            },
            names: named
                .filter_map(|tool| tool.function)
                .map(|function| function.name)
                .collect(),
        })
    }

    /// Whether a function may be called.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// A call of a `custom` tool as that of a function, with the free text as its argument `input`; for
/// providers that have no calls with free text but need the call that a result answers.
pub fn custom_call(part: &Annotated) -> Option<ToolCall> {
    if part.kind != "custom" {
        return None;
    }
    let written: CustomCall = serde_json::from_str(&part.value).ok()?;
    let CustomCall { id, custom } = written;
    Some(ToolCall {
        id,
        name: custom.name,
        arguments: serde_json::json!({"input": custom.input}).to_string(),
    })
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    allowed_tools: Among,
}

#[derive(Deserialize)]
struct Among {
    mode: Option<String>,
    tools: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    function: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct CustomCall {
    id: String,
    custom: Custom,
}

#[derive(Deserialize)]
struct Custom {
    name: String,
    input: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_among_some_tools() {
        let choice = |json: &str| Some(ToolChoice::Other(json.to_owned()));
        let written = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[
            {"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}"#;
        let allowed = AllowedTools::of(choice(written).as_ref()).unwrap();
        assert_eq!(
            (&allowed.mode, allowed.names.as_slice()),
            (&ToolChoice::Required, &["f".to_owned()][..])
        );
        assert!(allowed.has("f") && !allowed.has("g"));
        for other in [
            None,
            Some(ToolChoice::Auto),
            choice("{}"),
            choice("no JSON"),
            choice(r#"{"type":"custom","custom":{"name":"g"}}"#),
        ] {
            assert_eq!(AllowedTools::of(other.as_ref()), None, "{other:?}");
        }
    }

    #[test]
    fn a_call_with_free_text() {
        let part = |kind: &str, value: &str| Annotated {
            kind: kind.to_owned(),
            value: value.to_owned(),
        };
        let written = r#"{"id":"c1","type":"custom","custom":{"name":"sql","input":"select \"x\""}}"#;
        let call = custom_call(&part("custom", written)).unwrap();
        assert_eq!((call.id.as_str(), call.name.as_str()), ("c1", "sql"));
        assert_eq!(call.arguments, r#"{"input":"select \"x\""}"#);
        assert!(custom_call(&part("custom", r#"{"id":"c1"}"#)).is_none());
        assert!(custom_call(&part("other", written)).is_none());
    }
}
