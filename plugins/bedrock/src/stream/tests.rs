use super::*;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::framer::event_stream::encode;
use llm_provider_sdk::testing::{decode, every_split};
use llm_provider_sdk::types::{ChatResponse, ErrorKind, FinishReason, PartContent};
use serde_json::{Value, json};

use crate::error::Asked;
use crate::response;
use aws_sdk_bedrockruntime::operation::converse::Converse;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStream;

fn context() -> Context {
    Context {
        model: "m".to_owned(),
        id: "r1".to_owned(),
        state_format: "anthropic",
        ..Context::default()
    }
}

fn head() -> Answered {
    Answered {
        status: 200,
        headers: Vec::new(),
    }
}

fn decoder() -> Decoder {
    let asked = Asked {
        permission: "bedrock:InvokeModelWithResponseStream",
        model: "m",
        region: "us-east-1",
    };
    Decoder::new(Operation::of(&ConverseStream::new()), head(), context(), asked.keep()).unwrap()
}

fn stream(events: &[(&str, Value)]) -> Vec<u8> {
    let frame = |(kind, payload): &(&str, Value)| {
        let (of, name) = if kind.ends_with("Exception") {
            ("exception", ":exception-type")
        } else {
            ("event", ":event-type")
        };
        encode(&[(name, kind), (":message-type", of)], payload.to_string().as_bytes())
    };
    events.iter().flat_map(frame).collect()
}

fn delta(at: u32, delta: Value) -> (&'static str, Value) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": at, "delta": delta, "p": "abcdef"}),
    )
}

fn everything() -> Vec<(&'static str, Value)> {
    let stop = |at: u32| ("contentBlockStop", json!({ "contentBlockIndex": at }));
    let start = |at: u32, start: Value| ("contentBlockStart", json!({"contentBlockIndex": at, "start": start}));
    vec![
        ("messageStart", json!({"role": "assistant", "p": "ab"})),
        delta(0, json!({"reasoningContent": {"text": "Think"}})),
        delta(0, json!({"reasoningContent": {"signature": "c2ln"}})),
        stop(0),
        delta(1, json!({"reasoningContent": {"redactedContent": "AQID"}})),
        stop(1),
        delta(2, json!({"text": "Hé"})),
        delta(2, json!({"text": ""})),
        delta(2, json!({"text": "llo"})),
        delta(
            2,
            json!({"citation": {"title": "a", "location": {"web": {"url": "https://a.example"}}}}),
        ),
        stop(2),
        start(3, json!({"toolUse": {"toolUseId": "t1", "name": "f"}})),
        delta(3, json!({"toolUse": {"input": "{\"b\":1.10,"}})),
        delta(3, json!({"toolUse": {"input": "\"a\":2}"}})),
        stop(3),
        start(4, json!({"toolUse": {"toolUseId": "t2", "name": "g"}})),
        stop(4),
        start(
            5,
            json!({"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use"}}),
        ),
        delta(5, json!({"toolUse": {"input": "{\"q\":1}"}})),
        stop(5),
        start(6, json!({"toolResult": {"toolUseId": "s1", "status": "success"}})),
        delta(6, json!({"toolResult": [{"text": "found"}]})),
        stop(6),
        (
            "messageStop",
            json!({"stopReason": "tool_use", "additionalModelResponseFields": {"z": 1, "a": 2}}),
        ),
        ("newEvent", json!({"x": 1})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {"latencyMs": 9},
                "serviceTier": {"type": "flex"}, "trace": {"guardrail": {"z": 1, "a": [1.50]}}}),
        ),
    ]
}

fn whole() -> ChatResponse {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Think", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "AQID"}},
            {"citationsContent": {"content": [{"text": "Héllo"}],
                "citations": [{"title": "a", "location": {"web": {"url": "https://a.example"}}}]}},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"b": 1, "a": 2}}},
            {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
            {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": 1}}},
            {"toolResult": {"toolUseId": "s1", "status": "success", "content": [{"text": "found"}]}},
        ]}},
        "stopReason": "tool_use",
        "additionalModelResponseFields": {"z": 1, "a": 2},
        "newEvent": {"x": 1},
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
        "metrics": {"latencyMs": 9},
        "serviceTier": {"type": "flex"},
        "trace": {"guardrail": {"z": 1, "a": [1.5]}},
    });
    // As the service would spell it.
    let text = body.to_string().replace("\"b\":1,", "\"b\":1.10,");
    let operation = Operation::of(&Converse::new());
    response::decode(&operation, &head(), text.into_bytes(), context()).unwrap()
}

/// Fields in one order, since a stream tells them when they come.
fn sorted(mut answer: ChatResponse) -> ChatResponse {
    answer.extra.sort();
    answer
}

