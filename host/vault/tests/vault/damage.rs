//! Every flipped bit, every cut, every exchanged part: an error that names the place, and never a vault.

use llm_host_vault::{Anchor, Unlock, Vault, VaultError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::second;
use crate::support::{NOW, PASSPHRASE, Scene, entry, passphrase, revealed};

/// A vault with a slot of each kind that needs no keyring, so that all of the header is covered.
fn scene() -> Scene {
    let (scene, mut vault) = Scene::filled();
    vault.add_unlock(&passphrase(PASSPHRASE)).unwrap();
    vault
        .edit(|draft| draft.set("longer", entry(&"x".repeat(700)), NOW))
        .unwrap();
    vault.save().unwrap();
    scene
}

fn open(scene: &Scene) -> Result<Vault, VaultError> {
    Vault::open(&scene.vault, &scene.unlock(), &Anchor::off())
}

#[test]
fn every_flipped_bit_is_an_error_that_names_the_place() {
    let scene = scene();
    let good = scene.bytes();
    let layout = second::split(&good);
    for at in 0..good.len() {
        let expected: &[&str] = match at {
            0..8 => &["not-a-vault"],
            8..10 => &["unknown-version"],
            10..112 => &["damaged-header"],
            _ if at < layout.tag.start => &["damaged-slot"],
            _ if layout.tag.contains(&at) => &["damaged-header"],
            _ if layout.index.contains(&at) => &["damaged-body"],
            _ => &["damaged-entry"],
        };
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            scene.put(&bytes);
            let code = open(&scene).map(drop).unwrap_err().code();
            assert!(
                expected.contains(&code),
                "byte {at}, bit {bit}: {code}, expected {expected:?}"
            );
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let scene = scene();
    let good = scene.bytes();
    for len in 0..good.len() {
        scene.put(&good[..len]);
        match open(&scene) {
            Err(VaultError::Truncated { expected, found }) => assert!(found == len as u64 && expected > found),
            other => panic!("{len}: {other:?}"),
        }
    }
    scene.put(&[&good[..], b"\n"].concat());
    assert_eq!(open(&scene).unwrap_err().code(), "damaged-body");
}

/// The check sums keep nobody out: with them put right, the tags still do.
#[test]
fn every_flipped_bit_of_the_header_is_an_error_when_the_check_sums_are_forged_too() {
    let scene = scene();
    let good = scene.bytes();
    let layout = second::split(&good);
    for at in 10..layout.tag.start {
        let is_check_sum =
            (104..112).contains(&at) || layout.slots.iter().any(|slot| slot.end - 8 <= at && at < slot.end);
        if is_check_sum {
            continue;
        }
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        second::put_checks_right(&mut bytes, &layout);
        scene.put(&bytes);
        // By the key file, so that a changed passphrase slot is found by the header's tag and not by trying it.
        assert!(open(&scene).is_err(), "byte {at}");
    }
}

#[test]
fn parts_of_two_revisions_do_not_mix() {
    let (scene, mut vault) = Scene::filled();
    let mut save = |secret: &str| {
        vault.edit(|draft| draft.set("a", entry(secret), NOW)).unwrap();
        vault.save().unwrap();
        scene.bytes()
    };
    let (older, newer) = (save("secret-of-1"), save("secret-of-2"));
    let (from, to) = (second::split(&older), second::split(&newer));
    let parts = [
        (0..112, 0..112, "damaged-header"),
        (0..from.tag.end, 0..to.tag.end, "damaged-body"),
        (from.tag, to.tag, "damaged-header"),
        (from.index, to.index, "damaged-body"),
        (from.records[0].clone(), to.records[0].clone(), "swapped-entry"),
    ];
    for (from, to, expected) in parts {
        let mut bytes = newer.clone();
        bytes[to.clone()].copy_from_slice(&older[from]);
        scene.put(&bytes);
        assert_eq!(open(&scene).unwrap_err().code(), expected, "{to:?}");
    }
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

/// Bytes from anywhere put anywhere else: either the file is what it was, or it is refused.
#[test]
fn a_spliced_file_is_never_opened_with_other_contents() {
    let scene = scene();
    let good = scene.bytes();
    let any_splice = (0..good.len(), 0..good.len(), 1usize..400, any::<bool>());
    let check = |(from, to, len, insert): (usize, usize, usize, bool)| {
        let piece = good[from..(from + len).min(good.len())].to_vec();
        let end = if insert { to } else { (to + piece.len()).min(good.len()) };
        let mut bytes = good.clone();
        bytes.splice(to..end, piece);
        scene.put(&bytes);
        match open(&scene) {
            Ok(vault) => {
                prop_assert_eq!(&bytes, &good);
                prop_assert_eq!(&revealed(&vault, "a")["api_key"], "secret-of-a");
            }
            Err(_) => prop_assert_ne!(&bytes, &good),
        }
        Ok(())
    };
    cases(1000).run(&any_splice, check).unwrap();
}

#[test]
fn any_bytes_at_all_are_refused() {
    let scene = scene();
    let good = scene.bytes();
    let any_file = (0usize..112, prop::collection::vec(any::<u8>(), 0..600));
    let check = |(kept, bytes): (usize, Vec<u8>)| {
        scene.put(&[&good[..kept], &bytes].concat());
        prop_assert!(open(&scene).is_err());
        prop_assert!(Vault::inspect(&scene.vault).is_err());
        Ok(())
    };
    cases(1000).run(&any_file, check).unwrap();
}

#[test]
fn a_wrong_passphrase_and_a_damaged_slot_are_told_apart() {
    let scene = scene();
    let good = scene.bytes();
    let layout = second::split(&good);
    let by_passphrase = |text: &str| Vault::open(&scene.vault, &passphrase(text), &Anchor::off());
    assert_eq!(by_passphrase("wrong").unwrap_err().code(), "wrong-passphrase");
    let slot = layout.slots[1].clone();
    // The sealed data key is the last of the slot's payload.
    let mut bytes = good.clone();
    bytes[slot.end - 20] ^= 1;
    scene.put(&bytes);
    assert_eq!(by_passphrase(PASSPHRASE).unwrap_err().code(), "damaged-slot");
    second::put_checks_right(&mut bytes, &layout);
    scene.put(&bytes);
    assert_eq!(by_passphrase(PASSPHRASE).unwrap_err().code(), "damaged-slot");
    let by_key_file: Unlock = scene.unlock();
    assert_eq!(
        Vault::open(&scene.vault, &by_key_file, &Anchor::off())
            .unwrap_err()
            .code(),
        "damaged-header"
    );
}
