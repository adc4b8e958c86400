//! What the vault says: grants, credentials, secrets at the moment of use.
//!
//! In: a holder or a credential's name. Out: its grants, its facts, its secrets. Never: a decision
//! about a request; that is [`crate::egress::allow_list`]'s.
//!
//! [`Credentials`] holds the store that counts now. A send loads it once and uses that one
//! throughout, so it never meets a grant of one vault with the secret of another; the next send
//! sees what was swapped in, which is how a revocation or a rotation takes effect at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use http::Method;

use crate::egress::allow_list::PathGlob;
use crate::egress::origin::OriginPattern;
use llm_host_vault::{Entry, Secrets};

/// Who asks: one generation of a plugin, serving one configured provider.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The plugin's id, as its manifest gives it.
    pub plugin: Arc<str>,
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// SHA-256 of the component's file.
    pub digest: [u8; 32],
    /// The Ed25519 public key that signed the component, when its signature is valid.
    pub signer: Option<[u8; 32]>,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("plugin", &self.plugin)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// Which bytes, or whose, a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The component whose file has this SHA-256.
    Digest([u8; 32]),
    /// Every component signed with this Ed25519 key.
    Signer([u8; 32]),
}

impl Pin {
    /// Whether the holder is what the pin is for.
    pub fn is(&self, holder: &Holder) -> bool {
        match self {
            Self::Digest(digest) => *digest == holder.digest,
            Self::Signer(signer) => holder.signer == Some(*signer),
        }
    }
}

/// Whether a grant counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// It was given to other bytes than the holder's.
    Voided,
}

/// What an admin allowed, ready to be matched.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Unique in the vault.
    pub id: Arc<str>,
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// Only for this configured provider; all of the plugin's when absent.
    pub provider: Option<Arc<str>>,
    /// Which bytes, or whose.
    pub pin: Pin,
    /// What the pin was before it was renewed, and until when that still counts: the calls that
    /// the earlier bytes have in progress come to their end.
    pub draining: Option<(Pin, SystemTime)>,
    /// The slot; absent for egress without a credential.
    pub slot: Option<Arc<str>>,
    /// The credential of the slot.
    pub credential: Option<Arc<str>>,
    /// Where requests may go.
    pub origins: Vec<OriginPattern>,
    /// Where requests may go even if the name leads to a private address.
    pub private_origins: Vec<OriginPattern>,
    /// Methods; empty for all.
    pub methods: Vec<Method>,
    /// Paths; empty for all.
    pub paths: Vec<PathGlob>,
    /// How the credential is attached, as JSON; the plugin's wish when absent.
    pub attach: Option<Arc<str>>,
    /// Most requests in a minute.
    pub rate_per_minute: Option<u32>,
    /// From when on it is void.
    pub expires: Option<SystemTime>,
}

impl Grant {
    /// Whether the grant is about the holder's plugin and provider at all.
    pub fn concerns(&self, holder: &Holder) -> bool {
        self.plugin == holder.plugin
            && self
                .provider
                .as_ref()
                .is_none_or(|provider| *provider == holder.provider)
    }

    /// Whether the grant counts for the holder now.
    pub fn standing(&self, holder: &Holder, now: SystemTime) -> Standing {
        let draining = self.draining.filter(|(_, until)| now < *until);
        let pinned = self.pin.is(holder) || draining.is_some_and(|(pin, _)| pin.is(holder));
        if !pinned {
            Standing::Voided
        } else if self.expires.is_some_and(|expires| expires <= now) {
            Standing::Expired
        } else {
            Standing::Valid
        }
    }
}

impl AsRef<Grant> for Grant {
    fn as_ref(&self) -> &Grant {
        self
    }
}

/// What is known of a credential besides its secrets.
#[derive(Debug, Clone)]
pub struct CredentialFacts {
    /// Unique in the vault.
    pub name: Arc<str>,
    /// What sort it is, e.g. `bearer`, `header`.
    pub kind: Arc<str>,
    /// What belongs to it and is not secret: region, project, organisation.
    pub attributes: BTreeMap<String, String>,
    /// Where it may be sent.
    pub hosts: Vec<OriginPattern>,
    /// Which state of it this is.
    pub version: Version,
}

