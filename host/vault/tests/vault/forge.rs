//! Makes the files of `tests/vectors/`: `cargo test -p llm-host-vault -- --ignored generate`.
//!
//! In: nothing. Out: one file for each way in which a vault can be wrong, and the manifest that `vectors` checks. All are made by
//! the second implementation; the crate has no part in them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::second::{self, Draft, Layout, Secret};
use crate::support::{PASSPHRASE, files};
use crate::vectors::directory;

const KEY: [u8; 32] = [0x4b; 32];

/// Writes files and manifest.
struct Generator {
    /// Cases that have the same bytes share a file.
    files: BTreeMap<Vec<u8>, String>,
    cases: Vec<Value>,
}

fn by_key_file() -> Value {
    json!({"key_file": second::hex(&KEY), "mode": "600"})
}

fn error(code: &str) -> Value {
    json!({"error": code})
}

fn error_at(code: &str, place: &str) -> Value {
    json!({"error": code, "place": place})
}

impl Generator {
    fn case(&mut self, name: &str, about: &str, file: &[u8], unlock: Value, expect: Value) {
        let file_name = match self.files.get(file) {
            Some(file_name) => file_name.clone(),
            None => format!("{name}.vault"),
        };
        fs::write(directory().join(&file_name), file).unwrap();
        self.files.insert(file.to_vec(), file_name.clone());
        self.cases
            .push(json!({"name": name, "about": about, "file": file_name, "unlock": unlock, "expect": expect}));
    }

    /// A case that the key file is to open.
    fn keyed(&mut self, name: &str, about: &str, file: &[u8], expect: Value) {
        self.case(name, about, file, by_key_file(), expect);
    }

    fn anchored(&mut self, name: &str, about: &str, file: &[u8], anchor: &[u8], expect: Value) {
        self.case(name, about, file, by_key_file(), expect);
        let anchor_name = format!("{name}.rev");
        fs::write(directory().join(&anchor_name), anchor).unwrap();
        self.cases.last_mut().unwrap()["anchor"] = json!(anchor_name);
    }
}

fn row(name: &str) -> Value {
    json!({
        "name": name, "kind": "api-key", "fields": ["api_key"], "attributes": {}, "hosts": ["https://api.example.com"],
        "created": "2026-01-02T03:04:05Z", "rotated": null
    })
}

/// Three entries whose records are of one size, a grant, a passphrase slot and a key file slot.
fn base() -> Draft {
    let mut draft = Draft::new(9);
    draft.slots = vec![
        draft.slot(&Secret::Passphrase(PASSPHRASE), [8192, 1, 1]),
        draft.slot(&Secret::Key(2, KEY), [0; 3]),
    ];
    for (name, revision) in [("anthropic", 3), ("azure/eu", 5), ("openai", 9)] {
        let secret = format!("sk-vector-{name}");
        draft
            .entries
            .push((row(name), revision, second::fields(&[("api_key", &secret)])));
    }
    draft.grants = json!([{
        "id": "g-1", "plugin": "openai", "provider": null, "pin": {"digest": "ab".repeat(32)}, "slot": "api-key",
        "credential": "openai", "origins": ["https://api.example.com"], "private_origins": [], "methods": [], "paths": [],
        "attach": null, "rate_per_minute": null, "expires": null, "created": "2026-01-02T03:04:05Z", "approved_manifest": "{}"
    }]);
    draft
}

fn base_contents(revision: u64) -> Value {
    let secret = |name: &str| json!({"api_key": format!("sk-vector-{name}")});
    let secrets = json!({"anthropic": secret("anthropic"), "azure/eu": secret("azure/eu"), "openai": secret("openai")});
    json!({"revision": revision, "secrets": secrets, "grants": 1})
}

#[test]
#[ignore = "writes the vectors anew; run it when the format changes"]
fn generate() {
    for path in files(&directory()).into_keys() {
        fs::remove_file(path).unwrap();
    }
    let mut to = Generator {
        files: BTreeMap::new(),
        cases: Vec::new(),
    };
    let draft = base();
    let file = draft.write();
    let layout = second::split(&file);
    good(&mut to, &draft, &file);
    keys(&mut to, &draft, &file);
    fronts(&mut to, &file);
    headers(&mut to, &file, &layout);
    slots(&mut to, &draft, &file, &layout);
    indices(&mut to, &draft, &file, &layout);
    records(&mut to, &draft, &file, &layout);
    anchors(&mut to, &draft, &file);
    let manifest = serde_json::to_string_pretty(&to.cases).unwrap();
    fs::write(directory().join("manifest.json"), manifest + "\n").unwrap();
}

