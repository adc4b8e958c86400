//! A stack that knows one plugin, one grant, one credential and one upstream.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use rustls::pki_types::CertificateDer;

use super::upstream::Upstream;
use crate::clock::SystemClock;
use crate::egress::audit::{Caller, CredentialUse, UseSink};
use crate::egress::client::{Client, ClientOptions};
use crate::egress::credential::{CredentialFacts, Grant, MemoryStore, Secret, Secrets};
use crate::egress::error::{CredentialFailure, Denial, Rule};
use crate::egress::metrics::{Counts, Metrics};
use crate::egress::resolver::Resolver;
use crate::egress::testing::{facts, grant, identity, origins, request};
use crate::egress::timeout::Timeouts;
use crate::egress::{Credentials, Egress, EgressError, EgressRequest, Parts, UpstreamResponse};
use crate::pipeline;

/// The secret that may be seen by the upstream alone.
pub(super) const CANARY: &str = "sk-canary/0123456789+abcdef";

/// A resolver that answers from a list; the last answer stays.
pub(super) struct Answers {
    list: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Answers {
    pub(super) fn new(list: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            list: Mutex::new(list.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Answers {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut list = self.list.lock().unwrap();
        match list.len() {
            0 => Err(io::Error::other("no such name")),
            1 => Ok(list[0].clone()),
            _ => Ok(list.pop_front().unwrap()),
        }
    }
}

/// Keeps the audit's records.
#[derive(Default)]
pub(super) struct Records {
    pub(super) used: Mutex<Vec<CredentialUse>>,
    pub(super) denied: Mutex<Vec<(Rule, Option<String>)>>,
    pub(super) unattached: Mutex<Vec<CredentialFailure>>,
}

impl UseSink for Records {
    fn used(&self, record: &CredentialUse) {
        self.used.lock().unwrap().push(record.clone());
    }

    fn denied(&self, _: &Caller, denial: &Denial) {
        let remedy = denial.remedy().map(str::to_owned);
        self.denied.lock().unwrap().push((denial.rule().clone(), remedy));
    }

    fn unattached(&self, _: &Caller, failure: &CredentialFailure) {
        self.unattached.lock().unwrap().push(failure.clone());
    }
}

pub(super) struct World {
    pub(super) egress: Egress,
    pub(super) credentials: Arc<Credentials>,
    pub(super) records: Arc<Records>,
    pub(super) resolver: Arc<Answers>,
    pub(super) client: Arc<Client>,
    metrics: Arc<Metrics>,
    origin: String,
}

/// What may differ from the usual world.
pub(super) struct Setup {
    pub(super) origin: String,
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) resolver: Arc<Answers>,
    pub(super) store: MemoryStore,
    pub(super) connect_timeout: Duration,
    pub(super) sink: Option<Arc<dyn UseSink>>,
}

impl Setup {
    /// The usual: the upstream's name leads to loopback, which its grant allows.
    pub(super) fn of(upstream: &Upstream) -> Self {
        Self {
            roots: vec![upstream.root.clone()],
            resolver: Answers::new(&[&["127.0.0.1"]]),
            store: store(granted(&upstream.origin()), credential(&upstream.origin()), CANARY),
            ..Self::at(&upstream.origin())
        }
    }

    /// For an origin without an upstream.
    pub(super) fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            roots: Vec::new(),
            resolver: Answers::new(&[&["127.0.0.1"]]),
            store: store(granted(origin), credential(origin), CANARY),
            connect_timeout: Duration::from_secs(10),
            sink: None,
        }
    }

    pub(super) fn build(self) -> World {
        let options = ClientOptions {
            extra_roots: self.roots,
            resolver: Arc::clone(&self.resolver) as Arc<dyn Resolver>,
            connect_timeout: self.connect_timeout,
            ..ClientOptions::default()
        };
        let credentials = Arc::new(Credentials::new(self.store));
        let (records, metrics) = (Arc::<Records>::default(), Arc::<Metrics>::default());
        let client = Arc::new(Client::new(options).unwrap());
        let egress = pipeline::egress(Parts {
            metrics: Arc::clone(&metrics),
            sink: self.sink.unwrap_or_else(|| Arc::clone(&records) as Arc<dyn UseSink>),
            timeouts: Timeouts::default(),
            credentials: Arc::clone(&credentials),
            identity: identity(),
            clock: Arc::new(SystemClock),
            client: Arc::clone(&client),
        });
        World {
            egress,
            credentials,
            records,
            resolver: self.resolver,
            client,
            metrics,
            origin: self.origin,
        }
    }
}

/// The usual world of an upstream.
pub(super) fn world(upstream: &Upstream) -> World {
    Setup::of(upstream).build()
}

/// The usual grant: the slot, for an origin that may be private.
pub(super) fn granted(origin: &str) -> Grant {
    Grant {
        slot: Some("api-key".into()),
        credential: Some("demo/key".into()),
        private_origins: origins(&[origin]),
        ..grant("g-1")
    }
}

/// The usual credential, for an origin.
pub(super) fn credential(origin: &str) -> CredentialFacts {
    CredentialFacts {
        hosts: origins(&[origin]),
        ..facts("api-key")
    }
}

pub(super) fn store(grant: Grant, facts: CredentialFacts, secret: &str) -> MemoryStore {
    MemoryStore::new()
        .with_grant(grant)
        .with_credential(facts, Secrets::one("api_key", Secret::new(secret)))
}

impl World {
    /// A request that uses the credential as a bearer token.
    pub(super) fn request(&self, path: &str) -> EgressRequest {
        EgressRequest {
            url: format!("{}{path}", self.origin),
            slot: Some("api-key".into()),
            wish_attach: Some(r#"{"bearer":true}"#.into()),
            manifest_origins: Arc::new([self.origin.clone()]),
            body: r#"{"model":"m"}"#.into(),
            ..request()
        }
    }

    pub(super) async fn send(&self, path: &str) -> Result<UpstreamResponse, EgressError> {
        self.egress.send(self.request(path)).await
    }

    pub(super) fn counts(&self) -> Counts {
        self.metrics.read()["demo"]
    }

    pub(super) fn used(&self) -> Vec<CredentialUse> {
        self.records.used.lock().unwrap().clone()
    }
}

/// The whole body as text.
pub(super) async fn text(response: UpstreamResponse) -> Result<String, EgressError> {
    let pieces: Vec<_> = response.body.try_collect().await?;
    Ok(String::from_utf8(pieces.concat()).unwrap())
}

/// The rule that refused a request.
pub(super) fn rule(result: Result<UpstreamResponse, EgressError>) -> Rule {
    match result {
        Err(EgressError::Denied(denial)) => denial.rule().clone(),
        other => panic!("not refused: {other:?}"),
    }
}
