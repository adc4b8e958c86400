//! What a recording says, in plain JSON.
//!
//! In: a message of the API, or a stream of its events. Out: one form for both sides of a comparison.
//! Never: the adapter's own code; only its neutral types are read.

use llm_provider_sdk::types::{ChatResponse, ErrorKind, Extras, FinishReason, PartContent, Usage};
use serde_json::{Map, Value, json};

/// Puts a message together from the events of a stream.
pub(crate) fn assemble(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut inputs: Map<String, Value> = Map::new();
    for line in stream.lines() {
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else {
            assert_eq!(data.trim(), "[DONE]");
            continue;
        };
        let at = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(content.len() as u64, at, "blocks come in order");
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = &mut message["content"][at as usize];
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append(&mut block["text"], &delta["text"]),
                    "thinking_delta" => append(&mut block["thinking"], &delta["thinking"]),
                    "signature_delta" => append(&mut block["signature"], &delta["signature"]),
                    "input_json_delta" => append(
                        inputs.entry(at.to_string()).or_insert_with(|| json!("")),
                        &delta["partial_json"],
                    ),
                    "citations_delta" => match &mut block["citations"] {
                        Value::Array(list) => list.push(delta["citation"].clone()),
                        none => *none = json!([delta["citation"]]),
                    },
                    "compaction_delta" => {
                        for (name, value) in delta.as_object().unwrap() {
                            if name != "type" {
                                block[name] = value.clone();
                            }
                        }
                    }
                    kind => panic!("a delta that this test does not know: {kind}"),
                }
            }
            "message_delta" => {
                let outer = event.as_object().unwrap().iter();
                let outer = outer.filter(|(name, _)| !["type", "delta", "usage"].contains(&name.as_str()));
                for (name, value) in event["delta"].as_object().unwrap().iter().chain(outer) {
                    message[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().unwrap() {
                    if !value.is_null() {
                        message["usage"][name] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    for (at, input) in inputs {
        let text = input.as_str().unwrap();
        if !text.is_empty() {
            let at: usize = at.parse().unwrap();
            message["content"][at]["input"] = serde_json::from_str(text).unwrap();
        }
    }
    message
}

fn append(to: &mut Value, more: &Value) {
    *to = json!(format!("{}{}", to.as_str().unwrap_or_default(), more.as_str().unwrap()));
}

/// A message as the comparison's form.
pub(crate) fn of_message(message: &Value) -> Value {
    let parts: Vec<Value> = message["content"].as_array().unwrap().iter().map(block).collect();
    let mut rest = message.as_object().unwrap().clone();
    for name in ["id", "model", "type", "role", "content", "usage", "stop_reason"] {
        rest.remove(name);
    }
    rest.retain(|_, value| !value.is_null());
    json!({
        "id": message["id"],
        "model": message["model"],
        "parts": parts,
        "finish": finish(message["stop_reason"].as_str().unwrap()),
        "rest": rest,
        "usage": usage(&message["usage"]),
    })
}

fn block(block: &Value) -> Value {
    let mut rest = block.as_object().unwrap().clone();
    let mut take = |name: &str| rest.remove(name).unwrap_or(Value::Null);
    let content = match take("type").as_str().unwrap() {
        "text" => json!({"text": take("text")}),
        "thinking" => json!({"thinking": take("thinking"), "redacted": false, "state": take("signature")}),
        "redacted_thinking" => json!({"thinking": "", "redacted": true, "state": take("data")}),
        "tool_use" => json!({"call": take("id"), "name": take("name"), "arguments": take("input")}),
        kind => return json!({"other": kind, "value": block}),
    };
    rest.retain(|_, value| !value.is_null() && *value != json!([]));
    with_rest(content, rest)
}

fn with_rest(mut content: Value, rest: Map<String, Value>) -> Value {
    content["rest"] = Value::Object(rest);
    content
}

fn finish(word: &str) -> Value {
    match word {
        "end_turn" => json!("stop"),
        "stop_sequence" => json!(["stop", "stop_sequence"]),
        "max_tokens" => json!("length"),
        "model_context_window_exceeded" => json!(["length", "model_context_window_exceeded"]),
        "tool_use" => json!("tool-calls"),
        "refusal" => json!("refusal"),
        word => json!({"other": word}),
    }
}

/// The counts of a `usage` object, each token once: `input_tokens` is without the cache,
/// `output_tokens` is with the thinking, and compaction is told only under `iterations`.
fn usage(usage: &Value) -> Value {
    let one = |usage: &Value| -> [i64; 6] {
        let count = |value: &Value| value.as_i64().unwrap_or(0);
        let long = count(&usage["cache_creation"]["ephemeral_1h_input_tokens"]);
        let thinking = count(&usage["output_tokens_details"]["thinking_tokens"]);
        [
            count(&usage["input_tokens"]),
            count(&usage["cache_read_input_tokens"]),
            count(&usage["cache_creation_input_tokens"]) - long,
            long,
            count(&usage["output_tokens"]) - thinking,
            thinking,
        ]
    };
    let mut total = one(usage);
    for pass in usage["iterations"].as_array().into_iter().flatten() {
        if pass["type"] == "compaction" {
            for (sum, more) in total.iter_mut().zip(one(pass)) {
                *sum += more;
            }
        }
    }
    json!({"counts": total, "tools": usage["server_tool_use"]})
}

/// The adapter's answer as the comparison's form.
pub(crate) fn of_answer(answer: &ChatResponse) -> Value {
    let [choice] = answer.choices.as_slice() else {
        panic!("one answer: {:?}", answer.choices);
    };
    let parts: Vec<Value> = choice.message.parts.iter().map(part).collect();
    let reason = match &choice.finish {
        FinishReason::Stop => json!("stop"),
        FinishReason::Length => json!("length"),
        FinishReason::ToolCalls => json!("tool-calls"),
        FinishReason::ContentFilter => json!("content-filter"),
        FinishReason::Refusal => json!("refusal"),
        FinishReason::Other(word) => json!({"other": word}),
    };
    json!({
        "id": answer.id,
        "model": answer.model,
        "parts": parts,
        "finish": choice.finish_detail.as_ref().map_or(reason.clone(), |detail| json!([reason, detail])),
        "rest": object(choice.extra.iter().chain(&answer.extra)),
        "usage": answer.usage.as_ref().map(counts),
    })
}

fn part(part: &llm_provider_sdk::types::Part) -> Value {
    let state = part.state.as_ref().map(|state| {
        assert_eq!(state.format, "anthropic");
        String::from_utf8(state.data.clone()).unwrap()
    });
    let content = match &part.content {
        PartContent::Text(text) => json!({"text": text}),
        PartContent::Reasoning(reasoning) => {
            json!({"thinking": reasoning.text, "redacted": reasoning.redacted, "state": state})
        }
        PartContent::ToolCall(call) => {
            json!({"call": call.id, "name": call.name, "arguments": value(&call.arguments)})
        }
        PartContent::Other(other) => return json!({"other": other.kind, "value": value(&other.value)}),
        other => panic!("no part of an answer: {other:?}"),
    };
    with_rest(content, object(part.extra.iter()))
}

fn counts(usage: &Usage) -> Value {
    let counts = [
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_long,
        usage.output,
        usage.reasoning,
    ];
    let extra: &Extras = &usage.extra;
    let tools = extra.iter().find(|(name, _)| name == "server_tool_use");
    json!({"counts": counts, "tools": tools.map(|(_, json)| value(json))})
}

fn object<'a>(extra: impl Iterator<Item = &'a (String, String)>) -> Map<String, Value> {
    extra.map(|(name, json)| (name.clone(), value(json))).collect()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// The kind of a recorded error, and whether a retry makes sense.
pub(crate) fn kind(status: u16, body: &Value) -> (ErrorKind, bool) {
    let message = body["error"]["message"].as_str().unwrap_or_default();
    match (status, body["error"]["type"].as_str().unwrap_or_default()) {
        (400, "invalid_request_error") if message.starts_with("prompt is too long") => {
            (ErrorKind::ContextLength, false)
        }
        (400, "invalid_request_error") => (ErrorKind::InvalidRequest, false),
        (401, "authentication_error") => (ErrorKind::Authentication, false),
        (403, "permission_error") => (ErrorKind::Permission, false),
        (404, "not_found_error") => (ErrorKind::NotFound, false),
        (413, "request_too_large") => (ErrorKind::RequestTooLarge, false),
        (429, "rate_limit_error") => (ErrorKind::RateLimited, true),
        (500, "api_error") => (ErrorKind::Upstream, true),
        (529, "overloaded_error") => (ErrorKind::Overloaded, true),
        other => panic!("an error that this test does not know: {other:?}"),
    }
}
