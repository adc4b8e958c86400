//! Whole answers of Converse.
//!
//! In: the SDK's typed output, and the JSON it was read from. Out: the neutral answer; a block without
//! a neutral form is carried as it is. Never: a failure over something unknown inside an answer.
//!
//! The typed output says what a block is. What its types would lose (the order and spelling of a
//! call's input, blocks and fields that are newer than the SDK) is taken from the JSON.

use aws_sdk_bedrockruntime::operation::converse::ConverseOutput as Output;
use aws_sdk_bedrockruntime::types::{ContentBlock, ConverseOutput, ImageSource, ReasoningContentBlock};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::types::{ChatEvent, ChatResponse, Error, Extras, Media, MediaSource};
use serde_json::value::RawValue;

use crate::answer::{Answer, Context};
use crate::error;
use crate::transport::{Answered, Operation};
use crate::usage;

/// Reads a whole answer: it is what a stream of its blocks adds up to.
///
/// Errors: `upstream` when the body is not of the API.
pub fn decode(operation: &Operation, head: &Answered, body: Vec<u8>, context: Context) -> Result<ChatResponse, Error> {
    fold(events(operation, head, body, context)?)
}

/// The events of a whole answer, as if it had been streamed. Errors as in [`decode`].
pub fn events(
    operation: &Operation,
    head: &Answered,
    body: Vec<u8>,
    context: Context,
) -> Result<Vec<ChatEvent>, Error> {
    let body = Bytes::from(body);
    let mut raw = std::str::from_utf8(&body)
        .ok()
        .and_then(Object::parse)
        .ok_or_else(|| error::not_the_api("it is not a JSON object"))?;
    let mut output: Object = raw.take_as("output").unwrap_or_default();
    let mut message: Object = output.take_as("message").unwrap_or_default();
    let said: Vec<Object> = message.take_as("content").unwrap_or_default();
    let reason: Option<String> = raw.take_as("stopReason");
    let blocks = match operation.read::<Output>(head, body) {
        Ok(output) => match output.output {
            Some(ConverseOutput::Message(message)) => message.content.into_iter().map(Some).zip(said).collect(),
            _ => return Err(error::not_the_api("it has no message")),
        },
        // The service has said more than the SDK takes, unless it is not the service's answer at all.
        Err(fault) if reason.is_none() => return Err(fault),
        Err(_) => one_by_one(operation, head, &said),
    };
    let mut answer = Answer::new(context);
    answer.start();
    for ((block, raw), at) in blocks.into_iter().zip(0..) {
        match block {
            Some(block) => self::block(at, block, raw, &mut answer),
            None => other(at, &raw, &mut answer),
        }
        answer.block_end(at);
    }
    answer.finish(reason.as_deref().unwrap_or("unknown"), Vec::new());
    message.take("role");
    for (name, value) in output.into_extras().into_iter().chain(message.into_extras()) {
        answer.field(&name, value);
    }
    metadata(raw, &mut answer);
    answer.done();
    Ok(answer.take())
}

/// A block, where the SDK knows it, and its JSON.
type Said = (Option<ContentBlock>, Object);

/// The blocks of an answer that the SDK refuses as a whole. It does so for a block that is empty or has a
/// member more than it knows, and for JSON that is nested deeply. Each member of each block is a block
/// then, and is read without the free JSON that is taken from the text anyway.
fn one_by_one(operation: &Operation, head: &Answered, blocks: &[Object]) -> Vec<Said> {
    let members = blocks.iter().flat_map(Object::members);
    let members = members.filter(|(_, value)| value.get() != "null");
    let said = members.flat_map(|(name, value)| apart(name, value));
    said.map(|block| (typed(operation, head, &block), block)).collect()
}

/// A member of a block as a block. Reasoning is a union of its own, whose members are blocks as well.
fn apart(name: &str, value: &RawValue) -> Vec<Object> {
    let inner = Object::parse(value.get()).filter(|_| name == "reasoningContent");
    match inner {
        Some(inner) => inner
            .members()
            .map(|(member, value)| Object::new().with(name, Object::new().with(member, value)))
            .collect(),
        None => vec![Object::new().with(name, value)],
    }
}

