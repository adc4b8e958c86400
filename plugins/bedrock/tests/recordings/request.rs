//! Recorded requests of Converse as neutral ones, and what they mean.
//!
//! In: the recorded body. Out: the neutral request that stands for it; and, of two bodies, the form in
//! which they are the same when they mean the same. Never: the adapter's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::{
    Annotated, CacheHint, ChatRequest, Media, MediaSource, Message, Part, PartContent, ProviderState, Reasoning,
    ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use serde_json::{Map, Value, json};

/// Members of the body that are told as they are.
const AS_THEY_ARE: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
];

/// The neutral request; `None` when there is none.
pub(crate) fn neutral(model: &str, body: &Value) -> Option<ChatRequest> {
    let mut messages = Vec::new();
    let system = parts(body["system"].as_array().map(Vec::as_slice).unwrap_or_default(), model);
    if !system.is_empty() {
        messages.push(Message::new(Role::System, system));
    }
    for message in body["messages"].as_array()? {
        let role = if message["role"] == "assistant" {
            Role::Assistant
        } else {
            Role::User
        };
        messages.push(Message::new(role, parts(message["content"].as_array()?, model)));
    }
    let mut out = ChatRequest::new(model, messages);
    let inference = &body["inferenceConfig"];
    out.sampling.max_output_tokens = inference["maxTokens"]
        .as_u64()
        .map(|number| u32::try_from(number).unwrap());
    out.sampling.temperature = inference["temperature"].as_f64();
    out.sampling.top_p = inference["topP"].as_f64();
    out.sampling.stop = serde_json::from_value(inference["stopSequences"].clone()).unwrap_or_default();
    for tool in body["toolConfig"]["tools"].as_array().into_iter().flatten() {
        if tool["cachePoint"].is_object() {
            if let Some(ToolSpec::Function(last)) = out.tools.last_mut() {
                last.cache = Some(hint(&tool["cachePoint"]));
            }
            continue;
        }
        out.tools.push(self::tool(tool));
    }
    let choice = &body["toolConfig"]["toolChoice"];
    out.tool_choice = match choice
        .as_object()
        .and_then(|choice| choice.keys().next())
        .map(String::as_str)
    {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("tool") => Some(ToolChoice::Named(choice["tool"]["name"].as_str()?.to_owned())),
        _ => None,
    };
    let schema = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    if schema.is_object() {
        out.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: schema["name"].as_str()?.to_owned(),
            description: schema["description"].as_str().map(str::to_owned),
            schema: schema["schema"].as_str()?.to_owned(),
            strict: None,
        }));
    }
    for name in AS_THEY_ARE {
        if !body[*name].is_null() {
            out.extra.push(((*name).to_owned(), body[*name].to_string()));
        }
    }
    Some(out)
}

fn tool(tool: &Value) -> ToolSpec {
    let spec = &tool["toolSpec"];
    if spec.is_null() {
        return ToolSpec::Other(Annotated {
            kind: "systemTool".to_owned(),
            value: tool.to_string(),
        });
    }
    ToolSpec::Function(Tool {
        name: spec["name"].as_str().unwrap_or_default().to_owned(),
        description: spec["description"].as_str().map(str::to_owned),
        input_schema: Some(spec["inputSchema"]["json"].to_string()),
        strict: spec["strict"].as_bool(),
        cache: None,
        extra: Vec::new(),
    })
}

fn hint(point: &Value) -> CacheHint {
    CacheHint {
        ttl_seconds: (point["ttl"] == "1h").then_some(3600),
    }
}

fn parts(blocks: &[Value], model: &str) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for block in blocks {
        let (kind, value) = block.as_object().unwrap().iter().next().unwrap();
        match (kind.as_str(), out.last_mut()) {
            ("cachePoint", Some(last)) => last.cache = Some(hint(value)),
            _ => out.push(part(kind, value, model)),
        }
    }
    out
}

