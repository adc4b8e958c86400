//! Recorded requests as neutral ones, and what a request means.
//!
//! In: the body of a recorded request. Out: the neutral request that a caller would have made, and a
//! form of bodies in which those that the API treats alike are equal. Never: the adapter's own code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::{
    Annotated, CacheHint, ChatRequest, Media, MediaSource, Message, Part, PartContent, ProviderState, Reasoning,
    ReasoningOptions, ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice, ToolResult,
    ToolSpec,
};
use serde_json::{Map, Value, json};

/// The neutral request for a recorded body. `None` when the body is not one of the API.
///
/// `neutrally` says whether reasoning is told in neutral words, which are fitted to the model; the
/// body of a request that was refused is told in Anthropic's own, which are not.
pub(crate) fn neutral(body: &Value, neutrally: bool) -> Option<ChatRequest> {
    let mut rest = body.as_object()?.clone();
    let mut take = |name: &str| rest.remove(name).unwrap_or(Value::Null);
    let mut messages: Vec<Message> = system(&take("system"));
    for message in take("messages").as_array()? {
        messages.push(message_of(message)?);
    }
    let mut request = ChatRequest::new(take("model").as_str()?, messages);
    let sampling = &mut request.sampling;
    sampling.max_output_tokens = as_u32(&take("max_tokens"));
    sampling.temperature = take("temperature").as_f64();
    sampling.top_p = take("top_p").as_f64();
    sampling.top_k = as_u32(&take("top_k"));
    sampling.stop = strings(&take("stop_sequences"));
    request.tools = take("tools").as_array().into_iter().flatten().map(tool).collect();
    choice(&take("tool_choice"), &mut request);
    take("stream");
    let format = take("output_format");
    if neutrally {
        reasoning(&mut rest, &mut request);
        answer_format(format, &mut rest, &mut request);
    } else if !format.is_null() {
        rest.insert("output_format".to_owned(), format);
    }
    request.extra = extras(rest);
    Some(request)
}

fn system(value: &Value) -> Vec<Message> {
    let parts: Vec<Part> = blocks(value).iter().map(part).collect();
    // As two messages, since they have to become one prompt.
    parts
        .into_iter()
        .map(|part| Message::new(Role::System, vec![part]))
        .collect()
}

fn message_of(message: &Value) -> Option<Message> {
    let parts: Vec<Part> = blocks(message.get("content")?).iter().map(part).collect();
    let only_results = !parts.is_empty()
        && parts
            .iter()
            .all(|part| matches!(part.content, PartContent::ToolResult(_)));
    let role = match message["role"].as_str()? {
        "user" if only_results => Role::Tool,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return None,
    };
    Some(Message::new(role, parts))
}

/// Content as blocks; a string is short for one text.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => vec![],
    }
}

fn part(block: &Value) -> Part {
    let mut rest = block.as_object().unwrap().clone();
    let mut take = |name: &str| rest.remove(name).unwrap_or(Value::Null);
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(take("type"));
    let cache = hint(&take("cache_control"));
    let mut state = None;
    let content = match kind.as_str() {
        "text" => PartContent::Text(text(take("text"))),
        "thinking" => {
            state = Some(text(take("signature")));
            PartContent::Reasoning(Reasoning {
                text: text(take("thinking")),
                redacted: false,
            })
        }
        "redacted_thinking" => {
            state = Some(text(take("data")));
            PartContent::Reasoning(Reasoning {
                text: String::new(),
                redacted: true,
            })
        }
        "tool_use" => PartContent::ToolCall(ToolCall {
            id: text(take("id")),
            name: text(take("name")),
            arguments: take("input").to_string(),
        }),
        "tool_result" => PartContent::ToolResult(ToolResult {
            call_id: text(take("tool_use_id")),
            name: None,
            is_error: take("is_error") == json!(true),
            content: blocks(&take("content")).iter().map(result).collect(),
        }),
        _ => match media(block) {
            Some(media) => {
                take("source");
                PartContent::Media(media)
            }
            None => {
                return Part::new(PartContent::Other(Annotated {
                    kind,
                    value: block.to_string(),
                }));
            }
        },
    };
    Part {
        content,
        state: state.map(|data| ProviderState {
            format: "anthropic".to_owned(),
            data: data.into_bytes(),
        }),
        cache,
        extra: extras(rest),
    }
}

fn result(block: &Value) -> ResultContent {
    let plain = block.as_object().unwrap().len() == 2;
    match (block["text"].as_str(), media(block)) {
        (Some(text), _) if plain => ResultContent::Text(text.to_owned()),
        (_, Some(media)) if plain => ResultContent::Media(media),
        _ => ResultContent::Other(Annotated {
            kind: block["type"].as_str().unwrap().to_owned(),
            value: block.to_string(),
        }),
    }
}

/// The media of an `image` or a `document`; `None` for sources without a neutral form.
fn media(block: &Value) -> Option<Media> {
    let source = block.get("source")?;
    let family = match block["type"].as_str()? {
        "image" => "image/png",
        "document" => "application/pdf",
        _ => return None,
    };
    let said = source["media_type"].as_str();
    let (kind, place) = match source["type"].as_str()? {
        "base64" => (
            said?,
            MediaSource::Inline(STANDARD.decode(source["data"].as_str()?).ok()?),
        ),
        "text" => (said?, MediaSource::Inline(source["data"].as_str()?.as_bytes().to_vec())),
        "url" => (family, MediaSource::Url(source["url"].as_str()?.to_owned())),
        "file" => (family, MediaSource::File(source["file_id"].as_str()?.to_owned())),
        _ => return None,
    };
    Some(Media::new(kind, place))
}

