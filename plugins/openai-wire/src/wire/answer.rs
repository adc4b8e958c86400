//! What one message of an answer says, whole (`message`) or in part (`delta`): both have the
//! same members, so they are read here once.
//!
//! In: the message's members. Out: an [`Answer`]. Never: the order of a stream's pieces, which
//! is `stream`'s, or the shape of a whole answer, which is `response`'s.

use llm_provider_sdk::types::{Annotated, Extras, Media, ProviderState};
use serde_json::value::RawValue;

use super::{Fields, json_string, media, object, read, state};
use crate::profile::Profile;

/// Where each kind of part stands among the parts of a choice. The order is that of a whole
/// answer, so that a stream's pieces make the same message in whatever order they arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The n-th piece of reasoning.
    Reasoning(u32),
    /// The n-th image.
    Image(u32),
    /// The text.
    Text,
    /// The refusal.
    Refusal,
    /// The sound.
    Sound,
    /// The n-th tool call.
    Call(u32),
    /// The n-th part of the provider's own.
    Other(u32),
}

impl Place {
    /// How many parts of one kind fit before the kinds would mix.
    const ROOM: u32 = 0x400;

    /// The part's number in the neutral stream.
    pub(crate) fn number(self) -> u32 {
        let (kind, n) = match self {
            Self::Reasoning(n) => (0, n),
            Self::Image(n) => (1, n),
            Self::Text => (2, 0),
            Self::Refusal => (2, 1),
            Self::Sound => (2, 2),
            Self::Call(n) => (3, n),
            Self::Other(n) => (4, n),
        };
        if n < Self::ROOM {
            kind * Self::ROOM + n
        } else {
            // Far beyond any real answer; still a number of its own.
            (kind + 8).saturating_mul(1 << 24).saturating_add(n)
        }
    }
}

/// The content of a message or of a delta.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) thoughts: Vec<Thought>,
    pub(crate) images: Vec<Media>,
    pub(crate) text: String,
    pub(crate) text_state: Option<ProviderState>,
    pub(crate) refusal: String,
    pub(crate) sound: Option<Sound>,
    pub(crate) calls: Vec<Call>,
    pub(crate) other: Vec<Annotated>,
    /// The message's further members.
    pub(crate) extra: Extras,
}

/// A piece of reasoning.
pub(crate) struct Thought {
    /// What tells this piece from others of the same message: its type and index.
    pub(crate) key: Option<(String, u64)>,
    pub(crate) text: String,
    /// Its format is empty where the provider did not say it.
    pub(crate) state: Option<ProviderState>,
    /// Only state, no text.
    pub(crate) redacted: bool,
    pub(crate) extra: Extras,
}

/// A sound, or a piece of one.
#[derive(Default)]
pub(crate) struct Sound {
    /// Base64.
    pub(crate) data: String,
    pub(crate) transcript: String,
    /// `id`, `expires_at` and the like.
    pub(crate) extra: Extras,
}

/// A tool call, or a piece of one.
#[derive(Default)]
pub(crate) struct Call {
    pub(crate) index: Option<u64>,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    /// The arguments' JSON text; of a custom tool, its input.
    pub(crate) arguments: String,
    /// The input is free text, not JSON.
    pub(crate) custom: bool,
    pub(crate) state: Option<ProviderState>,
    pub(crate) extra: Extras,
}

impl Call {
    /// `{ name, arguments }`.
    fn read_function(&mut self, mut function: Fields<'_>) {
        self.name = function.take_some_text("name");
        self.arguments = match function.take_text("arguments") {
            Some(text) => text,
            // Ollama's native form, which some gateways let through: the arguments as an object.
            None => function
                .take("arguments")
                .map(|a| a.get().to_owned())
                .unwrap_or_default(),
        };
        self.extra.extend(function.into_extras());
    }

    /// Servers whose language has no absent values write an empty call where there is none.
    fn says_something(&self) -> bool {
        let named = self.id.is_some() || self.name.is_some() || self.state.is_some();
        named || !self.arguments.is_empty() || !self.extra.is_empty()
    }

    /// A custom tool's call has no neutral form, since its input is no JSON: it travels whole.
    pub(crate) fn into_custom(self) -> Annotated {
        let custom = object(&vec![
            ("name".to_owned(), json_string(self.name.as_deref().unwrap_or_default())),
            ("input".to_owned(), json_string(&self.arguments)),
        ]);
        let mut members = vec![
            ("id".to_owned(), json_string(self.id.as_deref().unwrap_or_default())),
            ("type".to_owned(), json_string("custom")),
            ("custom".to_owned(), custom),
        ];
        members.extend(self.extra);
        Annotated {
            kind: "custom".to_owned(),
            value: object(&members),
        }
    }
}

