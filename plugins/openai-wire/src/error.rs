//! Failed answers and failures inside a stream, as the OpenAI-shaped providers tell them.
//!
//! In: status, headers and body of an answer, or an `error` object inside a stream. Out: an
//! [`Error`] of the right kind. Never: a failure to read an error; whatever a provider sends, its
//! status alone makes an error of it.

mod faults;
mod wait;

use llm_provider_sdk::error::{kind_of_status, retryable};
use llm_provider_sdk::http::Response;
use llm_provider_sdk::types::{Error, ErrorKind, Header};
use serde_json::value::RawValue;

use crate::profile::Profile;
use crate::wire::{Fields, is_empty, read};

/// Most bytes of an error's body that are read; more does not explain more.
const BODY_LIMIT: usize = 256 << 10;

/// The error that a failed answer is. Reads its body.
pub async fn from_response(response: &mut Response, profile: &Profile) -> Error {
    let body = response.bytes_within(BODY_LIMIT).await.unwrap_or_default();
    from_status(response.status, response.headers(), &body, profile)
}

/// The error that a failed answer is.
#[must_use]
pub fn from_status(status: u16, headers: &[Header], body: &[u8], profile: &Profile) -> Error {
    let mut error = Error::from_status(status, headers, body);
    let words = std::str::from_utf8(body)
        .ok()
        .and_then(Words::of_body)
        .unwrap_or_default();
    if let Some(list) = &words.list {
        error = error.with_message(list);
    }
    if let Some(kind) = words.kind().filter(|kind| !contradicts(status, *kind)) {
        let stays = error.retryable;
        error = error.with_kind(kind);
        // A status that allows a retry keeps it, except where waiting cannot help.
        error.retryable = stays && !matches!(kind, ErrorKind::QuotaExhausted);
    }
    if (300..400).contains(&status) {
        error = error.with_message(format!(
            "{} answered with a redirect, which is not followed; check the base address",
            profile.name
        ));
    }
    if error.message.is_empty() {
        error = error.with_message(format!("{} answered with status {status} and no reason", profile.name));
    }
    if error.kind == ErrorKind::RateLimited {
        error.retry_after_ms = error.retry_after_ms.or_else(|| wait::reset_ms(headers));
        if let Some(limit) = wait::used_up(headers).filter(|limit| !says(&error.message, limit)) {
            error.message.push_str(&format!(" (used up: {limit})"));
        }
    }
    error.provider_code = words.code;
    error
}

/// Whether a status says more than a word that is used more loosely. OpenAI calls a model that a project may not
/// use `model_not_found`, too, with status 403; Groq calls a request that never fits its limit
/// `rate_limit_exceeded`, with status 413.
fn contradicts(status: u16, kind: ErrorKind) -> bool {
    matches!(
        (status, kind),
        (403, ErrorKind::NotFound) | (413, ErrorKind::RateLimited)
    )
}

/// The error that a stream holds instead of a chunk, or an answer of status 200.
pub(crate) fn inside(fields: &Fields<'_>, raw: &str, profile: &Profile) -> Error {
    let words = Words::of_fields(fields);
    let kind = words
        .kind()
        .or_else(|| words.status.map(kind_of_status))
        .or_else(|| (words.kind.as_deref() == Some("invalid_request_error")).then_some(ErrorKind::InvalidRequest))
        .unwrap_or(ErrorKind::Upstream);
    let message = words
        .message
        .or(words.list)
        .unwrap_or_else(|| format!("{} broke off its answer without a reason", profile.name));
    let failed = words.status.is_some_and(|status| status >= 500);
    let mut error = Error::new(kind, message).with_raw(raw);
    error.retryable = retryable(kind) || failed || (kind == ErrorKind::Upstream);
    error.http_status = words.status;
    error.provider_code = words.code;
    error.param = words.param;
    error
}

/// The error with what the answer's head says. An error inside an answer of status 200 may have a
/// status of its own.
pub(crate) fn located(error: Error, status: u16, headers: &[Header]) -> Error {
    let own = error.http_status.unwrap_or(status);
    error.with_response(own, headers)
}

