//! `host vault set`, `rotate`, `remove`: changing credentials.
//!
//! In: names and hosts as arguments, secrets from standard input or a prompt. Out: what was changed.
//! Never: a secret that is printed.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::Args;
use llm_host_vault::{Draft, Entry, NewEntry, Secret, Secrets, Vault, VaultError};
use serde_json::json;
use time::OffsetDateTime;

use super::kinds::{self, Attributes, Fields, KINDS, Kind, SOURCE};
use super::opening;
use crate::cli::{Session, Usage, input};
use crate::config::keys::nearest;
use crate::egress::origin::OriginPattern;

#[derive(Debug, Args)]
#[command(after_help = "\
The secret is asked for without echo, or read from standard input. A kind with several secret fields, or --field \
more than once, reads a JSON object of texts from standard input.

Examples:
  host vault set openai --host https://api.openai.com
  host vault set azure --kind header --host 'https://*.openai.azure.com' < key.txt
  host vault set proxy --kind basic --attribute username=me --host https://proxy.example.com
  host vault set bedrock --kind aws --source imds --attribute region=us-east-1
  host vault set bedrock --kind aws --source assume-role --attribute role_arn=arn:aws:iam::123456789012:role/llm --attribute region=us-east-1
  host vault set entra --kind entra --source managed-identity --host https://my-resource.openai.azure.com
  host vault set openai --add-host https://eu.api.openai.com    the secret stays as it is")]
pub(in crate::cli) struct Set {
    /// What the credential is called, such as `openai` or `openai/team-a`
    name: String,
    /// What sort it is: one of api-key, bearer, header, query, basic, aws, entra [default: api-key]
    #[arg(long)]
    kind: Option<String>,
    /// Where it comes from, for a kind with several sources; the same as --attribute source=…
    #[arg(long)]
    source: Option<String>,
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
    Entry::check_name(&command.name).map_err(|error| Usage(error.to_string()))?;
    let attributes = attributes(command)?;
    let (hosts, add_hosts) = (origins(&command.hosts)?, origins(&command.add_hosts)?);
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    match vault.entry(&command.name).cloned() {
        Some(entry) if !command.replace => {
            let asked = Change {
                attributes,
                hosts,
                add_hosts,
            };
            change(session, command, &mut vault, &entry, asked)
        }
        _ => create(session, command, &mut vault, attributes, [hosts, add_hosts].concat()),
    }
}

/// Origins as they were written, in their canonical form.
fn origins(written: &[String]) -> anyhow::Result<Vec<String>> {
    let read = |text: &String| OriginPattern::parse(text).map_err(|error| Usage(error.to_string()));
    Ok(written
        .iter()
        .map(|text| Ok(read(text)?.to_string()))
        .collect::<Result<_, Usage>>()?)
}

/// What is to be different about a credential that is there already.
struct Change {
    attributes: Attributes,
    hosts: Vec<String>,
    add_hosts: Vec<String>,
}

/// Sets a new credential, or replaces all of one.
fn create(
    session: &Session,
    command: &Set,
    vault: &mut Vault,
    attributes: Attributes,
    mut hosts: Vec<String>,
) -> anyhow::Result<()> {
    let kind = command.kind.as_deref().unwrap_or("api-key");
    let known = kinds::find(kind).ok_or_else(|| unknown_kind(kind))?;
    let fields = known.fields(&attributes, &command.fields).map_err(Usage)?;
    if command.hosts.is_empty() {
        hosts.extend((known.hosts)(&attributes));
    }
    if hosts.is_empty() {
        return Err(Usage(format!(
            "where may {:?} be sent? Name it: --host https://api.example.com, or 'https://*.example.com' for all below",
            command.name
        ))
        .into());
    }
    let secrets = read_secrets(&command.name, &fields)?;
    let entry = NewEntry {
        kind: kind.to_owned(),
        secrets,
        attributes,
        hosts,
    };
    let name = &command.name;
    let ((), revision) = opening::edit(vault, &[name], |draft| {
        draft.set(name, entry, OffsetDateTime::now_utc())
    })?;
    done(session, "set", &command.name, revision)
}

