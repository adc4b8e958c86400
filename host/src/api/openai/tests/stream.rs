//! Streamed answers, event by event.

use bytes::BytesMut;
use serde_json::{Value, json};

use crate::api::sse::Encoder as _;
use crate::llm::{self, ChatEvent, DeltaContent, FinishReason};

use super::super::request::AnswerForm;
use super::super::stream::Encoder;
use super::encode::defaults;
use super::extras;

pub(super) fn start() -> llm::ResponseStart {
    llm::ResponseStart {
        id: "chatcmpl-9".into(),
        model: "gpt-x".into(),
        created: Some(5),
        dropped: vec![],
        extra: vec![],
    }
}

pub(super) fn delta(part: u32, content: DeltaContent) -> llm::PartDelta {
    llm::PartDelta {
        choice: 0,
        part,
        content,
        state: None,
        redacted: false,
        logprobs: None,
        extra: vec![],
    }
}

pub(super) fn finish(choice: u32, reason: FinishReason) -> ChatEvent {
    ChatEvent::Finish(llm::Finish {
        choice,
        reason,
        detail: None,
        extra: vec![],
    })
}

fn said(text: &str) -> ChatEvent {
    ChatEvent::Delta(delta(0, DeltaContent::Text(text.into())))
}

fn call(part: u32, id: Option<&str>, arguments: &str) -> ChatEvent {
    let name = id.map(|_| "f".to_owned());
    let call = llm::ToolCallDelta {
        id: id.map(Into::into),
        name,
        arguments: arguments.into(),
    };
    ChatEvent::Delta(delta(part, DeltaContent::ToolCall(call)))
}

fn usage(input: u64, output: u64) -> llm::Usage {
    llm::Usage {
        input,
        cache_read: 0,
        cache_write: 0,
        cache_write_long: 0,
        input_audio: 0,
        input_image: 0,
        output,
        reasoning: 0,
        output_audio: 0,
        output_image: 0,
        extra: vec![],
    }
}

/// The text of a stream.
pub(super) fn streamed(start: &llm::ResponseStart, events: &[ChatEvent], form: AnswerForm) -> String {
    let mut encoder = Encoder::new(form, defaults(), "acme");
    let mut out = BytesMut::new();
    encoder.start(start, &mut out);
    for event in events {
        encoder.event(event, &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

/// The data of its events; `[DONE]` as a string.
pub(super) fn chunks(stream: &str) -> Vec<Value> {
    let events = stream
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("unfinished: {stream}"))
        .split("\n\n");
    events
        .map(|event| {
            let data = event
                .strip_prefix("data: ")
                .unwrap_or_else(|| panic!("not data: {event}"));
            assert!(!data.contains('\n'), "{data}");
            if data == "[DONE]" {
                return json!(data);
            }
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
        })
        .collect()
}

/// What the choices of the chunks say: delta and reason.
fn deltas(chunks: &[Value]) -> Vec<(Value, Value)> {
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].as_array()).flatten();
    choices
        .map(|choice| (choice["delta"].clone(), choice["finish_reason"].clone()))
        .collect()
}

#[test]
fn a_text_answer_is_what_openai_writes() {
    let events = [
        said("Hel"),
        said("lo\n\"you\""),
        finish(0, FinishReason::Stop),
        ChatEvent::Done,
    ];
    let stream = streamed(&start(), &events, AnswerForm::default());
    let head = r#"data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":5,"model":"gpt-x","choices":["#;
    let expected = [
        r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#,
        r#"{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}"#,
        r#"{"index":0,"delta":{"content":"lo\n\"you\""},"logprobs":null,"finish_reason":null}"#,
        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#,
    ]
    .map(|choice| format!("{head}{choice}]}}\n\n"))
    .concat();
    assert_eq!(stream, expected + "data: [DONE]\n\n");
}

