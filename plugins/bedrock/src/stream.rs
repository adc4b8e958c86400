//! Answers of ConverseStream, as a pure state machine.
//!
//! In: the body's bytes, cut anywhere. Out: neutral events that fold to what the whole answer would
//! have been. Never: a failure over an event or a block that is not known (they are carried as `other`),
//! and never an end without `messageStop` that looks like one.
//!
//! The bytes are framed first, so that what is cut or damaged is seen, and what the SDK's types lose
//! can be read from the frame. Each whole frame then goes through the SDK's own reader, and its typed
//! event into the [`Answer`].

mod blocks;
mod raw;

use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamOutput as Output;
use aws_sdk_bedrockruntime::types::ConverseStreamOutput;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use llm_provider_sdk::framer::event_stream::{Frame, Framer};
use llm_provider_sdk::types::{ChatEvent, Error};
use llm_provider_sdk::{HttpError, StreamDecoder};

use self::blocks::Blocks;
use self::raw::Raw;
use crate::answer::{Answer, Context};
use crate::error::{self, AskedFor};
use crate::transport::{Answered, Events, Frames, Operation};

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    operation: Operation,
    head: Answered,
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
    pub fn new(operation: Operation, head: Answered, context: Context, asked: AskedFor) -> Result<Self, Error> {
        Ok(Self {
            events: open(&operation, &head)?,
            operation,
            head,
            framer: Framer::new(),
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
        match self.events.next(frame.into_bytes()) {
            Ok(Some(event)) => self.blocks.event(event, &kind, &raw, &mut self.answer),
            Ok(None) => self.answer.field(&kind, raw.text()),
            Err(fault) => return self.in_pieces(&kind, &raw, fault),
        }
        Ok(())
    }

    /// Reads an event that the SDK refuses as a whole piece by piece. A piece that it refuses too is
    /// carried as it is, unless it is text or a call: then the SDK's word on the whole stands.
    fn in_pieces(&mut self, kind: &str, raw: &Raw, fault: Error) -> Result<(), Error> {
        let Some(pieces) = raw.pieces(kind) else {
            return Err(fault);
        };
        self.answer.start();
        // The SDK reads nothing more after what it has refused.
        self.events = open(&self.operation, &self.head)?;
        for (frame, raw) in pieces {
            match self.events.next(frame) {
                Ok(Some(event)) => self.blocks.event(event, kind, &raw, &mut self.answer),
                _ if self.blocks.carry(&raw, &mut self.answer) => self.events = open(&self.operation, &self.head)?,
                _ => return Err(fault),
            }
        }
        Ok(())
    }
}

/// The SDK's reader of the events that follow this head.
fn open(
    operation: &Operation,
    head: &Answered,
) -> Result<Events<ConverseStreamOutput, ConverseStreamOutputError>, Error> {
    let frames = Frames::default();
    let output: Output = operation.open(head, &frames)?;
    Ok(Events::new(frames, output.stream))
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

#[cfg(test)]
mod tests;
