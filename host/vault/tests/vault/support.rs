//! A vault in a directory of its own, and a keyring in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use llm_host_vault::{
    Anchor, Argon2Params, Grant, KeyStore, KeyStoreError, NewEntry, Pin, Secret, Secrets, Unlock, Vault, VaultError,
    generate_key_file,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
pub(crate) const LATER: OffsetDateTime = datetime!(2026-02-03 04:05:06 UTC);
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// A directory with a key file and, once created, a vault.
pub(crate) struct Scene {
    pub(crate) directory: TempDir,
    pub(crate) vault: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (vault, key_file) = (directory.path().join("vault"), directory.path().join("key"));
        generate_key_file(&key_file).unwrap();
        Self {
            directory,
            vault,
            key_file,
        }
    }

    /// A vault that the key file opens, with entries `a` and `b` of equal size, and a grant of `a`.
    pub(crate) fn filled() -> (Self, Vault) {
        let scene = Self::new();
        let mut vault = Vault::create(&scene.vault, &[scene.unlock()], &scene.anchor()).unwrap();
        vault
            .edit(|draft| {
                draft.set("a", entry("secret-of-a"), NOW)?;
                draft.set("b", entry("secret-of-b"), NOW)?;
                draft.add_grant(grant("g-1", "a"))
            })
            .unwrap();
        vault.save().unwrap();
        (scene, vault)
    }

    pub(crate) fn unlock(&self) -> Unlock {
        Unlock::key_file(&self.key_file)
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::beside(&self.vault)
    }

    pub(crate) fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.vault, &self.unlock(), &self.anchor())
    }

    /// Opens whatever the anchor says.
    pub(crate) fn open_unanchored(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.vault, &self.unlock(), &Anchor::off())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.vault).unwrap()
    }

    /// Writes over the file in place: some file systems sync a file that was cut to nothing first, and the tests write many.
    pub(crate) fn put(&self, bytes: &[u8]) {
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.vault)
            .unwrap();
        file.write_all(bytes).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
    }

    /// Every file of the directory with its contents, to see that nothing changed. Lock files are always empty.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(self.directory.path())
    }
}

pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    fs::read_dir(directory)
        .unwrap()
        .map(read)
        .filter(|(path, _)| path.extension().is_none_or(|extension| extension != "lock"))
        .collect()
}

pub(crate) fn passphrase(text: &str) -> Unlock {
    Unlock::passphrase_with(Secret::new(text), Argon2Params::minimal())
}

pub(crate) fn entry(secret: &str) -> NewEntry {
    NewEntry {
        kind: "api-key".to_owned(),
        secrets: Secrets::one("api_key", Secret::new(secret)),
        attributes: BTreeMap::from([("organisation".to_owned(), "org-1".to_owned())]),
        hosts: vec!["https://api.example.com".to_owned()],
    }
}

pub(crate) fn grant(id: &str, credential: &str) -> Grant {
    Grant {
        id: id.to_owned(),
        slot: Some("api-key".to_owned()),
        credential: Some(credential.to_owned()),
        origins: vec!["https://api.example.com".to_owned()],
        methods: vec!["POST".to_owned()],
        paths: vec!["/v1/*".to_owned()],
        rate_per_minute: Some(60),
        expires: Some(LATER),
        ..Grant::new("example", Pin::Digest([7; 32]), NOW)
    }
}

pub(crate) fn revealed(vault: &Vault, name: &str) -> BTreeMap<String, String> {
    let secrets = vault.reveal(name).unwrap();
    secrets
        .iter()
        .map(|(field, secret)| (field.to_owned(), secret.expose().to_owned()))
        .collect()
}

/// A keyring in memory, which can be told to refuse.
#[derive(Default)]
pub(crate) struct MemoryKeyStore {
    pub(crate) keys: Mutex<BTreeMap<String, [u8; 32]>>,
    pub(crate) refuse: bool,
}

impl KeyStore for MemoryKeyStore {
    fn put(&self, account: &str, key: &[u8; 32]) -> Result<(), KeyStoreError> {
        self.answers()?;
        self.keys.lock().unwrap().insert(account.to_owned(), *key);
        Ok(())
    }

    fn get(&self, account: &str) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, KeyStoreError> {
        self.answers()?;
        Ok(self
            .keys
            .lock()
            .unwrap()
            .get(account)
            .copied()
            .map(zeroize::Zeroizing::new))
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        self.answers()?;
        self.keys.lock().unwrap().remove(account);
        Ok(())
    }
}

impl MemoryKeyStore {
    fn answers(&self) -> Result<(), KeyStoreError> {
        if self.refuse {
            Err(KeyStoreError::Unavailable {
                reason: "switched off".to_owned(),
            })
        } else {
            Ok(())
        }
    }
}
