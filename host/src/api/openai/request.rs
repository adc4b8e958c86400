//! The body of `POST /v1/chat/completions`.
//!
//! In: the body's bytes, by OpenAI's API reference. Out: the typed request, and the form its
//! answer is wanted in. Every field without a place of its own survives in an `extra`. Never: a
//! thought of the provider that will answer.

use crate::api::json::{Node, Object, Path};
use crate::error::GatewayError;
use crate::llm;

use super::{message, tool};

/// A decoded request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoded {
    /// What goes on. Its model is the one that the caller named.
    pub(crate) request: llm::ChatRequest,
    /// Whether the answer is wanted piece by piece.
    pub(crate) stream: bool,
    /// What stays here.
    pub(crate) form: AnswerForm,
}

/// How the caller wants the answer written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerForm {
    /// `stream_options.include_usage`: a last chunk with the usage.
    pub(crate) include_usage: bool,
    /// The request declared `functions`, so calls go back as `function_call`.
    pub(crate) legacy_functions: bool,
}

/// Decodes a body.
///
/// # Errors
/// `InvalidRequest` with the path of the field that is wrong.
pub(crate) fn decode(body: &[u8]) -> Result<Decoded, GatewayError> {
    let root = Path::ROOT;
    let mut object = Node::parse(body)?.into_object(&root)?;
    // Without a name the configuration's default model answers, if there is one.
    let model = object.text("model")?.unwrap_or_default().into_owned();
    let messages = object.required("messages", "an array of messages")?;
    let messages = message::decode_all(messages, &root.field("messages"))?;
    let stream = object.boolean("stream")?.unwrap_or(false);
    let mut nested = Vec::new();
    let include_usage = stream_options(&mut object, &mut nested)?;
    let (tools, legacy_functions) = tools(&mut object)?;
    let tool_choice = tool_choice(&mut object)?;
    // The legacy form has room for one call.
    let parallel_tool_calls = object
        .boolean("parallel_tool_calls")?
        .or(legacy_functions.then_some(false));
    let chat = llm::ChatRequest {
        model,
        messages,
        sampling: sampling(&mut object)?,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format: response_format(&mut object, &mut nested)?,
        reasoning: reasoning(&mut object, &mut nested)?,
        user: object.text("user")?.map(Into::into),
        extra: {
            let mut extra = object.rest();
            extra.append(&mut nested);
            extra
        },
    };
    Ok(Decoded {
        request: chat,
        stream,
        form: AnswerForm {
            include_usage,
            legacy_functions,
        },
    })
}

/// Takes `stream_options`. Usage concerns this wire alone, since an adapter always asks for it;
/// the other options go on.
pub(super) fn stream_options(object: &mut Object<'_, '_>, nested: &mut llm::Extras) -> Result<bool, GatewayError> {
    let path = object.path().field("stream_options");
    let Some(options) = object.take("stream_options") else {
        return Ok(false);
    };
    let mut options = options.into_object(&path)?;
    let include_usage = options.boolean("include_usage")?.unwrap_or(false);
    let rest = options.into_node();
    if !matches!(&rest, Node::Map(fields) if fields.is_empty()) {
        nested.push(("stream_options".to_owned(), rest.to_json()));
    }
    Ok(include_usage)
}

/// Takes `tools` and the legacy `functions`; the second value says whether only the latter came.
fn tools(object: &mut Object<'_, '_>) -> Result<(Vec<llm::ToolSpec>, bool), GatewayError> {
    let mut tools = Vec::new();
    let path = object.path().field("tools");
    if let Some(items) = object.take("tools") {
        for (index, item) in items.into_list(&path)?.into_iter().enumerate() {
            tools.push(tool::spec(item, &path.item(index))?);
        }
    }
    let mut legacy = false;
    let path = object.path().field("functions");
    if let Some(items) = object.take("functions") {
        legacy = tools.is_empty();
        for (index, item) in items.into_list(&path)?.into_iter().enumerate() {
            tools.push(llm::ToolSpec::Function(tool::function(item, &path.item(index))?));
        }
    }
    Ok((tools, legacy))
}

fn tool_choice(object: &mut Object<'_, '_>) -> Result<Option<llm::ToolChoice>, GatewayError> {
    let mut chosen = None;
    for name in ["function_call", "tool_choice"] {
        let path = object.path().field(name);
        if let Some(node) = object.take(name) {
            chosen = Some(tool::choice(node, &path)?);
        }
    }
    Ok(chosen)
}

/// Takes how the next token is chosen, and when to stop.
pub(super) fn sampling(object: &mut Object<'_, '_>) -> Result<llm::Sampling, GatewayError> {
    Ok(llm::Sampling {
        temperature: object.number("temperature")?,
        top_p: object.number("top_p")?,
        top_k: object.integer("top_k")?,
        max_output_tokens: agreed(object, "max_completion_tokens", "max_tokens")?,
        stop: stop(object)?,
        seed: object.integer("seed")?,
        frequency_penalty: object.number("frequency_penalty")?,
        presence_penalty: object.number("presence_penalty")?,
        n: object.integer("n")?,
    })
}