#[test]
fn a_stream_folds_to_the_whole_answer() {
    let streamed = fold(decode(decoder(), &[&stream(&everything())], Ok(()))).unwrap();
    assert_eq!(sorted(streamed.clone()), sorted(whole()));
    assert_eq!(streamed.choices[0].finish, FinishReason::ToolCalls);
    let parts = &streamed.choices[0].message.parts;
    let PartContent::ToolCall(call) = &parts[3].content else {
        panic!("{parts:?}");
    };
    assert_eq!(call.arguments, "{\"b\":1.10,\"a\":2}", "as the model wrote them");
    let extra = |name: &str| {
        let found = streamed.extra.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(extra("additionalModelResponseFields"), Some(r#"{"z":1,"a":2}"#));
    assert_eq!(extra("service_tier"), Some("\"flex\""));
    assert_eq!(
        extra("newEvent"),
        Some(r#"{"x":1}"#),
        "an event that the SDK does not know"
    );
    assert_eq!(extra("p"), None, "padding says nothing");
}

#[test]
fn every_cut_gives_the_same_events() {
    let bytes = stream(&everything());
    let events = decode(decoder(), &[&bytes], Ok(()));
    assert_eq!(events.last(), Some(&ChatEvent::Done));
    every_split(&bytes, |pieces| assert_eq!(decode(decoder(), pieces, Ok(())), events));
}

#[test]
fn a_stream_without_its_end_is_cut_off() {
    let all = everything();
    let stops = all.iter().position(|(kind, _)| *kind == "messageStop").unwrap();
    let complete = stream(&all[..=stops]).len();
    let bytes = stream(&all);
    for at in 0..bytes.len() {
        let events = decode(decoder(), &[&bytes[..at]], Ok(()));
        let boundary = at >= complete
            && all[stops..]
                .iter()
                .enumerate()
                .any(|(more, _)| stream(&all[..=stops + more]).len() == at);
        match events.last() {
            Some(ChatEvent::Error(error)) if !boundary => {
                assert_eq!(error.kind, ErrorKind::StreamTruncated, "cut at {at}");
                assert_eq!(error.request_id.as_deref(), Some("r1"));
            }
            Some(ChatEvent::Done) if boundary => {}
            other => panic!("cut at {at}: {other:?}"),
        }
    }
    let events = decode(decoder(), &[&bytes], Err(HttpError::Connect("reset".to_owned())));
    assert!(matches!(events.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::Transport));
}

#[test]
fn what_came_before_a_failure_stands() {
    let cases = [
        ("throttlingException", ErrorKind::RateLimited, true),
        ("internalServerException", ErrorKind::Upstream, true),
        ("modelStreamErrorException", ErrorKind::Upstream, true),
        ("validationException", ErrorKind::InvalidRequest, false),
        ("serviceUnavailableException", ErrorKind::Overloaded, true),
    ];
    for (kind, expected, retryable) in cases {
        let events = [
            ("messageStart", json!({"role": "assistant"})),
            delta(0, json!({"text": "Half"})),
            (
                "metadata",
                json!({"usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4}}),
            ),
            (kind, json!({"message": "m"})),
            delta(0, json!({"text": "never"})),
        ];
        let got = decode(decoder(), &[&stream(&events)], Ok(()));
        let [
            ChatEvent::Start(_),
            ChatEvent::Delta(_),
            ChatEvent::Usage(usage),
            ChatEvent::Error(error),
        ] = got.as_slice()
        else {
            panic!("{kind}: {got:?}");
        };
        assert_eq!((usage.input, usage.output), (3, 1), "usage so far is settled");
        assert_eq!((error.kind, error.retryable), (expected, retryable), "{kind}");
    }
    let unmodelled = encode(
        &[
            (":message-type", "error"),
            (":error-code", "InternalError"),
            (":error-message", "broke"),
        ],
        b"",
    );
    let got = decode(decoder(), &[&unmodelled], Ok(()));
    assert!(
        matches!(got.as_slice(), [ChatEvent::Error(error)] if error.message == "broke"),
        "{got:?}"
    );
}

#[test]
fn a_damaged_frame_ends_the_stream() {
    let mut bytes = stream(&everything());
    let at = stream(&everything()[..2]).len() + 20;
    bytes[at] ^= 1;
    let events = decode(decoder(), &[&bytes], Ok(()));
    let [ChatEvent::Start(_), ChatEvent::Delta(_), ChatEvent::Error(error)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!((error.kind, error.retryable), (ErrorKind::Upstream, true));
    // A frame that is whole and not of the API.
    let odd = encode(
        &[(":message-type", "event"), (":event-type", "contentBlockDelta")],
        b"[]",
    );
    let events = decode(decoder(), &[&odd], Ok(()));
    assert!(
        matches!(events.as_slice(), [ChatEvent::Error(error)] if error.kind == ErrorKind::Upstream),
        "{events:?}"
    );
}
