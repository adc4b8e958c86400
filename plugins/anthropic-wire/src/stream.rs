//! Streamed answers, as a pure state machine.
//!
//! In: the body's bytes, cut anywhere. Out: neutral events that fold to what the whole answer would
//! have been. Never: a failure over an event, a block or a delta that is not known (they are carried
//! as `other`), and never an end without `message_stop` that looks like one.
//!
//! Source: https://platform.claude.com/docs/en/build-with-claude/streaming.

mod block;

use llm_provider_sdk::framer::sse::{Event, Framer};
use llm_provider_sdk::types::{
    Annotated, ChatEvent, DeltaContent, Error, Extras, Finish as FinishEvent, PartDelta, ProviderState, ResponseStart,
};
use llm_provider_sdk::{HttpError, StreamDecoder};
use serde_json::value::RawValue;

use self::block::Block;
use crate::error;
use crate::response::{self, Context, Finish};
use crate::usage::UsageSoFar;
use crate::wire::Object;

/// The events of a whole answer, as if it had been streamed. Errors as in [`response::decode`].
pub fn events(body: &[u8], context: Context) -> Result<Vec<ChatEvent>, Error> {
    let message = response::message(body)?;
    let mut decoder = Decoder::new(context);
    let mut out = Vec::new();
    decoder.message_start(message, &mut out);
    decoder.message_stop(&mut out);
    Ok(out)
}

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    framer: Framer,
    context: Context,
    started: bool,
    ended: bool,
    /// Events of unknown kinds that came before the answer began.
    early: Vec<ChatEvent>,
    /// Blocks that have begun and not ended, by `index`.
    open: Vec<(u32, Block)>,
    /// How many blocks `message_start` brought along; those that follow count on from there.
    brought: u32,
    has_calls: bool,
    usage: UsageSoFar,
    finish: Finish,
    /// Further members of the message, e.g. `container`; most come with `message_delta`.
    late: Object,
}

impl Decoder {
    /// A decoder for the answer to one request.
    pub fn new(context: Context) -> Self {
        Self {
            framer: Framer::new(),
            context,
            started: false,
            ended: false,
            early: Vec::new(),
            open: Vec::new(),
            brought: 0,
            has_calls: false,
            usage: UsageSoFar::default(),
            finish: Finish::default(),
            late: Object::new(),
        }
    }

    fn event(&mut self, event: &Event, out: &mut Vec<ChatEvent>) {
        if self.ended || matches!(event.data.trim(), "" | "[DONE]") {
            return;
        }
        let Some(mut data) = Object::parse(&event.data) else {
            // What is cut off is reported when the body closes; see `close`.
            if !event.cut {
                self.fail(
                    error::not_the_api("a stream with an event that is not a JSON object"),
                    out,
                );
            }
            return;
        };
        let kind = data
            .read::<String>("type")
            .or_else(|| event.event.clone())
            .unwrap_or_default();
        match kind.as_str() {
            "ping" => {}
            "message_start" => self.message_start(data.take_as("message").unwrap_or_default(), out),
            "content_block_start" => self.block_start(&mut data, out),
            "content_block_delta" => self.block_delta(&mut data, &event.data, out),
            "content_block_stop" => self.block_stop(index(&data), out),
            "message_delta" => self.message_delta(&mut data, out),
            "message_stop" => self.message_stop(out),
            "error" => self.fail(error::from_event(&event.data), out),
            // The answer's id and model are still to come.
            _ if !self.started => self.early.push(other(&kind, &event.data)),
            _ => out.push(other(&kind, &event.data)),
        }
    }

    /// Gives the first event, once. Some services that imitate the API leave `message_start` out.
    fn start(&mut self, mut message: Object, out: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        // The same in every answer.
        message.take("type");
        message.take("role");
        let id = message.take_as("id").unwrap_or_default();
        let model = message.take_as("model").unwrap_or_else(|| self.context.model.clone());
        out.push(ChatEvent::Start(ResponseStart {
            id,
            model,
            created: None,
            dropped: std::mem::take(&mut self.context.dropped),
            extra: Vec::new(),
        }));
        out.append(&mut self.early);
        self.keep(&message);
    }

    /// Keeps members of the message for its end, where the last value of each counts.
    fn keep(&mut self, members: &Object) {
        for (name, value) in members.members() {
            self.late.set(name, value);
        }
    }

    fn message_start(&mut self, mut message: Object, out: &mut Vec<ChatEvent>) {
        let usage: Option<Object> = message.take_as("usage");
        let content: Vec<Box<RawValue>> = message.take_as("content").unwrap_or_default();
        self.note_finish(Finish::take(&mut message));
        let again = self.started;
        self.start(message, out);
        self.note_usage(usage, out);
        if again {
            return;
        }
        // A request that continues a turn of the provider's own tools gets the blocks that were
        // made meanwhile with the message's start.
        for block in content {
            let at = self.brought;
            self.brought += 1;
            self.open_block(at, &block, out);
            self.close_block(at, out);
        }
    }

