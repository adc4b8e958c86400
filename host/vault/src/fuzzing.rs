//! What the fuzz targets call, as plain functions; the tests below call them too. Not in a shipped build.
//!
//! In: any bytes. Out: nothing, or a panic when the vault's reader breaks a promise: it reads or refuses, it never panics, and
//! it never takes an altered file for a genuine one. Check sums and seals are put right here, where they would only keep the
//! fuzzer out of the code behind them.

use std::sync::{Arc, LazyLock, Mutex};

use zeroize::Zeroizing;

use crate::contents::Contents;
use crate::crypto::{self, CHECK_LEN, Id, KEY_LEN, Key};
use crate::draft::Draft;
use crate::error::VaultError;
use crate::header::{FIXED_LEN, Image};
use crate::keyring::{KeyStore, KeyStoreError};
use crate::model::NewEntry;
use crate::open::open_key;
use crate::record;
use crate::secret::{Secret, Secrets};
use crate::slot::{SLOT_HEAD, Slot};
use crate::unlock::{self, PlacedKeys, Unlock};

const VAULT: Id = [0x56; crypto::ID_LEN];
const REVISION: u64 = 3;

/// Any bytes as a vault file: as they are, and with the check sums put right.
pub fn header(data: &[u8]) {
    let mut checked = data.to_vec();
    put_checks_right(&mut checked);
    for bytes in [data.to_vec(), checked] {
        let Ok(image) = Image::parse(bytes.clone()) else {
            continue;
        };
        let slots: Vec<u8> = image.header.slots.iter().flat_map(Slot::encode).collect();
        assert_eq!(
            bytes.get(FIXED_LEN..FIXED_LEN + slots.len()),
            Some(slots.as_slice()),
            "slots stand as they are"
        );
        assert_eq!(
            image.front().len() + image.index().len() + image.records().len(),
            bytes.len(),
            "all bytes are used"
        );
    }
}

/// Any bytes behind the seals. The first byte chooses what the others are.
pub fn open(data: &[u8]) {
    let (Some((mode, rest)), Some(genuine)) = (data.split_first(), GENUINE.as_ref()) else {
        return;
    };
    match mode % 4 {
        0 => index(genuine, rest),
        1 => records(genuine, rest),
        2 => patches(genuine, rest),
        _ => secrets(rest),
    }
}

/// A vault as it should be: two entries, one keyring slot.
struct Genuine {
    key: Key,
    unlock: Unlock,
    slots: Vec<Slot>,
    contents: Contents,
    file: Vec<u8>,
}

static GENUINE: LazyLock<Option<Genuine>> = LazyLock::new(|| Genuine::new().ok());

impl Genuine {
    fn new() -> Result<Self, VaultError> {
        let (key, unlock, mut placed) = (
            Key::random()?,
            Unlock::keyring(Arc::new(OneKey::default())),
            PlacedKeys::default(),
        );
        let slots = unlock::wrap_all(std::slice::from_ref(&unlock), &VAULT, &key, &mut placed)?;
        placed.settle(Ok(()))?;
        let mut draft = Draft {
            contents: Contents::empty()?,
            key: &key,
            vault: VAULT,
            revision: REVISION,
        };
        for name in ["a", "b"] {
            let secrets = Secrets::one("api_key", Secret::new("sk"));
            let new = NewEntry {
                kind: "api-key".to_owned(),
                secrets,
                ..NewEntry::default()
            };
            draft.set(name, new, time::OffsetDateTime::UNIX_EPOCH)?;
        }
        let contents = draft.contents;
        let file = contents.seal(VAULT, REVISION, &slots, &key)?;
        Ok(Self {
            key,
            unlock,
            slots,
            contents,
            file,
        })
    }

    fn open(&self, file: Vec<u8>) -> Result<Contents, VaultError> {
        let image = Image::parse(file)?;
        let key = open_key(&image, &self.unlock)?;
        Contents::open(&image, &key)
    }

    fn seal(&self, index: &[u8], records: &[u8]) -> Result<Vec<u8>, VaultError> {
        Contents::seal_parts(VAULT, REVISION, &self.slots, &self.key, index, records)
    }
}

/// The data as the index's JSON. What can be read survives being written and read again.
fn index(genuine: &Genuine, data: &[u8]) {
    let Ok(read) = genuine.seal(data, &[]).and_then(|file| genuine.open(file)) else {
        return;
    };
    let Ok(file) = read.seal(VAULT, REVISION, &genuine.slots, &genuine.key) else {
        return;
    };
    match genuine.open(file) {
        Ok(again) => assert!(
            again.grants == read.grants && again.entries.len() == read.entries.len(),
            "contents survive"
        ),
        Err(error) => assert_eq!(error.code(), "", "what was written can be read"),
    }
}

