//! The encrypted credential vault: one file that holds credentials and grants.
//!
//! In: a path, a way to unlock it, edits. Out: entries and grants; secrets only one entry at a time, by [`Vault::reveal`].
//! Never opens the network, never prints a secret, never leaves a half-written file. Knows nothing of plugins or providers.
//!
//! The file format is described in `docs/vault-format.md`, precisely enough for a second implementation.
//!
//! ```
//! use llm_host_vault::{Anchor, Argon2Params, NewEntry, Secret, Secrets, Unlock, Vault};
//! use time::OffsetDateTime;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("vault");
//! let by_passphrase = Unlock::passphrase_with(Secret::new("correct horse"), Argon2Params::minimal());
//! let anchor = Anchor::beside(&path);
//! let mut vault = Vault::create(&path, &[by_passphrase.clone()], &anchor)?;
//! vault.edit(|draft| {
//!     let openai = NewEntry {
//!         kind: "api-key".to_owned(),
//!         secrets: Secrets::one("api_key", Secret::new("sk-…")),
//!         hosts: vec!["https://api.openai.com".to_owned()],
//!         ..NewEntry::default()
//!     };
//!     draft.set("openai", openai, OffsetDateTime::now_utc())
//! })?;
//! vault.save()?;
//!
//! let vault = Vault::open(&path, &by_passphrase, &anchor)?;
//! assert_eq!(vault.entry("openai").unwrap().hosts, ["https://api.openai.com"]);
//! assert_eq!(vault.reveal("openai")?.get("api_key").unwrap().expose(), "sk-…");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod anchor;
mod contents;
mod crypto;
mod cursor;
mod disk;
mod draft;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod header;
mod hex;
mod key_file;
mod keyring;
mod model;
mod open;
mod params;
mod record;
mod rekey;
mod secret;
mod slot;
mod unlock;
mod vault;

pub use anchor::{Anchor, AnchorState};
pub use draft::Draft;
pub use error::{Fault, Part, VaultError};
pub use header::{FORMAT_VERSION, MAX_FILE_LEN};
pub use key_file::generate_key_file;
#[cfg(feature = "keyring")]
pub use keyring::OsKeyring;
pub use keyring::{KeyStore, KeyStoreError};
pub use model::{Entry, Grant, MAX_NAME_LEN, MAX_TEXT_LEN, NewEntry, Pin};
pub use open::Inspection;
pub use params::Argon2Params;
pub use record::MAX_SECRETS_LEN;
pub use rekey::Leftover;
pub use secret::{Secret, Secrets};
pub use unlock::{Method, Unlock};
pub use vault::{UnlockInfo, Vault};
