//! The one place where a failure becomes a response.
//!
//! In: a [`GatewayError`]. Out: its status, its words for programs and the headers that tell a
//! client whether to try again; each dialect writes the body. The table stands, with its reasons,
//! in `docs/errors.md`. Never: a provider's raw body, and no text that the error itself does not
//! show.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::BytesMut;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::error::{Fault, GatewayError};
use crate::llm::{self, ErrorKind};

use super::headers;
use super::openai;

/// What kind of failure it is, as far as a client's code branches on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The request is wrong.
    InvalidRequest,
    /// The caller's own key.
    Authentication,
    /// The caller may not.
    Permission,
    /// Nothing there.
    NotFound,
    /// Too many requests.
    RateLimit,
    /// No money left.
    Quota,
    /// No capacity for now.
    Overloaded,
    /// Too slow.
    Timeout,
    /// Something behind the caller failed.
    Server,
}

impl Class {
    /// OpenAI's `type`.
    pub(crate) fn openai_type(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::Authentication | Self::NotFound => "invalid_request_error",
            Self::Permission => "permission_error",
            Self::RateLimit => "rate_limit_error",
            Self::Quota => "insufficient_quota",
            Self::Overloaded => "overloaded_error",
            Self::Timeout => "timeout_error",
            Self::Server => "server_error",
        }
    }
}

/// What there is to say about a failure, whatever the dialect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts<'e> {
    pub(crate) status: StatusCode,
    pub(crate) class: Class,
    /// A stable word for programs.
    pub(crate) code: Cow<'e, str>,
    pub(crate) message: String,
    pub(crate) param: Option<&'e str>,
    pub(crate) fault: Fault,
    pub(crate) provider: Option<&'e str>,
    pub(crate) provider_status: Option<u16>,
    pub(crate) provider_code: Option<&'e str>,
    pub(crate) provider_request_id: Option<&'e str>,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl<'e> Facts<'e> {
    /// The facts of an error.
    pub(crate) fn of(error: &'e GatewayError) -> Self {
        let (status, class, code): (_, _, Cow<'e, str>) = match error {
            GatewayError::InvalidRequest { code, .. } => (
                StatusCode::BAD_REQUEST,
                Class::InvalidRequest,
                code.unwrap_or("invalid_request").into(),
            ),
            GatewayError::UnsupportedMediaType { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Class::InvalidRequest,
                "unsupported_media_type".into(),
            ),
            GatewayError::BodyTooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                Class::InvalidRequest,
                "request_too_large".into(),
            ),
            GatewayError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, Class::Timeout, "request_timeout".into()),
            GatewayError::Unauthenticated { .. } => (
                StatusCode::UNAUTHORIZED,
                Class::Authentication,
                "invalid_api_key".into(),
            ),
            GatewayError::Forbidden { .. } => (StatusCode::FORBIDDEN, Class::Permission, "forbidden".into()),
            GatewayError::ModelNotFound { .. } => (StatusCode::NOT_FOUND, Class::NotFound, "model_not_found".into()),
            GatewayError::RouteNotFound {
                wrong_method: false, ..
            } => (StatusCode::NOT_FOUND, Class::NotFound, "unknown_url".into()),
            GatewayError::RouteNotFound { wrong_method: true, .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                Class::InvalidRequest,
                "method_not_allowed".into(),
            ),
            GatewayError::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                Class::Overloaded,
                "host_overloaded".into(),
            ),
            GatewayError::ShuttingDown => (
                StatusCode::SERVICE_UNAVAILABLE,
                Class::Overloaded,
                "host_shutting_down".into(),
            ),
            GatewayError::DeadlineExceeded { .. } => {
                (StatusCode::GATEWAY_TIMEOUT, Class::Timeout, "deadline_exceeded".into())
            }
            GatewayError::Plugin { code, .. } => (StatusCode::BAD_GATEWAY, Class::Server, (*code).into()),
            GatewayError::Internal { .. } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Class::Server,
                "internal_error".into(),
            ),
            GatewayError::Provider { error, .. } => provider_facts(error),
        };
        let mut facts = Self {
            status,
            class,
            code,
            message: error.to_string(),
            param: None,
            fault: error.fault(),
            provider: None,
            provider_status: None,
            provider_code: None,
            provider_request_id: None,
            retryable: error.retryable(),
            retry_after: error.retry_after(),
        };
        facts.add_details(error);
        facts
    }

    fn add_details(&mut self, error: &'e GatewayError) {
        match error {
            GatewayError::InvalidRequest { param, .. } => self.param = param.as_deref(),
            GatewayError::ModelNotFound { .. } => self.param = Some("model"),
            GatewayError::Forbidden { param, .. } => self.param = *param,
            GatewayError::Provider { provider, error } => {
                self.param = error.param.as_deref();
                self.provider = Some(provider);
                self.provider_status = error.http_status;
                self.provider_code = error.provider_code.as_deref();
                self.provider_request_id = error.request_id.as_deref();
                // Without this a caller would look for the fault in their own key.
                if matches!(error.kind, ErrorKind::Authentication) {
                    self.message = format!(
                        "provider `{provider}` did not accept the host's credential; whoever runs the host has to \
                         replace it (the provider says: {})",
                        error.message
                    );
                }
            }
            _ => {}
        }
    }

    /// The fault as a word.
    pub(crate) fn fault_word(&self) -> &'static str {
        match self.fault {
            Fault::Client => "client",
            Fault::Provider => "provider",
            Fault::Plugin => "plugin",
            Fault::Host => "host",
        }
    }
}

