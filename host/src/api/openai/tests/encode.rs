//! Whole answers.

use serde_json::{Value, json};

use crate::llm::{self, FinishReason, PartContent};

use super::super::part::plain;
use super::super::request::AnswerForm;
use super::super::response::{Defaults, encode};
use super::{extras, text};

pub(super) fn defaults() -> Defaults {
    Defaults {
        id: "chatcmpl-req_1".to_owned(),
        created: 1_700_000_000,
    }
}

pub(super) fn answer(parts: Vec<llm::Part>, finish: FinishReason) -> llm::ChatResponse {
    let message = llm::Message {
        role: llm::Role::Assistant,
        name: None,
        parts,
        extra: vec![],
    };
    let choice = llm::Choice {
        index: 0,
        message,
        finish,
        finish_detail: None,
        logprobs: None,
        extra: vec![],
    };
    llm::ChatResponse {
        id: "chatcmpl-9".into(),
        model: "gpt-x".into(),
        created: Some(5),
        choices: vec![choice],
        usage: None,
        dropped: vec![],
        extra: vec![],
    }
}

pub(super) fn encoded(response: &llm::ChatResponse, form: AnswerForm) -> Value {
    let bytes = encode(response, form, &defaults());
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}

fn message(parts: Vec<llm::Part>) -> Value {
    encoded(&answer(parts, FinishReason::Stop), AnswerForm::default())["choices"][0]["message"].take()
}

fn call(id: &str) -> llm::Part {
    plain(PartContent::ToolCall(llm::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: r#"{"a":"é"}"#.into(),
    }))
}

#[test]
fn a_text_answer() {
    let mut response = answer(vec![text("hi \"you\"\n")], FinishReason::Stop);
    response.extra = extras(&[
        ("system_fingerprint", r#""fp""#),
        ("service_tier", "null"),
        ("id", r#""other""#),
    ]);
    response.choices[0].extra = extras(&[("seed", "7")]);
    response.choices[0].logprobs = Some(r#"{"content":[]}"#.into());
    response.usage = Some(llm::Usage {
        input: 10,
        cache_read: 20,
        cache_write: 3,
        cache_write_long: 4,
        input_audio: 5,
        input_image: 0,
        output: 100,
        reasoning: 30,
        output_audio: 0,
        output_image: 1,
        extra: extras(&[
            ("cost", "0.5"),
            (
                "completion_tokens_details",
                r#"{"accepted_prediction_tokens":2,"reasoning_tokens":9}"#,
            ),
        ]),
    });
    assert_eq!(
        encoded(&response, AnswerForm::default()),
        json!({
            "id": "chatcmpl-9", "object": "chat.completion", "created": 5, "model": "gpt-x",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "hi \"you\"\n", "refusal": null},
                "logprobs": {"content": []},
                "finish_reason": "stop",
                "seed": 7,
            }],
            "usage": {
                "prompt_tokens": 42, "completion_tokens": 131, "total_tokens": 173,
                "prompt_tokens_details": {
                    "cached_tokens": 20, "audio_tokens": 5, "cache_write_tokens": 7, "cache_write_long_tokens": 4,
                },
                "completion_tokens_details": {
                    "reasoning_tokens": 30, "audio_tokens": 0, "image_tokens": 1, "accepted_prediction_tokens": 2,
                },
                "cost": 0.5,
            },
            "system_fingerprint": "fp",
            "service_tier": null,
        })
    );
}

#[test]
fn what_the_provider_leaves_out_is_filled_in() {
    let mut response = answer(vec![text("x")], FinishReason::Stop);
    response.id.clear();
    response.created = None;
    let body = encoded(&response, AnswerForm::default());
    assert_eq!(
        (&body["id"], &body["created"]),
        (&json!("chatcmpl-req_1"), &json!(1_700_000_000))
    );
    assert_eq!(body.get("usage"), None, "usage is never guessed");
}

#[test]
fn content_is_null_only_beside_what_stands_for_it() {
    assert_eq!(message(vec![])["content"], json!(""));
    assert_eq!(message(vec![call("c")])["content"], json!(null));
    assert_eq!(message(vec![text(""), call("c")])["content"], json!(null));
    assert_eq!(message(vec![text("so"), call("c")])["content"], json!("so"));
    let refused = message(vec![plain(PartContent::Refusal("no".into()))]);
    assert_eq!((&refused["content"], &refused["refusal"]), (&json!(null), &json!("no")));
    let only_thought = plain(PartContent::Reasoning(llm::Reasoning {
        text: "hm".into(),
        redacted: false,
    }));
    assert_eq!(
        message(vec![only_thought]),
        json!({"role": "assistant", "content": "", "refusal": null, "reasoning_content": "hm"})
    );
}

