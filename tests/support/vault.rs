//! Credentials and grants for a test's host.
//!
//! In: what a plugin may use. Out: a vault as an admin would have made it. Never: a passphrase;
//! the key file is beside it.

use std::path::Path;

use llm_host_vault::{
    Anchor, Draft, Grant, NewEntry, Pin, Secret, Secrets, Unlock, Vault, VaultError, generate_key_file,
};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

/// A credential in the vault, granted to a plugin for one of its slots.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The plugin's id.
    pub plugin: String,
    /// Its slot.
    pub slot: String,
    /// The credential's kind: `api-key`, `bearer`, `header`.
    pub kind: String,
    /// The credential's secret field and its value.
    pub secret: (String, String),
    /// The origin it may go to, on this machine.
    pub origin: String,
}

impl Granted {
    /// An API key for the slot `api-key`.
    pub fn api_key(plugin: &str, secret: &str, origin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            slot: "api-key".to_owned(),
            kind: "api-key".to_owned(),
            secret: ("api_key".to_owned(), secret.to_owned()),
            origin: origin.to_owned(),
        }
    }

    /// The credential's name in the vault.
    pub fn credential(&self) -> String {
        format!("{}-{}", self.plugin, self.slot)
    }
}

/// Makes a vault in a host's directory. `component` gives the bytes that a plugin's grants are for.
///
/// # Panics
/// When the vault refuses.
pub fn make(dir: &Path, granted: &[Granted], component: impl Fn(&str) -> Vec<u8>) {
    let key_file = dir.join("vault.key");
    generate_key_file(&key_file).expect("a key file");
    let state = dir.join("state");
    std::fs::create_dir_all(&state).expect("a state directory");
    let anchor = Anchor::at(state.join("vault.anchor"));
    let unlock = Unlock::key_file(&key_file);
    let mut vault = Vault::create(&dir.join("vault.bin"), &[unlock], &anchor).expect("a new vault");
    let now = OffsetDateTime::now_utc();
    vault
        .edit(|draft| {
            for one in granted {
                let entry = NewEntry {
                    kind: one.kind.clone(),
                    secrets: Secrets::one(&one.secret.0, Secret::new(one.secret.1.clone())),
                    hosts: vec![one.origin.clone()],
                    ..NewEntry::default()
                };
                draft.set(&one.credential(), entry, now)?;
                let bytes = digest(&SHA256, &component(&one.plugin));
                let pin = Pin::Digest(bytes.as_ref().try_into().expect("SHA-256 has 32 bytes"));
                let mut grant = Grant::new(&one.plugin, pin, now);
                grant.slot = Some(one.slot.clone());
                grant.credential = Some(one.credential());
                grant.private_origins = vec![one.origin.clone()];
                draft.add_grant(grant)?;
            }
            Ok(())
        })
        .expect("entries and grants");
    vault.save().expect("a saved vault");
}

/// Edits the vault of a host's directory, as `host vault` and `host grant` do beside a running host.
///
/// # Panics
/// When the vault refuses.
pub fn edit(dir: &Path, change: impl FnOnce(&mut Draft<'_>) -> Result<(), VaultError>) {
    let unlock = Unlock::key_file(dir.join("vault.key"));
    let anchor = Anchor::at(dir.join("state").join("vault.anchor"));
    let mut vault = Vault::open(&dir.join("vault.bin"), &unlock, &anchor).expect("the vault opens");
    vault.edit(change).expect("the edit is allowed");
    vault.save().expect("a saved vault");
}
