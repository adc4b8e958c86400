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
use serde_json::Value;

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

/// What a body says, under any of the names that the service's parts use for it.
#[derive(Debug, Default)]
struct Body {
    message: Option<String>,
    kind: Option<String>,
    original_message: Option<String>,
    original_status: Option<u16>,
}

impl Body {
    fn read(body: &[u8]) -> Self {
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |names: &[&str]| {
            let mut found = names.iter().filter_map(|name| told.get(name)?.as_str());
            found.find(|text| !text.is_empty()).map(str::to_owned)
        };
        let inner = || Some(told.get("Output")?.get("__type")?.as_str()?.to_owned());
        Self {
            message: text(&["message", "Message", "errorMessage"]),
            kind: text(&["__type", "code"]).or_else(inner),
            original_message: text(&["originalMessage"]),
            original_status: told
                .get("originalStatusCode")
                .and_then(Value::as_u64)
                .and_then(|status| u16::try_from(status).ok()),
        }
    }
}

/// The error of an answer whose status is not 2xx.
pub fn from_answer(status: u16, headers: &[Header], body: &[u8], asked: &Asked<'_>) -> Error {
    let told = Body::read(body);
    let header = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-errortype"))
        .and_then(|(_, value)| std::str::from_utf8(value).ok());
    let code = header.or(told.kind.as_deref()).map(bare);
    let mut error = Error::from_status(status, headers, body);
    if let Some(message) = told.message.clone() {
        error.message = message;
    }
    error.provider_code = code.map(str::to_owned);
    // A proxy on the way may have taken the type off; the words are the service's all the same.
    let code = code.or_else(|| told.message.as_deref().and_then(|message| inferred(status, message)));
    refine(error, code, &told, asked)
}

/// The error of an exception inside a stream: its type, and its payload.
pub fn from_exception(kind: &str, payload: &[u8], asked: &Asked<'_>) -> Error {
    let told = Body::read(payload);
    let code = bare(kind);
    // Members of an event stream begin with a small letter, the exceptions they are do not.
    let mut name: String = code.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let message = told
        .message
        .clone()
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

/// The type that a message of this status has.
fn inferred(status: u16, message: &str) -> Option<&'static str> {
    let text = message.to_ascii_lowercase();
    Some(match status {
        400 => "ValidationException",
        403 if text.contains("security token included in the request is expired") => "ExpiredTokenException",
        403 if text.contains("security token included in the request is invalid") => "UnrecognizedClientException",
        403 if text.contains("signature") && !text.contains("not authorized") => "InvalidSignatureException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        _ => return None,
    })
}

/// What the type and the message say more than a status does.
fn refine(mut error: Error, code: Option<&str>, told: &Body, asked: &Asked<'_>) -> Error {
    let text = error.message.to_ascii_lowercase();
    let (kind, may_retry) = match code {
        Some("ValidationException") => (of_validation(&text), false),
        Some("AccessDeniedException") if advice::is_of_key(&text) => (ErrorKind::Authentication, false),
        // Bedrock calls a point in the prompt's cache that way.
        Some("AccessDeniedException") if text.contains("prompt caching") => (ErrorKind::InvalidRequest, false),
        Some("AccessDeniedException") => (ErrorKind::Permission, false),
        // An account that has not said what it is for is told that the model is not there.
        Some("FTUFormNotFilled") => (ErrorKind::Permission, false),
        Some("ResourceNotFoundException") if text.contains("use case details") => (ErrorKind::Permission, false),
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
        "input tokens exceeded",
        "exceeds maximum length",
        "exceeds the maximum allowed input length",
        "tokens in the prompt cannot exceed",
        "expected maxlength",
    ]) {
        ErrorKind::ContextLength
    } else if says(&["content filtering policy", "content filter", "blocked by our content"]) {
        ErrorKind::ContentFiltered
    } else if says(&["model identifier is invalid", "could not resolve the foundation model"]) {
        ErrorKind::NotFound
    } else if says(&["operation not allowed", "unsupported countries"]) {
        ErrorKind::Permission
    } else {
        ErrorKind::InvalidRequest
    }
}

#[cfg(test)]
mod tests;
