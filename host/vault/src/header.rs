//! The cleartext front of a vault file: fixed header, unlock slots, and where the sealed parts are.
//!
//! In: the bytes of a file that may be hostile. Out: [`Image`], whose lengths all fit the file; or which part is wrong.
//! Never allocates more than the file's own size, never decrypts: what is read here is authenticated later, by the header tag.

use std::ops::Range;

use crate::crypto::{self, CHECK_LEN, DIGEST_LEN, Id, Key, Purpose, SaltBytes};
use crate::cursor::Cursor;
use crate::error::{Part, VaultError};
use crate::slot::{MAX_SLOTS, Slot};

/// As in PNG: a byte above 127, then CR LF and Ctrl-Z, so that any transfer as text is noticed at once.
pub(crate) const MAGIC: [u8; 8] = *b"\x89LLMV\r\n\x1a";
/// The format version this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 1;
/// Suite 1: ChaCha20-Poly1305, HKDF-SHA-256, HMAC-SHA-256, SHA-256.
pub(crate) const SUITE: u8 = 1;
pub(crate) const FIXED_LEN: usize = 112;
/// The largest vault file accepted, in bytes.
pub const MAX_FILE_LEN: u64 = 16 * 1024 * 1024;

/// What a revision of the vault says of itself in clear text.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) vault: Id,
    pub(crate) revision: u64,
    pub(crate) salt: SaltBytes,
    pub(crate) key_id: Id,
    pub(crate) slots: Vec<Slot>,
}

/// A whole file in memory, cut into its parts.
pub(crate) struct Image {
    pub(crate) header: Header,
    bytes: Vec<u8>,
    tag: Range<usize>,
    index: Range<usize>,
}

impl Image {
    /// Cuts a file into its parts.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let fixed = Fixed::parse(&bytes)?;
        let signed_len = FIXED_LEN + fixed.slots_len;
        let tag = signed_len..signed_len + DIGEST_LEN;
        let index = tag.end..tag.end + fixed.index_len;
        let end = index.end + fixed.records_len;
        if bytes.len() < end {
            return Err(VaultError::Truncated {
                expected: end as u64,
                found: bytes.len() as u64,
            });
        }
        if bytes.len() > end {
            return Err(VaultError::Damaged { part: Part::Body });
        }
        let mut cursor = Cursor::new(bytes.get(FIXED_LEN..signed_len).unwrap_or_default());
        let slots = (1..=fixed.slot_count)
            .map(|number| Slot::parse(&mut cursor, number))
            .collect::<Result<_, _>>()?;
        if !cursor.is_empty() {
            return Err(VaultError::Damaged { part: Part::Header });
        }
        let Fixed {
            vault,
            revision,
            salt,
            key_id,
            ..
        } = fixed;
        Ok(Self {
            header: Header {
                vault,
                revision,
                salt,
                key_id,
                slots,
            },
            bytes,
            tag,
            index,
        })
    }

    /// Whether the header is the one that was written with this data key.
    pub(crate) fn check_tag(&self, key: &Key) -> Result<(), VaultError> {
        let key = key.derive(Purpose::Header, &self.header.salt, &self.header.vault)?;
        let signed = self.bytes.get(..self.tag.start).unwrap_or_default();
        let tag = self.bytes.get(self.tag.clone()).unwrap_or_default();
        if crypto::is_authentic(&key, signed, tag) {
            Ok(())
        } else {
            Err(VaultError::Damaged { part: Part::Header })
        }
    }

    /// Everything before the sealed index; the index is bound to it.
    pub(crate) fn front(&self) -> &[u8] {
        self.bytes.get(..self.tag.end).unwrap_or_default()
    }

    pub(crate) fn index(&self) -> &[u8] {
        self.bytes.get(self.index.clone()).unwrap_or_default()
    }

    pub(crate) fn records(&self) -> &[u8] {
        self.bytes.get(self.index.end..).unwrap_or_default()
    }

    pub(crate) fn digest(&self) -> crypto::Digest {
        crypto::sha256(&self.bytes)
    }
}

/// The first [`FIXED_LEN`] bytes.
struct Fixed {
    slot_count: usize,
    slots_len: usize,
    vault: Id,
    revision: u64,
    salt: SaltBytes,
    key_id: Id,
    index_len: usize,
    records_len: usize,
}

impl Fixed {
    fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let start = bytes.get(..MAGIC.len().min(bytes.len())).unwrap_or_default();
        if !MAGIC.starts_with(start) {
            return Err(VaultError::NotAVault);
        }
        let truncated = || VaultError::Truncated {
            expected: FIXED_LEN as u64,
            found: bytes.len() as u64,
        };
        let mut cursor = Cursor::new(bytes);
        let version = cursor
            .take(MAGIC.len())
            .and_then(|_| cursor.u16())
            .ok_or_else(truncated)?;
        if version != FORMAT_VERSION {
            return Err(VaultError::UnknownVersion { found: version });
        }
        let (covered, rest) = bytes.split_at_checked(FIXED_LEN - CHECK_LEN).ok_or_else(truncated)?;
        let found = rest.get(..CHECK_LEN).ok_or_else(truncated)?;
        let damaged = || VaultError::Damaged { part: Part::Header };
        if found != crypto::check(covered) {
            return Err(damaged());
        }
        let (suite, fixed, reserved) = Self::fields(&mut cursor).ok_or_else(damaged)?;
        if suite != SUITE {
            return Err(VaultError::UnknownSuite { found: suite });
        }
        let sum = [fixed.slots_len, fixed.index_len, fixed.records_len]
            .iter()
            .map(|len| *len as u64)
            .sum::<u64>();
        if reserved != [0; 8] || !(1..=MAX_SLOTS).contains(&fixed.slot_count) || sum > MAX_FILE_LEN {
            return Err(damaged());
        }
        Ok(fixed)
    }

    fn fields(cursor: &mut Cursor<'_>) -> Option<(u8, Self, [u8; 8])> {
        let length = |value: u32| usize::try_from(value).ok();
        let suite = cursor.u8()?;
        let fixed = Self {
            slot_count: cursor.u8()?.into(),
            slots_len: length(cursor.u32()?)?,
            vault: cursor.array()?,
            revision: cursor.u64()?,
            salt: cursor.array()?,
            key_id: cursor.array()?,
            index_len: length(cursor.u32()?)?,
            records_len: length(cursor.u32()?)?,
        };
        Some((suite, fixed, cursor.array()?))
    }
}

impl Header {
    /// Fixed header, slots and header tag: everything before the sealed index.
    pub(crate) fn encode(&self, key: &Key, index_len: usize, records_len: usize) -> Result<Vec<u8>, VaultError> {
        let slots: Vec<u8> = self.slots.iter().flat_map(Slot::encode).collect();
        let too_large = |_| VaultError::TooLarge {
            what: "the vault",
            limit: MAX_FILE_LEN,
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.push(SUITE);
        bytes.push(u8::try_from(self.slots.len()).map_err(too_large)?);
        bytes.extend_from_slice(&u32::try_from(slots.len()).map_err(too_large)?.to_be_bytes());
        bytes.extend_from_slice(&self.vault);
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.key_id);
        bytes.extend_from_slice(&u32::try_from(index_len).map_err(too_large)?.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(records_len).map_err(too_large)?.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&crypto::check(&bytes));
        bytes.extend_from_slice(&slots);
        let tag = crypto::authenticate(&key.derive(Purpose::Header, &self.salt, &self.vault)?, &bytes);
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }
}
