//! Credentials and grants for a test's host.
//!
//! In: what a plugin may use. Out: a vault as an admin would have made it. Never: a passphrase;
//! the key file is beside it.

use std::collections::BTreeMap;
use std::path::Path;

use llm_host_vault::{Anchor, Draft, Grant, NewEntry, Pin, Secret, Unlock, Vault, VaultError, generate_key_file};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

/// A credential in the vault, granted to a plugin for one of its slots.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The plugin's id.
    pub plugin: String,
    /// Its slot.
    pub slot: String,
    /// The credential's kind: `api-key`, `bearer`, `header`, `aws`.
    pub kind: String,
    /// The credential's secret fields and their values.
    pub secrets: Vec<(String, String)>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The rule by which it is attached, as JSON, instead of the plugin's wish.
    pub attach: Option<String>,
    /// The origin it may go to, on this machine.
    pub origin: String,
    /// The paths it may go to there; all, if there are none.
    pub paths: Vec<String>,
}

impl Granted {
    /// An API key for the slot `api-key`.
    pub fn api_key(plugin: &str, secret: &str, origin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            slot: "api-key".to_owned(),
            kind: "api-key".to_owned(),
            secrets: vec![("api_key".to_owned(), secret.to_owned())],
            attributes: BTreeMap::new(),
            attach: None,
            origin: origin.to_owned(),
            paths: Vec::new(),
        }
    }

    /// An AWS identity for the slot `aws`: its attributes, `source` among them, and its secrets.
    pub fn aws(plugin: &str, origin: &str, attributes: &[(&str, &str)], secrets: &[(&str, &str)]) -> Self {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Self {
            slot: "aws".to_owned(),
            kind: "aws".to_owned(),
            secrets: owned(secrets),
            attributes: owned(attributes).into_iter().collect(),
            ..Self::api_key(plugin, "", origin)
        }
    }

    /// The same in another slot, attached by this rule.
    #[must_use]
    pub fn attached(mut self, slot: &str, rule: &str) -> Self {
        self.slot = slot.to_owned();
        self.attach = Some(rule.to_owned());
        self
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
                    secrets: one
                        .secrets
                        .iter()
                        .map(|(name, secret)| (name.clone(), Secret::new(secret.clone())))
                        .collect(),
                    attributes: one.attributes.clone(),
                    hosts: vec![one.origin.clone()],
                };
                draft.set(&one.credential(), entry, now)?;
                let bytes = digest(&SHA256, &component(&one.plugin));
                let pin = Pin::Digest(bytes.as_ref().try_into().expect("SHA-256 has 32 bytes"));
                let mut grant = Grant::new(&one.plugin, pin, now);
                grant.slot = Some(one.slot.clone());
                grant.credential = Some(one.credential());
                grant.attach = one.attach.clone();
                grant.paths = one.paths.clone();
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
