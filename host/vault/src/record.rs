//! The sealed secrets of one entry.
//!
//! In: secret fields, or a record's bytes. Out: the other. Each record is sealed under a key of its own and bound to the
//! vault, the entry's name and the revision it was sealed at; it is opened only when the secret is needed.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::{self, Digest, Id, Key, Purpose, SaltBytes};
use crate::cursor::Cursor;
use crate::error::VaultError;
use crate::model::check_name;
use crate::secret::{Secret, Secrets};

/// The most bytes the secrets of one entry may have, names and lengths included.
pub const MAX_SECRETS_LEN: usize = 1024 * 1024;
/// Plaintexts are padded to a multiple of this, so that a record's size does not give the secret's length away.
const PADDING: usize = 256;

#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) revision: u64,
    pub(crate) salt: SaltBytes,
    pub(crate) sealed: Arc<[u8]>,
}

impl Record {
    pub(crate) fn seal(
        key: &Key,
        vault: &Id,
        name: &str,
        revision: u64,
        secrets: &Secrets,
    ) -> Result<Self, VaultError> {
        let salt = crypto::random()?;
        let plain = encode_secrets(secrets)?;
        let own_key = key.derive(Purpose::Entry, &salt, vault)?;
        let sealed = crypto::seal(own_key, &associated_data(vault, revision, name), &plain)?;
        Ok(Self {
            revision,
            salt,
            sealed: sealed.into(),
        })
    }

    /// The secrets; `None` when the record was not sealed for this entry of this vault.
    pub(crate) fn open(&self, key: &Key, vault: &Id, name: &str) -> Result<Option<Secrets>, VaultError> {
        let own_key = key.derive(Purpose::Entry, &self.salt, vault)?;
        let plain = crypto::open(&own_key, &associated_data(vault, self.revision, name), &self.sealed)?;
        Ok(plain.and_then(|plain| decode_secrets(&plain)))
    }

    pub(crate) fn digest(&self) -> Digest {
        crypto::sha256(&self.sealed)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), VaultError> {
        let len = u32::try_from(self.sealed.len());
        let len = len.map_err(|_| VaultError::TooLarge {
            what: "an entry",
            limit: u32::MAX.into(),
        })?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&self.revision.to_be_bytes());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.sealed);
        Ok(())
    }

    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        let len = usize::try_from(cursor.u32()?).ok()?;
        Some(Self {
            revision: cursor.u64()?,
            salt: cursor.array()?,
            sealed: cursor.take(len)?.into(),
        })
    }
}

fn associated_data(vault: &Id, revision: u64, name: &str) -> Vec<u8> {
    crypto::associated_data(Purpose::Entry, &[vault, &revision.to_be_bytes(), name.as_bytes()])
}

/// Not JSON: a JSON reader copies strings into buffers that nobody overwrites afterwards.
pub(crate) fn encode_secrets(secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let too_large = || VaultError::TooLarge {
        what: "the entry's secrets",
        limit: MAX_SECRETS_LEN as u64,
    };
    let len = 2 + secrets
        .iter()
        .map(|(field, secret)| 2 + field.len() + 4 + secret.len())
        .sum::<usize>();
    let padded = len.next_multiple_of(PADDING);
    if padded > MAX_SECRETS_LEN {
        return Err(too_large());
    }
    let mut plain = Zeroizing::new(Vec::with_capacity(padded));
    plain.extend_from_slice(&u16::try_from(secrets.len()).map_err(|_| too_large())?.to_be_bytes());
    for (field, secret) in secrets.iter() {
        check_name("a secret field's name", field)?;
        plain.extend_from_slice(&u16::try_from(field.len()).map_err(|_| too_large())?.to_be_bytes());
        plain.extend_from_slice(field.as_bytes());
        plain.extend_from_slice(&u32::try_from(secret.len()).map_err(|_| too_large())?.to_be_bytes());
        plain.extend_from_slice(secret.expose().as_bytes());
    }
    plain.resize(padded, 0);
    Ok(plain)
}

/// `None` for anything that [`encode_secrets`] would not have written.
pub(crate) fn decode_secrets(plain: &[u8]) -> Option<Secrets> {
    let mut cursor = Cursor::new(plain);
    let mut secrets = Secrets::new();
    let count = cursor.u16()?;
    let mut previous = "";
    for _ in 0..count {
        let len = cursor.u16()?.into();
        let field = std::str::from_utf8(cursor.take(len)?).ok()?;
        let len = usize::try_from(cursor.u32()?).ok()?;
        let value = std::str::from_utf8(cursor.take(len)?).ok()?;
        if field <= previous {
            return None;
        }
        previous = field;
        secrets.insert(field, Secret::new(value));
    }
    let padding = cursor.rest();
    let is_padded = plain.len().is_multiple_of(PADDING);
    (is_padded && padding.len() < PADDING && padding.iter().all(|byte| *byte == 0)).then_some(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> Secrets {
        pairs
            .iter()
            .map(|(field, value)| ((*field).to_owned(), Secret::new(*value)))
            .collect()
    }

    #[test]
    fn fields_survive_and_lengths_do_not_show() {
        for pairs in [
            &[][..],
            &[("api_key", "sk-1")],
            &[("id", ""), ("key", "é\n\0x"), ("token", &"t".repeat(9000))],
        ] {
            let plain = encode_secrets(&secrets(pairs)).unwrap();
            assert_eq!(plain.len() % PADDING, 0);
            let back = decode_secrets(&plain).unwrap();
            let back: Vec<_> = back.iter().map(|(field, secret)| (field, secret.expose())).collect();
            assert_eq!(back, pairs);
        }
    }

    #[test]
    fn only_the_one_form_is_read() {
        let plain = encode_secrets(&secrets(&[("a", "1"), ("b", "2")])).unwrap();
        let twice_the_same_field = b"\x00\x02\x00\x01a\x00\x00\x00\x011\x00\x01a\x00\x00\x00\x012";
        let not_text = b"\x00\x01\x00\x01a\x00\x00\x00\x01\xff";
        let padding_in_use = [plain.as_slice(), &[1]].concat();
        let not_padded = b"\x00\x01\x00\x01a\x00\x00\x00\x011";
        let padded_twice = [plain.as_slice(), &[0; PADDING]].concat();
        let cases: [&[u8]; 7] = [
            b"",
            &plain[..9],
            twice_the_same_field,
            not_text,
            &padding_in_use,
            &padded_twice,
            not_padded,
        ];
        for wrong in cases {
            assert!(decode_secrets(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn a_record_opens_for_its_own_entry_only() {
        let (key, vault) = (Key::random().unwrap(), [7; 16]);
        let record = Record::seal(&key, &vault, "a", 3, &secrets(&[("k", "v")])).unwrap();
        assert!(record.open(&key, &vault, "a").unwrap().is_some());
        assert!(record.open(&key, &vault, "b").unwrap().is_none());
        assert!(record.open(&key, &[8; 16], "a").unwrap().is_none());
        assert!(record.open(&Key::random().unwrap(), &vault, "a").unwrap().is_none());
        let newer = Record { revision: 4, ..record };
        assert!(newer.open(&key, &vault, "a").unwrap().is_none());
    }

    #[test]
    fn secrets_that_do_not_fit_are_refused() {
        let large = secrets(&[("k", &"v".repeat(MAX_SECRETS_LEN))]);
        assert_eq!(encode_secrets(&large).unwrap_err().code(), "too-large");
        assert_eq!(
            encode_secrets(&secrets(&[("no spaces", "v")])).unwrap_err().code(),
            "invalid"
        );
    }
}