fn good(to: &mut Generator, draft: &Draft, file: &[u8]) {
    let by_passphrase = json!({"passphrase": PASSPHRASE});
    to.case(
        "good-passphrase",
        "opens by its passphrase",
        file,
        by_passphrase.clone(),
        base_contents(9),
    );
    to.keyed("good-key-file", "opens by its key file", file, base_contents(9));
    let mut keyring = Draft::new(1);
    keyring.slots = vec![keyring.slot(&Secret::Key(3, KEY), [0; 3])];
    let account = format!(
        "{}/{}",
        second::hex(&keyring.vault),
        second::hex(&keyring.slots[0][4..20])
    );
    let empty = json!({"revision": 1, "secrets": {}, "grants": 0});
    let unlock = json!({"keyring": {account.clone(): second::hex(&KEY)}});
    to.case(
        "good-keyring-and-empty",
        "an empty vault that the system's keyring opens",
        &keyring.write(),
        unlock,
        empty,
    );
    let wrong = json!({"keyring": {account: "00".repeat(32)}});
    to.case(
        "wrong-keyring-key",
        "the keyring has another key",
        &keyring.write(),
        wrong,
        error("wrong-keyring-key"),
    );
    to.case(
        "not-in-keyring",
        "the keyring has no key for it",
        &keyring.write(),
        json!({"keyring": {}}),
        error("not-in-keyring"),
    );
    let mut later = draft.clone();
    later.slots.insert(0, Draft::unknown_slot(200, &[0xab; 40]));
    to.keyed(
        "good-unknown-slot",
        "a slot of a kind that is not known does not disturb",
        &later.write(),
        base_contents(9),
    );
    let mut two = draft.clone();
    two.slots
        .insert(0, two.slot(&Secret::Passphrase("another one"), [8192, 1, 1]));
    to.case(
        "good-second-passphrase",
        "the second of two passphrases",
        &two.write(),
        by_passphrase,
        base_contents(9),
    );
}

fn keys(to: &mut Generator, draft: &Draft, file: &[u8]) {
    let wrong = json!({"passphrase": "Correct horse battery staple"});
    to.case(
        "wrong-passphrase",
        "another passphrase",
        file,
        wrong,
        error("wrong-passphrase"),
    );
    let wrong = json!({"key_file": "00".repeat(32), "mode": "600"});
    to.case(
        "wrong-key-file",
        "another key file",
        file,
        wrong,
        error("wrong-key-file"),
    );
    let open = json!({"key_file": second::hex(&KEY), "mode": "640"});
    to.case(
        "key-file-permissions",
        "the key file is readable by its group",
        file,
        open,
        error("key-file-permissions"),
    );
    let long = json!({"key_file": second::hex(&[KEY.as_slice(), b"\n"].concat()), "mode": "600"});
    to.case(
        "key-file-length",
        "the key file has a line break at its end",
        file,
        long,
        error("key-file-length"),
    );
    let mut by_passphrase = draft.clone();
    by_passphrase.slots.pop();
    to.keyed(
        "no-such-method",
        "there is no slot for a key file",
        &by_passphrase.write(),
        error("no-such-method"),
    );
}

/// What is noticed from the first bytes and the length.
fn fronts(to: &mut Generator, file: &[u8]) {
    to.keyed(
        "not-a-vault",
        "some text",
        b"[vault]\npath = \"vault\"\n",
        error("not-a-vault"),
    );
    let as_text = [&file[..5], &file[6..]].concat();
    to.keyed(
        "not-a-vault-line-ends",
        "copied as text: CR LF became LF",
        &as_text,
        error("not-a-vault"),
    );
    let mut version = file.to_vec();
    version[9] = 2;
    to.keyed(
        "unknown-version",
        "format version 2",
        &version,
        error("unknown-version"),
    );
    let cuts = [
        ("empty", 0),
        ("magic", 5),
        ("version", 9),
        ("header", 80),
        ("slot", 200),
        ("index", 600),
        ("last-byte", file.len() - 1),
    ];
    for (name, len) in cuts {
        let about = format!("cut off after {len} bytes");
        to.keyed(&format!("truncated-{name}"), &about, &file[..len], error("truncated"));
    }
    let longer = [file, b"\0"].concat();
    to.keyed(
        "trailing-byte",
        "one byte too many",
        &longer,
        error_at("damaged-body", "body"),
    );
}

