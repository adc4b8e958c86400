//! Messages of a request.
//!
//! In: the items of `messages`. Out: neutral messages; a field without a place of its own stays
//! in the message's `extra`. Never: a check of the conversation's order; providers differ in what
//! they take.

use crate::api::json::{Node, Object, Path};
use crate::error::GatewayError;
use crate::llm;

use super::{assistant, part};

/// Decodes `messages`. An empty list goes on: what to say of it is the provider's.
pub(super) fn decode_all(node: Node<'_>, path: &Path<'_>) -> Result<Vec<llm::Message>, GatewayError> {
    let items = node.into_list(path)?;
    let mut legacy = LegacyCalls::default();
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| message(item, &path.item(index), index, &mut legacy))
        .collect()
}

/// Calls in the form that had no ids: a result belongs to the call before it.
#[derive(Default)]
struct LegacyCalls {
    last: Option<String>,
}

impl LegacyCalls {
    /// The id of a call, made from the place it stands at, so that it is the same in every
    /// request of the conversation.
    fn call(&mut self, index: usize) -> String {
        let id = format!("call_fn_{index}");
        self.last = Some(id.clone());
        id
    }

    fn answered(&mut self, index: usize) -> String {
        self.last
            .take()
            .unwrap_or_else(|| format!("call_fn_{}", index.saturating_sub(1)))
    }
}

fn message(
    node: Node<'_>,
    path: &Path<'_>,
    index: usize,
    legacy: &mut LegacyCalls,
) -> Result<llm::Message, GatewayError> {
    let mut object = node.into_object(path)?;
    let role = object.required_text("role")?;
    let (role, is_function) = match role.as_ref() {
        "system" => (llm::Role::System, false),
        "developer" => (llm::Role::Developer, false),
        "user" => (llm::Role::User, false),
        "assistant" => (llm::Role::Assistant, false),
        "tool" => (llm::Role::Tool, false),
        "function" => (llm::Role::Tool, true),
        other => {
            return Err(path.field("role").invalid(format_args!(
                "expected `system`, `developer`, `user`, `assistant`, `tool` or `function`, got `{other}`"
            )));
        }
    };
    let mut name = object.text("name")?.map(String::from);
    let mut parts = match role {
        llm::Role::Assistant => assistant::parts(&mut object, || legacy.call(index))?,
        llm::Role::Tool => {
            let call_id = if is_function {
                if name.is_none() {
                    return Err(object.missing("name", "the function's name"));
                }
                legacy.answered(index)
            } else {
                object.required_text("tool_call_id")?.into_owned()
            };
            vec![tool_result(&mut object, call_id, name.take())?]
        }
        _ => part::content(
            object.required("content", "a string or an array of parts")?,
            &path.field("content"),
        )?,
    };
    // Typed clients write the assistant's fields on every message, as null.
    object.forget_nulls(&[
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "tool_call_id",
        "audio",
        "annotations",
    ]);
    object.forget_empty_lists(&["tool_calls", "annotations"]);
    cache_whole_message(&mut object, &mut parts);
    Ok(llm::Message {
        role,
        name,
        parts,
        extra: object.rest(),
    })
}

/// A hint on the message is one on its last part: both mean the prompt up to here.
fn cache_whole_message(object: &mut Object<'_, '_>, parts: &mut [llm::Part]) {
    if let Some(last) = parts.last_mut().filter(|last| last.cache.is_none()) {
        last.cache = part::cache_hint(object);
    }
}

/// The one part of a tool's message.
fn tool_result(object: &mut Object<'_, '_>, call_id: String, name: Option<String>) -> Result<llm::Part, GatewayError> {
    let is_error = object.boolean("is_error")?.unwrap_or(false);
    let path = object.path().field("content");
    let content = match object.take("content") {
        Some(content) => part::content(content, &path)?,
        // The legacy form says null for a function that gives nothing.
        None => Vec::new(),
    };
    let mut cache = None;
    let mut extra = Vec::new();
    let mut result = Vec::with_capacity(content.len());
    for (index, part) in content.into_iter().enumerate() {
        cache = part.cache.or(cache);
        extra.extend(
            part.extra
                .into_iter()
                .map(|(name, value)| (format!("content[{index}].{name}"), value)),
        );
        result.push(match part.content {
            llm::PartContent::Text(text) => llm::ResultContent::Text(text),
            llm::PartContent::Media(media) => llm::ResultContent::Media(media),
            llm::PartContent::Other(other) => llm::ResultContent::Other(other),
            llm::PartContent::Refusal(_)
            | llm::PartContent::Reasoning(_)
            | llm::PartContent::ToolCall(_)
            | llm::PartContent::ToolResult(_) => {
                return Err(path.item(index).invalid("expected text, an image, a file or a sound"));
            }
        });
    }
    let content = llm::PartContent::ToolResult(llm::ToolResult {
        call_id,
        name,
        is_error,
        content: result,
    });
    Ok(llm::Part {
        content,
        state: None,
        cache,
        extra,
    })
}
