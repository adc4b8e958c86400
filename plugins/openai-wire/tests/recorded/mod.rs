//! Recorded traffic, and what it says, read as plain JSON without a line of the code under test.
//!
//! In: the folder `LLM_HOST_RECORDINGS` names, by default `../shared/recordings` beside the
//! workspace. Out: exchanges; the whole answer a stream adds up to; what an answer says. Never: a
//! type of the crates under test.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

/// One recorded exchange.
pub(crate) struct Exchange {
    pub(crate) file: String,
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) url: String,
    /// Null where it was not recorded, or was no JSON.
    pub(crate) request: Value,
    /// The request's body where it was no text.
    pub(crate) request_bytes: Vec<u8>,
    pub(crate) request_headers: Vec<(String, String)>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The answer's body as it was sent; empty where it was no text.
    pub(crate) body: String,
    /// The answer's body where it was no text.
    pub(crate) bytes: Vec<u8>,
    pub(crate) tags: Vec<String>,
}

impl Exchange {
    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.status < 300 && self.body.contains("data:") && !self.body.trim_start().starts_with('{')
    }
}

/// The chat exchanges of a provider on the OpenAI wire. Says so when there are none to read.
pub(crate) fn chats(provider: &str) -> Vec<Exchange> {
    let mut chats = all(provider);
    let is_chat = |url: &str| url.contains("/chat/completions") || url.ends_with("/v1/chat");
    chats.retain(|one| one.operation.starts_with("chat") && one.method == "POST" && is_chat(&one.url));
    chats
}

/// The exchanges of a provider. Says so when there are none to read.
pub(crate) fn all(provider: &str) -> Vec<Exchange> {
    let folder = folder().join(provider);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("no recordings: {} is absent; set LLM_HOST_RECORDINGS", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().filter_map(|file| exchange(file)).collect()
}

fn folder() -> PathBuf {
    std::env::var_os("LLM_HOST_RECORDINGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings"),
        PathBuf::from,
    )
}

