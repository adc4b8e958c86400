//! `host vault rekey` and `accept-rollback`: how the vault opens.
//!
//! In: the open vault, a new key. Out: a vault that opens with that and nothing else. Never: a moment
//! at which neither the old key nor the new one is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use llm_host_vault::{KeyStore as _, Method, OsKeyring, Unlock, Vault, generate_key_file};
use serde_json::json;

use super::opening;
use crate::cli::{Session, input};
use crate::config::{UnlockWith, VaultConfig};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    KeyFile,
    Passphrase,
    Keyring,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Everything is sealed anew: whoever had the old key, and any copy of the file, cannot open what is saved from now on. \
A new passphrase is asked for, or read from standard input.

Examples:
  host vault rekey                                  a new key in the same place
  host vault rekey --unlock passphrase              from now on by passphrase
  host vault rekey --unlock key-file --also passphrase    a passphrase beside it, to fall back on")]
pub(in crate::cli) struct Rekey {
    /// What opens the vault from now on [default: as configured]
    #[arg(long, value_enum)]
    unlock: Option<How>,
    /// Another way that opens it, too
    #[arg(long, value_enum)]
    also: Option<How>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AcceptRollback {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn rekey(session: &Session, command: &Rekey) -> anyhow::Result<()> {
    let config = session.config()?.vault;
    let mut vault = opening::open(session, &config)?;
    let configured = match config.unlock {
        UnlockWith::KeyFile(_) => How::KeyFile,
        UnlockWith::Passphrase(_) => How::Passphrase,
        UnlockWith::Keyring => How::Keyring,
    };
    let how = command.unlock.unwrap_or(configured);
    let question = format!(
        "Give the vault {} a new key? The old one will not open it any more.",
        config.path.display()
    );
    if !input::confirm(&question, command.yes)? {
        bail!("nothing was changed");
    }
    let ways: Vec<How> = [Some(how), command.also.filter(|also| *also != how)]
        .into_iter()
        .flatten()
        .collect();
    // Asked before a key file is made, so that nothing is left behind when there is no answer.
    let passphrase = if ways.contains(&How::Passphrase) {
        Some(new_passphrase()?)
    } else {
        None
    };
    let new_key = if ways.contains(&How::KeyFile) {
        Some(NewKey::make(&config)?)
    } else {
        None
    };
    let mut unlocks = Vec::new();
    unlocks.extend(new_key.as_ref().map(|key| Unlock::key_file(&key.aside)));
    unlocks.extend(
        passphrase
            .as_ref()
            .map(|passphrase| Unlock::passphrase(opening::secret(passphrase))),
    );
    if ways.contains(&How::Keyring) {
        unlocks.push(Unlock::keyring(Arc::new(OsKeyring)));
    }
    let left = match vault.rekey(&unlocks) {
        Ok(left) => left,
        Err(error) => {
            // An error may come after the vault was written: then only the new key opens it.
            match new_key {
                Some(key) if error.is_written() => key.put_in_place()?,
                Some(key) => key.discard(),
                None => {}
            }
            return Err(error.into());
        }
    };
    if let Some(key) = new_key {
        key.put_in_place()?;
    }
    for account in left.keyring_accounts {
        if let Err(error) = OsKeyring.delete(&account) {
            session.output.warn(&format!(
                "the old key {account} could not be taken out of the keyring: {error}"
            ));
        }
    }
    if how != configured {
        session.output.warn(&format!(
            "write into [vault] of the configuration: unlock = \"{}\"",
            word(how)
        ));
    }
    let report = json!({ "done": "rekeyed", "revision": vault.revision(), "unlock": word(how) });
    session.output.show(&report, |_| {
        format!(
            "the vault has a new key and opens by {} (revision {})",
            method(how),
            vault.revision()
        )
    })
}

/// A new key file, which waits beside the old one until the vault has taken it.
struct NewKey {
    aside: PathBuf,
    place: PathBuf,
}

impl NewKey {
    fn make(config: &VaultConfig) -> anyhow::Result<Self> {
        let place = match &config.unlock {
            UnlockWith::KeyFile(path) => path.clone(),
            _ => config.path.with_extension("key"),
        };
        let aside = opening::waiting_key(&place);
        if aside.exists() {
            bail!(leftover(&aside, &place));
        }
        generate_key_file(&aside)?;
        Ok(Self { aside, place })
    }

    fn discard(self) {
        // It opens nothing; that it stays behind is found out at the next attempt.
        let _ = std::fs::remove_file(self.aside);
    }

    fn put_in_place(self) -> anyhow::Result<()> {
        let (aside, place) = (self.aside.display(), self.place.display());
        std::fs::rename(&self.aside, &self.place)
            .with_context(|| format!("the vault opens with {aside} now, but that could not be moved to {place}"))
    }
}

fn leftover(aside: &Path, place: &Path) -> String {
    format!(
        "a new key cannot be made: {} was left by an attempt that broke off, and may be the vault's key; if the vault does \
         not open, try it as {}, else remove it",
        aside.display(),
        place.display()
    )
}

fn new_passphrase() -> anyhow::Result<crate::config::Passphrase> {
    let what = "passphrase of the vault";
    if input::is_interactive() {
        input::new_passphrase(what)
    } else {
        input::secret(what)
    }
}

fn word(how: How) -> &'static str {
    match how {
        How::KeyFile => "key-file",
        How::Passphrase => "passphrase",
        How::Keyring => "keyring",
    }
}

fn method(how: How) -> Method {
    match how {
        How::KeyFile => Method::KeyFile,
        How::Passphrase => Method::Passphrase,
        How::Keyring => Method::Keyring,
    }
}

pub(super) fn accept_rollback(session: &Session, command: &AcceptRollback) -> anyhow::Result<()> {
    let config = session.config()?.vault;
    let question = format!(
        "Take {} over as it is? Credentials and grants that were removed since may be in it again.",
        config.path.display()
    );
    if !input::confirm(&question, command.yes)? {
        bail!("nothing was changed");
    }
    let unlock = opening::unlock(&config.unlock, input::passphrase)?;
    let vault = Vault::accept_rollback(&config.path, &unlock, &opening::anchor(&config)?)?;
    let report = json!({ "done": "accepted", "revision": vault.revision() });
    session
        .output
        .show(&report, |_| format!("taken over as revision {}", vault.revision()))
}
