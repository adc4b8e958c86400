//! Anthropic's messages, as answers.
//!
//! In: a recorded message, or the events of its stream. Out: the completion that a caller of
//! OpenAI's dialect is to get for it, and a message as a stream. Never: the adapter's code.

use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::gpt::pieces;
use crate::plain;

/// The message that was recorded.
pub(crate) fn message(case: &Case) -> Result<Value, String> {
    let body = case.body();
    if case.is_stream() {
        assemble(&body)
    } else {
        serde_json::from_str(&body).map_err(|error| error.to_string())
    }
}

/// Puts a message together from the events of its stream.
fn assemble(stream: &str) -> Result<Value, String> {
    let mut message = Value::Null;
    let mut inputs: Map<String, Value> = Map::new();
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    // A gateway before the API ended its streams as OpenAI's do.
    for data in data.filter(|data| data.trim() != "[DONE]") {
        let event: Value = serde_json::from_str(data.trim()).map_err(|error| format!("{error}: {data}"))?;
        let at = usize::try_from(event["index"].as_u64().unwrap_or(0)).map_err(|error| error.to_string())?;
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().ok_or("a message has content")?;
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                if delta["type"] == "input_json_delta" {
                    grow(&mut inputs[at.to_string().as_str()], &delta["partial_json"]);
                } else {
                    apply(&mut message["content"][at], delta)?;
                }
            }
            "content_block_stop" | "message_stop" | "ping" => {}
            "message_delta" => end(&mut message, &event),
            kind => return Err(format!("an event that this test does not know: {kind}")),
        }
        if event["type"] == "content_block_start" {
            inputs.insert(at.to_string(), json!(""));
        }
    }
    for (at, input) in &inputs {
        let text = input.as_str().unwrap_or_default();
        if !text.is_empty() {
            let at: usize = at.parse().map_err(|_| "an index is a number")?;
            message["content"][at]["input"] = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        }
    }
    Ok(message)
}

fn apply(block: &mut Value, delta: &Value) -> Result<(), String> {
    match delta["type"].as_str().unwrap_or_default() {
        "text_delta" => grow(&mut block["text"], &delta["text"]),
        "thinking_delta" => grow(&mut block["thinking"], &delta["thinking"]),
        "signature_delta" => grow(&mut block["signature"], &delta["signature"]),
        "citations_delta" => match &mut block["citations"] {
            Value::Array(list) => list.push(delta["citation"].clone()),
            none => *none = json!([delta["citation"]]),
        },
        "compaction_delta" => {
            for (name, value) in delta
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "type")
            {
                block[name] = value.clone();
            }
        }
        kind => return Err(format!("a delta that this test does not know: {kind}")),
    }
    Ok(())
}

fn grow(known: &mut Value, more: &Value) {
    *known = json!(format!(
        "{}{}",
        known.as_str().unwrap_or_default(),
        more.as_str().unwrap_or_default()
    ));
}

fn end(message: &mut Value, event: &Value) {
    let beside = event.as_object().into_iter().flatten();
    let beside = beside.filter(|(name, _)| !["type", "delta", "usage"].contains(&name.as_str()));
    for (name, value) in event["delta"].as_object().into_iter().flatten().chain(beside) {
        message[name] = value.clone();
    }
    for (name, value) in event["usage"].as_object().into_iter().flatten() {
        if !value.is_null() {
            message["usage"][name] = value.clone();
        }
    }
}

/// The completion that stands for a message.
pub(crate) fn completion(message: &Value) -> Value {
    let blocks = message["content"].as_array().cloned().unwrap_or_default();
    let mut out = json!({"role": "assistant"});
    let mut lengths = Vec::new();
    let mut texts_move = false;
    let mut calls_before = false;
    for (index, block) in blocks.iter().enumerate() {
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                grow(&mut out["content"], &block["text"]);
                let length = block["text"].as_str().unwrap_or_default().len();
                lengths.push(json!({"index": index, "length": length}));
                texts_move |= calls_before;
                for (name, value) in rest(block, &["type", "text"]) {
                    match (&mut out[name.as_str()], value) {
                        (Value::Array(known), Value::Array(more)) => known.extend(more),
                        (known, value) => *known = value,
                    }
                }
            }
            "thinking" => {
                grow(&mut out["reasoning_content"], &block["thinking"]);
                let state = &block["signature"];
                let mut thought = json!({"type": "reasoning.text", "text": block["thinking"], "signature": state,
                    "format": if state == "" { Value::Null } else { json!("anthropic") }, "index": index});
                add(&mut thought, rest(block, &["type", "thinking", "signature"]));
                push(&mut out["reasoning_details"], thought);
            }
            "redacted_thinking" => {
                let mut thought = json!({"type": "reasoning.encrypted", "data": block["data"], "format": "anthropic",
                    "index": index});
                add(&mut thought, rest(block, &["type", "data"]));
                push(&mut out["reasoning_details"], thought);
            }
            "tool_use" => {
                calls_before = true;
                let mut call =
                    json!({"id": block["id"], "function": {"name": block["name"], "arguments": block["input"]}});
                for (name, value) in rest(block, &["type", "id", "name", "input"]) {
                    call[name] = value;
                }
                push(&mut out["tool_calls"], call);
            }
            kind => push(
                &mut out["provider_parts"],
                json!({"index": index, "kind": kind, "value": block}),
            ),
        }
    }
    if lengths.len() > 1 || texts_move {
        out["text_parts"] = json!(lengths);
    }
    let (reason, own) = finish(message["stop_reason"].as_str());
    let mut choice = json!({"index": 0, "message": out, "finish_reason": reason, "native_finish_reason": own});
    for (name, value) in rest(
        message,
        &["id", "model", "type", "role", "content", "usage", "stop_reason"],
    ) {
        choice[name] = value;
    }
    json!({"id": message["id"], "model": message["model"], "choices": [choice], "usage": usage(&message["usage"])})
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        none => *none = json!([item]),
    }
}