fn headers(to: &mut Generator, file: &[u8], layout: &Layout) {
    let mut flipped = file.to_vec();
    flipped[39] ^= 1;
    to.keyed(
        "flipped-header",
        "a bit of the revision flipped",
        &flipped,
        error_at("damaged-header", "header"),
    );
    let mut flipped = file.to_vec();
    flipped[layout.tag.start] ^= 0x80;
    to.keyed(
        "flipped-header-tag",
        "a bit of the header's tag flipped",
        &flipped,
        error_at("damaged-header", "header"),
    );
    let mut forged = |name: &str, about: &str, expect: Value, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.to_vec();
        change(&mut bytes);
        second::put_checks_right(&mut bytes, layout);
        to.keyed(name, &format!("{about}, check sum put right"), &bytes, expect);
    };
    let damaged = || error_at("damaged-header", "header");
    forged("forged-revision", "a higher revision", damaged(), &|bytes| {
        bytes[39] = 200
    });
    forged("forged-salt", "another salt", damaged(), &|bytes| bytes[40] ^= 1);
    forged("forged-key-id", "another data key id", damaged(), &|bytes| {
        bytes[72] ^= 1
    });
    forged(
        "forged-vault-id",
        "another vault id, so that no key fits",
        error("wrong-key-file"),
        &|bytes| bytes[16] ^= 1,
    );
    forged("forged-reserved", "a reserved byte in use", damaged(), &|bytes| {
        bytes[96] = 1
    });
    forged("forged-no-slots", "no slots", damaged(), &|bytes| bytes[11] = 0);
    forged(
        "forged-many-slots",
        "more slots than there may be",
        damaged(),
        &|bytes| bytes[11] = 9,
    );
    forged(
        "forged-fewer-slots",
        "fewer slots than bytes for slots",
        damaged(),
        &|bytes| bytes[11] = 1,
    );
    forged(
        "forged-slot-count",
        "more slots than bytes for slots",
        error_at("damaged-slot", "unlock slot 3"),
        &|bytes| bytes[11] = 3,
    );
    forged("forged-huge-length", "an index of 4 GiB", damaged(), &|bytes| {
        bytes[88..92].fill(0xff)
    });
    forged(
        "forged-length",
        "an index longer by one",
        error("truncated"),
        &|bytes| bytes[91] = bytes[91].wrapping_add(1),
    );
    forged(
        "forged-split",
        "one byte of the index counted to the records",
        damaged(),
        &|bytes| {
            bytes[91] = bytes[91].wrapping_sub(1);
            bytes[95] = bytes[95].wrapping_add(1);
        },
    );
    forged("unknown-suite", "cipher suite 2", error("unknown-suite"), &|bytes| {
        bytes[10] = 2
    });
}

