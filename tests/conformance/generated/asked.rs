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

/// Every text of a request that a client chose, with its place: `messages[0].content[1].text`.
pub(crate) fn words(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather("", value, &mut found);
    found
}

fn gather(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.extend(word(text).map(|word| (path.to_owned(), word))),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                gather(&format!("{path}[{at}]"), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}");
                found.extend(word(name).map(|word| (path.clone(), word)));
                gather(&path, inner, found);
            }
        }
        _ => {}
    }
}

/// The word in a text that no other text has; data of a medium as it is written.
fn word(text: &str) -> Option<String> {
    if let Some((_, data)) = text.split_once(";base64,") {
        return Some(data.to_owned());
    }
    let is_word = |at: usize| {
        let word = text.get(at..at + 7)?;
        let digits = word.strip_prefix('w')?.strip_suffix('w')?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| word.to_owned())
    };
    (0..text.len()).find_map(is_word)
}

/// Fields of a request's outermost object that ask for something.
pub(crate) fn names(request: &Value) -> Vec<String> {
    let nothing = [
        json!(null),
        json!(false),
        json!(0),
        json!(0.0),
        json!({}),
        json!([]),
        json!(["text"]),
    ];
    let fields = request.as_object().into_iter().flatten();
    // Options of a search ask for one, even without a member.
    let asks = fields.filter(|(name, value)| {
        *name == "web_search_options" || !(nothing.contains(value) || *name == "n" && **value == json!(1))
    });
    asks.map(|(name, _)| name.clone()).collect()
}
