//! `host vault import-env`: credentials from the variables that providers' own tools read.
//!
//! In: the environment, and the table of variables that are known. Out: credentials in the vault, each
//! bound to its provider's hosts. Never: a credential that is already there replaced without `--rotate`.

use anyhow::bail;
use clap::Args;
use llm_host_vault::{NewEntry, Secret, Secrets};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::kinds::{self, Known, VARIABLES};
use super::opening;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Set,
    Rotate,
    Skip,
}

impl Plan {
    fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Rotate => "rotate",
            Self::Skip => "skip: it is there already",
        }
    }
}

pub(super) fn run(session: &Session, command: &ImportEnv) -> anyhow::Result<()> {
    let variables: Vec<&str> = VARIABLES.iter().map(|known| known.variable).collect();
    let env = Env::import(&variables);
    let found: Vec<&Known> = VARIABLES
        .iter()
        .filter(|known| env.get(known.variable).is_some())
        .collect();
    if found.is_empty() {
        bail!("none of the variables that are known is set: {}", variables.join(", "));
    }
    let config = session.config()?;
    let mut vault = opening::open(session, &config.vault)?;
    let plans: Vec<(&Known, Plan)> = found
        .into_iter()
        .map(|known| match vault.entry(known.name) {
            None => (known, Plan::Set),
            Some(_) if command.rotate => (known, Plan::Rotate),
            Some(_) => (known, Plan::Skip),
        })
        .collect();
    let rows = plans.iter().map(|(known, plan)| {
        [
            known.variable.to_owned(),
            known.name.to_owned(),
            known.hosts.join("\n"),
            plan.as_str().to_owned(),
        ]
    });
    session
        .output
        .note(&table(["variable", "credential", "may be sent to", "plan"], rows));
    let work = plans.iter().any(|(_, plan)| *plan != Plan::Skip);
    if work && !input::confirm("Put these into the vault?", command.yes)? {
        bail!("nothing was changed");
    }
    let now = OffsetDateTime::now_utc();
    for (known, plan) in plans.iter().filter(|(_, plan)| *plan != Plan::Skip) {
        let Some(secret) = env.secret(known.variable) else {
            continue;
        };
        let field = kinds::find(known.kind)
            .and_then(|kind| kind.fields.first())
            .copied()
            .unwrap_or("value");
        let entry_field = vault.entry(known.name).and_then(|entry| entry.fields.first().cloned());
        let secrets = |field: &str| Secrets::one(field, Secret::new(secret.expose()));
        vault.edit(|draft| match plan {
            Plan::Skip => Ok(()),
            Plan::Rotate => draft.rotate(known.name, &secrets(entry_field.as_deref().unwrap_or(field)), now),
            Plan::Set => {
                let hosts = known.hosts.iter().map(|host| (*host).to_owned()).collect();
                let kind = known.kind.to_owned();
                draft.set(
                    known.name,
                    NewEntry {
                        kind,
                        secrets: secrets(field),
                        hosts,
                        ..NewEntry::default()
                    },
                    now,
                )
            }
        })?;
    }
    let revision = vault.save()?;
    let listed: Vec<Value> = plans
        .iter()
        .map(|(known, plan)| json!({ "variable": known.variable, "name": known.name, "plan": plan.as_str() }))
        .collect();
    session.output.show(&json!({ "imported": listed, "revision": revision }), |_| {
        let changed: Vec<&str> = plans.iter().filter(|(_, p)| *p != Plan::Skip).map(|(k, _)| k.name).collect();
        match changed.as_slice() {
            [] => "nothing was changed; --rotate replaces what is there".to_owned(),
            names => format!(
                "in the vault now: {} (revision {revision})\nGrant them: host grant add PLUGIN --slot SLOT --credential {}",
                names.join(", "),
                names.first().copied().unwrap_or("NAME")
            ),
        }
    })
}