/// Status, class and code of what an adapter reported.
fn provider_facts(error: &llm::Error) -> (StatusCode, Class, Cow<'_, str>) {
    let (status, class, code) = match error.kind {
        ErrorKind::InvalidRequest => (StatusCode::BAD_REQUEST, Class::InvalidRequest, "invalid_request"),
        ErrorKind::Authentication => (StatusCode::BAD_GATEWAY, Class::Server, "provider_authentication"),
        ErrorKind::Permission => (StatusCode::FORBIDDEN, Class::Permission, "provider_permission"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, Class::NotFound, "not_found"),
        ErrorKind::RequestTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Class::InvalidRequest,
            "request_too_large",
        ),
        ErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, Class::RateLimit, "rate_limit_exceeded"),
        ErrorKind::QuotaExhausted => (StatusCode::TOO_MANY_REQUESTS, Class::Quota, "insufficient_quota"),
        ErrorKind::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            Class::Overloaded,
            "provider_overloaded",
        ),
        ErrorKind::ContextLength => (
            StatusCode::BAD_REQUEST,
            Class::InvalidRequest,
            "context_length_exceeded",
        ),
        ErrorKind::ContentFiltered => (StatusCode::BAD_REQUEST, Class::InvalidRequest, "content_filter"),
        ErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, Class::Timeout, "provider_timeout"),
        ErrorKind::Cancelled => (client_closed(), Class::InvalidRequest, "cancelled"),
        ErrorKind::Transport => (StatusCode::BAD_GATEWAY, Class::Server, "provider_unreachable"),
        ErrorKind::StreamTruncated => (StatusCode::BAD_GATEWAY, Class::Server, "stream_truncated"),
        ErrorKind::Upstream => (StatusCode::BAD_GATEWAY, Class::Server, "provider_error"),
        ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, Class::InvalidRequest, "unsupported"),
        ErrorKind::Denied => (StatusCode::FORBIDDEN, Class::Permission, "denied_by_host"),
        ErrorKind::Internal => (StatusCode::BAD_GATEWAY, Class::Server, "plugin_error"),
    };
    // Where the host has no better word than the provider, the provider's is the one that client
    // code knows (`model_not_found`, `invalid_value`, …).
    let code = match (error.kind, &error.provider_code) {
        (ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::Unsupported, Some(own)) => own.as_str(),
        _ => code,
    };
    (status, class, code.into())
}