/// Two names of one limit. Both may be given if they say the same.
fn agreed(object: &mut Object<'_, '_>, name: &str, old_name: &str) -> Result<Option<u32>, GatewayError> {
    let (new, old) = (object.integer::<u32>(name)?, object.integer::<u32>(old_name)?);
    match (new, old) {
        (Some(new), Some(old)) if new != old => Err(object.path().field(old_name).invalid(format_args!(
            "it says {old} and `{name}` says {new}; they are two names of one limit, send one of them"
        ))),
        _ => Ok(new.or(old)),
    }
}

fn stop(object: &mut Object<'_, '_>) -> Result<Vec<String>, GatewayError> {
    let path = object.path().field("stop");
    match object.take("stop") {
        None => Ok(Vec::new()),
        Some(Node::Text(text)) => Ok(vec![text.into_owned()]),
        Some(Node::List(items)) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| item.into_text(&path.item(index)).map(Into::into))
            .collect(),
        Some(other) => Err(path.wrong_type("a string or an array of strings", &other)),
    }
}

fn response_format(
    object: &mut Object<'_, '_>,
    nested: &mut llm::Extras,
) -> Result<Option<llm::ResponseFormat>, GatewayError> {
    let path = object.path().field("response_format");
    let Some(node) = object.take("response_format") else {
        return Ok(None);
    };
    let mut format = node.into_object(&path)?;
    let kind = match format.peek("type") {
        Some(Node::Text(kind)) => kind.clone(),
        Some(other) => return Err(path.field("type").wrong_type("a string", other)),
        None => return Err(format.missing("type", "`text`, `json_object` or `json_schema`")),
    };
    let decoded = match kind.as_ref() {
        "text" => llm::ResponseFormat::Text,
        "json_object" => llm::ResponseFormat::JsonObject,
        "json_schema" => {
            let path = path.field("json_schema");
            let mut inner = format
                .required("json_schema", "an object with `name` and `schema`")?
                .into_object(&path)?;
            let decoded = llm::ResponseFormat::JsonSchema(llm::SchemaFormat {
                name: inner.required_text("name")?.into_owned(),
                description: inner.text("description")?.map(Into::into),
                schema: match inner.take("schema") {
                    Some(schema @ Node::Map(_)) => schema.to_json(),
                    Some(other) => return Err(path.field("schema").wrong_type("an object (a JSON Schema)", &other)),
                    // OpenAI takes a format without a schema as one that allows everything.
                    None => "{}".to_owned(),
                },
                strict: inner.boolean("strict")?,
            });
            nested.append(&mut inner.prefixed_rest("response_format.json_schema."));
            decoded
        }
        _ => return Ok(Some(llm::ResponseFormat::Other(format.into_node().to_json()))),
    };
    format.take("type");
    nested.append(&mut format.prefixed_rest("response_format."));
    Ok(Some(decoded))
}

/// Takes `reasoning_effort` (OpenAI's chat API) and `reasoning` (its responses API, and several
/// gateways).
fn reasoning(
    object: &mut Object<'_, '_>,
    nested: &mut llm::Extras,
) -> Result<Option<llm::ReasoningOptions>, GatewayError> {
    let mut options = llm::ReasoningOptions {
        effort: object.text("reasoning_effort")?.map(Into::into),
        max_tokens: None,
        include_text: None,
    };
    let mut asked = options.effort.is_some();
    let path = object.path().field("reasoning");
    // Another shape than an object is some provider's own.
    if matches!(object.peek("reasoning"), Some(Node::Map(_)))
        && let Some(node) = object.take("reasoning")
    {
        asked = true;
        let mut inner = node.into_object(&path)?;
        if let Some(effort) = inner.text("effort")? {
            match &options.effort {
                Some(known) if *known != effort => {
                    return Err(path.field("effort").invalid(format_args!(
                        "it says `{effort}` and `reasoning_effort` says `{known}`; send one of them"
                    )));
                }
                _ => options.effort = Some(effort.into_owned()),
            }
        }
        options.max_tokens = inner.integer("max_tokens")?;
        options.include_text = inner.boolean("exclude")?.map(|exclude| !exclude);
        if inner.boolean("enabled")? == Some(false) {
            options.effort.get_or_insert_with(|| "none".to_owned());
        }
        if let Some(summary) = inner.text("summary")? {
            options.include_text.get_or_insert(true);
            // `auto` asks for no more than that there is one.
            if summary != "auto" {
                inner.put_back("summary", Node::Text(summary));
            }
        }
        nested.append(&mut inner.prefixed_rest("reasoning."));
    }
    Ok(asked.then_some(options))
}
