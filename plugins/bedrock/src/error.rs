//! Errors of Bedrock.
//!
//! In: an HTTP status with its headers and body, or an exception inside a stream. Out: the typed error
//! with its kind, whether a retry makes sense, and what to do. Never: the service's own words changed;
//! advice stands behind them.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>
//! and the service's model; the texts that are told apart are those that it is known to send.

mod advice;

use std::fmt::Write as _;

use llm_provider_sdk::types::{Error, ErrorKind, Header};
use serde::Deserialize;

/// What was asked, for advice.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The permission that the call needs, e.g. `bedrock:InvokeModel`.
    pub permission: &'static str,
    /// The model's id or ARN; empty when it is about none.
    pub model: &'a str,
    /// The region.
    pub region: &'a str,
}

/// The same, kept while a stream runs.
#[derive(Clone, Debug)]
pub struct AskedFor {
    permission: &'static str,
    model: String,
    region: String,
}

impl Asked<'_> {
    /// A copy that outlives what it was made from.
    pub fn keep(&self) -> AskedFor {
        AskedFor {
            permission: self.permission,
            model: self.model.to_owned(),
            region: self.region.to_owned(),
        }
    }
}

impl AskedFor {
    /// What was asked.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            permission: self.permission,
            model: &self.model,
            region: &self.region,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Option<String>,
    #[serde(rename = "__type", alias = "code")]
    kind: Option<String>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
}

/// The error of an answer whose status is not 2xx.
pub fn from_answer(status: u16, headers: &[Header], body: &[u8], asked: &Asked<'_>) -> Error {
    let told: Body = serde_json::from_slice(body).unwrap_or_default();
    let header = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-errortype"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok());
    let code = header.or(told.kind.as_deref()).map(bare);
    let mut error = Error::from_status(status, headers, body);
    if let Some(message) = told.message.clone().filter(|message| !message.is_empty()) {
        error.message = message;
    }
    error.provider_code = code.map(str::to_owned);
    refine(error, code, &told, asked)
}

/// The error of an exception inside a stream: its type, and its payload.
pub fn from_exception(kind: &str, payload: &[u8], asked: &Asked<'_>) -> Error {
    let told: Body = serde_json::from_slice(payload).unwrap_or_default();
    let code = bare(kind);
    // Members of an event stream begin with a small letter, the exceptions they are do not.
    let mut name: String = code.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let message = told
        .message
        .clone()
        .filter(|message| !message.is_empty())
        .unwrap_or_else(|| format!("Bedrock broke the answer off: {name}"));
    let mut error = Error::upstream(message).with_retryable(true).with_code(&name);
    if let Ok(raw) = std::str::from_utf8(payload)
        && serde_json::from_str::<serde::de::IgnoredAny>(raw).is_ok()
    {
        error.raw = Some(raw.to_owned());
    }
    refine(error, Some(&name), &told, asked)
}

/// The error of an answer that came with a good status and is not of the API.
pub fn not_the_api(why: &str) -> Error {
    Error::upstream(format!(
        "Bedrock, or something on the way to it, sent an answer that is not of its API: {why}. Check `endpoint` if it is set."
    ))
}

/// The error of a request that this adapter refuses before it is sent.
pub fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Error {
    Error::unsupported(message).with_param(field)
}

/// An error's text with those of its sources.
pub fn sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing into a text does not fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}

/// A type without namespace and suffix: `ns#ValidationException:http://internal…`.
fn bare(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or(kind);
    kind.rsplit('#').next().unwrap_or(kind).trim()
}

/// What the type and the message say more than a status does.
fn refine(mut error: Error, code: Option<&str>, told: &Body, asked: &Asked<'_>) -> Error {
    let text = error.message.to_ascii_lowercase();
    let (kind, may_retry) = match code {
        Some("ValidationException") => (of_validation(&text), false),
        // A Bedrock API key that is not known, or not any more.
        Some("AccessDeniedException") if text.contains("authentication failed") => (ErrorKind::Authentication, false),
        Some("AccessDeniedException") => (ErrorKind::Permission, false),
        Some("OptInRequired" | "NotAuthorized" | "AccessDenied") => (ErrorKind::Permission, false),
        Some(
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "InvalidToken",
        ) => (ErrorKind::Authentication, false),
        Some("ResourceNotFoundException") => (ErrorKind::NotFound, false),
        Some("UnknownOperationException") => (ErrorKind::NotFound, false),
        // The service counts by the minute and by the day; the latter is not over soon.
        Some("ThrottlingException" | "TooManyRequestsException") if text.contains("per day") => {
            (ErrorKind::QuotaExhausted, false)
        }
        Some("ThrottlingException" | "TooManyRequestsException") => (ErrorKind::RateLimited, true),
        Some("ServiceQuotaExceededException") => (ErrorKind::QuotaExhausted, false),
        Some("ModelNotReadyException") => (ErrorKind::Overloaded, true),
        Some("ServiceUnavailableException" | "ServiceUnavailable") => (ErrorKind::Overloaded, true),
        Some("InternalServerException" | "InternalFailure" | "InternalServerError") => (ErrorKind::Upstream, true),
        Some("ModelTimeoutException") => (ErrorKind::Timeout, true),
        Some("ModelStreamErrorException") => (ErrorKind::Upstream, true),
        // The model's own failure is worth another try when it was the model's fault.
        Some("ModelErrorException") => (
            ErrorKind::Upstream,
            told.original_status.is_none_or(|status| status >= 500),
        ),
        Some("RequestEntityTooLargeException") => (ErrorKind::RequestTooLarge, false),
        _ => (error.kind, error.retryable),
    };
    error.kind = kind;
    error.retryable = may_retry;
    if let Some(original) = told
        .original_message
        .as_deref()
        .filter(|original| !error.message.contains(original))
    {
        error.message = format!("{} The model said: {original}", error.message);
    }
    if let Some(advice) = advice::of(code, &text, asked) {
        let end = if error.message.trim_end().ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        error.message = format!("{}{end} {advice}", error.message.trim_end());
    }
    error
}

/// `ValidationException` stands for many things that a caller has to tell apart.
fn of_validation(text: &str) -> ErrorKind {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "input is too long",
        "prompt is too long",
        "too many input tokens",
        "input length and `max_tokens` exceed context limit",
        "maximum context length",
        "exceeds the maximum number of tokens",
        "context window",
        "max input tokens",
    ]) {
        ErrorKind::ContextLength
    } else if says(&["content filtering policy", "content filter", "blocked by our content"]) {
        ErrorKind::ContentFiltered
    } else if says(&["model identifier is invalid", "could not resolve the foundation model"]) {
        ErrorKind::NotFound
    } else if says(&["operation not allowed"]) {
        ErrorKind::Permission
    } else {
        ErrorKind::InvalidRequest
    }
}

#[cfg(test)]
mod tests;
