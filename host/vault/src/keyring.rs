//! The operating system's keyring as the keeper of an unlock key.
//!
//! In: an account name and 32 bytes. Out: the same bytes later. [`KeyStore`] is the seam; [`OsKeyring`] (feature `keyring`)
//! is the one in production. Never holds the vault's data key, only a key that unwraps it.
//!
//! On Linux this is the Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus. The kernel's own key store (keyutils)
//! is not used: it forgets everything at a reboot, and the vault could then never be opened again.

use zeroize::Zeroizing;

/// A keyring could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no keyring service, or it is locked and cannot ask.
    #[error("there is no keyring service that answers (a desktop session, or a Secret Service, is needed): {reason}")]
    Unavailable {
        /// In the words of the platform.
        reason: String,
    },
    /// The service refused.
    #[error("the keyring service refused: {reason}")]
    Refused {
        /// In the words of the platform.
        reason: String,
    },
    /// What is stored under the account is not a key.
    #[error("what the keyring holds for this vault is not a 32-byte key; someone has changed it")]
    Malformed,
}

/// Keeps 32-byte keys under account names. Calls block and may ask the user; do not make them on an async thread.
pub trait KeyStore: Send + Sync {
    /// Stores a key, replacing one of the same account.
    ///
    /// # Errors
    /// When the keyring cannot be reached or refuses.
    fn put(&self, account: &str, key: &[u8; 32]) -> Result<(), KeyStoreError>;

    /// The key of an account, or `None` when there is none.
    ///
    /// # Errors
    /// When the keyring cannot be reached or refuses, or holds something else.
    fn get(&self, account: &str) -> Result<Option<Zeroizing<[u8; 32]>>, KeyStoreError>;

    /// Forgets a key. No error when there is none.
    ///
    /// # Errors
    /// When the keyring cannot be reached or refuses.
    fn delete(&self, account: &str) -> Result<(), KeyStoreError>;
}

#[cfg(feature = "keyring")]
pub use os::OsKeyring;

#[cfg(feature = "keyring")]
mod os {
    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{KeyStore, KeyStoreError};

    /// The name under which the system's own tools show the vaults' keys.
    const SERVICE: &str = "llm-host-vault";

    /// The keyring of the user that runs this process.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct OsKeyring;

    impl OsKeyring {
        fn entry(account: &str) -> Result<Entry, KeyStoreError> {
            if let Err(error) = Entry::store_status() {
                return Err(KeyStoreError::Unavailable {
                    reason: error.to_string(),
                });
            }
            Entry::new(SERVICE, account).map_err(|error| failure(&error))
        }
    }

    impl KeyStore for OsKeyring {
        fn put(&self, account: &str, key: &[u8; 32]) -> Result<(), KeyStoreError> {
            Self::entry(account)?.set_secret(key).map_err(|error| failure(&error))
        }

        fn get(&self, account: &str) -> Result<Option<Zeroizing<[u8; 32]>>, KeyStoreError> {
            match Self::entry(account)?.get_secret() {
                Ok(bytes) => {
                    let bytes = Zeroizing::new(bytes);
                    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyStoreError::Malformed)?;
                    Ok(Some(Zeroizing::new(key)))
                }
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(failure(&error)),
            }
        }

        fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
            match Self::entry(account)?.delete_credential() {
                Ok(()) | Err(Error::NoEntry) => Ok(()),
                Err(error) => Err(failure(&error)),
            }
        }
    }

    /// Only the platform's own words are kept; some variants of the library's error carry the stored bytes.
    fn failure(error: &Error) -> KeyStoreError {
        match error {
            Error::NoStorageAccess(reason) => KeyStoreError::Unavailable {
                reason: reason.to_string(),
            },
            Error::PlatformFailure(reason) => KeyStoreError::Refused {
                reason: reason.to_string(),
            },
            Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyStoreError::Malformed,
            Error::NoDefaultStore => KeyStoreError::Unavailable {
                reason: "no store for this platform".to_owned(),
            },
            Error::Ambiguous(_) => KeyStoreError::Refused {
                reason: "several keys are stored for this vault".to_owned(),
            },
            _ => KeyStoreError::Refused {
                reason: "unexpected answer".to_owned(),
            },
        }
    }
}
