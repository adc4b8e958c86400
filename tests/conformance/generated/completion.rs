//! Answers of OpenAI's form.
//!
//! In: the definition of a completion. Out: completions that fit it, each also as a stream whose pieces
//! come in an order of chance. Never: two streams that say another thing than the completion.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::random::Random;
use super::schema::Maker;

/// Of a hundred objects, how many have a member that the definition does not know.
const UNKNOWN: usize = 10;

/// A completion.
pub(crate) fn completion(definition: &Definition, seed: u64) -> Value {
    let mut maker = Maker::new(&definition.root, seed, UNKNOWN);
    let mut whole = maker.value(&definition.schema);
    let mut choices = whole["choices"].as_array().cloned().unwrap_or_default();
    while choices.is_empty() {
        choices = maker.value(&definition.schema)["choices"]
            .as_array()
            .cloned()
            .unwrap_or_default();
    }
    for (index, choice) in choices.iter_mut().enumerate() {
        choice["index"] = json!(index);
        if choice["finish_reason"] == "function_call" {
            choice["finish_reason"] = json!("tool_calls");
        }
        complete(&mut choice["message"], &mut maker);
        if let Some(lists) = choice["logprobs"].as_object_mut() {
            lists.retain(|_, list| list.is_array());
        }
    }
    whole["choices"] = choices.into();
    if whole["usage"].is_object() {
        whole["usage"] = count(&whole["usage"], &mut maker.random);
    }
    whole
}

fn complete(message: &mut Value, maker: &mut Maker<'_>) {
    let fields = message.as_object_mut().expect("a message is an object");
    // The first form of tools has no ids: the host makes them, so it is tried by itself.
    fields.remove("function_call");
    if let Some(sound) = fields.get_mut("audio").filter(|sound| sound.is_object()) {
        let bytes: Vec<u8> = (0..1 + maker.random.below(40))
            .map(|_| maker.random.next() as u8)
            .collect();
        sound["data"] = json!(STANDARD.encode(bytes));
    }
    for call in fields
        .get_mut("tool_calls")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        // Members of the function come out beside it.
        for name in ["function", "custom"] {
            if let Some(inner) = call[name].as_object_mut() {
                inner.retain(|name, _| ["name", "arguments", "input"].contains(&name.as_str()));
            }
        }
        if maker.random.chance(50) && call["function"].is_object() {
            call["function"]["arguments"] = json!(maker.free(0).to_string());
        }
    }
}

/// Counts that add up.
fn count(usage: &Value, random: &mut Random) -> Value {
    let mut usage = usage.clone();
    for (sum, details, parts) in [
        (
            "prompt_tokens",
            "prompt_tokens_details",
            &["cached_tokens", "audio_tokens", "cache_write_tokens", "image_tokens"][..],
        ),
        (
            "completion_tokens",
            "completion_tokens_details",
            &["reasoning_tokens", "audio_tokens", "image_tokens"],
        ),
    ] {
        let mut total = random.below(100);
        for name in parts {
            if let Some(count) = usage[details].get_mut(*name) {
                let part = random.below(50);
                *count = json!(part);
                total += part;
            }
        }
        usage[sum] = json!(total);
    }
    usage["total_tokens"] = json!(
        usage["prompt_tokens"]
            .as_u64()
            .zip(usage["completion_tokens"].as_u64())
            .map(|(a, b)| a + b)
    );
    usage
}

/// Members that every chunk of a stream repeats.
const REPEATED: [&str; 5] = ["id", "created", "model", "service_tier", "system_fingerprint"];

/// What a provider's filter says before anything else, in a chunk of its own.
pub(crate) const FILTER: &str = "prompt_filter_results";

