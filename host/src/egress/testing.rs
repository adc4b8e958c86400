//! What the tests of several egress modules need.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::client::{Client, ClientOptions};
use super::credential::{CredentialFacts, Grant, Identity, Outgoing, Pin, Version};
use super::origin::OriginPattern;
use super::{EgressRequest, Holder};
use crate::clock::{Clock, SystemClock};
use crate::config::Env;

pub(crate) const DIGEST: [u8; 32] = [7; 32];
pub(crate) const SIGNER: [u8; 32] = [8; 32];

/// A plugin that serves a provider of its own name.
pub(crate) fn holder() -> Holder {
    Holder {
        plugin: "demo".into(),
        provider: "demo".into(),
        digest: DIGEST,
        signer: None,
    }
}

/// A request to an example origin that the manifest asks for.
pub(crate) fn request() -> EgressRequest {
    EgressRequest {
        holder: Arc::new(holder()),
        request_id: "r-1".into(),
        generation: 3,
        method: "POST".to_owned(),
        url: "https://api.example.com/v1/chat".to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        slot: None,
        first_byte_timeout: None,
        idle_timeout: None,
        max_response_bytes: 1 << 20,
        manifest_origins: Arc::new(["https://api.example.com".to_owned()]),
        wish_attach: None,
    }
}

/// A grant without a credential and without origins.
pub(crate) fn grant(id: &str) -> Grant {
    Grant {
        id: id.into(),
        plugin: "demo".into(),
        provider: None,
        pin: Pin::Digest(DIGEST),
        slot: None,
        credential: None,
        origins: Vec::new(),
        private_origins: Vec::new(),
        methods: Vec::new(),
        paths: Vec::new(),
        attach: None,
        rate_per_minute: None,
        expires: None,
        draining: None,
    }
}

/// Patterns that are known to be right.
pub(crate) fn origins(patterns: &[&str]) -> Vec<OriginPattern> {
    patterns
        .iter()
        .map(|pattern| OriginPattern::parse(pattern).unwrap())
        .collect()
}

/// A credential of a kind, for the example origin.
pub(crate) fn facts(kind: &str) -> CredentialFacts {
    CredentialFacts {
        name: "demo/key".into(),
        kind: kind.into(),
        attributes: [("organization".to_owned(), "org-1".to_owned())].into(),
        hosts: origins(&["https://api.example.com"]),
        version: Version::default(),
    }
}

/// Nothing fetched yet.
pub(crate) fn identity() -> Arc<Identity> {
    let client = Client::new(ClientOptions::default()).unwrap();
    Arc::new(Identity::new(Arc::new(SystemClock), &Env::default(), &client).unwrap())
}

/// A clock that is moved by hand.
pub(crate) struct ManualClock(Mutex<SystemTime>);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A request that nothing has been attached to.
pub(crate) fn outgoing() -> Outgoing {
    Outgoing {
        method: Method::POST,
        url: Url::parse("https://api.example.com/v1/chat").unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        derived: Vec::new(),
    }
}
