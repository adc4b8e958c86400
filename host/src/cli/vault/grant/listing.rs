//! `host grant list` and `revoke`: which grants there are, and whether they count.
//!
//! In: the vault's grants, the bytes in the plugins directory. Out: their standing. Never: a component
//! that is run; its bytes are enough.

use std::collections::BTreeSet;

use anyhow::bail;
use clap::Args;
use llm_host_vault::{Grant, Pin, Vault};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::subject;
use crate::cli::output::{fields, table};
use crate::cli::plugin::{Wishes, components};
use crate::cli::vault::{listing::moment, opening};
use crate::cli::{Session, input};
use crate::config::Config;
use crate::config::keys::nearest;
use crate::plugin::component::digest;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  host grant revoke g-1a2b3c\n  host grant revoke openai    all grants of the plugin"
)]
pub(in crate::cli) struct Revoke {
    /// A grant's id, or a plugin whose grants are all meant
    grant: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The digests of the components in the plugins directory.
pub(super) struct Bytes(BTreeSet<[u8; 32]>);

impl Bytes {
    /// Reads them. A file that cannot be read counts as not being there.
    pub(super) fn of(config: &Config) -> Self {
        let files = components(&config.plugins.dir).unwrap_or_default();
        Self(
            files
                .iter()
                .filter_map(|path| Some(digest(&std::fs::read(path).ok()?)))
                .collect(),
        )
    }

    /// Whether a plugin is in place that a grant with this pin can be for.
    pub(super) fn has(&self, pin: &Pin) -> bool {
        match pin {
            Pin::Digest(digest) => self.0.contains(digest),
            Pin::Signer(_) => true,
        }
    }
}

/// Whether a grant counts, in one word and a sentence.
pub(super) fn standing(grant: &Grant, bytes: &Bytes, now: OffsetDateTime) -> (&'static str, Option<String>) {
    let renew = format!("`host grant approve {}` renews it", grant.id);
    if grant.expires.is_some_and(|expires| expires <= now) {
        ("expired", Some(renew))
    } else if bytes.has(&grant.pin) {
        ("valid", None)
    } else {
        let why = format!(
            "no component in the plugins directory has the bytes it was given to; {renew} for those that are there"
        );
        ("void", Some(why))
    }
}

pub(super) fn list(session: &Session) -> anyhow::Result<()> {
    let config = session.config()?;
    let vault = opening::open(session, &config.vault)?;
    let (bytes, now) = (Bytes::of(&config), OffsetDateTime::now_utc());
    let listed: Vec<Value> = vault
        .grants()
        .iter()
        .map(|grant| grant_json(grant, &bytes, now))
        .collect();
    session.output.show(&listed, |_| {
        if listed.is_empty() {
            return "nothing is granted; `host grant add PLUGIN --slot SLOT --credential NAME` does".to_owned();
        }
        let rows = vault.grants().iter().map(|grant| {
            let provider = grant
                .provider
                .as_ref()
                .map(|provider| format!("\nas {provider}"))
                .unwrap_or_default();
            let attached = match (&grant.slot, &grant.credential) {
                (Some(slot), Some(credential)) => format!("{credential} → {slot}"),
                _ => "none".to_owned(),
            };
            [
                grant.id.clone(),
                format!("{}{provider}", grant.plugin),
                attached,
                origins(grant).join("\n"),
                grant
                    .expires
                    .map_or_else(|| "never".to_owned(), |expires| expires.date().to_string()),
                standing(grant, &bytes, now).0.to_owned(),
            ]
        });
        table(
            ["grant", "plugin", "credential", "origins", "expires", "standing"],
            rows,
        )
    })
}

fn origins(grant: &Grant) -> Vec<String> {
    let private = grant.private_origins.iter().map(|origin| format!("{origin} (private)"));
    grant.origins.iter().cloned().chain(private).collect()
}

pub(super) fn grant_json(grant: &Grant, bytes: &Bytes, now: OffsetDateTime) -> Value {
    let (standing, why) = standing(grant, bytes, now);
    json!({
        "id": grant.id, "plugin": grant.plugin, "provider": grant.provider, "slot": grant.slot,
        "credential": grant.credential, "origins": grant.origins, "private_origins": grant.private_origins,
        "methods": grant.methods, "paths": grant.paths,
        "attach": grant.attach.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()),
        "rate_per_minute": grant.rate_per_minute, "expires": grant.expires.map(moment), "created": moment(grant.created),
        "pin": grant.pin.to_string(), "approved": Wishes::kept(&grant.approved_manifest),
        "standing": standing, "remedy": why,
    })
}

