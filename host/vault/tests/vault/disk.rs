//! One writer at a time, whole files or none, and errors that change nothing.

use std::fs::{self, File};
use std::time::Duration;

use llm_host_vault::{Anchor, Draft, Vault, VaultError};

use crate::support::{NOW, Scene, entry, revealed};

#[test]
fn the_second_of_two_editors_is_told_and_loses_nothing() {
    let (scene, mut first) = Scene::filled();
    let mut second = scene.open().unwrap();
    first.edit(|draft| draft.set("first", entry("1"), NOW)).unwrap();
    second.edit(|draft| draft.set("second", entry("2"), NOW)).unwrap();
    first.save().unwrap();
    let before = scene.snapshot();
    match second.save() {
        Err(VaultError::ConcurrentEdit { opened, found }) => assert_eq!((opened, found), (2, Some(3))),
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.snapshot(), before);
    // The edit is still there to be looked at, and can be repeated on the new file.
    assert_eq!(revealed(&second, "second")["api_key"], "2");
    let mut second = second.reopen().unwrap();
    second.edit(|draft| draft.set("second", entry("2"), NOW)).unwrap();
    second.save().unwrap();
    let opened = scene.open().unwrap();
    let names: Vec<&str> = opened.entries().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "first", "second"]);
}

#[test]
fn a_file_that_vanished_or_is_no_vault_any_more_is_not_written_over() {
    let (scene, mut vault) = Scene::filled();
    vault.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    for replaced in [None, Some(b"something else".as_slice())] {
        match replaced {
            None => fs::remove_file(&scene.vault).unwrap(),
            Some(bytes) => scene.put(bytes),
        }
        let before = scene.snapshot();
        match vault.save() {
            Err(VaultError::ConcurrentEdit { opened: 2, found: None }) => (),
            other => panic!("{other:?}"),
        }
        assert_eq!(scene.snapshot(), before);
    }
}

#[test]
fn while_another_process_writes_a_save_is_refused() {
    let (scene, mut vault) = Scene::filled();
    let lock = File::options()
        .write(true)
        .open(scene.directory.path().join("vault.lock"))
        .unwrap();
    lock.lock().unwrap();
    vault.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    let before = scene.snapshot();
    let error = vault.save().unwrap_err();
    assert_eq!((error.code(), error.may_retry()), ("locked", true));
    assert_eq!(scene.snapshot(), before);
    // Readers are not held up.
    scene.open().unwrap();
    lock.unlock().unwrap();
    vault.save().unwrap();
    assert_eq!(scene.open().unwrap().entries().len(), 3);
}

