use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{decode, every_split};
use llm_provider_sdk::types::{ChatResponse, ErrorKind, FinishReason, PartContent};
use serde_json::{Value, json};

use super::*;

fn context() -> Context {
    Context {
        model: "claude-asked".to_owned(),
        ..Context::default()
    }
}

/// The events as the provider writes them.
fn sse(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect()
}

fn events(text: &str) -> Vec<ChatEvent> {
    decode(Decoder::new(context()), &[text.as_bytes()], Ok(()))
}

fn folded(text: &str) -> ChatResponse {
    fold(events(text)).unwrap()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "stop_reason": null, "usage": {"input_tokens": 9, "output_tokens": 1}}})
}

fn block(index: u32, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u32, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u32) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 30}}),
        json!({"type": "message_stop"}),
    ]
}

/// A stream with every kind of block, and the same answer whole.
fn everything() -> (String, Value) {
    let search =
        json!({"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"encrypted_content": "é"}]});
    let mut list = vec![
        start(),
        json!({"type": "ping"}),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "Let me "})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "see — 🎉"})),
        delta(0, &json!({"type": "signature_delta", "signature": "Er8E+/="})),
        stop(0),
        block(1, &json!({"type": "redacted_thinking", "data": "Emw"})),
        stop(1),
        block(
            2,
            &json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}, "caller": {"type": "direct"}}),
        ),
        delta(2, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"query\""})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": ":\"q\"}"})),
        stop(2),
        block(3, &search),
        stop(3),
        block(4, &json!({"type": "text", "text": "", "citations": []})),
        delta(
            4,
            &json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "a"}}),
        ),
        delta(
            4,
            &json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "b"}}),
        ),
        delta(4, &json!({"type": "text_delta", "text": "Hé"})),
        delta(4, &json!({"type": "text_delta", "text": "llo"})),
        stop(4),
        block(
            5,
            &json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}, "caller": {"type": "direct"}}),
        ),
        delta(5, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(5, &json!({"type": "input_json_delta", "partial_json": "{\"a\": 1"})),
        delta(5, &json!({"type": "input_json_delta", "partial_json": "}"})),
        stop(5),
        block(6, &json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        delta(6, &json!({"type": "input_json_delta", "partial_json": ""})),
        stop(6),
        block(7, &json!({"type": "text", "text": ""})),
        stop(7),
        block(8, &json!({"type": "compaction", "content": null})),
        delta(8, &json!({"type": "compaction_delta", "content": "Short."})),
        stop(8),
    ];
    list.extend(end("tool_use"));
    let whole = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [
        {"type": "thinking", "thinking": "Let me see — 🎉", "signature": "Er8E+/="},
        {"type": "redacted_thinking", "data": "Emw"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}, "caller": {"type": "direct"}},
        search,
        {"type": "text", "text": "Héllo", "citations": [{"type": "char_location", "cited_text": "a"}, {"type": "char_location", "cited_text": "b"}]},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        {"type": "text", "text": ""},
        {"type": "compaction", "content": "Short."},
    ], "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 30}});
    (sse(&list), whole)
}

/// Writes JSON within an answer in one way, since only its meaning is compared.
fn normal(mut answer: ChatResponse) -> ChatResponse {
    let tidy = |json: &mut String| {
        if let Ok(value) = serde_json::from_str::<Value>(json) {
            *json = value.to_string();
        }
    };
    for choice in &mut answer.choices {
        for part in &mut choice.message.parts {
            match &mut part.content {
                PartContent::ToolCall(call) => tidy(&mut call.arguments),
                PartContent::Other(other) => tidy(&mut other.value),
                _ => {}
            }
            part.extra.iter_mut().for_each(|(_, json)| tidy(json));
        }
    }
    answer
}

#[test]
fn a_stream_folds_to_the_whole_answer() {
    let (stream, whole) = everything();
    let whole = response::decode(whole.to_string().as_bytes(), context()).unwrap();
    assert_eq!(normal(folded(&stream)), normal(whole));
}

#[test]
fn any_cut_gives_the_same_events() {
    let (stream, _) = everything();
    let whole = events(&stream);
    every_split(stream.as_bytes(), |pieces| {
        assert_eq!(decode(Decoder::new(context()), pieces, Ok(())), whole);
    });
}

#[test]
fn only_message_stop_ends_a_stream() {
    let (stream, _) = everything();
    let cuts = [
        0,
        stream.find("event: ping").unwrap(),
        stream.find("event: message_stop").unwrap(),
    ];
    for cut in cuts {
        let got = events(&stream[..cut]);
        let Some(ChatEvent::Error(error)) = got.last() else {
            panic!("no error at {cut}: {:?}", got.last());
        };
        assert_eq!((error.kind, error.retryable), (ErrorKind::StreamTruncated, true));
    }
    // The blank line after the last event may be missing, and something may follow it.
    assert_eq!(events(stream.trim_end()).last(), Some(&ChatEvent::Done));
    assert_eq!(
        events(&format!("{stream}event: data\ndata: [DONE]\n\n")).last(),
        Some(&ChatEvent::Done)
    );
    // A last event that was cut in the middle is a truncated stream, not a broken one.
    let got = events(&stream[..stream.len() - 6]);
    assert!(matches!(got.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::StreamTruncated));
}

