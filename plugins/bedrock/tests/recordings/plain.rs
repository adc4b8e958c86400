//! What a recording of Converse says, by plain JSON.
//!
//! In: recorded bodies and frames, and the adapter's answers. Out: both in one simple form. Never: the
//! adapter's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::{ChatResponse, ErrorKind, FinishReason, MediaSource, Part, PartContent, ProviderState};
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, Kind};

/// One frame of an event stream.
pub(crate) struct RecordedFrame {
    pub(crate) start: usize,
    pub(crate) kind: String,
    pub(crate) payload: Value,
}

/// The frames of a stream.
pub(crate) fn frames(body: &[u8]) -> Vec<RecordedFrame> {
    let number = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap()) as usize;
    let mut out = Vec::new();
    let mut start = 0;
    while start < body.len() {
        let (total, headers) = (number(start), number(start + 4));
        let names = String::from_utf8_lossy(&body[start + 12..start + 12 + headers]).into_owned();
        // The name, one byte of type, two of length.
        let name = [":event-type", ":exception-type", ":error-code"]
            .into_iter()
            .find(|name| names.contains(name));
        let name = name.expect("a frame says what it is");
        let at = names.find(name).unwrap() + name.len() + 3;
        let kind = names[at..]
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        out.push(RecordedFrame {
            start,
            kind: kind.to_owned(),
            payload: serde_json::from_slice(&body[start + 12 + headers..start + total - 4]).unwrap_or_default(),
        });
        start += total;
    }
    out
}

/// A frame with right checksums.
pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, value) in headers {
        names.push(u8::try_from(name.len()).unwrap());
        names.extend(name.as_bytes());
        names.push(7);
        names.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        names.extend(value.as_bytes());
    }
    let total = 16 + names.len() + payload.len();
    let mut out = u32::try_from(total).unwrap().to_be_bytes().to_vec();
    out.extend(u32::try_from(names.len()).unwrap().to_be_bytes());
    out.extend(crc(&out).to_be_bytes());
    out.extend(names);
    out.extend(payload);
    out.extend(crc(&out).to_be_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// The whole message that a stream adds up to, in Converse's own form.
pub(crate) fn assemble(body: &[u8]) -> Value {
    let mut blocks: Map<String, Value> = Map::new();
    let mut out = json!({});
    for frame in frames(body) {
        let payload = frame.payload;
        let at = format!("{:05}", payload["contentBlockIndex"].as_u64().unwrap_or(0));
        match frame.kind.as_str() {
            "contentBlockStart" => {
                let (kind, start) = payload["start"].as_object().unwrap().iter().next().unwrap();
                let mut start = start.clone();
                let more = if kind == "toolUse" {
                    ("input", json!(""))
                } else {
                    ("content", json!([]))
                };
                start[more.0] = more.1;
                blocks.insert(at, json!({ kind: start }));
            }
            "contentBlockDelta" => grow(blocks.entry(at).or_insert_with(|| json!({})), &payload["delta"]),
            "messageStop" => {
                for (name, value) in payload.as_object().unwrap() {
                    out[name] = value.clone();
                }
            }
            "metadata" => {
                for (name, value) in payload.as_object().unwrap() {
                    out[name] = value.clone();
                }
            }
            _ => {}
        }
    }
    for block in blocks.values_mut() {
        if let Some(input) = block["toolUse"]["input"].as_str() {
            block["toolUse"]["input"] = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
        }
        block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    let content: Vec<Value> = blocks.into_iter().map(|(_, block)| block).collect();
    out["output"] = json!({"message": {"role": "assistant", "content": content}});
    out
}

fn grow(block: &mut Value, delta: &Value) {
    let append = |text: &mut Value, more: &Value| {
        *text = json!(format!(
            "{}{}",
            text.as_str().unwrap_or_default(),
            more.as_str().unwrap_or_default()
        ));
    };
    let (kind, value) = delta.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "text" => append(&mut block["text"], value),
        "toolUse" => append(&mut block["toolUse"]["input"], &value["input"]),
        "toolResult" => {
            let list = block["toolResult"]["content"].as_array_mut().unwrap();
            list.extend(value.as_array().unwrap().iter().cloned());
        }
        "reasoningContent" => {
            let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
            match kind.as_str() {
                "redactedContent" => block["reasoningContent"]["redactedContent"] = value.clone(),
                _ => append(&mut block["reasoningContent"]["reasoningText"][kind], value),
            }
        }
        "citation" => {
            let cited = &mut block["citationsContent"]["citations"];
            match cited.as_array_mut() {
                Some(list) => list.push(value.clone()),
                None => *cited = json!([value]),
            }
        }
        other => panic!("a delta of {other}"),
    }
}

/// What a recorded answer says.
pub(crate) fn of_recording(exchange: &Exchange) -> Value {
    let whole = if exchange.kind == Kind::ConverseStream {
        assemble(&exchange.body)
    } else {
        exchange.json()
    };
    of_message(&whole)
}

fn of_message(whole: &Value) -> Value {
    let content = whole["output"]["message"]["content"].as_array().unwrap();
    let parts: Vec<Value> = content.iter().filter_map(of_block).collect();
    let usage = &whole["usage"];
    // Some models count in fractions of zero.
    let count = |name: &str| usage[name].as_f64().map_or(0, |count| count as u64);
    let fields = whole.as_object().unwrap().iter().filter(|(name, value)| {
        let placed = ["output", "stopReason", "usage", "p", "serviceTier"].contains(&name.as_str());
        !placed && !value.is_null()
    });
    let mut fields: Map<String, Value> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(tier) = whole["serviceTier"]["type"].as_str() {
        fields.insert("service_tier".to_owned(), json!(tier));
    }
    json!({
        "parts": parts,
        "finish": whole["stopReason"],
        "usage": {"input": count("inputTokens"), "read": count("cacheReadInputTokens"),
            "write": count("cacheWriteInputTokens"), "output": count("outputTokens")},
        "fields": fields,
    })
}

fn of_block(block: &Value) -> Option<Value> {
    let (kind, value) = block.as_object().unwrap().iter().next()?;
    Some(match kind.as_str() {
        "text" if value == "" => return None,
        "text" | "citationsContent" => {
            let pieces = block["citationsContent"]["content"].as_array().into_iter().flatten();
            let cited: String = pieces.filter_map(|piece| piece["text"].as_str()).collect();
            let text = block["text"].as_str().unwrap_or_default();
            json!({"text": format!("{text}{cited}"), "citations": block["citationsContent"]["citations"]})
        }
        "reasoningContent" => match &value["redactedContent"] {
            Value::Null => {
                json!({"thought": value["reasoningText"]["text"].as_str().unwrap_or_default(), "state": value["reasoningText"]["signature"]})
            }
            data => json!({"thought": "", "state": data}),
        },
        "toolUse" if value["type"] != "server_tool_use" => {
            json!({"call": value["name"], "id": value["toolUseId"], "input": value["input"]})
        }
        _ => json!({"other": kind, "value": value}),
    })
}

/// What an answer of the adapter says.
pub(crate) fn of_answer(answer: &ChatResponse) -> Value {
    let choice = &answer.choices[0];
    let usage = answer.usage.clone().unwrap_or_default();
    let finish = match (&choice.finish, choice.finish_detail.as_deref()) {
        (_, Some(detail)) => detail.to_owned(),
        (FinishReason::Stop, None) => "end_turn".to_owned(),
        (FinishReason::ToolCalls, None) => "tool_use".to_owned(),
        (FinishReason::Length, None) => "max_tokens".to_owned(),
        (FinishReason::Other(word), None) => word.clone(),
        (other, None) => format!("{other:?}"),
    };
    let fields: Map<String, Value> = answer
        .extra
        .iter()
        .map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap()))
        .collect();
    json!({
        "parts": choice.message.parts.iter().map(of_part).collect::<Vec<_>>(),
        "finish": finish,
        "usage": {"input": usage.input, "read": usage.cache_read,
            "write": usage.cache_write + usage.cache_write_long, "output": usage.output},
        "fields": fields,
    })
}

