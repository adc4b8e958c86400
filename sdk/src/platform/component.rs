//! The host, as a component sees it.
//!
//! In: the SDK's calls. Out: the host's answers. Never: retries or policy; those are the host's.

use wit_bindgen::{FutureReader, StreamReader};

use super::Answer;
use crate::bindings::llm_host::provider::credentials::CredentialError;
use crate::bindings::llm_host::provider::host::Level;
use crate::bindings::llm_host::provider::http::{HttpError, Request};
use crate::bindings::llm_host::provider::{credentials, host, http};

pub(crate) use crate::bindings::llm_host::provider::credentials::Credential;
pub(crate) use host::config;

pub(crate) fn log(level: Level, message: &str) {
    host::log(level, message);
}

pub(crate) fn acquire(slot: &str) -> Result<Credential, CredentialError> {
    credentials::acquire(slot)
}

pub(crate) async fn send(request: Request, credential: Option<&Credential>) -> Result<Answer, HttpError> {
    let exchange = http::send(&request, credential);
    // The request's bytes have been copied to the host.
    drop(request);
    let head = exchange.head.await?;
    Ok(Answer {
        head,
        body: RawBody {
            reader: exchange.body,
            end: Some(exchange.end),
        },
    })
}

/// A body on its way in.
pub(crate) struct RawBody {
    reader: StreamReader<u8>,
    /// Absent where a body's end cannot fail apart from it.
    end: Option<FutureReader<Result<(), HttpError>>>,
}

impl RawBody {
    pub(crate) fn from_reader(reader: StreamReader<u8>) -> Self {
        Self { reader, end: None }
    }

    /// Fills the buffer's spare room, of which there is some, with at least one byte. The length
    /// does not change when the body has closed.
    pub(crate) async fn read(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.reader.read(buffer).await.1
    }

    pub(crate) async fn end(self) -> Result<(), HttpError> {
        // While the reader lives, a host that is not asked for more does not say how it ended.
        drop(self.reader);
        match self.end {
            Some(end) => end.await,
            None => Ok(()),
        }
    }
}
