//! Properties: a stream gathered by a client is the whole answer; an answer sent back as history
//! has every part and every state it was given out with.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::llm::{self, ChatEvent, DeltaContent, FinishReason, PartContent};

use super::super::part::plain;
use super::super::request::AnswerForm;
use super::encode::{answer, encoded};
use super::stream::{chunks, delta, finish, start, streamed};
use super::{decoded, extras};

fn states() -> impl Strategy<Value = llm::ProviderState> {
    let data = prop_oneof![
        "[a-zA-Z0-9+/=]{0,20}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..8)
    ];
    ("[a-z]{1,6}", data).prop_map(|(format, data)| llm::ProviderState { format, data })
}

fn content() -> impl Strategy<Value = PartContent> {
    let media = |media_type: &str, name: Option<&str>, bytes: Vec<u8>| {
        PartContent::Media(llm::Media {
            media_type: media_type.into(),
            source: llm::MediaSource::Inline(bytes),
            name: name.map(Into::into),
            detail: None,
        })
    };
    prop_oneof![
        4 => "\\PC{1,8}".prop_map(PartContent::Text),
        3 => "\\PC{0,8}".prop_map(|text| PartContent::Reasoning(llm::Reasoning { text, redacted: false })),
        3 => ("[a-z0-9]{1,8}", "[a-z]{1,5}", "\\PC{0,12}").prop_map(|(id, name, arguments)| {
            PartContent::ToolCall(llm::ToolCall { id, name, arguments })
        }),
        2 => ("[a-z_]{7,9}", "[a-z]{0,4}").prop_map(|(kind, text)| {
            PartContent::Other(llm::Annotated { kind, value: json!({"v": text}).to_string() })
        }),
        1 => vec(any::<u8>(), 0..6).prop_map(move |bytes| media("image/png", None, bytes)),
        1 => vec(any::<u8>(), 0..6).prop_map(move |bytes| media("application/pdf", Some("a.pdf"), bytes)),
    ]
}

fn parts() -> impl Strategy<Value = Vec<llm::Part>> {
    let free = (content(), proptest::option::of(states())).prop_map(|(content, state)| llm::Part {
        state,
        ..plain(content)
    });
    let redacted = states().prop_map(|state| llm::Part {
        state: Some(state),
        ..plain(PartContent::Reasoning(llm::Reasoning {
            text: String::new(),
            redacted: true,
        }))
    });
    vec(prop_oneof![5 => free, 1 => redacted], 1..7)
}

/// The events of an answer whose texts come in pieces of `size` characters; the state of a part
/// comes in two.
fn events(parts: &[llm::Part], size: usize, gap: u32) -> Vec<ChatEvent> {
    let mut events = Vec::new();
    let mut number = 0;
    for part in parts {
        let contents = match &part.content {
            PartContent::Text(text) => pieces(text, size).into_iter().map(DeltaContent::Text).collect(),
            PartContent::Reasoning(thought) => pieces(&thought.text, size)
                .into_iter()
                .map(DeltaContent::Reasoning)
                .collect(),
            PartContent::ToolCall(call) => call_pieces(call, size),
            PartContent::Media(media) => vec![DeltaContent::Media(media.clone())],
            PartContent::Other(other) => vec![DeltaContent::Other(other.clone())],
            other => panic!("not generated: {other:?}"),
        };
        let redacted = matches!(&part.content, PartContent::Reasoning(thought) if thought.redacted);
        let splits = !matches!(part.content, PartContent::Media(_) | PartContent::Other(_));
        let last = contents.len() - 1;
        for (at, content) in contents.into_iter().enumerate() {
            let state = part.state.as_ref().filter(|_| at == last).map(|state| {
                let data = if splits {
                    state.data[..state.data.len() / 2].to_vec()
                } else {
                    state.data.clone()
                };
                llm::ProviderState {
                    format: state.format.clone(),
                    data,
                }
            });
            events.push(ChatEvent::Delta(llm::PartDelta {
                state,
                redacted,
                ..delta(number, content)
            }));
        }
        if let Some(state) = part.state.as_ref().filter(|_| splits) {
            let rest = llm::ProviderState {
                format: state.format.clone(),
                data: state.data[state.data.len() / 2..].to_vec(),
            };
            let content = match &part.content {
                PartContent::Text(_) => DeltaContent::Text(String::new()),
                PartContent::Reasoning(_) => DeltaContent::Reasoning(String::new()),
                _ => DeltaContent::ToolCall(llm::ToolCallDelta {
                    id: None,
                    name: None,
                    arguments: String::new(),
                }),
            };
            events.push(ChatEvent::Delta(llm::PartDelta {
                state: Some(rest),
                ..delta(number, content)
            }));
        }
        number += gap;
    }
    events.push(finish(0, FinishReason::Stop));
    events.push(ChatEvent::Done);
    events
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(size).map(|piece| piece.iter().collect()).collect();
    if pieces.is_empty() { vec![String::new()] } else { pieces }
}

