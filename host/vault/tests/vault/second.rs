//! A second implementation of `docs/vault-format.md`, written from that text alone: it shares no code with the crate.
//!
//! In: a vault's bytes, or a description of one. Out: the other. It trusts what it reads, and writes whatever it is told to,
//! so the tests use it to forge files as well.

use std::collections::BTreeMap;
use std::ops::Range;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SecureRandom as _;
use ring::{digest, hkdf, hmac};
use serde_json::{Value, json};

pub(crate) type Fields = BTreeMap<String, String>;

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) slots: Vec<Range<usize>>,
    pub(crate) tag: Range<usize>,
    pub(crate) index: Range<usize>,
    pub(crate) records: Vec<Range<usize>>,
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub(crate) fn split(bytes: &[u8]) -> Layout {
    assert_eq!(&bytes[..8], b"\x89LLMV\r\n\x1a");
    assert_eq!((u16::from_be_bytes([bytes[8], bytes[9]]), bytes[10]), (1, 1));
    let mut at = 112;
    let mut slots = Vec::new();
    for _ in 0..bytes[11] {
        let payload = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        slots.push(at..at + 20 + payload + 8);
        at += 28 + payload;
    }
    assert_eq!(at, 112 + u32_at(bytes, 12));
    let tag = at..at + 32;
    let index = tag.end..tag.end + u32_at(bytes, 88);
    at = index.end;
    let mut records = Vec::new();
    while at < index.end + u32_at(bytes, 92) {
        let end = at + 44 + u32_at(bytes, at);
        records.push(at..end);
        at = end;
    }
    assert_eq!(at, bytes.len());
    Layout {
        slots,
        tag,
        index,
        records,
    }
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(secret: &[u8], purpose: &str, salt: &[u8], vault: &[u8], length: usize) -> Vec<u8> {
    let info = ["llm-host-vault/1 ".as_bytes(), purpose.as_bytes(), &[0], vault];
    let mut out = vec![0; length];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&info, Len(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

fn aad(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("llm-host-vault/1 {purpose}\0").into_bytes();
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn aead(key: &[u8]) -> (LessSafeKey, Nonce) {
    (
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap()),
        Nonce::assume_unique_for_key([0; 12]),
    )
}

fn seal(key: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let (key, nonce) = aead(key);
    let mut bytes = plain.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut bytes).unwrap();
    bytes
}

fn open(key: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce) = aead(key);
    let mut bytes = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(aad), &mut bytes).ok()?.len();
    bytes.truncate(plain);
    Some(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn check(bytes: &[u8]) -> Vec<u8> {
    sha256(bytes)[..8].to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// Computes the check sums of the fixed header and of every slot anew.
pub(crate) fn put_checks_right(bytes: &mut [u8], layout: &Layout) {
    let sum = check(&bytes[..104]);
    bytes[104..112].copy_from_slice(&sum);
    for slot in &layout.slots {
        let sum = check(&bytes[slot.start..slot.end - 8]);
        bytes[slot.end - 8..slot.end].copy_from_slice(&sum);
    }
}

/// What opens or makes a slot.
#[derive(Clone)]
pub(crate) enum Secret {
    Passphrase(&'static str),
    /// A key file's or a keyring's 32 bytes, with the kind of the slot.
    Key(u8, [u8; 32]),
}

impl Secret {
    fn bytes(&self, params: [u32; 3], salt: &[u8]) -> Vec<u8> {
        match self {
            Self::Passphrase(text) => {
                let params = Params::new(params[0], params[1], params[2], Some(32)).unwrap();
                let mut out = vec![0; 32];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                argon2.hash_password_into(text.as_bytes(), salt, &mut out).unwrap();
                out
            }
            Self::Key(_, key) => key.to_vec(),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Passphrase(_) => 1,
            Self::Key(kind, _) => *kind,
        }
    }
}

/// The data key, from the first slot that the secret opens.
pub(crate) fn unlock(bytes: &[u8], secret: &Secret) -> Option<Vec<u8>> {
    let vault = &bytes[16..32];
    for slot in split(bytes).slots {
        let slot = &bytes[slot];
        if slot[0] != secret.kind() {
            continue;
        }
        let (params, wrap) = match slot[0] {
            1 => ([20, 24, 28].map(|at| u32_at(slot, at) as u32), 32),
            _ => ([0; 3], 20),
        };
        let salt = &slot[wrap..wrap + 32];
        let keys = derive(&secret.bytes(params, salt), "slot", salt, vault, 64);
        if keys[32..] == slot[wrap + 32..wrap + 64] {
            let aad = aad("slot", &[vault, &slot[..wrap + 64]]);
            return open(&keys[..32], &aad, &slot[wrap + 64..wrap + 112]);
        }
    }
    None
}

/// The index as JSON, and the secrets of each entry.
pub(crate) fn read(bytes: &[u8], key: &[u8]) -> (Value, BTreeMap<String, Fields>) {
    let layout = split(bytes);
    let (vault, salt) = (&bytes[16..32], &bytes[40..72]);
    assert_eq!(derive(key, "key id", &[], vault, 16), bytes[72..88]);
    let tag_key = hmac::Key::new(hmac::HMAC_SHA256, &derive(key, "header", salt, vault, 32));
    hmac::verify(&tag_key, &bytes[..layout.tag.start], &bytes[layout.tag.clone()]).unwrap();
    let index_key = derive(key, "index", salt, vault, 32);
    let index = open(
        &index_key,
        &aad("index", &[&bytes[..layout.tag.end]]),
        &bytes[layout.index.clone()],
    )
    .unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["entries"].as_array().unwrap();
    assert_eq!(entries.len(), layout.records.len());
    let secrets = entries.iter().zip(layout.records).map(|(row, record)| {
        let record = &bytes[record];
        assert_eq!(row["record"]["revision"].as_u64().unwrap(), u64_at(record, 4));
        assert_eq!(unhex(&row["record"]["salt"]), record[12..44]);
        assert_eq!(unhex(&row["record"]["sha256"]), sha256(&record[44..]));
        let name = row["entry"]["name"].as_str().unwrap();
        let aad = aad("entry", &[vault, &record[4..12], name.as_bytes()]);
        let plain = open(&derive(key, "entry", &record[12..44], vault, 32), &aad, &record[44..]).unwrap();
        (name.to_owned(), read_fields(&plain))
    });
    let secrets = secrets.collect();
    (index, secrets)
}

fn read_fields(plain: &[u8]) -> Fields {
    let mut fields = Fields::new();
    let mut at = 2;
    for _ in 0..u16::from_be_bytes([plain[0], plain[1]]) {
        let name_len = usize::from(u16::from_be_bytes([plain[at], plain[at + 1]]));
        let name = String::from_utf8(plain[at + 2..at + 2 + name_len].to_vec()).unwrap();
        at += 2 + name_len;
        let len = u32_at(plain, at);
        fields.insert(name, String::from_utf8(plain[at + 4..at + 4 + len].to_vec()).unwrap());
        at += 4 + len;
    }
    assert!(plain.len().is_multiple_of(256) && plain.len() - at < 256 && plain[at..].iter().all(|byte| *byte == 0));
    fields
}

/// A vault to be written. The fields that a forger would change are all open.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) vault: [u8; 16],
    pub(crate) revision: u64,
    pub(crate) key: [u8; 32],
    pub(crate) anchor_key: [u8; 32],
    /// Complete slots.
    pub(crate) slots: Vec<Vec<u8>>,
    /// Entry, revision it was sealed for, plaintext of its secrets.
    pub(crate) entries: Vec<(Value, u64, Vec<u8>)>,
    pub(crate) grants: Value,
    pub(crate) change_index: fn(&mut Value),
}

impl Draft {
    pub(crate) fn new(revision: u64) -> Self {
        Self {
            vault: random(),
            revision,
            key: random(),
            anchor_key: random(),
            slots: Vec::new(),
            entries: Vec::new(),
            grants: json!([]),
            change_index: |_| (),
        }
    }

    pub(crate) fn slot(&self, secret: &Secret, params: [u32; 3]) -> Vec<u8> {
        let with_params = if secret.kind() == 1 {
            params.map(u32::to_be_bytes).concat()
        } else {
            Vec::new()
        };
        let salt: [u8; 32] = random();
        let keys = derive(&secret.bytes(params, &salt), "slot", &salt, &self.vault, 64);
        let payload_len = u16::try_from(with_params.len() + 112).unwrap();
        let mut slot = vec![secret.kind(), 0];
        slot.extend_from_slice(&payload_len.to_be_bytes());
        slot.extend_from_slice(&random::<16>());
        slot.extend_from_slice(&with_params);
        slot.extend_from_slice(&salt);
        slot.extend_from_slice(&keys[32..]);
        let sealed = seal(&keys[..32], &aad("slot", &[&self.vault, &slot]), &self.key);
        slot.extend_from_slice(&sealed);
        slot.extend_from_slice(&check(&slot));
        slot
    }

    /// A slot of a kind that nobody knows yet.
    pub(crate) fn unknown_slot(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut slot = vec![kind, 0];
        slot.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
        slot.extend_from_slice(&random::<16>());
        slot.extend_from_slice(payload);
        slot.extend_from_slice(&check(&slot));
        slot
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        let mut records = Vec::new();
        for (entry, revision, plain) in &self.entries {
            let salt: [u8; 32] = random();
            let name = entry["name"].as_str().unwrap();
            let aad = aad("entry", &[&self.vault, &revision.to_be_bytes(), name.as_bytes()]);
            let sealed = seal(&derive(&self.key, "entry", &salt, &self.vault, 32), &aad, plain);
            records.extend_from_slice(&u32::try_from(sealed.len()).unwrap().to_be_bytes());
            records.extend_from_slice(&revision.to_be_bytes());
            records.extend_from_slice(&salt);
            records.extend_from_slice(&sealed);
            let record = json!({"revision": revision, "salt": hex(&salt), "sha256": hex(&sha256(&sealed))});
            rows.push(json!({"entry": entry, "record": record}));
        }
        let mut index = json!({"anchor_key": hex(&self.anchor_key), "entries": rows, "grants": self.grants});
        (self.change_index)(&mut index);
        let index = index.to_string();
        let salt: [u8; 32] = random();
        let slots = self.slots.concat();
        let mut file = b"\x89LLMV\r\n\x1a\x00\x01\x01".to_vec();
        file.push(u8::try_from(self.slots.len()).unwrap());
        file.extend_from_slice(&u32::try_from(slots.len()).unwrap().to_be_bytes());
        file.extend_from_slice(&self.vault);
        file.extend_from_slice(&self.revision.to_be_bytes());
        file.extend_from_slice(&salt);
        file.extend_from_slice(&derive(&self.key, "key id", &[], &self.vault, 16));
        file.extend_from_slice(&u32::try_from(index.len() + 16).unwrap().to_be_bytes());
        file.extend_from_slice(&u32::try_from(records.len()).unwrap().to_be_bytes());
        file.extend_from_slice(&[0; 8]);
        file.extend_from_slice(&check(&file));
        file.extend_from_slice(&slots);
        let tag_key = hmac::Key::new(hmac::HMAC_SHA256, &derive(&self.key, "header", &salt, &self.vault, 32));
        file.extend_from_slice(hmac::sign(&tag_key, &file).as_ref());
        let sealed = seal(
            &derive(&self.key, "index", &salt, &self.vault, 32),
            &aad("index", &[&file]),
            index.as_bytes(),
        );
        file.extend_from_slice(&sealed);
        file.extend_from_slice(&records);
        file
    }

    /// The anchor for a vault file.
    pub(crate) fn anchor(&self, file: &[u8]) -> Vec<u8> {
        let mut anchor = b"\x89LLMA\r\n\x1a\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
        anchor.extend_from_slice(&self.vault);
        anchor.extend_from_slice(&self.revision.to_be_bytes());
        anchor.extend_from_slice(&sha256(file));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.anchor_key), &anchor);
        anchor.extend_from_slice(tag.as_ref());
        anchor
    }
}

/// The plaintext of an entry's secrets.
pub(crate) fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = u16::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
    for (name, value) in pairs {
        plain.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(name.as_bytes());
        plain.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(value.as_bytes());
    }
    plain.resize(plain.len().next_multiple_of(256), 0);
    plain
}
