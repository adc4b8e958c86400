//! `host doctor`: tries what is configured, step by step, and says which step fails and what to do.
//!
//! In: the configuration, the vault and the plugins directory, prepared as `host run` prepares them; no
//! host has to run. Out: each step with what was found; exit code 1 when one failed. Never: a secret; a
//! change; a chat that nobody agreed to, since it costs.
//!
//! [`report`] is what a step says and how it is printed, [`steps`] are the steps themselves.

mod report;
mod steps;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use self::report::{Finding, Report};
use self::steps::Patient;
use super::{Session, Usage, client, count, vault};
use crate::config::Config;
use crate::config::keys::nearest;
use crate::reload::Snapshot;
use crate::server::{self, Ground};

#[derive(Debug, Args)]
#[command(after_help = "\
The steps, for each provider: its plugin and settings; the grant of each slot; each origin by name, connection and TLS; \
the credential, with its token where it has one; the list of models; one short question.

Examples:
  host doctor                          every provider; asks before each question that costs
  host doctor openai --yes
  host doctor openai -m gpt-5-mini --yes
  host doctor --no-call --json         for a script: exit code 1 when a step failed")]
pub(super) struct Doctor {
    /// The provider's name in the configuration [default: all]
    provider: Option<String>,
    /// The model to ask [default: the configuration's, else the first of the provider's list]
    #[arg(long, short)]
    model: Option<String>,
    /// Ask the question without asking whether to
    #[arg(long, short)]
    yes: bool,
    /// Leave the question out
    #[arg(long, conflicts_with = "yes")]
    no_call: bool,
}

pub(super) fn run(session: &Session, command: &Doctor) -> anyhow::Result<()> {
    let config = Arc::new(session.config()?);
    // Before the first secret is read.
    server::memory::keep_private();
    let access = vault::access(&config.vault)?;
    let mut report = Report::new(session.output);
    client::block_on(async {
        report.begin("host");
        report.add(Finding::ok("config", config.source.path.display().to_string()))?;
        let started = async {
            let ground = Ground::lay(&config, &session.env, access).await?;
            let reloader = ground.start(config.clone(), session.env.clone()).await?;
            anyhow::Ok((ground, reloader))
        };
        let (ground, reloader) = match started.await {
            Ok(started) => started,
            Err(error) => {
                let fix = "host config check; host vault show";
                return report.add(Finding::failed("start", format!("{error:#}"), fix));
            }
        };
        let snapshot = reloader.snapshot();
        steps::host(&mut report, &config, &ground, &snapshot)?;
        for provider in chosen(command, &config, &snapshot)? {
            report.begin(&provider);
            let patient = Patient::new(&provider, &snapshot, &ground);
            patient.examine(&mut report, command).await?;
        }
        anyhow::Ok(())
    })?;
    report.end()?;
    match report.failed() {
        [] => Ok(()),
        failed => bail!("{} failed: {}", count(failed.len(), "step"), failed.join(", ")),
    }
}

/// The providers to try: the one that was named, or all that there are or should be.
fn chosen(command: &Doctor, config: &Config, snapshot: &Snapshot) -> anyhow::Result<Vec<String>> {
    // One that is not served, and that nobody has configured, is only among the problems.
    let problems = snapshot.problems.iter();
    let unserved = problems.filter_map(|problem| problem.subject.strip_prefix("providers."));
    let mut known: Vec<String> = config
        .providers
        .keys()
        .chain(snapshot.providers.keys())
        .cloned()
        .chain(unserved.map(str::to_owned))
        .collect();
    known.sort_unstable();
    known.dedup();
    let Some(wanted) = &command.provider else {
        if known.is_empty() {
            bail!(
                "there is no provider: put a plugin into {}, or name one in the configuration",
                config.plugins.dir.display()
            );
        }
        if command.model.is_some() && known.len() > 1 {
            return Err(Usage("--model is for one provider; name it".to_owned()).into());
        }
        return Ok(known);
    };
    let found = known.iter().find(|name| *name == wanted).cloned();
    found.map(|name| vec![name]).with_context(|| {
        let hint = match nearest(wanted, known.iter().map(String::as_str)) {
            Some(near) => format!("; did you mean {near:?}?"),
            None if known.is_empty() => String::new(),
            None => format!("; there are {}", known.join(", ")),
        };
        format!(
            "there is no provider {wanted:?}{hint}; `host plugin list` shows what is in {}",
            config.plugins.dir.display()
        )
    })
}