#[test]
fn a_broken_connection_is_told() {
    let (stream, _) = everything();
    let half = &stream.as_bytes()[..stream.len() / 2];
    let got = decode(
        Decoder::new(context()),
        &[half],
        Err(HttpError::Timeout("idle".to_owned())),
    );
    assert!(matches!(got.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::Timeout));
    let complete = decode(
        Decoder::new(context()),
        &[stream.as_bytes()],
        Err(HttpError::Connect("reset".to_owned())),
    );
    assert_eq!(
        complete.last(),
        Some(&ChatEvent::Done),
        "it was complete before it broke"
    );
}

#[test]
fn an_error_in_the_stream_keeps_what_came_before() {
    let text = sse(&[
        start(),
        block(0, &json!({"type": "text", "text": ""})),
        delta(0, &json!({"type": "text_delta", "text": "Half"})),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        json!({"type": "message_stop"}),
    ]);
    let got = events(&text);
    assert!(got.contains(&ChatEvent::Delta(PartDelta::text(0, 0, "Half"))));
    let errors: Vec<&ChatEvent> = got
        .iter()
        .filter(|event| matches!(event, ChatEvent::Error(_)))
        .collect();
    let [ChatEvent::Error(error)] = errors.as_slice() else {
        panic!("one error: {errors:?}");
    };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(matches!(got.last(), Some(ChatEvent::Error(_))));
}