    fn block_start(&mut self, data: &mut Object, out: &mut Vec<ChatEvent>) {
        self.start(Object::new(), out);
        let at = self.position(data);
        self.close_block(at, out);
        match data.take("content_block") {
            Some(block) => self.open_block(at, &block, out),
            None => out.push(other("content_block_start", &data.to_json())),
        }
    }

    fn open_block(&mut self, at: u32, json: &RawValue, out: &mut Vec<ChatEvent>) {
        let mut block = Block::new(json, self.context.answer_tool.as_deref());
        self.has_calls |= block.is_call();
        block.begin(&mut |delta| out.push(delta.at(at)));
        self.open.push((at, block));
    }

    fn block_delta(&mut self, data: &mut Object, text: &str, out: &mut Vec<ChatEvent>) {
        self.start(Object::new(), out);
        let at = self.position(data);
        let delta: Object = data.take_as("delta").unwrap_or_default();
        let block = self.open.iter_mut().find(|(open, _)| *open == at);
        let taken = block.is_some_and(|(_, block)| block.delta(delta, &mut |delta| out.push(delta.at(at))));
        if !taken {
            out.push(other("content_block_delta", text));
        }
    }

    fn block_stop(&mut self, index: u32, out: &mut Vec<ChatEvent>) {
        self.close_block(self.brought + index, out);
    }

    fn close_block(&mut self, at: u32, out: &mut Vec<ChatEvent>) {
        if let Some(found) = self.open.iter().position(|(open, _)| *open == at) {
            let (_, block) = self.open.remove(found);
            block.end(&mut |delta| out.push(delta.at(at)));
        }
    }

    fn message_delta(&mut self, data: &mut Object, out: &mut Vec<ChatEvent>) {
        self.start(Object::new(), out);
        let mut delta: Object = data.take_as("delta").unwrap_or_default();
        self.note_finish(Finish::take(&mut delta));
        let usage = data.take_as("usage");
        data.take("type");
        self.keep(&delta);
        self.keep(data);
        self.note_usage(usage, out);
    }

    fn message_stop(&mut self, out: &mut Vec<ChatEvent>) {
        self.start(Object::new(), out);
        while let Some((at, _)) = self.open.first() {
            let at = *at;
            self.close_block(at, out);
        }
        let mut extra = std::mem::take(&mut self.finish.extra);
        extra.extend(std::mem::take(&mut self.late).into_extras());
        out.push(ChatEvent::Finish(FinishEvent {
            choice: 0,
            reason: self.finish.reason(self.context.answer_tool.is_some(), self.has_calls),
            detail: self.finish.detail(),
            extra,
        }));
        out.push(ChatEvent::Done);
        self.ended = true;
    }

    fn note_finish(&mut self, finish: Finish) {
        if finish.word.is_some() {
            self.finish = finish;
        }
    }

    fn note_usage(&mut self, usage: Option<Object>, out: &mut Vec<ChatEvent>) {
        let Some(usage) = usage else { return };
        self.usage.merge(&usage);
        // Told at once and not only at the end, so that a caller who leaves is still accounted for.
        out.extend(self.usage.buckets().map(ChatEvent::Usage));
    }

    fn position(&self, data: &Object) -> u32 {
        self.brought + index(data)
    }

    fn fail(&mut self, error: Error, out: &mut Vec<ChatEvent>) {
        self.ended = true;
        out.push(ChatEvent::Error(error));
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for event in self.framer.feed(bytes) {
            match event {
                Ok(event) => self.event(&event, out),
                Err(too_long) if !self.ended => self.fail(too_long.into(), out),
                Err(_) => {}
            }
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        match end {
            Ok(()) => {
                // Some services leave out the blank line after the last event.
                if let Some(event) = self.framer.finish() {
                    self.event(&event, out);
                }
                if !self.ended {
                    self.fail(Error::truncated(), out);
                }
            }
            Err(broken) if !self.ended => self.fail(broken.into(), out),
            Err(_) => {}
        }
    }
}

fn index(data: &Object) -> u32 {
    data.read("index").unwrap_or(0)
}

fn other(kind: &str, json: &str) -> ChatEvent {
    ChatEvent::Other(Annotated {
        kind: kind.to_owned(),
        value: json.to_owned(),
    })
}

/// A piece of a part, without its place.
#[derive(Debug)]
struct Piece {
    content: DeltaContent,
    state: Option<ProviderState>,
    redacted: bool,
    extra: Extras,
}

impl Piece {
    fn of(content: DeltaContent) -> Self {
        Self {
            content,
            state: None,
            redacted: false,
            extra: Vec::new(),
        }
    }

    fn at(self, part: u32) -> ChatEvent {
        ChatEvent::Delta(PartDelta {
            state: self.state,
            redacted: self.redacted,
            extra: self.extra,
            ..PartDelta::new(0, part, self.content)
        })
    }
}

#[cfg(test)]
mod tests;
