//! Answers of ConverseStream, as a pure state machine.
//!
//! In: the body's bytes, cut anywhere. Out: neutral events that fold to what the whole answer would
//! have been. Never: a failure over an event or a block that is not known (they are carried as `other`),
//! and never an end without `messageStop` that looks like one.
//!
//! The bytes are framed first, so that what is cut or damaged is seen, and what the SDK's types lose
//! can be read from the frame. Each whole frame then goes through the SDK's own reader, and its typed
//! event into the [`Answer`].

use std::collections::BTreeMap;

use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamOutput as Output;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use aws_sdk_bedrockruntime::types::{
    ContentBlockDelta, ContentBlockStart, ConverseStreamOutput, ImageSource, ReasoningContentBlockDelta,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::framer::event_stream::{Frame, Framer};
use llm_provider_sdk::types::{ChatEvent, Error, Media, MediaSource};
use llm_provider_sdk::{HttpError, StreamDecoder};

use crate::answer::{Answer, Context};
use crate::error::{self, AskedFor};
use crate::response;
use crate::transport::{Answered, Events, Frames, Operation};

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    framer: Framer,
    events: Events<ConverseStreamOutput, ConverseStreamOutputError>,
    blocks: Blocks,
    answer: Answer,
    asked: AskedFor,
}

impl Decoder {
    /// A decoder for the answer with this head.
    ///
    /// Errors: `upstream` when the SDK does not take the head.
    pub fn new(operation: &Operation, head: &Answered, context: Context, asked: AskedFor) -> Result<Self, Error> {
        let frames = Frames::default();
        let output: Output = operation.open(head, &frames)?;
        Ok(Self {
            framer: Framer::new(),
            events: Events::new(frames, output.stream),
            blocks: Blocks::default(),
            answer: Answer::new(context),
            asked,
        })
    }

    /// A field of the answer that came beside its events.
    pub(crate) fn field(&mut self, name: &str, json: String, out: &mut Vec<ChatEvent>) {
        if !self.answer.has_ended() {
            self.answer.field(name, json);
            out.append(&mut self.answer.take());
        }
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Error> {
        if let Some(error) = exception(&frame, &self.asked) {
            return Err(error);
        }
        let kind = frame.header(":event-type").unwrap_or_default().to_owned();
        let raw = Raw::of(&frame);
        match self.events.next(frame.into_bytes())? {
            Some(event) => self.blocks.event(event, &kind, raw, &mut self.answer),
            None => self.answer.field(&kind, raw.text()),
        }
        Ok(())
    }
}

/// The error of a frame that is none of the answer's events.
pub fn exception(frame: &Frame, asked: &AskedFor) -> Option<Error> {
    match frame.header(":message-type") {
        Some("exception") => {
            let kind = frame.header(":exception-type").unwrap_or("unknownException");
            Some(error::from_exception(kind, frame.payload(), &asked.asked()))
        }
        Some("error") => {
            let kind = frame.header(":error-code").unwrap_or("unknownError");
            let said = frame.header(":error-message").unwrap_or_default();
            let payload = serde_json::json!({ "message": said }).to_string();
            Some(error::from_exception(kind, payload.as_bytes(), &asked.asked()))
        }
        _ => None,
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for frame in self.framer.feed(bytes) {
            if self.answer.has_ended() {
                break;
            }
            if let Err(error) = frame.map_err(Error::from).and_then(|frame| self.frame(frame)) {
                self.answer.fail(error);
            }
        }
        out.append(&mut self.answer.take());
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        match end {
            Ok(()) if self.answer.is_finished() && !self.framer.in_frame() => self.answer.done(),
            Ok(()) => self.answer.fail(Error::truncated()),
            Err(broken) => self.answer.fail(broken.into()),
        }
        out.append(&mut self.answer.take());
    }
}

/// The payload of a frame, read only where the SDK's types lose something.
#[derive(Debug)]
pub(crate) struct Raw(Vec<u8>);

impl Raw {
    fn of(frame: &Frame) -> Self {
        Self(frame.payload().to_vec())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    fn object(&self) -> Object {
        std::str::from_utf8(&self.0)
            .ok()
            .and_then(Object::parse)
            .unwrap_or_default()
    }

    /// The member `inner` of the member `outer`, as its text.
    fn inner(&self, outer: &str, inner: &str) -> Option<String> {
        let mut outer: Object = self.object().take_as(outer)?;
        Some(outer.take(inner)?.get().to_owned())
    }
}

/// A block that is given whole when it ends: what the provider's own tools did.
#[derive(Debug)]
enum Own {
    /// A call, and its input so far.
    Call(Object, String),
    /// A result, and its pieces so far.
    Result(Object, Vec<String>),
    /// A picture's type.
    Image(String),
}

/// The blocks that are open.
#[derive(Debug, Default)]
struct Blocks(BTreeMap<u32, Own>);

impl Blocks {
    fn event(&mut self, event: ConverseStreamOutput, kind: &str, raw: Raw, answer: &mut Answer) {
        match event {
            ConverseStreamOutput::MessageStart(_) => answer.start(),
            ConverseStreamOutput::ContentBlockStart(event) => {
                let at = place(event.content_block_index);
                match event.start {
                    Some(start) => self.start(at, start, &raw, answer),
                    None => answer.start(),
                }
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                let at = place(event.content_block_index);
                match event.delta {
                    Some(delta) => self.delta(at, delta, &raw, answer),
                    None => answer.start(),
                }
            }
            ConverseStreamOutput::ContentBlockStop(event) => self.stop(place(event.content_block_index), answer),
            ConverseStreamOutput::MessageStop(event) => {
                let open: Vec<u32> = self.0.keys().copied().collect();
                for at in open {
                    self.stop(at, answer);
                }
                answer.finish(event.stop_reason.as_str(), Vec::new());
                if let Some(fields) = raw.object().take("additionalModelResponseFields") {
                    answer.field("additionalModelResponseFields", fields.get().to_owned());
                }
            }
            ConverseStreamOutput::Metadata(_) => response::metadata(raw.object(), answer),
            _ => answer.field(kind, raw.text()),
        }
    }

