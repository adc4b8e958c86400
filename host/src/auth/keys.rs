//! The client keys of a configuration.
//!
//! In: a key as a caller presents it. Out: whose it is, by the hash that the configuration holds.
//! Never: a comparison that ends early, or an error that repeats the key.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::config::{Access, ClientKey};
use crate::context::Principal;
use crate::error::GatewayError;

/// Who may call, by one configuration.
#[derive(Debug, Clone)]
pub struct ClientKeys {
    open: bool,
    keys: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    hash: [u8; 32],
    name: Arc<str>,
    models: Arc<[String]>,
}

impl ClientKeys {
    /// The keys of a configuration.
    pub fn new(access: Access, keys: &[ClientKey]) -> Self {
        let known = |key: &ClientKey| Known {
            hash: key.sha256.0,
            name: key.name.as_str().into(),
            models: key.models.iter().map(ToString::to_string).collect(),
        };
        Self {
            open: access == Access::Open,
            keys: keys.iter().map(known).collect(),
        }
    }

    fn find(&self, presented: &[u8]) -> Option<&Known> {
        let hash = digest(&SHA256, presented);
        // Every key is compared, so that the time says nothing of which one was near.
        let mut found = None;
        for key in &self.keys {
            if same(&key.hash, hash.as_ref()) {
                found = Some(key);
            }
        }
        found
    }
}

impl ClientKeys {
    /// Says who holds the key; `presented` is absent when the caller sent none.
    ///
    /// # Errors
    /// `Unauthenticated`, with how to send a key; never with what was sent.
    pub fn authenticate(&self, presented: Option<&[u8]>) -> Result<Principal, GatewayError> {
        if let Some(key) = presented.and_then(|presented| self.find(presented)) {
            return Ok(Principal::Key {
                name: Arc::clone(&key.name),
                models: Arc::clone(&key.models),
            });
        }
        // OpenAI's clients cannot be made without a key, so an open host takes any.
        if self.open {
            return Ok(Principal::Anonymous);
        }
        let what = match presented {
            None => "no client key was sent",
            Some(_) => "this client key is not known to the host",
        };
        Err(GatewayError::Unauthenticated {
            message: format!(
                "{what}; send one as `authorization: Bearer <key>` (`x-api-key` and `api-key` work as well). \
                 Whoever runs the host makes keys with `host key new <name>`"
            ),
        })
    }
}

/// Whether a presented key has one of these hashes.
pub fn matches_any<'h>(presented: &[u8], hashes: impl IntoIterator<Item = &'h [u8; 32]>) -> bool {
    let hash = digest(&SHA256, presented);
    hashes
        .into_iter()
        .fold(false, |found, known| found | same(known, hash.as_ref()))
}

/// A comparison whose time does not tell where the difference is.
fn same(known: &[u8; 32], hash: &[u8]) -> bool {
    let difference = known.iter().zip(hash).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Glob, KeyHash};

    fn keys(access: Access) -> ClientKeys {
        let key = |name: &str, secret: &str, models: &[&str]| ClientKey {
            name: name.to_owned(),
            sha256: KeyHash(digest(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap()),
            models: models.iter().map(|pattern| Glob::new(pattern).unwrap()).collect(),
        };
        ClientKeys::new(
            access,
            &[key("app", "secret-1", &["echo/*"]), key("ops", "secret-2", &[])],
        )
    }

    #[test]
    fn a_key_names_its_holder() {
        let of = |presented: Option<&str>| keys(Access::Keys).authenticate(presented.map(str::as_bytes));
        match of(Some("secret-1")) {
            Ok(Principal::Key { name, models }) => assert_eq!((&*name, &*models), ("app", &["echo/*".to_owned()][..])),
            other => panic!("{other:?}"),
        }
        assert!(matches!(of(Some("secret-2")), Ok(Principal::Key { name, .. }) if &*name == "ops"));
        for wrong in [None, Some(""), Some("secret-3"), Some("secret-1 ")] {
            match of(wrong) {
                Err(GatewayError::Unauthenticated { message }) => {
                    assert!(message.contains("authorization: Bearer"), "{message}");
                    assert!(!message.contains("secret-"), "{message}");
                }
                other => panic!("{wrong:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_open_host_takes_any_key_and_knows_its_own() {
        let keys = keys(Access::Open);
        for anybody in [None, Some(&b"unused"[..])] {
            assert!(matches!(keys.authenticate(anybody), Ok(Principal::Anonymous)));
        }
        assert!(matches!(
            keys.authenticate(Some(b"secret-1")),
            Ok(Principal::Key { .. })
        ));
    }
}
