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
    "billing_policy",
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "output_format",
    "speed",
    "thread",
];

/// Parameters of the Messages API that travel in a header, with its name.
const IN_HEADERS: &[(&str, &str)] = &[
    ("user_profile_id", "anthropic-user-profile-id"),
    ("workspace_id", "anthropic-workspace-id"),
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
    /// Headers for the parameters that travel in one.
    pub(super) headers: Vec<(&'static str, String)>,
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
            _ if IN_HEADERS.iter().any(|(known, _)| *known == name) => self.header(name, &value, options, report),
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

    /// A parameter that travels in a header, where the adapter can send one.
    fn header(&mut self, name: &str, value: &RawValue, options: Options<'_>, report: &mut Report) {
        let text: String = serde_json::from_str(value.get()).unwrap_or_default();
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let header = IN_HEADERS.iter().find(|(known, _)| *known == name);
        match header {
            _ if !options.takes_headers => report.add(name, "it is for Anthropic's own service alone"),
            Some((_, header)) if is_plain => self.headers.push((header, text)),
            _ => report.add(name, "it is not an id: a text of printable characters"),
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

    /// `cache_control` of the request as a whole.
    pub(super) fn automatic_cache(&self) -> Option<Object> {
        let (_, value) = self.fields.iter().find(|(name, _)| name == "cache_control")?;
        Object::parse(value.get())
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

/// What a request holds, by its `type`.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// Some block refers to a file of the Files API.
    pub(super) files: bool,
    /// Of the tools.
    pub(super) tools: Vec<String>,
    /// Of the blocks of all turns.
    pub(super) blocks: Vec<String>,
    /// Members of turns beside their content.
    pub(super) fields: Vec<&'static str>,
}

/// `type`s of tools that the API refuses without a beta: its name begins like this, and ends so in
/// the version that these tools need.
const OF_TOOLS: &[(&str, &str, &str)] = &[
    ("advisor_20260301", "advisor-tool-", "2026-03-01"),
    ("bash_20241022", "computer-use-", "2024-10-22"),
    ("code_execution_20250522", "code-execution-", "2025-05-22"),
    ("computer_20241022", "computer-use-", "2024-10-22"),
    ("computer_20250124", "computer-use-", "2025-01-24"),
    ("computer_20251124", "computer-use-", "2025-11-24"),
    ("text_editor_20241022", "computer-use-", "2024-10-22"),
];

/// The same of content blocks.
const OF_BLOCKS: &[(&str, &str, &str)] = &[
    ("advisor_tool_result", "advisor-tool-", "2026-03-01"),
    ("compaction", "compact-", "2026-01-12"),
    ("fallback", "server-side-fallback-", "2026-07-01"),
    ("mcp_tool_listing", "mcp-client-", "2026-09-15"),
    ("mcp_tool_result", "mcp-client-", "2025-11-20"),
    ("mcp_tool_use", "mcp-client-", "2025-11-20"),
    ("tool_addition", "mid-conversation-tool-changes-", "2026-07-01"),
    ("tool_removal", "mid-conversation-tool-changes-", "2026-07-01"),
];

/// The same of members of turns.
const OF_TURNS: &[(&str, &str, &str)] = &[
    ("clear_at", "mid-conversation-system-clear-at-", "2026-08-21"),
    ("output_config", "mid-conversation-output-config-", "2026-07-01"),
];

/// The same of fields of the body.
const OF_FIELDS: &[(&str, &str, &str)] = &[
    ("compaction", "compact-", "2026-09-04"),
    ("fallback_credit_token", "fallback-credit-", "2026-07-01"),
    ("fallbacks", "server-side-fallback-", "2026-07-01"),
    ("output_format", "structured-outputs-", "2025-11-13"),
    ("thread", "message-threads-", "2026-08-12"),
];

/// The header's values for a request: those that were asked for, and those without which the API
/// refuses a field of the body. A beta that was asked for in another version is left alone.
pub(super) fn betas(asked: Vec<String>, body: &Object, kinds: &Kinds) -> Vec<String> {
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
    if kinds.files {
        need("files-api-", "2025-04-14");
    }
    let holds = |kinds: &[String], kind: &str| kinds.iter().any(|known| known == kind);
    let of_turns = OF_TURNS.iter().filter(|(name, ..)| kinds.fields.contains(name));
    let of_tools = OF_TOOLS.iter().filter(|(kind, ..)| holds(&kinds.tools, kind));
    // What an answer brought goes back only with the beta that it came by.
    let of_blocks = OF_BLOCKS.iter().filter(|(kind, ..)| holds(&kinds.blocks, kind));
    let of_fields = OF_FIELDS.iter().filter(|(field, ..)| body.has(field));
    for (_, prefix, version) in of_turns.chain(of_tools).chain(of_blocks).chain(of_fields) {
        need(prefix, version);
    }
    if let Some(thinking) = body.read::<Object>("thinking") {
        if thinking.has("block_binding") {
            need("thinking-binding-controls-", "2026-08-01");
        }
        if thinking.read::<String>("display").as_deref() == Some("updates") {
            need("thinking-display-updates-", "2026-08-18");
        }
    }
    let config = body.read::<Object>("output_config");
    if config.is_some_and(|config| config.has("task_budget")) {
        need("task-budgets-", "2026-03-13");
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
    if body.read::<String>("speed").as_deref() == Some("fast") {
        need("fast-mode-", "2026-02-01");
    }
    out
}
