//! The sealed parts of a vault: the index (names, attributes, hosts, grants) and the records it vouches for.
//!
//! In: an authenticated header, the data key, the sealed bytes. Out: [`Contents`], every record of which is the one the index
//! names. Never opens a record, except to find out what a wrong one is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{self, Digest, Id, Key, Purpose, SaltBytes};
use crate::cursor::Cursor;
use crate::error::{Part, VaultError};
use crate::header::{Header, Image, MAX_FILE_LEN};
use crate::hex;
use crate::model::{Entry, Grant};
use crate::record::Record;
use crate::slot::Slot;

/// What is in a vault, secrets still sealed.
#[derive(Clone)]
pub(crate) struct Contents {
    /// Authenticates the anchor. Made once per vault and kept when the data key changes, so that an anchor stays readable.
    pub(crate) anchor_key: Key,
    pub(crate) entries: BTreeMap<String, Stored>,
    pub(crate) grants: Vec<Grant>,
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) entry: Entry,
    pub(crate) record: Record,
}

/// The plaintext of the index, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    anchor_key: HexKey,
    entries: Vec<IndexEntry>,
    grants: Vec<Grant>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexEntry {
    entry: Entry,
    record: Vouched,
}

/// What the index knows of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vouched {
    revision: u64,
    #[serde(with = "hex::fixed")]
    salt: SaltBytes,
    #[serde(with = "hex::fixed")]
    sha256: Digest,
}