    fn start(&mut self, at: u32, start: ContentBlockStart, raw: &Raw, answer: &mut Answer) {
        let fields = |name: &str| {
            let text = raw.inner("start", name).unwrap_or_default();
            Object::parse(&text).unwrap_or_default()
        };
        match start {
            ContentBlockStart::ToolUse(call)
                if call.r#type.as_ref().is_some_and(|kind| response::is_own(kind.as_str())) =>
            {
                self.0.insert(at, Own::Call(fields("toolUse"), String::new()));
            }
            ContentBlockStart::ToolUse(call) => answer.call(at, &call.tool_use_id, &call.name),
            ContentBlockStart::ToolResult(_) => {
                self.0.insert(at, Own::Result(fields("toolResult"), Vec::new()));
            }
            ContentBlockStart::Image(image) => {
                self.0.insert(at, Own::Image(image.format.as_str().to_owned()));
            }
            _ => answer.other(at, "contentBlockStart", raw.text()),
        }
    }

    fn delta(&mut self, at: u32, delta: ContentBlockDelta, raw: &Raw, answer: &mut Answer) {
        match delta {
            ContentBlockDelta::Text(text) => answer.text(at, &text),
            ContentBlockDelta::ReasoningContent(delta) => match delta {
                ReasoningContentBlockDelta::Text(text) => answer.reasoning(at, &text),
                ReasoningContentBlockDelta::Signature(signature) => answer.signature(at, &signature),
                ReasoningContentBlockDelta::RedactedContent(data) => answer.redacted(at, &STANDARD.encode(data)),
                _ => answer.field("contentBlockDelta", raw.text()),
            },
            ContentBlockDelta::ToolUse(delta) => match self.0.get_mut(&at) {
                Some(Own::Call(_, input)) => input.push_str(&delta.input),
                _ => answer.arguments(at, &delta.input),
            },
            ContentBlockDelta::ToolResult(_) => {
                if let Some(Own::Result(_, pieces)) = self.0.get_mut(&at) {
                    let list = raw.inner("delta", "toolResult").unwrap_or_default();
                    let items: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&list).unwrap_or_default();
                    pieces.extend(items.iter().map(|item| item.get().to_owned()));
                }
            }
            ContentBlockDelta::Citation(_) => {
                if let Some(citation) = raw.inner("delta", "citation") {
                    answer.text_extra(at, vec![("citations".to_owned(), format!("[{citation}]"))]);
                }
            }
            ContentBlockDelta::Image(delta) => {
                let format = match self.0.get(&at) {
                    Some(Own::Image(format)) => format.as_str(),
                    _ => "png",
                };
                match delta.source {
                    Some(ImageSource::Bytes(bytes)) => {
                        let source = MediaSource::Inline(bytes.into_inner());
                        answer.media(at, Media::new(format!("image/{format}"), source));
                    }
                    _ => answer.field("contentBlockDelta", raw.text()),
                }
            }
            _ => answer.field("contentBlockDelta", raw.text()),
        }
    }

    fn stop(&mut self, at: u32, answer: &mut Answer) {
        match self.0.remove(&at) {
            Some(Own::Call(mut call, input)) => {
                let text = if input.is_empty() { "{}" } else { &input };
                if !call.put_json("input", text) {
                    call.put("input", text);
                }
                answer.other(at, "toolUse", call.to_json());
            }
            Some(Own::Result(mut result, pieces)) => {
                // Each piece is JSON, so the list is.
                let _ = result.put_json("content", &format!("[{}]", pieces.join(",")));
                answer.other(at, "toolResult", result.to_json());
            }
            Some(Own::Image(_)) | None => answer.block_end(at),
        }
    }
}

/// The service counts from 0.
fn place(index: i32) -> u32 {
    u32::try_from(index).unwrap_or(0)
}

#[cfg(test)]
mod tests;
