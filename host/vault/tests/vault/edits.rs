//! Entries, grants, and that edits are all or nothing.

use std::collections::BTreeMap;

use llm_host_vault::{Anchor, Grant, NewEntry, Pin, Secret, Secrets, Vault, VaultError};
use time::macros::datetime;

use crate::support::{LATER, NOW, Scene, entry, files, grant, revealed};

#[test]
fn what_was_saved_is_what_opens() {
    let (scene, vault) = Scene::filled();
    let opened = scene.open().unwrap();
    assert_eq!(opened.revision(), 2);
    assert_eq!(opened.id(), vault.id());
    assert!(opened.entries().eq(vault.entries()));
    assert_eq!(opened.grants(), vault.grants());
    assert_eq!(opened.grant("g-1"), Some(&grant("g-1", "a")));
    let a = opened.entry("a").unwrap();
    assert_eq!(
        (a.kind.as_str(), a.fields.as_slice()),
        ("api-key", &["api_key".to_owned()][..])
    );
    assert_eq!((a.created, a.rotated), (NOW, None));
    assert_eq!(a.hosts, ["https://api.example.com"]);
    assert_eq!(
        revealed(&opened, "a"),
        BTreeMap::from([("api_key".to_owned(), "secret-of-a".to_owned())])
    );
    assert_eq!(opened.reveal("c").unwrap_err().code(), "unknown-entry");
}

#[test]
fn nothing_secret_is_readable_in_the_files_or_in_debug() {
    let (scene, vault) = Scene::filled();
    let shown = format!(
        "{vault:?} {:?} {:?}",
        vault.entries().collect::<Vec<_>>(),
        vault.reveal("a").unwrap()
    );
    assert!(!shown.contains("secret-of"));
    for (path, bytes) in files(scene.directory.path()) {
        for text in ["secret-of", "api-key", "example.com", "org-1"] {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{text} in {}", path.display());
        }
    }
}

#[test]
fn setting_anew_replaces_all_but_the_time_of_creation() {
    let (scene, mut vault) = Scene::filled();
    let new = NewEntry {
        kind: "aws".to_owned(),
        secrets: Secrets::new(),
        hosts: vec!["https://*.amazonaws.com".to_owned()],
        ..NewEntry::default()
    };
    vault.edit(|draft| draft.set("a", new, LATER)).unwrap();
    vault.save().unwrap();
    let opened = scene.open().unwrap();
    let a = opened.entry("a").unwrap();
    assert_eq!((a.kind.as_str(), a.created, a.rotated), ("aws", NOW, Some(LATER)));
    assert!(a.fields.is_empty() && a.attributes.is_empty());
    assert!(opened.reveal("a").unwrap().is_empty());
}

#[test]
fn rotating_changes_the_secrets_alone() {
    let (scene, mut vault) = Scene::filled();
    let new = Secrets::one("api_key", Secret::new("new-secret"));
    vault.edit(|draft| draft.rotate("a", &new, LATER)).unwrap();
    vault.save().unwrap();
    let opened = scene.open().unwrap();
    assert_eq!(revealed(&opened, "a")["api_key"], "new-secret");
    let a = opened.entry("a").unwrap();
    assert_eq!((a.created, a.rotated), (NOW, Some(LATER)));
    assert_eq!(a.attributes["organisation"], "org-1");
    assert_eq!(revealed(&opened, "b")["api_key"], "secret-of-b");
}

#[test]
fn hosts_and_attributes_change_without_the_secrets() {
    let (scene, mut vault) = Scene::filled();
    vault
        .edit(|draft| {
            draft.set_hosts("a", vec!["https://eu.example.com".to_owned()])?;
            draft.set_attributes("a", BTreeMap::from([("region".to_owned(), "eu".to_owned())]))
        })
        .unwrap();
    vault.save().unwrap();
    let opened = scene.open().unwrap();
    let a = opened.entry("a").unwrap();
    assert_eq!(
        (a.hosts.as_slice(), a.rotated),
        (&["https://eu.example.com".to_owned()][..], None)
    );
    assert_eq!(a.attributes["region"], "eu");
    assert_eq!(revealed(&opened, "a")["api_key"], "secret-of-a");
}