impl CredentialFacts {
    /// What an entry of the vault says, with its hosts read.
    pub fn of(entry: &Entry, hosts: Vec<OriginPattern>) -> Self {
        let times = [Some(entry.created), entry.rotated].map(|time| {
            let time = time.map(|time| time.unix_timestamp_nanos());
            time.map_or_else(String::new, |time| time.to_string())
        });
        let parts = [entry.name.as_str(), &entry.kind]
            .into_iter()
            .chain(times.iter().map(String::as_str))
            .chain(entry.attributes.iter().flat_map(|(name, value)| [name.as_str(), value]));
        Self {
            version: Version::of(parts),
            name: entry.name.as_str().into(),
            kind: entry.kind.as_str().into(),
            attributes: entry.attributes.clone(),
            hosts,
        }
    }
}

/// Tells one state of a credential from another: it differs when the secrets were replaced or an
/// attribute was changed, and is the same after a reload that left both alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version([u8; 32]);

impl Version {
    /// The state that these texts make up. None of them may be a secret.
    pub fn of<'t>(parts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut version = Self::default();
        for (to, from) in version.0.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        version
    }
}

/// One state of the vault.
pub trait CredentialStore: Send + Sync + 'static {
    /// Every grant that [concerns](Grant::concerns) the holder, whatever its standing.
    fn grants(&self, holder: &Holder) -> Vec<Arc<Grant>>;

    /// What is known of a credential; `None` when there is no such.
    fn credential(&self, name: &str) -> Option<Arc<CredentialFacts>>;

    /// The secrets of a credential, to be dropped after use; `None` when there is no such or its
    /// record cannot be opened.
    fn secrets(&self, name: &str) -> Option<Secrets>;
}

/// Those of some grants that concern the holder.
pub(super) fn concerning(grants: &[Arc<Grant>], holder: &Holder) -> Vec<Arc<Grant>> {
    grants.iter().filter(|grant| grant.concerns(holder)).cloned().collect()
}

/// The store that a send has loaded.
pub type LoadedStore = Arc<Box<dyn CredentialStore>>;

/// The store that counts now, replaceable while requests run.
pub struct Credentials {
    current: ArcSwap<Box<dyn CredentialStore>>,
}

impl Credentials {
    /// Starts with a store.
    pub fn new(store: impl CredentialStore) -> Self {
        Self {
            current: ArcSwap::from_pointee(Box::new(store)),
        }
    }

    /// Puts another in its place; sends that began before go on with the one they loaded.
    pub fn replace(&self, store: impl CredentialStore) {
        self.current.store(Arc::new(Box::new(store)));
    }

    /// The store that counts now.
    pub fn load(&self) -> LoadedStore {
        self.current.load_full()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A store in memory: for tests, and for a host that has no vault.
#[derive(Default)]
pub struct MemoryStore {
    grants: Vec<Arc<Grant>>,
    credentials: BTreeMap<String, (Arc<CredentialFacts>, Secrets)>,
}

impl MemoryStore {
    /// Nothing granted, nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a grant.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grants.push(Arc::new(grant));
        self
    }

    /// Adds a credential.
    #[must_use]
    pub fn with_credential(mut self, facts: CredentialFacts, secrets: Secrets) -> Self {
        self.credentials
            .insert(facts.name.to_string(), (Arc::new(facts), secrets));
        self
    }
}

impl CredentialStore for MemoryStore {
    fn grants(&self, holder: &Holder) -> Vec<Arc<Grant>> {
        concerning(&self.grants, holder)
    }

    fn credential(&self, name: &str) -> Option<Arc<CredentialFacts>> {
        self.credentials.get(name).map(|(facts, _)| Arc::clone(facts))
    }

    fn secrets(&self, name: &str) -> Option<Secrets> {
        self.credentials.get(name).map(|(_, secrets)| secrets.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::egress::testing::{DIGEST, grant, holder};

    #[test]
    fn a_renewed_pin_counts_for_the_earlier_bytes_only_while_they_drain() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let later = now + Duration::from_secs(60);
        let renewed = Grant {
            pin: Pin::Digest([201; 32]),
            draining: Some((Pin::Digest(DIGEST), later)),
            ..grant("g")
        };
        let next = Holder {
            digest: [201; 32],
            ..holder()
        };
        let stranger = Holder {
            digest: [202; 32],
            ..holder()
        };
        for (holder, at, standing) in [
            (&next, now, Standing::Valid),
            (&holder(), now, Standing::Valid),
            (&holder(), later, Standing::Voided),
            (&stranger, now, Standing::Voided),
        ] {
            assert_eq!(renewed.standing(holder, at), standing);
        }
    }
}
