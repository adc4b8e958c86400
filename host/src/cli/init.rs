//! `host init`: everything a host needs, in one directory.
//!
//! In: a directory. Out: a configuration, a vault with its key, a plugins directory; what is there
//! already stays as it is. Never: a change to an existing file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::output::table;
use super::{Rejected, Session, replace_file, vault};
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host init --dir ~/llm-host
  cd ~/llm-host && host vault set openai --host https://api.openai.com && host run

It may be run again: what is there already is left as it is.")]
pub(super) struct Init {
    /// The directory; it is made if it is not there
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// What a new configuration says. The keys are those an operator is likely to change.
const TEMPLATE: &str = r#"# Configuration of the host. `host config docs` explains every key, `host config check` checks this file.
# Relative paths start at this file's directory.

[server]
listen = "127.0.0.1:8080"
# Anybody on this machine may call. For a team write access = "keys", and make keys with `host key new NAME --add`.
access = "open"

[vault]
path = "vault.bin"
unlock = "key-file"
key_file = "vault.key"

[plugins]
# Every .wasm in here is a provider of its plugin's name. A section [providers.NAME] gives one settings or another name.
dir = "plugins"

# Names that stand for a model, beside provider/model:
# [models.aliases]
# fast = "openai/gpt-5-mini"
"#;

pub(super) fn run(session: &Session, command: &Init) -> anyhow::Result<()> {
    let dir = &command.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let file = dir.join("host.toml");
    let mut made = Vec::new();
    let new = !file.exists();
    if new {
        replace_file(&file, TEMPLATE)?;
    }
    let config = Config::load(&file, &session.env).map_err(Rejected::from)?;
    made.push(("configuration", config.source.path.clone(), new));

    let plugins = &config.plugins.dir;
    let new = !plugins.exists();
    std::fs::create_dir_all(plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    made.push(("plugins", plugins.clone(), new));

    let vault = vault::create_missing(&config)?;
    if let Some((path, new)) = vault.key_file {
        made.push(("key of the vault", path, new));
    }
    made.push(("vault", config.vault.path.clone(), vault.vault));

    let report: Vec<Value> = made
        .iter()
        .map(|(what, path, new)| json!({ "what": what, "path": path, "made": new }))
        .collect();
    session.output.show(&report, |_| {
        let state = |new: bool| if new { "made" } else { "was there" }.to_owned();
        let rows = made
            .iter()
            .map(|(what, path, new)| [(*what).to_owned(), path.display().to_string(), state(*new)]);
        format!(
            "{}\n\n{}",
            table(["what", "where", ""], rows),
            next_steps(&file, &config)
        )
    })
}

fn next_steps(file: &Path, config: &Config) -> String {
    let option = format!("--config {}", file.display());
    format!(
        "Next:\n  put plugins into {}\n  host vault set openai --host https://api.openai.com {option}\n  \
         host grant add openai --slot api-key --credential openai {option}\n  host run {option}\n\
         Keep a copy of the vault's key somewhere else: without it nothing in the vault can be read.",
        config.plugins.dir.display()
    )
}
