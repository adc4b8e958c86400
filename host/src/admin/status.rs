//! What the host is doing, as JSON.
//!
//! In: the present snapshot and how the last reload went. Out: the document of `GET
//! /admin/status`, whose members are only ever added to. Never: a secret or a setting's value.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Watched;
use crate::config::Isolation;
use crate::ledger::Totals;
use crate::plugin::Generation;
use crate::reload::{ReloadError, Snapshot};

/// The whole document.
pub(super) fn of(Watched { reloader, ledger }: &Watched) -> Value {
    let snapshot = reloader.snapshot();
    let last = reloader.last();
    let vault = reloader.vault().report();
    let failed = last.result.as_ref().err();
    let error = failed.map(ToString::to_string);
    let config_error = error
        .as_deref()
        .filter(|_| failed.is_some_and(ReloadError::is_configuration));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": snapshot.number,
        "started": text(reloader.started()),
        "config": {
            "path": snapshot.config.source.path,
            "loaded": text(snapshot.made),
            "last_error": config_error,
        },
        "vault": {
            "path": snapshot.config.vault.path,
            "revision": vault.revision,
            "unusable": vault.unreadable,
            "last_error": vault.last_error,
        },
        "plugins": snapshot.providers.values().map(|generation| provider(generation)).collect::<Vec<_>>(),
        "replaced": reloader.replaced().iter().map(|generation| replaced(generation)).collect::<Vec<_>>(),
        "usage": ledger.totals().iter().map(|(provider, totals)| usage(provider, totals)).collect::<Vec<_>>(),
        "problems": problems(&snapshot),
        "reload": {"last": text(last.at), "trigger": format!("{:?}", last.trigger).to_lowercase(), "ok": error.is_none(), "error": error},
    })
}

/// What could not be served.
pub(super) fn problems(snapshot: &Snapshot) -> Vec<Value> {
    let problem = |problem: &crate::reload::Problem| json!({"subject": problem.subject, "message": problem.message, "kept_previous": problem.kept_previous});
    snapshot.problems.iter().map(problem).collect()
}

fn provider(generation: &Generation) -> Value {
    let health = generation.health();
    let manifest = &generation.plugin.manifest;
    json!({
        "id": manifest.id,
        "provider": &*generation.provider,
        "version": manifest.version,
        "generation": generation.id,
        "digest": generation.plugin.digest_hex(),
        "file": generation.plugin.path,
        "interfaces": generation.plugin.interfaces,
        "isolation": isolation(generation.isolation()),
        "state": if health.back_off.is_some() { "backing-off" } else { "ready" },
        "back_off_ms": health.back_off.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        "crashes": health.crashes,
        "in_flight": generation.in_flight(),
        "last_error": health.last_crash,
    })
}

/// A generation that only finishes what it has begun.
fn replaced(generation: &Generation) -> Value {
    json!({
        "provider": &*generation.provider,
        "version": generation.plugin.manifest.version,
        "generation": generation.id,
        "digest": generation.plugin.digest_hex(),
        "in_flight": generation.in_flight(),
    })
}

/// What a provider was asked for since the host was started.
fn usage(provider: &str, totals: &Totals) -> Value {
    let tokens: Map<String, Value> = totals
        .tokens
        .buckets()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .into_iter()
        .collect();
    json!({
        "provider": provider,
        "complete": totals.complete,
        "failed": totals.failed,
        "left": totals.left,
        "unknown": totals.unknown,
        "tokens": tokens,
    })
}

fn isolation(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Fresh => "fresh",
        Isolation::Pooled { .. } => "pooled",
        Isolation::Shared { .. } => "shared",
    }
}

fn text(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default()
}
