//! The ways to open a vault, and the wrapping of the data key for each.
//!
//! In: what a person, a file or the keyring gives ([`Unlock`]). Out: the data key, or a slot that holds it sealed. Never
//! stores the passphrase or the key; a wrong one is told apart from a damaged slot.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::crypto::{self, Id, KEY_LEN, Key, Purpose};
use crate::error::{Part, VaultError};
use crate::hex;
use crate::key_file;
use crate::keyring::KeyStore;
use crate::params::Argon2Params;
use crate::secret::Secret;
use crate::slot::{self, Lock, MAX_SLOTS, Slot, Wrapped};

/// A kind of unlock slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// A passphrase, through Argon2id.
    Passphrase,
    /// A file of 32 random bytes.
    KeyFile,
    /// 32 random bytes in the operating system's keyring.
    Keyring,
    /// A method of a newer version; kept, but not usable.
    Unknown(u8),
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase => f.write_str("passphrase"),
            Self::KeyFile => f.write_str("key file"),
            Self::Keyring => f.write_str("system keyring"),
            Self::Unknown(kind) => write!(f, "method {kind} (unknown to this program)"),
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One way to open a vault, with what it takes.
#[derive(Clone)]
pub struct Unlock(Source);

#[derive(Clone)]
enum Source {
    Passphrase { passphrase: Secret, params: Argon2Params },
    KeyFile(PathBuf),
    Keyring(Arc<dyn KeyStore>),
}

impl Unlock {
    /// By a passphrase; a new slot gets [`Argon2Params::recommended`].
    pub fn passphrase(passphrase: Secret) -> Self {
        Self::passphrase_with(passphrase, Argon2Params::recommended())
    }

    /// By a passphrase; a new slot gets these parameters. Opening uses the ones in the file.
    pub fn passphrase_with(passphrase: Secret, params: Argon2Params) -> Self {
        Self(Source::Passphrase { passphrase, params })
    }

    /// By a key file, which must exist; see [`crate::generate_key_file`].
    pub fn key_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::KeyFile(path.into()))
    }

    /// By a key in a keyring. A new slot puts a new random key there.
    pub fn keyring(store: Arc<dyn KeyStore>) -> Self {
        Self(Source::Keyring(store))
    }

    /// Which method it is.
    pub fn method(&self) -> Method {
        match self.0 {
            Source::Passphrase { .. } => Method::Passphrase,
            Source::KeyFile(_) => Method::KeyFile,
            Source::Keyring(_) => Method::Keyring,
        }
    }

    /// The data key from the first slot that this opens.
    pub(crate) fn open(&self, vault: &Id, slots: &[Slot]) -> Result<Key, VaultError> {
        let method = self.method();
        let mut failure = VaultError::NoSuchMethod {
            method,
            available: slots.iter().map(Slot::method).collect(),
        };
        for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.method() == method) {
            let Some((secret, params, wrapped)) = self.secret_for(vault, slot)? else {
                failure = VaultError::NotInKeyring;
                continue;
            };
            let prefix = slot::before_sealed_key(&slot.id, method, params, wrapped);
            match unwrap(secret.as_ref(), vault, wrapped, &prefix, index + 1)? {
                Some(key) => return Ok(key),
                None => failure = VaultError::WrongKey { method },
            }
        }
        Err(failure)
    }

    /// The secret that should open this slot; `None` when the keyring does not have it.
    fn secret_for<'s>(&self, vault: &Id, slot: &'s Slot) -> Result<Option<SlotSecret<'s>>, VaultError> {
        Ok(match (&self.0, &slot.lock) {
            (Source::Passphrase { passphrase, .. }, Lock::Passphrase { params, wrapped }) => {
                let secret = params.derive(passphrase.expose().as_bytes(), &wrapped.salt)?;
                Some((secret, Some(params), wrapped))
            }
            (Source::KeyFile(path), Lock::KeyFile(wrapped)) => Some((key_file::read(path)?, None, wrapped)),
            (Source::Keyring(store), Lock::Keyring(wrapped)) => {
                let found = store
                    .get(&keyring_account(vault, &slot.id))
                    .map_err(VaultError::Keyring)?;
                found.map(|secret| (secret, None, wrapped))
            }
            _ => None,
        })
    }

    /// A new slot for the data key. A keyring gets its new key here; `placed` remembers it in case of a failure later on.
    pub(crate) fn wrap(&self, vault: &Id, data_key: &Key, placed: &mut PlacedKeys) -> Result<Slot, VaultError> {
        let id: Id = crypto::random()?;
        let salt = crypto::random()?;
        let (secret, params) = match &self.0 {
            Source::Passphrase { passphrase, .. } if passphrase.is_empty() => {
                return Err(VaultError::Invalid {
                    what: "the passphrase",
                    why: "it is empty",
                });
            }
            Source::Passphrase { passphrase, params } => {
                (params.derive(passphrase.expose().as_bytes(), &salt)?, Some(*params))
            }
            Source::KeyFile(path) => (key_file::read(path)?, None),
            Source::Keyring(store) => {
                let secret = Zeroizing::new(crypto::random::<KEY_LEN>()?);
                placed.put(store, keyring_account(vault, &id), &secret)?;
                (secret, None)
            }
        };
        let (wrapping_key, key_check) = slot_keys(secret.as_ref(), &salt, vault)?;
        let mut wrapped = Wrapped {
            salt,
            key_check,
            sealed: [0; KEY_LEN + crypto::TAG_LEN],
        };
        let prefix = slot::before_sealed_key(&id, self.method(), params.as_ref(), &wrapped);
        let associated = crypto::associated_data(Purpose::Slot, &[vault, &prefix]);
        let sealed = crypto::seal(wrapping_key, &associated, data_key.bytes())?;
        wrapped.sealed = sealed.try_into().map_err(|_| VaultError::Crypto {
            operation: "wrap the data key",
        })?;
        let lock = match (&self.0, params) {
            (Source::Passphrase { params, .. }, _) => Lock::Passphrase {
                params: *params,
                wrapped,
            },
            (Source::KeyFile(_), _) => Lock::KeyFile(wrapped),
            (Source::Keyring(_), _) => Lock::Keyring(wrapped),
        };
        Ok(Slot { id, lock })
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlock({})", self.method())
    }
}

