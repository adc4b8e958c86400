//! Parts of messages as content blocks.
//!
//! In: one part and who says it. Out: one block, or none and a reason. Never: a thinking block
//! without the signature it came with, since the API refuses an altered one.

use llm_provider_sdk::openai;
use llm_provider_sdk::types::{
    Annotated, CacheHint, Error, Extras, Part, PartContent, ProviderState, Reasoning, ResultContent, ToolCall,
    ToolResult,
};

use super::media;
use crate::report::Report;
use crate::response::STATE_FORMAT;
use crate::wire::{self, Object};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
}

/// Lifetimes of cache entries, in seconds.
const FIVE_MINUTES: u32 = 300;
const ONE_HOUR: u32 = 3_600;

/// Blocks that are sent as they are, beside every `*_tool_use` and `*_tool_result`: what the API
/// gives out, and what callers write themselves where a block has no neutral form.
const KNOWN_BLOCKS: &[&str] = &[
    "browser_state",
    "compaction",
    "connector_text",
    "container_upload",
    "document",
    "fallback",
    "image",
    "mcp_tool_listing",
    "mid_conv_system",
    "search_result",
    "text",
    "tool_addition",
    "tool_reference",
    "tool_removal",
];

/// Of them, those that an instruction in the middle of a conversation may hold.
const SYSTEM_BLOCKS: &[&str] = &["tool_addition", "tool_removal"];

/// The block for a part. `None` when it cannot be carried; the report then says why.
///
/// Errors: `unsupported` for media that Anthropic cannot read.
pub(super) fn encode(part: Part, speaker: Speaker, at: &str, report: &mut Report) -> Result<Option<Object>, Error> {
    let takes_cache = !matches!(part.content, PartContent::Reasoning(_));
    let extra = &part.extra;
    let block = match part.content {
        PartContent::Text(text) | PartContent::Refusal(text) => text_block(&text, extra, at, report),
        PartContent::Reasoning(_) | PartContent::ToolCall(_) if speaker != Speaker::Assistant => {
            report.add(at, "only the assistant's turns can hold it");
            None
        }
        PartContent::Reasoning(reasoning) => thinking(&reasoning, part.state.as_ref(), at, report),
        PartContent::ToolCall(call) => Some(tool_use(&call, extra, at, report)),
        PartContent::Other(other) if speaker == Speaker::System && SYSTEM_BLOCKS.contains(&other.kind.as_str()) => {
            as_it_was(&other, at, report)
        }
        _ if speaker == Speaker::System => {
            report.add(at, "Anthropic takes only text as a system prompt");
            None
        }
        PartContent::Other(other) if other.kind == "custom" && speaker == Speaker::Assistant => {
            custom_call(&other, at, report)
        }
        PartContent::Other(other) => as_it_was(&other, at, report),
        _ if speaker == Speaker::Assistant => {
            report.add(at, "Anthropic does not take it in the assistant's turns");
            None
        }
        PartContent::Media(media) => Some(media::encode(media, extra, at, report)?),
        PartContent::ToolResult(result) => Some(tool_result(result, extra, at, report)?),
    };
    Ok(match (block, part.cache) {
        (Some(block), Some(hint)) if takes_cache => {
            Some(block.with_object("cache_control", cache_control(&hint, at, report)))
        }
        (block, Some(_)) => {
            report.add(format!("{at}.cache_control"), "the part it stands on takes none");
            block
        }
        (block, None) => block,
    })
}

/// A cache hint in Anthropic's form. There are two lifetimes; another one is rounded up to the next.
pub(super) fn cache_control(hint: &CacheHint, at: &str, report: &mut Report) -> Object {
    let control = Object::of_type("ephemeral");
    let Some(seconds) = hint.ttl_seconds else {
        return control;
    };
    let ttl = if seconds <= FIVE_MINUTES { "5m" } else { "1h" };
    if seconds != FIVE_MINUTES && seconds != ONE_HOUR {
        report.add(
            format!("{at}.cache_control.ttl"),
            format!("Anthropic keeps a prompt for 5 minutes or for 1 hour; `{ttl}` was sent for {seconds} seconds"),
        );
    }
    control.with("ttl", ttl)
}

fn text_block(text: &str, extra: &Extras, at: &str, report: &mut Report) -> Option<Object> {
    if text.is_empty() {
        return None;
    }
    if text.trim().is_empty() {
        report.add(at, "Anthropic refuses text that is only white space");
        return None;
    }
    let mut block = Object::of_type("text").with("text", text);
    take_known(extra, &["citations"], at, &mut block, report);
    Some(block)
}

