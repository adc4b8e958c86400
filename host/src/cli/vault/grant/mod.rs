//! `host grant`: which plugin may use which credential, and where.
//!
//! In: an admin's decision, and what the plugin asks for. Out: grants in the vault's authenticated
//! data. Never: more than the admin said; what a plugin asks for only fills in what was left open.

mod add;
mod approve;
mod listing;
mod origins;

use clap::Subcommand;
use llm_host_vault::{Grant, Pin};
use time::OffsetDateTime;

use crate::cli::{Session, Usage};
use crate::config::parse_duration;
use crate::plugin::LoadedPlugin;

const EXAMPLES: &str = "\
Examples:
  host grant add openai --slot api-key --credential openai
  host grant add openai --slot api-key --credential openai --expires 90d --path '/v1/*'
  host grant add local --private-origin http://127.0.0.1:11434     reach a server on this machine
  host grant approve openai                                        after the plugin was replaced
  host grant revoke g-1a2b3c";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) enum Command {
    /// Let a plugin use a credential, or reach an origin
    Add(add::Add),
    /// Renew grants after a plugin's bytes changed or their time was over, showing what is different
    Approve(approve::Approve),
    /// List the grants and whether they count
    #[command(visible_alias = "ls")]
    List,
    /// Take grants away
    Revoke(listing::Revoke),
}

pub(in crate::cli) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(command) => add::add(session, &command),
        Command::Approve(command) => approve::approve(session, &command),
        Command::List => listing::list(session),
        Command::Revoke(command) => listing::revoke(session, &command),
    }
}

/// What a grant to this component is pinned to: its bytes, or whoever signed it.
fn pin(plugin: &LoadedPlugin, signer: bool) -> anyhow::Result<Pin> {
    if !signer {
        return Ok(Pin::Digest(plugin.digest));
    }
    match plugin.signer {
        Some(signer) => Ok(Pin::Signer(signer)),
        None => anyhow::bail!(
            "{} is not signed by a key in `plugins.trusted_signers`; sign it with `host plugin sign`, or leave --signer out",
            plugin.path.display()
        ),
    }
}

/// When a grant that is given now is over.
fn expiry(written: Option<&String>, now: OffsetDateTime) -> anyhow::Result<Option<OffsetDateTime>> {
    let Some(text) = written else { return Ok(None) };
    let length = parse_duration(text).map_err(|message| Usage(format!("--expires: {message}")))?;
    Ok(Some(now + length))
}

/// What a grant is about, in a few words.
fn subject(grant: &Grant) -> String {
    let who = match &grant.provider {
        Some(provider) if *provider != grant.plugin => format!("{} as provider {provider}", grant.plugin),
        _ => grant.plugin.clone(),
    };
    match (&grant.slot, &grant.credential) {
        (Some(slot), Some(credential)) => format!("{who}: credential {credential} in slot {slot}"),
        _ => format!("{who}: no credential"),
    }
}
