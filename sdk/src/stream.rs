//! A streamed answer on its way to the host.
//!
//! In: a provider's body and a [`StreamDecoder`], or events that are already there. Out: batches of
//! events that form a well-formed stream. Never: anything after the last event, and never a stream
//! that just stops: one that does ends with an error of kind `stream-truncated`.

pub(crate) mod protocol;

use std::fmt;

use crate::bindings::llm_host::provider::http::HttpError;
use crate::fold;
use crate::host::{self, Level};
use crate::http::{Body, Response};
use crate::types::{ChatEvent, ChatResponse, Error};
use protocol::Protocol;

/// Room for one read of the body.
const PIECE: usize = 64 << 10;

/// A provider's stream as a pure state machine.
///
/// Bytes come cut anywhere; feeding them in other pieces must give the same events. Events:
/// `start` first, then deltas, one `finish` for each choice, usage, and `done` or `error` last.
pub trait StreamDecoder {
    /// Takes bytes and adds the events they complete.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>);

    /// The body has closed; `end` says how. Leaves the stream well-formed: adds `done`, or `error`
    /// (from `end`, or [`Error::truncated`] when the provider's own last event is missing) unless
    /// one has been given already.
    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>);
}

/// A streamed answer.
pub struct EventStream {
    source: Source,
    protocol: Protocol,
    /// Read ahead by [`begin`](Self::begin).
    ahead: Option<Vec<ChatEvent>>,
}

enum Source {
    Decode {
        body: Body,
        decoder: Box<dyn StreamDecoder>,
        buffer: Vec<u8>,
    },
    Batches(Box<dyn Iterator<Item = Vec<ChatEvent>>>),
    Ended,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Decode { .. } => "decode",
            Source::Batches(_) => "batches",
            Source::Ended => "ended",
        };
        f.debug_struct("EventStream")
            .field("source", &source)
            .finish_non_exhaustive()
    }
}

impl EventStream {
    /// The events that the decoder makes of the answer's body. The status is the caller's to check.
    pub fn decode(response: Response, decoder: impl StreamDecoder + 'static) -> Self {
        Self::from_source(Source::Decode {
            body: response.into_body(),
            decoder: Box::new(decoder),
            buffer: Vec::with_capacity(PIECE),
        })
    }

    /// Events that are already there.
    pub fn from_events(events: Vec<ChatEvent>) -> Self {
        Self::from_batches(std::iter::once(events))
    }

    /// Batches of events that are made when they are asked for.
    pub fn from_batches(batches: impl Iterator<Item = Vec<ChatEvent>> + 'static) -> Self {
        Self::from_source(Source::Batches(Box::new(batches)))
    }

    fn from_source(source: Source) -> Self {
        Self {
            source,
            protocol: Protocol::default(),
            ahead: None,
        }
    }

    /// Waits for the first events, so that a failure before them is an error and no stream.
    ///
    /// # Errors
    /// What the stream would have failed with as its first event.
    pub async fn begin(mut self) -> Result<Self, Error> {
        let Some(mut batch) = self.next_batch().await else {
            return Err(Error::truncated());
        };
        if let [ChatEvent::Error(_)] = batch.as_slice()
            && let Some(ChatEvent::Error(error)) = batch.pop()
        {
            return Err(error);
        }
        self.ahead = Some(batch);
        Ok(self)
    }

    /// The next events, at least one; `None` after the last. As many as one read of the body
    /// completed: a write to the host costs less for each event the more there are.
    pub async fn next_batch(&mut self) -> Option<Vec<ChatEvent>> {
        if let Some(batch) = self.ahead.take() {
            return Some(batch);
        }
        while !self.protocol.ended() {
            let mut batch = match self.read().await {
                Some(batch) => batch,
                // The decoder has not kept its promise to end the stream.
                None => vec![ChatEvent::Error(Error::truncated())],
            };
            self.check(&mut batch);
            if self.protocol.ended() {
                // Lets go of the provider's connection now, not when the host has read all.
                self.source = Source::Ended;
            }
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        None
    }

    /// Cuts the batch at the first event that breaks the protocol, and says so in its place, or
    /// after the stream's last event.
    fn check(&mut self, batch: &mut Vec<ChatEvent>) {
        let mut at = 0;
        while let Some(event) = batch.get(at) {
            if self.protocol.ended() {
                host::log(
                    Level::Warn,
                    "the adapter gave events after its stream's last one; they were left out",
                );
                batch.truncate(at);
            } else if let Err(fault) = self.protocol.accept(event) {
                batch.truncate(at);
                batch.push(ChatEvent::Error(fault));
                return;
            }
            at += 1;
        }
    }

    /// All events.
    pub async fn collect(mut self) -> Vec<ChatEvent> {
        let mut events = Vec::new();
        while let Some(batch) = self.next_batch().await {
            events.extend(batch);
        }
        events
    }

    /// The whole answer that the stream adds up to.
    ///
    /// # Errors
    /// As [`fold::fold`].
    pub async fn fold(self) -> Result<ChatResponse, Error> {
        fold::fold(self.collect().await)
    }

    /// What the source gives next, possibly nothing; `None` when it has closed.
    async fn read(&mut self) -> Option<Vec<ChatEvent>> {
        match &mut self.source {
            Source::Ended => None,
            Source::Batches(batches) => batches.next(),
            Source::Decode { body, decoder, buffer } => {
                let mut out = Vec::new();
                let mut room = std::mem::take(buffer);
                room.clear();
                let piece = body.read(room).await;
                let closed = piece.is_empty();
                if closed {
                    decoder.close(body.end().await, &mut out);
                } else {
                    decoder.feed(&piece, &mut out);
                }
                *buffer = piece;
                if closed {
                    self.source = Source::Batches(Box::new(std::iter::empty()));
                }
                Some(out)
            }
        }
    }
}

#[cfg(test)]
mod tests;
