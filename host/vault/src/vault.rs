//! [`Vault`]: one open vault file.
//!
//! In: a path, an unlock method, an anchor; later, edits. Out: entries and grants, and, only when asked by name, secrets. Every
//! save writes a new revision of the whole file, or nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::anchor::{Anchor, AnchorState, Revision, Seen};
use crate::contents::{self, Contents};
use crate::crypto::{self, Digest, Id, Key};
use crate::disk::{self, Replacement, WriteLock};
use crate::draft::Draft;
use crate::error::{Part, VaultError};
use crate::header::{Header, Image};
use crate::hex;
use crate::model::{Entry, Grant};
use crate::params::Argon2Params;
use crate::secret::Secrets;
use crate::slot::{Lock, Slot};
use crate::unlock::{self, Method, PlacedKeys, Unlock};

/// An unlocked vault. Holds the data key in memory until it is dropped; entries stay sealed until [`Vault::reveal`].
///
/// Calls block (files, Argon2, the keyring); from async code they belong on a blocking thread.
pub struct Vault {
    pub(crate) path: PathBuf,
    pub(crate) anchor: Anchor,
    anchor_state: AnchorState,
    pub(crate) id: Id,
    pub(crate) revision: u64,
    digest: Digest,
    pub(crate) slots: Vec<Slot>,
    pub(crate) key: Key,
    saved: Contents,
    staged: Option<Contents>,
}

/// What a vault file says of itself without being unlocked. Not authenticated: for prompts and messages only.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The vault's id, 32 hexadecimal digits.
    pub id: String,
    /// The revision of the file.
    pub revision: u64,
    /// How it can be opened.
    pub unlocks: Vec<UnlockInfo>,
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

/// What is to be written as the next revision.
pub(crate) struct Next {
    pub(crate) revision: u64,
    pub(crate) contents: Contents,
    pub(crate) slots: Vec<Slot>,
    pub(crate) key: Key,
}

impl Vault {
    /// Creates an empty vault that each of `unlocks` opens. An anchor that is there already is taken over.
    ///
    /// # Errors
    /// [`VaultError::AlreadyExists`]; whatever an unlock method or the disk refuses.
    pub fn create(path: &Path, unlocks: &[Unlock], anchor: &Anchor) -> Result<Self, VaultError> {
        let path = disk::resolve(path)?;
        let exists = || VaultError::AlreadyExists { path: path.clone() };
        // Asked before Argon2 is run, and again under the lock.
        if path.exists() {
            return Err(exists());
        }
        let (id, key, mut placed) = (crypto::random()?, Key::random()?, PlacedKeys::default());
        let slots = unlock::wrap_all(unlocks, &id, &key, &mut placed)?;
        let mut vault = Self {
            anchor: anchor.clone(),
            anchor_state: AnchorState::Off,
            id,
            revision: 0,
            digest: [0; crypto::DIGEST_LEN],
            slots: Vec::new(),
            key: key.clone(),
            saved: Contents::empty()?,
            staged: None,
            path: path.clone(),
        };
        let next = Next {
            revision: 1,
            contents: vault.saved.clone(),
            slots,
            key,
        };
        vault.write(next, |current| if current.is_some() { Err(exists()) } else { Ok(()) })?;
        placed.keep();
        Ok(vault)
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// Each way in which a file, a key or an anchor can be wrong has its own [`VaultError`].
    pub fn open(path: &Path, unlock: &Unlock, anchor: &Anchor) -> Result<Self, VaultError> {
        // The anchor is read before the vault. A save writes the vault first, so the vault is never older than this.
        let seen = anchor.read()?;
        let image = read_image(path)?;
        let key = match open_key(&image, unlock) {
            // An older file often has older keys. Then the key is not what is wrong.
            Err(error @ VaultError::WrongKey { .. }) => {
                return Err(older(&image.header, seen.as_ref()).unwrap_or(error));
            }
            key => key?,
        };
        let mut vault = Self::unlocked(path, image, key, anchor)?;
        vault.anchor_state = anchor.advance(seen, &vault.saved.anchor_key, &vault.as_seen())?;
        Ok(vault)
    }

    /// Opens a vault that [`Vault::open`] refuses because of its anchor: a backup that was restored on purpose. The vault
    /// is saved as a new revision, newer than all that were seen, and the anchor is set to it.
    ///
    /// # Errors
    /// As [`Vault::open`], except those about the anchor; and as [`Vault::save`].
    pub fn accept_rollback(path: &Path, unlock: &Unlock, anchor: &Anchor) -> Result<Self, VaultError> {
        let seen = match anchor.read() {
            Err(VaultError::Damaged { part: Part::Anchor }) => None,
            seen => seen?,
        };
        let image = read_image(path)?;
        let key = open_key(&image, unlock)?;
        let mut vault = Self::unlocked(path, image, key, anchor)?;
        let trusted = seen.filter(|seen| seen.is.vault == vault.id && seen.is_authentic(&vault.saved.anchor_key));
        let newest = trusted.map_or(0, |seen| seen.is.revision).max(vault.revision);
        vault.staged = Some(vault.saved.clone());
        vault.save_as(after(newest)?)?;
        Ok(vault)
    }

    /// Reads the file again with the key at hand, for example because it has changed on disk. Edits that are not saved are
    /// not carried over.
    ///
    /// # Errors
    /// [`VaultError::Rekeyed`] when it has got new keys; else as [`Vault::open`].
    pub fn reopen(&self) -> Result<Self, VaultError> {
        let seen = self.anchor.read()?;
        let image = read_image(&self.path)?;
        if image.header.vault != self.id || image.header.key_id != contents::key_id(&self.key, &self.id)? {
            return Err(older(&image.header, seen.as_ref()).unwrap_or(VaultError::Rekeyed));
        }
        image.check_tag(&self.key)?;
        let mut vault = Self::unlocked(&self.path, image, self.key.clone(), &self.anchor)?;
        vault.anchor_state = vault.anchor.advance(seen, &vault.saved.anchor_key, &vault.as_seen())?;
        Ok(vault)
    }

    /// What a vault file says of itself without being unlocked.
    ///
    /// # Errors
    /// When it is not a vault, or its header is damaged.
    pub fn inspect(path: &Path) -> Result<Inspection, VaultError> {
        let Header {
            vault, revision, slots, ..
        } = read_image(path)?.header;
        Ok(Inspection {
            id: hex::encode(&vault),
            revision,
            unlocks: slots.iter().map(unlock_info).collect(),
        })
    }

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
        self.revision
    }