fn slots(to: &mut Generator, draft: &Draft, file: &[u8], layout: &Layout) {
    let by_passphrase = || json!({"passphrase": PASSPHRASE});
    let (first, second_slot) = (layout.slots[0].clone(), layout.slots[1].clone());
    let mut flipped = file.to_vec();
    flipped[first.start + 40] ^= 4;
    let damaged = || error_at("damaged-slot", "unlock slot 1");
    to.case(
        "flipped-slot",
        "a bit of the passphrase's salt flipped",
        &flipped,
        by_passphrase(),
        damaged(),
    );
    to.keyed(
        "flipped-other-slot",
        "the same, unlocked by the slot that is whole",
        &flipped,
        damaged(),
    );
    let mut forged = |name: &str, about: &str, unlock: Value, expect: Value, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.to_vec();
        change(&mut bytes);
        second::put_checks_right(&mut bytes, layout);
        to.case(name, &format!("{about}, check sum put right"), &bytes, unlock, expect);
    };
    let sealed = second_slot.end - 8 - 48;
    let two = || error_at("damaged-slot", "unlock slot 2");
    forged(
        "forged-sealed-key",
        "the sealed data key changed",
        by_key_file(),
        two(),
        &|bytes| bytes[sealed] ^= 1,
    );
    forged(
        "forged-slot-id",
        "the slot's id changed",
        by_key_file(),
        two(),
        &|bytes| bytes[second_slot.start + 4] ^= 1,
    );
    forged(
        "forged-slot-salt",
        "the salt changed, so that no passphrase fits",
        by_passphrase(),
        error("wrong-passphrase"),
        &|bytes| {
            bytes[first.start + 32] ^= 1;
        },
    );
    forged(
        "forged-slot-reserved",
        "the slot's reserved byte in use",
        by_key_file(),
        two(),
        &|bytes| bytes[second_slot.start + 1] = 1,
    );
    forged(
        "forged-slot-kind",
        "a key file slot made a keyring slot",
        json!({"keyring": {}}),
        error("not-in-keyring"),
        &|bytes| {
            bytes[second_slot.start] = 3;
        },
    );
    forged(
        "forged-slot-short",
        "a passphrase slot made a key file slot, which is shorter",
        by_key_file(),
        damaged(),
        &|bytes| {
            bytes[first.start] = 2;
        },
    );
    let params = [
        ("memory-above", 20, 1024 * 1024 + 1, "memory (KiB)"),
        ("memory-huge", 20, u32::MAX, "memory (KiB)"),
        ("memory-below", 20, 8 * 1024 - 1, "memory (KiB)"),
        ("iterations-above", 24, 33, "iterations"),
        ("iterations-none", 24, 0, "iterations"),
        ("lanes-above", 28, 17, "lanes"),
        ("lanes-none", 28, 0, "lanes"),
    ];
    for (name, at, value, what) in params {
        let about = format!("Argon2 {what} of {value}");
        let expect = error_at("params-out-of-bounds", what);
        forged(&format!("params-{name}"), &about, by_passphrase(), expect, &|bytes| {
            bytes[first.start + at..first.start + at + 4].copy_from_slice(&value.to_be_bytes());
        });
    }
    forged(
        "params-work-above",
        "1 GiB and 5 iterations",
        by_passphrase(),
        error_at("params-out-of-bounds", "memory × iterations"),
        &|bytes| {
            bytes[first.start + 20..first.start + 28].copy_from_slice(&[0, 0x10, 0, 0, 0, 0, 0, 5]);
        },
    );
    forged(
        "forged-params",
        "within bounds, but not those of the passphrase",
        by_passphrase(),
        error("wrong-passphrase"),
        &|bytes| {
            bytes[first.start + 27] = 2;
        },
    );
    let mut exchanged = file[..first.start].to_vec();
    exchanged.extend_from_slice(&file[second_slot.clone()]);
    exchanged.extend_from_slice(&file[first.clone()]);
    exchanged.extend_from_slice(&file[second_slot.end..]);
    to.keyed(
        "exchanged-slots",
        "the two slots in the other order",
        &exchanged,
        error_at("damaged-header", "header"),
    );
    let mut removed = [&file[..second_slot.start], &file[second_slot.end..]].concat();
    removed[11] = 1;
    let slots_len = u32::try_from(first.len()).unwrap();
    removed[12..16].copy_from_slice(&slots_len.to_be_bytes());
    let layout = second::split(&removed);
    second::put_checks_right(&mut removed, &layout);
    to.case(
        "removed-slot",
        "a slot taken out, check sum put right",
        &removed,
        by_passphrase(),
        error_at("damaged-header", "header"),
    );
    let mut foreign = file.to_vec();
    let other = Draft {
        vault: second::random(),
        ..draft.clone()
    };
    foreign[second_slot].copy_from_slice(&other.slot(&Secret::Key(2, KEY), [0; 3]));
    to.keyed(
        "foreign-slot",
        "a slot of another vault with the same key file",
        &foreign,
        error("wrong-key-file"),
    );
}

