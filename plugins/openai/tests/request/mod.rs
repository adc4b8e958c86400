//! OpenAI's request as a neutral one, as far as the recordings need it, and the recorded request as
//! the adapter is to send it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_provider_sdk::types::{
    Annotated, ChatRequest, Media, MediaSource, Message, Part, PartContent, ReasoningOptions, ResponseFormat,
    ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use serde_json::{Map, Value, json};

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The neutral form of a recorded request.
pub(crate) fn neutral(body: &Value) -> ChatRequest {
    let messages = body["messages"].as_array().into_iter().flatten().map(message).collect();
    let mut req = ChatRequest::new(text(&body["model"]).unwrap_or_default(), messages);
    for (name, value) in body.as_object().unwrap() {
        match name.as_str() {
            "model" | "messages" | "stream" => {}
            "temperature" => req.sampling.temperature = value.as_f64(),
            "top_p" => req.sampling.top_p = value.as_f64(),
            "max_tokens" | "max_completion_tokens" => {
                req.sampling.max_output_tokens = value.as_u64().and_then(|n| n.try_into().ok());
            }
            "stop" => req.sampling.stop = value.as_array().unwrap().iter().filter_map(text).collect(),
            "frequency_penalty" => req.sampling.frequency_penalty = value.as_f64(),
            "presence_penalty" => req.sampling.presence_penalty = value.as_f64(),
            "n" => req.sampling.n = value.as_u64().and_then(|n| n.try_into().ok()),
            "reasoning_effort" => {
                req.reasoning = Some(ReasoningOptions {
                    effort: text(value),
                    ..ReasoningOptions::default()
                });
            }
            "parallel_tool_calls" => req.parallel_tool_calls = value.as_bool(),
            "tools" => req.tools = value.as_array().unwrap().iter().map(tool).collect(),
            "tool_choice" => {
                req.tool_choice = Some(match value.as_str() {
                    Some("auto") => ToolChoice::Auto,
                    Some("none") => ToolChoice::None,
                    Some("required") => ToolChoice::Required,
                    _ => ToolChoice::Named(text(&value["function"]["name"]).unwrap()),
                });
            }
            "response_format" => {
                let schema = &value["json_schema"];
                req.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
                    name: text(&schema["name"]).unwrap(),
                    description: text(&schema["description"]),
                    schema: schema["schema"].to_string(),
                    strict: schema["strict"].as_bool(),
                }));
            }
            _ => req.extra.push((name.clone(), value.to_string())),
        }
    }
    req
}

fn tool(tool: &Value) -> ToolSpec {
    let function = &tool["function"];
    if tool["type"] != "function" {
        return ToolSpec::Other(Annotated {
            kind: text(&tool["type"]).unwrap(),
            value: tool.to_string(),
        });
    }
    ToolSpec::Function(Tool {
        name: text(&function["name"]).unwrap(),
        description: text(&function["description"]),
        input_schema: function.get("parameters").map(Value::to_string),
        strict: function["strict"].as_bool(),
        cache: None,
        extra: function
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["name", "description", "parameters", "strict"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
    })
}

fn message(message: &Value) -> Message {
    if message["role"] == "tool" {
        let content = text(&message["content"]).map(ResultContent::Text).into_iter().collect();
        let result = ToolResult {
            call_id: text(&message["tool_call_id"]).unwrap(),
            name: text(&message["name"]),
            is_error: false,
            content,
        };
        return Message::new(Role::Tool, vec![Part::new(PartContent::ToolResult(result))]);
    }
    let role = match message["role"].as_str().unwrap() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    let mut parts = match &message["content"] {
        Value::String(text) => vec![Part::text(text)],
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => Vec::new(),
    };
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        parts.push(Part::new(PartContent::ToolCall(ToolCall {
            id: text(&call["id"]).unwrap(),
            name: text(&function["name"]).unwrap(),
            arguments: text(&function["arguments"]).unwrap(),
        })));
    }
    Message {
        name: text(&message["name"]),
        ..Message::new(role, parts)
    }
}

fn part(part: &Value) -> Part {
    let media = match part["type"].as_str().unwrap() {
        "text" => return Part::text(part["text"].as_str().unwrap()),
        "image_url" => Media {
            detail: text(&part["image_url"]["detail"]),
            ..Media::new("", MediaSource::Url(text(&part["image_url"]["url"]).unwrap()))
        },
        "input_audio" => {
            let audio = &part["input_audio"];
            let bytes = BASE64.decode(audio["data"].as_str().unwrap()).unwrap();
            Media::new(
                format!("audio/{}", audio["format"].as_str().unwrap()),
                MediaSource::Inline(bytes),
            )
        }
        other => panic!("no recording has a part `{other}`"),
    };
    Part::new(PartContent::Media(media))
}

/// The recorded request in the adapter's words: the newer name of the token limit, a stream with
/// its usage, and nothing that says what is the case anyway.
pub(crate) fn as_sent(body: &Value) -> Value {
    let mut sent = Map::new();
    for (name, value) in body.as_object().unwrap() {
        let name = if name == "max_tokens" {
            "max_completion_tokens"
        } else {
            name
        };
        let is_float = ["temperature", "top_p", "frequency_penalty", "presence_penalty"].contains(&name);
        let value = if is_float { value.as_f64().into() } else { value.clone() };
        if !(name == "stream" && value == false) {
            sent.insert(name.to_owned(), value);
        }
    }
    if sent.get("stream") == Some(&json!(true)) {
        sent.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    for message in sent.get_mut("messages").unwrap().as_array_mut().unwrap() {
        let message = message.as_object_mut().unwrap();
        // A single text needs no list.
        if let Some([part]) = message["content"].as_array().map(Vec::as_slice)
            && part["type"] == "text"
        {
            message["content"] = part["text"].clone();
        }
        for call in message
            .get_mut("tool_calls")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            call.as_object_mut().unwrap().shift_remove("index");
        }
    }
    Value::Object(sent)
}
