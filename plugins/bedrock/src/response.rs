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
use llm_provider_sdk::types::{ChatEvent, ChatResponse, Error, Media, MediaSource};
use serde::Deserialize;
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
    let output: Output = operation.read(head, body)?;
    let Some(ConverseOutput::Message(message)) = output.output else {
        return Err(error::not_the_api("it has no message"));
    };
    let inner: RawOutput = raw.take_as("output").unwrap_or_default();
    let mut blocks = inner.message.content.into_iter();
    let mut answer = Answer::new(context);
    answer.start();
    for (block, at) in message.content.into_iter().zip(0..) {
        let raw = blocks.next().unwrap_or_default();
        self::block(at, block, raw, &mut answer);
        answer.block_end(at);
    }
    answer.finish(output.stop_reason.as_str(), Vec::new());
    raw.take("stopReason");
    metadata(raw, &mut answer);
    answer.done();
    Ok(answer.take())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawOutput {
    message: RawMessage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawMessage {
    content: Vec<Object>,
}

fn block(at: u32, block: ContentBlock, mut raw: Object, answer: &mut Answer) {
    match block {
        ContentBlock::Text(text) => answer.text(at, &text),
        ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(thought)) => {
            answer.reasoning(at, &thought.text);
            answer.signature(at, thought.signature.as_deref().unwrap_or_default());
        }
        ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(data)) => {
            answer.redacted(at, &STANDARD.encode(data));
        }
        ContentBlock::ToolUse(call) if !call.r#type.as_ref().is_some_and(|kind| is_own(kind.as_str())) => {
            let mut fields: Object = raw.take_as("toolUse").unwrap_or_default();
            answer.call(at, &call.tool_use_id, &call.name);
            answer.arguments(at, fields.take("input").as_deref().map_or("{}", RawValue::get));
        }
        ContentBlock::CitationsContent(cited) => {
            for piece in cited.content() {
                if let Ok(text) = piece.as_text() {
                    answer.text(at, text);
                }
            }
            let mut fields: Object = raw.take_as("citationsContent").unwrap_or_default();
            if let Some(citations) = fields.take("citations") {
                answer.text_extra(at, vec![("citations".to_owned(), citations.get().to_owned())]);
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

/// A block of the provider's own: its one member says what it is.
fn other(at: u32, raw: &Object, answer: &mut Answer) {
    let member = raw.members().next();
    if let Some((kind, value)) = member {
        answer.other(at, kind, value.get().to_owned());
    }
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
