//! `host vault import-env`: credentials from the variables that providers' own tools read.
//!
//! In: the environment, and the table of variables that are known. Out: credentials in the vault, each
//! bound to its provider's hosts and made of one variable or several. Never: a credential that is already there replaced without `--rotate`.

use anyhow::bail;
use clap::Args;
use llm_host_vault::{Draft, Entry, Secrets, Vault, VaultError};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::kinds::variables::{self, Found};
use super::{entry, opening};
use crate::cli::output::table;
use crate::cli::{Session, input};
use crate::config::Env;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host vault import-env                    shows what it found and asks
  host vault import-env --yes --rotate     for a script; replaces secrets that are there already")]
pub(in crate::cli) struct ImportEnv {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Replace the secret of a credential that is there already
    #[arg(long)]
    rotate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    Set,
    Rotate,
    Skip,
    Lacking(String),
}

impl Plan {
    fn of(found: &Found, vault: &Vault, rotate: bool) -> Self {
        match (&found.entry, vault.entry(found.credential)) {
            (Err(missing), _) => Self::Lacking(missing.clone()),
            (Ok(_), None) => Self::Set,
            (Ok(_), Some(_)) if rotate => Self::Rotate,
            (Ok(_), Some(_)) => Self::Skip,
        }
    }

    fn is_work(&self) -> bool {
        matches!(self, Self::Set | Self::Rotate)
    }

    fn text(&self) -> String {
        match self {
            Self::Set => "set".to_owned(),
            Self::Rotate => "rotate".to_owned(),
            Self::Skip => "skip: it is there already".to_owned(),
            Self::Lacking(missing) => format!("skip: {missing}"),
        }
    }
}

pub(super) fn run(session: &Session, command: &ImportEnv) -> anyhow::Result<()> {
    let names = variables::names();
    let found = variables::find_all(&Env::import(&names));
    if found.is_empty() {
        bail!(
            "there is no credential in the environment; variables that are known: {}",
            names.join(", ")
        );
    }
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let plans: Vec<(Found, Plan)> = found
        .into_iter()
        .map(|found| {
            let plan = Plan::of(&found, &vault, command.rotate);
            (found, plan)
        })
        .collect();
    let rows = plans.iter().map(|(found, plan)| {
        // One that is there keeps its hosts, whatever the environment says now.
        let hosts = match (vault.entry(found.credential), &found.entry) {
            (Some(there), _) => there.hosts.join("\n"),
            (None, Ok(new)) => new.hosts.join("\n"),
            (None, Err(_)) => String::new(),
        };
        [
            found.variables.join("\n"),
            found.credential.to_owned(),
            hosts,
            plan.text(),
        ]
    });
    session
        .output
        .note(&table(["variable", "credential", "may be sent to", "plan"], rows));
    let work = plans.iter().any(|(_, plan)| plan.is_work());
    if work && !input::confirm("Put these into the vault?", command.yes)? {
        bail!("nothing was changed");
    }
    let revision = if work {
        write(&mut vault, &plans)?
    } else {
        vault.revision()
    };
    let listed: Vec<Value> = plans
        .iter()
        .map(|(found, plan)| json!({ "variables": found.variables, "name": found.credential, "plan": plan.text() }))
        .collect();
    session.output.show(&json!({ "imported": listed, "revision": revision }), |_| {
        let changed: Vec<&str> = plans.iter().filter(|(_, p)| p.is_work()).map(|(f, _)| f.credential).collect();
        match changed.as_slice() {
            [] if plans.iter().any(|(_, plan)| *plan == Plan::Skip) => {
                "nothing was changed; --rotate replaces what is there".to_owned()
            }
            [] => "nothing was changed".to_owned(),
            names => format!(
                "in the vault now: {} (revision {revision})\nGrant them: host grant add PLUGIN --slot SLOT --credential {}",
                names.join(", "),
                names.first().copied().unwrap_or("NAME")
            ),
        }
    })
}

/// Carries the plans out, all of them or none.
fn write(vault: &mut Vault, plans: &[(Found, Plan)]) -> Result<u64, VaultError> {
    let now = OffsetDateTime::now_utc();
    let work: Vec<_> = plans
        .iter()
        .filter(|(_, plan)| plan.is_work())
        .map(|(found, plan)| (found, plan, vault.entry(found.credential).cloned()))
        .collect();
    let touched: Vec<&str> = work.iter().map(|(found, ..)| found.credential).collect();
    let ((), revision) = opening::edit(vault, &touched, |draft| {
        work.iter()
            .try_for_each(|(found, plan, before)| put(draft, found, plan, before.as_ref(), now))
    })?;
    Ok(revision)
}

/// Sets a credential, or replaces the secrets of the one that is there; what an admin has made of
/// that one's hosts and attributes stays.
fn put(
    draft: &mut Draft<'_>,
    found: &Found,
    plan: &Plan,
    before: Option<&Entry>,
    now: OffsetDateTime,
) -> Result<(), VaultError> {
    let Ok(new) = &found.entry else { return Ok(()) };
    match (plan, before) {
        (Plan::Rotate, Some(before)) if new.secrets.is_empty() => {
            let mut attributes = before.attributes.clone();
            attributes.extend(new.attributes.clone());
            draft.set_attributes(&before.name, attributes)
        }
        (Plan::Rotate, Some(before)) if new.secrets.len() == 1 && before.fields.len() == 1 => {
            // An admin may have given the one field another name.
            let secret = new.secrets.iter().next().map(|(_, secret)| secret.clone());
            let field = before.fields.first().cloned();
            let secrets: Secrets = field.zip(secret).into_iter().collect();
            draft.rotate(&before.name, &secrets, now)
        }
        (Plan::Rotate, Some(before)) => entry::replace_secrets(draft, before, new.secrets.clone(), now),
        _ => draft.set(found.credential, new.clone(), now),
    }
}