#[test]
fn what_is_not_known_is_carried() {
    let news = json!({"type": "weather_report", "sky": "blue"});
    let text = sse(&[
        start(),
        news.clone(),
        block(0, &json!({"type": "text", "text": ""})),
        delta(0, &json!({"type": "sparkle_delta", "sparkle": 1})),
        delta(0, &json!({"type": "text_delta", "text": "Hi"})),
        stop(0),
        block(1, &json!({"type": "poem", "lines": ["a"], "title": "T"})),
        delta(
            1,
            &json!({"type": "poem_delta", "lines": ["b"], "title": "itle", "mood": "low"}),
        ),
        stop(1),
        delta(7, &json!({"type": "text_delta", "text": "of no block"})),
        end("novelty")[0].clone(),
        json!({"type": "message_stop"}),
    ]);
    let got = events(&text);
    let others: Vec<&str> = got
        .iter()
        .filter_map(|event| match event {
            ChatEvent::Other(other) => Some(other.kind.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(others, ["weather_report", "content_block_delta", "content_block_delta"]);
    let answer = folded(&text);
    let parts = &answer.choices[0].message.parts;
    assert_eq!(parts[0].content, PartContent::Text("Hi".to_owned()));
    let PartContent::Other(poem) = &parts[1].content else {
        panic!("a block of its own: {:?}", parts[1]);
    };
    let value: Value = serde_json::from_str(&poem.value).unwrap();
    assert_eq!(
        value,
        json!({"type": "poem", "lines": ["a", "b"], "title": "Title", "mood": "low"})
    );
    assert_eq!(answer.choices[0].finish, FinishReason::Other("novelty".to_owned()));
}

#[test]
fn what_comes_before_the_answer_does_not_take_its_name() {
    let mut list = vec![json!({"type": "future_event", "n": 1}), stop(0), start()];
    list.extend([block(0, &json!({"type": "text", "text": "Hi"})), stop(0)]);
    list.extend(end("end_turn"));
    let text = format!("data:\n\nevent: ping\ndata: \n\n{}", sse(&list));
    let answer = folded(&text);
    assert_eq!((answer.id.as_str(), answer.model.as_str()), ("msg_1", "claude-x"));
    assert_eq!(
        answer.extra,
        [(
            "future_event".to_owned(),
            json!({"type": "future_event", "n": 1}).to_string()
        )]
    );
    every_split(text.as_bytes(), |pieces| {
        assert_eq!(decode(Decoder::new(context()), pieces, Ok(())), events(&text));
    });
}

#[test]
fn usage_is_told_early_and_counts_last() {
    let text = sse(&[
        json!({"type": "message_start", "message": {"id": "m", "model": "x", "content": [],
            "usage": {"input_tokens": 2068, "cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}, "output_tokens": 8}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 22397, "cache_read_input_tokens": null, "output_tokens": 637, "server_tool_use": {"web_search_requests": 2}}}),
        json!({"type": "message_stop"}),
    ]);
    let told: Vec<(u64, u64, u64, u64)> = events(&text)
        .into_iter()
        .filter_map(|event| match event {
            ChatEvent::Usage(usage) => Some((usage.input, usage.cache_write, usage.cache_write_long, usage.output)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(2068, 10, 20, 8), (22397, 10, 20, 637)]);
    let usage = folded(&text).usage.unwrap();
    assert_eq!(
        usage.extra,
        [("server_tool_use".to_owned(), r#"{"web_search_requests":2}"#.to_owned())]
    );
}

#[test]
fn ends_are_told_with_their_details() {
    let text = |delta: Value| {
        sse(&[
            start(),
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}}),
            json!({"type": "message_stop"}),
        ])
    };
    let got = folded(&text(
        json!({"stop_reason": "stop_sequence", "stop_sequence": "charlie"}),
    ));
    let choice = &got.choices[0];
    assert_eq!(
        (&choice.finish, choice.finish_detail.as_deref()),
        (&FinishReason::Stop, Some("stop_sequence"))
    );
    assert_eq!(choice.extra, [("stop_sequence".to_owned(), "\"charlie\"".to_owned())]);

    let got = folded(&text(
        json!({"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber"}, "container": {"id": "c"}}),
    ));
    let choice = &got.choices[0];
    assert_eq!(choice.finish, FinishReason::Refusal);
    let names: Vec<&str> = choice.extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["stop_details", "container"]);
}

#[test]
fn a_turn_that_is_continued_brings_blocks_along() {
    let text = sse(&[
        json!({"type": "message_start", "message": {"id": "m", "model": "x", "content": [
            {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": "1"}},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"id": "c"}}],
            "container": {"id": "box"}, "stop_reason": "tool_use", "usage": {"input_tokens": 0, "output_tokens": 0}}}),
        json!({"type": "message_stop"}),
    ]);
    let got = folded(&text);
    let choice = &got.choices[0];
    assert_eq!(choice.finish, FinishReason::ToolCalls);
    assert!(
        matches!(&choice.message.parts[0].content, PartContent::Other(other) if other.kind == "code_execution_tool_result")
    );
    assert!(
        matches!(&choice.message.parts[1].content, PartContent::ToolCall(call) if call.arguments == r#"{"id":"c"}"#)
    );
    assert_eq!(choice.extra, [("container".to_owned(), r#"{"id":"box"}"#.to_owned())]);
}

#[test]
fn services_that_imitate_the_api_are_survived() {
    // A second start, and none at all.
    let twice = folded(&sse(&[&[start(), start()], &end("end_turn")[..]].concat()));
    assert_eq!(twice.id, "msg_1");
    let [_, last] = end("end_turn");
    let none = folded(&sse(&[block(0, &json!({"type": "text", "text": "Hi"})), last]));
    assert_eq!(none.model, "claude-asked");
    assert_eq!(
        none.choices[0].message.parts[0].content,
        PartContent::Text("Hi".to_owned())
    );
    // Text that is no JSON is not the API's.
    let got = events("data: hello\n\n");
    assert!(matches!(got.as_slice(), [ChatEvent::Error(error)] if error.kind == ErrorKind::Upstream));
}

#[test]
fn eager_arguments_need_not_be_json() {
    let text = sse(&[
        &[
            start(),
            block(0, &json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
            delta(0, &json!({"type": "input_json_delta", "partial_json": "{\"a\": [1, "})),
            block(
                1,
                &json!({"type": "server_tool_use", "id": "s", "name": "g", "input": {}}),
            ),
            delta(1, &json!({"type": "input_json_delta", "partial_json": "{\"b\""})),
        ],
        &end("max_tokens")[..],
    ]
    .concat());
    let got = folded(&text);
    let parts = &got.choices[0].message.parts;
    assert!(matches!(&parts[0].content, PartContent::ToolCall(call) if call.arguments == "{\"a\": [1, "));
    let PartContent::Other(cut) = &parts[1].content else {
        panic!("a block of the provider's: {:?}", parts[1]);
    };
    let value: Value = serde_json::from_str(&cut.value).unwrap();
    assert_eq!(value["input"], "{\"b\"");
    assert_eq!(got.choices[0].finish, FinishReason::Length);
}

#[test]
fn the_answers_tool_is_its_text() {
    let context = Context {
        answer_tool: Some("structured_answer".to_owned()),
        ..context()
    };
    let text = sse(&[
        &[
            start(),
            block(
                0,
                &json!({"type": "tool_use", "id": "t", "name": "structured_answer", "input": {}}),
            ),
            delta(0, &json!({"type": "input_json_delta", "partial_json": "{\"t\":"})),
            delta(0, &json!({"type": "input_json_delta", "partial_json": "\"x\"}"})),
            stop(0),
        ],
        &end("tool_use")[..],
    ]
    .concat());
    let got = fold(decode(Decoder::new(context.clone()), &[text.as_bytes()], Ok(()))).unwrap();
    assert_eq!(
        got.choices[0].message.parts[0].content,
        PartContent::Text("{\"t\":\"x\"}".to_owned())
    );
    assert_eq!(got.choices[0].finish, FinishReason::Stop);
    let whole = json!({"id": "m", "model": "x", "stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"t": "x"}}]});
    let whole = response::decode(whole.to_string().as_bytes(), context).unwrap();
    assert_eq!(whole.choices[0].message, got.choices[0].message);
    assert_eq!(whole.choices[0].finish, FinishReason::Stop);
}
