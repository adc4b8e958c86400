//! The crate and the second implementation read each other's files, and the index is what the document's schema says.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use llm_host_vault::{AnchorState, Grant, Pin, Unlock, Vault};
use serde_json::{Value, json};

use crate::second::{self, Draft, Secret};
use crate::support::{LATER, MemoryKeyStore, NOW, PASSPHRASE, Scene, entry, files, grant, passphrase, revealed};

/// The larger of the document's two JSON blocks that matter here.
fn schema() -> Value {
    let document = include_str!("../../../../docs/vault-format.md");
    let blocks = document
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let values = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap());
    values.into_iter().find(|value| value.get("$schema").is_some()).unwrap()
}

fn example() -> Value {
    let document = include_str!("../../../../docs/vault-format.md");
    let block = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let text = block.replace("64 hex digits", &"ab".repeat(32));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_second_implementation_reads_what_the_crate_writes() {
    let (scene, mut vault) = Scene::filled();
    let store = Arc::new(MemoryKeyStore::default());
    vault.add_unlock(&passphrase(PASSPHRASE)).unwrap();
    vault.add_unlock(&Unlock::keyring(Arc::clone(&store) as _)).unwrap();
    vault
        .edit(|draft| {
            draft.set("longer", entry(&"x".repeat(700)), LATER)?;
            draft.rotate(
                "a",
                &llm_host_vault::Secrets::one("api_key", "new".to_owned().into()),
                LATER,
            )?;
            draft.add_grant(Grant {
                provider: Some("azure-eu".into()),
                pin: Pin::Signer([3; 32]),
                ..grant("g-2", "b")
            })?;
            draft.add_grant(Grant {
                private_origins: vec!["http://localhost:1".into()],
                ..Grant::new("p", Pin::Digest([4; 32]), NOW)
            })
        })
        .unwrap();
    vault.save().unwrap();
    let bytes = scene.bytes();
    let key_file: [u8; 32] = fs::read(&scene.key_file).unwrap().try_into().unwrap();
    let in_keyring = *store.keys.lock().unwrap().values().next().unwrap();
    for secret in [
        Secret::Passphrase(PASSPHRASE),
        Secret::Key(2, key_file),
        Secret::Key(3, in_keyring),
    ] {
        let key = second::unlock(&bytes, &secret).unwrap();
        let (index, secrets) = second::read(&bytes, &key);
        let problems: Vec<String> = jsonschema::validator_for(&schema())
            .unwrap()
            .iter_errors(&index)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(problems, Vec::<String>::new());
        let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "longer"]);
        for name in names {
            assert_eq!(secrets[name], revealed(&vault, name));
        }
        assert_eq!(
            index["entries"][0]["entry"],
            serde_json::to_value(vault.entry("a").unwrap()).unwrap()
        );
        assert_eq!(index["grants"], serde_json::to_value(vault.grants()).unwrap());
        assert_eq!(index["entries"][0]["entry"]["rotated"], "2026-02-03T04:05:06Z");
        let anchor = Draft {
            vault: bytes[16..32].try_into().unwrap(),
            anchor_key: second::unhex(&index["anchor_key"]).try_into().unwrap(),
            ..Draft::new(second::u64_at(&bytes, 32))
        };
        assert_eq!(
            anchor.anchor(&bytes),
            fs::read(scene.directory.path().join("vault.rev")).unwrap()
        );
    }
    assert!(second::unlock(&bytes, &Secret::Key(2, [0; 32])).is_none());
}

#[test]
fn the_crate_reads_what_the_second_implementation_writes() {
    let scene = Scene::new();
    let key_file: [u8; 32] = fs::read(&scene.key_file).unwrap().try_into().unwrap();
    let mut draft = Draft::new(41);
    let in_keyring = [5; 32];
    draft.slots = vec![
        draft.slot(&Secret::Passphrase(PASSPHRASE), [8192, 2, 3]),
        Draft::unknown_slot(77, b"made by a later version"),
        draft.slot(&Secret::Key(2, key_file), [0; 3]),
        draft.slot(&Secret::Key(3, in_keyring), [0; 3]),
    ];
    let mut other = example()["entries"][0]["entry"].clone();
    other["name"] = json!("z");
    other["fields"] = json!([]);
    draft.entries = vec![
        (
            example()["entries"][0]["entry"].clone(),
            7,
            second::fields(&[("api_key", "sk-é")]),
        ),
        (other, 41, second::fields(&[])),
    ];
    draft.grants = example()["grants"].clone();
    let file = draft.write();
    scene.put(&file);
    fs::write(scene.directory.path().join("vault.rev"), draft.anchor(&file)).unwrap();
    let account = format!("{}/{}", second::hex(&draft.vault), second::hex(&draft.slots[3][4..20]));
    let store = MemoryKeyStore {
        keys: BTreeMap::from([(account, in_keyring)]).into(),
        refuse: false,
    };
    for unlock in [passphrase(PASSPHRASE), scene.unlock(), Unlock::keyring(Arc::new(store))] {
        let vault = Vault::open(&scene.vault, &unlock, &scene.anchor()).unwrap();
        assert_eq!((vault.revision(), vault.anchor_state()), (41, AnchorState::Current));
        assert_eq!(revealed(&vault, "openai/team-a")["api_key"], "sk-é");
        assert!(vault.reveal("z").unwrap().is_empty());
        assert_eq!(serde_json::to_value(vault.grants()).unwrap(), example()["grants"]);
    }
    // A slot that is not understood is written back as it was.
    let mut vault = scene.open().unwrap();
    vault.edit(|draft| draft.set("new", entry("x"), NOW)).unwrap();
    vault.save().unwrap();
    let saved = scene.bytes();
    assert_eq!(&saved[second::split(&saved).slots[1].clone()], draft.slots[1]);
    assert_eq!(
        vault.unlocks()[1].method.to_string(),
        "method 77 (unknown to this program)"
    );
    assert_eq!(files(scene.directory.path()).len(), 3);
}

#[test]
fn the_documents_example_is_what_its_schema_says() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&example()));
    let mut widened = example();
    widened["grants"][0]["any_origin"] = json!(true);
    assert!(!validator.is_valid(&widened));
}

/// The same document read by another language with other libraries; needs Python's `cryptography` (44 or later).
#[test]
fn a_reader_in_python_reads_the_vectors() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let has_library = Command::new("python3")
        .args(["-c", "import cryptography.hazmat.primitives.kdf.argon2"])
        .output();
    if !has_library.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "not run: python3 with the package `cryptography` is not here; the second implementation in Rust was"
        );
        return;
    }
    let output = Command::new("python3")
        .args([tests.join("reader.py"), tests.join("vectors")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "7 vaults read\n");
}