/// A block of thinking goes back only with its signature, byte for byte.
fn thinking(reasoning: &Reasoning, state: Option<&ProviderState>, at: &str, report: &mut Report) -> Option<Object> {
    let Some(state) = state else {
        report.add(
            at,
            "Anthropic takes reasoning back only with its own signature, and this has none",
        );
        return None;
    };
    if state.format != STATE_FORMAT {
        report.add(at, format!("it is reasoning of another provider (`{}`)", state.format));
        return None;
    }
    let Ok(data) = std::str::from_utf8(&state.data) else {
        report.add(at, "its signature is not text, so it is not one of Anthropic's");
        return None;
    };
    Some(if reasoning.redacted {
        Object::of_type("redacted_thinking").with("data", data)
    } else {
        Object::of_type("thinking")
            .with("thinking", &reasoning.text)
            .with("signature", data)
    })
}

fn tool_use(call: &ToolCall, extra: &Extras, at: &str, report: &mut Report) -> Object {
    let mut block = Object::of_type("tool_use")
        .with("id", call_id(&call.id))
        .with("name", &call.name);
    match wire::raw(&call.arguments) {
        Some(input) if Object::parse(input.get()).is_some() => block.put("input", input),
        _ if call.arguments.trim().is_empty() => block.put_object("input", Object::new()),
        // What Anthropic's page on fine-grained tool streaming tells to do with broken arguments.
        _ => {
            report.add(
                format!("{at}.arguments"),
                "they are not a JSON object; they were sent as the text `INVALID_JSON`",
            );
            block.put_object("input", Object::new().with("INVALID_JSON", &call.arguments));
        }
    }
    take_known(extra, &["caller", "toolset_name"], at, &mut block, report);
    block
}

/// A call of OpenAI's tools with free text. It is answered by a result, which Anthropic refuses without
/// the call.
fn custom_call(call: &Annotated, at: &str, report: &mut Report) -> Option<Object> {
    let block = openai::custom_call(call).map(|call| {
        let block = Object::of_type("tool_use")
            .with("id", call_id(&call.id))
            .with("name", &call.name);
        let input = Object::parse(&call.arguments).unwrap_or_default();
        block.with_object("input", input)
    });
    let reason = match &block {
        Some(_) => "Anthropic has no calls with free text; it was sent as a function's, with the text as `input`",
        None => "it is not a call in OpenAI's form",
    };
    report.add(at, reason);
    block
}

fn tool_result(result: ToolResult, extra: &Extras, at: &str, report: &mut Report) -> Result<Object, Error> {
    let mut block = Object::of_type("tool_result").with("tool_use_id", call_id(&result.call_id));
    let mut content = Vec::new();
    for (index, piece) in result.content.into_iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        content.extend(match piece {
            ResultContent::Text(text) if text.is_empty() => None,
            ResultContent::Text(text) if text.trim().is_empty() => {
                report.add(at, "Anthropic refuses text that is only white space");
                None
            }
            ResultContent::Text(text) => Some(Object::of_type("text").with("text", text)),
            ResultContent::Media(media) => Some(media::encode(media, &Vec::new(), &at, report)?),
            ResultContent::Other(other) => as_it_was(&other, &at, report),
        });
    }
    if content.is_empty() && result.is_error {
        report.add(
            at,
            "Anthropic refuses a failure that says nothing; it was sent with the word `error`",
        );
        content.push(Object::of_type("text").with("text", "error"));
    }
    if !content.is_empty() {
        block.put_list("content", content);
    }
    if result.is_error {
        block.put("is_error", true);
    }
    take_known(extra, &["toolset_name"], at, &mut block, report);
    Ok(block)
}

fn as_it_was(other: &Annotated, at: &str, report: &mut Report) -> Option<Object> {
    let kind = other.kind.as_str();
    let is_known = KNOWN_BLOCKS.contains(&kind) || kind.ends_with("_tool_use") || kind.ends_with("_tool_result");
    let block =
        Object::parse(&other.value).filter(|block| is_known && block.read::<String>("type").as_deref() == Some(kind));
    if block.is_none() {
        report.add(at, format!("Anthropic has no content block `{kind}`"));
    }
    block
}

/// An id that Anthropic takes: letters, digits, `_` and `-`. Ids of other providers can hold more;
/// those characters are written as their code, the same in a call and in its result.
fn call_id(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
            out.push(c);
        } else {
            out.push_str(&format!("_{:x}", u32::from(c)));
        }
    }
    out
}

/// Moves the extra fields that the API knows into the object and reports the others. `null` says
/// nothing.
pub(super) fn take_known(extra: &Extras, known: &[&str], at: &str, out: &mut Object, report: &mut Report) {
    for (name, json) in extra.iter().filter(|(_, json)| json != "null") {
        if !known.contains(&name.as_str()) {
            report.add(format!("{at}.{name}"), "Anthropic does not know the field");
        } else if !out.put_json(name, json) {
            report.add(format!("{at}.{name}"), "it is not JSON");
        }
    }
}
