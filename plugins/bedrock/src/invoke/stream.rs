//! Answers of InvokeModelWithResponseStream: frames around pieces in a family's form.
//!
//! In: the body's bytes, cut anywhere. Out: the events that the family's own decoder makes of the
//! pieces. Never: an end of the body that is taken for the answer's without the family's sign.

use std::fmt;

use aws_sdk_bedrockruntime::operation::invoke_model_with_response_stream::InvokeModelWithResponseStreamOutput as Output;
use aws_sdk_bedrockruntime::types::ResponseStream;
use aws_sdk_bedrockruntime::types::error::ResponseStreamError;
use llm_provider_sdk::framer::event_stream::{Frame, Framer};
use llm_provider_sdk::types::{ChatEvent, Error};
use llm_provider_sdk::{HttpError, StreamDecoder};

use crate::error::{self, AskedFor};
use crate::stream::exception;
use crate::transport::{self, Answered, Frames, Operation};

/// What a family makes of its pieces.
pub(super) trait Pieces: fmt::Debug {
    /// Takes one piece, which is JSON.
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error>;

    /// The body has closed in good order.
    fn close(&mut self, out: &mut Vec<ChatEvent>);

    /// The answer has failed. Gives what it has used so far where that was not given yet, since it is
    /// paid for, and nothing else.
    fn broken(&mut self, out: &mut Vec<ChatEvent>);
}

/// The decoder of one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    framer: Framer,
    events: transport::Events<ResponseStream, ResponseStreamError>,
    pieces: Box<dyn Pieces>,
    asked: AskedFor,
    id: String,
    ended: bool,
}

impl Decoder {
    /// A decoder for the answer with this head.
    pub(super) fn new(
        operation: &Operation,
        head: &Answered,
        pieces: Box<dyn Pieces>,
        asked: AskedFor,
    ) -> Result<Self, Error> {
        let frames = Frames::default();
        let output: Output = operation.open(head, &frames)?;
        Ok(Self {
            framer: Framer::new(),
            events: transport::Events::new(frames, output.body),
            pieces,
            asked,
            id: head.request_id(),
            ended: false,
        })
    }

    fn frame(&mut self, frame: Frame, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        if let Some(error) = exception(&frame, &self.asked) {
            return Err(error);
        }
        // A frame that is no chunk is newer than the SDK, and of no family.
        let Some(ResponseStream::Chunk(chunk)) = self.events.next(frame.into_bytes())? else {
            return Ok(());
        };
        let bytes = chunk.bytes.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
        let json = std::str::from_utf8(&bytes).map_err(|_| error::not_the_api("a piece is not text"))?;
        self.pieces.piece(json, out)
    }

    fn fail(&mut self, error: Error, out: &mut Vec<ChatEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.pieces.broken(out);
            let id = Some(self.id.clone()).filter(|id| !id.is_empty());
            out.push(ChatEvent::Error(Error {
                request_id: error.request_id.clone().or(id),
                ..error
            }));
        }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for frame in self.framer.feed(bytes) {
            if self.ended {
                break;
            }
            if let Err(error) = frame.map_err(Error::from).and_then(|frame| self.frame(frame, out)) {
                self.fail(error, out);
            }
            self.ended |= out.last().is_some_and(ChatEvent::is_last);
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        match end {
            _ if self.ended => {}
            Err(broken) => self.fail(broken.into(), out),
            Ok(()) if self.framer.in_frame() => self.fail(Error::truncated(), out),
            Ok(()) => self.pieces.close(out),
        }
    }
}

/// A family whose pieces are the data of server-sent events elsewhere.
#[derive(Debug)]
pub(super) struct Events<D> {
    decoder: D,
}

impl<D: StreamDecoder> Events<D> {
    /// Pieces for this decoder.
    pub(super) fn new(decoder: D) -> Self {
        Self { decoder }
    }

    /// Gives one event's data.
    pub(super) fn data(&mut self, data: &str, out: &mut Vec<ChatEvent>) {
        self.decoder.feed(b"data: ", out);
        self.decoder.feed(data.as_bytes(), out);
        self.decoder.feed(b"\n\n", out);
    }
}

impl<D: StreamDecoder + fmt::Debug> Pieces for Events<D> {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        self.data(json, out);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        self.decoder.close(Ok(()), out);
    }

    fn broken(&mut self, out: &mut Vec<ChatEvent>) {
        let mut last = Vec::new();
        self.decoder.close(Ok(()), &mut last);
        out.extend(last.into_iter().filter(|event| matches!(event, ChatEvent::Usage(_))));
    }
}
