//! `host grant approve`: renewing grants after a plugin has changed.
//!
//! In: grants whose plugin has other bytes now, or whose time is over. Out: what is different, and
//! after a yes the grants for the bytes that are there now. Never: a wider grant; what the plugin
//! asks for beyond it is said, and `host grant add` gives it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use llm_host_vault::{Grant, Pin};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::listing::{self, Bytes};
use super::subject;
use crate::cli::plugin::{Loader, Wishes};
use crate::cli::vault::listing::moment;
use crate::cli::vault::opening;
use crate::cli::{Session, count, input};
use crate::plugin::LoadedPlugin;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host grant approve openai               all grants of the plugin
  host grant approve g-1a2b3c --expires 30d")]
pub(in crate::cli) struct Approve {
    /// A grant's id, or a plugin whose grants are all meant
    grant: String,
    /// For how long from now [default: where the old one had a limit, for as long again]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// Pin the grants to whoever signed the component, instead of its bytes
    #[arg(long)]
    signer: bool,
    /// The component [default: the one in the plugins directory]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// A grant, what it is to become, and why.
struct Renewal {
    before: Grant,
    after: Grant,
    differences: Vec<String>,
}

pub(super) fn approve(session: &Session, command: &Approve) -> anyhow::Result<()> {
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let now = OffsetDateTime::now_utc();
    let loader = Loader::new(&config)?;
    let mut renewals = Vec::new();
    for grant in listing::named(&vault, &command.grant)? {
        let plugin = match &command.file {
            Some(file) => loader.load(file)?,
            None => loader.find(&grant.plugin)?,
        };
        if plugin.manifest.id != grant.plugin {
            bail!(
                "{} is plugin {:?}, not {:?}",
                plugin.path.display(),
                plugin.manifest.id,
                grant.plugin
            );
        }
        renewals.extend(renewal(command, &plugin, grant, now)?);
    }
    if renewals.is_empty() {
        return session.output.show(&json!({ "approved": [] }), |_| {
            "nothing to approve: the grants are for the bytes that are there, and their time is not over".to_owned()
        });
    }
    for Renewal {
        before, differences, ..
    } in &renewals
    {
        session.output.note(&format!(
            "{}  {}\n  {}\n",
            before.id,
            subject(before),
            differences.join("\n  ")
        ));
    }
    if !input::confirm(&format!("Approve {}?", count(renewals.len(), "grant")), command.yes)? {
        bail!("nothing was changed");
    }
    let touched: Vec<&str> = renewals.iter().map(|renewal| renewal.before.id.as_str()).collect();
    let ((), revision) = opening::edit(&mut vault, &touched, |draft| {
        renewals
            .iter()
            .try_for_each(|renewal| draft.replace_grant(renewal.after.clone()).map(drop))
    })?;
    let bytes = Bytes::of(&config);
    let listed: Vec<Value> = renewals
        .iter()
        .map(|renewal| {
            json!({
                "grant": listing::grant_json(&renewal.after, &bytes, now),
                "previous_pin": renewal.before.pin.to_string(), "differences": renewal.differences,
            })
        })
        .collect();
    session
        .output
        .show(&json!({ "approved": listed, "revision": revision }), |_| {
            let ids: Vec<&str> = renewals.iter().map(|renewal| renewal.after.id.as_str()).collect();
            format!("approved {} (revision {revision} of the vault)", ids.join(", "))
        })
}

/// What is to be renewed of a grant; `None` when nothing is.
fn renewal(
    command: &Approve,
    plugin: &LoadedPlugin,
    before: Grant,
    now: OffsetDateTime,
) -> anyhow::Result<Option<Renewal>> {
    let pin = match before.pin {
        // Whom the admin trusts to sign stays trusted; a signature that is gone needs other bytes to be pinned.
        Pin::Signer(signer) if plugin.signer == Some(signer) => before.pin,
        _ => super::pin(plugin, command.signer)?,
    };
    let expires = match (&command.expires, before.expires) {
        (Some(_), _) => super::expiry(command.expires.as_ref(), now)?,
        (None, Some(end)) if end <= now => Some(now + (end - before.created)),
        (None, end) => end,
    };
    let wishes = Wishes::of(&plugin.manifest);
    let after = Grant {
        pin,
        expires,
        approved_manifest: wishes.to_json()?,
        ..before.clone()
    };
    if after.pin == before.pin && after.expires == before.expires {
        return Ok(None);
    }
    let mut differences = Vec::new();
    if after.pin != before.pin {
        differences.push(format!("was given to {}\nis now       {}", before.pin, after.pin).replace('\n', "\n  "));
        let asked = Wishes::kept(&before.approved_manifest).difference(&wishes);
        if asked.is_empty() {
            differences.push("asks for the same as before".to_owned());
        }
        differences.extend(asked);
    }
    if after.expires != before.expires {
        let shown = |end: Option<OffsetDateTime>| end.map_or_else(|| "never".to_owned(), moment);
        differences.push(format!("expires: {} → {}", shown(before.expires), shown(after.expires)));
    }
    Ok(Some(Renewal {
        before,
        after,
        differences,
    }))
}
