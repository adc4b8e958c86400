//! What Azure's errors mean for the person who set it up.
//!
//! In: an error of the shared wire format, and where the call went. Out: the same with its right
//! kind and, behind Azure's own words, what to do. Never: an error made milder than it is, and never
//! Azure's words left out.

use llm_provider_sdk::types::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::identity::{ENTRA, KEY};
use crate::settings::Api;
use crate::target::Target;

/// The role with the least that is needed to ask a deployment.
const ROLE: &str = "Cognitive Services OpenAI User";

/// The error with what is known of the call that met it.
pub(crate) fn explain(mut error: Error, target: &Target) -> Error {
    let said = error.message.to_ascii_lowercase();
    let says = |part: &str| said.contains(part);
    let is = |code: &str| {
        error
            .provider_code
            .as_deref()
            .is_some_and(|c| c.eq_ignore_ascii_case(code))
    };
    let slot = error.http_status.and_then(|_| used_slot(target));
    let Target {
        resource, deployment, ..
    } = target;
    let mut kind = error.kind;
    let hint = match (error.http_status, error.kind) {
        (_, ErrorKind::ContentFiltered) => findings(&error),
        (Some(400 | 401 | 403), _)
            if is("PermissionDenied")
                || says("lacks the required data action")
                || says("does not have access to api") =>
        {
            kind = ErrorKind::Permission;
            Some(format!(
                "Give the identity of slot `{ENTRA}` the role `{ROLE}` on resource `{resource}`; an assignment may take some \
                 minutes until it counts"
            ))
        }
        (Some(400 | 401), _) if says("tenant") && says("does not match") => {
            kind = ErrorKind::Authentication;
            Some(format!(
                "The identity of slot `{ENTRA}` has to be of the tenant that resource `{resource}` is in"
            ))
        }
        (Some(401), _) if slot == Some(ENTRA) => Some(format!(
            "The token was not accepted: its scope has to fit the cloud that resource `{resource}` is in \
             (https://cognitiveservices.azure.com/.default in the public one); `host grant add … --attach` sets another"
        )),
        (Some(401), _) => Some(format!(
            "The key of slot `{KEY}` has to be one of resource `{resource}` at {}",
            target.endpoint
        )),
        (Some(403), _) if is("AuthenticationTypeDisabled") || says("key based authentication") => Some(format!(
            "Resource `{resource}` takes no keys: grant an identity for slot `{ENTRA}`"
        )),
        (Some(403), _)
            if says("private endpoint") || says("public access") || says("virtual network") || says("firewall") =>
        {
            Some(format!(
                "Resource `{resource}` is closed to this network: let the host reach its private endpoint (its name has to \
                 resolve to the private address here, and the grant needs `--private-origin {}`), or admit the host's address",
                target.endpoint
            ))
        }
        (Some(404), _) if is("DeploymentNotFound") => Some(format!(
            "Resource `{resource}` has no deployment `{deployment}`; names are case-sensitive, and a new one may take some \
             minutes"
        )),
        (Some(400 | 404), _) if says("api version") || says("api-version") => Some(version_hint(target)),
        (Some(404), _) if !is("model_not_found") => Some(format!(
            "{} has no such address; check `endpoint` and `api` of resource `{resource}`. {}",
            target.endpoint,
            version_hint(target)
        )),
        (Some(400), _) => parameter_hint(&said, target),
        (Some(429), _) => {
            if is("NoCapacity") || says("high demand") || says("no capacity") {
                kind = ErrorKind::Overloaded;
            }
            error.retry_after_ms = error.retry_after_ms.or_else(|| told_wait_ms(&said));
            limit_hint(&said, target)
        }
        _ => None,
    };
    if kind != error.kind {
        let retryable = error.retryable;
        error = error.with_kind(kind);
        error.retryable = retryable && kind != ErrorKind::Authentication && kind != ErrorKind::Permission;
    }
    if let Some(hint) = hint {
        let message = error.message.trim_end();
        let end = if message.ends_with(['.', '!', '?', ')']) {
            ""
        } else {
            "."
        };
        error.message = format!("{message}{end} {hint}.");
    }
    error
}

