//! What the host is to do in a test, and what it was asked.
//!
//! In: replies, settings and credentials, in the order they will be needed. Out: the requests and
//! log lines of the adapter. Never: shared between threads; each test thread has its own.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::bindings::llm_host::provider::credentials::CredentialError;
use crate::bindings::llm_host::provider::http::HttpError;
use crate::host::Level;
use crate::json;
use crate::platform::recorded::{Credential, STAGE, Stage};
use crate::types::Header;

/// What a test's host will do. Nothing happens until [`install`](Self::install).
#[derive(Debug, Default)]
#[must_use = "a recording does nothing until it is installed"]
pub struct Recording {
    stage: Stage,
}

/// One answer of the provider, or the failure to get one.
#[derive(Debug, Clone)]
pub enum Reply {
    /// There is an answer.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<Header>,
        /// The body, in the pieces in which it arrives.
        chunks: Vec<Vec<u8>>,
        /// How the body ends.
        end: Result<(), HttpError>,
    },
    /// There is none.
    Failure(HttpError),
}

impl Reply {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            chunks: vec![body.into()],
            end: Ok(()),
        }
    }

    /// An answer of JSON text.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, body).header("content-type", "application/json")
    }

    /// An answer of server-sent events, status 200.
    pub fn sse(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body).header("content-type", "text/event-stream")
    }

    /// No answer.
    pub fn failure(error: HttpError) -> Self {
        Self::Failure(error)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        }
        self
    }

    /// The body arrives in pieces of this many bytes (at least one).
    #[must_use]
    pub fn in_pieces_of(self, size: usize) -> Self {
        let pieces = |body: Vec<u8>| body.chunks(size.max(1)).map(<[u8]>::to_vec).collect();
        self.reshape(pieces)
    }

    /// The body arrives in two pieces, cut here.
    #[must_use]
    pub fn split_at(self, at: usize) -> Self {
        self.reshape(|mut body| {
            let tail = body.split_off(at.min(body.len()));
            vec![body, tail]
        })
    }

    /// The body breaks off after this many bytes, with this error.
    #[must_use]
    pub fn breaks_at(self, at: usize, error: HttpError) -> Self {
        let mut reply = self.reshape(|mut body| {
            body.truncate(at);
            vec![body]
        });
        if let Self::Answer { end, .. } = &mut reply {
            *end = Err(error);
        }
        reply
    }

    /// The body closes after this many bytes as if it were complete.
    #[must_use]
    pub fn closes_at(self, at: usize) -> Self {
        self.reshape(|mut body| {
            body.truncate(at);
            vec![body]
        })
    }

    fn reshape(mut self, shape: impl FnOnce(Vec<u8>) -> Vec<Vec<u8>>) -> Self {
        if let Self::Answer { chunks, .. } = &mut self {
            *chunks = shape(chunks.concat());
        }
        self
    }
}

/// A request that the adapter sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// Method.
    pub method: String,
    /// Absolute address.
    pub url: String,
    /// Headers, names in lower case.
    pub headers: Vec<Header>,
    /// Body.
    pub body: Vec<u8>,
    /// The slot whose credential the host would have attached.
    pub credential: Option<String>,
    /// Most time until the answer's head, in milliseconds.
    pub first_byte_timeout_ms: Option<u32>,
    /// Most time between two pieces of the body, in milliseconds.
    pub idle_timeout_ms: Option<u32>,
}

impl SentRequest {
    /// The first header of this name that is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        crate::http::header(&self.headers, name)
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Recording {
    /// A host without settings, which grants every slot and answers no request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next request is answered so.
    pub fn reply(mut self, reply: Reply) -> Self {
        self.stage.replies.push_back(reply);
        self
    }

    /// The adapter's settings. A value without a JSON form leaves them as they are.
    pub fn config(mut self, config: &(impl Serialize + ?Sized)) -> Self {
        if let Ok(text) = json::text(config) {
            self.stage.config = Some(text);
        }
        self
    }

    /// The slot holds a credential of this kind with these facts.
    pub fn credential(mut self, slot: &str, kind: &str, attributes: &[(&str, &str)]) -> Self {
        let credential = Credential {
            slot: slot.to_owned(),
            kind: kind.to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        self.stage.slots.push((slot.to_owned(), Ok(credential)));
        self
    }

    /// The slot is refused.
    pub fn refuse(mut self, slot: &str, error: CredentialError) -> Self {
        self.stage.slots.push((slot.to_owned(), Err(error)));
        self
    }

    /// Makes it this thread's host until the returned value is dropped. One that was there before
    /// comes back then.
    pub fn install(self) -> Installed {
        let before = STAGE.replace(Some(self.stage));
        Installed {
            before,
            _this_thread: PhantomData,
        }
    }
}

/// A recording that is this thread's host.
#[must_use = "the recording is taken down when this is dropped"]
pub struct Installed {
    before: Option<Stage>,
    /// What it stands for is this thread's, so it may not leave it.
    _this_thread: PhantomData<*const ()>,
}

impl Installed {
    /// The requests sent so far.
    pub fn requests(&self) -> Vec<SentRequest> {
        STAGE.with_borrow(|stage| stage.as_ref().map(|stage| stage.sent.clone()).unwrap_or_default())
    }

    /// How many replies are left.
    pub fn replies_left(&self) -> usize {
        STAGE.with_borrow(|stage| stage.as_ref().map_or(0, |stage| stage.replies.len()))
    }

    /// The lines logged so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        STAGE.with_borrow(|stage| stage.as_ref().map(|stage| stage.log.clone()).unwrap_or_default())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        STAGE.set(self.before.take());
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").finish_non_exhaustive()
    }
}