#[test]
fn usage_comes_last_and_only_when_asked_for() {
    let events = [
        ChatEvent::Usage(usage(1, 1)),
        said("x"),
        finish(0, FinishReason::Stop),
        ChatEvent::Usage(usage(7, 5)),
        ChatEvent::Done,
    ];
    let form = AnswerForm {
        include_usage: true,
        legacy_functions: false,
    };
    let chunks_with = chunks(&streamed(&start(), &events, form));
    let (last, before) = chunks_with.split_last().unwrap();
    let (last_chunk, before) = before.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    assert_eq!(last_chunk["choices"], json!([]));
    assert_eq!(last_chunk["usage"]["total_tokens"], json!(12));
    assert!(
        before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)),
        "{before:?}"
    );
    let without = chunks(&streamed(&start(), &events, AnswerForm::default()));
    assert_eq!(without.len(), chunks_with.len() - 1);
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none()));
    // A provider that reports none: no chunk is made up.
    let none = chunks(&streamed(
        &start(),
        &[finish(0, FinishReason::Stop), ChatEvent::Done],
        form,
    ));
    assert!(none.iter().all(|chunk| chunk["usage"].is_null()));
}

#[test]
fn parallel_calls() {
    let events = [
        said("so"),
        call(3, Some("c1"), ""),
        call(3, None, "{\"a\""),
        call(7, Some("c2"), "{}"),
        call(3, None, ":1}"),
        finish(0, FinishReason::ToolCalls),
        ChatEvent::Done,
    ];
    let got = deltas(&chunks(&streamed(&start(), &events, AnswerForm::default())));
    let piece = |index, arguments: &str| {
        (
            json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}),
            json!(null),
        )
    };
    let first = |index: u32, id: &str, arguments: &str| {
        let function = json!({"name": "f", "arguments": arguments});
        (
            json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}),
            json!(null),
        )
    };
    assert_eq!(
        got[2..],
        [
            first(0, "c1", ""),
            piece(0, "{\"a\""),
            first(1, "c2", "{}"),
            piece(0, ":1}"),
            (json!({}), json!("tool_calls")),
        ]
    );
}

#[test]
fn calls_of_the_first_form() {
    let events = [
        call(0, Some("c1"), "{"),
        call(0, None, "}"),
        finish(0, FinishReason::ToolCalls),
        ChatEvent::Done,
    ];
    let form = AnswerForm {
        include_usage: false,
        legacy_functions: true,
    };
    let got = deltas(&chunks(&streamed(&start(), &events, form)));
    assert_eq!(
        got[1..],
        [
            (json!({"function_call": {"name": "f", "arguments": "{"}}), json!(null)),
            (json!({"function_call": {"arguments": "}"}}), json!(null)),
            (json!({}), json!("function_call")),
        ]
    );
}