    /// What the anchor said when the vault was opened; [`AnchorState::Current`] after a save.
    pub fn anchor_state(&self) -> AnchorState {
        self.anchor_state
    }

    /// How the vault can be opened.
    pub fn unlocks(&self) -> Vec<UnlockInfo> {
        self.slots.iter().map(unlock_info).collect()
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
        stored.record.open(&self.key, &self.id, name)?.ok_or_else(damaged)
    }

    /// Changes the contents in memory; [`Vault::save`] writes them. When `change` fails, none of what it did is kept.
    ///
    /// # Errors
    /// Whatever `change` gives.
    pub fn edit<T>(&mut self, change: impl FnOnce(&mut Draft<'_>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut draft = Draft {
            contents: self.contents().clone(),
            key: &self.key,
            vault: self.id,
            revision: after(self.revision)?,
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
            self.save_as(after(self.revision)?)
        } else {
            Ok(self.revision)
        }
    }

    fn save_as(&mut self, revision: u64) -> Result<u64, VaultError> {
        let next = Next {
            revision,
            contents: self.contents().clone(),
            slots: self.slots.clone(),
            key: self.key.clone(),
        };
        self.write_over_opened(next)
    }

    /// Writes, provided that the file is still the one that was opened.
    pub(crate) fn write_over_opened(&mut self, next: Next) -> Result<u64, VaultError> {
        let (opened, digest) = (self.revision, self.digest);
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

    fn write(
        &mut self,
        next: Next,
        check_current: impl FnOnce(Option<Vec<u8>>) -> Result<(), VaultError>,
    ) -> Result<u64, VaultError> {
        let file = next.contents.seal(self.id, next.revision, &next.slots, &next.key)?;
        let seen = Revision {
            vault: self.id,
            revision: next.revision,
            digest: crypto::sha256(&file),
        };
        let locked = || VaultError::Locked {
            path: self.path.clone(),
        };
        let _lock = WriteLock::try_new(&self.path)?.ok_or_else(locked)?;
        check_current(disk::read(&self.path)?)?;
        let replacement = Replacement::prepare(&self.path, &file)?;
        let anchor = self.anchor.prepare(&next.contents.anchor_key, &seen)?;
        let failed = |source| VaultError::Io {
            action: "replace",
            path: self.path.clone(),
            source,
        };
        replacement.commit().map_err(failed)?;
        self.revision = next.revision;
        self.digest = seen.digest;
        self.slots = next.slots;
        self.key = next.key;
        self.saved = next.contents;
        self.staged = None;
        self.anchor_state = AnchorState::Off;
        if let Some(anchor) = anchor {
            anchor.commit()?;
            self.anchor_state = AnchorState::Current;
        }
        Ok(self.revision)
    }

    pub(crate) fn contents(&self) -> &Contents {
        self.staged.as_ref().unwrap_or(&self.saved)
    }

    fn unlocked(path: &Path, image: Image, key: Key, anchor: &Anchor) -> Result<Self, VaultError> {
        let saved = Contents::open(&image, &key)?;
        let digest = image.digest();
        let Header {
            vault: id,
            revision,
            slots,
            ..
        } = image.header;
        let (path, anchor) = (disk::resolve(path)?, anchor.clone());
        Ok(Self {
            path,
            anchor,
            anchor_state: AnchorState::Off,
            id,
            revision,
            digest,
            slots,
            key,
            saved,
            staged: None,
        })
    }

    fn as_seen(&self) -> Revision {
        Revision {
            vault: self.id,
            revision: self.revision,
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
            .field("revision", &self.revision);
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

fn read_image(path: &Path) -> Result<Image, VaultError> {
    Image::parse(disk::read(path)?.ok_or_else(|| VaultError::NotFound { path: path.to_owned() })?)
}

/// The data key, and with it proof that the header is genuine.
fn open_key(image: &Image, unlock: &Unlock) -> Result<Key, VaultError> {
    let header = &image.header;
    let key = unlock.open(&header.vault, &header.slots)?;
    if contents::key_id(&key, &header.vault)? != header.key_id {
        return Err(VaultError::Damaged { part: Part::Header });
    }
    image.check_tag(&key)?;
    Ok(key)
}

/// Whether an anchor speaks of a newer revision of this vault. Neither side is authenticated here: it only chooses between
/// two errors.
fn older(header: &Header, seen: Option<&Seen>) -> Option<VaultError> {
    let seen = &seen?.is;
    (seen.vault == header.vault && seen.revision > header.revision).then_some(VaultError::RolledBack {
        found: header.revision,
        seen: seen.revision,
    })
}

fn unlock_info(slot: &Slot) -> UnlockInfo {
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
