//! Messages and their parts.

use serde_json::{Value, json};

use crate::llm::{self, MediaSource, PartContent, ResultContent, Role};

use super::super::part::plain;
use super::{decoded, extras, text};

/// The one message of a request.
fn message(message: &Value) -> llm::Message {
    let mut chat = decoded(&json!({"model": "m", "messages": [message]}));
    assert_eq!(chat.messages.len(), 1);
    chat.messages.remove(0)
}

fn media(media_type: &str, source: MediaSource) -> llm::Media {
    llm::Media {
        media_type: media_type.to_owned(),
        source,
        name: None,
        detail: None,
    }
}

fn inline(bytes: &[u8]) -> MediaSource {
    MediaSource::Inline(bytes.to_vec())
}

fn call(id: &str, name: &str, arguments: &str) -> llm::Part {
    plain(PartContent::ToolCall(llm::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    }))
}

fn state(format: &str, data: &[u8]) -> Option<llm::ProviderState> {
    Some(llm::ProviderState {
        format: format.into(),
        data: data.to_vec(),
    })
}

fn thought(text: &str, redacted: bool, state: Option<llm::ProviderState>) -> llm::Part {
    let content = PartContent::Reasoning(llm::Reasoning {
        text: text.into(),
        redacted,
    });
    llm::Part {
        state,
        ..plain(content)
    }
}

