//! Converse and ConverseStream.
//!
//! In: answers drawn out of the service's model. Out: that each is read, and what it says is there.
//! Never: an order of members or blocks that the service does not promise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::framer::event_stream::encode;
use llm_provider_sdk::testing::Reply;
use llm_provider_sdk::types::ChatEvent;
use serde_json::{Map, Value, json};

use crate::draw::{Draw, Model};
use crate::{CASES, said, streamed, whole};

const NOVA: &str = "amazon.nova-2-lite-v1:0";
const STREAM: &str = "application/vnd.amazon.eventstream";

/// What a whole answer says, by plain JSON, in the form of [`said`].
fn expected(answer: &Value) -> Value {
    let (mut text, mut thought, mut calls, mut others) = (String::new(), String::new(), Vec::new(), 0);
    for block in answer["output"]["message"]["content"].as_array().unwrap() {
        for (kind, value) in block.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
            match kind.as_str() {
                "text" => text.push_str(value.as_str().unwrap()),
                "citationsContent" => {
                    let pieces = value["content"].as_array().into_iter().flatten();
                    pieces.for_each(|piece| text.push_str(piece["text"].as_str().unwrap_or_default()));
                }
                "toolUse" if value["type"] != "server_tool_use" => {
                    calls.push(json!([value["toolUseId"], value["name"], value["input"]]));
                }
                "reasoningContent" => {
                    for (kind, value) in value.as_object().unwrap() {
                        match kind.as_str() {
                            "reasoningText" => thought.push_str(value["text"].as_str().unwrap()),
                            "redactedContent" => {}
                            _ => others += 1,
                        }
                    }
                }
                _ => others += 1,
            }
        }
    }
    let count = |name: &str| answer["usage"][name].as_u64().unwrap_or(0);
    let cached = count("cacheReadInputTokens") + count("cacheWriteInputTokens");
    let input = count("inputTokens");
    let inside = cached > 0 && input >= cached && count("totalTokens") == input + count("outputTokens");
    let read = if inside { input } else { input + cached };
    // An answer with calls ends for them, and one without does not, whatever the word.
    let end = match (answer["stopReason"].as_str().unwrap(), calls.is_empty()) {
        ("end_turn", false) => end("tool_use"),
        ("tool_use", true) => end("end_turn"),
        (word, _) => end(word),
    };
    json!({"text": text, "thought": thought, "calls": calls, "others": others, "end": end, "usage": [read, count("outputTokens")]})
}

