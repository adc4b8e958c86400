//! The ways to open a vault, side by side and changing.

use std::fs;
use std::sync::Arc;

use llm_host_vault::{Anchor, Argon2Params, Method, Secret, Unlock, Vault, VaultError, generate_key_file};

use crate::support::{MemoryKeyStore, NOW, PASSPHRASE, Scene, entry, passphrase, revealed};

fn three_ways(scene: &Scene) -> (Vec<Unlock>, Arc<MemoryKeyStore>) {
    let store = Arc::new(MemoryKeyStore::default());
    (
        vec![
            passphrase(PASSPHRASE),
            scene.unlock(),
            Unlock::keyring(Arc::clone(&store) as _),
        ],
        store,
    )
}

#[test]
fn every_method_opens_the_same_vault() {
    let scene = Scene::new();
    let (unlocks, store) = three_ways(&scene);
    let mut vault = Vault::create(&scene.vault, &unlocks, &scene.anchor()).unwrap();
    vault.edit(|draft| draft.set("a", entry("secret-of-a"), NOW)).unwrap();
    vault.save().unwrap();
    for unlock in &unlocks {
        let opened = Vault::open(&scene.vault, unlock, &scene.anchor()).unwrap();
        assert_eq!(revealed(&opened, "a")["api_key"], "secret-of-a", "{unlock:?}");
    }
    let methods: Vec<Method> = vault.unlocks().iter().map(|unlock| unlock.method).collect();
    assert_eq!(methods, [Method::Passphrase, Method::KeyFile, Method::Keyring]);
    assert_eq!(vault.unlocks()[0].argon2, Some(Argon2Params::minimal()));
    let seen = Vault::inspect(&scene.vault).unwrap();
    assert_eq!((seen.id, seen.revision, seen.unlocks), (vault.id(), 2, vault.unlocks()));
    let account = format!("{}/{}", vault.id(), vault.unlocks()[2].id);
    assert!(store.keys.lock().unwrap().contains_key(&account));
}

#[test]
fn a_wrong_key_is_told_from_a_missing_method() {
    let scene = Scene::new();
    let (unlocks, store) = three_ways(&scene);
    let vault = Vault::create(&scene.vault, &unlocks, &scene.anchor()).unwrap();
    let other_key = scene.directory.path().join("other-key");
    generate_key_file(&other_key).unwrap();
    let before = scene.snapshot();
    let open = |unlock: &Unlock| Vault::open(&scene.vault, unlock, &scene.anchor()).unwrap_err().code();
    assert_eq!(open(&passphrase("incorrect horse")), "wrong-passphrase");
    assert_eq!(open(&passphrase("")), "wrong-passphrase");
    assert_eq!(open(&Unlock::key_file(&other_key)), "wrong-key-file");
    assert_eq!(open(&Unlock::key_file(scene.directory.path().join("absent"))), "io");
    let keyring = &unlocks[2];
    let account = format!("{}/{}", vault.id(), vault.unlocks()[2].id);
    store.put_wrong(&account);
    assert_eq!(open(keyring), "wrong-keyring-key");
    store.keys.lock().unwrap().clear();
    assert_eq!(open(keyring), "not-in-keyring");
    let off = MemoryKeyStore {
        refuse: true,
        ..MemoryKeyStore::default()
    };
    assert_eq!(open(&Unlock::keyring(Arc::new(off))), "keyring");
    assert_eq!(scene.snapshot(), before);

    let (scene, _) = Scene::filled();
    let error = Vault::open(&scene.vault, &passphrase(PASSPHRASE), &scene.anchor()).unwrap_err();
    assert_eq!(error.code(), "no-such-method");
    assert!(error.to_string().contains("key file"), "{error}");
}

