//! One named file for each way in which a vault can be wrong, under `tests/vectors/`.
//!
//! `manifest.json` lists them: what is in the file, how it is unlocked, and what must come of it. Any implementation of
//! `docs/vault-format.md` can run them. They are made by `forge`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm_host_vault::{Anchor, Unlock, Vault, VaultError};
use serde_json::{Value, json};

use crate::second;
use crate::support::{MemoryKeyStore, files, passphrase, revealed};

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

#[test]
fn every_vector_gives_what_its_manifest_says() {
    let manifest: Vec<Value> = serde_json::from_slice(&fs::read(directory().join("manifest.json")).unwrap()).unwrap();
    assert!(manifest.len() >= 60);
    let mut failures = Vec::new();
    for case in &manifest {
        if let Err(failure) = run(case) {
            failures.push(format!("{}: {failure}", case["name"].as_str().unwrap()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let listed: Vec<&str> = manifest
        .iter()
        .flat_map(|case| [case["file"].as_str(), case["anchor"].as_str()])
        .flatten()
        .collect();
    for path in files(&directory()).into_keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "manifest.json" || listed.contains(&name),
            "{name} is in no case"
        );
    }
}

/// Opens a copy of the case's file, and looks whether it did what is expected, and nothing to the files.
fn run(case: &Value) -> Result<(), String> {
    let scratch = tempfile::tempdir().unwrap();
    let copy = |name: &Value, to: &str| {
        let to = scratch.path().join(to);
        if let Some(name) = name.as_str() {
            fs::copy(directory().join(name), &to).unwrap();
        }
        to
    };
    let vault = copy(&case["file"], "vault");
    let anchor = match copy(&case["anchor"], "anchor") {
        path if path.exists() => Anchor::at(path),
        _ => Anchor::off(),
    };
    let unlock = unlock(&case["unlock"], scratch.path());
    let before = files(scratch.path());
    let expect = &case["expect"];
    match (
        Vault::open(&vault, &unlock, &anchor),
        expect["error"].as_str(),
        expect["reveal_error"].as_str(),
    ) {
        (Ok(vault), None, None) => {
            let found: BTreeMap<_, _> = vault
                .entries()
                .map(|entry| (&entry.name, revealed(&vault, &entry.name)))
                .collect();
            let found = json!({"revision": vault.revision(), "secrets": found, "grants": vault.grants().len()});
            if &found != expect {
                return Err(format!("opened as {found}"));
            }
        }
        (Ok(vault), None, Some(code)) => {
            let name = vault.entries().next().unwrap().name.clone();
            match vault.reveal(&name) {
                Err(error) if error.code() == code => (),
                other => return Err(format!("{other:?}, expected {code}")),
            }
        }
        (Err(error), Some(code), _) => {
            if error.code() != code || expect["place"].as_str() != place(&error).as_deref() {
                return Err(format!(
                    "{} at {:?} ({error}), expected {expect}",
                    error.code(),
                    place(&error)
                ));
            }
            if files(scratch.path()) != before {
                return Err("a file was changed".to_owned());
            }
        }
        (other, ..) => return Err(format!("{other:?}, expected {expect}")),
    }
    Ok(())
}

/// What exactly is wrong, where the error says so.
fn place(error: &VaultError) -> Option<String> {
    match error {
        VaultError::Damaged { part } => Some(part.to_string()),
        VaultError::SwappedEntry { entry, found } => Some(format!("{entry} has {found}")),
        VaultError::ParamsOutOfBounds { what, .. } => Some((*what).to_owned()),
        _ => None,
    }
}

fn unlock(how: &Value, scratch: &Path) -> Unlock {
    if let Some(text) = how["passphrase"].as_str() {
        return passphrase(text);
    }
    if how.get("key_file").is_some() {
        let path = scratch.join("key");
        fs::write(&path, second::unhex(&how["key_file"])).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = u32::from_str_radix(how["mode"].as_str().unwrap(), 8).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        return Unlock::key_file(path);
    }
    let keys = how["keyring"].as_object().unwrap().iter();
    let keys: BTreeMap<_, _> = keys
        .map(|(account, key)| (account.clone(), second::unhex(key).try_into().unwrap()))
        .collect();
    Unlock::keyring(Arc::new(MemoryKeyStore {
        keys: keys.into(),
        refuse: false,
    }))
}
