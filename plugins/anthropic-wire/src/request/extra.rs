//! Fields without a neutral place.
//!
//! In: the further fields of the caller's request. Out: those that the Messages API knows, the beta
//! headers they need, and a reason for each of the rest. Never: a field sent on that the API would
//! refuse as unknown, unless the operator named it in `extra_fields`.

use llm_provider_sdk::types::Extras;
use serde_json::value::RawValue;

use super::Options;
use crate::report::Report;
use crate::wire::{self, Object};

/// Fields of the Messages API that are sent as they are.
const KNOWN: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "output_format",
    "speed",
    "user_profile_id",
    "workspace_id",
];

/// Names under which a caller gives values of the header `anthropic-beta`.
const BETA_FIELDS: &[&str] = &["anthropic_beta", "anthropic-beta", "betas"];

/// Fields that the host has already acted on.
const SERVED: &[&str] = &["stream", "stream_options"];

/// Fields of OpenAI's API, with what to say about them.
const FOREIGN: &[(&str, &str)] = &[
    ("audio", "Anthropic makes no sound"),
    ("functions", "give `tools` instead"),
    ("function_call", "give `tool_choice` instead"),
    ("logit_bias", "Anthropic cannot weigh single tokens"),
    ("logprobs", "Anthropic gives no log probabilities"),
    ("top_logprobs", "Anthropic gives no log probabilities"),
    ("modalities", "Anthropic answers with text"),
    ("moderation", "Anthropic has no such setting"),
    ("prediction", "Anthropic takes no predicted output"),
    ("prompt_cache_key", "Anthropic caches where `cache_control` says so"),
    ("prompt_cache_retention", "give `cache_control` with a `ttl` instead"),
    ("store", "Anthropic stores no answers"),
    ("verbosity", "give `output_config.effort` or ask for it in the prompt"),
    (
        "web_search_options",
        "give Anthropic's tool `web_search` in `tools` instead",
    ),
];

/// Values with which those fields ask for nothing.
const SAYS_NOTHING: &[&str] = &["false", "0", "{}", "[]", r#"["text"]"#];

/// Whether a field of OpenAI's API has a value that changes nothing there. Options of a search ask for
/// one, even without a member.
fn asks_for_nothing(name: &str, value: &RawValue) -> bool {
    let is_foreign = FOREIGN.iter().any(|(foreign, _)| *foreign == name);
    is_foreign && name != "web_search_options" && SAYS_NOTHING.contains(&value.get())
}

/// The further fields of one request, sorted.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Values of the header `anthropic-beta`.
    pub(super) betas: Vec<String>,
    /// `thinking`.
    pub(super) thinking: Option<Object>,
    /// `output_config`.
    pub(super) output_config: Object,
    /// `metadata`.
    metadata: Option<Object>,
    /// OpenAI's newer name for the end user.
    safety_identifier: Option<String>,
    /// Fields that are sent as they are.
    fields: Vec<(String, Box<RawValue>)>,
}

impl Extra {
    pub(super) fn sort(extra: &Extras, options: Options<'_>, report: &mut Report) -> Self {
        let mut out = Self {
            betas: options.betas.to_vec(),
            ..Self::default()
        };
        for (name, json) in extra.iter().filter(|(_, json)| json.trim() != "null") {
            match wire::raw(json) {
                Some(value) => out.field(name, value, options, report),
                None => report.add(name, "it is not JSON"),
            }
        }
        out
    }

    fn field(&mut self, name: &str, value: Box<RawValue>, options: Options<'_>, report: &mut Report) {
        let as_object = || Object::parse(value.get());
        match name {
            "thinking" if as_object().is_some() => self.thinking = as_object(),
            "output_config" if as_object().is_some() => self.output_config = as_object().unwrap_or_default(),
            "metadata" if as_object().is_some() => self.metadata = as_object(),
            "safety_identifier" => self.safety_identifier = serde_json::from_str(value.get()).ok(),
            "service_tier" => self.service_tier(value, report),
            _ if BETA_FIELDS.contains(&name) => self.betas.extend(names(&value)),
            _ if SERVED.contains(&name) => {}
            _ if KNOWN.contains(&name) || options.extra_fields.iter().any(|known| known == name) => {
                self.fields.push((name.to_owned(), value));
            }
            _ if asks_for_nothing(name, &value) => {}
            _ => {
                let known = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
                let reason = known.map_or(
                    "it is not a field of Anthropic's API that this adapter knows; the operator can name it in `extra_fields`",
                    |(_, reason)| *reason,
                );
                report.add(name, reason);
            }
        }
    }

