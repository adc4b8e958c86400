//! Answers of Anthropic's form.
//!
//! In: the definition of a message. Out: messages that fit it, each also as a stream whose pieces have
//! lengths of chance. Never: two streams that say another thing than the message.

use serde_json::{Value, json};

use super::definition::Definition;
use super::random::Random;
use super::schema::Maker;

/// Of a hundred objects, how many have a member that the definition does not know.
const UNKNOWN: usize = 10;

/// A message.
pub(crate) fn message(definition: &Definition, seed: u64) -> Value {
    let mut maker = Maker::new(&definition.root, seed, UNKNOWN);
    let mut message = maker.value(&definition.schema);
    let fields = message.as_object_mut().expect("a message is an object");
    if fields.get("stop_reason").is_none_or(Value::is_null) {
        fields.insert("stop_reason".to_owned(), json!("end_turn"));
    }
    for block in fields["content"].as_array_mut().into_iter().flatten() {
        if block["type"] == "redacted_thinking" {
            // Its bytes are all that it is.
            block["data"] = json!(maker.word());
        }
    }
    let usage = count(&fields["usage"], &mut maker.random);
    fields.insert("usage".to_owned(), usage);
    message
}

/// Counts that add up.
fn count(usage: &Value, random: &mut Random) -> Value {
    let mut usage = usage.clone();
    let short = random.below(40);
    let long = random.below(40);
    if usage["cache_creation"].is_object() {
        usage["cache_creation"]["ephemeral_5m_input_tokens"] = json!(short);
        usage["cache_creation"]["ephemeral_1h_input_tokens"] = json!(long);
        usage["cache_creation_input_tokens"] = json!(short + long);
    }
    if usage["output_tokens_details"].is_object() {
        let thought = random.below(50);
        usage["output_tokens_details"]["thinking_tokens"] = json!(thought);
        usage["output_tokens"] = json!(thought + random.below(50));
    }
    usage
}

/// The message as a stream.
pub(crate) fn as_stream(message: &Value, random: &mut Random) -> String {
    let mut events = vec![json!({"type": "message_start", "message": opening(message, random)})];
    for (index, block) in message["content"].as_array().into_iter().flatten().enumerate() {
        let (first, deltas) = pieces(block, random);
        events.push(json!({"type": "content_block_start", "index": index, "content_block": first}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            if random.chance(5) {
                events.push(json!({"type": "ping"}));
            }
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let mut delta = json!({});
    for name in ["stop_reason", "stop_sequence", "stop_details", "container"] {
        if let Some(value) = message.get(name) {
            delta[name] = value.clone();
        }
    }
    events.push(json!({"type": "message_delta", "delta": delta, "usage": message["usage"]}));
    events.push(json!({"type": "message_stop"}));
    let mut out = String::new();
    for event in events {
        let kind = event["type"].as_str().unwrap_or_default();
        let end = if random.chance(90) { "\n" } else { "\r\n" };
        out.push_str(&format!("event: {kind}{end}data: {event}{end}{end}"));
    }
    out
}

/// The message as it begins: without content and end, and with the counts of then.
fn opening(message: &Value, random: &mut Random) -> Value {
    let mut head = message.clone();
    head["content"] = json!([]);
    for name in ["stop_reason", "stop_sequence", "stop_details", "container"] {
        if head.get(name).is_some() {
            head[name] = Value::Null;
        }
    }
    let usage = head["usage"].as_object_mut().expect("usage is an object");
    usage.insert("output_tokens".to_owned(), json!(1));
    // Server tools read on: the prompt grows while the answer is made.
    let prompt = usage["input_tokens"].as_u64().unwrap_or_default();
    usage.insert(
        "input_tokens".to_owned(),
        json!(random.below(usize::try_from(prompt).unwrap_or(0) + 1)),
    );
    usage.remove("output_tokens_details");
    head
}

/// A block as it begins, and what is added to it.
fn pieces(block: &Value, random: &mut Random) -> (Value, Vec<Value>) {
    let mut first = block.clone();
    let mut deltas = Vec::new();
    match block["type"].as_str().unwrap_or_default() {
        "text" => {
            first["text"] = json!("");
            let pieces = random.cut(block["text"].as_str().unwrap_or_default(), 6);
            deltas.extend(
                pieces
                    .into_iter()
                    .map(|piece| json!({"type": "text_delta", "text": piece})),
            );
            for citation in block["citations"].as_array().into_iter().flatten() {
                let at = random.below(deltas.len() + 1);
                // They keep their order among themselves.
                let after = deltas.iter().rposition(|delta| delta["type"] == "citations_delta");
                let at = at.max(after.map_or(0, |after| after + 1));
                deltas.insert(at, json!({"type": "citations_delta", "citation": citation}));
            }
            if first["citations"].is_array() {
                first["citations"] = json!([]);
            }
        }
        "thinking" => {
            first["thinking"] = json!("");
            first["signature"] = json!("");
            let pieces = random.cut(block["thinking"].as_str().unwrap_or_default(), 6);
            deltas.extend(
                pieces
                    .into_iter()
                    .map(|piece| json!({"type": "thinking_delta", "thinking": piece})),
            );
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
        }
        "tool_use" | "server_tool_use" => {
            first["input"] = json!({});
            let text = if block["input"] == json!({}) {
                String::new()
            } else {
                block["input"].to_string()
            };
            let begin = random.chance(70).then(String::new);
            let pieces = begin.into_iter().chain(random.cut(&text, 7));
            deltas.extend(pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})));
        }
        _ => {}
    }
    (first, deltas)
}