fn end(word: &str) -> String {
    match word {
        "end_turn" | "stop_sequence" => "Stop".to_owned(),
        "tool_use" => "ToolCalls".to_owned(),
        "max_tokens" | "model_context_window_exceeded" => "Length".to_owned(),
        "guardrail_intervened" | "content_filtered" => "ContentFilter".to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn every_valid_answer_is_read_whole() {
    let Some(model) = Model::read() else { return };
    for case in 0..CASES {
        let mut draw = Draw(case);
        let answer = model.value("ConverseResponse", &mut draw);
        if !answer["output"]["message"].is_object() {
            continue;
        }
        let told = format!("case {case}: {answer}");
        let got = whole(NOVA, "converse", Reply::json(200, answer.to_string()));
        let got = got.unwrap_or_else(|error| panic!("{error:?}\n{told}"));
        assert_eq!(said(&got), expected(&answer), "{told}");
        // All that came beside the message is there too.
        for (name, value) in answer.as_object().unwrap() {
            if !["output", "stopReason", "usage", "serviceTier"].contains(&name.as_str()) && !value.is_null() {
                let found = got.extra.iter().find(|(known, _)| known == name);
                let found = found.unwrap_or_else(|| panic!("{name} is lost\n{told}"));
                assert_eq!(&serde_json::from_str::<Value>(&found.1).unwrap(), value, "{told}");
            }
        }
    }
}

/// A block, as the service gives it whole, and the events in which it streams.
fn block(index: u64, draw: &mut Draw) -> (Value, Vec<(&'static str, Value)>) {
    let mut events = Vec::new();
    let start = |start: Value| ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}));
    let delta = |delta: Value| ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
    let whole = match draw.below(8) {
        0 | 1 => {
            let text = draw.text();
            if draw.once_in(4) {
                events.push(start(json!({})));
            }
            events.extend(
                draw.pieces(&text)
                    .into_iter()
                    .map(|piece| delta(json!({ "text": piece }))),
            );
            json!({ "text": text })
        }
        2 => {
            let (text, signature) = (draw.text(), draw.word());
            let thought = |thought: Value| delta(json!({ "reasoningContent": thought }));
            events.extend(
                draw.pieces(&text)
                    .into_iter()
                    .map(|piece| thought(json!({ "text": piece }))),
            );
            let signed = draw.pieces(&signature).into_iter();
            events.extend(signed.map(|piece| thought(json!({ "signature": piece }))));
            json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}})
        }
        3 => {
            let (first, second) = (draw.bytes(), draw.bytes());
            for bytes in [&first, &second] {
                events.push(delta(
                    json!({"reasoningContent": {"redactedContent": STANDARD.encode(bytes)}}),
                ));
            }
            json!({"reasoningContent": {"redactedContent": STANDARD.encode([first, second].concat())}})
        }
        4 | 5 => {
            let (id, name, input) = (draw.word(), draw.word(), draw.object());
            let own = draw.once_in(4);
            let mut call = json!({"toolUseId": id, "name": name});
            if own {
                call["type"] = json!("server_tool_use");
            }
            events.push(start(json!({ "toolUse": call })));
            // A call without arguments may come without a piece of them.
            if input != json!({}) || draw.once_in(2) {
                let pieces = draw.pieces(&input.to_string());
                events.extend(
                    pieces
                        .into_iter()
                        .map(|piece| delta(json!({"toolUse": {"input": piece}}))),
                );
            }
            call["input"] = input;
            json!({ "toolUse": call })
        }
        6 => {
            let mut text = String::new();
            let mut citations = Vec::new();
            for _ in 0..=draw.below(2) {
                let (more, title) = (draw.text(), draw.word());
                events.push(delta(json!({ "text": more })));
                let citation = json!({"title": title, "location": {"web": {"url": "https://a.example"}}});
                events.push(delta(json!({ "citation": citation })));
                text.push_str(&more);
                citations.push(citation);
            }
            json!({"citationsContent": {"content": [{"text": text}], "citations": citations}})
        }
        _ => {
            let (first, second) = (draw.bytes(), draw.bytes());
            events.push(start(json!({"image": {"format": "jpeg"}})));
            for bytes in [&first, &second] {
                events.push(delta(json!({"image": {"source": {"bytes": STANDARD.encode(bytes)}}})));
            }
            let bytes = STANDARD.encode([first, second].concat());
            json!({"image": {"format": "jpeg", "source": {"bytes": bytes}}})
        }
    };
    if !draw.once_in(6) {
        events.push(("contentBlockStop", json!({ "contentBlockIndex": index })));
    }
    (whole, events)
}

