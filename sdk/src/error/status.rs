//! From a failed answer to an error.
//!
//! In: status, headers, body. Out: an [`Error`] with everything that HTTP and the usual shapes of
//! error bodies tell. Never: a kind that only a provider's own code tells (quota, context length);
//! the adapter sets it.

use serde_json::Value;

use crate::http::{Response, header};
use crate::json;
use crate::types::{Error, ErrorKind, Header};

/// Most bytes of an error's body that are read; more does not explain more.
const ERROR_BODY_LIMIT: usize = 256 << 10;

/// Most characters of an error's body that become its message when it is not JSON.
const TEXT_LIMIT: usize = 300;

/// The names under which providers and the gateways before them give a request's id.
const REQUEST_ID: [&str; 8] = [
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-ms-request-id",
    "x-goog-request-id",
    "opc-request-id",
    "cf-ray",
];

/// What a status means by RFC 9110 and by the providers' common use of it.
pub fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::QuotaExhausted,
        403 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 | 524 => ErrorKind::Timeout,
        413 => ErrorKind::RequestTooLarge,
        429 => ErrorKind::RateLimited,
        // 498: Groq, flex capacity. 529: Anthropic, overloaded.
        498 | 503 | 529 => ErrorKind::Overloaded,
        499 => ErrorKind::Cancelled,
        501 => ErrorKind::Unsupported,
        // 409 and 425 speak of other requests at the same time, not of this one.
        409 | 425 => ErrorKind::Upstream,
        400..=498 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Upstream,
    }
}

/// Whether an answer of this status may be better next time.
fn retryable_status(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 498 | 500..=599) && !matches!(status, 501 | 505)
}

/// The provider's id of the request.
pub fn request_id(headers: &[Header]) -> Option<String> {
    REQUEST_ID
        .iter()
        .find_map(|name| header(headers, name))
        .map(str::to_owned)
}

impl Error {
    /// The error that a failed answer is. Kind, retry and request id come from status and headers;
    /// message, `provider_code` and `param` from the body where it has one of the usual shapes
    /// (`{"error":{"message","code","type","param"}}`, `{"error":"…"}`, `{"message"}`,
    /// `{"detail"}`). A header `x-should-retry: true|false` (OpenAI, Anthropic) overrules the status.
    pub fn from_status(status: u16, headers: &[Header], body: &[u8]) -> Self {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let told = parsed.as_ref().map(read).unwrap_or_default();
        let message = told
            .message
            .or_else(|| parsed.is_none().then(|| plain(body)).flatten())
            .unwrap_or_else(|| format!("the provider answered with status {status}"));
        let mut error = Error::new(kind_of_status(status), message)
            .with_retryable(retryable_status(status))
            .with_response(status, headers);
        match header(headers, "x-should-retry") {
            Some("true") => error.retryable = true,
            Some("false") => error.retryable = false,
            _ => {}
        }
        error.provider_code = told.code;
        error.param = told.param;
        error.raw = match parsed {
            // As the provider wrote it, which the parsed value is not quite.
            Some(_) => String::from_utf8(body.to_vec()).ok(),
            None if body.is_empty() => None,
            None => json::text(&String::from_utf8_lossy(body)).ok(),
        };
        error
    }

    /// The error that a failed answer is; reads its body. A body that breaks off is taken as far
    /// as the status alone tells.
    pub async fn from_response(response: &mut Response) -> Self {
        let body = response.bytes_within(ERROR_BODY_LIMIT).await.unwrap_or_default();
        Self::from_status(response.status, response.headers(), &body)
    }
}

/// What an error's body tells in the usual shapes.
#[derive(Default)]
struct Told {
    message: Option<String>,
    code: Option<String>,
    param: Option<String>,
}

fn read(body: &Value) -> Told {
    // Gemini wraps the object in an array when the call was a stream.
    let body = match body {
        Value::Array(items) => items.first().unwrap_or(body),
        _ => body,
    };
    let inner = match body.get("error") {
        Some(Value::String(text)) => {
            return Told {
                message: Some(text.clone()),
                ..Told::default()
            };
        }
        Some(inner @ Value::Object(_)) => inner,
        _ => body,
    };
    Told {
        message: ["message", "detail"]
            .iter()
            .find_map(|name| word(inner.get(*name)))
            .or_else(|| word(body.get("message"))),
        code: ["code", "type", "status"]
            .iter()
            .find_map(|name| word(inner.get(*name))),
        param: word(inner.get("param")),
    }
}

/// A string that says something, or a number as text.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The beginning of a body that is plain text. A page of HTML tells a person nothing.
fn plain(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    (!text.is_empty() && !text.starts_with('<')).then(|| text.chars().take(TEXT_LIMIT).collect())
}