#[test]
fn several_choices_each_have_their_role_and_reason() {
    let other = |text: &str| {
        ChatEvent::Delta(llm::PartDelta {
            choice: 1,
            ..delta(0, DeltaContent::Text(text.into()))
        })
    };
    let events = [
        said("a"),
        other("b"),
        finish(1, FinishReason::Length),
        finish(0, FinishReason::Stop),
        ChatEvent::Done,
    ];
    let chunks = chunks(&streamed(&start(), &events, AnswerForm::default()));
    let got: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"].get(0))
        .map(|choice| {
            (
                choice["index"].as_u64().unwrap(),
                choice["delta"].to_string(),
                choice["finish_reason"].clone(),
            )
        })
        .collect();
    let role = r#"{"role":"assistant","content":""}"#.to_owned();
    assert_eq!(
        got,
        [
            (0, role.clone(), json!(null)),
            (0, r#"{"content":"a"}"#.into(), json!(null)),
            (1, role, json!(null)),
            (1, r#"{"content":"b"}"#.into(), json!(null)),
            (1, "{}".into(), json!("length")),
            (0, "{}".into(), json!("stop")),
        ]
    );
}

#[test]
fn fields_of_the_answer() {
    let start = llm::ResponseStart {
        extra: extras(&[
            ("system_fingerprint", r#""fp""#),
            ("prompt_filter_results", "[\n1]"),
            ("object", "1"),
        ]),
        id: String::new(),
        created: None,
        ..start()
    };
    let events = [said("a"), finish(0, FinishReason::Stop), ChatEvent::Done];
    let chunks = chunks(&streamed(&start, &events, AnswerForm::default()));
    let (_, chunks) = chunks.split_last().unwrap();
    for (position, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["id"], json!("chatcmpl-req_1"));
        assert_eq!(chunk["created"], json!(1_700_000_000));
        assert_eq!(chunk["object"], json!("chat.completion.chunk"));
        assert_eq!(chunk["system_fingerprint"], json!("fp"));
        let expected = (position == 0).then(|| json!([1]));
        assert_eq!(
            chunk.get("prompt_filter_results").cloned(),
            expected,
            "only the first chunk says it"
        );
    }
}

#[test]
fn logprobs_stand_beside_their_text() {
    let logprobs = Some("{\"content\":[{\"token\":\"a\",\n\"logprob\":-1}]}".to_owned());
    let events = [
        ChatEvent::Delta(llm::PartDelta {
            logprobs,
            ..delta(0, DeltaContent::Text("a".into()))
        }),
        finish(0, FinishReason::Stop),
        ChatEvent::Done,
    ];
    let chunks = chunks(&streamed(&start(), &events, AnswerForm::default()));
    assert_eq!(
        chunks[1]["choices"][0]["logprobs"],
        json!({"content": [{"token": "a", "logprob": -1}]})
    );
    assert_eq!(chunks[2]["choices"][0]["logprobs"], json!(null));
}

#[test]
fn logprobs_are_said_beside_whatever_they_come_with() {
    let logprobs = r#"{"content":[{"token":"a"}]}"#;
    let other = |kind: &str, value: &str| {
        DeltaContent::Other(llm::Annotated {
            kind: kind.into(),
            value: value.into(),
        })
    };
    let image = llm::Media {
        media_type: "image/png".into(),
        source: llm::MediaSource::Inline(vec![1]),
        name: None,
        detail: None,
    };
    let call = llm::ToolCallDelta {
        id: Some("c".into()),
        name: Some("f".into()),
        arguments: "{}".into(),
    };
    for content in [
        DeltaContent::Reasoning("hm".into()),
        DeltaContent::Refusal("no".into()),
        DeltaContent::ToolCall(call),
        DeltaContent::Media(image),
        other(
            "custom",
            r#"{"id":"c","type":"custom","custom":{"name":"n","input":""}}"#,
        ),
        other("search", "{}"),
    ] {
        let event = ChatEvent::Delta(llm::PartDelta {
            logprobs: Some(logprobs.to_owned()),
            ..delta(0, content.clone())
        });
        let chunks = chunks(&streamed(&start(), &[event], AnswerForm::default()));
        let seen = &chunks[1]["choices"][0]["logprobs"];
        assert_eq!(seen.to_string(), logprobs, "{content:?}");
    }
}

/// OpenAI's clients take a piece of a function's call without `function` for a mistake.
#[test]
fn what_is_kept_of_a_call_comes_as_a_piece_of_it() {
    let call = llm::ToolCallDelta {
        id: Some("c1".into()),
        name: Some("f".into()),
        arguments: "{}".into(),
    };
    let own = llm::Annotated {
        kind: "custom".into(),
        value: json!({"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}}).to_string(),
    };
    let events = [
        ChatEvent::Delta(llm::PartDelta {
            extra: extras(&[("caller", "\"direct\"")]),
            ..delta(0, DeltaContent::ToolCall(call))
        }),
        ChatEvent::Delta(llm::PartDelta {
            extra: extras(&[("more", "1")]),
            ..delta(1, DeltaContent::Other(own))
        }),
        finish(0, FinishReason::ToolCalls),
        ChatEvent::Done,
    ];
    let got = deltas(&chunks(&streamed(&start(), &events, AnswerForm::default())));
    let kept = got.iter().rev().find(|(delta, _)| delta["tool_calls"].is_array());
    let expected = json!([
        {"index": 0, "function": {"arguments": ""}, "caller": "direct"},
        {"index": 1, "more": 1},
    ]);
    assert_eq!(kept.map(|(delta, _)| &delta["tool_calls"]), Some(&expected), "{got:?}");
}

#[test]
fn what_is_known_at_the_end_is_said_once_before_the_reason() {
    let state = |data: &[u8]| {
        Some(llm::ProviderState {
            format: "anthropic".into(),
            data: data.to_vec(),
        })
    };
    let citations = |json: &str| extras(&[("citations", json)]);
    let events = [
        ChatEvent::Delta(delta(0, DeltaContent::Reasoning("h".into()))),
        ChatEvent::Delta(delta(0, DeltaContent::Reasoning("m".into()))),
        // A signature whose pieces are no text by themselves.
        ChatEvent::Delta(llm::PartDelta {
            state: state(&[0xc3]),
            ..delta(0, DeltaContent::Reasoning(String::new()))
        }),
        ChatEvent::Delta(llm::PartDelta {
            state: state(&[0xa9]),
            ..delta(0, DeltaContent::Reasoning(String::new()))
        }),
        ChatEvent::Delta(llm::PartDelta {
            extra: citations("[1]"),
            ..delta(1, DeltaContent::Text("a".into()))
        }),
        ChatEvent::Delta(llm::PartDelta {
            extra: citations("[2]"),
            ..delta(1, DeltaContent::Text("b".into()))
        }),
        finish(0, FinishReason::Stop),
        ChatEvent::Done,
    ];
    let got = deltas(&chunks(&streamed(&start(), &events, AnswerForm::default())));
    let details = json!([
        {"type": "reasoning.text", "text": "hm", "signature": "é", "format": "anthropic", "index": 0}
    ]);
    let expected = [
        json!({"reasoning_content": "h"}),
        json!({"reasoning_content": "m"}),
        json!({"content": "a"}),
        json!({"content": "b"}),
        json!({"reasoning_details": details, "citations": [1, 2]}),
        json!({}),
    ];
    let got: Vec<_> = got.into_iter().skip(1).map(|(delta, _)| delta).collect();
    assert_eq!(got, expected);
}

#[test]
fn events_of_the_providers_own_ride_on_a_chunk() {
    let own = ChatEvent::Other(llm::Annotated {
        kind: "moderation".into(),
        value: "{\"a\":\n1}".into(),
    });
    let expected = json!([{"kind": "moderation", "value": {"a": 1}}]);
    let events = [own.clone(), said("a"), finish(0, FinishReason::Stop), ChatEvent::Done];
    let first = chunks(&streamed(&start(), &events, AnswerForm::default()));
    assert_eq!(first[1]["provider_events"], expected);
    assert_eq!(first[2].get("provider_events"), None);
    // The last has a chunk of its own if none follows.
    let late = chunks(&streamed(
        &start(),
        &[finish(0, FinishReason::Stop), own, ChatEvent::Done],
        AnswerForm::default(),
    ));
    assert_eq!(
        (&late[2]["choices"], &late[2]["provider_events"]),
        (&json!([]), &expected)
    );
    // There they stand under their own name, too, where it is free.
    assert_eq!(late[2]["moderation"], json!({"a": 1}));
    for taken in ["id", "choices", "service_tier", "provider_events"] {
        let own = ChatEvent::Other(llm::Annotated {
            kind: taken.into(),
            value: "7".into(),
        });
        let chunks = chunks(&streamed(
            &start(),
            &[own, finish(0, FinishReason::Stop), ChatEvent::Done],
            AnswerForm::default(),
        ));
        assert_ne!(chunks[1][taken], json!(7), "{taken}");
    }
}

#[test]
fn a_failure_is_said_and_nothing_follows() {
    let error = llm::Error {
        kind: llm::ErrorKind::Overloaded,
        message: "busy".into(),
        retryable: true,
        retry_after_ms: None,
        http_status: Some(529),
        provider_code: Some("overloaded_error".into()),
        param: None,
        request_id: Some("r-1".into()),
        raw: Some(r#"{"secret":"internal"}"#.into()),
    };
    let stream = streamed(&start(), &[said("a"), ChatEvent::Error(error)], AnswerForm::default());
    let chunks = chunks(&stream);
    assert_eq!(
        chunks.last().unwrap(),
        &json!({"error": {
            "message": "busy", "type": "overloaded_error", "param": null, "code": "provider_overloaded",
            "fault": "provider", "provider": "acme", "provider_status": 529, "provider_code": "overloaded_error",
            "provider_request_id": "r-1",
        }})
    );
    assert!(!stream.contains("[DONE]") && !stream.contains("internal"));
}
