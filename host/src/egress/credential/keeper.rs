//! The vault of a running host: opened at the start, looked at again when its file changes.
//!
//! In: the vault's file and what opens it. Out: a store for the egress stack, swapped in as a
//! whole, so that a revocation or a rotation counts from the next send on. Never: a change to the
//! file, and never a store made of a file that could only be read in part.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use llm_host_vault::{Anchor, Unlock, Vault, VaultError};

use super::store::{Credentials, MemoryStore};
use super::vault::VaultStore;

/// Where the vault is and what opens it.
pub struct VaultAccess {
    /// The vault's file.
    pub path: PathBuf,
    /// What opens it.
    pub unlock: Unlock,
    /// Where its newest revision is noted.
    pub anchor: Anchor,
}

/// Why the vault could not be taken up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct KeeperError(String);

/// What is known of the vault that is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaultReport {
    /// Its revision; absent when there is no vault.
    pub revision: Option<u64>,
    /// Grants and credentials in it that are not used, and why.
    pub unreadable: Vec<String>,
    /// Why the newest file was not taken up.
    pub last_error: Option<String>,
}

/// Keeps the store of a running host up with the vault's file.
pub struct VaultKeeper {
    access: Arc<VaultAccess>,
    credentials: Arc<Credentials>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    vault: Option<Arc<Vault>>,
    report: VaultReport,
}

/// A vault that was opened and is not yet in use.
pub struct PreparedVault(Prepared);

enum Prepared {
    Unchanged,
    Absent,
    Opened(Arc<Vault>),
}

impl VaultKeeper {
    /// Starts with nothing granted; call [`prepare`](Self::prepare) and [`commit`](Self::commit).
    pub fn new(access: VaultAccess, credentials: Arc<Credentials>) -> Self {
        Self {
            access: Arc::new(access),
            credentials,
            state: Mutex::default(),
        }
    }

    /// Opens the vault if its file is not the one in use. A vault that is not there grants nothing; one that was
    /// there and is gone is an error, as one that cannot be read is.
    ///
    /// # Errors
    /// Why it cannot be opened; the one in use goes on being used.
    pub async fn prepare(&self) -> Result<PreparedVault, KeeperError> {
        let in_use = self.lock().vault.clone();
        let access = self.access.clone();
        let opened = tokio::task::spawn_blocking(move || open(&access, in_use.as_deref())).await;
        let result = opened
            .map_err(|_| KeeperError("opening the vault stopped; see the log".into()))
            .and_then(|opened| opened.map_err(|error| KeeperError(chain(&error))));
        self.lock().report.last_error = result.as_ref().err().map(ToString::to_string);
        result.map(PreparedVault)
    }

    /// Puts an opened vault to use. For `drain` from now on, calls in progress may go on with the
    /// pins that their grants had before.
    pub fn commit(&self, prepared: PreparedVault, drain: Duration) {
        let mut state = self.lock();
        match prepared.0 {
            Prepared::Unchanged => {}
            Prepared::Absent => {
                self.credentials.replace(MemoryStore::new());
                *state = State::default();
            }
            Prepared::Opened(vault) => {
                let revision = Some(vault.revision());
                let until = SystemTime::now().checked_add(drain);
                let before = state.vault.as_deref().zip(until);
                let (store, unreadable) = VaultStore::after(vault.clone(), before);
                let unreadable: Vec<_> = unreadable.iter().map(ToString::to_string).collect();
                for text in &unreadable {
                    tracing::error!("{text}");
                }
                self.credentials.replace(store);
                *state = State {
                    vault: Some(vault),
                    report: VaultReport {
                        revision,
                        unreadable,
                        last_error: None,
                    },
                };
            }
        }
    }

    /// What is known of the vault in use.
    pub fn report(&self) -> VaultReport {
        self.lock().report.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The vault in use is read again with the key it was opened with, so that a passphrase is
/// stretched once and not with every reload; a vault with new keys is opened anew.
fn open(access: &VaultAccess, in_use: Option<&Vault>) -> Result<Prepared, VaultError> {
    // Where that cannot be told, opening it says why.
    if in_use.is_none() && access.path.try_exists().is_ok_and(|there| !there) {
        return Ok(Prepared::Absent);
    }
    let opened = match in_use.map(Vault::reopen) {
        Some(Err(VaultError::Rekeyed)) | None => Vault::open(&access.path, &access.unlock, &access.anchor)?,
        Some(reopened) => reopened?,
    };
    if in_use.is_some_and(|vault| vault.id() == opened.id() && vault.revision() == opened.revision()) {
        return Ok(Prepared::Unchanged);
    }
    Ok(Prepared::Opened(Arc::new(opened)))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vault_that_has_gone_leaves_the_one_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let keeper = || {
            let access = VaultAccess {
                path: at("vault.bin"),
                unlock: Unlock::key_file(at("vault.key")),
                anchor: Anchor::at(at("anchor")),
            };
            VaultKeeper::new(access, Arc::new(Credentials::new(MemoryStore::new())))
        };
        let without = keeper();
        without.commit(without.prepare().await.unwrap(), Duration::ZERO);
        assert_eq!(without.report(), VaultReport::default());

        llm_host_vault::generate_key_file(&at("vault.key")).unwrap();
        let key = [Unlock::key_file(at("vault.key"))];
        drop(Vault::create(&at("vault.bin"), &key, &Anchor::at(at("anchor"))).unwrap());
        let keeper = keeper();
        keeper.commit(keeper.prepare().await.unwrap(), Duration::ZERO);
        assert_eq!(keeper.report().revision, Some(1));
        std::fs::remove_file(at("vault.bin")).unwrap();
        let error = keeper.prepare().await.err().unwrap().to_string();
        assert!(error.contains("there is no vault"), "{error}");
        let report = keeper.report();
        assert_eq!((report.revision, report.last_error), (Some(1), Some(error)));
    }
}
