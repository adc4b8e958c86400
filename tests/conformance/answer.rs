//! What a client gets, read as a client reads it.
//!
//! In: the host's HTTP answer. Out: its status, and JSON; of a stream, the chunks put together to
//! one completion. Never: forgiveness; a stream that does not keep the form is an error.

use reqwest::Response;
use serde_json::{Map, Value, json};

/// What came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: String,
    pub(crate) is_stream: bool,
}

/// Status and headers.
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter();
        Self {
            status: response.status().as_u16(),
            headers: headers.map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
        }
    }
}

/// A stream's end.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// `[DONE]`.
    Done,
    /// An event with an error.
    Error(Value),
    /// Neither.
    Nothing,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let head = Head::of(&response);
        let bytes = response.bytes().await.expect("the host's answer ends well");
        Self::of(head, &bytes)
    }

    /// An answer of which the body has been read.
    pub(crate) fn of(head: Head, bytes: &[u8]) -> Self {
        let raw = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        let mut answer = Self {
            status: head.status,
            headers: head.headers,
            raw,
            is_stream: false,
        };
        answer.is_stream = answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole answer.
    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.raw).map_err(|error| format!("not JSON ({error}): {}", self.raw))
    }

    /// The chunks of a streamed answer, and how it ended.
    pub(crate) fn chunks(&self) -> Result<(Vec<Value>, End), String> {
        chunks(&self.raw, true)
    }

    /// The completion that a caller has in the end, streamed or not.
    pub(crate) fn completion(&self) -> Result<Value, String> {
        if self.status != 200 {
            return Err(format!("status {}: {}", self.status, self.raw));
        }
        if !self.is_stream {
            return self.json();
        }
        let (chunks, end) = self.chunks()?;
        if end != End::Done {
            return Err(format!("the stream ended with {end:?}"));
        }
        for chunk in &chunks {
            if chunk["object"] != "chat.completion.chunk" || !chunk["choices"].is_array() {
                return Err(format!("not a chunk: {chunk}"));
            }
            for name in ["id", "model", "created"] {
                if chunk[name].is_null() || chunk[name] != chunks[0][name] {
                    return Err(format!("`{name}` changes in the stream: {chunk}"));
                }
            }
        }
        fold(&chunks)
    }
}

/// The events of a stream of OpenAI's form. `strict`: of ours, where each event is one `data` line.
pub(crate) fn chunks(text: &str, strict: bool) -> Result<(Vec<Value>, End), String> {
    let mut chunks = Vec::new();
    let mut end = End::Nothing;
    for line in text.lines() {
        let data = match line.strip_prefix("data:") {
            Some(data) => data.trim(),
            None if !strict || line.is_empty() || line.starts_with(':') => continue,
            None => return Err(format!("a line that is no data: {line:?}")),
        };
        if end != End::Nothing {
            return Err(format!("something follows the end: {line:?}"));
        }
        if data == "[DONE]" {
            end = End::Done;
            continue;
        }
        let value: Value = serde_json::from_str(data).map_err(|error| format!("{error}: {data}"))?;
        if value.get("error").is_some_and(|error| !error.is_null()) {
            end = End::Error(value["error"].clone());
        } else {
            chunks.push(value);
        }
    }
    Ok((chunks, end))
}

/// Puts chunks together to what the whole answer would have been.
pub(crate) fn fold(chunks: &[Value]) -> Result<Value, String> {
    let mut whole = json!({"choices": []});
    for chunk in chunks {
        for (name, value) in chunk.as_object().ok_or("a chunk is an object")? {
            match name.as_str() {
                "choices" => {
                    for choice in value.as_array().into_iter().flatten() {
                        fold_choice(&mut whole["choices"], choice)?;
                    }
                }
                "object" => whole["object"] = json!("chat.completion"),
                // Each chunk says them anew; a provider whose clock goes on while it streams changes `created`,
                // and one that begins with what its filter says has neither `id` nor `model` there.
                "id" | "model" | "created" if !is_empty(&whole[name.as_str()]) => {}
                // Padding against eavesdroppers who count bytes.
                "obfuscation" => {}
                _ if value.is_null() => {}
                "provider_events" => append(&mut whole[name], value),
                _ => whole[name] = value.clone(),
            }
        }
    }
    let calls = whole["choices"].as_array_mut().into_iter().flatten();
    for call in calls
        .filter_map(|choice| choice["message"]["tool_calls"].as_array_mut())
        .flatten()
    {
        call.as_object_mut().ok_or("a call is an object")?.remove("index");
    }
    Ok(whole)
}

fn fold_choice(choices: &mut Value, choice: &Value) -> Result<(), String> {
    let index = choice["index"].as_u64().ok_or("a choice has an index")?;
    let list = choices.as_array_mut().ok_or("choices are a list")?;
    let at = match list.iter().position(|known| known["index"] == index) {
        Some(at) => at,
        None => {
            list.push(json!({"index": index, "message": {"role": "assistant", "content": null}}));
            list.len() - 1
        }
    };
    let whole = &mut list[at];
    for (name, value) in choice.as_object().into_iter().flatten() {
        match name.as_str() {
            "index" => {}
            "delta" => fold_delta(&mut whole["message"], value)?,
            "logprobs" => {
                for (name, items) in value.as_object().into_iter().flatten() {
                    append(&mut whole["logprobs"][name.as_str()], items);
                }
            }
            _ if value.is_null() || *value == json!({}) => {}
            _ => whole[name.as_str()] = value.clone(),
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null) || *value == json!("") || *value == json!(0)
}

fn fold_delta(message: &mut Value, delta: &Value) -> Result<(), String> {
    for (name, value) in delta.as_object().into_iter().flatten() {
        let known = &mut message[name.as_str()];
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("role", _) => *known = value.clone(),
            ("tool_calls", Value::Array(calls)) => {
                for call in calls {
                    fold_call(known, call)?;
                }
            }
            ("audio" | "function_call", Value::Object(fields)) => grow(known, fields),
            (_, Value::String(_) | Value::Array(_)) => append(known, value),
            _ => *known = value.clone(),
        }
    }
    Ok(())
}

fn fold_call(calls: &mut Value, call: &Value) -> Result<(), String> {
    if calls.is_null() {
        *calls = json!([]);
    }
    let list = calls.as_array_mut().ok_or("calls are a list")?;
    let index = call["index"].as_u64().ok_or("a call's delta has an index")?;
    match list.iter_mut().find(|known| known["index"] == index) {
        None => list.push(call.clone()),
        Some(known) => {
            for (name, value) in call.as_object().into_iter().flatten() {
                match (name.as_str(), value) {
                    (_, Value::Null) => {}
                    ("function", Value::Object(fields)) => {
                        if fields.get("name").is_some_and(Value::is_string) && known["function"]["name"].is_string() {
                            return Err("a call's name came twice".to_owned());
                        }
                        grow(&mut known["function"], fields);
                    }
                    _ => known[name.as_str()] = value.clone(),
                }
            }
        }
    }
    Ok(())
}

/// Adds an object's texts to those that are there.
fn grow(known: &mut Value, fields: &Map<String, Value>) {
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let text = ["data", "transcript", "arguments", "name"].contains(&name.as_str());
        if text {
            append(&mut known[name.as_str()], value)
        } else {
            known[name.as_str()] = value.clone()
        }
    }
}

fn append(known: &mut Value, more: &Value) {
    match (&mut *known, more) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        (_, Value::Null) => {}
        _ => *known = more.clone(),
    }
}