fn hint(control: &Value) -> Option<CacheHint> {
    let control = control.as_object()?;
    let ttl_seconds = match control.get("ttl").and_then(Value::as_str) {
        Some("5m") => Some(300),
        Some("1h") => Some(3_600),
        _ => None,
    };
    Some(CacheHint { ttl_seconds })
}

fn tool(tool: &Value) -> ToolSpec {
    let mut rest = tool.as_object().unwrap().clone();
    let mut take = |name: &str| rest.remove(name).unwrap_or(Value::Null);
    match take("type").as_str() {
        None | Some("custom") => ToolSpec::Function(Tool {
            name: take("name").as_str().unwrap().to_owned(),
            description: take("description").as_str().map(str::to_owned),
            input_schema: Some(take("input_schema").to_string()),
            strict: take("strict").as_bool(),
            cache: hint(&take("cache_control")),
            extra: extras(rest),
        }),
        Some(kind) => ToolSpec::Other(Annotated {
            kind: kind.to_owned(),
            value: tool.to_string(),
        }),
    }
}

fn choice(value: &Value, request: &mut ChatRequest) {
    request.tool_choice = match value["type"].as_str() {
        None => None,
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("none") => Some(ToolChoice::None),
        Some("tool") => Some(ToolChoice::Named(value["name"].as_str().unwrap().to_owned())),
        Some(_) => Some(ToolChoice::Other(value.to_string())),
    };
    if value["disable_parallel_tool_use"] == true {
        request.parallel_tool_calls = Some(false);
    }
}

/// Tells `thinking` and the effort beside it in neutral words.
fn reasoning(rest: &mut Map<String, Value>, request: &mut ChatRequest) {
    let Some(thinking) = rest.get("thinking").cloned() else {
        return;
    };
    let mut options = ReasoningOptions {
        effort: None,
        max_tokens: None,
        include_text: match thinking["display"].as_str() {
            Some("summarized") => Some(true),
            Some("omitted") => Some(false),
            _ => None,
        },
    };
    match thinking["type"].as_str() {
        Some("enabled") => options.max_tokens = as_u32(&thinking["budget_tokens"]),
        Some("disabled") => options.effort = Some("none".to_owned()),
        Some("adaptive") => {
            let config = rest.get_mut("output_config").and_then(Value::as_object_mut);
            let Some(effort) = config.and_then(|config| config.remove("effort")) else {
                return;
            };
            options.effort = effort.as_str().map(str::to_owned);
        }
        _ => return,
    }
    rest.remove("thinking");
    request.reasoning = Some(options);
}

/// Tells `output_config.format`, or the older `output_format`, in neutral words.
fn answer_format(older: Value, rest: &mut Map<String, Value>, request: &mut ChatRequest) {
    let config = rest.get_mut("output_config").and_then(Value::as_object_mut);
    let newer = config.and_then(|config| config.remove("format"));
    let format = newer.unwrap_or(older);
    if format["type"] == "json_schema" {
        request.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: "answer".to_owned(),
            description: None,
            schema: format["schema"].to_string(),
            strict: Some(true),
        }));
    }
}

fn extras(rest: Map<String, Value>) -> Vec<(String, String)> {
    let said = rest
        .into_iter()
        .filter(|(_, value)| !value.is_null() && *value != json!({}));
    said.map(|(name, value)| (name, value.to_string())).collect()
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn as_u32(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// A body with everything left out that says nothing, and with one spelling for what has several.
pub(crate) fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(format) = body.as_object_mut().and_then(|body| body.remove("output_format")) {
        body["output_config"]["format"] = format;
    }
    if body.get("system").is_some_and(Value::is_string) {
        body["system"] = json!(blocks(&body["system"]));
    }
    for message in body["messages"].as_array_mut().into_iter().flatten() {
        let mut content = blocks(&message["content"]);
        for block in &mut content {
            if block["type"] == "tool_result" {
                block["content"] = json!(blocks(&block["content"]));
                if block["is_error"] == false || block["content"] == json!([]) {
                    let fields = block.as_object_mut().unwrap();
                    fields.retain(|_, value| *value != json!(false) && *value != json!([]));
                }
            }
        }
        content.retain(|block| block["text"] != "");
        message["content"] = json!(content);
    }
    for name in ["stream", "tools"] {
        if body[name] == json!(false) || body[name] == json!([]) {
            body[name] = Value::Null;
        }
    }
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        if tool["type"] == "custom" {
            tool["type"] = Value::Null;
        }
    }
    if body["tool_choice"]["disable_parallel_tool_use"] == false {
        body["tool_choice"]["disable_parallel_tool_use"] = Value::Null;
    }
    without_nulls(&mut body);
    body
}

/// Takes `null` members out, but not out of schemas and arguments, where they are values.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            let inner = fields
                .iter_mut()
                .filter(|(name, _)| !["input", "input_schema", "schema"].contains(&name.as_str()));
            inner.for_each(|(_, value)| without_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
