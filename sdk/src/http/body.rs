//! A body on its way in.
//!
//! In: the host's stream of bytes. Out: pieces as large as the host has ready, or the whole within
//! a limit. Never: more than one buffer of its own.

use std::fmt;

use crate::bindings::llm_host::provider::http::HttpError;
use crate::platform::RawBody;

/// Room for one piece. Few large reads are cheaper than many small ones: each crosses the sandbox.
const PIECE: usize = 64 << 10;

/// Most room that is made on the word of `content-length`.
const EXPECTED: usize = 1 << 20;

/// A body that is read once.
pub struct Body {
    state: State,
}

enum State {
    Open(RawBody),
    /// Bytes that are already there, and how many of them have been read.
    Held(Vec<u8>, usize),
    Ended(Result<(), HttpError>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Open(_) => f.write_str("Body(open)"),
            State::Held(bytes, read) => write!(f, "Body({} bytes)", bytes.len() - read),
            State::Ended(end) => f.debug_tuple("Body").field(end).finish(),
        }
    }
}

impl Body {
    pub(crate) fn new(raw: RawBody) -> Self {
        Self {
            state: State::Open(raw),
        }
    }

    /// A body of bytes that are already there, for an adapter that makes one.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            state: State::Held(bytes, 0),
        }
    }

    /// The body that a stream of the host brings.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn from_reader(reader: wit_bindgen::StreamReader<u8>) -> Self {
        Self::new(RawBody::from_reader(reader))
    }

    /// The next piece, never empty; `None` when it has closed. [`Self::end`] says why.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let buffer = self.read(Vec::with_capacity(PIECE)).await;
        (!buffer.is_empty()).then_some(buffer)
    }

    /// How it ended. Asked before it has closed, it gives up the rest.
    ///
    /// # Errors
    /// What broke it off.
    pub async fn end(&mut self) -> Result<(), HttpError> {
        // A future that is dropped before it is done must not leave a success behind.
        let gone = State::Ended(Err(HttpError::Cancelled));
        let end = match std::mem::replace(&mut self.state, gone) {
            State::Open(raw) => raw.end().await,
            State::Held(..) => Ok(()),
            State::Ended(end) => end,
        };
        self.state = State::Ended(end.clone());
        end
    }

    /// The rest, up to [`BODY_LIMIT`](super::BODY_LIMIT).
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] above the limit, and what broke the body off.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, HttpError> {
        self.read_all(super::BODY_LIMIT, 0).await
    }

    /// Reads once into the spare room of the buffer, of which there is some. The length does not
    /// change when the body has closed.
    pub(crate) async fn read(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        match &mut self.state {
            State::Open(raw) => raw.read(buffer).await,
            State::Held(bytes, read) => {
                let rest = bytes.get(*read..).unwrap_or_default();
                let room = buffer.capacity() - buffer.len();
                let piece = rest.get(..room).unwrap_or(rest);
                buffer.extend_from_slice(piece);
                *read += piece.len();
                buffer
            }
            State::Ended(_) => buffer,
        }
    }

    /// All that is left, at most `limit` bytes, with room for `expected` (within reason, since it
    /// is the provider's word) from the start.
    pub(crate) async fn read_all(&mut self, limit: usize, expected: usize) -> Result<Vec<u8>, HttpError> {
        // One byte more than expected, so that the read that finds the end needs no new room.
        let mut bytes = Vec::with_capacity(expected.min(limit).clamp(PIECE, EXPECTED) + 1);
        loop {
            let before = bytes.len();
            if bytes.capacity() == before {
                bytes.reserve(PIECE);
            }
            bytes = self.read(bytes).await;
            if bytes.len() > limit {
                // The rest is not wanted: give it up, and with it the connection.
                self.state = State::Ended(Err(HttpError::TooLarge));
                return Err(HttpError::TooLarge);
            }
            if bytes.len() == before {
                self.end().await?;
                return Ok(bytes);
            }
        }
    }
}