impl MemoryKeyStore {
    fn put_wrong(&self, account: &str) {
        assert!(self.keys.lock().unwrap().insert(account.to_owned(), [1; 32]).is_some());
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_touch_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (scene, _) = Scene::filled();
    let mode = |mode| fs::set_permissions(&scene.key_file, fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o640, 0o604, 0o660, 0o606, 0o610, 0o777] {
        mode(open);
        match scene.open() {
            Err(VaultError::KeyFilePermissions { path, mode }) => {
                assert_eq!((path, mode), (scene.key_file.clone(), open))
            }
            other => panic!("{open:o}: {other:?}"),
        }
        let other = scene.directory.path().join("other");
        let refused = Vault::create(&other, &[scene.unlock()], &Anchor::off()).unwrap_err();
        assert_eq!(refused.code(), "key-file-permissions");
        assert!(!other.exists());
    }
    for closed in [0o600, 0o400] {
        mode(closed);
        scene.open().unwrap();
    }
}

#[test]
fn a_key_file_has_exactly_32_bytes_and_is_never_replaced() {
    let (scene, _) = Scene::filled();
    assert_eq!(generate_key_file(&scene.key_file).unwrap_err().code(), "already-exists");
    scene.open().unwrap();
    let key = fs::read(&scene.key_file).unwrap();
    assert_eq!(key.len(), 32);
    for bytes in [&key[..31], &[&key[..], b"\n"].concat(), b""] {
        fs::write(&scene.key_file, bytes).unwrap();
        assert_eq!(scene.open().unwrap_err().code(), "key-file-length");
    }
}

#[test]
fn a_vault_needs_one_to_eight_methods() {
    let scene = Scene::new();
    let create = |unlocks: &[Unlock]| Vault::create(&scene.vault, unlocks, &scene.anchor());
    assert_eq!(create(&[]).unwrap_err().code(), "unlock-count");
    assert_eq!(create(&vec![scene.unlock(); 9]).unwrap_err().code(), "unlock-count");
    assert_eq!(create(&[passphrase("")]).unwrap_err().code(), "invalid");
    assert!(!scene.vault.exists());
    let mut vault = create(&vec![scene.unlock(); 8]).unwrap();
    assert_eq!(vault.add_unlock(&scene.unlock()).unwrap_err().code(), "unlock-count");
    scene.open().unwrap();
}

#[test]
fn a_vault_that_was_not_created_leaves_nothing_in_the_keyring() {
    let scene = Scene::new();
    let (mut unlocks, store) = three_ways(&scene);
    unlocks.push(Unlock::key_file(scene.directory.path().join("absent")));
    Vault::create(&scene.vault, &unlocks, &scene.anchor()).unwrap_err();
    unlocks.pop();
    let nowhere = scene.directory.path().join("no-such-directory/vault");
    Vault::create(&nowhere, &unlocks, &Anchor::off()).unwrap_err();
    assert!(store.keys.lock().unwrap().is_empty());
}

/// A directory in the anchor's place: the vault is written, only its anchor is not.
#[test]
fn a_vault_that_was_written_keeps_its_key_in_the_keyring_whatever_else_failed() {
    let scene = Scene::new();
    let (unlocks, store) = three_ways(&scene);
    fs::create_dir(scene.directory.path().join("vault.rev")).unwrap();
    let error = Vault::create(&scene.vault, &unlocks, &scene.anchor()).unwrap_err();
    assert_eq!((error.code(), error.is_written()), ("not-settled", true));
    assert_eq!(store.keys.lock().unwrap().len(), 1);
    Vault::open(&scene.vault, &unlocks[2], &Anchor::off()).unwrap();
}

#[test]
fn methods_are_added_and_removed() {
    let (scene, mut vault) = Scene::filled();
    let added = vault.add_unlock(&passphrase(PASSPHRASE)).unwrap();
    assert_eq!((added.method, vault.revision()), (Method::Passphrase, 3));
    for unlock in [passphrase(PASSPHRASE), scene.unlock()] {
        let opened = Vault::open(&scene.vault, &unlock, &scene.anchor()).unwrap();
        assert_eq!(revealed(&opened, "a")["api_key"], "secret-of-a");
    }
    let by_key_file = vault.unlocks()[0].id.clone();
    assert!(vault.remove_unlock(&by_key_file).unwrap().keyring_accounts.is_empty());
    assert_eq!(scene.open().unwrap_err().code(), "no-such-method");
    Vault::open(&scene.vault, &passphrase(PASSPHRASE), &scene.anchor()).unwrap();
    assert_eq!(vault.remove_unlock(&by_key_file).unwrap_err().code(), "unknown-unlock");
    assert_eq!(vault.remove_unlock(&added.id).unwrap_err().code(), "unlock-count");
}

#[test]
fn rekeying_shuts_out_what_opened_before() {
    let scene = Scene::new();
    let (unlocks, store) = three_ways(&scene);
    let mut vault = Vault::create(&scene.vault, &unlocks, &scene.anchor()).unwrap();
    vault.edit(|draft| draft.set("a", entry("secret-of-a"), NOW)).unwrap();
    vault.save().unwrap();
    let (still_open, before) = (scene_open(&scene, &unlocks[0]), scene.bytes());
    // Not saved yet: goes along.
    vault.edit(|draft| draft.set("b", entry("secret-of-b"), NOW)).unwrap();

    let new = [passphrase("a new one"), Unlock::keyring(Arc::clone(&store) as _)];
    let leftover = vault.rekey(&new).unwrap();
    assert_eq!(leftover.keyring_accounts.len(), 1);
    assert_eq!(store.keys.lock().unwrap().len(), 2);
    assert!(store.keys.lock().unwrap().contains_key(&leftover.keyring_accounts[0]));
    for unlock in &new {
        let opened = Vault::open(&scene.vault, unlock, &scene.anchor()).unwrap();
        assert_eq!(revealed(&opened, "a")["api_key"], "secret-of-a");
        assert_eq!(revealed(&opened, "b")["api_key"], "secret-of-b");
    }
    let open = |unlock: &Unlock| Vault::open(&scene.vault, unlock, &scene.anchor()).unwrap_err().code();
    assert_eq!(open(&passphrase(PASSPHRASE)), "wrong-passphrase");
    assert_eq!(open(&scene.unlock()), "no-such-method");
    assert_eq!(still_open.reopen().unwrap_err().code(), "rekeyed");
    // Not one sealed byte of the old file is in the new one.
    let after = scene.bytes();
    assert!(
        !before[200..]
            .windows(32)
            .any(|window| after.windows(32).any(|other| other == window))
    );
}

fn scene_open(scene: &Scene, unlock: &Unlock) -> Vault {
    Vault::open(&scene.vault, unlock, &scene.anchor()).unwrap()
}

#[test]
fn a_rekey_that_fails_changes_nothing() {
    let (scene, mut vault) = Scene::filled();
    let store = Arc::new(MemoryKeyStore::default());
    let before = scene.snapshot();
    let unlocks = [
        Unlock::keyring(Arc::clone(&store) as _),
        Unlock::key_file("/no/such/key"),
    ];
    assert_eq!(vault.rekey(&unlocks).unwrap_err().code(), "io");
    assert_eq!(vault.rekey(&[]).unwrap_err().code(), "unlock-count");
    // Someone else saves in between.
    let mut other = scene.open().unwrap();
    other.edit(|draft| draft.set("c", entry("x"), NOW)).unwrap();
    assert_eq!(scene.snapshot(), before);
    other.save().unwrap();
    assert_eq!(vault.rekey(&unlocks[..1]).unwrap_err().code(), "concurrent-edit");
    assert_eq!(vault.add_unlock(&unlocks[0]).unwrap_err().code(), "concurrent-edit");
    assert!(store.keys.lock().unwrap().is_empty());
    assert_eq!(scene.open().unwrap().entries().len(), 3);
}

#[test]
fn reopening_sees_what_others_saved_without_asking_again() {
    let (scene, vault) = Scene::filled();
    let mut other = scene.open().unwrap();
    other.edit(|draft| draft.set("c", entry("secret-of-c"), NOW)).unwrap();
    other.save().unwrap();
    assert!(vault.entry("c").is_none());
    let again = vault.reopen().unwrap();
    assert_eq!(
        (again.revision(), revealed(&again, "c")["api_key"].as_str()),
        (3, "secret-of-c")
    );
    fs::remove_file(&scene.vault).unwrap();
    assert_eq!(vault.reopen().unwrap_err().code(), "not-found");
}

#[test]
fn a_passphrase_is_taken_as_entered() {
    let scene = Scene::new();
    // "é" composed and decomposed look the same; trimming would make them equal to others.
    let passphrases = ["caf\u{e9}", "cafe\u{301}", " caf\u{e9}", "caf\u{e9}\n"];
    Vault::create(&scene.vault, &[passphrase(passphrases[0])], &scene.anchor()).unwrap();
    for (number, text) in passphrases.into_iter().enumerate() {
        let opened = Vault::open(&scene.vault, &passphrase(text), &scene.anchor());
        assert_eq!(opened.is_ok(), number == 0, "{text:?}");
    }
}

#[test]
fn the_recommended_cost_works() {
    let scene = Scene::new();
    let unlock = Unlock::passphrase(Secret::new(PASSPHRASE));
    let vault = Vault::create(&scene.vault, std::slice::from_ref(&unlock), &scene.anchor()).unwrap();
    assert_eq!(vault.unlocks()[0].argon2, Some(Argon2Params::recommended()));
    Vault::open(&scene.vault, &unlock, &scene.anchor()).unwrap();
}

#[test]
fn debug_of_an_unlock_shows_the_method_alone() {
    assert_eq!(format!("{:?}", passphrase("hunter2")), "Unlock(passphrase)");
}

/// Needs a keyring service that is unlocked and may be written to. On Linux without a desktop:
/// `dbus-run-session -- sh -c 'printf x | gnome-keyring-daemon --unlock --components=secrets; cargo test … -- --ignored os_keyring'`.
#[cfg(feature = "keyring")]
#[test]
#[ignore = "writes to the keyring of the user that runs it"]
fn the_os_keyring_keeps_gives_and_forgets_a_key() {
    use llm_host_vault::{KeyStore as _, OsKeyring};
    let scene = Scene::new();
    let unlock = Unlock::keyring(Arc::new(OsKeyring));
    let mut vault = Vault::create(&scene.vault, std::slice::from_ref(&unlock), &scene.anchor()).unwrap();
    Vault::open(&scene.vault, &unlock, &scene.anchor()).unwrap();
    let leftover = vault.rekey(std::slice::from_ref(&unlock)).unwrap();
    for account in leftover
        .keyring_accounts
        .iter()
        .chain([&format!("{}/{}", vault.id(), vault.unlocks()[0].id)])
    {
        assert!(OsKeyring.get(account).unwrap().is_some());
        OsKeyring.delete(account).unwrap();
        OsKeyring.delete(account).unwrap();
        assert!(OsKeyring.get(account).unwrap().is_none());
    }
    assert_eq!(
        Vault::open(&scene.vault, &unlock, &scene.anchor()).unwrap_err().code(),
        "not-in-keyring"
    );
}