/// What the SDK makes of a block, if it takes it without its free JSON.
fn typed(operation: &Operation, head: &Answered, block: &Object) -> Option<ContentBlock> {
    let (name, value) = block.members().next()?;
    let mut bare = Object::parse(value.get()).unwrap_or_default();
    let bare = match name {
        "toolUse" => bare.take("input").map(|_| bare),
        "citationsContent" => {
            bare.take("citations");
            let pieces: Vec<Object> = bare.take_as("content").unwrap_or_default();
            let texts = pieces.iter().filter_map(|piece| piece.get("text"));
            let texts = texts.map(|text| Object::new().with("text", text)).collect();
            Some(Object::new().with_list("content", texts))
        }
        _ => None,
    };
    let told = match bare {
        Some(bare) => Object::new().with_object(name, bare),
        None => Object::new().with(name, value),
    };
    let message = Object::new().with("role", "assistant").with_list("content", vec![told]);
    let body = Object::new()
        .with_object("output", Object::new().with_object("message", message))
        .with("stopReason", "end_turn");
    let output: Output = operation.read(head, Bytes::from(body.to_bytes())).ok()?;
    match output.output {
        Some(ConverseOutput::Message(message)) => message.content.into_iter().next(),
        _ => None,
    }
}

fn block(at: u32, block: ContentBlock, mut raw: Object, answer: &mut Answer) {
    match block {
        ContentBlock::Text(text) => answer.text(at, &text),
        ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(thought)) => {
            answer.reasoning(at, &thought.text);
            answer.signature(at, thought.signature.as_deref().unwrap_or_default());
            let mut fields: Object = raw.take_as("reasoningContent").unwrap_or_default();
            let fields: Object = fields.take_as("reasoningText").unwrap_or_default();
            answer.reasoning_extra(at, unplaced(fields, &["text", "signature"]));
        }
        ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(data)) => {
            answer.redacted(at, &STANDARD.encode(data));
        }
        ContentBlock::ToolUse(call) if !call.r#type.as_ref().is_some_and(|kind| is_own(kind.as_str())) => {
            let mut fields: Object = raw.take_as("toolUse").unwrap_or_default();
            answer.call(at, &call.tool_use_id, &call.name);
            answer.arguments(at, fields.take("input").as_deref().map_or("{}", RawValue::get));
            answer.call_extra(&call.tool_use_id, unplaced(fields, OF_CALLS));
        }
        ContentBlock::CitationsContent(cited) => {
            let texts = cited.content().iter().filter_map(|piece| piece.as_text().ok());
            texts.for_each(|text| answer.text(at, text));
            let mut fields: Object = raw.take_as("citationsContent").unwrap_or_default();
            let pieces: Vec<Object> = fields.read("content").unwrap_or_default();
            if pieces.iter().all(is_only_text) {
                fields.take("content");
            }
            let extra = fields.into_extras();
            if !extra.is_empty() {
                answer.text_extra(at, extra);
            }
        }
        ContentBlock::Image(image) => match image.source {
            Some(ImageSource::Bytes(bytes)) => {
                let source = MediaSource::Inline(bytes.into_inner());
                answer.media(at, Media::new(format!("image/{}", image.format.as_str()), source));
            }
            _ => other(at, &raw, answer),
        },
        _ => other(at, &raw, answer),
    }
}

fn is_only_text(piece: &Object) -> bool {
    piece.members().all(|(name, _)| name == "text")
}

/// A block of the provider's own: its one member says what it is.
fn other(at: u32, raw: &Object, answer: &mut Answer) {
    let member = raw.members().next();
    if let Some((kind, value)) = member {
        answer.other(at, kind, value.get().to_owned());
    }
}

/// Members of a call that have a place in the neutral one. Its type says that it is one.
pub(crate) const OF_CALLS: &[&str] = &["toolUseId", "name", "input", "type"];

/// The members that have no place.
pub(crate) fn unplaced(mut fields: Object, placed: &[&str]) -> Extras {
    for name in placed {
        fields.take(name);
    }
    fields.into_extras()
}

/// Whether a call is one that the provider runs itself.
pub(crate) fn is_own(kind: &str) -> bool {
    kind == "server_tool_use"
}

/// What comes with an answer beside its message: counts, trace, tier. Padding says nothing.
pub(crate) fn metadata(mut fields: Object, answer: &mut Answer) {
    if let Some(usage) = fields.take_as::<Object>("usage") {
        answer.usage(usage::decode(usage));
    }
    fields.take("p");
    if let Some(tier) = fields.take_as::<Object>("serviceTier")
        && let Some(kind) = tier.get("type")
    {
        answer.field("service_tier", kind.get().to_owned());
    }
    for (name, value) in fields.into_extras() {
        answer.field(&name, value);
    }
}