/// The genuine records, with the data laid over them, under an index that vouches for the genuine ones.
fn records(genuine: &Genuine, data: &[u8]) {
    let Some((cut, over)) = data.split_first() else { return };
    let (Ok(index), Ok(good)) = (genuine.contents.index_json(), genuine.contents.records()) else {
        return;
    };
    let kept = good.len() - usize::from(*cut).min(good.len());
    let mut records: Vec<u8> = good.iter().take(kept).copied().collect();
    records.iter_mut().zip(over).for_each(|(byte, change)| *byte ^= change);
    records.extend(over.iter().skip(kept));
    let read = genuine.seal(&index, &records).and_then(|file| genuine.open(file));
    assert_eq!(read.is_ok(), records == good, "only the genuine records are taken");
}

/// The genuine file with single bytes changed (offset, offset, change), check sums put right.
fn patches(genuine: &Genuine, data: &[u8]) {
    let mut file = genuine.file.clone();
    for patch in data.chunks_exact(3) {
        let [high, low, change] = patch else { continue };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % file.len();
        file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= change);
    }
    put_checks_right(&mut file);
    let is_genuine = file == genuine.file;
    assert_eq!(genuine.open(file).is_ok(), is_genuine, "only the genuine file is taken");
}

/// The data as the plaintext of an entry's secrets: what can be read has no other form.
fn secrets(data: &[u8]) {
    let Some(secrets) = record::decode_secrets(data) else {
        return;
    };
    // Names that a vault would not accept can be read, but not written.
    if let Ok(again) = record::encode_secrets(&secrets) {
        assert_eq!(again.as_slice(), data, "there is one form");
    }
}

fn put_checks_right(bytes: &mut [u8]) {
    let Some((fixed, slots)) = bytes.split_first_chunk_mut::<FIXED_LEN>() else {
        return;
    };
    let count = fixed.get(11).copied().unwrap_or_default();
    put_check_right(fixed);
    let mut rest = slots;
    for _ in 0..count {
        let Some([_, _, high, low]) = rest.first_chunk::<4>().copied() else {
            return;
        };
        let len = SLOT_HEAD + usize::from(u16::from_be_bytes([high, low])) + CHECK_LEN;
        let Some((slot, after)) = rest.split_at_mut_checked(len) else {
            return;
        };
        put_check_right(slot);
        rest = after;
    }
}

/// The last bytes are the check of those before.
fn put_check_right(bytes: &mut [u8]) {
    if let Some((covered, check)) = bytes.split_last_chunk_mut::<CHECK_LEN>() {
        *check = crypto::check(covered);
    }
}

/// A keyring with room for one key.
#[derive(Default)]
struct OneKey(Mutex<Option<[u8; KEY_LEN]>>);

impl KeyStore for OneKey {
    fn put(&self, _: &str, key: &[u8; KEY_LEN]) -> Result<(), KeyStoreError> {
        *self.0.lock().map_err(|_| KeyStoreError::Malformed)? = Some(*key);
        Ok(())
    }

    fn get(&self, _: &str) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, KeyStoreError> {
        Ok(self.0.lock().map_err(|_| KeyStoreError::Malformed)?.map(Zeroizing::new))
    }

    fn delete(&self, _: &str) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_header(data in prop::collection::vec(any::<u8>(), 0..400)) {
            header(&data);
        }

        /// Mostly right, so that the code behind the first checks is reached.
        #[test]
        fn any_almost_genuine_header(changes in prop::collection::vec((0usize..2000, any::<u8>()), 0..4), cut in 0usize..2000) {
            let mut data = GENUINE.as_ref().unwrap().file.clone();
            let len = data.len();
            changes.iter().for_each(|(at, change)| data[at % len] ^= change);
            header(&data);
            header(&data[..cut.min(len)]);
        }

        #[test]
        fn anything_behind_the_seals(data in prop::collection::vec(any::<u8>(), 0..400)) {
            open(&data);
        }

        #[test]
        fn almost_genuine_records(cut in 0u8..4, over in prop::collection::vec(prop_oneof![9 => Just(0u8), 1 => any::<u8>()], 0..700)) {
            open(&[&[1, cut], over.as_slice()].concat());
        }
    }

    #[test]
    fn what_is_genuine_is_taken() {
        let genuine = GENUINE.as_ref().unwrap();
        header(&genuine.file);
        let contents = genuine.open(genuine.file.clone()).unwrap();
        assert_eq!(contents.entries.len(), 2);
        open(&[1, 0]);
        open(&[2]);
        open(&[&[0], genuine.contents.index_json().unwrap().as_slice()].concat());
        open(
            &[
                &[0],
                br#"{"anchor_key":""#.as_slice(),
                "ab".repeat(32).as_bytes(),
                br#"","entries":[],"grants":[]}"#,
            ]
            .concat(),
        );
        open(
            &[
                &[3],
                record::encode_secrets(&Secrets::one("k", Secret::new("v")))
                    .unwrap()
                    .as_slice(),
            ]
            .concat(),
        );
    }
}