type SlotSecret<'s> = (Zeroizing<[u8; KEY_LEN]>, Option<&'s Argon2Params>, &'s Wrapped);

/// One slot per unlock method, all holding the same data key.
pub(crate) fn wrap_all(
    unlocks: &[Unlock],
    vault: &Id,
    key: &Key,
    placed: &mut PlacedKeys,
) -> Result<Vec<Slot>, VaultError> {
    if !(1..=MAX_SLOTS).contains(&unlocks.len()) {
        return Err(VaultError::UnlockCount { count: unlocks.len() });
    }
    unlocks.iter().map(|unlock| unlock.wrap(vault, key, placed)).collect()
}

/// The account under which a keyring has the key of a slot.
pub(crate) fn keyring_account(vault: &Id, slot: &Id) -> String {
    format!("{}/{}", hex::encode(vault), hex::encode(slot))
}

/// The key that wraps, and the value by which a wrong one is known. Both from one derivation; neither tells of the other.
fn slot_keys(secret: &[u8], salt: &[u8], vault: &Id) -> Result<(Key, [u8; KEY_LEN]), VaultError> {
    let mut both = Zeroizing::new([0; KEY_LEN * 2]);
    crypto::expand(secret, Purpose::Slot, salt, vault, both.as_mut())?;
    let (key, check) = both.split_at(KEY_LEN);
    let failed = || VaultError::Crypto {
        operation: "derive a key",
    };
    let check = check.try_into().map_err(|_| failed())?;
    Ok((Key::from_slice(key).ok_or_else(failed)?, check))
}

/// The data key; `None` when the secret is not the slot's.
fn unwrap(
    secret: &[u8],
    vault: &Id,
    wrapped: &Wrapped,
    prefix: &[u8],
    number: usize,
) -> Result<Option<Key>, VaultError> {
    let (key, check) = slot_keys(secret, &wrapped.salt, vault)?;
    if check != wrapped.key_check {
        return Ok(None);
    }
    let associated = crypto::associated_data(Purpose::Slot, &[vault, prefix]);
    let damaged = || VaultError::Damaged {
        part: Part::Slot(number),
    };
    let plain = crypto::open(&key, &associated, &wrapped.sealed)?.ok_or_else(damaged)?;
    Key::from_slice(&plain).ok_or_else(damaged).map(Some)
}

/// Keys put into keyrings for a vault that is not written yet; taken out again unless it is.
#[derive(Default)]
pub(crate) struct PlacedKeys(Vec<(Arc<dyn KeyStore>, String)>);

impl PlacedKeys {
    fn put(&mut self, store: &Arc<dyn KeyStore>, account: String, key: &[u8; KEY_LEN]) -> Result<(), VaultError> {
        store.put(&account, key).map_err(VaultError::Keyring)?;
        self.0.push((Arc::clone(store), account));
        Ok(())
    }

    /// Keeps the keys when the vault that needs them is on disk, and takes them out again when it is not.
    pub(crate) fn settle<T>(mut self, written: Result<T, VaultError>) -> Result<T, VaultError> {
        if written.as_ref().map_or_else(VaultError::is_written, |_| true) {
            self.0.clear();
        }
        written
    }
}

impl Drop for PlacedKeys {
    fn drop(&mut self) {
        for (store, account) in &self.0 {
            // Nothing depends on the key, and the error that led here is the one to report.
            let _ = store.delete(account);
        }
    }
}
