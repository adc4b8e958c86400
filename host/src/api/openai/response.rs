//! The body of a whole answer: OpenAI's `chat.completion`.
//!
//! In: the typed answer. Out: JSON, with the further fields of answer, choice and message where
//! OpenAI has none. Never: a second copy of a large text on the way.

use bytes::{Bytes, BytesMut};

use crate::api::json::write::{self, Object};
use crate::llm;

use super::carriers::{self, MESSAGE_FIELDS, Placed};
use super::request::AnswerForm;
use super::usage;

/// What the host adds where the provider is silent.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    /// The id of an answer that has none.
    pub(crate) id: String,
    /// When, in seconds since 1970.
    pub(crate) created: u64,
}

impl Defaults {
    /// The answer's id, or this one.
    pub(super) fn id<'a>(&'a self, id: &'a str) -> &'a str {
        if id.is_empty() { &self.id } else { id }
    }
}

/// Encodes an answer.
pub(crate) fn encode(response: &llm::ChatResponse, form: AnswerForm, defaults: &Defaults) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    let mut object = Object::begin(&mut out);
    object.field("id", defaults.id(&response.id));
    object.field("object", "chat.completion");
    object.field("created", &response.created.unwrap_or(defaults.created));
    object.field("model", &response.model);
    object.list("choices", &response.choices, |out, choice| {
        encode_choice(out, choice, form)
    });
    if let Some(used) = &response.usage {
        let mut inner = object.object("usage");
        usage::write(&mut inner, used);
        inner.end();
    }
    object.extras(
        &response.extra,
        &["id", "object", "created", "model", "choices", "usage"],
    );
    object.end();
    out.freeze()
}

fn encode_choice(out: &mut BytesMut, choice: &llm::Choice, form: AnswerForm) {
    let mut object = Object::begin(out);
    object.field("index", &choice.index);
    encode_message(object.name("message"), &choice.message, form);
    object.raw("logprobs", choice.logprobs.as_deref().unwrap_or("null"));
    let refused = choice
        .message
        .parts
        .iter()
        .any(|part| matches!(part.content, llm::PartContent::Refusal(_)));
    finish(
        &mut object,
        &choice.finish,
        choice.finish_detail.as_deref(),
        refused,
        form,
    );
    object.extras(
        &choice.extra,
        &["index", "message", "logprobs", "finish_reason", "native_finish_reason"],
    );
    object.end();
}

/// Writes why a choice ended. OpenAI's clients know five words; a provider's own word, and a
/// fuller one, stand beside them.
pub(super) fn finish(
    object: &mut Object<'_>,
    reason: &llm::FinishReason,
    detail: Option<&str>,
    refused: bool,
    form: AnswerForm,
) {
    let (word, own) = match reason {
        llm::FinishReason::Stop => ("stop", None),
        llm::FinishReason::Length => ("length", None),
        llm::FinishReason::ToolCalls if form.legacy_functions => ("function_call", None),
        llm::FinishReason::ToolCalls => ("tool_calls", None),
        llm::FinishReason::ContentFilter => ("content_filter", None),
        // OpenAI ends a refusal it explains with `stop`; one without a word looks filtered.
        llm::FinishReason::Refusal if refused => ("stop", Some("refusal")),
        llm::FinishReason::Refusal => ("content_filter", Some("refusal")),
        llm::FinishReason::Other(own) => ("stop", Some(own.as_str())),
    };
    object.field("finish_reason", word);
    object.optional("native_finish_reason", detail.or(own).filter(|own| *own != word));
}

fn encode_message(out: &mut BytesMut, message: &llm::Message, form: AnswerForm) {
    let mut object = Object::begin(out);
    object.field("role", "assistant");
    content(&mut object, &message.parts);
    let refusal = joined(&message.parts, |content| match content {
        llm::PartContent::Refusal(text) => Some(text),
        _ => None,
    });
    object.field("refusal", &refusal);
    let reasoning = joined(&message.parts, |content| match content {
        llm::PartContent::Reasoning(reasoning) => Some(&reasoning.text),
        _ => None,
    });
    object.optional("reasoning_content", reasoning.filter(|text| !text.is_empty()));
    calls(&mut object, &message.parts, form);
    let placed: Vec<_> = message
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| Placed::of(index, part))
        .collect();
    let mut taken = carriers::write(&mut object, &placed);
    taken.extend(MESSAGE_FIELDS);
    if placed
        .iter()
        .any(|part| matches!(part.piece, carriers::Piece::Media(_)))
    {
        taken.push("audio");
    }
    object.extras(&message.extra, &taken);
    object.end();
}

/// Writes `content`: all texts as one. It is null where something else stands for the answer, as
/// OpenAI has it, and an empty string where nothing does.
fn content(object: &mut Object<'_>, parts: &[llm::Part]) {
    let text = joined(parts, |content| match content {
        llm::PartContent::Text(text) => Some(text),
        _ => None,
    });
    let stands_for_text = |part: &llm::Part| match &part.content {
        llm::PartContent::ToolCall(_) | llm::PartContent::Refusal(_) => true,
        llm::PartContent::Media(media) => carriers::MediaField::of(media) == carriers::MediaField::Audio,
        llm::PartContent::Other(other) => carriers::is_tool_call(other),
        _ => false,
    };
    match text.as_deref() {
        None | Some("") if parts.iter().any(stands_for_text) => object.raw("content", "null"),
        None => object.field("content", ""),
        Some(text) => object.field("content", text),
    }
}

/// The texts that `pick` finds, as one; a single one is not copied.
fn joined<'a>(
    parts: &'a [llm::Part],
    pick: impl Fn(&'a llm::PartContent) -> Option<&'a String>,
) -> Option<std::borrow::Cow<'a, str>> {
    let mut texts = parts.iter().filter_map(|part| pick(&part.content));
    let mut all = std::borrow::Cow::Borrowed(texts.next()?.as_str());
    for text in texts {
        all.to_mut().push_str(text);
    }
    Some(all)
}

/// Writes the calls. A caller that declared `functions` gets the first as `function_call`.
fn calls(object: &mut Object<'_>, parts: &[llm::Part], form: AnswerForm) {
    let mut calls: Vec<&llm::Part> = parts
        .iter()
        .filter(|part| match &part.content {
            llm::PartContent::ToolCall(_) => true,
            llm::PartContent::Other(other) => carriers::is_tool_call(other),
            _ => false,
        })
        .collect();
    if form.legacy_functions
        && let Some(llm::PartContent::ToolCall(call)) = calls.first().map(|part| &part.content)
    {
        let mut inner = object.object("function_call");
        inner.field("name", &call.name);
        inner.field("arguments", &call.arguments);
        inner.end();
        calls.remove(0);
    }
    if !calls.is_empty() {
        object.list("tool_calls", calls, |out, part| match &part.content {
            llm::PartContent::ToolCall(call) => carriers::tool_call(out, call, part),
            llm::PartContent::Other(other) => write::raw(out, &other.value),
            _ => {}
        });
    }
}
