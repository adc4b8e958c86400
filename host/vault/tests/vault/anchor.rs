//! Older files in the place of newer ones.

use std::fs;

use llm_host_vault::{Anchor, AnchorState, Part, Vault, VaultError};

use crate::support::{NOW, PASSPHRASE, Scene, entry, passphrase};

fn save_one_more(scene: &Scene, name: &str) -> Vault {
    let mut vault = scene.open().unwrap();
    vault.edit(|draft| draft.set(name, entry(name), NOW)).unwrap();
    vault.save().unwrap();
    vault
}

#[test]
fn an_older_file_is_refused_until_it_is_accepted() {
    let (scene, _) = Scene::filled();
    let backup = scene.bytes();
    let vault = save_one_more(&scene, "c");
    let newer = scene.bytes();
    scene.put(&backup);
    let before = scene.snapshot();
    match scene.open() {
        Err(VaultError::RolledBack { found, seen }) => assert_eq!((found, seen), (2, 3)),
        other => panic!("{other:?}"),
    }
    assert_eq!(vault.reopen().unwrap_err().code(), "rolled-back");
    assert_eq!(scene.snapshot(), before);

    let accepted = Vault::accept_rollback(&scene.vault, &scene.unlock(), &scene.anchor()).unwrap();
    assert_eq!((accepted.revision(), accepted.entries().len()), (4, 2));
    assert_eq!(scene.open().unwrap().anchor_state(), AnchorState::Current);
    // Neither the backup nor the file it replaced can come back unnoticed.
    for old in [backup, newer] {
        scene.put(&old);
        assert_eq!(scene.open().unwrap_err().code(), "rolled-back");
    }
}

#[test]
fn an_older_file_with_older_keys_is_rolled_back_not_a_wrong_passphrase() {
    let scene = Scene::new();
    let mut vault = Vault::create(&scene.vault, &[passphrase(PASSPHRASE)], &scene.anchor()).unwrap();
    let backup = scene.bytes();
    assert_eq!(
        vault.rekey(&[passphrase("a new one")]).unwrap().keyring_accounts,
        [""; 0]
    );
    scene.put(&backup);
    let open = |text| {
        Vault::open(&scene.vault, &passphrase(text), &scene.anchor())
            .unwrap_err()
            .code()
    };
    assert_eq!(open("a new one"), "rolled-back");
    assert_eq!(open(PASSPHRASE), "rolled-back");
    assert_eq!(vault.reopen().unwrap_err().code(), "rolled-back");
    let accepted = Vault::accept_rollback(&scene.vault, &passphrase(PASSPHRASE), &scene.anchor()).unwrap();
    assert_eq!(accepted.revision(), 3);
}

#[test]
fn two_files_of_one_revision_are_told_apart() {
    let (scene, _) = Scene::filled();
    let fork = scene.bytes();
    save_one_more(&scene, "here");
    let elsewhere = Scene::new();
    elsewhere.put(&fork);
    fs::copy(&scene.key_file, &elsewhere.key_file).unwrap();
    save_one_more(&elsewhere, "there");
    scene.put(&elsewhere.bytes());
    assert_eq!(scene.open().unwrap_err().code(), "diverged");
    let accepted = Vault::accept_rollback(&scene.vault, &scene.unlock(), &scene.anchor()).unwrap();
    assert!(accepted.entry("there").is_some());
    assert_eq!(accepted.revision(), 4);
}

#[test]
fn the_anchor_follows_a_vault_that_was_edited_elsewhere() {
    let (scene, _) = Scene::filled();
    let backup = scene.bytes();
    let mut elsewhere = scene.open_unanchored().unwrap();
    assert_eq!(elsewhere.anchor_state(), AnchorState::Off);
    elsewhere.edit(|draft| draft.set("c", entry("c"), NOW)).unwrap();
    elsewhere.save().unwrap();
    assert_eq!(scene.open().unwrap().anchor_state(), AnchorState::Advanced);
    assert_eq!(scene.open().unwrap().anchor_state(), AnchorState::Current);
    scene.put(&backup);
    assert_eq!(scene.open().unwrap_err().code(), "rolled-back");
}

#[test]
fn a_missing_anchor_is_begun_and_reported() {
    let (scene, _) = Scene::filled();
    let elsewhere = scene.directory.path().join("state");
    let open = || {
        Vault::open(&scene.vault, &scene.unlock(), &Anchor::at(&elsewhere))
            .unwrap()
            .anchor_state()
    };
    assert_eq!(open(), AnchorState::Created);
    assert_eq!(open(), AnchorState::Current);
    assert_eq!(
        fs::read(&elsewhere).unwrap(),
        fs::read(scene.directory.path().join("vault.rev")).unwrap()
    );
}

#[test]
fn a_vault_in_the_place_of_another_is_noticed() {
    let (scene, _) = Scene::filled();
    let (other, _) = Scene::filled();
    scene.put(&other.bytes());
    fs::copy(&other.key_file, &scene.key_file).unwrap();
    assert_eq!(scene.open().unwrap_err().code(), "foreign-anchor");
    let accepted = Vault::accept_rollback(&scene.vault, &scene.unlock(), &scene.anchor()).unwrap();
    assert_eq!(accepted.revision(), 3);
    scene.open().unwrap();
}

#[test]
fn every_flipped_bit_and_every_missing_byte_of_an_anchor_is_noticed() {
    let (scene, _) = Scene::filled();
    let path = scene.directory.path().join("vault.rev");
    let good = fs::read(&path).unwrap();
    assert_eq!(good.len(), 104);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let code = scene.open().unwrap_err().code();
        let expected = if (16..32).contains(&(bit / 8)) {
            "foreign-anchor"
        } else {
            "damaged-anchor"
        };
        assert_eq!(code, expected, "bit {bit}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).unwrap();
        match scene.open() {
            Err(VaultError::Damaged { part: Part::Anchor }) => (),
            other => panic!("{len}: {other:?}"),
        }
    }
    let accepted = Vault::accept_rollback(&scene.vault, &scene.unlock(), &scene.anchor()).unwrap();
    assert_eq!(accepted.revision(), 3);
    scene.open().unwrap();
}

#[test]
fn an_anchor_from_before_is_still_valid_after_a_rekey() {
    let (scene, mut vault) = Scene::filled();
    let path = scene.directory.path().join("vault.rev");
    let before = fs::read(&path).unwrap();
    assert!(vault.rekey(&[scene.unlock()]).unwrap().keyring_accounts.is_empty());
    // As after a crash between the two renames.
    fs::write(&path, before).unwrap();
    assert_eq!(scene.open().unwrap().anchor_state(), AnchorState::Advanced);
}