fn of_part(part: &Part) -> Value {
    let extra = |name: &str| {
        let found = part.extra.iter().find(|(known, _)| known == name);
        found.map_or(Value::Null, |(_, text)| serde_json::from_str(text).unwrap())
    };
    let state = |state: &Option<ProviderState>| {
        let text = state
            .as_ref()
            .map(|state| String::from_utf8(state.data.clone()).unwrap());
        text.map_or(Value::Null, Value::String)
    };
    match &part.content {
        PartContent::Text(text) => json!({"text": text, "citations": extra("citations")}),
        PartContent::Reasoning(thought) => json!({"thought": thought.text, "state": state(&part.state)}),
        PartContent::ToolCall(call) => {
            let input: Value = serde_json::from_str(&call.arguments).unwrap();
            json!({"call": call.name, "id": call.id, "input": input})
        }
        PartContent::Other(other) => {
            let value: Value = serde_json::from_str(&other.value).unwrap();
            json!({"other": other.kind, "value": value})
        }
        PartContent::Media(media) => match &media.source {
            MediaSource::Inline(bytes) => json!({"media": media.media_type, "data": STANDARD.encode(bytes)}),
            other => json!({"media": format!("{other:?}")}),
        },
        other => json!({"unexpected": format!("{other:?}")}),
    }
}

/// The kind of a recorded failure, by its status and words.
pub(crate) fn kind(exchange: &Exchange) -> ErrorKind {
    let message = exchange.json()["message"].as_str().unwrap_or_default().to_owned();
    let says = |words: &[&str]| words.iter().any(|word| message.to_lowercase().contains(word));
    let code = exchange.headers.iter().find(|(name, _)| name == "x-amzn-errortype");
    let code = code.map_or("", |(_, code)| code.split(':').next().unwrap_or_default());
    match exchange.status {
        404 => ErrorKind::NotFound,
        401 => ErrorKind::Authentication,
        403 if says(&["security token", "signature", "authentication failed"]) => ErrorKind::Authentication,
        403 => ErrorKind::Permission,
        408 => ErrorKind::Timeout,
        413 => ErrorKind::RequestTooLarge,
        429 if says(&["per day"]) => ErrorKind::QuotaExhausted,
        429 if code == "ModelNotReadyException" => ErrorKind::Overloaded,
        429 => ErrorKind::RateLimited,
        424 | 500 => ErrorKind::Upstream,
        503 => ErrorKind::Overloaded,
        400 if says(&["model identifier is invalid"]) => ErrorKind::NotFound,
        400 if says(&[
            "too long",
            "too many input tokens",
            "maximum context length",
            "exceeds maximum length",
            "context limit",
        ]) =>
        {
            ErrorKind::ContextLength
        }
        400 if says(&["operation not allowed"]) => ErrorKind::Permission,
        _ => ErrorKind::InvalidRequest,
    }
}