fn indices(to: &mut Generator, draft: &Draft, file: &[u8], layout: &Layout) {
    let body = || error_at("damaged-body", "body");
    let mut flipped = file.to_vec();
    flipped[layout.index.start + 100] ^= 0x10;
    to.keyed("flipped-index", "a bit of the sealed index flipped", &flipped, body());
    let mut other = file.to_vec();
    other[layout.index.clone()].copy_from_slice(&draft.write()[layout.index.clone()]);
    to.keyed(
        "foreign-index",
        "the sealed index of another save of the same revision",
        &other,
        body(),
    );
    let mut changed = |name: &str, about: &str, expect: Value, change_index: fn(&mut Value)| {
        let file = Draft {
            change_index,
            ..draft.clone()
        }
        .write();
        to.keyed(name, about, &file, expect);
    };
    let unknown = || error("unknown-contents");
    changed(
        "unknown-grant-member",
        "a grant with a restriction that is not known",
        unknown(),
        |index| {
            index["grants"][0]["only_on_weekdays"] = json!(true);
        },
    );
    changed(
        "unknown-entry-member",
        "an entry with a member that is not known",
        unknown(),
        |index| {
            index["entries"][0]["entry"]["tags"] = json!([]);
        },
    );
    changed(
        "unknown-index-member",
        "an index with a member that is not known",
        unknown(),
        |index| index["policies"] = json!([]),
    );
    changed("missing-member", "a grant without its pin", unknown(), |index| {
        index["grants"][0].as_object_mut().unwrap().remove("pin");
    });
    changed("wrong-hex", "a salt in capital letters", unknown(), |index| {
        let salt = &mut index["entries"][0]["record"]["salt"];
        *salt = json!(format!("{}AB", &salt.as_str().unwrap()[..62]));
    });
    changed("entry-twice", "two entries of one name", body(), |index| {
        let name = index["entries"][0]["entry"]["name"].clone();
        index["entries"][1]["entry"]["name"] = name;
    });
    changed(
        "future-record",
        "a record of a later revision than the vault's",
        body(),
        |index| {
            index["entries"][0]["record"]["revision"] = json!(10);
        },
    );
    let mut unordered = draft.clone();
    unordered.entries.swap(0, 1);
    to.keyed(
        "entries-unordered",
        "entries that do not stand in order",
        &unordered.write(),
        body(),
    );
}

fn records(to: &mut Generator, draft: &Draft, file: &[u8], layout: &Layout) {
    let at = |number: usize| layout.records[number].clone();
    let mut changed = |name: &str, about: &str, expect: Value, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.to_vec();
        change(&mut bytes);
        to.keyed(name, about, &bytes, expect);
    };
    let damaged = |name: &str| error_at("damaged-entry", &format!("entry `{name}`"));
    changed(
        "flipped-record",
        "a bit of the sealed secrets flipped",
        damaged("azure/eu"),
        &|bytes| bytes[at(1).start + 60] ^= 1,
    );
    changed(
        "flipped-record-salt",
        "a bit of a record's salt flipped",
        damaged("openai"),
        &|bytes| bytes[at(2).start + 12] ^= 1,
    );
    changed(
        "flipped-record-length",
        "a bit of a record's length flipped",
        damaged("anthropic"),
        &|bytes| bytes[at(0).start + 3] ^= 1,
    );
    changed(
        "flipped-last-byte",
        "a bit of the file's last byte flipped",
        damaged("openai"),
        &|bytes| *bytes.last_mut().unwrap() ^= 1,
    );
    let swap = |bytes: &mut Vec<u8>, skip: usize| {
        let (first, third) = (at(0).start + skip..at(0).end, at(2).start + skip..at(2).end);
        let (left, right) = (file[first.clone()].to_vec(), file[third.clone()].to_vec());
        bytes[first].copy_from_slice(&right);
        bytes[third].copy_from_slice(&left);
    };
    changed(
        "swapped-records",
        "two whole records exchanged",
        error_at("swapped-entry", "anthropic has openai"),
        &|bytes| swap(bytes, 0),
    );
    changed(
        "swapped-secrets",
        "the sealed parts of two records exchanged",
        error_at("swapped-entry", "anthropic has openai"),
        &|bytes| swap(bytes, 44),
    );
    changed(
        "copied-record",
        "one record in the place of another as well",
        error_at("swapped-entry", "azure/eu has openai"),
        &|bytes| {
            bytes[at(1)].copy_from_slice(&file[at(2)]);
        },
    );
    let mut older = draft.clone();
    older.entries[1].1 = 4;
    older.entries[1].2 = second::fields(&[("api_key", "sk-vector-before-it-was-rotated")]);
    let older = older.write();
    changed(
        "older-record",
        "an entry's record from before its rotation",
        error_at("swapped-entry", "azure/eu has azure/eu"),
        &|bytes| {
            bytes[at(1)].copy_from_slice(&older[second::split(&older).records[1].clone()]);
        },
    );
    let foreign = Draft {
        key: second::random(),
        ..draft.clone()
    }
    .write();
    changed(
        "foreign-record",
        "a record sealed under another data key",
        damaged("azure/eu"),
        &|bytes| {
            bytes[at(1)].copy_from_slice(&foreign[second::split(&foreign).records[1].clone()]);
        },
    );
    let cases: [(&str, &str, Vec<u8>); 5] = [
        (
            "secrets-not-text",
            "sealed secrets that are not UTF-8",
            [b"\0\x01\0\x01k\0\0\0\x01\xff".as_slice(), &[0; 246]].concat(),
        ),
        (
            "secrets-unordered",
            "secret fields that do not stand in order",
            second::fields(&[("b", "1"), ("a", "2")]),
        ),
        (
            "secrets-overlong",
            "a field that is longer than the secrets",
            [b"\0\x01\0\x01k\xff\xff\xff\xff".as_slice(), &[0; 247]].concat(),
        ),
        (
            "secrets-padding",
            "padding that is not zero",
            [b"\0\0".as_slice(), &[1; 254]].concat(),
        ),
        (
            "secrets-unpadded",
            "no padding at all",
            b"\0\x01\0\x01k\0\0\0\x01v".to_vec(),
        ),
    ];
    for (name, about, plain) in cases {
        let mut malformed = draft.clone();
        malformed.entries[0].2 = plain;
        to.keyed(
            name,
            about,
            &malformed.write(),
            json!({"reveal_error": "damaged-entry"}),
        );
    }
}