#[derive(Serialize, Deserialize)]
struct HexKey(#[serde(with = "hex::fixed")] [u8; 32]);

impl Drop for HexKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Contents {
    pub(crate) fn empty() -> Result<Self, VaultError> {
        Ok(Self {
            anchor_key: Key::random()?,
            entries: BTreeMap::new(),
            grants: Vec::new(),
        })
    }

    /// Opens the index and checks every record against it.
    pub(crate) fn open(image: &Image, key: &Key) -> Result<Self, VaultError> {
        let header = &image.header;
        let index_key = key.derive(Purpose::Index, &header.salt, &header.vault)?;
        let associated = crypto::associated_data(Purpose::Index, &[image.front()]);
        let body = || VaultError::Damaged { part: Part::Body };
        let plain = crypto::open(&index_key, &associated, image.index())?.ok_or_else(body)?;
        Self::from_plain(&plain, image.records(), header, key)
    }

    fn from_plain(plain: &[u8], records: &[u8], header: &Header, key: &Key) -> Result<Self, VaultError> {
        let index: Index = serde_json::from_slice(plain).map_err(VaultError::UnknownContents)?;
        let anchor_key = Key::from_slice(&index.anchor_key.0).ok_or(VaultError::Damaged { part: Part::Body })?;
        check_order(&index, header.revision)?;
        let (records, rest) = split_records(records, index.entries.len());
        for (number, (row, record)) in index.entries.iter().zip(&records).enumerate() {
            let as_vouched = record.digest() == row.record.sha256
                && record.revision == row.record.revision
                && record.salt == row.record.salt;
            if !as_vouched {
                return Err(wrong_record(number, record, &index.entries, header, key)?);
            }
        }
        if let Some(row) = index.entries.get(records.len()) {
            return Err(VaultError::Damaged {
                part: Part::Entry(row.entry.name.clone()),
            });
        }
        if !rest.is_empty() {
            return Err(VaultError::Damaged { part: Part::Body });
        }
        let stored = |(row, record): (IndexEntry, Record)| {
            (
                row.entry.name.clone(),
                Stored {
                    entry: row.entry,
                    record,
                },
            )
        };
        let entries = index.entries.into_iter().zip(records).map(stored).collect();
        Ok(Self {
            anchor_key,
            entries,
            grants: index.grants,
        })
    }

    /// A whole vault file of these contents.
    pub(crate) fn seal(&self, vault: Id, revision: u64, slots: &[Slot], key: &Key) -> Result<Vec<u8>, VaultError> {
        Self::seal_parts(vault, revision, slots, key, &self.index_json()?, &self.records()?)
    }

    /// A whole vault file of an index in plain text and of sealed records.
    pub(crate) fn seal_parts(
        vault: Id,
        revision: u64,
        slots: &[Slot],
        key: &Key,
        index: &[u8],
        records: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let salt = crypto::random()?;
        let header = Header {
            vault,
            revision,
            salt,
            key_id: key_id(key, &vault)?,
            slots: slots.to_vec(),
        };
        let mut file = header.encode(key, index.len() + crypto::TAG_LEN, records.len())?;
        let associated = crypto::associated_data(Purpose::Index, &[&file]);
        let index_key = key.derive(Purpose::Index, &salt, &vault)?;
        file.extend_from_slice(&crypto::seal(index_key, &associated, index)?);
        file.extend_from_slice(records);
        if file.len() as u64 > MAX_FILE_LEN {
            return Err(VaultError::TooLarge {
                what: "the vault",
                limit: MAX_FILE_LEN,
            });
        }
        Ok(file)
    }

    pub(crate) fn records(&self) -> Result<Vec<u8>, VaultError> {
        let mut records = Vec::new();
        self.entries
            .values()
            .try_for_each(|stored| stored.record.encode(&mut records))?;
        Ok(records)
    }

    pub(crate) fn index_json(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let row = |stored: &Stored| IndexEntry {
            entry: stored.entry.clone(),
            record: Vouched {
                revision: stored.record.revision,
                salt: stored.record.salt,
                sha256: stored.record.digest(),
            },
        };
        let index = Index {
            anchor_key: HexKey(*self.anchor_key.bytes()),
            entries: self.entries.values().map(row).collect(),
            grants: self.grants.clone(),
        };
        serde_json::to_vec(&index)
            .map(Zeroizing::new)
            .map_err(VaultError::UnknownContents)
    }
}

/// Names the data key without telling anything of it; a changed id means new keys.
pub(crate) fn key_id(key: &Key, vault: &Id) -> Result<Id, VaultError> {
    let mut id = [0; crypto::ID_LEN];
    crypto::expand(key.bytes(), Purpose::KeyId, &[], vault, &mut id)?;
    Ok(id)
}

/// Entries stand in the order of their names, each once, and none is from the future.
fn check_order(index: &Index, revision: u64) -> Result<(), VaultError> {
    let ascending = index
        .entries
        .is_sorted_by(|left, right| left.entry.name < right.entry.name);
    if ascending && index.entries.iter().all(|row| row.record.revision <= revision) {
        Ok(())
    } else {
        Err(VaultError::Damaged { part: Part::Body })
    }
}

/// As many records as can be cut out, `count` at most, and what is left.
fn split_records(bytes: &[u8], count: usize) -> (Vec<Record>, &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let records = std::iter::from_fn(|| Record::parse(&mut cursor)).take(count).collect();
    (records, cursor.rest())
}

/// What is wrong with the record in place `number`: another entry's, an older one of the same entry, or broken.
fn wrong_record(
    number: usize,
    record: &Record,
    rows: &[IndexEntry],
    header: &Header,
    key: &Key,
) -> Result<VaultError, VaultError> {
    let name = rows.get(number).map(|row| row.entry.name.clone()).unwrap_or_default();
    let digest = record.digest();
    let swapped = |found: &IndexEntry| VaultError::SwappedEntry {
        entry: name.clone(),
        found: found.entry.name.clone(),
    };
    if let Some((_, other)) = rows
        .iter()
        .enumerate()
        .find(|(at, row)| *at != number && row.record.sha256 == digest)
    {
        return Ok(swapped(other));
    }
    for row in rows {
        // A tag that fits proves that this vault once sealed the record for that name.
        if record.open(key, &header.vault, &row.entry.name)?.is_some() {
            return Ok(swapped(row));
        }
    }
    Ok(VaultError::Damaged {
        part: Part::Entry(name),
    })
}
