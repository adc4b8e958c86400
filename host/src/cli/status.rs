//! `host status`, `host models`, `host reload`: what the running host says of itself.
//!
//! In: the admin socket. Out: its answers, for people or unchanged as JSON. Never: the configuration
//! on disk instead of the one in use.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::Session;
use super::client::{self, Address};
use super::output::{fields, table};

/// What `GET /admin/status` answers, as far as people are shown it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    version: String,
    generation: u64,
    started: String,
    config: Part,
    vault: Part,
    plugins: Vec<Plugin>,
    replaced: Vec<Replaced>,
    usage: Vec<Used>,
    problems: Vec<Problem>,
    reload: Reload,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    path: String,
    loaded: Option<String>,
    revision: Option<u64>,
    unusable: Vec<String>,
    last_error: Option<String>,
}

/// What could not be served.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    subject: String,
    message: String,
    kept_previous: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Plugin {
    id: String,
    provider: String,
    version: String,
    generation: u64,
    digest: String,
    isolation: Value,
    state: String,
    in_flight: u64,
    last_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Replaced {
    provider: String,
    generation: u64,
    in_flight: u64,
}

/// What a provider was asked for since the host was started.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Used {
    provider: String,
    complete: u64,
    failed: u64,
    left: u64,
    tokens: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reload {
    last: Option<String>,
    ok: Option<bool>,
    error: Option<String>,
}

fn admin(session: &Session) -> anyhow::Result<Address> {
    Ok(Address::Socket(session.contact()?.socket))
}

pub(super) fn status(session: &Session) -> anyhow::Result<()> {
    let address = admin(session)?;
    let answer = client::block_on(client::json(&address, Method::GET, "/admin/status"))?;
    session
        .output
        .show(&answer, |answer| match Status::deserialize(answer) {
            Ok(status) => status_text(&status),
            // A host of another version; what it says is still worth reading.
            Err(_) => format!("{answer:#}"),
        })
}

fn status_text(status: &Status) -> String {
    let mut text = vec![fields([
        (
            "host",
            format!("{}, running since {}", status.version, moment(&status.started)),
        ),
        ("snapshot", status.generation.to_string()),
        ("configuration", part_text(&status.config)),
        ("vault", part_text(&status.vault)),
        ("last reload", reload_text(&status.reload)),
    ])];
    if status.plugins.is_empty() {
        text.push("no providers: put a plugin into the plugins directory".to_owned());
    } else {
        let rows = status.plugins.iter().map(|plugin| {
            let digest: String = plugin.digest.trim_start_matches("sha256:").chars().take(12).collect();
            let isolation = plugin
                .isolation
                .as_str()
                .map_or_else(|| plugin.isolation.to_string(), str::to_owned);
            [
                plugin.provider.clone(),
                format!("{} {}", plugin.id, plugin.version),
                plugin.generation.to_string(),
                digest,
                isolation,
                plugin.state.clone(),
                plugin.in_flight.to_string(),
            ]
        });
        let header = [
            "provider",
            "plugin",
            "generation",
            "digest",
            "isolation",
            "state",
            "in flight",
        ];
        text.push(table(header, rows));
    }
    if !status.usage.is_empty() {
        text.push(usage_text(&status.usage));
    }
    let crashed = status
        .plugins
        .iter()
        .filter_map(|p| Some(format!("{}: {}", p.provider, p.last_error.as_ref()?)));
    let problems = status.problems.iter().map(problem_text);
    let unusable = status.vault.unusable.iter().map(|text| format!("vault: {text}"));
    let wrong: Vec<String> = crashed.chain(problems).chain(unusable).collect();
    if !wrong.is_empty() {
        text.push(wrong.join("\n"));
    }
    let finishing: Vec<String> = status.replaced.iter().map(replaced_text).collect();
    if !finishing.is_empty() {
        text.push(finishing.join("\n"));
    }
    text.join("\n\n")
}

/// What was used, in the columns that a person adds up.
fn usage_text(usage: &[Used]) -> String {
    let rows = usage.iter().map(|used| {
        let tokens = |names: &[&str]| {
            let counts = names.iter().filter_map(|name| used.tokens.get(*name));
            counts.fold(0, |sum: u64, count| sum.saturating_add(*count)).to_string()
        };
        [
            used.provider.clone(),
            used.complete.to_string(),
            used.failed.to_string(),
            used.left.to_string(),
            tokens(&["input", "input_audio", "input_image"]),
            tokens(&["cache_read"]),
            tokens(&["cache_write", "cache_write_long"]),
            tokens(&["output", "output_audio", "output_image"]),
            tokens(&["reasoning"]),
        ]
    });
    let header = [
        "used since the start",
        "complete",
        "failed",
        "left",
        "tokens in",
        "cached",
        "to cache",
        "out",
        "reasoning",
    ];
    table(header, rows)
}

fn problem_text(problem: &Problem) -> String {
    let kept = if problem.kept_previous {
        " (the one before goes on serving)"
    } else {
        ""
    };
    format!("{}: {}{kept}", problem.subject, problem.message)
}

/// A time without the part of a second that no person reads.
fn moment(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) if time.ends_with('Z') => format!("{seconds}Z"),
        _ => time.to_owned(),
    }
}

fn part_text(part: &Part) -> String {
    let mut facts = Vec::new();
    if !part.path.is_empty() {
        facts.push(part.path.clone());
    }
    facts.extend(part.revision.map(|revision| format!("revision {revision}")));
    facts.extend(part.loaded.as_ref().map(|loaded| format!("loaded {}", moment(loaded))));
    let text = if facts.is_empty() {
        "none".to_owned()
    } else {
        facts.join(", ")
    };
    match &part.last_error {
        Some(error) => format!("{text}\nnot taken over since: {error}"),
        None => text,
    }
}

