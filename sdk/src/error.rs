//! The adapter's errors and how they come about.
//!
//! In: a failure on the way ([`HttpError`]) or an answer that is a failure (status, headers,
//! body). Out: an [`Error`] that says what went wrong, whether to try again, and when. Never: a
//! provider's own codes; an adapter sets those on top with [`Error::with_kind`] and its siblings.

mod retry_after;
mod status;

pub use retry_after::retry_after_ms;
pub use status::{kind_of_status, request_id};

use crate::bindings::llm_host::provider::http::HttpError;
use crate::types::{Error, ErrorKind, Header};

/// An error of this kind. `retryable` is what the kind suggests; see [`retryable`].
pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message)
}

/// Whether the same request may succeed later, as far as the kind tells.
pub fn retryable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RateLimited
            | ErrorKind::Overloaded
            | ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::StreamTruncated
    )
}

impl Error {
    /// An error of this kind, for the person who reads it: what happened and, where known, what to
    /// do. `retryable` is what the kind suggests; see [`retryable`].
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retryable: retryable(kind),
            retry_after_ms: None,
            http_status: None,
            provider_code: None,
            param: None,
            request_id: None,
            raw: None,
        }
    }

    /// The adapter or its provider cannot do what was asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The provider answered with something that is not its API.
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Upstream, message)
    }

    /// The caller asked for something that cannot be.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// The adapter itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The stream closed before the provider said that it was complete.
    pub fn truncated() -> Self {
        Self::new(
            ErrorKind::StreamTruncated,
            "the provider closed the stream before it was complete",
        )
    }

    /// Another kind, with the `retryable` it suggests.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self.retryable = retryable(kind);
        self
    }

    /// Another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// When to try again, in milliseconds from now.
    #[must_use]
    pub fn with_retry_after_ms(mut self, wait: impl Into<Option<u64>>) -> Self {
        self.retry_after_ms = wait.into();
        self
    }

    /// The provider's HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// The provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.provider_code = Some(code.into());
        self
    }

    /// The field of the request that is wrong.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The provider's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// The provider's error body, as JSON text.
    #[must_use]
    pub fn with_raw(mut self, raw: impl Into<String>) -> Self {
        self.raw = Some(raw.into());
        self
    }

    /// Status, request id and waiting time of the answer that brought the error.
    #[must_use]
    pub fn with_response(mut self, status: u16, headers: &[Header]) -> Self {
        self.http_status = Some(status);
        self.request_id = request_id(headers).or(self.request_id);
        self.retry_after_ms = retry_after_ms(headers).or(self.retry_after_ms);
        self
    }
}

/// What went wrong on the way, before or while the provider answered.
impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        use ErrorKind as Kind;
        let (kind, retryable, message) = match error {
            HttpError::Denied(text) => (Kind::Denied, false, text),
            HttpError::Credential(text) => (
                Kind::Authentication,
                false,
                format!("the credential could not be attached: {text}"),
            ),
            HttpError::Dns(text) => (
                Kind::Transport,
                true,
                format!("the provider's name could not be resolved: {text}"),
            ),
            HttpError::Connect(text) => (Kind::Transport, true, format!("no connection to the provider: {text}")),
            // A certificate does not get better by trying again.
            HttpError::Tls(text) => (
                Kind::Transport,
                false,
                format!("no secure connection to the provider: {text}"),
            ),
            HttpError::Timeout(text) => (Kind::Timeout, true, format!("the provider took too long: {text}")),
            HttpError::Protocol(text) => (
                Kind::Transport,
                true,
                format!("the provider's answer was not HTTP: {text}"),
            ),
            HttpError::TooLarge => (
                Kind::Denied,
                false,
                "the provider's answer is larger than this plugin may receive".to_owned(),
            ),
            HttpError::Cancelled => (Kind::Cancelled, false, "the call was cancelled".to_owned()),
            HttpError::Other(text) => (
                Kind::Transport,
                true,
                format!("the request to the provider failed: {text}"),
            ),
        };
        Error::new(kind, message).with_retryable(retryable)
    }
}

#[cfg(test)]
mod tests;