fn part(kind: &str, value: &Value, model: &str) -> Part {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let bytes = value["source"]["bytes"]
        .as_str()
        .map(|data| STANDARD.decode(data).unwrap());
    let content = match (kind, bytes) {
        ("text", _) => PartContent::Text(text(value)),
        ("image", Some(bytes)) => {
            let kind = format!("image/{}", text(&value["format"]));
            PartContent::Media(Media::new(kind, MediaSource::Inline(bytes)))
        }
        ("document", Some(bytes)) => {
            let kind = match value["format"].as_str() {
                Some("pdf") => "application/pdf",
                _ => "text/plain",
            };
            let mut media = Media::new(kind, MediaSource::Inline(bytes));
            media.name = Some(text(&value["name"]));
            PartContent::Media(media)
        }
        ("toolUse", _) => PartContent::ToolCall(ToolCall {
            id: text(&value["toolUseId"]),
            name: text(&value["name"]),
            arguments: value["input"].to_string(),
        }),
        ("toolResult", _) => PartContent::ToolResult(ToolResult {
            call_id: text(&value["toolUseId"]),
            name: None,
            is_error: value["status"] == "error",
            content: value["content"].as_array().unwrap().iter().map(result).collect(),
        }),
        ("reasoningContent", _) if value["reasoningText"]["signature"].is_string() => {
            let mut part = Part::new(PartContent::Reasoning(Reasoning {
                text: text(&value["reasoningText"]["text"]),
                redacted: false,
            }));
            let format = if model.contains("claude") {
                "anthropic"
            } else {
                "bedrock"
            };
            part.state = Some(ProviderState {
                format: format.to_owned(),
                data: text(&value["reasoningText"]["signature"]).into_bytes(),
            });
            return part;
        }
        _ => PartContent::Other(Annotated {
            kind: kind.to_owned(),
            value: value.to_string(),
        }),
    };
    Part::new(content)
}

fn result(piece: &Value) -> ResultContent {
    let (kind, value) = piece.as_object().unwrap().iter().next().unwrap();
    match value.as_str() {
        Some(text) if kind == "text" => ResultContent::Text(text.to_owned()),
        _ => ResultContent::Other(Annotated {
            kind: kind.clone(),
            value: value.to_string(),
        }),
    }
}

/// What a body says: empty members, the default status of a result, and how numbers and schemas are
/// spelt say nothing; turns of one role that follow each other are one.
pub(crate) fn meaning(body: &Value) -> Value {
    let mut out = body.clone();
    let mut turns: Vec<Value> = Vec::new();
    for message in out["messages"].as_array_mut().into_iter().flatten() {
        match turns.last_mut() {
            Some(last) if last["role"] == message["role"] => {
                let more = message["content"].as_array().unwrap().clone();
                last["content"].as_array_mut().unwrap().extend(more);
            }
            _ => turns.push(message.clone()),
        }
    }
    for turn in &mut turns {
        let blocks = turn["content"].as_array_mut().unwrap();
        for block in blocks.iter_mut() {
            if block["toolResult"]["status"] == "success" {
                block["toolResult"].as_object_mut().unwrap().remove("status");
            }
            let object = block.as_object_mut().unwrap();
            object.retain(|_, value| !value.is_null());
        }
        blocks.retain(|block| block["text"] != "");
    }
    out["messages"] = json!(turns);
    let schema = &mut out["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    if let Some(text) = schema.as_str() {
        *schema = serde_json::from_str(text).unwrap();
    }
    spelt(&out)
}

/// With numbers spelt in one way, and without members that say nothing.
pub(crate) fn spelt(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), spelt(value)));
            let empty = |name: &str, value: &Value| {
                let is_empty =
                    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
                let drops = [
                    "system",
                    "inferenceConfig",
                    "stopSequences",
                    "outputConfig",
                    "textFormat",
                    "structure",
                    "jsonSchema",
                ];
                value.is_null() || is_empty && drops.contains(&name)
            };
            Value::Object(fields.filter(|(name, value)| !empty(name, value)).collect())
        }
        Value::Array(items) => items.iter().map(spelt).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}
