//! `host vault set`, `rotate`, `remove`: changing credentials.
//!
//! In: names and hosts as arguments, secrets from standard input or a prompt. Out: what was changed.
//! Never: a secret that is printed.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::Args;
use llm_host_vault::{Entry, NewEntry, Secret, Secrets, Vault};
use serde_json::json;
use time::OffsetDateTime;

use super::kinds::{self, KINDS};
use super::opening;
use crate::cli::{Session, Usage, input};
use crate::config::keys::nearest;
use crate::egress::origin::OriginPattern;

#[derive(Debug, Args)]
#[command(after_help = "\
The secret is asked for without echo, or read from standard input. A kind with several secret fields, or --field
more than once, reads a JSON object of texts from standard input.

Examples:
  host vault set openai --host https://api.openai.com
  host vault set azure --kind header --host 'https://*.openai.azure.com' < key.txt
  host vault set proxy --kind basic --attribute username=me --host https://proxy.example.com
  host vault set openai --add-host https://eu.api.openai.com    the secret stays as it is")]
pub(in crate::cli) struct Set {
    /// What the credential is called, such as `openai` or `openai/team-a`
    name: String,
    /// What sort it is: api-key, bearer, header, query, basic [default: api-key]
    #[arg(long)]
    kind: Option<String>,
    /// Where it may be sent: `https://api.example.com` or `https://*.example.com`; may be repeated
    #[arg(long = "host", value_name = "ORIGIN")]
    hosts: Vec<String>,
    /// One more place an existing credential may be sent; may be repeated
    #[arg(long = "add-host", value_name = "ORIGIN")]
    add_hosts: Vec<String>,
    /// A fact that belongs to it and is not secret; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// The name of a secret field, where it differs from the kind's; may be repeated
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
    /// Replace an existing credential, secrets and all
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  host vault rotate openai\n  pass show openai | host vault rotate openai")]
pub(in crate::cli) struct Rotate {
    /// Which credential
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  host vault remove openai --force    also revokes the grants of it")]
pub(in crate::cli) struct Remove {
    /// Which credential
    name: String,
    /// Revoke the grants of it, too
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn set(session: &Session, command: &Set) -> anyhow::Result<()> {
    let attributes = attributes(&command.attributes)?;
    for host in command.hosts.iter().chain(&command.add_hosts) {
        OriginPattern::parse(host).map_err(|error| Usage(error.to_string()))?;
    }
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    match vault.entry(&command.name).cloned() {
        Some(entry) if !command.replace => change(session, command, &mut vault, &entry, attributes),
        _ => create(session, command, &mut vault, attributes),
    }
}

/// Sets a new credential, or replaces all of one.
fn create(
    session: &Session,
    command: &Set,
    vault: &mut Vault,
    attributes: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let kind = command.kind.as_deref().unwrap_or("api-key");
    let known = kinds::find(kind).ok_or_else(|| unknown_kind(kind))?;
    let hosts: Vec<String> = command.hosts.iter().chain(&command.add_hosts).cloned().collect();
    if hosts.is_empty() {
        return Err(Usage(format!(
            "where may {:?} be sent? Name it: --host https://api.example.com, or 'https://*.example.com' for all below",
            command.name
        ))
        .into());
    }
    if let Some(missing) = known
        .attributes
        .iter()
        .find(|name| !attributes.contains_key(**name) && !command.fields.iter().any(|field| field == *name))
    {
        return Err(Usage(format!("a credential of kind {kind:?} needs --attribute {missing}=…")).into());
    }
    let fields: Vec<String> = match command.fields.as_slice() {
        [] => known.fields.iter().map(|field| (*field).to_owned()).collect(),
        named => named.to_vec(),
    };
    let secrets = read_secrets(&command.name, &fields)?;
    let entry = NewEntry {
        kind: kind.to_owned(),
        secrets,
        attributes,
        hosts,
    };
    vault.edit(|draft| draft.set(&command.name, entry, OffsetDateTime::now_utc()))?;
    let revision = vault.save()?;
    done(session, "set", &command.name, revision)
}

/// Changes an existing credential's hosts or attributes; its secrets stay sealed.
fn change(
    session: &Session,
    command: &Set,
    vault: &mut Vault,
    entry: &Entry,
    attributes: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let name = &command.name;
    let other_kind = command.kind.as_ref().is_some_and(|kind| *kind != entry.kind);
    let nothing = command.hosts.is_empty() && command.add_hosts.is_empty() && attributes.is_empty();
    if other_kind || nothing || !command.fields.is_empty() {
        bail!(
            "there is a credential {name:?} of kind {:?} already; `host vault rotate {name}` replaces its secret, \
             --add-host widens where it may be sent, --replace sets it anew",
            entry.kind
        );
    }
    let mut hosts = if command.hosts.is_empty() {
        entry.hosts.clone()
    } else {
        command.hosts.clone()
    };
    for host in &command.add_hosts {
        if !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    vault.edit(|draft| {
        draft.set_hosts(name, hosts)?;
        if attributes.is_empty() {
            return Ok(());
        }
        let mut all = entry.attributes.clone();
        all.extend(attributes);
        draft.set_attributes(name, all)
    })?;
    let revision = vault.save()?;
    done(session, "changed", name, revision)
}

pub(super) fn rotate(session: &Session, command: &Rotate) -> anyhow::Result<()> {
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let entry = vault.entry(&command.name);
    let fields = entry
        .map(|entry| entry.fields.clone())
        .ok_or_else(|| unknown_entry(&vault, &command.name))?;
    let secrets = read_secrets(&command.name, &fields)?;
    vault.edit(|draft| draft.rotate(&command.name, &secrets, OffsetDateTime::now_utc()))?;
    let revision = vault.save()?;
    done(session, "rotated", &command.name, revision)
}

pub(super) fn remove(session: &Session, command: &Remove) -> anyhow::Result<()> {
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    if vault.entry(&command.name).is_none() {
        return Err(unknown_entry(&vault, &command.name));
    }
    let question = format!(
        "Remove {:?} from the vault? Its secret cannot be had back.",
        command.name
    );
    if !input::confirm(&question, command.yes)? {
        bail!("nothing was changed");
    }
    let revoked = vault.edit(|draft| draft.remove(&command.name, command.force))?;
    let revision = vault.save()?;
    for grant in revoked {
        session
            .output
            .note(&format!("revoked grant {} of {}", grant.id, grant.plugin));
    }
    done(session, "removed", &command.name, revision)
}

fn done(session: &Session, what: &str, name: &str, revision: u64) -> anyhow::Result<()> {
    let report = json!({ "done": what, "name": name, "revision": revision });
    session
        .output
        .show(&report, |_| format!("{what} {name} (revision {revision} of the vault)"))
}

/// The secrets of these fields: one as it is, several as a JSON object.
fn read_secrets(name: &str, fields: &[String]) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::new();
    match fields {
        [] => {}
        [field] => {
            let secret = input::secret(&format!("{field} of {name}"))?;
            secrets.insert(field, opening::secret(&secret));
        }
        several if input::is_interactive() => {
            for field in several {
                secrets.insert(field, opening::secret(&input::secret(&format!("{field} of {name}"))?));
            }
        }
        several => {
            let text = input::piped("the secrets")?;
            // The parser's own words could repeat a part of the text.
            let Ok(mut read) = serde_json::from_str::<BTreeMap<String, String>>(&text) else {
                bail!(
                    "standard input must be a JSON object with the texts {}",
                    several.join(", ")
                );
            };
            for field in several {
                let text = read
                    .remove(field)
                    .with_context(|| format!("standard input has no field {field:?}"))?;
                secrets.insert(field, Secret::new(text));
            }
            if let Some(field) = read.keys().next() {
                bail!("standard input has a field {field:?} that this credential does not have");
            }
        }
    }
    Ok(secrets)
}

fn attributes(written: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Usage(format!("--attribute {text:?} has no `=`")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    written.iter().map(pair).collect()
}

fn unknown_kind(kind: &str) -> anyhow::Error {
    let near = nearest(kind, KINDS.iter().map(|kind| kind.name)).map(|near| format!("; did you mean {near:?}?"));
    let listed: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("  {:<8} {}", kind.name, kind.about))
        .collect();
    Usage(format!(
        "there is no kind {kind:?}{}\n{}",
        near.unwrap_or_default(),
        listed.join("\n")
    ))
    .into()
}

/// No entry of that name, with the one that was probably meant.
pub(super) fn unknown_entry(vault: &Vault, name: &str) -> anyhow::Error {
    let near = nearest(name, vault.entries().map(|entry| entry.name.as_str()));
    let help = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`host vault list` shows what there is".to_owned(),
    };
    anyhow::anyhow!("the vault has no credential {name:?}; {help}")
}