fn exchange(file: &Path) -> Option<Exchange> {
    let case: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (request, response) = (&case["request"], &case["response"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let bytes = |of: &Value| {
        let data = of["body_base64"].as_str().unwrap_or_default();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap()
    };
    let headers = |of: &Value| {
        let headers = of["headers"].as_object().into_iter().flatten();
        headers
            .filter_map(|(n, v)| Some((n.clone(), v.as_str()?.to_owned())))
            .collect()
    };
    let body = match &response["body"] {
        Value::Null => response["body_text"].as_str().unwrap_or_default().to_owned(),
        body => body.to_string(),
    };
    Some(Exchange {
        file: file.file_name()?.to_string_lossy().into_owned(),
        operation: text(&case["operation"])?,
        method: text(&request["method"])?,
        url: text(&request["url"])?,
        request: request["body"].clone(),
        request_bytes: bytes(request),
        request_headers: headers(request),
        status: u16::try_from(response["status"].as_u64()?).ok()?,
        headers: headers(response),
        body,
        bytes: bytes(response),
        tags: case["tags"]
            .as_array()?
            .iter()
            .filter_map(|t| Some(t.as_str()?.to_owned()))
            .collect(),
    })
}

/// The chunks of a stream.
pub(crate) fn chunks(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|data| !data.is_empty() && *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Later members replace earlier ones, unless they say nothing.
fn overlay(into: &mut Members, from: &Members, except: &[&str]) {
    for (name, value) in from.iter().filter(|(name, _)| !except.contains(&name.as_str())) {
        match into.get_mut(name) {
            Some(old) if says_nothing(value) && !says_nothing(old) => {}
            Some(old) => *old = value.clone(),
            None => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The whole answer that a stream adds up to.
pub(crate) fn collapse(body: &str) -> Value {
    let mut top = Map::new();
    let mut choices: BTreeMap<u64, (Members, Members)> = BTreeMap::new();
    for chunk in chunks(body) {
        let chunk = chunk.as_object().unwrap();
        let head = ["id", "model", "created"];
        let first: Vec<_> = head
            .iter()
            .filter_map(|name| {
                top.get(*name)
                    .cloned()
                    .filter(|v| !says_nothing(v) && *v != 0)
                    .map(|v| (*name, v))
            })
            .collect();
        overlay(&mut top, chunk, &["choices", "obfuscation", "p", "object"]);
        for (name, value) in first {
            top.insert(name.into(), value);
        }
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            let (whole, message) = choices.entry(choice["index"].as_u64().unwrap_or(0)).or_default();
            let first_word = whole.get("finish_reason").filter(|word| !says_nothing(word)).cloned();
            overlay(whole, choice.as_object().unwrap(), &["delta", "message", "logprobs"]);
            if let Some(word) = first_word {
                whole.insert("finish_reason".into(), word);
            }
            append_logprobs(whole, &choice["logprobs"]);
            let delta = if choice["delta"].is_object() {
                &choice["delta"]
            } else {
                &choice["message"]
            };
            append_delta(message, delta);
        }
    }
    let choices = choices.into_iter().map(|(index, (mut whole, message))| {
        whole.insert("index".into(), index.into());
        whole.insert("message".into(), message.into());
        Value::Object(whole)
    });
    top.insert("choices".into(), choices.collect());
    Value::Object(top)
}

fn append_logprobs(choice: &mut Members, more: &Value) {
    let Some(more) = more.as_object() else { return };
    let lists = choice
        .entry("logprobs")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .unwrap();
    for (name, value) in more {
        let old = lists.entry(name).or_insert(Value::Null);
        match (old.as_array_mut(), value) {
            (Some(items), Value::Array(more)) => items.extend(more.iter().cloned()),
            (None, value) => *old = value.clone(),
            _ => {}
        }
    }
}

fn append_delta(message: &mut Members, delta: &Value) {
    for (name, value) in delta.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("role", _) => {}
            ("tool_calls", Value::Array(calls)) => append_calls(message, calls),
            ("content", Value::Array(parts)) => append_parts(message, parts),
            ("reasoning_details", Value::Array(details)) => append_details(message, details),
            ("content" | "refusal" | "reasoning" | "reasoning_content", Value::String(more)) => {
                match message.get_mut(name) {
                    Some(Value::String(text)) => text.push_str(more),
                    Some(Value::Array(_)) => append_parts(message, &[json!({"type": "text", "text": more})]),
                    _ => {
                        message.insert(name.clone(), more.clone().into());
                    }
                }
            }
            (_, Value::Array(more)) => match message.get_mut(name) {
                Some(Value::Array(items)) => items.extend(more.iter().cloned()),
                _ => {
                    message.insert(name.clone(), value.clone());
                }
            },
            _ => overlay(message, &Map::from_iter([(name.clone(), value.clone())]), &[]),
        }
    }
}

fn append_calls(message: &mut Members, more: &[Value]) {
    let calls = message.entry("tool_calls").or_insert_with(|| json!([]));
    if calls.is_null() {
        *calls = json!([]);
    }
    let calls = calls.as_array_mut().unwrap();
    for piece in more {
        let known = calls.iter_mut().find(|call| call["index"] == piece["index"]);
        let Some(call) = known else {
            calls.push(piece.clone());
            continue;
        };
        let text = call["function"]["arguments"].as_str().unwrap_or_default().to_owned();
        let more = piece["function"]["arguments"].as_str().unwrap_or_default();
        call["function"]["arguments"] = (text + more).into();
    }
}

fn append_parts(message: &mut Members, parts: &[Value]) {
    let mut list = match message.remove("content") {
        Some(Value::Array(list)) => list,
        Some(Value::String(text)) if !text.is_empty() => vec![json!({"type": "text", "text": text})],
        _ => Vec::new(),
    };
    for part in parts {
        let same = list.last_mut().filter(|last| last["type"] == part["type"]);
        match (same, part["type"].as_str()) {
            (Some(last), Some("text")) => {
                last["text"] = format!("{}{}", last["text"].as_str().unwrap(), part["text"].as_str().unwrap()).into();
            }
            (Some(last), Some("thinking")) => {
                let more = part["thinking"].as_array().unwrap().clone();
                last["thinking"].as_array_mut().unwrap().extend(more);
            }
            _ => list.push(part.clone()),
        }
    }
    message.insert("content".into(), list.into());
}

fn append_details(message: &mut Members, details: &[Value]) {
    let list = message
        .entry("reasoning_details")
        .or_insert_with(|| json!([]))
        .as_array_mut()
        .unwrap();
    for detail in details {
        let same = |old: &&mut Value| old["type"] == detail["type"] && old["index"] == detail["index"];
        match list.iter_mut().find(same) {
            Some(old) => {
                for name in ["text", "summary", "data", "signature"] {
                    if let Some(more) = detail[name].as_str() {
                        old[name] = format!("{}{more}", old[name].as_str().unwrap_or_default()).into();
                    }
                }
            }
            None => list.push(detail.clone()),
        }
    }
}

/// What one choice of an answer says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
    /// Id, name, arguments.
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) finish: String,
    pub(crate) logprobs: Option<Value>,
}

/// What the choices of a whole answer say.
pub(crate) fn said(whole: &Value) -> Vec<Said> {
    whole["choices"].as_array().unwrap().iter().map(choice_said).collect()
}

fn choice_said(choice: &Value) -> Said {
    let message = &choice["message"];
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut text, mut reasoning) = (String::new(), String::new());
    match &message["content"] {
        Value::Array(parts) => {
            for part in parts {
                text += &text_of(&part["text"]);
                for thought in part["thinking"].as_array().into_iter().flatten() {
                    reasoning += &text_of(&thought["text"]);
                }
            }
        }
        Value::Object(object) => text = Value::Object(object.clone()).to_string(),
        content => text = text_of(content),
    }
    for name in ["reasoning_content", "reasoning"] {
        if reasoning.is_empty() {
            reasoning = text_of(&message[name]);
        }
    }
    if reasoning.is_empty() {
        let details = message["reasoning_details"].as_array().into_iter().flatten();
        reasoning = details.map(|detail| text_of(&detail["text"])).collect();
    }
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (text_of(&call["id"]), text_of(&function["name"]), arguments)
    });
    let lists = choice["logprobs"]
        .as_object()
        .filter(|lists| !lists.values().all(says_nothing));
    // A gateway's answer has the word of the provider behind it, too.
    let finish = match text_of(&choice["native_finish_reason"]) {
        own if own.is_empty() => text_of(&choice["finish_reason"]),
        own => own,
    };
    Said {
        text,
        refusal: text_of(&message["refusal"]),
        reasoning,
        calls: calls.collect(),
        finish,
        logprobs: lists.cloned().map(Value::Object),
    }
}