#[test]
fn a_vault_is_not_created_over_a_file() {
    let (scene, _) = Scene::filled();
    let before = scene.snapshot();
    assert_eq!(
        Vault::create(&scene.vault, &[scene.unlock()], &scene.anchor())
            .unwrap_err()
            .code(),
        "already-exists"
    );
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn an_anchor_that_cannot_be_written_stops_the_save_before_it_begins() {
    let (scene, _) = Scene::filled();
    let mut vault = scene.open_unanchored().unwrap();
    vault.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    vault.save().unwrap();
    let nowhere = Anchor::at(scene.directory.path().join("no-such-directory/rev"));
    let before = scene.snapshot();
    assert_eq!(
        Vault::open(&scene.vault, &scene.unlock(), &nowhere).unwrap_err().code(),
        "io"
    );
    let fresh = scene.directory.path().join("fresh");
    assert_eq!(
        Vault::create(&fresh, &[scene.unlock()], &nowhere).unwrap_err().code(),
        "io"
    );
    assert_eq!(scene.snapshot(), before);
}

/// A directory in the anchor's place: the rename fails after the vault has been renamed.
#[test]
fn a_save_whose_anchor_fails_says_that_the_vault_was_written() {
    let (scene, mut vault) = Scene::filled();
    let anchor = scene.directory.path().join("vault.rev");
    let kept = fs::read(&anchor).unwrap();
    fs::remove_file(&anchor).unwrap();
    fs::create_dir(&anchor).unwrap();
    vault.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    match vault.save() {
        Err(error @ VaultError::NotSettled { revision: 3, .. }) => assert!(error.is_written()),
        other => panic!("{other:?}"),
    }
    assert_eq!((vault.revision(), vault.is_edited()), (3, false));
    fs::remove_dir(&anchor).unwrap();
    fs::write(&anchor, kept).unwrap();
    let opened = scene.open().unwrap();
    assert_eq!(
        (opened.revision(), opened.anchor_state()),
        (3, llm_host_vault::AnchorState::Advanced)
    );
    let leftovers = scene
        .snapshot()
        .into_keys()
        .filter(|path| path.extension().is_some_and(|end| end == "tmp"))
        .count();
    assert_eq!(leftovers, 0);
}

#[cfg(unix)]
#[test]
fn what_is_written_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (scene, _) = Scene::filled();
    for name in ["vault", "vault.rev", "vault.lock", "vault.rev.lock", "key"] {
        let mode = fs::metadata(scene.directory.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_followed_and_stays() {
    let (scene, _) = Scene::filled();
    let link = scene.directory.path().join("link");
    std::os::unix::fs::symlink(&scene.vault, &link).unwrap();
    let mut vault = Vault::open(&link, &scene.unlock(), &scene.anchor()).unwrap();
    vault.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    vault.save().unwrap();
    assert!(link.is_symlink());
    assert_eq!(scene.open().unwrap().entries().len(), 3);
}

/// As Kubernetes swaps the files of a volume.
#[cfg(unix)]
#[test]
fn a_link_that_is_swapped_is_followed_when_the_vault_is_looked_at_again() {
    use std::os::unix::fs::symlink;
    let (scene, _) = Scene::filled();
    let at = |name: &str| scene.directory.path().join(name);
    for volume in ["one", "two"] {
        fs::create_dir(at(volume)).unwrap();
        fs::copy(&scene.vault, at(volume).join("vault")).unwrap();
    }
    symlink("one", at("data")).unwrap();
    symlink("data/vault", at("link")).unwrap();
    let mut vault = Vault::open(&at("link"), &scene.unlock(), &scene.anchor()).unwrap();
    let mut next = Vault::open(&at("two/vault"), &scene.unlock(), &Anchor::off()).unwrap();
    next.edit(|draft| draft.set("c", entry("3"), NOW)).unwrap();
    next.save().unwrap();
    symlink("two", at("swapped")).unwrap();
    fs::rename(at("swapped"), at("data")).unwrap();

    let seen = vault.reopen().unwrap();
    assert_eq!((seen.revision(), seen.entries().len()), (3, 3));
    // The vault that was opened is another file than the one that would be written now.
    let error = vault
        .edit_in_turn(Duration::ZERO, &[], |draft| draft.set("d", entry("4"), NOW))
        .unwrap_err();
    assert_eq!(error.code(), "concurrent-edit");
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let (scene, _) = Scene::filled();
    let file = File::options().write(true).open(&scene.vault).unwrap();
    file.set_len(llm_host_vault::MAX_FILE_LEN + 1).unwrap();
    assert_eq!(scene.open().unwrap_err().code(), "too-large");
}

#[test]
fn a_vault_that_would_grow_too_large_is_not_written() {
    let (scene, mut vault) = Scene::filled();
    let large = "x".repeat(1_000_000);
    vault
        .edit(|draft| (0..17).try_for_each(|number| draft.set(&format!("large-{number}"), entry(&large), NOW)))
        .unwrap();
    let before = scene.snapshot();
    assert_eq!(vault.save().unwrap_err().code(), "too-large");
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn many_writers_at_once_lose_nothing_they_were_told_was_saved() {
    let (scene, _) = Scene::filled();
    let saved: usize = std::thread::scope(|scope| {
        let writer = |number: usize| {
            let scene = &scene;
            move || {
                let mut saved = 0;
                for round in 0..10 {
                    let mut vault = scene.open().unwrap();
                    vault
                        .edit(|draft| draft.set(&format!("w{number}-{round}"), entry("x"), NOW))
                        .unwrap();
                    match vault.save() {
                        Ok(_) => saved += 1,
                        Err(VaultError::ConcurrentEdit { .. } | VaultError::Locked { .. }) => (),
                        Err(error) => panic!("{error}"),
                    }
                }
                saved
            }
        };
        let writers: Vec<_> = (0..4).map(|number| scope.spawn(writer(number))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let opened = scene.open().unwrap();
    assert!(saved > 0);
    assert_eq!(opened.entries().len(), saved + 2);
    assert_eq!(opened.revision(), saved as u64 + 2);
}

#[test]
fn editors_that_wait_their_turn_all_have_their_way() {
    let (scene, _) = Scene::filled();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let scene = &scene;
            scope.spawn(move || {
                for round in 0..5 {
                    let name = format!("w{number}-{round}");
                    let mut vault = scene.open().unwrap();
                    let change = |draft: &mut Draft<'_>| draft.set(&name, entry("x"), NOW);
                    vault.edit_in_turn(Duration::MAX, &[&name], change).unwrap();
                    assert_eq!(revealed(&vault, &name)["api_key"], "x");
                }
            });
        }
    });
    let opened = scene.open().unwrap();
    assert_eq!((opened.entries().len(), opened.revision()), (42, 42));
}

#[test]
fn an_edit_in_turn_is_refused_where_what_it_touches_has_changed() {
    let (scene, mut vault) = Scene::filled();
    let mut other = scene.open().unwrap();
    let turn = |vault: &mut Vault, touching: &[&str], name: &str| {
        let change = |draft: &mut Draft<'_>| draft.set(name, entry("mine"), NOW);
        vault.edit_in_turn(Duration::ZERO, touching, change)
    };
    // The same fields, kind and time: only the secret differs.
    turn(&mut other, &[], "a").unwrap();
    let before = scene.snapshot();
    match turn(&mut vault, &["a"], "a") {
        Err(VaultError::ConcurrentEdit { opened, found }) => assert_eq!((opened, found), (2, Some(3))),
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.snapshot(), before);
    assert_eq!(turn(&mut vault, &["b", "new"], "new").unwrap(), ((), 4));
    assert_eq!(revealed(&vault, "a")["api_key"], "mine");

    // Whoever has the vault for too long is told of, and a change that fails leaves no trace.
    let lock = File::options()
        .write(true)
        .open(scene.directory.path().join("vault.lock"))
        .unwrap();
    lock.lock().unwrap();
    assert_eq!(turn(&mut vault, &[], "b").unwrap_err().code(), "locked");
    lock.unlock().unwrap();
    let before = scene.snapshot();
    assert_eq!(turn(&mut vault, &[], "not a name").unwrap_err().code(), "invalid");
    assert_eq!((scene.snapshot(), vault.is_edited()), (before, false));
}