/// Whether an object is an error rather than a chunk or an answer.
pub(crate) fn is_error(fields: &Fields<'_>) -> bool {
    // Some servers write the member always, and empty where there is none.
    let told = |error: &RawValue| !is_empty(error.get()) && error.get() != "false";
    let whole = || {
        // Cloudflare has a list.
        fields.get("errors").is_some_and(told) || fields.get("object").is_some_and(|object| object.get() == "\"error\"")
    };
    fields.get("error").is_some_and(told) || (!fields.has("choices") && whole())
}

/// What an error's body says, wherever it says it.
#[derive(Default)]
struct Words {
    message: Option<String>,
    /// What a list of single faults says, where there is no message but that.
    list: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    status: Option<u16>,
    /// The code of the error within the error; Azure has its filter's there.
    inner: Option<String>,
}

impl Words {
    fn of_body(body: &str) -> Option<Self> {
        // Gemini's compatible endpoint wraps the object in an array.
        let body = serde_json::from_str::<Vec<&RawValue>>(body)
            .ok()
            .and_then(|items| items.first().map(|raw| raw.get()))
            .unwrap_or(body);
        Fields::parse(body).ok().map(|fields| Self::of_fields(&fields))
    }

    /// `{"error":{…}}`, `{"error":"…"}`, or the members without a wrapping (Mistral).
    fn of_fields(fields: &Fields<'_>) -> Self {
        let Some(error) = fields.get("error") else {
            return Self::of_members(fields);
        };
        if let Some(inner) = read::<Fields<'_>>(error) {
            let mut words = Self::of_members(&inner);
            words.status = words.status.or_else(|| number(fields, "status"));
            return words;
        }
        Self {
            message: read::<String>(error).filter(|text| !text.is_empty()),
            list: faults::said(fields),
            code: text(fields, "code").or_else(|| text(fields, "error_type")),
            ..Self::default()
        }
    }

    fn of_members(fields: &Fields<'_>) -> Self {
        // A code that is null says that there is none; only a missing one leaves that to the type.
        let code = if fields.has("code") {
            text(fields, "code")
        } else {
            text(fields, "type")
        };
        // A number here is a status (OpenRouter, Perplexity), or Mistral's own.
        let status = ["status_code", "raw_status_code", "status", "code"]
            .iter()
            .find_map(|name| number(fields, name))
            .filter(|status| (400..600).contains(status));
        let message = text(fields, "message").or_else(|| text(fields, "detail"));
        Self {
            list: if message.is_none() { faults::said(fields) } else { None },
            message,
            kind: text(fields, "type"),
            inner: ["innererror", "inner_error"]
                .iter()
                .find_map(|name| text(&read(fields.get(name)?)?, "code")),
            param: text(fields, "param"),
            code,
            status,
        }
    }

    /// What the provider's own words say, where they say more than a status.
    fn kind(&self) -> Option<ErrorKind> {
        let of_word = |word: &Option<String>| word.as_deref().and_then(kind_of_word);
        // The code is narrower than the type: `invalid_request_error` with `model_not_found`.
        of_word(&self.inner)
            .or_else(|| of_word(&self.code))
            .or_else(|| self.message.as_deref().and_then(kind_of_message))
            .or_else(|| of_word(&self.kind))
    }
}

/// Codes and types of OpenAI's guide to error codes, and those of providers that add their own.
fn kind_of_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "context_length_exceeded" | "context_window_exceeded" | "exceed_context_size_error" => ErrorKind::ContextLength,
        "model_not_found" | "not_found_error" | "invalid_model" | "not_found" | "DeploymentNotFound" => {
            ErrorKind::NotFound
        }
        "invalid_api_key" | "authentication_error" | "invalid_authentication" | "account_deactivated" => {
            ErrorKind::Authentication
        }
        "permission_error"
        | "permission_denied"
        | "unsupported_country_region_territory"
        | "organization_restricted" => ErrorKind::Permission,
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_balance"
        | "credits_exhausted" => ErrorKind::QuotaExhausted,
        "rate_limit_exceeded" | "rate_limit_error" | "rate_limited" | "tokens" | "requests" => ErrorKind::RateLimited,
        "overloaded" | "overloaded_error" | "engine_overloaded" | "service_unavailable" | "capacity_exceeded" => {
            ErrorKind::Overloaded
        }
        "content_filter"
        | "contentFilter"
        | "content_policy_violation"
        | "moderation_blocked"
        | "ResponsibleAIPolicyViolation" => ErrorKind::ContentFiltered,
        "request_too_large" | "file_too_large" => ErrorKind::RequestTooLarge,
        "timeout" | "request_timeout" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// Messages of providers that give no code for what their message says.