/// 499, nginx's word for a caller that has gone. Only a log sees it.
fn client_closed() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The form in which a caller expects an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI's.
    OpenAi,
}

impl Dialect {
    /// The dialect of an address.
    pub(crate) fn of(_path: &str) -> Self {
        Self::OpenAi
    }

    fn write(self, out: &mut BytesMut, facts: &Facts<'_>) {
        match self {
            Self::OpenAi => openai::error::write(out, facts),
        }
    }
}

/// Turns a failure into a response.
pub(crate) fn respond(error: &GatewayError, dialect: Dialect) -> Response {
    let facts = Facts::of(error);
    let mut body = BytesMut::with_capacity(512);
    dialect.write(&mut body, &facts);
    let mut response = Response::new(Body::from(body.freeze()));
    *response.status_mut() = facts.status;
    let map = response.headers_mut();
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(provider) = facts.provider {
        map.insert(headers::PROVIDER, headers::printable(provider));
    }
    if let Some(after) = facts.retry_after {
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        map.insert(RETRY_AFTER, HeaderValue::from(milliseconds.div_ceil(1000)));
        map.insert(headers::RETRY_AFTER_MS, HeaderValue::from(milliseconds));
    }
    // OpenAI's clients repeat these statuses by themselves unless this says otherwise.
    if (facts.status.is_server_error() || facts.status == StatusCode::TOO_MANY_REQUESTS) && !facts.retryable {
        map.insert(headers::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let GatewayError::Unauthenticated { .. } = error {
        map.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn provider(kind: ErrorKind, retryable: bool) -> GatewayError {
        let error = llm::Error {
            kind,
            message: "what the provider says".into(),
            retryable,
            retry_after_ms: Some(1500),
            http_status: Some(418),
            provider_code: Some("own_code".into()),
            param: Some("temperature".into()),
            request_id: Some("r-1".into()),
            raw: Some(r#"{"internal":"detail"}"#.into()),
        };
        GatewayError::Provider {
            provider: "acme".into(),
            error: Box::new(error),
        }
    }

    async fn answered(error: &GatewayError) -> (http::response::Parts, Value) {
        let (head, body) = respond(error, Dialect::OpenAi).into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, serde_json::from_slice(&body).unwrap())
    }

    /// The table of `docs/errors.md`.
    #[tokio::test]
    async fn every_kind_has_its_status_type_and_code() {
        use ErrorKind as K;
        let cases = [
            (K::InvalidRequest, 400, "invalid_request_error", "own_code", "client"),
            (
                K::Authentication,
                502,
                "server_error",
                "provider_authentication",
                "provider",
            ),
            (
                K::Permission,
                403,
                "permission_error",
                "provider_permission",
                "provider",
            ),
            (K::NotFound, 404, "invalid_request_error", "own_code", "client"),
            (
                K::RequestTooLarge,
                413,
                "invalid_request_error",
                "request_too_large",
                "client",
            ),
            (
                K::RateLimited,
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
                "provider",
            ),
            (
                K::QuotaExhausted,
                429,
                "insufficient_quota",
                "insufficient_quota",
                "provider",
            ),
            (
                K::Overloaded,
                503,
                "overloaded_error",
                "provider_overloaded",
                "provider",
            ),
            (
                K::ContextLength,
                400,
                "invalid_request_error",
                "context_length_exceeded",
                "client",
            ),
            (
                K::ContentFiltered,
                400,
                "invalid_request_error",
                "content_filter",
                "client",
            ),
            (K::Timeout, 504, "timeout_error", "provider_timeout", "provider"),
            (K::Cancelled, 499, "invalid_request_error", "cancelled", "client"),
            (K::Transport, 502, "server_error", "provider_unreachable", "provider"),
            (K::StreamTruncated, 502, "server_error", "stream_truncated", "provider"),
            (K::Upstream, 502, "server_error", "provider_error", "provider"),
            (K::Unsupported, 400, "invalid_request_error", "own_code", "client"),
            (K::Denied, 403, "permission_error", "denied_by_host", "host"),
            (K::Internal, 502, "server_error", "plugin_error", "plugin"),
        ];
        for (kind, status, class, code, fault) in cases {
            let (head, body) = answered(&provider(kind, false)).await;
            let error = &body["error"];
            assert_eq!(head.status, status, "{kind:?}");
            assert_eq!(
                [&error["type"], &error["code"], &error["fault"]],
                [class, code, fault],
                "{kind:?}"
            );
            assert_eq!(error["param"], "temperature");
            assert_eq!(
                [
                    &error["provider"],
                    &error["provider_status"],
                    &error["provider_code"],
                    &error["provider_request_id"]
                ],
                [&json!("acme"), &json!(418), &json!("own_code"), &json!("r-1")]
            );
            assert!(error["message"].as_str().unwrap().contains("what the provider says"));
            assert!(
                !body.to_string().contains("internal\":"),
                "the raw body stays inside: {body}"
            );
            assert_eq!(head.headers["retry-after"], "2");
            assert_eq!(head.headers["retry-after-ms"], "1500");
            let stops_retries = status == 429 || status >= 500;
            assert_eq!(head.headers.get("x-should-retry").is_some(), stops_retries, "{kind:?}");
            let (head, _) = answered(&provider(kind, true)).await;
            assert_eq!(head.headers.get("x-should-retry"), None);
        }
    }

    #[tokio::test]
    async fn the_hosts_own_failures() {
        let message = || "m".to_owned();
        let cases = [
            (
                GatewayError::InvalidRequest {
                    message: message(),
                    param: Some("a[0].b".into()),
                    code: None,
                },
                400,
                "invalid_request",
            ),
            (
                GatewayError::UnsupportedMediaType { message: message() },
                415,
                "unsupported_media_type",
            ),
            (GatewayError::BodyTooLarge { limit: 5 }, 413, "request_too_large"),
            (
                GatewayError::Unauthenticated { message: message() },
                401,
                "invalid_api_key",
            ),
            (
                GatewayError::Forbidden {
                    message: message(),
                    param: None,
                },
                403,
                "forbidden",
            ),
            (
                GatewayError::ModelNotFound {
                    model: "x".into(),
                    message: message(),
                },
                404,
                "model_not_found",
            ),
            (
                GatewayError::RouteNotFound {
                    message: message(),
                    wrong_method: false,
                },
                404,
                "unknown_url",
            ),
            (
                GatewayError::RouteNotFound {
                    message: message(),
                    wrong_method: true,
                },
                405,
                "method_not_allowed",
            ),
            (GatewayError::BodyTooSlow, 408, "request_timeout"),
            (GatewayError::Overloaded, 503, "host_overloaded"),
            (GatewayError::ShuttingDown, 503, "host_shutting_down"),
            (
                GatewayError::DeadlineExceeded { message: message() },
                504,
                "deadline_exceeded",
            ),
            (
                GatewayError::Plugin {
                    plugin: "p".into(),
                    message: message(),
                    code: "plugin_trapped",
                    retryable: false,
                },
                502,
                "plugin_trapped",
            ),
            (GatewayError::Internal { message: message() }, 500, "internal_error"),
        ];
        for (error, status, code) in cases {
            let (head, body) = answered(&error).await;
            assert_eq!(
                (head.status.as_u16(), body["error"]["code"].as_str()),
                (status, Some(code))
            );
            assert_eq!(body["error"]["message"], json!(error.to_string()));
            assert_eq!(head.headers["content-type"], "application/json");
            assert_eq!(head.headers.get("www-authenticate").is_some(), status == 401);
            let fault = if status < 500 {
                "client"
            } else if status == 502 {
                "plugin"
            } else {
                "host"
            };
            assert_eq!(body["error"]["fault"], json!(fault), "{error:?}");
        }
    }
}