#[test]
fn an_entry_that_is_granted_stays_unless_forced() {
    let (scene, mut vault) = Scene::filled();
    match vault.edit(|draft| draft.remove("a", false)) {
        Err(VaultError::EntryGranted { name, grants }) => {
            assert_eq!((name.as_str(), grants), ("a", vec!["g-1".into()]))
        }
        other => panic!("{other:?}"),
    }
    assert!(!vault.is_edited());
    assert!(vault.edit(|draft| draft.remove("b", false)).unwrap().is_empty());
    assert_eq!(
        vault.edit(|draft| draft.remove("a", true)).unwrap(),
        [grant("g-1", "a")]
    );
    vault.save().unwrap();
    let opened = scene.open().unwrap();
    assert_eq!((opened.entries().len(), opened.grants().len()), (0, 0));
}

#[test]
fn grants_are_added_approved_replaced_and_revoked() {
    let (scene, mut vault) = Scene::filled();
    let made_up = vault
        .edit(|draft| {
            let egress_only = Grant {
                origins: vec!["http://127.0.0.1:11434".into()],
                ..Grant::new("ollama", Pin::Signer([9; 32]), LATER)
            };
            draft.add_grant(egress_only)
        })
        .unwrap();
    assert!(made_up.starts_with("g-") && made_up.len() == 12, "{made_up}");
    let old = vault
        .edit(|draft| draft.approve("g-1", Pin::Digest([8; 32]), r#"{"slots":[]}"#.into()))
        .unwrap();
    assert_eq!(old, grant("g-1", "a"));
    vault
        .edit(|draft| {
            draft.replace_grant(Grant {
                expires: None,
                ..draft.grants()[0].clone()
            })
        })
        .unwrap();
    vault.save().unwrap();
    let mut opened = scene.open().unwrap();
    let approved = opened.grant("g-1").unwrap();
    assert_eq!((approved.pin, approved.expires), (Pin::Digest([8; 32]), None));
    assert_eq!(approved.approved_manifest, r#"{"slots":[]}"#);
    assert_eq!(opened.edit(|draft| draft.revoke(&made_up)).unwrap().plugin, "ollama");
    opened.save().unwrap();
    assert_eq!(scene.open().unwrap().grants().len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (scene, mut vault) = Scene::filled();
    let before = scene.snapshot();
    type Edit = fn(&mut llm_host_vault::Draft<'_>) -> Result<(), VaultError>;
    let cases: &[(&str, Edit)] = &[
        ("invalid", |draft| draft.set("", entry("x"), NOW)),
        ("invalid", |draft| draft.set("-rf", entry("x"), NOW)),
        ("invalid", |draft| draft.set("two words", entry("x"), NOW)),
        ("invalid", |draft| draft.set(&"n".repeat(129), entry("x"), NOW)),
        ("invalid", |draft| {
            draft.set(
                "c",
                NewEntry {
                    kind: String::new(),
                    ..entry("x")
                },
                NOW,
            )
        }),
        ("invalid", |draft| {
            draft.set(
                "c",
                NewEntry {
                    hosts: vec![String::new()],
                    ..entry("x")
                },
                NOW,
            )
        }),
        ("invalid", |draft| {
            draft.set(
                "c",
                NewEntry {
                    hosts: vec!["https://a b".into()],
                    ..entry("x")
                },
                NOW,
            )
        }),
        ("invalid", |draft| {
            draft.set("c", entry("x"), datetime!(-0001-01-01 0:00 UTC))
        }),
        ("too-large", |draft| {
            draft.set("c", entry(&"x".repeat(1024 * 1024)), NOW)
        }),
        ("unknown-entry", |draft| draft.rotate("c", &Secrets::new(), NOW)),
        ("fields-differ", |draft| draft.rotate("a", &Secrets::new(), NOW)),
        ("fields-differ", |draft| {
            draft.rotate("a", &Secrets::one("other", Secret::new("x")), NOW)
        }),
        ("unknown-entry", |draft| draft.set_hosts("c", Vec::new())),
        ("unknown-entry", |draft| draft.remove("c", true).map(drop)),
        ("duplicate-grant", |draft| draft.add_grant(grant("g-1", "b")).map(drop)),
        ("unknown-entry", |draft| draft.add_grant(grant("g-2", "c")).map(drop)),
        ("invalid", |draft| {
            draft
                .add_grant(Grant {
                    slot: None,
                    ..grant("g-2", "a")
                })
                .map(drop)
        }),
        ("invalid", |draft| {
            draft
                .add_grant(Grant {
                    credential: None,
                    ..grant("g-2", "a")
                })
                .map(drop)
        }),
        ("invalid", |draft| {
            draft
                .add_grant(Grant {
                    attach: Some("{".into()),
                    ..grant("g-2", "a")
                })
                .map(drop)
        }),
        ("invalid", |draft| {
            draft
                .add_grant(Grant {
                    plugin: "a b".into(),
                    ..grant("g-2", "a")
                })
                .map(drop)
        }),
        ("invalid", |draft| {
            draft.approve("g-1", Pin::Digest([0; 32]), "not json".into()).map(drop)
        }),
        ("unknown-grant", |draft| {
            draft.approve("g-2", Pin::Digest([0; 32]), "{}".into()).map(drop)
        }),
        ("unknown-grant", |draft| {
            draft.replace_grant(grant("g-2", "a")).map(drop)
        }),
        ("unknown-grant", |draft| draft.revoke("g-2").map(drop)),
    ];
    for (number, (code, edit)) in cases.iter().enumerate() {
        // The first step succeeds, so it must be undone.
        let result = vault.edit(|draft| draft.set_hosts("b", Vec::new()).and_then(|()| edit(draft)));
        assert_eq!(result.unwrap_err().code(), *code, "case {number}");
        assert_eq!(vault.entry("b").unwrap().hosts.len(), 1, "case {number}");
    }
    assert!(!vault.is_edited());
    assert_eq!(vault.save().unwrap(), 2);
    assert_eq!(scene.snapshot(), before);
}

#[test]
fn edits_can_be_read_before_they_are_saved_and_forgotten() {
    let (scene, mut vault) = Scene::filled();
    vault.edit(|draft| draft.set("c", entry("secret-of-c"), NOW)).unwrap();
    assert_eq!(revealed(&vault, "c")["api_key"], "secret-of-c");
    assert_eq!(scene.open().unwrap().entries().len(), 2);
    vault.discard();
    assert!(vault.entry("c").is_none());
    assert_eq!(vault.save().unwrap(), 2);
}

#[test]
fn a_hundred_saves_stay_readable() {
    let (scene, mut vault) = Scene::filled();
    for number in 0..100 {
        let name = format!("entry-{}", number % 10);
        vault
            .edit(|draft| draft.set(&name, entry(&format!("secret {number}")), NOW))
            .unwrap();
        assert_eq!(vault.save().unwrap(), number + 3);
    }
    let opened = Vault::open(&scene.vault, &scene.unlock(), &Anchor::beside(&scene.vault)).unwrap();
    assert_eq!((opened.revision(), opened.entries().len()), (102, 12));
    assert_eq!(revealed(&opened, "entry-7")["api_key"], "secret 97");
    assert_eq!(revealed(&opened, "a")["api_key"], "secret-of-a");
}

#[test]
fn pins_read_what_they_write() {
    for pin in [Pin::Digest([0xab; 32]), Pin::Signer([1; 32])] {
        assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
    }
    for wrong in [
        "",
        "sha256:",
        "sha256:AB",
        "md5:00",
        &format!("sha256:{}", "AB".repeat(32)),
    ] {
        assert_eq!(wrong.parse::<Pin>().unwrap_err().code(), "invalid", "{wrong}");
    }
}
