//! The host, as a native test has recorded it.
//!
//! In: what [`Recording`](crate::testing::Recording) installed on this thread. Out: its answers, in
//! order. Never: a network, and never an answer that no test recorded.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::Answer;
use crate::bindings::llm_host::provider::credentials::CredentialError;
use crate::bindings::llm_host::provider::host::Level;
use crate::bindings::llm_host::provider::http::{HttpError, Request, ResponseHead};
use crate::testing::{Reply, SentRequest};

/// The world of one test.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) config: Option<String>,
    pub(crate) slots: Vec<(String, Result<Credential, CredentialError>)>,
    pub(crate) replies: VecDeque<Reply>,
    pub(crate) sent: Vec<SentRequest>,
    pub(crate) log: Vec<(Level, String)>,
}

thread_local! {
    /// The stage that is up on this thread, if any.
    pub(crate) static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

fn on_stage<T>(act: impl FnOnce(&mut Stage) -> T) -> Option<T> {
    STAGE.with_borrow_mut(|stage| stage.as_mut().map(act))
}

/// A credential of a test: a kind and facts, no secret.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) slot: String,
    pub(crate) kind: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Credential {
    pub(crate) fn kind(&self) -> String {
        self.kind.clone()
    }

    pub(crate) fn attributes(&self) -> Vec<(String, String)> {
        self.attributes.clone()
    }
}

pub(crate) fn config() -> String {
    on_stage(|stage| stage.config.clone())
        .flatten()
        .unwrap_or_else(|| "{}".to_owned())
}

pub(crate) fn log(level: Level, message: &str) {
    on_stage(|stage| stage.log.push((level, message.to_owned())));
}

pub(crate) fn acquire(slot: &str) -> Result<Credential, CredentialError> {
    let found = on_stage(|stage| {
        stage
            .slots
            .iter()
            .rev()
            .find(|(name, _)| name == slot)
            .map(|(_, outcome)| outcome.clone())
    });
    found.flatten().unwrap_or_else(|| {
        Ok(Credential {
            slot: slot.to_owned(),
            kind: "bearer".to_owned(),
            attributes: Vec::new(),
        })
    })
}

pub(crate) async fn send(request: Request, credential: Option<&Credential>) -> Result<Answer, HttpError> {
    let reply = on_stage(|stage| {
        stage.sent.push(SentRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            credential: credential.map(|credential| credential.slot.clone()),
            first_byte_timeout_ms: request.first_byte_timeout_ms,
            idle_timeout_ms: request.idle_timeout_ms,
        });
        stage.replies.pop_front()
    });
    match reply {
        None => Err(HttpError::Other(
            "no Recording is installed on this thread: call Recording::install() first".to_owned(),
        )),
        Some(None) => Err(HttpError::Other(
            "the Recording has no reply left for this request: add one".to_owned(),
        )),
        Some(Some(Reply::Failure(error))) => Err(error),
        Some(Some(Reply::Answer {
            status,
            headers,
            chunks,
            end,
        })) => Ok(Answer {
            head: ResponseHead { status, headers },
            body: RawBody {
                chunks: chunks.into(),
                end,
            },
        }),
    }
}

/// A body on its way in.
#[derive(Debug)]
pub(crate) struct RawBody {
    pub(crate) chunks: VecDeque<Vec<u8>>,
    pub(crate) end: Result<(), HttpError>,
}

impl RawBody {
    /// Fills the buffer's spare room, of which there is some, with at least one byte. The length
    /// does not change when the body has closed.
    pub(crate) async fn read(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        while let Some(mut chunk) = self.chunks.pop_front() {
            if chunk.is_empty() {
                continue;
            }
            let room = (buffer.capacity() - buffer.len()).max(1);
            if chunk.len() > room {
                let rest = chunk.split_off(room);
                self.chunks.push_front(rest);
            }
            buffer.extend_from_slice(&chunk);
            break;
        }
        buffer
    }

    pub(crate) async fn end(self) -> Result<(), HttpError> {
        self.end
    }
}
