//! Anthropic's messages, as requests.
//!
//! In: a recorded body. Out: the request in OpenAI's dialect that a caller makes for it, and what of
//! a body counts. Never: the adapter's code.

use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::plain;

/// The request as a caller makes it.
pub(crate) fn request(case: &Case) -> Value {
    let recorded = case.recording.request();
    if !recorded.is_object() || case.unsayable() {
        return json!({"model": "any", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]});
    }
    let mut out = Map::new();
    let mut messages = Vec::new();
    for (name, value) in recorded.as_object().into_iter().flatten() {
        match name.as_str() {
            "system" => messages.insert(0, json!({"role": "system", "content": content(value)})),
            "messages" => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|message| turn(message, &mut messages)),
            "stop_sequences" => _ = out.insert("stop".to_owned(), value.clone()),
            "tools" => {
                let tools = value.as_array().into_iter().flatten().map(tool).collect();
                out.insert(name.clone(), Value::Array(tools));
            }
            "tool_choice" => choice(value, &mut out),
            _ => _ = out.insert(name.clone(), value.clone()),
        }
    }
    let betas = case.recording.json["request"]["headers"]["anthropic-beta"].clone();
    if !betas.is_null() {
        out.insert(
            "betas".to_owned(),
            if betas.is_array() { betas } else { json!([betas]) },
        );
    }
    out.insert("messages".to_owned(), Value::Array(messages));
    Value::Object(out)
}

/// The values of `anthropic-beta` that were recorded.
pub(crate) fn betas(case: &Case) -> Vec<String> {
    let header = &case.recording.json["request"]["headers"]["anthropic-beta"];
    let one = header
        .as_str()
        .or_else(|| header.get(0).and_then(Value::as_str))
        .unwrap_or_default();
    one.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Content of a system prompt, a user or a tool: a text, or parts.
fn content(value: &Value) -> Value {
    match value {
        Value::Array(blocks) => blocks.iter().map(part).collect(),
        Value::Null => json!(""),
        text => text.clone(),
    }
}

fn turn(message: &Value, out: &mut Vec<Value>) {
    if message["role"] == "assistant" {
        return out.push(assistant(&message["content"]));
    }
    let Some(blocks) = message["content"].as_array() else {
        return out.push(message.clone());
    };
    // A tool's result is a message of its own in this dialect.
    let (results, others): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| block["type"] == "tool_result");
    for result in results {
        let mut tool =
            json!({"role": "tool", "tool_call_id": result["tool_use_id"], "content": content(&result["content"])});
        for (name, value) in others_of(result, &["type", "tool_use_id", "content"]) {
            tool[name] = value;
        }
        out.push(tool);
    }
    if !others.is_empty() {
        let parts: Vec<Value> = others.into_iter().map(part).collect();
        out.push(json!({"role": message["role"], "content": parts}));
    }
}

fn assistant(content: &Value) -> Value {
    let mut out = json!({"role": "assistant", "content": null});
    let Some(blocks) = content.as_array() else {
        out["content"] = content.clone();
        return out;
    };
    let texts: Vec<(usize, &Value)> = blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block["type"] == "text")
        .collect();
    let adorned = texts
        .iter()
        .any(|(_, text)| !others_of(text, &["type", "text"]).is_empty());
    if adorned {
        out["content"] = texts.iter().map(|(_, text)| (*text).clone()).collect();
    } else if !texts.is_empty() {
        let all: String = texts
            .iter()
            .map(|(_, text)| text["text"].as_str().unwrap_or_default())
            .collect();
        let length = |text: &Value| text["text"].as_str().unwrap_or_default().len();
        out["content"] = json!(all);
        out["text_parts"] = texts
            .iter()
            .map(|(index, text)| json!({"index": index, "length": length(text)}))
            .collect();
    }
    let (mut details, mut calls, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for (index, block) in blocks.iter().enumerate() {
        match block["type"].as_str().unwrap_or_default() {
            "text" => {}
            "thinking" => details.push(json!({"type": "reasoning.text", "text": block["thinking"],
                "signature": block["signature"], "format": "anthropic", "index": index})),
            "redacted_thinking" => details.push(json!({"type": "reasoning.encrypted", "data": block["data"],
                "format": "anthropic", "index": index})),
            "tool_use" => {
                let function = json!({"name": block["name"], "arguments": block["input"].to_string()});
                let mut call = json!({"id": block["id"], "type": "function", "function": function});
                for (name, value) in others_of(block, &["type", "id", "name", "input"]) {
                    call[name] = value;
                }
                calls.push(call);
            }
            kind => own.push(json!({"index": index, "kind": kind, "value": block})),
        }
    }
    for (name, list) in [
        ("reasoning_details", details),
        ("tool_calls", calls),
        ("provider_parts", own),
    ] {
        if !list.is_empty() {
            out[name] = Value::Array(list);
        }
    }
    out
}