#[test]
fn roles() {
    for (role, expected) in [
        ("system", Role::System),
        ("developer", Role::Developer),
        ("user", Role::User),
        ("assistant", Role::Assistant),
    ] {
        let message = message(&json!({"role": role, "content": "hi", "name": "n", "odd": {"a": 1}}));
        assert_eq!((message.role, message.name.as_deref()), (expected, Some("n")));
        assert_eq!(
            (message.parts, message.extra),
            (vec![text("hi")], extras(&[("odd", r#"{"a":1}"#)]))
        );
    }
}

#[test]
fn content_parts() {
    let hinted = |seconds| Some(llm::CacheHint { ttl_seconds: seconds });
    let cases = [
        (
            json!({"type": "text", "text": "a\nb", "odd": 1}),
            llm::Part {
                extra: extras(&[("odd", "1")]),
                ..text("a\nb")
            },
        ),
        (
            json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}),
            llm::Part {
                cache: hinted(None),
                ..text("a")
            },
        ),
        (
            json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}),
            llm::Part {
                cache: hinted(Some(300)),
                ..text("a")
            },
        ),
        // A form with no neutral meaning goes on untouched.
        (
            json!({"type": "text", "text": "a", "cache_control": {"type": "persistent"}}),
            llm::Part {
                extra: extras(&[("cache_control", r#"{"type":"persistent"}"#)]),
                ..text("a")
            },
        ),
        // What typed clients write of the other kinds.
        (
            json!({"type": "text", "text": "a", "image_url": null, "file": null}),
            text("a"),
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low", "format": "image/png"}}),
            llm::Part {
                extra: extras(&[("image_url.format", r#""image/png""#)]),
                ..plain(PartContent::Media(llm::Media {
                    detail: Some("low".into()),
                    ..media("", MediaSource::Url("https://e.com/a.png".into()))
                }))
            },
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD"}}),
            plain(PartContent::Media(media("image/jpeg", inline(b"ABC")))),
        ),
        (
            json!({"type": "image_url", "image_url": "data:image/jpeg;base64,QUJD"}),
            plain(PartContent::Media(media("image/jpeg", inline(b"ABC")))),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}),
            plain(PartContent::Media(media("audio/mpeg", inline(b"ABC")))),
        ),
        (
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}}),
            plain(PartContent::Media(llm::Media {
                name: Some("a.pdf".into()),
                ..media("application/pdf", inline(b"ABC"))
            })),
        ),
        (
            json!({"type": "file", "file": {"file_data": "QUJD"}}),
            plain(PartContent::Media(media("", inline(b"ABC")))),
        ),
        (
            json!({"type": "file", "file": {"file_data": "https://e.com/a.pdf"}}),
            plain(PartContent::Media(media(
                "",
                MediaSource::Url("https://e.com/a.pdf".into()),
            ))),
        ),
        (
            json!({"type": "file", "file": {"file_id": "file-1"}}),
            plain(PartContent::Media(media("", MediaSource::File("file-1".into())))),
        ),
        (
            json!({"type": "refusal", "refusal": "no"}),
            plain(PartContent::Refusal("no".into())),
        ),
        (
            json!({"z": 1, "type": "video_url", "video_url": {"url": "x"}, "cache_control": {"type": "ephemeral"}}),
            plain(PartContent::Other(llm::Annotated {
                kind: "video_url".into(),
                value: r#"{"z":1,"type":"video_url","video_url":{"url":"x"},"cache_control":{"type":"ephemeral"}}"#
                    .into(),
            })),
        ),
    ];
    for (part, expected) in cases {
        let message = message(&json!({"role": "user", "content": [part]}));
        assert_eq!(message.parts, [expected], "{part}");
        assert_eq!(message.extra, []);
    }
}

#[test]
fn a_hint_on_a_message_is_one_on_its_last_part() {
    let hint = json!({"type": "ephemeral", "ttl": "1h"});
    let two = [
        json!({"type": "text", "text": "a"}),
        json!({"type": "text", "text": "b"}),
    ];
    let user = message(&json!({"role": "user", "content": two, "cache_control": hint}));
    let hints: Vec<_> = user
        .parts
        .iter()
        .map(|part| part.cache.and_then(|hint| hint.ttl_seconds))
        .collect();
    assert_eq!((hints, user.extra), (vec![None, Some(3600)], vec![]));
    let tool = message(&json!({"role": "tool", "tool_call_id": "c", "content": "r", "cache_control": hint}));
    assert_eq!(
        tool.parts[0].cache,
        Some(llm::CacheHint {
            ttl_seconds: Some(3600)
        })
    );
    // With no part to carry it, it is not lost.
    let empty = message(&json!({"role": "assistant", "cache_control": hint}));
    assert_eq!(
        empty.extra,
        extras(&[("cache_control", r#"{"type":"ephemeral","ttl":"1h"}"#)])
    );
}

#[test]
fn tool_results() {
    let result = |name: Option<&str>, is_error, content| {
        PartContent::ToolResult(llm::ToolResult {
            call_id: "c".into(),
            name: name.map(Into::into),
            is_error,
            content,
        })
    };
    let plain_text = message(&json!({"role": "tool", "tool_call_id": "c", "content": "42", "name": "f"}));
    assert_eq!(plain_text.role, Role::Tool);
    assert_eq!(plain_text.name, None);
    assert_eq!(
        plain_text.parts,
        [plain(result(Some("f"), false, vec![ResultContent::Text("42".into())]))]
    );
    let parts = message(
        &json!({"role": "tool", "tool_call_id": "c", "is_error": true, "content": [
            {"type": "text", "text": "see", "odd": 1, "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "search_result", "title": "t"},
        ]}),
    );
    let content = vec![
        ResultContent::Text("see".into()),
        ResultContent::Media(media("image/png", inline(b"ABC"))),
        ResultContent::Other(llm::Annotated {
            kind: "search_result".into(),
            value: r#"{"type":"search_result","title":"t"}"#.into(),
        }),
    ];
    let part = llm::Part {
        cache: Some(llm::CacheHint { ttl_seconds: None }),
        extra: extras(&[("content[0].odd", "1")]),
        ..plain(result(None, true, content))
    };
    assert_eq!(parts.parts, [part]);
}

#[test]
fn an_assistants_calls() {
    let message = message(
        &json!({"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null,
            "function_call": null, "tool_calls": [
            {"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{\"a\":1}", "odd": 2},
             "extra_content": {"google": {"thought_signature": "x"}}},
            {"id": "c2", "function": {"name": "g", "arguments": {"b": 2}}, "provider_state": {"format": "gemini", "data": "sig"}},
            {"id": "c3", "type": "custom", "custom": {"name": "h", "input": "free text"}},
        ]}),
    );
    let custom = llm::Annotated {
        kind: "custom".into(),
        value: r#"{"id":"c3","type":"custom","custom":{"name":"h","input":"free text"}}"#.into(),
    };
    assert_eq!(
        message.parts,
        [
            llm::Part {
                extra: extras(&[
                    ("extra_content", r#"{"google":{"thought_signature":"x"}}"#),
                    ("function.odd", "2")
                ]),
                ..call("c1", "f", r#"{"a":1}"#)
            },
            llm::Part {
                state: state("gemini", b"sig"),
                ..call("c2", "g", r#"{"b":2}"#)
            },
            plain(PartContent::Other(custom)),
        ]
    );
    assert_eq!(message.extra, []);
}

#[test]
fn an_empty_text_beside_calls_is_none() {
    let tool_calls = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    for content in [json!(""), json!(null)] {
        let with_call = message(&json!({"role": "assistant", "content": content, "tool_calls": tool_calls}));
        assert_eq!(with_call.parts, [call("c", "f", "{}")]);
    }
    let with_text = message(&json!({"role": "assistant", "content": "so", "tool_calls": tool_calls}));
    assert_eq!(with_text.parts, [text("so"), call("c", "f", "{}")]);
    assert_eq!(message(&json!({"role": "assistant", "content": ""})).parts, [text("")]);
    assert_eq!(message(&json!({"role": "assistant"})).parts, []);
}

#[test]
fn calls_of_the_first_form_get_ids_that_stay() {
    let chat = decoded(&json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": null},
    ]}));
    let ids: Vec<_> = chat
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match &part.content {
            PartContent::ToolCall(call) => Some((call.name.as_str(), call.id.as_str())),
            PartContent::ToolResult(result) => Some((result.name.as_deref()?, result.call_id.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        ids,
        [
            ("f", "call_fn_1"),
            ("f", "call_fn_1"),
            ("g", "call_fn_3"),
            ("g", "call_fn_3")
        ]
    );
}

#[test]
fn reasoning_comes_back() {
    let parts = |fields: Value| {
        let mut body = json!({"role": "assistant", "content": "so"});
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        let message = message(&body);
        assert_eq!(message.extra, [], "{body}");
        message.parts
    };
    assert_eq!(
        parts(json!({"reasoning_content": "hm"})),
        [thought("hm", false, None), text("so")]
    );
    assert_eq!(
        parts(json!({"reasoning_content": null, "reasoning_details": []})),
        [text("so")]
    );
    // The details say all that the plain text says, and more.
    let signed = json!({"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic", "index": 0});
    assert_eq!(
        parts(json!({"reasoning_content": "hm", "reasoning_details": [signed]})),
        [thought("hm", false, state("anthropic", b"s")), text("so")]
    );
    // An entry that brings only the state.
    let bare = json!({"type": "reasoning.text", "signature": "s", "format": "anthropic", "index": 0});
    assert_eq!(
        parts(json!({"reasoning_content": "hm", "reasoning_details": [bare]})),
        [thought("hm", false, state("anthropic", b"s")), text("so")]
    );
    // A client that kept every piece of a stream.
    let pieces = json!([
        {"type": "reasoning.text", "text": "h", "index": 0},
        {"type": "reasoning.text", "text": "m", "index": 0},
        {"type": "reasoning.text", "signature": "s", "format": "anthropic", "index": 0},
        {"type": "reasoning.encrypted", "data_base64": "/wA=", "format": "anthropic", "index": 2},
    ]);
    assert_eq!(
        parts(json!({"reasoning_details": pieces})),
        [
            thought("hm", false, state("anthropic", b"s")),
            text("so"),
            thought("", true, state("anthropic", &[255, 0])),
        ]
    );
    // Without places they come first, in their order; what is not known stays with them.
    let loose = json!([{"type": "reasoning.summary", "summary": "hm", "id": "rs_1", "index": null}]);
    assert_eq!(
        parts(json!({"reasoning_details": loose})),
        [
            llm::Part {
                extra: extras(&[("id", r#""rs_1""#)]),
                ..thought("hm", false, None)
            },
            text("so")
        ]
    );
}

#[test]
fn parts_go_back_to_their_places() {
    let message = message(&json!({"role": "assistant", "content": "onetwo",
        "text_parts": [{"index": 1, "length": 3}, {"index": 4, "length": 3, "provider_state": {"format": "g", "data": "s"}}],
        "provider_parts": [{"index": 2, "kind": "server_tool_use", "value": {"id": "t"}, "odd": 1}],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}, "index": 0}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "citations": [1],
    }));
    let other = llm::Annotated {
        kind: "server_tool_use".into(),
        value: r#"{"id":"t"}"#.into(),
    };
    assert_eq!(
        message.parts,
        [
            plain(PartContent::Media(media("image/png", inline(b"ABC")))),
            text("one"),
            llm::Part {
                extra: extras(&[("odd", "1")]),
                ..plain(PartContent::Other(other))
            },
            call("c", "f", "{}"),
            llm::Part {
                state: state("g", b"s"),
                ..text("two")
            },
        ]
    );
    assert_eq!(message.extra, extras(&[("citations", "[1]")]));
}

#[test]
fn an_edited_text_is_one_text() {
    for content in ["changed", "onetwo!", "é"] {
        let layout = json!([{"index": 0, "length": 3}, {"index": 2, "length": 3}]);
        let message = message(&json!({"role": "assistant", "content": content, "text_parts": layout}));
        assert_eq!(message.parts, [text(content)]);
    }
}

#[test]
fn a_sound_is_kept_or_referred_to() {
    let kept = message(&json!({"role": "assistant", "content": null,
        "audio": {"id": "a1", "data": "QUJD", "format": "wav", "transcript": "abc", "index": 0}}));
    let part = plain(PartContent::Media(media("audio/wav", inline(b"ABC"))));
    assert_eq!(
        kept.parts,
        [llm::Part {
            extra: extras(&[("id", r#""a1""#), ("transcript", r#""abc""#)]),
            ..part
        }]
    );
    let referred = message(&json!({"role": "assistant", "content": null, "audio": {"id": "a1"}}));
    assert_eq!(
        (referred.parts, referred.extra),
        (vec![], extras(&[("audio", r#"{"id":"a1"}"#)]))
    );
}
