//! Any contents survive saving and opening.

use std::collections::BTreeMap;

use llm_host_vault::{NewEntry, Secret, Secrets, Vault};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::{NOW, Scene, revealed};

fn any_entry() -> impl Strategy<Value = (BTreeMap<String, String>, BTreeMap<String, String>, Vec<String>)> {
    let name = "[A-Za-z0-9_./@+:][-A-Za-z0-9_./@+:]{0,20}";
    (
        prop::collection::btree_map(name, any::<String>(), 0..4),
        prop::collection::btree_map(name, any::<String>(), 0..4),
        prop::collection::vec("https://[a-z*.]{1,30}(:[0-9]{1,5})?", 0..3),
    )
}

#[test]
fn any_contents_survive() {
    let scene = Scene::new();
    let mut vault = Vault::create(&scene.vault, &[scene.unlock()], &scene.anchor()).unwrap();
    let entries = prop::collection::btree_map("[a-z][-a-z0-9/]{0,30}", any_entry(), 0..8);
    let check = |entries: BTreeMap<String, _>| {
        vault
            .edit(|draft| {
                let old: Vec<String> = draft.entries().map(|entry| entry.name.clone()).collect();
                old.iter().try_for_each(|name| draft.remove(name, true).map(drop))?;
                entries.iter().try_for_each(|(name, (secrets, attributes, hosts))| {
                    let secrets: BTreeMap<String, String> = Clone::clone(secrets);
                    let secrets: Secrets = secrets
                        .into_iter()
                        .map(|(name, text)| (name, Secret::new(text)))
                        .collect();
                    let (attributes, hosts) = (Clone::clone(attributes), Clone::clone(hosts));
                    draft.set(
                        name,
                        NewEntry {
                            kind: "api-key".into(),
                            secrets,
                            attributes,
                            hosts,
                        },
                        NOW,
                    )
                })
            })
            .unwrap();
        vault.save().unwrap();
        let opened = scene.open().unwrap();
        prop_assert_eq!(opened.entries().len(), entries.len());
        for (name, (secrets, attributes, hosts)) in &entries {
            let entry = opened.entry(name).unwrap();
            prop_assert_eq!((&entry.attributes, &entry.hosts), (attributes, hosts));
            prop_assert_eq!(&revealed(&opened, name), secrets);
        }
        Ok(())
    };
    let check = std::cell::RefCell::new(check);
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&entries, |entries| (check.borrow_mut())(entries))
        .unwrap();
}
