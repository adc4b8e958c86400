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
    let told = Told {
        words: error.message.to_ascii_lowercase(),
        error: &error,
    };
    let meant = filtered(&told)
        .or_else(|| identity(&told, target))
        .or_else(|| network(&told, target))
        .or_else(|| address(&told, target))
        .or_else(|| parameter(&told, target))
        .or_else(|| limit(&told, target));
    let wait = told.wait_ms();
    error.retry_after_ms = error.retry_after_ms.or(wait);
    let Some(Meant { kind, hint }) = meant else {
        return error;
    };
    if kind != error.kind {
        let retryable = error.retryable;
        error = error.with_kind(kind);
        error.retryable = retryable && kind == ErrorKind::Overloaded;
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

/// What Azure told.
struct Told<'e> {
    error: &'e Error,
    /// The message in lower case.
    words: String,
}

/// What it means: its kind, and what to do or know, as a sentence without its stop.
struct Meant {
    kind: ErrorKind,
    hint: Option<String>,
}

impl Told<'_> {
    fn says(&self, part: &str) -> bool {
        self.words.contains(part)
    }

    fn is(&self, code: &str) -> bool {
        let own = self.error.provider_code.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(code))
    }

    /// The status; 0 where there was no answer.
    fn status(&self) -> u16 {
        self.error.http_status.unwrap_or(0)
    }

    /// The kind that the shared wire format found, with more to say about it.
    fn with(&self, hint: String) -> Meant {
        Meant {
            kind: self.error.kind,
            hint: Some(hint),
        }
    }

    /// `Please retry after 26 seconds`, `Try again in 2 seconds`, of a limit.
    fn wait_ms(&self) -> Option<u64> {
        let (_, after) = self
            .words
            .split_once("retry after ")
            .or_else(|| self.words.split_once("try again in "))?;
        let (number, unit) = after.split_once(' ')?;
        let limited = self.status() == 429 && unit.starts_with("second");
        let seconds: u64 = number.parse().ok().filter(|_| limited)?;
        seconds.checked_mul(1000)
    }
}

/// The content filter refused.
fn filtered(told: &Told<'_>) -> Option<Meant> {
    (told.error.kind == ErrorKind::ContentFiltered).then(|| Meant {
        kind: ErrorKind::ContentFiltered,
        hint: findings(told.error),
    })
}

/// The key or the identity was refused.
fn identity(told: &Told<'_>, target: &Target) -> Option<Meant> {
    let resource = &target.resource;
    let lacks = told.is("PermissionDenied")
        || told.says("lacks the required data action")
        || told.says("does not have access to api");
    let hint = match told.status() {
        400 | 401 | 403 if lacks => {
            return Some(Meant {
                kind: ErrorKind::Permission,
                hint: Some(format!(
                    "Give the identity of slot `{ENTRA}` the role `{ROLE}` on resource `{resource}`; an assignment may \
                     take some minutes until it counts"
                )),
            });
        }
        400 | 401 if told.says("tenant") && told.says("does not match") => {
            return Some(Meant {
                kind: ErrorKind::Authentication,
                hint: Some(format!(
                    "The identity of slot `{ENTRA}` has to be of the tenant that resource `{resource}` is in"
                )),
            });
        }
        401 if crate::identity::slot(target.sign_in).ok() == Some(ENTRA) => format!(
            "The token was not accepted: its scope has to fit the cloud that resource `{resource}` is in \
             (https://cognitiveservices.azure.com/.default in the public one); `host grant add … --attach` sets another"
        ),
        401 => format!(
            "The key of slot `{KEY}` has to be one of resource `{resource}` at {}",
            target.endpoint
        ),
        403 if told.is("AuthenticationTypeDisabled") || told.says("key based authentication") => {
            format!("Resource `{resource}` takes no keys: grant an identity for slot `{ENTRA}`")
        }
        _ => return None,
    };
    Some(told.with(hint))
}

/// The way to the resource is closed.
fn network(told: &Told<'_>, target: &Target) -> Option<Meant> {
    let words = ["private endpoint", "public access", "virtual network", "firewall"];
    let closed = told.status() == 403 && words.iter().any(|word| told.says(word));
    closed.then(|| {
        told.with(format!(
            "Resource `{}` is closed to this network: let the host reach its private endpoint (its name has to resolve to \
             the private address here, and the grant needs `--private-origin {}`), or admit the host's address",
            target.resource, target.endpoint
        ))
    })
}

/// There is nothing at the address: no deployment, no such version, no such form of the API.
fn address(told: &Told<'_>, target: &Target) -> Option<Meant> {
    let Target {
        resource, deployment, ..
    } = target;
    let hint = match told.status() {
        400 | 404 if told.is("DeploymentNotFound") || told.is("unknown_model") => format!(
            "Resource `{resource}` has no deployment `{deployment}`; names are case-sensitive, and a new one may take some \
             minutes"
        ),
        400 | 404 if told.says("api version") || told.says("api-version") => version_hint(target),
        404 if !told.is("model_not_found") => format!(
            "{} has no such address; check `endpoint` and `api` of resource `{resource}`. {}",
            target.endpoint,
            version_hint(target)
        ),
        _ => return None,
    };
    Some(told.with(hint))
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
fn parameter(told: &Told<'_>, target: &Target) -> Option<Meant> {
    let Target { deployment, .. } = target;
    if told.status() != 400 {
        return None;
    }
    if told.is("OperationNotSupported") || told.says("does not work with the specified model") {
        let hint = format!("The model of deployment `{deployment}` is not for this operation");
        return Some(told.with(hint));
    }
    let refused = [
        "unsupported parameter",
        "unrecognized request argument",
        "unknown parameter",
    ];
    if !refused.iter().any(|word| told.says(word)) {
        return None;
    }
    // What Azure proposes instead stands behind what it refuses.
    let (_, named) = ["max_completion_tokens", "max_tokens", "stream_options"]
        .into_iter()
        .filter_map(|name| told.words.find(name).map(|at| (at, name)))
        .min()?;
    Some(told.with(match named {
        "max_tokens" => format!("Set `token_limit = \"max_completion_tokens\"` for deployment `{deployment}`"),
        "max_completion_tokens" if target.api == Api::Deployments => {
            format!("Set `token_limit = \"max_tokens\"` for deployment `{deployment}`, or a newer `api_version`")
        }
        "max_completion_tokens" => format!("Set `token_limit = \"max_tokens\"` for deployment `{deployment}`"),
        _ => version_hint(target),
    }))
}

/// A limit was met, or there is no room at all.
fn limit(told: &Told<'_>, target: &Target) -> Option<Meant> {
    if told.status() != 429 {
        return None;
    }
    let full = told.is("NoCapacity") || told.says("high demand") || told.says("no capacity");
    let of = if full {
        None
    } else if told.says("token") {
        Some("tokens a minute")
    } else if told.says("call rate") || told.says("request") {
        Some("requests a minute")
    } else {
        None
    };
    let region = target.region.as_ref().map(|region| format!(" in {region}"));
    let place = format!("resource `{}`{}", target.resource, region.unwrap_or_default());
    Some(Meant {
        kind: if full { ErrorKind::Overloaded } else { told.error.kind },
        hint: match of {
            Some(of) => Some(format!(
                "The limit is that of {of} of deployment `{}` of {place}",
                target.deployment
            )),
            None => full.then(|| format!("There is no room at {place} for now; another region may have some")),
        },
    })
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
