//! Opening and making the vault that the configuration names.
//!
//! In: the configuration's `[vault]`. Out: an open [`Vault`]. Never: a passphrase from standard input
//! when a vault is opened, since a credential may be waiting there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use llm_host_vault::{Anchor, AnchorState, Draft, OsKeyring, Secret, Unlock, Vault, VaultError, generate_key_file};

use crate::cli::{Session, input};
use crate::config::{Config, Passphrase, PassphraseFrom, UnlockWith, VaultConfig, env};
use crate::egress::credential::VaultAccess;
use crate::server::memory::keep_private;

/// Opens the vault.
pub(super) fn open(session: &Session, config: &VaultConfig) -> anyhow::Result<Vault> {
    has_key(config)?;
    keep_private();
    let unlock = unlock(&config.unlock, input::passphrase)?;
    let vault =
        Vault::open(&config.path, &unlock, &anchor(config)?).map_err(|error| match unfinished_rekey(config) {
            Some(what) if matches!(error, VaultError::WrongKey { .. }) => anyhow::Error::new(error).context(what),
            _ => error.into(),
        })?;
    if vault.anchor_state() == AnchorState::Created {
        session.output.warn(&format!(
            "this machine had not noted any revision of the vault; from now on {} does",
            config.anchor.display()
        ));
    }
    Ok(vault)
}

/// How long a command waits while others write the vault. Each of them takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes the vault and writes it, after all who came first, and gives its revision. What `touching` names, entries
/// and grants, has to be as it was when the vault was opened.
pub(super) fn edit<T>(
    vault: &mut Vault,
    touching: &[&str],
    change: impl FnOnce(&mut Draft<'_>) -> Result<T, VaultError>,
) -> Result<(T, u64), VaultError> {
    vault.edit_in_turn(PATIENCE, touching, change)
}

/// What a running host needs to open the vault, now and after a change of its file. The
/// passphrase is asked for once, at the start.
pub(in crate::cli) fn access(config: &VaultConfig) -> anyhow::Result<VaultAccess> {
    has_key(config)?;
    Ok(VaultAccess {
        path: config.path.clone(),
        unlock: unlock(&config.unlock, input::passphrase)?,
        anchor: anchor(config)?,
    })
}

/// Where a new key waits until the vault has taken it.
pub(super) fn waiting_key(place: &Path) -> PathBuf {
    let mut aside = place.to_owned().into_os_string();
    aside.push(".new");
    aside.into()
}

/// What to try where `host vault rekey` broke off after the vault had taken its new key, if it did.
pub(in crate::cli) fn unfinished_rekey(config: &VaultConfig) -> Option<String> {
    let UnlockWith::KeyFile(place) = &config.unlock else {
        return None;
    };
    let aside = waiting_key(place);
    aside.exists().then(|| {
        let (aside, place) = (aside.display(), place.display());
        format!("a rekey broke off and left {aside}; if the vault does not open, that is its key: mv {aside} {place}")
    })
}

/// Whether a vault that is there has its key file beside it.
fn has_key(config: &VaultConfig) -> anyhow::Result<()> {
    match &config.unlock {
        UnlockWith::KeyFile(path) if config.path.exists() && !path.exists() => bail!(
            "the key file {} is not there, and nothing else opens {}; put its copy there, or name the right file in \
             `vault.key_file`",
            path.display(),
            config.path.display()
        ),
        _ => Ok(()),
    }
}

/// What opens the vault. `ask` asks for a passphrase where nothing else has it.
pub(super) fn unlock(
    with: &UnlockWith,
    ask: impl FnOnce(&str) -> anyhow::Result<Passphrase>,
) -> anyhow::Result<Unlock> {
    Ok(match with {
        UnlockWith::KeyFile(path) => Unlock::key_file(path),
        UnlockWith::Keyring => Unlock::keyring(Arc::new(OsKeyring)),
        UnlockWith::Passphrase(PassphraseFrom::Environment(passphrase)) => Unlock::passphrase(secret(passphrase)),
        UnlockWith::Passphrase(PassphraseFrom::File(path)) => Unlock::passphrase(first_line(path)?),
        UnlockWith::Passphrase(PassphraseFrom::Prompt) => {
            let elsewhere = || {
                format!(
                    "set {} or `vault.passphrase_file` where nobody can be asked",
                    env::VAULT_PASSPHRASE
                )
            };
            Unlock::passphrase(secret(&ask("passphrase of the vault").with_context(elsewhere)?))
        }
    })
}

/// The anchor, whose directory is there afterwards.
pub(super) fn anchor(config: &VaultConfig) -> anyhow::Result<Anchor> {
    if let Some(dir) = config.anchor.parent() {
        make_private_dir(dir)?;
    }
    Ok(Anchor::at(&config.anchor))
}

pub(super) fn secret(passphrase: &Passphrase) -> Secret {
    Secret::new(passphrase.expose())
}

fn first_line(path: &Path) -> anyhow::Result<Secret> {
    let shown = path.display();
    let text = zeroize::Zeroizing::new(
        std::fs::read_to_string(path).with_context(|| format!("cannot read the passphrase file {shown}"))?,
    );
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => bail!("the passphrase file {shown} is empty"),
    }
}

/// A directory that only its owner may enter.
fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}

/// What [`create_missing`] found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Made {
    /// The key file, where there is to be one, and whether it is new.
    pub(in crate::cli) key_file: Option<(PathBuf, bool)>,
    /// Whether the vault is new.
    pub(in crate::cli) vault: bool,
}

/// Makes the vault and its key file where they are missing.
pub(in crate::cli) fn create_missing(config: &Config) -> anyhow::Result<Made> {
    make_private_dir(&config.state_dir)?;
    let vault = !config.vault.path.exists();
    let key_file = match &config.vault.unlock {
        UnlockWith::KeyFile(path) if vault && !path.exists() => {
            generate_key_file(path)?;
            Some((path.clone(), true))
        }
        UnlockWith::KeyFile(path) => Some((path.clone(), false)),
        _ => None,
    };
    if vault {
        let unlock = unlock(&config.vault.unlock, |what| {
            if input::is_interactive() {
                input::new_passphrase(what)
            } else {
                input::secret(what)
            }
        })?;
        Vault::create(&config.vault.path, &[unlock], &anchor(&config.vault)?)?;
    }
    Ok(Made { key_file, vault })
}

/// `host vault init`
pub(super) fn init(session: &Session) -> anyhow::Result<()> {
    let config = session.config()?;
    let made = create_missing(&config)?;
    let path = &config.vault.path;
    if !made.vault {
        bail!("{} is there already; it was not changed", path.display());
    }
    let report = serde_json::json!({
        "vault": path,
        "key_file": made.key_file.as_ref().map(|(path, _)| path),
        "key_file_is_new": made.key_file.as_ref().map(|(_, new)| new),
    });
    session.output.show(&report, |_| {
        let mut text = format!("made {}", path.display());
        if let Some((file, new)) = &made.key_file {
            let how = if *new { "a new key" } else { "the key that was there" };
            text.push_str(&format!(
                "\nit opens with {how} in {}; without it nothing can be read, so keep a copy elsewhere",
                file.display()
            ));
        }
        text
    })
}