fn anchors(to: &mut Generator, draft: &Draft, file: &[u8]) {
    let anchor = draft.anchor(file);
    to.anchored(
        "good-anchor",
        "the anchor of this very file",
        file,
        &anchor,
        base_contents(9),
    );
    let behind = Draft {
        revision: 8,
        ..draft.clone()
    }
    .anchor(b"the file before");
    to.anchored(
        "good-newer-than-anchor",
        "the anchor of the revision before",
        file,
        &behind,
        base_contents(9),
    );
    let newer = Draft {
        revision: 10,
        ..draft.clone()
    }
    .anchor(b"the file that was seen");
    to.anchored(
        "rolled-back",
        "revision 10 has been seen",
        file,
        &newer,
        error("rolled-back"),
    );
    let older_keys = json!({"key_file": "00".repeat(32), "mode": "600"});
    to.anchored(
        "rolled-back-older-key",
        "the same, and the new key does not fit the old file",
        file,
        &newer,
        error("rolled-back"),
    );
    to.cases.last_mut().unwrap()["unlock"] = older_keys;
    let fork = draft.anchor(b"another file");
    to.anchored(
        "diverged",
        "another file of revision 9 has been seen",
        file,
        &fork,
        error("diverged"),
    );
    let foreign = Draft {
        vault: second::random(),
        ..draft.clone()
    }
    .anchor(file);
    to.anchored(
        "foreign-anchor",
        "the anchor of another vault",
        file,
        &foreign,
        error("foreign-anchor"),
    );
    let damaged = || error_at("damaged-anchor", "revision anchor");
    let mut flipped = anchor.clone();
    flipped[39] ^= 1;
    to.anchored(
        "flipped-anchor",
        "a bit of the anchor's revision flipped",
        file,
        &flipped,
        damaged(),
    );
    to.anchored(
        "truncated-anchor",
        "the anchor's last byte missing",
        file,
        &anchor[..103],
        damaged(),
    );
    let forged = Draft {
        anchor_key: second::random(),
        ..draft.clone()
    }
    .anchor(file);
    to.anchored(
        "forged-anchor",
        "authenticated with another key",
        file,
        &forged,
        damaged(),
    );
}
