//! `host config`: looking at the configuration.
//!
//! In: the configuration file. Out: its errors, its meaning, or its documentation. Never: a change.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::plugin::{Loader, Present};
use super::{Rejected, Session};
use crate::config::keys::nearest;
use crate::config::{Config, ConfigError, ConfigErrors, Place, docs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with the configuration, with line and remedy
    Check(Check),
    /// Print what the configuration means: every key, defaults and overrides included
    Show,
    /// Print the documentation of every key, as Markdown
    Docs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host config check
  host config check --plugins
  host config check --config /etc/llm-host/host.toml --json")]
pub(super) struct Check {
    /// Load the plugins as well, and check settings and the names of providers against them
    #[arg(long)]
    plugins: bool,
}

pub(super) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check(command) => check(session, &command),
        Command::Show => show(session),
        Command::Docs => session.output.text(&docs::markdown()),
    }
}

fn check(session: &Session, command: &Check) -> anyhow::Result<()> {
    let path = session.config_path();
    let checked = Config::load(&path, &session.env).map(|config| {
        let mut warnings = config.source.warnings.clone();
        (findings(&config, command, &mut warnings), config, warnings)
    });
    let errors = match checked {
        Ok((findings, config, warnings)) => match findings? {
            errors if errors.is_empty() => {
                for warning in &warnings {
                    session.output.note(&format!("warning: {warning}"));
                }
                let report = json!({
                    "ok": true, "path": config.source.path, "errors": [], "warnings": warnings,
                    "overrides": config.source.overrides,
                });
                let shown = format!("{}: no errors", config.source.path.display());
                return session.output.show(&report, |_| shown);
            }
            errors => ConfigErrors::new(errors),
        },
        Err(errors) => errors,
    };
    if session.output.is_json() {
        let listed: Vec<_> = errors.errors.iter().map(error_json).collect();
        let report = json!({ "ok": false, "path": path, "errors": listed, "warnings": [] });
        session.output.text(&format!("{report:#}"))?;
    }
    Err(Rejected::from(errors).into())
}

/// What only shows when the plugins are looked at. A plugin that nobody has configured and that cannot serve without
/// is a warning.
fn findings(config: &Config, command: &Check, warnings: &mut Vec<String>) -> anyhow::Result<Vec<ConfigError>> {
    if !command.plugins {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut plugins = BTreeMap::new();
    for Present { path, plugin } in Loader::new(config)?.all()? {
        match plugin {
            Ok(plugin) => drop(plugins.insert(plugin.manifest.id.clone(), plugin)),
            Err(error) => {
                let help = format!("replace or remove {}", path.display());
                found.push(config.finding("plugins.dir", format!("{error:#}"), help));
            }
        }
    }
    let providers = config.providers_with(plugins.keys().map(String::as_str));
    for (name, provider) in &providers {
        let key = format!("providers.{name}");
        let Some(plugin) = plugins.get(&provider.plugin) else {
            let message = format!("`{key}`: there is no plugin {:?}", provider.plugin);
            let help = match nearest(&provider.plugin, plugins.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `plugin = \"{near}\"`?"),
                None => format!(
                    "put it into {}, or name another with `plugin`",
                    config.plugins.dir.display()
                ),
            };
            found.push(config.finding(&format!("{key}.plugin"), message, help));
            continue;
        };
        let settings = &provider.settings;
        let checked = plugin.manifest.check_settings(settings);
        if let Err(message) = checked.and_then(|()| plugin.manifest.origins(settings).map(drop)) {
            let key = format!("{key}.settings");
            let help = format!("`host plugin inspect {}` shows its settings", provider.plugin);
            if provider.implicit {
                warnings.push(format!(
                    "provider `{name}` is not served before there is a [{key}]: {message}; {help}"
                ));
                continue;
            }
            found.push(config.finding(&key, format!("`{key}`: {message}"), help));
        }
    }
    if let Err(errors) = config.check_against(providers.keys().map(String::as_str)) {
        found.extend(errors.errors);
    }
    Ok(found)
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