/// Frames of events, each with padding of another length.
fn frames(events: &[(&str, Value)], draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, payload) in events {
        let mut payload = payload.clone();
        payload["p"] = json!(draw.word());
        let headers = [
            (":event-type", *kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        out.extend(encode(&headers, payload.to_string().as_bytes()));
    }
    out
}

fn stream_of(bytes: Vec<u8>, draw: &mut Draw) -> Reply {
    let size = 1 + usize::try_from(draw.below(300)).unwrap();
    Reply::new(200, bytes).header("content-type", STREAM).in_pieces_of(size)
}

#[test]
fn every_valid_stream_adds_up_to_the_whole() {
    let Some(model) = Model::read() else { return };
    for case in 0..CASES {
        let mut draw = Draw(case);
        let mut events = vec![("messageStart", json!({"role": "assistant"}))];
        let mut content = Vec::new();
        let mut index = 0;
        for _ in 0..draw.below(6) {
            let (whole, more) = block(index, &mut draw);
            content.push(whole);
            let stopped = more.last().is_some_and(|(kind, _)| *kind == "contentBlockStop");
            events.extend(more);
            // Some models leave an index out, and some use one again.
            index += match draw.below(8) {
                0 if stopped => 0,
                1 => 2,
                _ => 1,
            };
        }
        let metadata = model.value("ConverseStreamMetadataEvent", &mut draw);
        let fields = json!({"additionalModelResponseFields": draw.object()});
        let reason = *draw.of(&["end_turn", "tool_use", "max_tokens", "newer_reason"]);
        let mut stop = fields.clone();
        stop["stopReason"] = json!(reason);
        events.push(("messageStop", stop));
        if draw.once_in(4) {
            events.push(("newerEvent", json!({"newer": draw.object()})));
        }
        events.push(("metadata", metadata.clone()));
        let mut answer: Map<String, Value> = metadata.as_object().unwrap().clone();
        answer.extend(fields.as_object().unwrap().clone());
        answer.insert("stopReason".to_owned(), json!(reason));
        answer.insert(
            "output".to_owned(),
            json!({"message": {"role": "assistant", "content": content}}),
        );
        let answer = Value::Object(answer);
        let told = format!("case {case}: {answer}\n{events:?}");
        let bytes = frames(&events, &mut draw);
        let got = streamed(NOVA, "converse", stream_of(bytes, &mut draw)).and_then(fold);
        let got = got.unwrap_or_else(|error| panic!("{error:?}\n{told}"));
        assert_eq!(said(&got), expected(&answer), "{told}");
        let direct = whole(NOVA, "converse", Reply::json(200, answer.to_string())).unwrap();
        assert_eq!(plain(&got), plain(&direct), "{told}");
    }
}

/// The parts of an answer, with the spelling of JSON set aside.
fn plain(answer: &llm_provider_sdk::types::ChatResponse) -> Vec<Value> {
    use llm_provider_sdk::types::PartContent;
    let parts = answer.choices[0].message.parts.iter();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(json!(text));
    let part = |part: &llm_provider_sdk::types::Part| {
        let content = match &part.content {
            PartContent::ToolCall(call) => json!([call.id, call.name, json(&call.arguments)]),
            PartContent::Other(other) => json!([other.kind, json(&other.value)]),
            other => json!(format!("{other:?}")),
        };
        let extra: Map<String, Value> = part
            .extra
            .iter()
            .map(|(name, text)| (name.clone(), json(text)))
            .collect();
        let state = part
            .state
            .as_ref()
            .map(|state| String::from_utf8(state.data.clone()).unwrap());
        json!([content, extra, state])
    };
    parts.map(part).collect()
}

/// Events drawn straight out of the model, in an order that has no plan but the message's begin and
/// end: no block is announced that need be, and indices come as they like.
#[test]
fn events_without_a_plan_lose_no_text_and_fail_nothing() {
    let Some(model) = Model::read() else { return };
    let shapes = [
        ("contentBlockStart", "ContentBlockStartEvent"),
        ("contentBlockDelta", "ContentBlockDeltaEvent"),
        ("contentBlockDelta", "ContentBlockDeltaEvent"),
        ("contentBlockStop", "ContentBlockStopEvent"),
    ];
    for case in 0..CASES {
        let mut draw = Draw(case);
        let mut events = vec![("messageStart", model.value("MessageStartEvent", &mut draw))];
        for _ in 0..draw.below(20) {
            let (kind, shape) = *draw.of(&shapes);
            let mut event = model.value(shape, &mut draw);
            event["contentBlockIndex"] = json!(draw.below(3));
            events.push((kind, event));
        }
        events.push(("messageStop", model.value("MessageStopEvent", &mut draw)));
        events.push(("metadata", model.value("ConverseStreamMetadataEvent", &mut draw)));
        let told = format!("case {case}: {events:?}");
        let of = |pick: fn(&Value) -> &Value| -> String {
            let deltas = events.iter().filter(|(kind, _)| *kind == "contentBlockDelta");
            deltas.filter_map(|(_, event)| pick(&event["delta"]).as_str()).collect()
        };
        let (text, thought) = (
            of(|delta| &delta["text"]),
            of(|delta| &delta["reasoningContent"]["text"]),
        );
        let starts = events.iter().filter(|(kind, event)| {
            let call = &event["start"]["toolUse"];
            *kind == "contentBlockStart" && call.is_object() && call["type"] != "server_tool_use"
        });
        let calls = starts.count();
        let tokens = events.last().unwrap().1["usage"]["outputTokens"].clone();
        let bytes = frames(&events, &mut draw);
        let out =
            streamed(NOVA, "converse", stream_of(bytes, &mut draw)).unwrap_or_else(|error| panic!("{error:?}\n{told}"));
        assert_eq!(out.last(), Some(&ChatEvent::Done), "{told}");
        let got = said_of_events(&out);
        assert_eq!(got, json!([text.len(), thought.len(), calls, tokens]), "{told}");
        fold(out).unwrap_or_else(|error| panic!("{error:?}\n{told}"));
    }
}

/// Lengths of text and reasoning (blocks may come in another order than their pieces), the number of
/// calls, and the tokens of the answer.
fn said_of_events(events: &[ChatEvent]) -> Value {
    use llm_provider_sdk::types::DeltaContent;
    let (mut text, mut thought, mut calls, mut tokens) = (0, 0, 0, Value::Null);
    for event in events {
        match event {
            ChatEvent::Delta(delta) => match &delta.content {
                DeltaContent::Text(more) => text += more.len(),
                DeltaContent::Reasoning(more) => thought += more.len(),
                DeltaContent::ToolCall(call) if call.id.is_some() => calls += 1,
                _ => {}
            },
            ChatEvent::Usage(usage) => tokens = json!(usage.output),
            _ => {}
        }
    }
    json!([text, thought, calls, tokens])
}