pub(super) fn grant_text(grant: &Grant, bytes: &Bytes, now: OffsetDateTime) -> String {
    let (word, why) = standing(grant, bytes, now);
    let or_all = |list: &[String]| {
        if list.is_empty() {
            "all".to_owned()
        } else {
            list.join(", ")
        }
    };
    fields([
        ("grant", grant.id.clone()),
        ("to", subject(grant)),
        ("origins", origins(grant).join("\n")),
        ("methods", or_all(&grant.methods)),
        ("paths", or_all(&grant.paths)),
        (
            "rate",
            grant
                .rate_per_minute
                .map_or_else(|| "unlimited".to_owned(), |rate| format!("{rate} a minute")),
        ),
        ("expires", grant.expires.map_or_else(|| "never".to_owned(), moment)),
        ("pinned to", grant.pin.to_string()),
        (
            "standing",
            why.map_or_else(|| word.to_owned(), |why| format!("{word}: {why}")),
        ),
    ])
}

/// The grants that a name means: one by its id, or all of a plugin or provider.
pub(super) fn named(vault: &Vault, name: &str) -> anyhow::Result<Vec<Grant>> {
    let by_id = vault.grants().iter().filter(|grant| grant.id == name);
    let mut found: Vec<Grant> = by_id.cloned().collect();
    if found.is_empty() {
        let of = |grant: &&Grant| grant.plugin == name || grant.provider.as_deref() == Some(name);
        found = vault.grants().iter().filter(of).cloned().collect();
    }
    if found.is_empty() {
        let names = vault
            .grants()
            .iter()
            .flat_map(|grant| [grant.id.as_str(), grant.plugin.as_str()]);
        match nearest(name, names) {
            Some(near) => bail!("there is no grant {name:?}, nor one of a plugin of that name; did you mean {near:?}?"),
            None => bail!("there is no grant {name:?}, nor one of a plugin of that name; see `host grant list`"),
        }
    }
    Ok(found)
}

pub(super) fn revoke(session: &Session, command: &Revoke) -> anyhow::Result<()> {
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let grants = named(&vault, &command.grant)?;
    for grant in &grants {
        session.output.note(&format!("{}  {}", grant.id, subject(grant)));
    }
    let question = format!("Revoke {}?", crate::cli::count(grants.len(), "grant"));
    if !input::confirm(&question, command.yes)? {
        bail!("nothing was changed");
    }
    let ids: Vec<&str> = grants.iter().map(|grant| grant.id.as_str()).collect();
    let ((), revision) = opening::edit(&mut vault, &ids, |draft| {
        ids.iter().try_for_each(|id| draft.revoke(id).map(drop))
    })?;
    session
        .output
        .show(&json!({ "revoked": ids, "revision": revision }), |_| {
            format!("revoked {} (revision {revision} of the vault)", ids.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_counts_for_its_bytes_and_its_time() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(10);
        let bytes = Bytes(BTreeSet::from([[1; 32]]));
        let day = |day| Some(OffsetDateTime::UNIX_EPOCH + time::Duration::days(day));
        for (pin, expires, expected) in [
            (Pin::Digest([1; 32]), None, "valid"),
            (Pin::Digest([2; 32]), None, "void"),
            (Pin::Digest([1; 32]), day(11), "valid"),
            (Pin::Digest([1; 32]), day(10), "expired"),
            (Pin::Digest([2; 32]), day(9), "expired"),
            (Pin::Signer([2; 32]), None, "valid"),
        ] {
            let grant = Grant {
                expires,
                ..Grant::new("p", pin, now)
            };
            assert_eq!(standing(&grant, &bytes, now).0, expected, "{pin:?} until {expires:?}");
        }
    }
}