fn call_pieces(call: &llm::ToolCall, size: usize) -> Vec<DeltaContent> {
    let piece = |(at, arguments): (usize, String)| {
        let first = at == 0;
        DeltaContent::ToolCall(llm::ToolCallDelta {
            id: first.then(|| call.id.clone()),
            name: first.then(|| call.name.clone()),
            arguments,
        })
    };
    pieces(&call.arguments, size)
        .into_iter()
        .enumerate()
        .map(piece)
        .collect()
}

/// Adds a delta to a message as OpenAI's Python client does: strings grow, lists of objects with
/// an `index` are merged by it, anything else is set once.
fn accumulate(all: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (name, value) in delta {
        let indexed = value
            .as_array()
            .is_some_and(|items| items.iter().any(|item| item.get("index").is_some()));
        if all.get(name).is_none_or(Value::is_null) {
            if !indexed {
                all.insert(name.clone(), value.clone());
                continue;
            }
            all.insert(name.clone(), json!([]));
        }
        if name == "index" || name == "type" {
            all.insert(name.clone(), value.clone());
            continue;
        }
        match (all.get_mut(name), value) {
            (Some(Value::String(all)), Value::String(more)) => all.push_str(more),
            (Some(Value::Object(all)), Value::Object(more)) => accumulate(all, more),
            (Some(Value::Array(all)), Value::Array(more)) => {
                for item in more {
                    let index = item["index"]
                        .as_u64()
                        .unwrap_or_else(|| panic!("an item of {name} has no index"));
                    match all.get_mut(usize::try_from(index).unwrap()) {
                        Some(Value::Object(known)) => accumulate(known, item.as_object().unwrap()),
                        _ => all.push(item.clone()),
                    }
                }
            }
            (all, more) => panic!("{name}: {all:?} cannot take {more}"),
        }
    }
}

/// The message that a client has gathered from a stream.
fn gathered(stream: &str) -> Value {
    let mut message = Map::new();
    for chunk in chunks(stream) {
        if let Some(delta) = chunk["choices"].get(0).and_then(|choice| choice["delta"].as_object()) {
            accumulate(&mut message, delta);
        }
    }
    Value::Object(message)
}

/// Takes off what may differ between a gathered and a whole message: the empty content that opens
/// a stream, fields that are null, and the position of a call.
fn plain_form(mut message: Value) -> Value {
    if let Some(calls) = message["tool_calls"].as_array_mut() {
        for call in calls {
            call.as_object_mut().unwrap().remove("index");
        }
    }
    let fields = message.as_object_mut().unwrap();
    if fields.get("content") == Some(&json!("")) {
        fields.remove("content");
    }
    fields.retain(|_, value| !value.is_null());
    message
}

fn read_back(message: &Value) -> llm::Message {
    decoded(&json!({"model": "m", "messages": [message]}))
        .messages
        .remove(0)
}

proptest! {
    #[test]
    fn a_gathered_stream_is_the_whole_answer(parts in parts(), size in 1usize..5, gap in 1u32..4) {
        let whole = encoded(&answer(parts.clone(), FinishReason::Stop), AnswerForm::default());
        let stream = streamed(&start(), &events(&parts, size, gap), AnswerForm::default());
        prop_assert_eq!(plain_form(gathered(&stream)), plain_form(whole["choices"][0]["message"].clone()));
    }

    #[test]
    fn a_whole_answer_comes_back_as_it_was(parts in parts()) {
        let whole = encoded(&answer(parts.clone(), FinishReason::Stop), AnswerForm::default());
        let message = read_back(&whole["choices"][0]["message"]);
        prop_assert_eq!(message.extra, vec![]);
        prop_assert_eq!(message.parts, parts);
    }

    #[test]
    fn a_gathered_stream_comes_back_as_it_was(parts in parts(), size in 1usize..5) {
        let stream = streamed(&start(), &events(&parts, size, 2), AnswerForm::default());
        let message = read_back(&gathered(&stream));
        prop_assert_eq!(message.extra, vec![]);
        prop_assert_eq!(message.parts, parts);
    }
}

#[test]
fn what_cannot_come_back_to_its_part_comes_back_to_its_message() {
    let mut parts = vec![super::text("a")];
    parts[0].extra = extras(&[("annotations", "[1]"), ("citations", "[2]")]);
    let whole = encoded(&answer(parts, FinishReason::Stop), AnswerForm::default());
    let message = read_back(&whole["choices"][0]["message"]);
    assert_eq!(message.parts, [super::text("a")]);
    assert_eq!(message.extra, extras(&[("annotations", "[1]"), ("citations", "[2]")]));
}
