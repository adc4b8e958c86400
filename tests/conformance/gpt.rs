//! OpenAI's chat completions.
//!
//! In: a recorded exchange. Out: the request a caller makes (the recorded one), what of a body
//! counts, the completion a caller is to get, and the same as a stream. Never: a field of the
//! provider's that may get lost.

use serde_json::{Map, Value, json};

use crate::answer;
use crate::case::Case;
use crate::plain;

/// The request as a caller makes it.
pub(crate) fn request(case: &Case) -> Value {
    let recorded = case.recording.request();
    if recorded.is_object() && !case.unsayable() {
        return recorded.clone();
    }
    json!({"model": "any", "messages": [{"role": "user", "content": "Hello"}]})
}

/// What a body says to the API: one name for the limit, and no form that has a shorter one.
pub(crate) fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().expect("a body is an object");
    if let Some(limit) = fields.remove("max_tokens") {
        fields.insert("max_completion_tokens".to_owned(), limit);
    }
    // The older form of tools has room for one call.
    if let Some(Value::Array(functions)) = fields.remove("functions") {
        let tools = functions
            .into_iter()
            .map(|function| json!({"type": "function", "function": function}))
            .collect();
        fields.insert("tools".to_owned(), tools);
        fields.insert("parallel_tool_calls".to_owned(), json!(false));
    }
    match fields.remove("function_call") {
        Some(Value::Object(named)) => {
            fields.insert("tool_choice".to_owned(), json!({"type": "function", "function": named}));
        }
        Some(word) => _ = fields.insert("tool_choice".to_owned(), word),
        None => {}
    }
    let streams = fields.get("stream") == Some(&json!(true));
    fields.remove("stream_options");
    fields.insert("stream".to_owned(), if streams { json!(true) } else { Value::Null });
    for message in body["messages"].as_array_mut().into_iter().flatten() {
        let single = message["content"]
            .as_array()
            .filter(|parts| parts.len() == 1)
            .map(|parts| parts[0].clone());
        if let Some(part) = single.filter(|part| part["type"] == "text" && part["cache_control"].is_null()) {
            message["content"] = part["text"].clone();
        }
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            call.as_object_mut().expect("a call is an object").remove("index");
        }
    }
    plain::normal(&body)
}

/// The completion that was recorded.
pub(crate) fn completion(case: &Case) -> Result<Value, String> {
    let body = case.body();
    if !case.is_stream() {
        let whole = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        return Ok(counted(with_messages(whole)));
    }
    let (chunks, _) = answer::chunks(&body, false)?;
    Ok(counted(answer::fold(&chunks)?))
}

/// The completion with a message in each choice. Azure leaves it out where its filter held back the whole of it.
fn with_messages(mut completion: Value) -> Value {
    for choice in completion["choices"].as_array_mut().into_iter().flatten() {
        if choice["message"].is_null() {
            choice["message"] = json!({"role": "assistant", "content": null});
        }
    }
    completion
}

/// The completion with reasoning among the tokens of the answer, as OpenAI counts it. Where a provider counts
/// it apart, the total shows it.
fn counted(mut completion: Value) -> Value {
    let usage = &mut completion["usage"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
    let answer = count(&usage["completion_tokens"]) + reasoning;
    if reasoning > 0 && count(&usage["total_tokens"]) == count(&usage["prompt_tokens"]) + answer {
        usage["completion_tokens"] = json!(answer);
    }
    completion
}

/// A completion's parts that count: what is there anyway, and what the host adds where the provider
/// is silent, is left out.
pub(crate) fn visible(completion: &Value) -> Value {
    let mut out = completion.clone();
    let fields = out.as_object_mut().expect("a completion is an object");
    for name in ["object", "created"] {
        fields.remove(name);
    }
    // What came after the first chunk and has no place in later ones comes out as an event.
    for event in out["provider_events"].take().as_array().into_iter().flatten() {
        if let Some(kind) = event["kind"].as_str() {
            out[kind] = event["value"].clone();
        }
    }
    for choice in out["choices"].as_array_mut().into_iter().flatten() {
        choice["role"] = Value::Null;
        let message = &mut choice["message"];
        for name in ["format", "index"] {
            if message["audio"].is_object() {
                message["audio"][name] = Value::Null;
            }
        }
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            call["type"] = Value::Null;
            call["index"] = Value::Null;
            let arguments = plain::parsed(&call["function"]["arguments"]);
            call["function"]["arguments"] = arguments;
        }
    }
    for name in ["prompt_tokens_details", "completion_tokens_details"] {
        if let Some(details) = out["usage"][name].as_object_mut() {
            details.retain(|_, count| *count != json!(0));
        }
    }
    out
}

/// A completion as the stream that a provider would have sent.
pub(crate) fn as_stream(completion: &Value) -> String {
    let mut head: Map<String, Value> = completion.as_object().cloned().unwrap_or_default();
    let choices = head.remove("choices").unwrap_or_default();
    let usage = head.remove("usage");
    head.insert("object".to_owned(), json!("chat.completion.chunk"));
    let mut out = String::new();
    let mut send = |choices: Value, more: Option<(&str, Value)>| {
        let mut chunk = head.clone();
        chunk.insert("choices".to_owned(), choices);
        chunk.extend(more.map(|(name, value)| (name.to_owned(), value)));
        out.push_str(&format!("data: {}\n\n", Value::Object(chunk)));
    };
    for choice in choices.as_array().into_iter().flatten() {
        let index = &choice["index"];
        let mut delta = |delta: Value, logprobs: &Value| {
            send(
                json!([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": null}]),
                None,
            );
        };
        delta(json!({"role": "assistant", "content": ""}), &Value::Null);
        for (name, value) in choice["message"].as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("role", _) | (_, Value::Null) => {}
                ("content", Value::String(text)) if choice["logprobs"].is_null() => {
                    for piece in pieces(text) {
                        delta(json!({"content": piece}), &Value::Null);
                    }
                }
                ("content", text) => delta(json!({"content": text}), &choice["logprobs"]),
                ("tool_calls", Value::Array(calls)) => {
                    for (at, call) in calls.iter().enumerate() {
                        let mut first = call.clone();
                        first["index"] = json!(at);
                        first["function"]["arguments"] = json!("");
                        delta(json!({"tool_calls": [first]}), &Value::Null);
                        for piece in pieces(call["function"]["arguments"].as_str().unwrap_or_default()) {
                            let more = json!([{"index": at, "function": {"arguments": piece}}]);
                            delta(json!({"tool_calls": more}), &Value::Null);
                        }
                    }
                }
                (name, value) => delta(json!({name: value}), &Value::Null),
            }
        }
        let mut last = json!({"index": index, "delta": {}, "logprobs": null});
        for (name, value) in choice.as_object().into_iter().flatten() {
            if !["index", "message", "logprobs"].contains(&name.as_str()) {
                last[name] = value.clone();
            }
        }
        send(json!([last]), None);
    }
    if let Some(usage) = usage {
        send(json!([]), Some(("usage", usage)));
    }
    out + "data: [DONE]\n\n"
}

/// A text in pieces of a few characters.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(5).map(|piece| piece.iter().collect()).collect()
}