    /// OpenAI's `default` is what Anthropic calls `standard_only`; its other tiers have no
    /// counterpart.
    fn service_tier(&mut self, value: Box<RawValue>, report: &mut Report) {
        let word: String = serde_json::from_str(value.get()).unwrap_or_default();
        let sent = match word.as_str() {
            "auto" | "standard_only" => Some(value),
            "default" => wire::raw("\"standard_only\""),
            _ => None,
        };
        match sent {
            Some(sent) => self.fields.push(("service_tier".to_owned(), sent)),
            None => report.add("service_tier", "Anthropic's tiers are `auto` and `standard_only`"),
        }
    }

    /// Writes the fields into the body, with the end user's name in `metadata.user_id`.
    pub(super) fn write(&mut self, user: Option<&str>, body: &mut Object, report: &mut Report) {
        let mut out = Object::new();
        for (name, value) in self.metadata.take().unwrap_or_default().members() {
            if name == "user_id" {
                out.put(name, value);
            } else {
                report.add(format!("metadata.{name}"), "Anthropic's metadata holds only `user_id`");
            }
        }
        let names = [("user", user), ("safety_identifier", self.safety_identifier.as_deref())];
        for (field, name) in names {
            let Some(name) = name else { continue };
            if out.is_empty() {
                out.put("user_id", name);
            } else if out.read::<String>("user_id").as_deref() != Some(name) {
                report.add(field, "another name of the end user was given too, and counts");
            }
        }
        if !out.is_empty() {
            body.put_object("metadata", out);
        }
        for (name, value) in &self.fields {
            body.set(name, value);
        }
    }
}

/// The header's values: a text with commas, or a list of texts.
fn names(value: &RawValue) -> Vec<String> {
    let list = serde_json::from_str::<Vec<String>>(value.get());
    let list = list.or_else(|_| serde_json::from_str::<String>(value.get()).map(|one| vec![one]));
    list.unwrap_or_default()
        .iter()
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The header's values for a request: those that were asked for, and those without which the API
/// refuses a field of the body. A beta that was asked for in another version is left alone.
pub(super) fn betas(asked: Vec<String>, body: &Object, needs_files: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in asked {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    let mut need = |prefix: &str, version: &str| {
        if !out.iter().any(|name| name.starts_with(prefix)) {
            out.push(format!("{prefix}{version}"));
        }
    };
    if needs_files {
        need("files-api-", "2025-04-14");
    }
    if let Some(servers) = body.read::<Vec<Object>>("mcp_servers") {
        // The older version has the servers' tools in `mcp_servers`, the newer one in `tools`.
        let older = servers.iter().any(|server| server.has("tool_configuration"));
        need("mcp-client-", if older { "2025-04-04" } else { "2025-11-20" });
    }
    if let Some(management) = body.read::<Object>("context_management") {
        need("context-management-", "2025-06-27");
        let edits: Vec<Object> = management.read("edits").unwrap_or_default();
        let compacts = |edit: &Object| {
            edit.read::<String>("type")
                .is_some_and(|kind| kind.starts_with("compact_"))
        };
        if edits.iter().any(compacts) {
            need("compact-", "2026-01-12");
        }
    }
    if body
        .read::<Object>("container")
        .is_some_and(|container| container.has("skills"))
    {
        need("code-execution-", "2025-08-25");
        need("skills-", "2025-10-02");
    }
    if body.has("output_format") {
        need("structured-outputs-", "2025-11-13");
    }
    if body.read::<String>("speed").as_deref() == Some("fast") {
        need("fast-mode-", "2026-02-01");
    }
    out
}