#[test]
fn calls_of_both_forms() {
    let response = answer(vec![call("c1"), call("c2")], FinishReason::ToolCalls);
    let tool_call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"é\"}"}});
    let body = encoded(&response, AnswerForm::default());
    assert_eq!(
        body["choices"][0]["message"]["tool_calls"],
        json!([tool_call("c1"), tool_call("c2")])
    );
    assert_eq!(body["choices"][0]["finish_reason"], json!("tool_calls"));
    // A caller of the first form gets one call in it; none goes missing.
    let body = encoded(
        &response,
        AnswerForm {
            legacy_functions: true,
            include_usage: false,
        },
    );
    let message = &body["choices"][0]["message"];
    assert_eq!(
        message["function_call"],
        json!({"name": "f", "arguments": "{\"a\":\"é\"}"})
    );
    assert_eq!(message["tool_calls"], json!([tool_call("c2")]));
    assert_eq!(body["choices"][0]["finish_reason"], json!("function_call"));
    let custom = llm::Annotated {
        kind: "custom".into(),
        value: r#"{"id":"c","type":"custom"}"#.into(),
    };
    let own = self::message(vec![plain(PartContent::Other(custom))]);
    assert_eq!(own["tool_calls"], json!([{"id": "c", "type": "custom"}]));
    assert_eq!(own.get("provider_parts"), None);
}

#[test]
fn finish_reasons() {
    let refusal = || vec![plain(PartContent::Refusal("no".into()))];
    for (parts, finish, detail, expected) in [
        (vec![], FinishReason::Stop, None, ("stop", None)),
        (vec![], FinishReason::Stop, Some("end_turn"), ("stop", Some("end_turn"))),
        (vec![], FinishReason::Length, None, ("length", None)),
        (vec![], FinishReason::ContentFilter, None, ("content_filter", None)),
        (vec![], FinishReason::Refusal, None, ("content_filter", Some("refusal"))),
        (refusal(), FinishReason::Refusal, None, ("stop", Some("refusal"))),
        (
            vec![],
            FinishReason::Other("pause_turn".into()),
            None,
            ("stop", Some("pause_turn")),
        ),
    ] {
        let mut response = answer(parts, finish);
        response.choices[0].finish_detail = detail.map(Into::into);
        let body = encoded(&response, AnswerForm::default());
        let choice = &body["choices"][0];
        let got = (
            choice["finish_reason"].as_str().unwrap(),
            choice.get("native_finish_reason").and_then(Value::as_str),
        );
        assert_eq!(got, expected);
    }
}

#[test]
fn annotations_and_citations_stand_under_the_message() {
    let part = |content: &str, extra| llm::Part { extra, ..text(content) };
    let one = message(vec![part(
        "a",
        extras(&[("annotations", r#"[{"type":"url_citation"}]"#), ("citations", "[1]")]),
    )]);
    assert_eq!(one["annotations"], json!([{"type": "url_citation"}]));
    assert_eq!(one["citations"], json!([1]));
    let two = message(vec![
        part("a", extras(&[("citations", "[1]"), ("role", r#""x""#)])),
        part("b", extras(&[("citations", " [ ] ")])),
        part("c", extras(&[("citations", "[2, 3]"), ("odd", "1")])),
    ]);
    assert_eq!(
        (&two["content"], &two["citations"], &two["odd"]),
        (&json!("abc"), &json!([1, 2, 3]), &json!(1))
    );
    assert_eq!(two["role"], json!("assistant"));
}

#[test]
fn produced_media_have_their_fields() {
    let media = |media_type: &str, source| {
        plain(PartContent::Media(llm::Media {
            media_type: media_type.into(),
            source,
            name: Some("n".into()),
            detail: None,
        }))
    };
    let inline = || llm::MediaSource::Inline(b"ABC".to_vec());
    let mut sound = media("audio/mpeg", inline());
    sound.extra = extras(&[("id", r#""a1""#), ("expires_at", "9"), ("transcript", r#""abc""#)]);
    let body = message(vec![
        media("image/png", inline()),
        media("application/pdf", inline()),
        media("application/pdf", llm::MediaSource::File("file-1".into())),
        sound,
        media("audio/wav", inline()),
    ]);
    assert_eq!(
        body,
        json!({
            "role": "assistant", "content": null, "refusal": null,
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}, "index": 0}],
            "files": [
                {"type": "file", "file": {"filename": "n", "file_data": "data:application/pdf;base64,QUJD"}, "index": 1},
                {"type": "file", "file": {"filename": "n", "file_id": "file-1"}, "index": 2},
                {"type": "file", "file": {"filename": "n", "file_data": "data:audio/wav;base64,QUJD"}, "index": 4},
            ],
            "audio": {"data": "QUJD", "format": "mp3", "index": 3, "id": "a1", "expires_at": 9, "transcript": "abc"},
        })
    );
}
