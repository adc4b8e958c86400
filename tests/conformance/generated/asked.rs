//! Requests that OpenAI's API allows.
//!
//! In: the definition of a chat request. Out: requests that fit it, in every form that a client may
//! write; what of one has to reach a provider that speaks the same. Never: one that OpenAI itself
//! would refuse for what no schema says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::definition::Definition;
use super::schema::Maker;

/// A request.
pub(crate) fn request(definition: &Definition, seed: u64) -> Value {
    let mut maker = Maker::new(&definition.root, seed, 0);
    let mut body = maker.value(&definition.schema);
    let fields = body.as_object_mut().expect("a request is an object");
    fields.remove("stream");
    fields.remove("stream_options");
    // Two names of one limit, and two forms of tools, of which a client uses one.
    if fields.get("max_completion_tokens").is_some_and(Value::is_number) {
        fields.remove("max_tokens");
    }
    if fields.contains_key("functions") {
        fields.remove("tools");
        fields.remove("tool_choice");
        fields.remove("parallel_tool_calls");
    } else {
        fields.remove("function_call");
    }
    let messages = fields["messages"].as_array_mut().expect("messages are a list");
    for message in messages {
        complete(message, &mut maker);
    }
    if let Some(content) = fields
        .get_mut("prediction")
        .and_then(|prediction| prediction.get_mut("content"))
    {
        parts(content, &mut maker);
    }
    body
}

/// What the schema leaves open: what must be base64, and which fields go together.
fn complete(message: &mut Value, maker: &mut Maker<'_>) {
    parts(&mut message["content"], maker);
    let fields = message.as_object_mut().expect("a message is an object");
    if fields["content"].is_null() && fields["role"] != "assistant" && fields["role"] != "function" {
        fields.insert("content".to_owned(), json!(maker.word()));
    }
    // An earlier answer says something.
    if fields["role"] == "assistant" && fields["content"].is_null() {
        let says = ["refusal", "tool_calls", "function_call", "audio"];
        if says.iter().all(|name| fields.get(*name).is_none_or(says_nothing)) {
            fields.insert("content".to_owned(), json!(maker.word()));
        }
    }
}

fn says_nothing(value: &Value) -> bool {
    value.is_null() || *value == json!([]) || *value == json!("")
}

fn parts(content: &mut Value, maker: &mut Maker<'_>) {
    for part in content.as_array_mut().into_iter().flatten() {
        let data = STANDARD.encode(format!("{}{}", maker.word(), "\u{fe}".repeat(maker.random.below(3))));
        match part["type"].as_str() {
            Some("input_audio") => part["input_audio"]["data"] = json!(data),
            Some("image_url") if maker.random.chance(60) => {
                let kind = *maker.random.pick(&["image/png", "image/jpeg", "image/webp"]);
                part["image_url"]["url"] = json!(format!("data:{kind};base64,{data}"));
            }
            Some("file") => {
                let file = part["file"].as_object_mut().expect("a file is an object");
                file.remove("file_data");
                if !file.contains_key("file_id") || maker.random.chance(50) {
                    file.remove("file_id");
                    let name = format!("{}.pdf", maker.word());
                    file.insert("filename".to_owned(), json!(name));
                    let address = format!("data:application/pdf;base64,{data}");
                    file.insert("file_data".to_owned(), json!(address));
                }
            }
            _ => {}
        }
    }
}

/// The same request as the host writes it for a provider that takes this form: the older names and
/// forms are the newer ones.
pub(crate) fn written_anew(request: &Value) -> Value {
    let mut body = request.clone();
    if body["stop"].is_string() {
        body["stop"] = json!([body["stop"]]);
    }
    for message in body["messages"].as_array_mut().into_iter().flatten() {
        if message["role"] == "assistant" {
            gather_refusals(message);
        }
    }
    body
}

/// A refusal may be a part of the content or stand beside it.
fn gather_refusals(message: &mut Value) {
    let mut refusal = String::new();
    if let Some(parts) = message["content"].as_array_mut() {
        for part in parts.iter().filter(|part| part["type"] == "refusal") {
            refusal.push_str(part["refusal"].as_str().unwrap_or_default());
        }
        parts.retain(|part| part["type"] != "refusal");
    }
    refusal.push_str(message["refusal"].as_str().unwrap_or_default());
    message["refusal"] = json!(refusal);
}

/// What arrived, with the calls that the host gave ids to in their first form, which had none.
pub(crate) fn without_ids(received: &Value) -> Value {
    let mut body = received.clone();
    let made = |id: &Value| id.as_str().is_some_and(|id| id.starts_with("call_fn_"));
    for message in body["messages"].as_array_mut().into_iter().flatten() {
        let fields = message.as_object_mut().expect("a message is an object");
        if fields.get("tool_call_id").is_some_and(made) {
            fields.insert("role".to_owned(), json!("function"));
            fields.remove("tool_call_id");
        }
        let Some(calls) = fields.get_mut("tool_calls").and_then(Value::as_array_mut) else {
            continue;
        };
        let legacy: Vec<Value> = calls.extract_if(.., |call| made(&call["id"])).collect();
        if let Some(call) = legacy.first() {
            fields.insert("function_call".to_owned(), call["function"].clone());
        }
    }
    body
}
