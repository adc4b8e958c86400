//! [`Vault`]: one open vault file.
//!
//! In: a path, an unlock method, an anchor; later, edits. Out: entries and grants, and, only when asked by name, secrets. Every
//! save writes a new revision of the whole file, or nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::anchor::{Anchor, AnchorState, Revision};
use crate::contents::Contents;
use crate::crypto::{self, Digest, Id, Key};
use crate::disk::{self, Replacement, WriteLock};
use crate::draft::Draft;
use crate::error::{Part, VaultError};
use crate::header::Image;
use crate::hex;
use crate::model::{Entry, Grant};
use crate::params::Argon2Params;
use crate::secret::Secrets;
use crate::slot::{Lock, Slot};
use crate::unlock::Method;

/// An unlocked vault. Holds the data key in memory until it is dropped; entries stay sealed until [`Vault::reveal`].
///
/// Calls block (files, Argon2, the keyring); from async code they belong on a blocking thread.
pub struct Vault {
    /// Where the file is asked for, which may be a link that is swapped: there it is looked for again.
    pub(crate) asked: PathBuf,
    /// Where the file is that was opened: there it is written.
    pub(crate) path: PathBuf,
    pub(crate) anchor: Anchor,
    pub(crate) anchor_state: AnchorState,
    pub(crate) id: Id,
    /// SHA-256 of the file that `state` was read from or written to.
    pub(crate) digest: Digest,
    pub(crate) state: State,
    pub(crate) staged: Option<Contents>,
}

/// One unlock method of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnlockInfo {
    /// The slot's id, 32 hexadecimal digits.
    pub id: String,
    /// Which method.
    pub method: Method,
    /// The cost of a passphrase.
    pub argon2: Option<Argon2Params>,
}

/// One revision of a vault, as it is on disk or is to be written.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) revision: u64,
    pub(crate) contents: Contents,
    pub(crate) slots: Vec<Slot>,
    pub(crate) key: Key,
}

impl Vault {
    /// The vault's id, 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hex::encode(&self.id)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The revision that was opened or last saved.
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// What the anchor said when the vault was opened; [`AnchorState::Current`] after a save.
    pub fn anchor_state(&self) -> AnchorState {
        self.anchor_state
    }

    /// How the vault can be opened.
    pub fn unlocks(&self) -> Vec<UnlockInfo> {
        self.state.slots.iter().map(unlock_info).collect()
    }

