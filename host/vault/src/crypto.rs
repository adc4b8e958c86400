//! The only place that touches primitives: HKDF-SHA-256, ChaCha20-Poly1305, HMAC-SHA-256, SHA-256, the system's random source.
//!
//! In: keys, salts, labels, bytes. Out: sealed or opened bytes, digests. Never uses one key for two messages: every seal
//! derives its own key from a fresh 32-byte salt, so the nonce is always zero and can never repeat under one key.
//!
//! ChaCha20-Poly1305 rather than AES-256-GCM: it runs in constant time in plain software, so it does not depend on the
//! machine having AES instructions, and speed is of no concern for some kilobytes.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::error::VaultError;

pub(crate) const KEY_LEN: usize = 32;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const DIGEST_LEN: usize = 32;
pub(crate) const ID_LEN: usize = 16;
pub(crate) const CHECK_LEN: usize = 8;

/// A salt of one seal.
pub(crate) type SaltBytes = [u8; KEY_LEN];
/// A SHA-256 digest or HMAC-SHA-256 tag.
pub(crate) type Digest = [u8; DIGEST_LEN];
/// Identifies a vault, an unlock slot or a data key.
pub(crate) type Id = [u8; ID_LEN];

/// What a derived key is for. The label goes into the derivation and into the associated data.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Slot,
    KeyId,
    Header,
    Index,
    Entry,
}

impl Purpose {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Slot => "llm-host-vault/1 slot",
            Self::KeyId => "llm-host-vault/1 key id",
            Self::Header => "llm-host-vault/1 header",
            Self::Index => "llm-host-vault/1 index",
            Self::Entry => "llm-host-vault/1 entry",
        }
    }
}

/// 32 secret bytes, overwritten when dropped. Boxed, so that moving it leaves no copy behind.
#[derive(Clone, Default)]
pub(crate) struct Key(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Key {
    pub(crate) fn random() -> Result<Self, VaultError> {
        let mut key = Self::default();
        fill_random(key.0.as_mut_slice())?;
        Ok(key)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; KEY_LEN] = bytes.try_into().ok()?;
        let mut key = Self::default();
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// HKDF-SHA-256 with `info` = label, one zero byte, vault id.
    pub(crate) fn derive(&self, purpose: Purpose, salt: &[u8], vault: &Id) -> Result<Key, VaultError> {
        let mut key = Self::default();
        expand(self.bytes(), purpose, salt, vault, key.0.as_mut_slice())?;
        Ok(key)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 of any secret, filling `out` (at most 64 bytes are ever asked for).
pub(crate) fn expand(
    secret: &[u8],
    purpose: Purpose,
    salt: &[u8],
    vault: &Id,
    out: &mut [u8],
) -> Result<(), VaultError> {
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose.label().as_bytes(), &[0], vault], Length(out.len()))
        .and_then(|expanded| expanded.fill(out))
        .map_err(|_| VaultError::Crypto {
            operation: "derive a key",
        })
}

/// Associated data: label, one zero byte, then the parts one after the other.
pub(crate) fn associated_data(purpose: Purpose, parts: &[&[u8]]) -> Vec<u8> {
    let mut data = purpose.label().as_bytes().to_vec();
    data.push(0);
    for part in parts {
        data.extend_from_slice(part);
    }
    data
}

fn cipher(key: &Key) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&CHACHA20_POLY1305, key.bytes())
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::Crypto {
            operation: "set up the cipher",
        })
}

/// `key` must have been derived for this one message; see the module's text.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Encrypts and authenticates; the result is [`TAG_LEN`] longer. Takes the key by value: it seals once.
pub(crate) fn seal(key: Key, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
    sealed.extend_from_slice(plain);
    cipher(&key)?
        .seal_in_place_append_tag(nonce(), Aad::from(associated), &mut sealed)
        .map_err(|_| VaultError::Crypto { operation: "seal data" })?;
    Ok(sealed)
}

/// The plaintext, or `None` when the tag does not fit the key, the associated data and the bytes.
pub(crate) fn open(key: &Key, associated: &[u8], sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let plain_len = match cipher(key)?.open_in_place(nonce(), Aad::from(associated), &mut buffer) {
        Ok(plain) => plain.len(),
        Err(_) => return Ok(None),
    };
    buffer.truncate(plain_len);
    Ok(Some(buffer))
}

pub(crate) fn authenticate(key: &Key, message: &[u8]) -> Digest {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), message);
    let mut out = [0; DIGEST_LEN];
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// Compares in constant time.
pub(crate) fn is_authentic(key: &Key, message: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), message, tag).is_ok()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut out = [0; DIGEST_LEN];
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// The first 8 bytes of SHA-256: finds accidental damage before any key is known. No protection against intent.
pub(crate) fn check(bytes: &[u8]) -> [u8; CHECK_LEN] {
    let mut out = [0; CHECK_LEN];
    out.iter_mut().zip(sha256(bytes)).for_each(|(to, from)| *to = from);
    out
}

pub(crate) fn fill_random(out: &mut [u8]) -> Result<(), VaultError> {
    SystemRandom::new().fill(out).map_err(|_| VaultError::Random)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