fn replaced_text(old: &Replaced) -> String {
    let (provider, generation, calls) = (&old.provider, old.generation, old.in_flight);
    format!("{provider}: generation {generation} was replaced; calls it still finishes: {calls}")
}

fn reload_text(reload: &Reload) -> String {
    match (&reload.last, reload.ok, &reload.error) {
        (None, ..) => "none yet".to_owned(),
        (Some(last), Some(false), error) => {
            let why = error.as_deref().unwrap_or("the host's log says why");
            format!("{}, refused\n{why}", moment(last))
        }
        (Some(last), ..) => format!("{}, taken over", moment(last)),
    }
}

pub(super) fn reload(session: &Session) -> anyhow::Result<()> {
    let address = admin(session)?;
    let answer = client::block_on(async {
        let response = client::send(&address, Method::POST, "/admin/reload", None, None).await?;
        // A reload that was refused is an answer, too.
        match response.status() {
            StatusCode::CONFLICT => client::whole(response).await,
            _ => client::whole(client::successful(response).await?).await,
        }
    })?;
    if answer.get("ok").and_then(Value::as_bool) == Some(false) {
        if session.output.is_json() {
            session.output.text(&format!("{answer:#}"))?;
        }
        let error = answer
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("the host's log says why");
        bail!("the host goes on as before: {error}");
    }
    session.output.show(&answer, |answer| {
        let mut text = match answer.get("generation").and_then(Value::as_u64) {
            Some(generation) => format!("reloaded; this is snapshot {generation}"),
            None => "reloaded".to_owned(),
        };
        let problems = answer
            .get("problems")
            .map(Vec::<Problem>::deserialize)
            .and_then(Result::ok);
        for problem in problems.unwrap_or_default() {
            text.push_str(&format!("\n{}", problem_text(&problem)));
        }
        text
    })
}

pub(super) fn models(session: &Session) -> anyhow::Result<()> {
    let address = admin(session)?;
    let (answer, status) = client::block_on(async {
        let models = client::json(&address, Method::GET, "/v1/models").await?;
        let status = client::json(&address, Method::GET, "/admin/status").await?;
        Ok((models, status))
    })?;
    let listed = answer
        .get("data")
        .and_then(Value::as_array)
        .context("the host's answer is not a list of models")?;
    session.output.show(&answer, |_| {
        if listed.is_empty() {
            return "no models: `host status` shows which providers there are".to_owned();
        }
        let text = |model: &Value, key: &str| model.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        table(
            ["model", "provider"],
            listed.iter().map(|model| [text(model, "id"), text(model, "owned_by")]),
        )
    })?;
    let status = Status::deserialize(&status).unwrap_or_default();
    let silent = without_models(&status, listed);
    if let Some(first) = silent.first() {
        session.output.note(&format!(
            "no list of models from {}; `host doctor {first}` says why, and they may be asked all the same",
            silent.join(", ")
        ));
    }
    Ok(())
}

/// The providers that serve and of which nothing is in the list.
fn without_models<'s>(status: &'s Status, listed: &[Value]) -> Vec<&'s str> {
    let of = |provider: &str| {
        let id = |model: &Value| model.get("id").and_then(Value::as_str).map(str::to_owned);
        let own = |id: String| id.strip_prefix(provider).is_some_and(|rest| rest.starts_with('/'));
        listed.iter().filter_map(id).any(own)
    };
    let names = status.plugins.iter().map(|plugin| plugin.provider.as_str());
    names.filter(|name| !of(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_lists_nothing_is_named() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "plugins": [{"provider": "echo"}, {"provider": "ech"}, {"provider": "openai"}]
        }))
        .unwrap();
        let listed = [
            serde_json::json!({"id": "echo/echo"}),
            serde_json::json!({"id": "openai"}),
        ];
        assert_eq!(without_models(&status, &listed), ["ech", "openai"]);
    }

    #[test]
    fn a_status_is_told_with_what_is_wrong() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "generation": 3, "started": "2026-01-02T03:04:05Z",
            "config": {"path": "/etc/host.toml", "loaded": "2026-01-02T03:04:05Z", "last_error": "line 3"},
            "vault": {"revision": 7, "last_error": null},
            "plugins": [
                {"id": "echo", "provider": "echo", "version": "0.1.0", "generation": 1, "digest": "sha256:0123456789abcdef",
                 "isolation": "fresh", "state": "ready", "in_flight": 2, "last_error": "trapped"}
            ],
            "problems": [{"subject": "broken.wasm", "message": "not a component", "kept_previous": true}],
            "reload": {"last": "2026-01-02T04:00:00Z", "ok": false, "error": "broken.wasm is not a component"},
            "replaced": [{"provider": "echo", "generation": 1, "in_flight": 3}],
            "usage": [{"provider": "echo", "complete": 5, "failed": 1, "left": 2, "unknown": 1,
                       "tokens": {"input": 40, "input_image": 2, "cache_read": 7, "output": 99, "reasoning": 3}}],
            "something_newer": true
        }))
        .unwrap();
        let text = status_text(&status);
        for part in [
            "0.1.0, running since",
            "not taken over since: line 3",
            "revision 7",
            "0123456789ab ",
            "echo: trapped",
            "calls it still finishes: 3",
            "broken.wasm: not a component (the one before goes on serving)",
            "refused\n               broken.wasm is not a component",
            "echo                  5         1       2     42         7       0         99   3",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("0123456789abcdef"), "digests are cut for people");
    }
}