/// Reads the text of a choice that has no message: a continuation, whole or in part.
pub(crate) fn continuation(choice: &mut Fields<'_>) -> Option<Answer> {
    choice.has("text").then(|| Answer {
        text: choice.take_text("text").unwrap_or_default(),
        ..Answer::default()
    })
}

/// Reads a message or a delta.
pub(crate) fn answer(mut fields: Fields<'_>, profile: &Profile) -> Answer {
    let mut answer = Answer::default();
    fields.take("role");
    answer.read_content(&mut fields);
    answer.read_reasoning(&mut fields, profile);
    answer.refusal = fields.take_text("refusal").unwrap_or_default();
    answer.text_state = fields
        .take_object("provider_state")
        .and_then(|mut members| own_state(&mut members, profile));
    answer.calls = fields
        .take_list("tool_calls")
        .into_iter()
        .filter_map(read::<Fields<'_>>)
        .map(|members| call(members, profile))
        .filter(Call::says_something)
        .collect();
    // OpenAI's first form of tools, `functions`: one call, without an id.
    if let Some(function) = fields.take_object("function_call") {
        let mut call = Call::default();
        call.read_function(function);
        answer.calls.extend(Some(call).filter(Call::says_something));
    }
    answer.sound = fields.take_object("audio").and_then(sound);
    for image in fields.take_list("images") {
        answer.read_part(image);
    }
    for part in fields.take_list("provider_parts") {
        answer.read_provider_part(part);
    }
    answer.extra = fields.into_extras();
    answer
}

impl Answer {
    /// `content`: a text; from Mistral a list of parts; from Cloudflare also an object, which is
    /// the JSON that a schema asked for.
    fn read_content(&mut self, fields: &mut Fields<'_>) {
        let Some(content) = fields.take("content") else { return };
        if let Some(text) = read::<String>(content) {
            self.text = text;
        } else if let Some(parts) = read::<Vec<&RawValue>>(content) {
            for part in parts {
                self.read_part(part);
            }
        } else {
            self.text = content.get().to_owned();
        }
    }

    /// One part of a list of contents.
    fn read_part(&mut self, raw: &RawValue) {
        let Some(mut part) = read::<Fields<'_>>(raw) else {
            return;
        };
        let kind = part.take_text("type").unwrap_or_default();
        match kind.as_str() {
            "text" if part.has("text") => {
                self.text.push_str(&part.take_text("text").unwrap_or_default());
            }
            "thinking" => {
                let text = match part.take_text("thinking") {
                    Some(text) => text,
                    None => texts(&part.take_list("thinking")),
                };
                self.thoughts.push(Thought {
                    key: None,
                    text,
                    state: state::take(&mut part, "signature"),
                    redacted: false,
                    extra: part.into_extras(),
                });
            }
            "image_url" => {
                let url = part.take_object("image_url").and_then(|mut i| i.take_text("url"));
                self.images.extend(url.map(media::from_url));
            }
            _ => self.other.push(Annotated {
                kind,
                value: raw.get().to_owned(),
            }),
        }
    }

    /// `reasoning_details`, and the plain text that stands beside or instead of them.
    fn read_reasoning(&mut self, fields: &mut Fields<'_>, profile: &Profile) {
        let mut plain = String::new();
        for name in profile.reasoning_fields {
            // Some providers write the same text under both names.
            if let Some(text) = fields.take_text(name)
                && plain.is_empty()
            {
                plain = text;
            }
        }
        let mut details = Vec::new();
        for raw in fields.take_list("reasoning_details") {
            match read::<Fields<'_>>(raw).and_then(thought) {
                Some(thought) => details.push(thought),
                None => self.other.push(Annotated {
                    kind: "reasoning_details".to_owned(),
                    value: raw.get().to_owned(),
                }),
            }
        }
        if !plain.is_empty() && details.iter().all(|t| t.text.is_empty()) {
            self.thoughts.push(Thought {
                key: None,
                text: plain,
                state: None,
                redacted: false,
                extra: Extras::new(),
            });
        }
        self.thoughts.extend(details);
    }

    /// A part that a gateway like this one gave out in OpenAI's form.
    fn read_provider_part(&mut self, raw: &RawValue) {
        let part = read::<Fields<'_>>(raw).and_then(|mut members| {
            let kind = members.take_text("kind")?;
            let value = members.take("value")?.get().to_owned();
            Some(Annotated { kind, value })
        });
        self.other.push(part.unwrap_or_else(|| Annotated {
            kind: "provider_parts".to_owned(),
            value: raw.get().to_owned(),
        }));
    }
}

