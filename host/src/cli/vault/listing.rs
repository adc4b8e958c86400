//! `host vault list` and `show`: what is in the vault.
//!
//! In: the open vault. Out: names, kinds, hosts, times. Never: a secret.

use clap::Args;
use llm_host_vault::{Entry, Vault};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{entry, opening};
use crate::cli::Session;
use crate::cli::output::{fields, table};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// Which credential [default: the vault itself]
    name: Option<String>,
}

pub(super) fn list(session: &Session) -> anyhow::Result<()> {
    let config = session.config()?;
    let vault = opening::open(session, &config.vault)?;
    let listed: Vec<Value> = vault.entries().map(|entry| entry_json(&vault, entry)).collect();
    session.output.show(&listed, |_| {
        if listed.is_empty() {
            return "the vault is empty; `host vault set NAME --host ORIGIN` puts a credential into it".to_owned();
        }
        let rows = vault.entries().map(|entry| {
            let grants = vault
                .grants()
                .iter()
                .filter(|grant| grant.credential.as_ref() == Some(&entry.name));
            let changed = entry.rotated.unwrap_or(entry.created);
            [
                entry.name.clone(),
                entry.kind.clone(),
                entry.hosts.join("\n"),
                day(changed),
                grants.count().to_string(),
            ]
        });
        table(["name", "kind", "hosts", "secret of", "grants"], rows)
    })
}

pub(super) fn show(session: &Session, command: &Show) -> anyhow::Result<()> {
    let config = session.config()?;
    let vault = opening::open(session, &config.vault)?;
    match &command.name {
        Some(name) => show_entry(session, &vault, name),
        None => show_vault(session, &vault),
    }
}

fn show_entry(session: &Session, vault: &Vault, name: &str) -> anyhow::Result<()> {
    let entry = vault.entry(name).ok_or_else(|| entry::unknown_entry(vault, name))?;
    session.output.show(&entry_json(vault, entry), |_| {
        let attributes: Vec<String> = entry
            .attributes
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let grants = vault
            .grants()
            .iter()
            .filter(|grant| grant.credential.as_deref() == Some(name));
        let grants: Vec<String> = grants
            .map(|grant| {
                format!(
                    "{}: {} slot {}",
                    grant.id,
                    grant.plugin,
                    grant.slot.as_deref().unwrap_or("-")
                )
            })
            .collect();
        fields([
            ("name", entry.name.clone()),
            ("kind", entry.kind.clone()),
            ("secret fields", entry.fields.join(", ")),
            ("hosts", entry.hosts.join("\n")),
            ("attributes", or_none(&attributes)),
            ("created", moment(entry.created)),
            ("rotated", entry.rotated.map_or_else(|| "never".to_owned(), moment)),
            ("grants", or_none(&grants)),
        ])
    })
}

fn show_vault(session: &Session, vault: &Vault) -> anyhow::Result<()> {
    let unlocks = vault.unlocks();
    let listed: Vec<Value> = unlocks
        .iter()
        .map(|unlock| json!({ "id": unlock.id, "method": unlock.method.to_string() }))
        .collect();
    let report = json!({
        "path": vault.path(), "id": vault.id(), "revision": vault.revision(), "unlocks": listed,
        "credentials": vault.entries().len(), "grants": vault.grants().len(),
    });
    session.output.show(&report, |_| {
        let unlocks: Vec<String> = unlocks
            .iter()
            .map(|unlock| format!("{} ({})", unlock.method, unlock.id))
            .collect();
        fields([
            ("file", vault.path().display().to_string()),
            ("id", vault.id()),
            ("revision", vault.revision().to_string()),
            ("opens by", unlocks.join("\n")),
            ("credentials", vault.entries().len().to_string()),
            ("grants", vault.grants().len().to_string()),
        ])
    })
}

fn entry_json(vault: &Vault, entry: &Entry) -> Value {
    let grants = vault
        .grants()
        .iter()
        .filter(|grant| grant.credential.as_ref() == Some(&entry.name));
    let grants: Vec<&str> = grants.map(|grant| grant.id.as_str()).collect();
    json!({
        "name": entry.name, "kind": entry.kind, "fields": entry.fields, "attributes": entry.attributes,
        "hosts": entry.hosts, "created": moment(entry.created), "rotated": entry.rotated.map(moment), "grants": grants,
    })
}

fn or_none(lines: &[String]) -> String {
    if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    }
}

/// A time as RFC 3339, in UTC, to the second.
pub(super) fn moment(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn day(time: OffsetDateTime) -> String {
    time.date().to_string()
}
