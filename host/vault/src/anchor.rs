//! The anchor: a small file that remembers the newest revision of a vault, so that an older one is noticed.
//!
//! In: the revision and digest of a vault that was opened or saved. Out: whether a vault is older than what has been seen.
//! Authenticated with a key that is sealed inside the vault. Never moves back by itself.
//!
//! Whoever can replace both files can still roll both back; so it is best kept elsewhere than the vault, such as in the
//! host's state directory.

use std::path::{Path, PathBuf};

use crate::crypto::{self, DIGEST_LEN, Digest, Id, Key};
use crate::cursor::Cursor;
use crate::disk::{self, Replacement, WriteLock};
use crate::error::{Part, VaultError};

const MAGIC: [u8; 8] = *b"\x89LLMA\r\n\x1a";
const VERSION: u16 = 1;

/// Where the newest revision that was seen is remembered.
#[derive(Clone, Debug)]
pub struct Anchor {
    path: Option<PathBuf>,
}

/// What the anchor said when a vault was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorState {
    /// None is kept; rollbacks go unnoticed.
    Off,
    /// There was none; it begins now. Unexpected when this machine has opened the vault before: worth a warning.
    Created,
    /// The vault is the one that was seen last.
    Current,
    /// The vault is newer than what was seen last, for example because it was edited elsewhere.
    Advanced,
}

impl Anchor {
    /// `<vault>.rev`, in the vault's own directory.
    pub fn beside(vault: &Path) -> Self {
        Self::at(disk::beside(vault, ".rev"))
    }

    /// A file of the caller's choice. Its directory must exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
        }
    }

    /// None at all: an older vault goes unnoticed. For looking into a file without leaving a trace.
    pub fn off() -> Self {
        Self { path: None }
    }

    /// What is remembered, not authenticated yet; `None` when nothing is.
    pub(crate) fn read(&self) -> Result<Option<Seen>, VaultError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let Some(bytes) = disk::read(path)? else {
            return Ok(None);
        };
        let damaged = VaultError::Damaged { part: Part::Anchor };
        Seen::parse(&bytes).map(Some).ok_or(damaged)
    }

    /// Compares what was seen with the vault that has been opened, and remembers the vault if it is newer.
    pub(crate) fn advance(&self, seen: Option<Seen>, key: &Key, now: &Revision) -> Result<AnchorState, VaultError> {
        let Some(path) = &self.path else {
            return Ok(AnchorState::Off);
        };
        let state = now.compare(seen.as_ref(), key, path)?;
        if state == AnchorState::Current {
            return Ok(state);
        }
        let _lock = WriteLock::wait(path)?;
        // Someone may have moved it on since it was read; it must not go back.
        let newest = self.read()?;
        if now
            .compare(newest.as_ref(), key, path)
            .is_ok_and(|state| state != AnchorState::Current)
        {
            let failed = |source| VaultError::Io {
                action: "sync the directory of",
                path: path.clone(),
                source,
            };
            Replacement::prepare(path, &now.encode(key))?
                .rename()?
                .sync()
                .map_err(failed)?;
        }
        Ok(state)
    }

    /// The new anchor of a vault that is about to be saved, to be committed right after the vault.
    pub(crate) fn prepare(&self, key: &Key, next: &Revision) -> Result<Option<PreparedAnchor>, VaultError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let lock = WriteLock::wait(path)?;
        let replacement = Replacement::prepare(path, &next.encode(key))?;
        Ok(Some(PreparedAnchor {
            revision: next.revision,
            path: path.clone(),
            replacement,
            _lock: lock,
        }))
    }
}

pub(crate) struct PreparedAnchor {
    revision: u64,
    path: PathBuf,
    replacement: Replacement,
    _lock: WriteLock,
}

impl PreparedAnchor {
    pub(crate) fn commit(self) -> Result<(), VaultError> {
        let Self { revision, path, .. } = self;
        let done = match self.replacement.rename() {
            Err(VaultError::Io { source, .. }) => Err(source),
            renamed => renamed?.sync(),
        };
        done.map_err(|source| VaultError::NotSettled { revision, path, source })
    }
}

/// One revision of one vault, as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) vault: Id,
    pub(crate) revision: u64,
    pub(crate) digest: Digest,
}

impl Revision {
    fn signed(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.vault);
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes.extend_from_slice(&self.digest);
        bytes
    }

    fn encode(&self, key: &Key) -> Vec<u8> {
        let mut bytes = self.signed();
        let tag = crypto::authenticate(key, &bytes);
        bytes.extend_from_slice(&tag);
        bytes
    }

    fn compare(&self, seen: Option<&Seen>, key: &Key, path: &Path) -> Result<AnchorState, VaultError> {
        let Some(seen) = seen else {
            return Ok(AnchorState::Created);
        };
        if seen.is.vault != self.vault {
            return Err(VaultError::ForeignAnchor { path: path.to_owned() });
        }
        if !seen.is_authentic(key) {
            return Err(VaultError::Damaged { part: Part::Anchor });
        }
        match seen.is.revision.cmp(&self.revision) {
            std::cmp::Ordering::Less => Ok(AnchorState::Advanced),
            std::cmp::Ordering::Greater => Err(VaultError::RolledBack {
                found: self.revision,
                seen: seen.is.revision,
            }),
            std::cmp::Ordering::Equal if seen.is.digest == self.digest => Ok(AnchorState::Current),
            std::cmp::Ordering::Equal => Err(VaultError::Diverged {
                revision: self.revision,
            }),
        }
    }
}

/// What an anchor file says.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) is: Revision,
    tag: Digest,
}

impl Seen {
    pub(crate) fn is_authentic(&self, key: &Key) -> bool {
        crypto::is_authentic(key, &self.is.signed(), &self.tag)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let start = (cursor.array()?, cursor.u16()?, cursor.array()?);
        if start != (MAGIC, VERSION, [0; 6]) {
            return None;
        }
        let is = Revision {
            vault: cursor.array()?,
            revision: cursor.u64()?,
            digest: cursor.array()?,
        };
        let seen = Self {
            is,
            tag: cursor.array::<DIGEST_LEN>()?,
        };
        cursor.is_empty().then_some(seen)
    }
}