/// A block of a user's, a tool's or the system's content as a part.
fn part(block: &Value) -> Value {
    let source = &block["source"];
    let data = |media_type: &Value, data: &str| {
        json!(format!(
            "data:{};base64,{data}",
            media_type.as_str().unwrap_or_default()
        ))
    };
    let encoded = source["data"].as_str().unwrap_or_default();
    let mut part = match (block["type"].as_str(), source["type"].as_str()) {
        (Some("image"), Some("base64")) => {
            json!({"type": "image_url", "image_url": {"url": data(&source["media_type"], encoded)}})
        }
        (Some("image"), Some("url")) => json!({"type": "image_url", "image_url": {"url": source["url"]}}),
        (Some("document"), Some("base64")) => {
            json!({"type": "file", "file": {"file_data": data(&source["media_type"], encoded)}})
        }
        (Some("document"), Some("text")) => {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(encoded);
            json!({"type": "file", "file": {"file_data": data(&source["media_type"], &encoded)}})
        }
        (Some("document"), Some("file")) => json!({"type": "file", "file": {"file_id": source["file_id"]}}),
        // Whatever else there is has no form in this dialect but its own.
        _ => return block.clone(),
    };
    for (name, value) in others_of(block, &["type", "source", "title"]) {
        part[name] = value;
    }
    if let Some(title) = block["title"].as_str() {
        part["file"]["filename"] = json!(title);
    }
    part
}

fn tool(tool: &Value) -> Value {
    if tool["type"].is_string() && tool["type"] != "custom" {
        return tool.clone();
    }
    let mut function = json!({"name": tool["name"], "parameters": tool["input_schema"]});
    for (name, value) in others_of(tool, &["type", "name", "input_schema", "cache_control"]) {
        function[name] = value;
    }
    json!({"type": "function", "function": function, "cache_control": tool["cache_control"]})
}

fn choice(value: &Value, out: &mut Map<String, Value>) {
    let word = match value["type"].as_str() {
        Some("any") => json!("required"),
        Some("tool") => json!({"type": "function", "function": {"name": value["name"]}}),
        Some(word @ ("auto" | "none")) => json!(word),
        _ => value.clone(),
    };
    out.insert("tool_choice".to_owned(), word);
    if let Some(single) = value["disable_parallel_tool_use"].as_bool() {
        out.insert("parallel_tool_calls".to_owned(), json!(!single));
    }
}

fn others_of(fields: &Value, known: &[&str]) -> Map<String, Value> {
    let members = fields.as_object().into_iter().flatten();
    let others = members.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a body says to the API: what it takes for the same is written in one way.
pub(crate) fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().expect("a body is an object");
    fields.retain(|name, value| !(name == "stream" && *value == json!(false)));
    if fields.contains_key("system") {
        body["system"] = blocks(&body["system"]);
    }
    let mut turns: Vec<Value> = Vec::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        let mut content = blocks(&message["content"]);
        for block in content.as_array_mut().into_iter().flatten() {
            if block["type"] == "tool_result" {
                block["content"] = blocks(&block["content"]);
                block["is_error"] = if block["is_error"] == true {
                    json!(true)
                } else {
                    Value::Null
                };
            }
        }
        // The API puts turns of one speaker together.
        match turns.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => {
                let more = content.as_array().cloned().unwrap_or_default();
                last["content"]
                    .as_array_mut()
                    .into_iter()
                    .for_each(|known| known.extend(more.iter().cloned()));
            }
            None => {
                let mut message = message.clone();
                message["content"] = content;
                turns.push(message);
            }
        }
    }
    body["messages"] = Value::Array(turns);
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        if tool["type"] == "custom" {
            tool["type"] = Value::Null;
        }
    }
    if body["tool_choice"]["disable_parallel_tool_use"] == false {
        body["tool_choice"]["disable_parallel_tool_use"] = Value::Null;
    }
    plain::normal(&body)
}

/// Content as blocks; a text is short for one, and an empty one says nothing.
fn blocks(content: &Value) -> Value {
    let blocks = match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    };
    blocks.into_iter().filter(|block| block["text"] != "").collect()
}
