//! Whether a component was signed by somebody the admin trusts.
//!
//! In: a component's digest and the file `<component>.sig` beside it. Out: the signer's key, or
//! nothing when there is no signature. Never: a decision about grants; those pin a digest or a
//! signer themselves.
//!
//! A signature file is one line: `llm-host-sig-v1 <public key> <signature>`, both in standard
//! base64. The Ed25519 signature (RFC 8032) is over the bytes `llm-host plugin v1` and a zero
//! byte, followed by the 32 bytes of the component's SHA-256.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::component::Digest;
use super::error::LoadError;

const MAGIC: &str = "llm-host-sig-v1";
const CONTEXT: &[u8] = b"llm-host plugin v1\0";

/// Whose signatures count, and whether one is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustPolicy {
    /// Ed25519 public keys.
    pub signers: Vec<[u8; 32]>,
    /// Whether a component without a trusted signature is refused.
    pub required: bool,
}

/// The signature file of a component.
pub fn path_for(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Makes the line of a signature file.
pub fn sign(key: &Ed25519KeyPair, digest: &Digest) -> String {
    let signature = key.sign(&message(digest));
    format!(
        "{MAGIC} {} {}\n",
        STANDARD.encode(key.public_key()),
        STANDARD.encode(signature)
    )
}

/// The trusted key that signed the component.
///
/// # Errors
/// When there is a signature that is not good, or none by a trusted key where one is required.
pub fn check(component: &Path, digest: &Digest, trust: &TrustPolicy) -> Result<Option<[u8; 32]>, LoadError> {
    let path = path_for(component);
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if trust.required {
                return Err(LoadError::Signature(format!(
                    "{shown} is missing and `plugins.require_signature` is set; make it with `host plugin sign`"
                )));
            }
            return Ok(None);
        }
        Err(error) => return Err(LoadError::Signature(format!("{shown} could not be read: {error}"))),
    };
    let bad = || LoadError::Signature(format!("{shown} is not a good signature of the component beside it"));
    let (key, signature) = parse(&text).ok_or_else(bad)?;
    UnparsedPublicKey::new(&ED25519, &key)
        .verify(&message(digest), &signature)
        .map_err(|_| bad())?;
    if trust.signers.contains(&key) {
        return Ok(Some(key));
    }
    if trust.required {
        return Err(LoadError::Signature(format!(
            "{shown} was made by a key that is not in `plugins.trusted_signers`: {}",
            STANDARD.encode(key)
        )));
    }
    Ok(None)
}

fn message(digest: &Digest) -> Vec<u8> {
    [CONTEXT, digest].concat()
}

fn parse(text: &str) -> Option<([u8; 32], Vec<u8>)> {
    let mut words = text.split_ascii_whitespace();
    if words.next()? != MAGIC {
        return None;
    }
    let key = STANDARD.decode(words.next()?).ok()?.try_into().ok()?;
    let signature = STANDARD.decode(words.next()?).ok()?;
    if words.next().is_some() {
        None
    } else {
        Some((key, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Ed25519KeyPair {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()
    }

    #[test]
    fn only_a_trusted_key_over_these_bytes_counts() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = dir.path().join("p.wasm");
        let (signer, digest) = (key(), [7; 32]);
        let public: [u8; 32] = signer.public_key().as_ref().try_into().unwrap();
        let trusted = TrustPolicy {
            signers: vec![public],
            required: true,
        };
        assert!(check(&wasm, &digest, &trusted).is_err(), "missing");
        assert_eq!(check(&wasm, &digest, &TrustPolicy::default()).unwrap(), None);

        std::fs::write(path_for(&wasm), sign(&signer, &digest)).unwrap();
        assert_eq!(check(&wasm, &digest, &trusted).unwrap(), Some(public));
        assert_eq!(
            check(&wasm, &digest, &TrustPolicy::default()).unwrap(),
            None,
            "good, but by a stranger"
        );
        assert!(
            check(
                &wasm,
                &digest,
                &TrustPolicy {
                    signers: vec![[1; 32]],
                    required: true
                }
            )
            .is_err()
        );
        assert!(check(&wasm, &[8; 32], &trusted).is_err(), "other bytes");

        std::fs::write(path_for(&wasm), "llm-host-sig-v1 AAAA").unwrap();
        assert!(
            check(&wasm, &digest, &TrustPolicy::default()).is_err(),
            "a broken one is never ignored"
        );
    }
}
