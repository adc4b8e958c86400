//! Binary values as lowercase hexadecimal text, the one text form of bytes inside the vault.
//!
//! In: bytes, or text of exactly the right length. Out: the other. Never accepts uppercase, so that one value has one form.

use std::fmt::Write as _;

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// `#[serde(with = "crate::hex::fixed")]` for `[u8; N]`.
pub(crate) mod fixed {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        super::decode(&text).ok_or_else(|| D::Error::custom(format!("expected {} lowercase hexadecimal digits", N * 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(encode(&[0x00, 0x9f, 0xa1]), "009fa1");
        assert_eq!(decode::<3>("009fa1"), Some([0x00, 0x9f, 0xa1]));
        for wrong in ["009FA1", "009fa", "009fa1a", "00 fa1", "", "0é9fa"] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }
}
