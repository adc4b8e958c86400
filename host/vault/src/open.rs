//! From a file to an open [`Vault`]: creating, opening, looking again, accepting a restored backup.
//!
//! In: a path, an unlock method, an anchor. Out: a vault whose every part has been authenticated, or the one error that says
//! what is wrong with it. Opening never changes the vault file.

use std::path::Path;

use serde::Serialize;

use crate::anchor::{Anchor, AnchorState, Seen};
use crate::contents::{self, Contents};
use crate::crypto::{self, Key};
use crate::disk;
use crate::error::{Part, VaultError};
use crate::header::{Header, Image};
use crate::hex;
use crate::unlock::{self, PlacedKeys, Unlock};
use crate::vault::{State, UnlockInfo, Vault, after, unlock_info};

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
        let first = State {
            revision: 1,
            contents: Contents::empty()?,
            slots,
            key,
        };
        let mut vault = Self {
            asked: path.clone(),
            path: path.clone(),
            anchor: anchor.clone(),
            anchor_state: AnchorState::Off,
            id,
            digest: [0; crypto::DIGEST_LEN],
            state: State {
                revision: 0,
                ..first.clone()
            },
            staged: None,
        };
        let written = vault.write(first, |current| if current.is_some() { Err(exists()) } else { Ok(()) });
        placed.settle(written)?;
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
        vault.anchor_state = anchor.advance(seen, &vault.state.contents.anchor_key, &vault.as_seen())?;
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
        let trusted =
            seen.filter(|seen| seen.is.vault == vault.id && seen.is_authentic(&vault.state.contents.anchor_key));
        let newest = trusted.map_or(0, |seen| seen.is.revision).max(vault.state.revision);
        vault.staged = Some(vault.state.contents.clone());
        vault.save_as(after(newest)?)?;
        Ok(vault)
    }

    /// Reads the file again with the key at hand, for example because it has changed on disk, or a link to it was swapped. Edits that are not saved are
    /// not carried over.
    ///
    /// # Errors
    /// [`VaultError::Rekeyed`] when it has got new keys; else as [`Vault::open`].
    pub fn reopen(&self) -> Result<Self, VaultError> {
        let seen = self.anchor.read()?;
        let image = read_image(&self.asked)?;
        if image.header.vault != self.id || image.header.key_id != contents::key_id(&self.state.key, &self.id)? {
            return Err(older(&image.header, seen.as_ref()).unwrap_or(VaultError::Rekeyed));
        }
        image.check_tag(&self.state.key)?;
        let mut vault = Self::unlocked(&self.asked, image, self.state.key.clone(), &self.anchor)?;
        vault.anchor_state = vault
            .anchor
            .advance(seen, &vault.state.contents.anchor_key, &vault.as_seen())?;
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

    fn unlocked(path: &Path, image: Image, key: Key, anchor: &Anchor) -> Result<Self, VaultError> {
        let contents = Contents::open(&image, &key)?;
        let digest = image.digest();
        let Header {
            vault: id,
            revision,
            slots,
            ..
        } = image.header;
        let (asked, path, anchor) = (disk::absolute(path)?, disk::resolve(path)?, anchor.clone());
        let state = State {
            revision,
            contents,
            slots,
            key,
        };
        Ok(Self {
            asked,
            path,
            anchor,
            anchor_state: AnchorState::Off,
            id,
            digest,
            state,
            staged: None,
        })
    }
}

fn read_image(path: &Path) -> Result<Image, VaultError> {
    Image::parse(disk::read(path)?.ok_or_else(|| VaultError::NotFound { path: path.to_owned() })?)
}

/// The data key, and with it proof that the header is genuine.
pub(crate) fn open_key(image: &Image, unlock: &Unlock) -> Result<Key, VaultError> {
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
