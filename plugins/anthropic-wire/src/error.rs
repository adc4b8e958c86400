//! Errors of the Messages API.
//!
//! In: an HTTP status with its headers and body, or the data of an `error` event. Out: the typed
//! error with its kind, whether a retry makes sense, and when. Never: words of our own where the
//! provider said something.

use llm_provider_sdk::types::{Error, ErrorKind, Header};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
struct Body {
    error: Option<Inner>,
    request_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Inner {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// The error of an answer whose status is not 2xx.
pub fn from_answer(status: u16, headers: &[Header], body: &[u8]) -> Error {
    let told: Body = serde_json::from_slice(body).unwrap_or_default();
    let mut error = Error::from_status(status, headers, body);
    error.request_id = error.request_id.or(told.request_id);
    refine(error, told.error.unwrap_or_default().kind.as_deref())
}

/// The error of an `error` event, or of a body that came with a good status.
pub fn from_event(data: &str) -> Error {
    let told: Body = serde_json::from_str(data).unwrap_or_default();
    let inner = told.error.unwrap_or_default();
    let message = inner
        .message
        .unwrap_or_else(|| "Anthropic broke the answer off with an error that has no message".to_owned());
    let error = Error {
        request_id: told.request_id,
        provider_code: inner.kind.clone(),
        ..Error::upstream(message).with_raw(data).with_retryable(true)
    };
    refine(error, inner.kind.as_deref())
}

/// The error of an answer that came with a good status and is not of the Messages API.
pub fn not_the_api(what: &str) -> Error {
    Error::upstream(format!(
        "Anthropic, or something on the way to it, sent {what}. Check `base_url` if it is set."
    ))
}

/// The error of a request that this adapter refuses before it is sent.
pub fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Error {
    Error::unsupported(message).with_param(field)
}

/// What Anthropic's `error.type` and message say more than a status does.
///
/// Source: https://platform.claude.com/docs/en/api/errors. A few types stand for several things
/// that a caller has to tell apart; there the message decides.
fn refine(mut error: Error, code: Option<&str>) -> Error {
    let about_money = is_about_money(&error.message);
    let (kind, may_retry) = match code {
        Some("invalid_request_error") => (of_invalid_request(&error.message), false),
        Some("conflict_error") => (ErrorKind::InvalidRequest, true),
        Some("authentication_error") => (ErrorKind::Authentication, false),
        Some("billing_error") => (ErrorKind::QuotaExhausted, false),
        Some("permission_error") => (ErrorKind::Permission, false),
        Some("not_found_error") => (ErrorKind::NotFound, false),
        Some("request_too_large") => (ErrorKind::RequestTooLarge, false),
        // A spend cap answers 429 too, but says no time, and waiting does not lift it.
        Some("rate_limit_error") if about_money && error.retry_after_ms.is_none() => (ErrorKind::QuotaExhausted, false),
        Some("rate_limit_error") => (ErrorKind::RateLimited, true),
        Some("timeout_error") => (ErrorKind::Timeout, true),
        Some("overloaded_error") => (ErrorKind::Overloaded, true),
        Some("api_error") => (ErrorKind::Upstream, true),
        _ => (error.kind, error.retryable),
    };
    error.kind = kind;
    // With a status, the service's own word on retries has been heard already.
    error.retryable = may_retry && (error.http_status.is_none() || error.retryable);
    error.param = error.param.or_else(|| param(&error.message));
    error
}

/// `invalid_request_error` also stands for a full context window, an empty account and a filter.
fn of_invalid_request(message: &str) -> ErrorKind {
    let text = message.to_ascii_lowercase();
    if text.contains("prompt is too long") || text.contains("exceed context limit") {
        ErrorKind::ContextLength
    } else if is_about_money(&text) {
        ErrorKind::QuotaExhausted
    } else if text.contains("content filtering policy") {
        ErrorKind::ContentFiltered
    } else {
        ErrorKind::InvalidRequest
    }
}

fn is_about_money(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    [
        "credit balance",
        "usage limits",
        "spend limit",
        "spend cap",
        "spending limit",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The field that is wrong: the API writes its path before the message
/// (`tools.0.custom.input_schema.type: Field required`, `model: claude-nope`).
fn param(message: &str) -> Option<String> {
    let (path, _) = message.split_once(": ")?;
    let is_path = path.starts_with(|c: char| c.is_ascii_lowercase())
        && path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    is_path.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str, message: &str) -> Error {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"{code}","message":{}}},"request_id":"req_1"}}"#,
            serde_json::to_string(message).unwrap()
        );
        from_answer(status, &[], body.as_bytes())
    }

    #[test]
    fn types_become_kinds() {
        use ErrorKind::{
            Authentication, ContentFiltered, ContextLength, InvalidRequest, NotFound, Overloaded, Permission,
            QuotaExhausted, RateLimited, RequestTooLarge, Timeout, Upstream,
        };
        #[rustfmt::skip]
        let cases = [
            (400, "invalid_request_error", "messages.0: Input does not match the expected shape.", InvalidRequest, false, Some("messages.0")),
            (400, "invalid_request_error", "prompt is too long: 3333404 tokens > 200000 maximum", ContextLength, false, None),
            (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10", ContextLength, false, None),
            (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", QuotaExhausted, false, None),
            (400, "invalid_request_error", "You have reached your specified API usage limits.", QuotaExhausted, false, None),
            (400, "invalid_request_error", "Output blocked by content filtering policy", ContentFiltered, false, None),
            (401, "authentication_error", "invalid x-api-key", Authentication, false, None),
            (402, "billing_error", "no", QuotaExhausted, false, None),
            (403, "permission_error", "no", Permission, false, None),
            (404, "not_found_error", "model: claude-nope", NotFound, false, Some("model")),
            (409, "conflict_error", "no", InvalidRequest, true, None),
            (413, "request_too_large", "no", RequestTooLarge, false, None),
            (429, "rate_limit_error", "This request would exceed your organization's rate limit", RateLimited, true, None),
            (429, "rate_limit_error", "Your organization has reached its monthly spend limit", QuotaExhausted, false, None),
            (500, "api_error", "Internal server error", Upstream, true, None),
            (504, "timeout_error", "no", Timeout, true, None),
            (529, "overloaded_error", "Overloaded", Overloaded, true, None),
            (529, "brand_new_error", "no", Overloaded, true, None),
            (422, "brand_new_error", "no", InvalidRequest, false, None),
        ];
        for (status, code, message, kind, retryable, param) in cases {
            let got = error(status, code, message);
            assert_eq!(
                (got.kind, got.retryable, got.param.as_deref()),
                (kind, retryable, param),
                "{status} {code} {message}"
            );
            assert_eq!(got.http_status, Some(status));
            assert_eq!(got.provider_code.as_deref(), Some(code));
            assert_eq!(got.request_id.as_deref(), Some("req_1"));
            assert_eq!(got.message, message);
            assert!(got.raw.is_some());
        }
    }

    #[test]
    fn headers_win() {
        let headers = [
            ("retry-after", "31"),
            ("request-id", "req_h"),
            ("x-should-retry", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let got = from_answer(
            429,
            &headers,
            br#"{"error":{"type":"rate_limit_error","message":"spend limit"},"request_id":"req_b"}"#,
        );
        assert_eq!(got.kind, ErrorKind::RateLimited, "a time to wait was given");
        assert_eq!(got.retry_after_ms, Some(31_000));
        assert_eq!(got.request_id.as_deref(), Some("req_h"));
        assert!(!got.retryable);
    }

    #[test]
    fn a_body_that_is_not_the_api_is_survived() {
        let got = from_answer(502, &[], b"<html>Bad gateway</html>");
        assert_eq!((got.kind, got.retryable), (ErrorKind::Upstream, true));
        assert!(got.message.contains("502"), "{}", got.message);
        let got = from_answer(403, &[], br#"{"error":"nope"}"#);
        assert_eq!(got.kind, ErrorKind::Permission);
        assert_eq!(got.message, "nope");
        assert_eq!(got.raw.as_deref(), Some(r#"{"error":"nope"}"#));
    }

    #[test]
    fn an_event_has_no_status() {
        let got = from_event(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
        assert_eq!(
            (got.kind, got.retryable, got.http_status),
            (ErrorKind::Overloaded, true, None)
        );
    }
}
