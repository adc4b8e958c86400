//! An answer on its way in.
//!
//! In: a head and a body still to be read. Out: status, headers, and the body in pieces or whole.
//! Never: a judgement of the status; see [`Error::from_response`](crate::types::Error::from_response).

use serde::de::DeserializeOwned;

use super::Body;
use crate::bindings::llm_host::provider::http::{HttpError, ResponseHead};
use crate::json;
use crate::types::{Error, Header};

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// HTTP status, 200 to 599. Redirects are not followed; they arrive here.
    pub status: u16,
    headers: Vec<Header>,
    body: Body,
}

impl Response {
    pub(crate) fn new(head: ResponseHead, body: Body) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name that is UTF-8. Names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// All headers, names in lower case, in the order they came.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The next piece of the body, never empty; `None` when it has closed. [`Self::end`] says why.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.body.chunk().await
    }

    /// How the body ended. Asked before the body has closed, it gives up the rest.
    ///
    /// # Errors
    /// What broke the body off.
    pub async fn end(&mut self) -> Result<(), HttpError> {
        self.body.end().await
    }

    /// The rest of the body, up to [`BODY_LIMIT`](super::BODY_LIMIT).
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] above the limit, and what broke the body off.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, HttpError> {
        self.bytes_within(super::BODY_LIMIT).await
    }

    /// The rest of the body, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn bytes_within(&mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let expected = self
            .header("content-length")
            .and_then(|value| value.parse::<usize>().ok());
        self.body.read_all(limit, expected.unwrap_or(0)).await
    }

    /// The rest of the body as JSON.
    ///
    /// # Errors
    /// What broke the body off; kind `upstream` when it is not the JSON that was expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let bytes = self.bytes().await?;
        json::parse(&bytes).map_err(|error| error.with_response(self.status, &self.headers))
    }

    /// The body alone.
    pub fn into_body(self) -> Body {
        self.body
    }
}

/// The first header of this name that is UTF-8. Names are compared without case.
pub(crate) fn header<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    headers
        .iter()
        .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .find_map(|(_, value)| std::str::from_utf8(value).ok())
}
