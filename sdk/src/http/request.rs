//! A request on its way out.
//!
//! In: method, address, headers, body, credential slot. Out: the answer's head, or why there is
//! none. Never: a header that the host owns (`host`, `content-length`, and with a credential every
//! authentication header); the host refuses those.

use std::io;

use serde::Serialize;

use super::{Body, Response};
use crate::bindings::llm_host::provider::credentials::CredentialError;
use crate::bindings::llm_host::provider::http as wit;
use crate::bindings::llm_host::provider::http::HttpError;
use crate::platform;

/// A request to build and send.
///
/// ```
/// # use llm_provider_sdk::{http, testing::{block_on, Recording, Reply}};
/// # let recording = Recording::new().reply(Reply::json(200, r#"{"data":[]}"#)).install();
/// # block_on(async {
/// let mut response = http::Request::post("https://api.example.com/v1/chat")
///     .header("x-api-version", "2")
///     .json(&serde_json::json!({"model": "m"}))
///     .credential("api-key")
///     .send()
///     .await?;
/// let body = response.bytes().await?;
/// # assert_eq!(body, br#"{"data":[]}"#);
/// # Ok::<(), llm_provider_sdk::HttpError>(())
/// # }).unwrap();
/// # assert_eq!(recording.requests()[0].credential.as_deref(), Some("api-key"));
/// ```
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    inner: wit::Request,
    slot: Option<String>,
    /// What went wrong while it was built.
    fault: Option<String>,
}

impl Request {
    /// A request with this method, e.g. `PUT`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            inner: wit::Request {
                method: method.into(),
                url: url.into(),
                headers: Vec::new(),
                body: Vec::new(),
                first_byte_timeout_ms: None,
                idle_timeout_ms: None,
            },
            slot: None,
            fault: None,
        }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header; a name may be added more than once. The name is written in lower case.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.inner
            .headers
            .push((name.as_ref().to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// The value as a JSON body, with `content-type: application/json` unless one is there. A
    /// value that has no JSON form makes [`send`](Self::send) fail.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match json_text(value) {
            Ok(body) => self.inner.body = body,
            Err(error) => self.fault = Some(format!("the request has no JSON form: {error}")),
        }
        if self.inner.headers.iter().any(|(name, _)| name == "content-type") {
            self
        } else {
            self.header("content-type", "application/json")
        }
    }

    /// The bytes as the body. Say what they are with a `content-type` header.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.inner.body = body;
        self
    }

    /// The slot of the manifest whose credential the host attaches. It is acquired when the
    /// request is sent.
    pub fn credential(mut self, slot: impl Into<String>) -> Self {
        self.slot = Some(slot.into());
        self
    }

    /// Most time until the answer's head, in milliseconds. The host's own limit still holds.
    pub fn first_byte_timeout_ms(mut self, limit: u32) -> Self {
        self.inner.first_byte_timeout_ms = Some(limit);
        self
    }

    /// Most time between two pieces of the body, in milliseconds. The host's own limit still holds.
    pub fn idle_timeout_ms(mut self, limit: u32) -> Self {
        self.inner.idle_timeout_ms = Some(limit);
        self
    }

    /// Sends it and waits for the answer's head. Every status is an answer, not an error; see
    /// [`Error::from_response`](crate::types::Error::from_response).
    ///
    /// # Errors
    /// [`HttpError::Denied`] when the slot is not granted or policy forbids the request,
    /// [`HttpError::Credential`] when the credential is not there, and otherwise what happened on
    /// the way. `Error::from` makes the adapter's error of it.
    pub async fn send(self) -> Result<Response, HttpError> {
        if let Some(fault) = self.fault {
            return Err(HttpError::Other(fault));
        }
        let credential = match &self.slot {
            Some(slot) => Some(platform::acquire(slot).map_err(|error| refused(slot, error))?),
            None => None,
        };
        let answer = platform::send(self.inner, credential.as_ref()).await?;
        Ok(Response::new(answer.head, Body::new(answer.body)))
    }
}

/// JSON of up to this many bytes is written in one go.
const SHORT: usize = 1 << 20;

/// The value as JSON text, in as much memory as it is long. A buffer that grows by doubling takes up to
/// three times that, which a plugin does not have for a large document.
fn json_text(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Vec<u8>> {
    let mut first = Short::default();
    serde_json::to_writer(&mut first, value)?;
    let Short { text, length } = first;
    if length <= SHORT {
        return Ok(text);
    }
    let mut text = Vec::with_capacity(length);
    serde_json::to_writer(&mut text, value)?;
    Ok(text)
}

/// Keeps a short text, and of a longer one its length.
#[derive(Default)]
struct Short {
    text: Vec<u8>,
    length: usize,
}

impl io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len();
        if self.length <= SHORT {
            self.text.extend_from_slice(bytes);
        } else {
            self.text = Vec::new();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why no credential could be had, as a failure of the request that needs it.
pub(crate) fn refused(slot: &str, error: CredentialError) -> HttpError {
    match error {
        CredentialError::NotGranted => {
            HttpError::Denied(format!("credential slot `{slot}` is not granted to this plugin"))
        }
        CredentialError::Expired => HttpError::Denied(format!(
            "the grant of credential slot `{slot}` has expired or its plugin has changed"
        )),
        CredentialError::NotConfigured => HttpError::Credential(format!(
            "the credential granted for slot `{slot}` is no longer in the vault"
        )),
        CredentialError::Other(text) => HttpError::Credential(format!("credential slot `{slot}`: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_takes_no_more_than_its_length() {
        for length in [0, 7, SHORT - 2, SHORT - 1, 3 * SHORT] {
            let value = "é".repeat(length / 2);
            let text = json_text(&value).unwrap();
            assert_eq!(serde_json::from_slice::<String>(&text).unwrap(), value);
            assert!(
                text.len() <= SHORT || text.capacity() == text.len(),
                "{}",
                text.capacity()
            );
        }
        let unwritable = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(json_text(&unwritable).is_err());
    }
}