/// The slot that the call used.
fn used_slot(target: &Target) -> Option<&'static str> {
    crate::identity::slot(target.sign_in).ok()
}

fn version_hint(target: &Target) -> String {
    let resource = &target.resource;
    match (&target.api_version, target.api) {
        (Some(version), _) => format!(
            "`api_version` is `{version}` here; set one that resource `{resource}` knows for this operation, or `api = \"v1\"`"
        ),
        (None, _) => format!("No `api_version` was sent to resource `{resource}`"),
    }
}

/// A parameter that a model or a version of the API does not take, where a setting helps.
fn parameter_hint(said: &str, target: &Target) -> Option<String> {
    let Target { deployment, .. } = target;
    let refused = [
        "unsupported parameter",
        "unrecognized request argument",
        "unknown parameter",
    ];
    if said.contains("operationnotsupported") || said.contains("does not work with the specified model") {
        return Some(format!(
            "The model of deployment `{deployment}` is not for this operation"
        ));
    }
    if !refused.iter().any(|word| said.contains(word)) {
        return None;
    }
    // What Azure proposes instead stands behind what it refuses.
    let named = ["max_completion_tokens", "max_tokens", "stream_options"]
        .into_iter()
        .filter_map(|name| said.find(name).map(|at| (at, name)))
        .min();
    match named {
        Some((_, "max_tokens")) => Some(format!(
            "Set `token_limit = \"max_completion_tokens\"` for deployment `{deployment}`"
        )),
        Some((_, "max_completion_tokens")) if target.api == Api::Deployments => Some(format!(
            "Set `token_limit = \"max_tokens\"` for deployment `{deployment}`, or a newer `api_version`"
        )),
        Some((_, "max_completion_tokens")) => Some(format!(
            "Set `token_limit = \"max_tokens\"` for deployment `{deployment}`"
        )),
        Some(_) => Some(version_hint(target)),
        None => None,
    }
}

/// Which limit it was, of what.
fn limit_hint(said: &str, target: &Target) -> Option<String> {
    let limit = if said.contains("token") {
        "tokens a minute"
    } else if said.contains("call rate") || said.contains("request") {
        "requests a minute"
    } else {
        return None;
    };
    let region = target.region.as_ref().map(|region| format!(" in {region}"));
    Some(format!(
        "The limit is that of {limit} of deployment `{}` of resource `{}`{}",
        target.deployment,
        target.resource,
        region.unwrap_or_default()
    ))
}

/// `Please retry after 26 seconds`, `Try again in 2 seconds`.
fn told_wait_ms(said: &str) -> Option<u64> {
    let (_, after) = said
        .split_once("retry after ")
        .or_else(|| said.split_once("try again in "))?;
    let (number, unit) = after.split_once(' ')?;
    let seconds: u64 = number.parse().ok().filter(|_| unit.starts_with("second"))?;
    seconds.checked_mul(1000)
}

/// What the filter found, by category: `hate (high), jailbreak`.
fn findings(error: &Error) -> Option<String> {
    let raw: Value = serde_json::from_str(error.raw.as_deref()?).ok()?;
    let inner = raw.get("error").unwrap_or(&raw);
    let within = ["innererror", "inner_error"].iter().find_map(|name| inner.get(*name));
    let of = |object: &Value| -> Option<Map<String, Value>> {
        let names = ["content_filter_result", "content_filter_results"];
        names.iter().find_map(|name| object.get(*name)?.as_object().cloned())
    };
    let results = within.and_then(of).or_else(|| of(inner))?;
    let found: Vec<String> = results
        .iter()
        .filter_map(|(name, result)| finding(name, result))
        .collect();
    (!found.is_empty()).then(|| format!("The filter found: {}", found.join(", ")))
}

fn finding(category: &str, result: &Value) -> Option<String> {
    if result.get("filtered") != Some(&Value::Bool(true)) {
        return None;
    }
    Some(match result.get("severity").and_then(Value::as_str) {
        Some(severity) => format!("{category} ({severity})"),
        None => category.to_owned(),
    })
}

#[cfg(test)]
mod tests;