/// Changes an existing credential's hosts or attributes; its secrets stay sealed.
fn change(session: &Session, command: &Set, vault: &mut Vault, entry: &Entry, asked: Change) -> anyhow::Result<()> {
    let name = &command.name;
    let other_kind = command.kind.as_ref().is_some_and(|kind| *kind != entry.kind);
    let nothing = asked.hosts.is_empty() && asked.add_hosts.is_empty() && asked.attributes.is_empty();
    if other_kind || nothing || !command.fields.is_empty() {
        bail!(
            "there is a credential {name:?} of kind {:?} already; `host vault rotate {name}` replaces its secret, \
             --add-host widens where it may be sent, --replace sets it anew",
            entry.kind
        );
    }
    let mut all = entry.attributes.clone();
    all.extend(asked.attributes);
    let kind = kinds::find(&entry.kind);
    if let Some(kind) = kind {
        check_change(kind, entry, &all)?;
    }
    let mut hosts = match kind {
        _ if !asked.hosts.is_empty() => asked.hosts,
        Some(kind) => hosts_after(kind, entry, &all),
        None => entry.hosts.clone(),
    };
    for host in asked.add_hosts {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let ((), revision) = opening::edit(vault, &[name], |draft| {
        draft.set_hosts(name, hosts)?;
        draft.set_attributes(name, all)
    })?;
    done(session, "changed", name, revision)
}

/// Whether an entry makes sense with other attributes and its present secrets.
fn check_change(kind: &Kind, entry: &Entry, attributes: &Attributes) -> anyhow::Result<()> {
    if !has_sources(attributes) {
        kind.fields(attributes, &entry.fields).map_err(Usage)?;
        return Ok(());
    }
    let needed = kind.fields(attributes, &[]).map_err(Usage)?.needed;
    if needed.iter().any(|field| !entry.fields.contains(field)) {
        bail!(
            "{:?} needs other secrets then: {}; --replace sets it anew",
            entry.name,
            needed.join(", ")
        );
    }
    Ok(())
}

/// Hosts that nobody named follow the attributes; those that an admin named stay.
fn hosts_after(kind: &Kind, entry: &Entry, attributes: &Attributes) -> Vec<String> {
    let (before, after) = ((kind.hosts)(&entry.attributes), (kind.hosts)(attributes));
    if !after.is_empty() && entry.hosts == before {
        after
    } else {
        entry.hosts.clone()
    }
}

pub(super) fn rotate(session: &Session, command: &Rotate) -> anyhow::Result<()> {
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let entry = vault.entry(&command.name).cloned();
    let entry = entry.ok_or_else(|| unknown_entry(&vault, &command.name))?;
    let fields = fields_of(&entry);
    if fields.needed.is_empty() && fields.optional.is_empty() {
        bail!(
            "{:?} has no secret of its own: what it stands for is renewed at its source",
            command.name
        );
    }
    let secrets = read_secrets(&command.name, &fields)?;
    let ((), revision) = opening::edit(&mut vault, &[&entry.name], |draft| {
        replace_secrets(draft, &entry, secrets, OffsetDateTime::now_utc())
    })?;
    done(session, "rotated", &command.name, revision)
}

/// The secret fields that an entry may have: those it has, and those its kind has besides.
fn fields_of(entry: &Entry) -> Fields {
    let of_kind = kinds::find(&entry.kind)
        .filter(|_| has_sources(&entry.attributes))
        .and_then(|kind| kind.fields(&entry.attributes, &[]).ok());
    of_kind.unwrap_or_else(|| Fields {
        needed: entry.fields.clone(),
        optional: Vec::new(),
    })
}

fn has_sources(attributes: &Attributes) -> bool {
    attributes.contains_key(SOURCE)
}

/// New secrets in the place of an entry's, which may have other optional fields than before.
pub(super) fn replace_secrets(
    draft: &mut Draft<'_>,
    entry: &Entry,
    secrets: Secrets,
    now: OffsetDateTime,
) -> Result<(), VaultError> {
    if secrets.fields().eq(entry.fields.iter().map(String::as_str)) {
        return draft.rotate(&entry.name, &secrets, now);
    }
    let new = NewEntry {
        kind: entry.kind.clone(),
        secrets,
        attributes: entry.attributes.clone(),
        hosts: entry.hosts.clone(),
    };
    draft.set(&entry.name, new, now)
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
    let name = &command.name;
    let (revoked, revision) = opening::edit(&mut vault, &[name], |draft| draft.remove(name, command.force))?;
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
fn read_secrets(name: &str, fields: &Fields) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::new();
    let mut ask = |field: &str| -> anyhow::Result<()> {
        let secret = input::secret(&format!("{field} of {name}"))?;
        sound(field, secret.expose())?;
        secrets.insert(field, opening::secret(&secret));
        Ok(())
    };
    match (fields.needed.as_slice(), fields.optional.as_slice()) {
        ([], []) => {}
        ([field], []) => ask(field)?,
        (needed, optional) if input::is_interactive() => {
            needed.iter().try_for_each(|field| ask(field))?;
            for field in optional {
                if let Some(secret) = input::optional_secret(&format!("{field} of {name}, if it has one"))? {
                    sound(field, secret.expose())?;
                    secrets.insert(field, opening::secret(&secret));
                }
            }
        }
        (needed, optional) => return piped_secrets(needed, optional),
    }
    Ok(secrets)
}

fn piped_secrets(needed: &[String], optional: &[String]) -> anyhow::Result<Secrets> {
    let text = input::piped("the secrets")?;
    // The parser's own words could repeat a part of the text.
    let Ok(mut read) = serde_json::from_str::<BTreeMap<String, String>>(&text) else {
        let or = match optional {
            [] => String::new(),
            optional => format!(", and perhaps {}", optional.join(", ")),
        };
        bail!(
            "standard input must be a JSON object with the texts {}{or}",
            needed.join(", ")
        );
    };
    let mut secrets = Secrets::new();
    for field in needed {
        let text = read
            .remove(field)
            .with_context(|| format!("standard input has no field {field:?}"))?;
        sound(field, &text)?;
        secrets.insert(field, Secret::new(text));
    }
    for field in optional {
        if let Some(text) = read.remove(field).filter(|text| !text.is_empty()) {
            sound(field, &text)?;
            secrets.insert(field, Secret::new(text));
        }
    }
    if let Some(field) = read.keys().next() {
        bail!("standard input has a field {field:?} that this credential does not have");
    }
    Ok(secrets)
}

/// Refuses a secret that its provider cannot have given out.
fn sound(field: &str, secret: &str) -> anyhow::Result<()> {
    match kinds::unsound(field, secret) {
        Some(why) => bail!("{field} {why}; nothing was changed"),
        None => Ok(()),
    }
}

fn attributes(command: &Set) -> anyhow::Result<Attributes> {
    let pair = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Usage(format!("--attribute {text:?} has no `=`")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let mut attributes: Attributes = command.attributes.iter().map(pair).collect::<anyhow::Result<_>>()?;
    if let Some(source) = &command.source {
        attributes.insert(SOURCE.to_owned(), source.clone());
    }
    Ok(attributes)
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