/// The completion as a stream.
pub(crate) fn as_stream(whole: &Value, random: &mut Random) -> String {
    let fields = whole.as_object().expect("a completion is an object");
    let mut head: Map<String, Value> = json!({"object": "chat.completion.chunk"})
        .as_object()
        .cloned()
        .unwrap_or_default();
    head.extend(
        REPEATED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone()))),
    );
    let mut out = String::new();
    if let Some(filter) = fields.get(FILTER) {
        let first = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", FILTER: filter});
        out.push_str(&format!("data: {first}\n\n"));
    }
    let choices = whole["choices"].as_array().cloned().unwrap_or_default();
    let mut lanes: Vec<(Value, VecDeque<Value>)> = Vec::new();
    for choice in &choices {
        let lane = |lane| (choice["index"].clone(), lane);
        lanes.extend(self::lanes(choice, random).into_iter().map(lane));
    }
    let mut own: Vec<(String, Value)> = fields
        .iter()
        .filter(|(name, _)| {
            !REPEATED.contains(&name.as_str()) && ![FILTER, "choices", "usage", "object"].contains(&name.as_str())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut send = |choices: Value, more: Vec<(String, Value)>, random: &mut Random| {
        let mut chunk = head.clone();
        chunk.insert("choices".to_owned(), choices);
        chunk.extend(more);
        if random.chance(20) {
            chunk.insert("obfuscation".to_owned(), json!("x".repeat(random.below(9))));
        }
        if random.chance(20) && !chunk.contains_key("usage") {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        let space = if random.chance(90) { " " } else { "" };
        let end = if random.chance(90) { "\n\n" } else { "\r\n\r\n" };
        out.push_str(&format!("data:{space}{}{end}", Value::Object(chunk)));
        if random.chance(5) {
            out.push_str(": keep-alive\n\n");
        }
    };
    for choice in &choices {
        let delta = json!({"role": "assistant", "content": "", "refusal": null});
        let more = if random.chance(50) { own.pop() } else { None };
        let opening = json!([{"index": choice["index"], "delta": delta, "logprobs": null, "finish_reason": null}]);
        send(opening, more.into_iter().collect(), random);
    }
    while !lanes.is_empty() {
        let at = random.below(lanes.len());
        let (index, mut choice) = (lanes[at].0.clone(), lanes[at].1.pop_front().expect("no lane is empty"));
        choice["index"] = index;
        choice["finish_reason"] = Value::Null;
        if lanes[at].1.is_empty() {
            lanes.remove(at);
        }
        if random.chance(20) {
            for name in ["refusal", "tool_calls", "function_call", "audio", "annotations"] {
                let delta = choice["delta"].as_object_mut().expect("a delta is an object");
                delta.entry(name).or_insert(Value::Null);
            }
        }
        send(json!([choice]), Vec::new(), random);
    }
    for choice in &choices {
        let mut last = choice.clone();
        let fields = last.as_object_mut().expect("a choice is an object");
        fields.remove("message");
        fields.insert("logprobs".to_owned(), Value::Null);
        fields.insert("delta".to_owned(), json!({}));
        send(json!([last]), Vec::new(), random);
    }
    own.extend(fields.get("usage").map(|usage| ("usage".to_owned(), usage.clone())));
    // The count comes in a chunk of its own, with whatever is left to say.
    if !own.is_empty() {
        send(json!([]), own, random);
    }
    out + "data: [DONE]\n\n"
}

/// The deltas of a choice by kind. Those of one kind keep their order.
fn lanes(choice: &Value, random: &mut Random) -> Vec<VecDeque<Value>> {
    let mut lanes = Vec::new();
    let mut probabilities: VecDeque<(String, Value)> = VecDeque::new();
    for (name, items) in choice["logprobs"].as_object().into_iter().flatten() {
        let items = items.as_array().into_iter().flatten();
        probabilities.extend(items.map(|item| (name.clone(), json!([item]))));
    }
    let delta = |name: &str, value: Value| json!({"delta": {name: value}, "logprobs": null});
    for (name, value) in choice["message"].as_object().into_iter().flatten() {
        let lane: VecDeque<Value> = match (name.as_str(), value) {
            ("role", _) | (_, Value::Null) => continue,
            ("content" | "refusal", Value::String(text)) => random
                .cut(text, 6)
                .into_iter()
                .map(|piece| delta(name, json!(piece)))
                .collect(),
            ("tool_calls", Value::Array(calls)) => self::calls(calls, random)
                .map(|call| delta(name, json!([call])))
                .collect(),
            ("audio", Value::Object(sound)) => self::sound(sound, random).map(|piece| delta(name, piece)).collect(),
            (_, Value::Array(items)) => items.iter().map(|item| delta(name, json!([item]))).collect(),
            (_, value) => VecDeque::from([delta(name, value.clone())]),
        };
        if !lane.is_empty() {
            lanes.push(lane);
        }
    }
    // Where there is too little text for them, they come alone.
    let lane: VecDeque<Value> = probabilities
        .into_iter()
        .map(|(name, items)| json!({"delta": {}, "logprobs": {name: items}}))
        .collect();
    if !lane.is_empty() {
        lanes.push(lane);
    }
    lanes
}

/// The pieces of calls: they begin in their order, and go on side by side.
fn calls(calls: &[Value], random: &mut Random) -> impl Iterator<Item = Value> {
    let mut begin = Vec::new();
    let mut rest: Vec<VecDeque<Value>> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let (kind, text) = if call["type"] == "custom" {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        let mut first = call.clone();
        first["index"] = json!(index);
        let pieces = random.cut(call[kind][text].as_str().unwrap_or_default(), 7);
        first[kind][text] = json!("");
        begin.push(first);
        rest.push(
            pieces
                .into_iter()
                .map(|piece| json!({"index": index, kind: {text: piece}}))
                .collect(),
        );
    }
    let mut mixed = Vec::new();
    loop {
        rest.retain(|lane| !lane.is_empty());
        if rest.is_empty() {
            break;
        }
        let at = random.below(rest.len());
        mixed.extend(rest[at].pop_front());
    }
    begin.into_iter().chain(mixed)
}

/// The pieces of a sound, each base64 of its own.
fn sound(sound: &Map<String, Value>, random: &mut Random) -> impl Iterator<Item = Value> {
    let bytes = STANDARD
        .decode(sound["data"].as_str().unwrap_or_default())
        .expect("it is base64");
    let mut rest = sound.clone();
    rest.remove("data");
    let transcript = rest.remove("transcript").unwrap_or_default();
    let first = json!({"id": rest.remove("id")});
    let data: Vec<Value> = bytes
        .chunks(1 + random.below(9))
        .map(|piece| json!({"data": STANDARD.encode(piece)}))
        .collect();
    let pieces = random.cut(transcript.as_str().unwrap_or_default(), 5);
    let said = pieces.into_iter().map(|piece| json!({"transcript": piece}));
    let last = (!rest.is_empty()).then_some(Value::Object(rest));
    std::iter::once(first).chain(data).chain(said).chain(last)
}