fn add(fields: &mut Value, more: Map<String, Value>) {
    more.into_iter().for_each(|(name, value)| fields[name] = value);
}

fn rest(fields: &Value, known: &[&str]) -> Map<String, Value> {
    let members = fields.as_object().into_iter().flatten();
    let others = members.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn finish(word: Option<&str>) -> (&'static str, Option<&str>) {
    match word {
        Some("end_turn") => ("stop", None),
        Some("max_tokens") => ("length", None),
        Some("model_context_window_exceeded") => ("length", word),
        Some("tool_use") => ("tool_calls", None),
        Some("refusal") => ("content_filter", word),
        _ => ("stop", word),
    }
}

/// Anthropic counts apart what OpenAI counts together: `input_tokens` is without the cache.
fn usage(usage: &Value) -> Value {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let mut sums = [0; 6];
    let mut add = |usage: &Value| {
        let more = [
            count(&usage["input_tokens"]),
            count(&usage["cache_read_input_tokens"]),
            count(&usage["cache_creation_input_tokens"]),
            count(&usage["cache_creation"]["ephemeral_1h_input_tokens"]),
            count(&usage["output_tokens"]),
            count(&usage["output_tokens_details"]["thinking_tokens"]),
        ];
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    };
    add(usage);
    // What a compaction used is told there alone.
    let passes = usage["iterations"].as_array().into_iter().flatten();
    passes.filter(|pass| pass["type"] == "compaction").for_each(&mut add);
    let [input, read, write, long, output, thinking] = sums;
    let (prompt, total) = (input + read + write, input + read + write + output);
    let mut out = json!({
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write, "cache_write_long_tokens": long},
        "completion_tokens_details": {"reasoning_tokens": thinking},
    });
    let counted = [
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
    ];
    for (name, value) in rest(usage, &counted) {
        out[name] = value;
    }
    out
}

/// A completion's parts that count, for both sides.
pub(crate) fn visible(completion: &Value) -> Value {
    let mut out = crate::gpt::visible(completion);
    for choice in out["choices"].as_array_mut().into_iter().flatten() {
        for part in choice["message"]["provider_parts"].as_array_mut().into_iter().flatten() {
            part["value"] = plain::normal(&part["value"]);
        }
    }
    out
}

/// A message as the stream that the API would have sent.
pub(crate) fn as_stream(message: &Value) -> String {
    let mut out = String::new();
    let mut send = |event: Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        out.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
    };
    let mut head = message.clone();
    head["content"] = json!([]);
    head["stop_reason"] = Value::Null;
    head["stop_sequence"] = Value::Null;
    head["stop_details"] = Value::Null;
    head["usage"]["output_tokens"] = json!(1);
    send(json!({"type": "message_start", "message": head}));
    for (index, block) in message["content"].as_array().into_iter().flatten().enumerate() {
        let mut first = block.clone();
        let mut deltas = Vec::new();
        let texts = [
            ("text", "text", "text_delta"),
            ("thinking", "thinking", "thinking_delta"),
        ];
        for (kind, name, delta) in texts.into_iter().filter(|(kind, ..)| block["type"] == *kind) {
            first[name] = json!("");
            let text = block[name].as_str().unwrap_or_default();
            deltas.extend(
                pieces(text)
                    .into_iter()
                    .map(|piece| json!({"type": delta, name: piece})),
            );
            for citation in block["citations"].as_array().into_iter().flatten() {
                deltas.push(json!({"type": "citations_delta", "citation": citation}));
                first["citations"] = json!([]);
            }
            if kind == "thinking" {
                first["signature"] = json!("");
                deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            }
        }
        if block["input"].is_object() {
            first["input"] = json!({});
            let input = if block["input"] == json!({}) {
                String::new()
            } else {
                block["input"].to_string()
            };
            let inputs = std::iter::once(String::new()).chain(pieces(&input));
            deltas.extend(inputs.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})));
        }
        send(json!({"type": "content_block_start", "index": index, "content_block": first}));
        for delta in deltas {
            send(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        send(json!({"type": "content_block_stop", "index": index}));
        send(json!({"type": "ping"}));
    }
    let delta = json!({"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"],
        "stop_details": message["stop_details"]});
    send(json!({"type": "message_delta", "delta": delta, "usage": message["usage"]}));
    send(json!({"type": "message_stop"}));
    out
}