/// `provider_state` of a text or a call.
fn own_state(members: &mut Fields<'_>, profile: &Profile) -> Option<ProviderState> {
    let mut state = state::take(members, "data")?;
    if state.format.is_empty() {
        profile.id.clone_into(&mut state.format);
    }
    Some(state)
}

/// The texts of a list of text parts.
fn texts(parts: &[&RawValue]) -> String {
    parts
        .iter()
        .filter_map(|part| read::<Fields<'_>>(part)?.take_text("text"))
        .collect()
}

/// One of `reasoning_details`; nothing when its type is not known.
fn thought(mut detail: Fields<'_>) -> Option<Thought> {
    let kind = detail.take_text("type")?;
    let index = detail.take_count("index").unwrap_or_default();
    let (text, state, redacted) = match kind.as_str() {
        "reasoning.text" => {
            let text = detail.take_text("text").unwrap_or_default();
            (text, state::take(&mut detail, "signature"), false)
        }
        "reasoning.summary" => (detail.take_text("summary").unwrap_or_default(), None, false),
        "reasoning.encrypted" => (String::new(), state::take(&mut detail, "data"), true),
        _ => return None,
    };
    // What is null here would come back as noise, and a format says only whose state it is.
    detail.take_as::<()>("signature");
    detail.take_as::<()>("id");
    detail.take_text("format");
    let mut extra = detail.into_extras();
    if kind == "reasoning.summary" {
        extra.insert(0, ("type".to_owned(), json_string(&kind)));
    }
    Some(Thought {
        key: Some((kind, index)),
        text,
        state,
        redacted,
        extra,
    })
}

fn call(mut members: Fields<'_>, profile: &Profile) -> Call {
    let mut call = Call {
        index: members.take_count("index"),
        id: members.take_some_text("id"),
        state: members
            .take_object("provider_state")
            .and_then(|mut state| own_state(&mut state, profile)),
        ..Call::default()
    };
    let kind = members.take_text("type");
    let (function, custom) = (members.take_object("function"), members.take_object("custom"));
    // Where both are there, one of them is empty, and the type says which.
    call.custom = match kind.as_deref() {
        Some("custom") => true,
        Some("function") => false,
        _ => custom.is_some() && function.is_none(),
    };
    match (function, custom) {
        (_, Some(mut custom)) if call.custom => {
            call.name = custom.take_some_text("name");
            call.arguments = custom.take_text("input").unwrap_or_default();
        }
        (Some(function), _) => call.read_function(function),
        _ => {}
    }
    if let Some(kind) = kind.filter(|kind| kind != "function" && kind != "custom") {
        call.extra.push(("type".to_owned(), json_string(&kind)));
    }
    members.take_as::<()>("function");
    members.take_as::<()>("custom");
    call.extra.extend(members.into_extras());
    call
}

/// Nothing for a sound whose id is an empty text: servers whose language has no absent values write one
/// where there is none.
fn sound(mut members: Fields<'_>) -> Option<Sound> {
    let nameless = members.get("id").is_some_and(|id| id.get() == "\"\"");
    let sound = Sound {
        data: members.take_text("data").unwrap_or_default(),
        transcript: members.take_text("transcript").unwrap_or_default(),
        extra: members.into_extras(),
    };
    let silent = sound.data.is_empty() && sound.transcript.is_empty();
    (!(nameless && silent)).then_some(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_answer(json: &str) -> Answer {
        answer(Fields::parse(json).unwrap(), &Profile::COMPATIBLE)
    }

    #[test]
    fn content_has_many_forms() {
        for (json, text) in [
            (r#"{"content":"hi"}"#, "hi"),
            (r#"{"content":null}"#, ""),
            (r#"{}"#, ""),
            (
                r#"{"content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]}"#,
                "hi",
            ),
            (r#"{"content":{"answer":42}}"#, r#"{"answer":42}"#),
        ] {
            assert_eq!(read_answer(json).text, text, "{json}");
        }
    }

    #[test]
    fn reasoning_is_read_once_under_whichever_name() {
        for json in [
            r#"{"reasoning_content":"think"}"#,
            r#"{"reasoning":"think"}"#,
            r#"{"reasoning":"think","reasoning_content":"think"}"#,
            r#"{"reasoning":"think","reasoning_details":[{"type":"reasoning.text","text":"think","index":0,"format":null}]}"#,
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"think"}]}]}"#,
        ] {
            let answer = read_answer(json);
            let texts: Vec<_> = answer.thoughts.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(texts, ["think"], "{json}");
            assert!(answer.extra.is_empty(), "{json}");
        }
    }

    #[test]
    fn reasoning_keeps_its_state() {
        let answer = read_answer(
            r#"{"reasoning":"sum","reasoning_details":[
                {"type":"reasoning.encrypted","data":"blob","format":"openai-responses-v1","id":"rs_1","index":1},
                {"type":"reasoning.text","text":"a","signature":"sig","format":"anthropic-claude-v1","index":0},
                {"type":"reasoning.new","x":1}]}"#,
        );
        let [encrypted, signed] = answer.thoughts.as_slice() else {
            panic!("two thoughts")
        };
        assert!(encrypted.redacted);
        assert_eq!(encrypted.state.as_ref().unwrap().data, b"blob");
        assert_eq!(encrypted.extra, [("id".to_owned(), "\"rs_1\"".to_owned())]);
        assert_eq!(signed.text, "a");
        assert_eq!(signed.state.as_ref().unwrap().format, "anthropic-claude-v1");
        assert_eq!(answer.other[0].kind, "reasoning_details");
    }

    #[test]
    fn plain_reasoning_stands_beside_encrypted_details() {
        let answer =
            read_answer(r#"{"reasoning":"sum","reasoning_details":[{"type":"reasoning.encrypted","data":"blob"}]}"#);
        let texts: Vec<_> = answer.thoughts.iter().map(|t| t.text.as_str()).collect();
        assert_eq!(texts, ["sum", ""]);
    }

    #[test]
    fn calls_have_many_forms() {
        let answer = read_answer(
            r#"{"tool_calls":[
                {"index":1,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"custom":null},
                {"function":{"name":"g","arguments":{"x":1}}},
                {"id":"c","type":"custom","custom":{"name":"h","input":"say \"hi\""}},
                {"id":"d","function":{"name":"k","arguments":""},"extra_content":{"google":1}}],
                "function_call":{"name":"legacy","arguments":"{}"}}"#,
        );
        let [a, b, c, d, e] = <[Call; 5]>::try_from(answer.calls).ok().unwrap();
        assert_eq!(
            (a.index, a.id.as_deref(), a.arguments.as_str()),
            (Some(1), Some("a"), "{}")
        );
        assert!(a.extra.is_empty());
        assert_eq!(
            (b.id, b.name.as_deref(), b.arguments.as_str()),
            (None, Some("g"), r#"{"x":1}"#)
        );
        assert_eq!(
            c.into_custom().value,
            r#"{"id":"c","type":"custom","custom":{"name":"h","input":"say \"hi\""}}"#
        );
        assert_eq!((e.id, e.name.as_deref()), (None, Some("legacy")));
        assert_eq!(d.extra, [("extra_content".to_owned(), r#"{"google":1}"#.to_owned())]);
    }

    #[test]
    fn empty_members_of_servers_without_absent_values_are_nothing() {
        let answer = read_answer(
            r#"{"content":"hi","function_call":{"arguments":"","name":""},
                "tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"","arguments":""}}],
                "audio":{"data":"","expires_at":0,"id":"","transcript":""},"refusal":"","annotations":null}"#,
        );
        let call = read_answer(
            r#"{"tool_calls":[{"custom":{"input":"","name":""},"function":{"arguments":"{}","name":"f"},"id":"a","type":"function"}]}"#,
        );
        assert_eq!(
            (call.calls[0].custom, call.calls[0].name.as_deref()),
            (false, Some("f"))
        );
        assert!(answer.calls.is_empty() && answer.sound.is_none() && answer.refusal.is_empty());
        let said = read_answer(r#"{"audio":{"expires_at":9}}"#);
        assert!(said.sound.is_some(), "a piece of one");
    }

    #[test]
    fn what_is_not_known_survives() {
        let answer = read_answer(r#"{"content":"x","annotations":[],"tool_calls":"odd","new":{"a":1}}"#);
        let names: Vec<_> = answer.extra.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["annotations", "tool_calls", "new"]);
    }

    #[test]
    fn places_keep_the_kinds_in_order() {
        let places = [
            Place::Reasoning(0),
            Place::Reasoning(1),
            Place::Image(0),
            Place::Text,
            Place::Refusal,
            Place::Sound,
            Place::Call(0),
            Place::Call(1),
            Place::Other(0),
        ];
        assert!(places.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        assert_ne!(Place::Call(5000).number(), Place::Other(5000).number());
    }
}
