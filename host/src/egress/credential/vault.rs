//! The vault as a store.
//!
//! In: an unlocked vault. Out: its grants and credentials with their patterns read once, and the
//! secrets of one credential at a time, unsealed when they are used. Never: a grant of which a
//! part could not be read. Leaving that part out could widen it (a list of methods without its
//! one method means all of them), so the whole grant is left out, and [`Unreadable`] says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use llm_host_vault::{Entry, Secrets, Vault};

use super::store::{CredentialFacts, CredentialStore, Grant, Holder, Pin, concerning};
use crate::egress::allow_list::PathGlob;
use crate::egress::origin::{OriginPattern, PatternError};
use crate::egress::target::parse_method;

/// A state of the vault.
pub struct VaultStore {
    vault: Arc<Vault>,
    grants: Vec<Arc<Grant>>,
    credentials: BTreeMap<String, Arc<CredentialFacts>>,
}

/// A grant or a credential that is not used because a part of it means nothing to the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A grant.
    #[error("grant `{id}` is not used: {reason}; to set it right: `host grant revoke {id}` and `host grant add`")]
    Grant {
        /// The grant's id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// A credential.
    #[error("credential `{name}` is not used: {reason}; to set it right: `host vault set {name} --host …`")]
    Credential {
        /// The credential's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl VaultStore {
    /// Reads a vault's grants and credentials, and what of them cannot be used.
    pub fn new(vault: Arc<Vault>) -> (Self, Vec<Unreadable>) {
        Self::after(vault, None)
    }

    /// As [`new`](Self::new), for a vault that replaces another: a pin that was renewed counts as
    /// it was until the given time, for the calls that are in progress.
    pub fn after(vault: Arc<Vault>, before: Option<(&Vault, SystemTime)>) -> (Self, Vec<Unreadable>) {
        let mut unreadable = Vec::new();
        let mut grants = Vec::new();
        for grant in vault.grants() {
            match read_grant(grant) {
                Ok(mut grant) => {
                    grant.draining = before.and_then(|(before, until)| {
                        let pin = read_pin(before.grant(&grant.id)?.pin);
                        (pin != grant.pin).then_some((pin, until))
                    });
                    grants.push(Arc::new(grant));
                }
                Err(reason) => unreadable.push(Unreadable::Grant {
                    id: grant.id.clone(),
                    reason,
                }),
            }
        }
        let mut credentials = BTreeMap::new();
        for entry in vault.entries() {
            match read_entry(entry) {
                Ok(facts) => {
                    credentials.insert(entry.name.clone(), Arc::new(facts));
                }
                Err(error) => {
                    let reason = error.to_string();
                    unreadable.push(Unreadable::Credential {
                        name: entry.name.clone(),
                        reason,
                    });
                }
            }
        }
        (
            Self {
                vault,
                grants,
                credentials,
            },
            unreadable,
        )
    }
}

fn patterns(texts: &[String]) -> Result<Vec<OriginPattern>, PatternError> {
    texts.iter().map(|text| OriginPattern::parse(text)).collect()
}

fn read_entry(entry: &Entry) -> Result<CredentialFacts, PatternError> {
    Ok(CredentialFacts::of(entry, patterns(&entry.hosts)?))
}

fn read_pin(pin: llm_host_vault::Pin) -> Pin {
    match pin {
        llm_host_vault::Pin::Digest(digest) => Pin::Digest(digest),
        llm_host_vault::Pin::Signer(signer) => Pin::Signer(signer),
    }
}

fn read_grant(grant: &llm_host_vault::Grant) -> Result<Grant, String> {
    let text = |text: &Option<String>| text.as_deref().map(Arc::from);
    let methods: Result<Vec<Method>, _> = grant.methods.iter().map(|method| parse_method(method)).collect();
    Ok(Grant {
        id: grant.id.as_str().into(),
        plugin: grant.plugin.as_str().into(),
        provider: text(&grant.provider),
        pin: read_pin(grant.pin),
        draining: None,
        slot: text(&grant.slot),
        credential: text(&grant.credential),
        origins: patterns(&grant.origins).map_err(|error| error.to_string())?,
        private_origins: patterns(&grant.private_origins).map_err(|error| error.to_string())?,
        methods: methods.map_err(|rule| rule.to_string())?,
        paths: grant.paths.iter().map(PathGlob::new).collect(),
        attach: text(&grant.attach),
        rate_per_minute: grant.rate_per_minute,
        expires: grant.expires.map(SystemTime::from),
    })
}

impl CredentialStore for VaultStore {
    fn grants(&self, holder: &Holder) -> Vec<Arc<Grant>> {
        concerning(&self.grants, holder)
    }

    fn credential(&self, name: &str) -> Option<Arc<CredentialFacts>> {
        self.credentials.get(name).cloned()
    }

    fn secrets(&self, name: &str) -> Option<Secrets> {
        match self.vault.reveal(name) {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                tracing::error!(credential = name, %error, "a credential's record cannot be opened");
                None
            }
        }
    }
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultStore")
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm_host_vault::{Anchor, Argon2Params, NewEntry, Secret, Unlock};
    use time::OffsetDateTime;

    use super::*;
    use crate::egress::testing::{DIGEST, holder, origins};

    fn vault(directory: &std::path::Path) -> Vault {
        let unlock = Unlock::passphrase_with(Secret::new("correct horse"), Argon2Params::minimal());
        Vault::create(&directory.join("vault"), &[unlock], &Anchor::off()).unwrap()
    }

    fn entry(hosts: &[&str]) -> NewEntry {
        NewEntry {
            kind: "api-key".to_owned(),
            secrets: Secrets::one("api_key", Secret::new("sk-canary-0123456789")),
            attributes: [("organization".to_owned(), "org-1".to_owned())].into(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        }
    }

    fn given(change: impl FnOnce(&mut llm_host_vault::Grant)) -> llm_host_vault::Grant {
        let mut grant =
            llm_host_vault::Grant::new("demo", llm_host_vault::Pin::Digest(DIGEST), OffsetDateTime::UNIX_EPOCH);
        change(&mut grant);
        grant
    }

    #[test]
    fn a_vault_says_what_was_put_into_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut vault = vault(directory.path());
        vault
            .edit(|draft| {
                draft.set(
                    "demo/key",
                    entry(&["https://api.example.com"]),
                    OffsetDateTime::UNIX_EPOCH,
                )?;
                draft.add_grant(given(|grant| {
                    grant.id = "g-1".to_owned();
                    grant.provider = Some("demo".to_owned());
                    grant.slot = Some("api-key".to_owned());
                    grant.credential = Some("demo/key".to_owned());
                    grant.origins = vec!["https://*.example.com".to_owned()];
                    grant.private_origins = vec!["http://127.0.0.1:11434".to_owned()];
                    grant.methods = vec!["POST".to_owned()];
                    grant.paths = vec!["/v1/*".to_owned()];
                    grant.attach = Some(r#"{"bearer":true}"#.to_owned());
                    grant.rate_per_minute = Some(60);
                    grant.expires = Some(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(10));
                }))
            })
            .unwrap();
        let (store, unreadable) = VaultStore::new(Arc::new(vault));
        assert_eq!(unreadable, []);
        let grants = store.grants(&holder());
        let [grant] = grants.as_slice() else {
            panic!("{grants:?}")
        };
        assert_eq!(
            (&*grant.id, grant.provider.as_deref(), grant.slot.as_deref()),
            ("g-1", Some("demo"), Some("api-key"))
        );
        assert_eq!(grant.pin, Pin::Digest(DIGEST));
        assert_eq!(grant.origins, origins(&["https://*.example.com"]));
        assert_eq!(grant.private_origins, origins(&["http://127.0.0.1:11434"]));
        assert_eq!(
            (grant.methods.as_slice(), grant.paths.as_slice()),
            (&[Method::POST][..], &[PathGlob::new("/v1/*")][..])
        );
        assert_eq!(
            (grant.attach.as_deref(), grant.rate_per_minute),
            (Some(r#"{"bearer":true}"#), Some(60))
        );
        assert_eq!(grant.expires, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(10)));
        let facts = store.credential("demo/key").unwrap();
        assert_eq!(
            (&*facts.kind, &facts.hosts),
            ("api-key", &origins(&["https://api.example.com"]))
        );
        assert_eq!(facts.attributes["organization"], "org-1");
        assert_eq!(
            store.secrets("demo/key").unwrap().get("api_key").unwrap().expose(),
            "sk-canary-0123456789"
        );
        assert!(store.credential("other").is_none() && store.secrets("other").is_none());
        let other = Holder {
            provider: "other".into(),
            ..holder()
        };
        assert!(store.grants(&other).is_empty(), "the grant is for one provider only");
    }

    #[test]
    fn what_cannot_be_read_in_full_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let mut vault = vault(directory.path());
        vault
            .edit(|draft| {
                draft.set("bad", entry(&["https://*"]), OffsetDateTime::UNIX_EPOCH)?;
                for (id, change) in [
                    (
                        "origin",
                        (|grant| grant.origins = vec!["https://*.com".to_owned()]) as fn(&mut llm_host_vault::Grant),
                    ),
                    ("private", |grant| {
                        grant.private_origins = vec!["ftp://a.example".to_owned()]
                    }),
                    ("method", |grant| grant.methods = vec!["post".to_owned()]),
                    ("fine", |grant| {
                        grant.origins = vec!["https://api.example.com".to_owned()]
                    }),
                ] {
                    draft.add_grant(given(|grant| {
                        grant.id = id.to_owned();
                        change(grant);
                    }))?;
                }
                Ok(())
            })
            .unwrap();
        let (store, unreadable) = VaultStore::new(Arc::new(vault));
        let ids: Vec<_> = store
            .grants(&holder())
            .iter()
            .map(|grant| grant.id.to_string())
            .collect();
        assert_eq!(ids, ["fine"]);
        let reported: Vec<_> = unreadable
            .iter()
            .map(|unreadable| match unreadable {
                Unreadable::Grant { id, .. } => id.as_str(),
                Unreadable::Credential { name, .. } => name.as_str(),
            })
            .collect();
        assert_eq!(reported, ["origin", "private", "method", "bad"]);
        assert!(store.credential("bad").is_none());
    }
}
