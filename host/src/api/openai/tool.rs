//! Tools on offer, which of them to use, and the calls in an assistant's message.
//!
//! In: `tools`, `functions`, `tool_choice`, `function_call`, `tool_calls`. Out: the neutral forms;
//! a tool or choice of the provider's own goes on as its JSON. Never: a check of a schema.

use crate::api::json::{Node, Path};
use crate::error::GatewayError;
use crate::llm;

use super::{part, state};

/// Decodes an item of `tools`.
pub(super) fn spec(node: Node<'_>, path: &Path<'_>) -> Result<llm::ToolSpec, GatewayError> {
    let mut object = node.into_object(path)?;
    let kind = match object.peek("type") {
        Some(Node::Text(kind)) => kind.clone().into_owned(),
        Some(other) => return Err(path.field("type").wrong_type("a string", other)),
        None if object.peek("function").is_some() => "function".to_owned(),
        None => return Err(object.missing("type", "the kind of the tool, e.g. `function`")),
    };
    if kind != "function" {
        return Ok(llm::ToolSpec::Other(llm::Annotated {
            kind,
            value: object.into_node().to_json(),
        }));
    }
    object.take("type");
    let inner = object.required("function", "an object with `name` and `parameters`")?;
    let mut tool = function(inner, &path.field("function"))?;
    tool.cache = part::cache_hint(&mut object);
    tool.extra.append(&mut object.rest());
    Ok(llm::ToolSpec::Function(tool))
}

/// Decodes a function's declaration: `tools[].function`, or an item of the legacy `functions`.
pub(super) fn function(node: Node<'_>, path: &Path<'_>) -> Result<llm::Tool, GatewayError> {
    let mut object = node.into_object(path)?;
    let name = object.required_text("name")?.into_owned();
    let description = object.text("description")?.map(Into::into);
    let input_schema = match object.take("parameters") {
        None => None,
        Some(schema @ Node::Map(_)) => Some(schema.to_json()),
        Some(other) => return Err(path.field("parameters").wrong_type("an object (a JSON Schema)", &other)),
    };
    let strict = object.boolean("strict")?;
    Ok(llm::Tool {
        name,
        description,
        input_schema,
        strict,
        cache: None,
        extra: object.rest(),
    })
}

/// Decodes `tool_choice`, and the legacy `function_call` which differs in one form only.
pub(super) fn choice(node: Node<'_>, path: &Path<'_>) -> Result<llm::ToolChoice, GatewayError> {
    match &node {
        Node::Text(word) => Ok(match word.as_ref() {
            "auto" => llm::ToolChoice::Auto,
            "none" => llm::ToolChoice::None,
            "required" => llm::ToolChoice::Required,
            _ => llm::ToolChoice::Other(node.to_json()),
        }),
        Node::Map(_) => {
            let json = node.to_json();
            let mut object = node.into_object(path)?;
            match object.text("type")?.as_deref() {
                Some("function") => {
                    let inner = object.required("function", "an object with `name`")?;
                    let name = inner
                        .into_object(&path.field("function"))?
                        .required_text("name")?
                        .into_owned();
                    Ok(llm::ToolChoice::Named(name))
                }
                Some(_) => Ok(llm::ToolChoice::Other(json)),
                None => Ok(llm::ToolChoice::Named(object.required_text("name")?.into_owned())),
            }
        }
        other => Err(path.wrong_type("a string or an object", other)),
    }
}

/// Decodes an item of an assistant's `tool_calls`.
pub(super) fn call(node: Node<'_>, path: &Path<'_>) -> Result<llm::Part, GatewayError> {
    let mut object = node.into_object(path)?;
    if let Some(Node::Text(kind)) = object.peek("type")
        && kind != "function"
    {
        let other = llm::Annotated {
            kind: kind.clone().into_owned(),
            value: object.into_node().to_json(),
        };
        return Ok(part::plain(llm::PartContent::Other(other)));
    }
    object.take("type");
    // Clients that gather a stream leave the position in; it says nothing that the order does not.
    object.take("index");
    let id = object.required_text("id")?.into_owned();
    let state = state::take(&mut object)?;
    let cache = part::cache_hint(&mut object);
    let inner = object.required("function", "an object with `name` and `arguments`")?;
    let (call, mut nested) = called(inner, &path.field("function"), id)?;
    let mut extra = object.rest();
    extra.append(&mut nested);
    Ok(llm::Part {
        content: llm::PartContent::ToolCall(call),
        state,
        cache,
        extra,
    })
}

/// Decodes a call's `{name, arguments}`; the second value are its further fields.
pub(super) fn called(
    node: Node<'_>,
    path: &Path<'_>,
    id: String,
) -> Result<(llm::ToolCall, llm::Extras), GatewayError> {
    let mut object = node.into_object(path)?;
    let name = object.required_text("name")?.into_owned();
    let arguments = match object.take("arguments") {
        Some(Node::Text(text)) => text.into_owned(),
        // Some frameworks send the arguments as the object they are.
        Some(value @ Node::Map(_)) => value.to_json(),
        Some(other) => return Err(path.field("arguments").wrong_type("a string of JSON", &other)),
        None => return Err(object.missing("arguments", "a string of JSON")),
    };
    Ok((llm::ToolCall { id, name, arguments }, object.prefixed_rest("function.")))
}
