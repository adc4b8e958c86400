//! `host key`: keys that clients call with.
//!
//! In: a name. Out: a new random key, shown once, and its hash for the configuration. Never: a key
//! that is kept anywhere; the host knows only its SHA-256.

use std::fmt::Write as _;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;

use super::{Rejected, Session, replace_file};
use crate::config::{Config, Glob, KeyHash};

/// Tells at a glance, and to secret scanners, whose key it is.
const PREFIX: &str = "lh-";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key for a client and print it, once
    New(New),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host key new team-a --add                      make a key and add it to the configuration
  host key new ci --models 'openai/gpt-*' --add  one that may ask for some models only
  host key new admin --json | jq -r .key         for a script")]
pub(super) struct New {
    /// What the log and limits call its holder
    name: String,
    /// Names of models it may ask for, as patterns [default: all]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    models: Vec<String>,
    /// Add its hash to the configuration file
    #[arg(long)]
    add: bool,
}

pub(super) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    let Command::New(command) = command;
    new(session, &command)
}

fn new(session: &Session, command: &New) -> anyhow::Result<()> {
    for pattern in &command.models {
        Glob::new(pattern).map_err(|message| super::Usage(format!("--models {pattern:?}: {message}")))?;
    }
    let key = random_key()?;
    let hash = hash(&key);
    let mut entry = format!("[[keys]]\nname = {}\nsha256 = \"{hash}\"\n", quoted(&command.name));
    if !command.models.is_empty() {
        let models: Vec<String> = command.models.iter().map(|pattern| quoted(pattern)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(entry, "models = [{}]", models.join(", "));
    }
    let added = if command.add { Some(add(session, &entry)?) } else { None };
    let report = json!({ "name": command.name, "key": key, "sha256": hash.to_string(), "toml": entry, "added": added });
    session.output.show(&report, |_| match &added {
        Some(path) => format!("{key}\n\nThis is shown once. Its hash was added to {path}."),
        None => format!("{key}\n\nThis is shown once. Add to the configuration:\n\n{entry}"),
    })
}

fn random_key() -> anyhow::Result<String> {
    let mut bytes = [0u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow!("the system gave no random bytes"))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What the configuration holds of a key.
fn hash(key: &str) -> KeyHash {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    let mut bytes = [0u8; 32];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    KeyHash(bytes)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Adds the entry at the end of the file, provided that the file is right before and after.
fn add(session: &Session, entry: &str) -> anyhow::Result<String> {
    let path = session.config_path();
    let shown = path.display().to_string();
    let config = session.config()?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
    let separator = if text.is_empty() || text.ends_with("\n\n") {
        ""
    } else {
        "\n"
    };
    let text = format!("{}{separator}{entry}", with_line_end(&text));
    match Config::parse(&text, &config.source.path, &session.env) {
        Ok(changed) if changed.keys.len() == config.keys.len() + 1 => {}
        Ok(_) => bail!("{shown} is not written in a way that a key can be added to; add by hand:\n\n{entry}"),
        Err(errors) => {
            return Err(anyhow!(Rejected::from(errors)).context("the key cannot be added; nothing was changed"));
        }
    }
    replace_file(&path, &text)?;
    Ok(shown)
}

fn with_line_end(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_never_the_same() {
        let (one, other) = (random_key().unwrap(), random_key().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_eq!(
            hash("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "the test vector of FIPS 180-2"
        );
    }
}
