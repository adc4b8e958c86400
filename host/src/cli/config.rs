//! `host config`: looking at the configuration.
//!
//! In: the configuration file. Out: its errors, its meaning, or its documentation. Never: a change.

use clap::Subcommand;
use serde_json::json;

use super::{Rejected, Session};
use crate::config::{Config, ConfigError, Place, docs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with the configuration, with line and remedy
    #[command(
        after_help = "Examples:\n  host config check\n  host config check --config /etc/llm-host/host.toml --json"
    )]
    Check,
    /// Print what the configuration means: every key, defaults and overrides included
    Show,
    /// Print the documentation of every key, as Markdown
    Docs,
}

pub(super) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check => check(session),
        Command::Show => show(session),
        Command::Docs => session.output.text(&docs::markdown()),
    }
}

fn check(session: &Session) -> anyhow::Result<()> {
    let path = session.config_path();
    match Config::load(&path, &session.env) {
        Ok(config) => {
            for warning in &config.source.warnings {
                session.output.note(&format!("warning: {warning}"));
            }
            let report = json!({
                "ok": true, "path": config.source.path, "errors": [], "warnings": config.source.warnings,
                "overrides": config.source.overrides,
            });
            session
                .output
                .show(&report, |_| format!("{}: no errors", config.source.path.display()))
        }
        Err(errors) if session.output.is_json() => {
            let listed: Vec<_> = errors.errors.iter().map(error_json).collect();
            session.output.text(&serde_json::to_string_pretty(
                &json!({ "ok": false, "path": path, "errors": listed, "warnings": [] }),
            )?)?;
            Err(Rejected::from(errors).into())
        }
        Err(errors) => Err(Rejected::from(errors).into()),
    }
}

fn error_json(error: &ConfigError) -> serde_json::Value {
    let place = match &error.place {
        Place::File { path, line, column, .. } => json!({ "file": path, "line": line, "column": column }),
        Place::Variable(name) => json!({ "variable": name }),
        Place::Whole(path) => json!({ "file": path }),
    };
    json!({ "place": place, "message": error.message, "help": error.help })
}

fn show(session: &Session) -> anyhow::Result<()> {
    let config = session.config()?;
    let text = config.to_toml();
    let value: serde_json::Value = serde_json::to_value(text.parse::<toml::Table>()?)?;
    session.output.show(&value, |_| text)
}
