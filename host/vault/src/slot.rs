//! One unlock slot of the header: the data key wrapped for one passphrase, key file or keyring entry.
//!
//! In: the slot's bytes, or a freshly wrapped key. Out: the other. Pure bytes; wrapping and unwrapping is in `unlock`.
//! A slot of a kind this version does not know is kept as it is, so that an older host can still open the vault by another
//! method and write it back whole.

use crate::crypto::{self, CHECK_LEN, ID_LEN, Id, KEY_LEN, SaltBytes, TAG_LEN};
use crate::cursor::Cursor;
use crate::error::{Part, VaultError};
use crate::params::Argon2Params;
use crate::unlock::Method;

pub(crate) const MAX_SLOTS: usize = 8;
/// Most bytes a slot's payload may have; leaves room for kinds that are yet to come.
pub(crate) const MAX_PAYLOAD: usize = 4096;
/// Kind, reserved byte, payload length, slot id.
pub(crate) const SLOT_HEAD: usize = 4 + ID_LEN;

const PASSPHRASE: u8 = 1;
const KEY_FILE: u8 = 2;
const KEYRING: u8 = 3;

/// The data key, sealed under a key that the unlock method gives.
#[derive(Clone)]
pub(crate) struct Wrapped {
    pub(crate) salt: SaltBytes,
    /// Derived beside the wrapping key; tells a wrong key from a damaged slot.
    pub(crate) key_check: [u8; KEY_LEN],
    pub(crate) sealed: [u8; KEY_LEN + TAG_LEN],
}

#[derive(Clone)]
pub(crate) enum Lock {
    Passphrase { params: Argon2Params, wrapped: Wrapped },
    KeyFile(Wrapped),
    Keyring(Wrapped),
    Unknown { kind: u8, payload: Vec<u8> },
}

#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) id: Id,
    pub(crate) lock: Lock,
}

impl Slot {
    pub(crate) fn method(&self) -> Method {
        match &self.lock {
            Lock::Passphrase { .. } => Method::Passphrase,
            Lock::KeyFile(_) => Method::KeyFile,
            Lock::Keyring(_) => Method::Keyring,
            Lock::Unknown { kind, .. } => Method::Unknown(*kind),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = match &self.lock {
            Lock::Passphrase { params, wrapped } => {
                let mut bytes = before_sealed_key(&self.id, Method::Passphrase, Some(params), wrapped);
                bytes.extend_from_slice(&wrapped.sealed);
                bytes
            }
            Lock::KeyFile(wrapped) | Lock::Keyring(wrapped) => {
                let mut bytes = before_sealed_key(&self.id, self.method(), None, wrapped);
                bytes.extend_from_slice(&wrapped.sealed);
                bytes
            }
            Lock::Unknown { kind, payload } => {
                let mut bytes = head(&self.id, *kind, payload.len());
                bytes.extend_from_slice(payload);
                bytes
            }
        };
        bytes.extend_from_slice(&crypto::check(&bytes));
        bytes
    }

    /// Reads one slot. `number` counts from 1 and is for messages.
    pub(crate) fn parse(cursor: &mut Cursor<'_>, number: usize) -> Result<Self, VaultError> {
        let damaged = || VaultError::Damaged {
            part: Part::Slot(number),
        };
        let slot_head: [u8; SLOT_HEAD] = cursor.array().ok_or_else(damaged)?;
        let mut fields = Cursor::new(&slot_head);
        let (Some(kind), Some(reserved), Some(payload_len), Some(id)) =
            (fields.u8(), fields.u8(), fields.u16(), fields.array::<ID_LEN>())
        else {
            return Err(damaged());
        };
        let payload_len = usize::from(payload_len);
        let payload = cursor.take(payload_len).ok_or_else(damaged)?;
        let found: [u8; CHECK_LEN] = cursor.array().ok_or_else(damaged)?;
        let expected = crypto::check(&[slot_head.as_slice(), payload].concat());
        if found != expected || reserved != 0 || payload_len > MAX_PAYLOAD {
            return Err(damaged());
        }
        let mut payload = Cursor::new(payload);
        let lock = match kind {
            PASSPHRASE => {
                let params = parse_params(&mut payload).ok_or_else(damaged)?;
                params.check()?;
                Lock::Passphrase {
                    params,
                    wrapped: parse_wrapped(payload).ok_or_else(damaged)?,
                }
            }
            KEY_FILE => Lock::KeyFile(parse_wrapped(payload).ok_or_else(damaged)?),
            KEYRING => Lock::Keyring(parse_wrapped(payload).ok_or_else(damaged)?),
            kind => Lock::Unknown {
                kind,
                payload: payload.rest().to_vec(),
            },
        };
        Ok(Self { id, lock })
    }
}

fn parse_params(payload: &mut Cursor<'_>) -> Option<Argon2Params> {
    Some(Argon2Params::unchecked(payload.u32()?, payload.u32()?, payload.u32()?))
}

/// The rest of the payload, which must end here.
fn parse_wrapped(mut payload: Cursor<'_>) -> Option<Wrapped> {
    let wrapped = Wrapped {
        salt: payload.array()?,
        key_check: payload.array()?,
        sealed: payload.array()?,
    };
    payload.is_empty().then_some(wrapped)
}

fn head(id: &Id, kind: u8, payload_len: usize) -> Vec<u8> {
    // Payloads are at most MAX_PAYLOAD long, which fits.
    let payload_len = u16::try_from(payload_len).unwrap_or(u16::MAX);
    let mut bytes = vec![kind, 0];
    bytes.extend_from_slice(&payload_len.to_be_bytes());
    bytes.extend_from_slice(id);
    bytes
}

/// A slot's bytes up to the sealed key: the part that is authenticated along with it.
pub(crate) fn before_sealed_key(id: &Id, method: Method, params: Option<&Argon2Params>, wrapped: &Wrapped) -> Vec<u8> {
    let kind = match method {
        Method::Passphrase => PASSPHRASE,
        Method::KeyFile => KEY_FILE,
        Method::Keyring => KEYRING,
        Method::Unknown(kind) => kind,
    };
    let params_len = if params.is_some() { 12 } else { 0 };
    let payload_len = params_len + wrapped.salt.len() + wrapped.key_check.len() + wrapped.sealed.len();
    let mut bytes = head(id, kind, payload_len);
    if let Some(params) = params {
        for value in [params.memory_kib(), params.iterations(), params.lanes()] {
            bytes.extend_from_slice(&value.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&wrapped.salt);
    bytes.extend_from_slice(&wrapped.key_check);
    bytes
}