    /// The entries, by name, without their secrets.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.contents().entries.values().map(|stored| &stored.entry)
    }

    /// One entry, without its secrets.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.contents().entries.get(name).map(|stored| &stored.entry)
    }

    /// The grants, in the order in which they were given.
    pub fn grants(&self) -> &[Grant] {
        &self.contents().grants
    }

    /// One grant.
    pub fn grant(&self, id: &str) -> Option<&Grant> {
        self.grants().iter().find(|grant| grant.id == id)
    }

    /// Unseals an entry's secrets. Only for the moment at which they are attached to a request.
    ///
    /// # Errors
    /// [`VaultError::UnknownEntry`]; [`VaultError::Damaged`] is not expected, since opening the vault has checked it.
    pub fn reveal(&self, name: &str) -> Result<Secrets, VaultError> {
        let stored = self.contents().entries.get(name);
        let stored = stored.ok_or_else(|| VaultError::UnknownEntry { name: name.to_owned() })?;
        let damaged = || VaultError::Damaged {
            part: Part::Entry(name.to_owned()),
        };
        stored.record.open(&self.state.key, &self.id, name)?.ok_or_else(damaged)
    }

    /// Changes the contents in memory; [`Vault::save`] writes them. When `change` fails, none of what it did is kept.
    ///
    /// # Errors
    /// Whatever `change` gives.
    pub fn edit<T>(&mut self, change: impl FnOnce(&mut Draft<'_>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut draft = Draft {
            contents: self.contents().clone(),
            key: &self.state.key,
            vault: self.id,
            revision: after(self.state.revision)?,
        };
        let result = change(&mut draft)?;
        self.staged = Some(draft.contents);
        Ok(result)
    }

    /// Whether there are edits that are not saved.
    pub fn is_edited(&self) -> bool {
        self.staged.is_some()
    }

    /// Forgets the edits that are not saved.
    pub fn discard(&mut self) {
        self.staged = None;
    }

    /// Writes the edits as a new revision, which is given back. All of them are on disk afterwards, or, after an error, none;
    /// the edits are then still here. Without edits nothing is written.
    ///
    /// # Errors
    /// [`VaultError::ConcurrentEdit`] when the file is not the one that was opened, [`VaultError::Locked`] when it is being
    /// written at this moment, [`VaultError::Io`].
    pub fn save(&mut self) -> Result<u64, VaultError> {
        if self.staged.is_some() {
            self.save_as(after(self.state.revision)?)
        } else {
            Ok(self.state.revision)
        }
    }

    /// Edits the newest revision and writes it at once, when it is this writer's turn: what others have written since the vault
    /// was opened is kept, and is what `change` gets to see. `touching` names the entries and grants that `change` was thought
    /// out for; they must still be as they were. Edits that were staged before are forgotten.
    ///
    /// # Errors
    /// [`VaultError::Locked`] when another process writes for longer than `patience`; [`VaultError::ConcurrentEdit`] when
    /// something that is touched has changed, or a link leads to another file; [`VaultError::Rekeyed`]; whatever `change`
    /// gives; as [`Vault::save`].
    pub fn edit_in_turn<T>(
        &mut self,
        patience: Duration,
        touching: &[&str],
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, VaultError>,
    ) -> Result<(T, u64), VaultError> {
        let locked = || VaultError::Locked {
            path: self.path.clone(),
        };
        let lock = WriteLock::within(&self.path, patience)?.ok_or_else(locked)?;
        self.staged = None;
        if disk::read(&self.asked)?.is_none_or(|bytes| crypto::sha256(&bytes) != self.digest) {
            let newest = self.reopen()?;
            let moved = newest.path != self.path;
            if moved || touching.iter().any(|name| !self.agrees(&newest, name)) {
                return Err(VaultError::ConcurrentEdit {
                    opened: self.state.revision,
                    found: Some(newest.state.revision),
                });
            }
            *self = newest;
        }
        let result = self.edit(change)?;
        let revision = self.write_under(lock, self.next(after(self.state.revision)?), |_| Ok(()))?;
        Ok((result, revision))
    }

    /// Whether an entry with its secrets, and a grant, of that name are the same in another state of the vault.
    fn agrees(&self, other: &Self, name: &str) -> bool {
        let state = |vault: &Self| {
            let stored = vault.contents().entries.get(name);
            stored.map(|stored| (stored.entry.clone(), stored.record.salt))
        };
        state(self) == state(other) && self.grant(name) == other.grant(name)
    }

    pub(crate) fn save_as(&mut self, revision: u64) -> Result<u64, VaultError> {
        self.write_over_opened(self.next(revision))
    }

    fn next(&self, revision: u64) -> State {
        State {
            revision,
            contents: self.contents().clone(),
            slots: self.state.slots.clone(),
            key: self.state.key.clone(),
        }
    }

    /// Writes, provided that the file is still the one that was opened.
    pub(crate) fn write_over_opened(&mut self, next: State) -> Result<u64, VaultError> {
        let (opened, digest) = (self.state.revision, self.digest);
        self.write(next, move |current| match current {
            Some(bytes) if crypto::sha256(&bytes) == digest => Ok(()),
            current => {
                let found = current
                    .and_then(|bytes| Image::parse(bytes).ok())
                    .map(|image| image.header.revision);
                Err(VaultError::ConcurrentEdit { opened, found })
            }
        })
    }

    /// Writes the next revision, unless another process is writing at this moment.
    pub(crate) fn write(
        &mut self,
        next: State,
        check_current: impl FnOnce(Option<Vec<u8>>) -> Result<(), VaultError>,
    ) -> Result<u64, VaultError> {
        let path = self.path.clone();
        let lock = WriteLock::within(&path, Duration::ZERO)?.ok_or(VaultError::Locked { path })?;
        self.write_under(lock, next, check_current)
    }

    /// Writes the next revision, then its anchor. Everything that is likely to fail is done before the first rename.
    fn write_under(
        &mut self,
        _lock: WriteLock,
        next: State,
        check_current: impl FnOnce(Option<Vec<u8>>) -> Result<(), VaultError>,
    ) -> Result<u64, VaultError> {
        let (path, revision) = (self.path.clone(), next.revision);
        let file = next.contents.seal(self.id, revision, &next.slots, &next.key)?;
        let (vault, digest) = (self.id, crypto::sha256(&file));
        check_current(disk::read(&path)?)?;
        let replacement = Replacement::prepare(&path, &file)?;
        let seen = Revision {
            vault,
            revision,
            digest,
        };
        let anchor = self.anchor.prepare(&next.contents.anchor_key, &seen)?;
        let directory = replacement.rename()?;
        self.state = next;
        self.digest = digest;
        self.staged = None;
        self.anchor_state = AnchorState::Off;
        directory
            .sync()
            .map_err(|source| VaultError::NotSettled { revision, path, source })?;
        if let Some(anchor) = anchor {
            anchor.commit()?;
            self.anchor_state = AnchorState::Current;
        }
        Ok(revision)
    }

    pub(crate) fn contents(&self) -> &Contents {
        self.staged.as_ref().unwrap_or(&self.state.contents)
    }

    pub(crate) fn as_seen(&self) -> Revision {
        Revision {
            vault: self.id,
            revision: self.state.revision,
            digest: self.digest,
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Vault");
        shown
            .field("path", &self.path)
            .field("id", &self.id())
            .field("revision", &self.state.revision);
        shown
            .field("entries", &self.contents().entries.len())
            .field("grants", &self.grants().len());
        shown.finish_non_exhaustive()
    }
}

pub(crate) fn after(revision: u64) -> Result<u64, VaultError> {
    revision.checked_add(1).ok_or(VaultError::TooLarge {
        what: "the revision",
        limit: u64::MAX,
    })
}

pub(crate) fn unlock_info(slot: &Slot) -> UnlockInfo {
    let argon2 = match &slot.lock {
        Lock::Passphrase { params, .. } => Some(*params),
        _ => None,
    };
    UnlockInfo {
        id: hex::encode(&slot.id),
        method: slot.method(),
        argon2,
    }
}