fn kind_of_message(message: &str) -> Option<ErrorKind> {
    let message = message.to_ascii_lowercase();
    let says = |all: &[&str]| all.iter().all(|part| message.contains(part));
    if says(&["maximum context length"])
        || says(&["exceeded max context length"])
        || says(&["context window", "exceed"])
        || says(&["prompt is too long"])
    {
        return Some(ErrorKind::ContextLength);
    }
    // xAI and Gemini answer a wrong key with status 400.
    if says(&["incorrect api key"]) || says(&["invalid api key"]) || says(&["api key not valid"]) {
        return Some(ErrorKind::Authentication);
    }
    None
}

fn text(fields: &Fields<'_>, name: &str) -> Option<String> {
    let raw = fields.get(name)?;
    match read::<String>(raw) {
        Some(text) => (!text.is_empty()).then_some(text),
        None => read::<serde_json::Number>(raw).map(|number| number.to_string()),
    }
}

/// Whether a message speaks of a limit, in the singular or the plural.
fn says(message: &str, limit: &str) -> bool {
    message.to_ascii_lowercase().contains(limit.trim_end_matches('s'))
}

/// A number, also one that is written as a string.
fn number(fields: &Fields<'_>, name: &str) -> Option<u16> {
    text(fields, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(status: u16, body: &str) -> Error {
        from_status(status, &[], body.as_bytes(), &Profile::COMPATIBLE)
    }

    #[test]
    fn kinds_come_from_code_message_type_and_status() {
        use ErrorKind as Kind;
        for (status, body, kind, code) in [
            (
                404,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                Kind::NotFound,
                Some("model_not_found"),
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                Kind::ContextLength,
                Some("context_length_exceeded"),
            ),
            (
                400,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":"stop","code":null}}"#,
                Kind::InvalidRequest,
                None,
            ),
            (
                429,
                r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Kind::QuotaExhausted,
                Some("insufficient_quota"),
            ),
            (
                429,
                r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#,
                Kind::RateLimited,
                Some("rate_limit_exceeded"),
            ),
            (
                401,
                r#"{"error":{"message":"m","code":401}}"#,
                Kind::Authentication,
                Some("401"),
            ),
            (
                400,
                r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: ab***cd."}"#,
                Kind::Authentication,
                Some("Client specified an invalid argument"),
            ),
            (
                400,
                r#"{"code":"1500","message":"Invalid model: x","object":"error","type":"invalid_model"}"#,
                Kind::NotFound,
                Some("1500"),
            ),
            (401, r#"{"detail":"Invalid API Key"}"#, Kind::Authentication, None),
            (
                401,
                r#"{"error":{"message":"m","type":"api_error","param":null,"code":null}}"#,
                Kind::Authentication,
                None,
            ),
            (504, r#"{"error":"Model m time out"}"#, Kind::Timeout, None),
            (
                403,
                r#"{"error":{"message":"Project `p` does not have access to model `m`","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                Kind::Permission,
                Some("model_not_found"),
            ),
            (
                413,
                r#"{"error":{"message":"Request too large for model `m` on tokens per minute (TPM)","type":"tokens","code":"rate_limit_exceeded"}}"#,
                Kind::RequestTooLarge,
                Some("rate_limit_exceeded"),
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":2048}}"#,
                Kind::ContextLength,
                Some("400"),
            ),
            (
                422,
                r#"{"detail":[{"loc":["body","messages"],"msg":"Field required"}]}"#,
                Kind::InvalidRequest,
                None,
            ),
            (503, "<html>busy</html>", Kind::Overloaded, None),
            (500, "", Kind::Upstream, None),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
                Kind::Authentication,
                Some("400"),
            ),
        ] {
            let error = fail(status, body);
            assert_eq!((error.kind, error.provider_code.as_deref()), (kind, code), "{body}");
            assert_eq!(error.http_status, Some(status));
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn single_faults_become_the_message() {
        let body = r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{}}]}"#;
        assert_eq!(fail(422, body).message, "body.messages: Field required");
        let fields = Fields::parse(r#"{"error":{"message":["a","b"]}}"#).unwrap();
        assert_eq!(inside(&fields, "{}", &Profile::COMPATIBLE).message, "a; b");
        let both = r#"{"error":{"message":"m","details":[]},"message":["a"]}"#;
        assert_eq!(fail(400, both).message, "m");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let quota = r#"{"error":{"message":"m","code":"insufficient_quota"}}"#;
        assert!(!fail(429, quota).retryable);
        assert!(fail(429, r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#).retryable);
        assert!(fail(500, r#"{"error":{"message":"m","type":"server_error"}}"#).retryable);
        assert!(!fail(400, r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#).retryable);
        assert!(!fail(404, r#"{"error":{"message":"m","code":"model_not_found"}}"#).retryable);
    }

    #[test]
    fn errors_inside_a_stream_have_their_own_status() {
        for (json, kind, status, retry) in [
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","code":"tool_use_failed","status_code":400}}"#,
                ErrorKind::InvalidRequest,
                Some(400),
                false,
            ),
            (
                r#"{"error":{"code":502,"message":"m"}}"#,
                ErrorKind::Upstream,
                Some(502),
                true,
            ),
            (
                r#"{"error":{"code":429,"message":"m"}}"#,
                ErrorKind::RateLimited,
                Some(429),
                true,
            ),
            (
                r#"{"error":{"message":"m","type":"server_error","code":null}}"#,
                ErrorKind::Upstream,
                None,
                true,
            ),
            (r#"{"error":"broken"}"#, ErrorKind::Upstream, None, true),
            (
                r#"{"error":{"message":"m","code":"insufficient_quota"}}"#,
                ErrorKind::QuotaExhausted,
                None,
                false,
            ),
            (
                r#"{"errors":[{"message":"m","code":5007}],"success":false,"result":{}}"#,
                ErrorKind::Upstream,
                None,
                true,
            ),
        ] {
            let fields = Fields::parse(json).unwrap();
            assert!(is_error(&fields), "{json}");
            let error = inside(&fields, json, &Profile::OPENAI);
            assert_eq!(
                (error.kind, error.http_status, error.retryable),
                (kind, status, retry),
                "{json}"
            );
            assert_eq!(error.raw.as_deref(), Some(json));
        }
    }

    #[test]
    fn a_filter_is_known_by_the_error_within() {
        for body in [
            r#"{"error":{"code":"content_filter","message":"m","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            r#"{"error":{"code":"BadRequest","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            r#"{"error":{"code":"content_policy_violation","message":"m","type":"invalid_request_error","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            r#"{"error":{"code":"contentFilter","message":"m"}}"#,
        ] {
            let error = fail(400, body);
            assert_eq!(
                (error.kind, error.retryable),
                (ErrorKind::ContentFiltered, false),
                "{body}"
            );
            let fields = Fields::parse(body).unwrap();
            assert_eq!(inside(&fields, body, &Profile::OPENAI).kind, ErrorKind::ContentFiltered);
        }
    }

    #[test]
    fn a_limit_is_named_where_the_message_does_not() {
        let headers: Vec<Header> = [
            ("x-ratelimit-remaining-requests", "7"),
            ("x-ratelimit-remaining-tokens", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .to_vec();
        for (said, message) in [
            ("Rate limit is exceeded.", "Rate limit is exceeded. (used up: tokens)"),
            ("exceeded token rate limit", "exceeded token rate limit"),
        ] {
            let body = format!(r#"{{"error":{{"code":"429","message":"{said}"}}}}"#);
            let error = from_status(429, &headers, body.as_bytes(), &Profile::OPENAI);
            assert_eq!((error.kind, error.message.as_str()), (ErrorKind::RateLimited, message));
        }
    }

    #[test]
    fn chunks_are_no_errors() {
        for json in [
            r#"{"choices":[],"error":null}"#,
            r#"{"choices":[],"error":""}"#,
            r#"{"object":"chat.completion.chunk","choices":[]}"#,
        ] {
            assert!(!is_error(&Fields::parse(json).unwrap()), "{json}");
        }
    }

    #[test]
    fn a_redirect_says_what_to_check() {
        assert!(fail(301, "").message.contains("base address"));
    }
}
