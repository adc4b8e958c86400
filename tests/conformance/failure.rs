//! Answers that are errors.
//!
//! In: a recorded error. Out: whether the caller's error says the same, by the table in
//! `docs/errors.md`. Never: a message in other words than the provider's.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::case::{Api, Case};

/// Status, `type` and `code` that a caller is to get.
struct Wanted {
    status: u16,
    kind: &'static str,
    code: String,
}

fn wanted(api: Api, status: u16, error: &Value) -> Option<Wanted> {
    let own = |name: &str| error[name].as_str().map(str::to_owned);
    let message = error["message"].as_str().unwrap_or_default().to_lowercase();
    let (kind, code) = match api {
        Api::Anthropic => (own("type").unwrap_or_default(), own("type")),
        Api::OpenAi | Api::AnthropicCompatible | Api::Azure => {
            let code = if error.get("code").is_some() {
                own("code")
            } else {
                own("type")
            };
            (code.clone().unwrap_or_default(), code)
        }
    };
    let of = |status: u16, kind: &'static str, code: &str| {
        Some(Wanted {
            status,
            kind,
            code: code.to_owned(),
        })
    };
    let or = |fallback: &str| code.clone().unwrap_or_else(|| fallback.to_owned());
    match (status, kind.as_str()) {
        (400, "content_filter" | "content_policy_violation") => of(400, "invalid_request_error", "content_filter"),
        (401, "PermissionDenied") => of(403, "permission_error", "provider_permission"),
        (400, "context_length_exceeded") => of(400, "invalid_request_error", "context_length_exceeded"),
        (400, _) if message.contains("prompt is too long") => {
            of(400, "invalid_request_error", "context_length_exceeded")
        }
        (400, _) if message.contains("credit balance") => of(429, "insufficient_quota", "insufficient_quota"),
        (400 | 422, _) => of(400, "invalid_request_error", &or("invalid_request")),
        (401, _) => of(502, "server_error", "provider_authentication"),
        (403, _) => of(403, "permission_error", "provider_permission"),
        (404, _) => of(404, "invalid_request_error", &or("not_found")),
        (413, _) => of(413, "invalid_request_error", "request_too_large"),
        (429, "insufficient_quota") => of(429, "insufficient_quota", "insufficient_quota"),
        (429, _) => of(429, "rate_limit_error", "rate_limit_exceeded"),
        (529 | 503, _) => of(503, "overloaded_error", "provider_overloaded"),
        (500 | 502, _) => of(502, "server_error", "provider_error"),
        (504, _) => of(504, "timeout_error", "provider_timeout"),
        _ => None,
    }
}

/// Checks a caller's error against the recorded one.
pub(crate) fn check(case: &Case, answer: &Answer) -> Result<(), String> {
    let (status, recorded) = case.failure().ok_or("no error was recorded")?;
    let own = &recorded["error"];
    let wanted = wanted(case.api, status, own).ok_or_else(|| format!("no expectation for {status}: {recorded}"))?;
    let body = answer.json()?;
    let error = &body["error"];
    let mut faults = Vec::new();
    let mut hold = |what: &str, is: &Value, should: &Value| {
        if is != should {
            faults.push(format!("{what} is {is}, not {should}"));
        }
    };
    hold("status", &json!(answer.status), &json!(wanted.status));
    hold("type", &error["type"], &json!(wanted.kind));
    hold("code", &error["code"], &json!(wanted.code));
    // Azure's words stand first, and what to do behind them.
    if wanted.code == "provider_authentication" || case.api == Api::Azure {
        let said = error["message"].as_str().unwrap_or_default();
        hold(
            "message",
            &json!(said.contains(own["message"].as_str().unwrap_or("?"))),
            &json!(true),
        );
    } else {
        hold("message", &error["message"], &own["message"]);
    }
    if matches!(case.api, Api::OpenAi | Api::Azure) {
        hold("param", &error["param"], &own["param"]);
    }
    hold("provider_status", &error["provider_status"], &json!(status));
    let own_code = if own.get("code").is_some() {
        &own["code"]
    } else {
        &own["type"]
    };
    hold("provider_code", &error["provider_code"], own_code);
    let headers = case.recording.headers();
    let header = |names: &[&str]| {
        let of = |wanted: &&str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        names.iter().find_map(of).map(|(_, value)| value.as_str())
    };
    let id = header(&["x-request-id", "request-id", "apim-request-id"]).or(recorded["request_id"].as_str());
    hold("provider_request_id", &error["provider_request_id"], &json!(id));
    hold(
        "header retry-after",
        &json!(answer.header("retry-after")),
        &json!(header(&["retry-after"])),
    );
    let repeats = !["false"].contains(&answer.header("x-should-retry").unwrap_or("true"));
    let transient = wanted.kind != "insufficient_quota" && [429, 500, 502, 503, 504, 529].contains(&status);
    if answer.status == 429 || answer.status >= 500 {
        hold("whether a client may repeat it", &json!(repeats), &json!(transient));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{}\n  caller's: {body}\n  recorded: {recorded}",
            faults.join("; ")
        ))
    }
}
