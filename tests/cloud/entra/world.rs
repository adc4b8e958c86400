//! The egress stack of a host, with one credential of kind `entra`, and the services around it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use llm_host::clock::Clock;
use llm_host::config::Env;
use llm_host::egress::audit::TracingSink;
use llm_host::egress::client::{Client, ClientOptions};
use llm_host::egress::credential::{CredentialFacts, Grant, Identity, MemoryStore, Pin, Secret, Secrets, Version};
use llm_host::egress::error::CredentialFailure;
use llm_host::egress::origin::OriginPattern;
use llm_host::egress::timeout::Timeouts;
use llm_host::egress::{Credentials, Egress, EgressError, EgressRequest, Holder, Parts};
use llm_host::pipeline;
use llm_host_tests::upstream::{Received, Upstream};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::service::{CLIENT, Entra, SECRET, TENANT};

/// What the adapter of Azure's resources wishes for.
pub(super) const WISH: &str = r#"{"entra":{"scope":"https://cognitiveservices.azure.com/.default"}}"#;

/// A clock that is moved by hand.
pub(super) struct ManualClock(Mutex<SystemTime>);

impl ManualClock {
    pub(super) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub(super) fn set_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

pub(super) struct World {
    pub(super) entra: Arc<Entra>,
    /// The services' clock, and the host's unless a test gives it its own.
    pub(super) clock: Arc<ManualClock>,
    pub(super) upstream: Upstream,
    pub(super) authority: Upstream,
    pub(super) machine: Upstream,
    credentials: Arc<Credentials>,
    egress: Egress,
}

/// The entry of the vault, and how it is granted.
pub(super) struct Entry {
    attributes: Vec<(&'static str, String)>,
    secrets: Secrets,
    rule: Option<&'static str>,
    /// Stands for when the secret was set.
    version: &'static str,
}

impl Entry {
    pub(super) fn from(source: &'static str) -> Self {
        Self {
            attributes: vec![("source", source.to_owned())],
            secrets: Secrets::new(),
            rule: None,
            version: "first",
        }
    }

    /// The application that the services know, by its secret.
    pub(super) fn secret() -> Self {
        Self::from("client-secret")
            .with("tenant_id", TENANT)
            .with("client_id", CLIENT)
            .field("client_secret", SECRET)
    }

    /// The same, by a certificate.
    pub(super) fn certificate(pem: &str) -> Self {
        Self::from("client-certificate")
            .with("tenant_id", TENANT)
            .with("client_id", CLIENT)
            .field("certificate", pem)
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.attributes.retain(|(known, _)| *known != name);
        self.attributes.push((name, value.to_owned()));
        self
    }

    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name, Secret::new(value));
        self
    }

    pub(super) fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    pub(super) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    fn store(self, authority: &str, resource: &str) -> MemoryStore {
        let machine = self.attributes.iter().any(|(_, value)| value == "managed-identity");
        let this = if machine {
            self
        } else {
            self.with("authority", authority)
        };
        let attributes = this
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let texts = this.attributes.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let facts = CredentialFacts {
            name: "entra".into(),
            kind: "entra".into(),
            version: Version::of(texts.chain([this.version])),
            attributes: attributes.collect(),
            hosts: vec![OriginPattern::parse(resource).unwrap()],
        };
        let grant = Grant {
            id: "g-1".into(),
            plugin: "demo".into(),
            provider: None,
            pin: Pin::Digest([7; 32]),
            slot: Some("entra".into()),
            credential: Some("entra".into()),
            origins: Vec::new(),
            private_origins: vec![OriginPattern::parse(resource).unwrap()],
            methods: Vec::new(),
            paths: Vec::new(),
            attach: this.rule.map(Into::into),
            rate_per_minute: None,
            expires: None,
            draining: None,
        };
        MemoryStore::new()
            .with_grant(grant)
            .with_credential(facts, this.secrets)
    }
}

/// The environment of a machine whose metadata service is the test's.
pub(super) fn machine(world: &Upstream) -> Vec<(&'static str, String)> {
    vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", world.origin())]
}

impl World {
    pub(super) async fn new(entry: Entry) -> Self {
        Self::with(entry, machine, None).await
    }

    /// With an environment, and a host whose clock is not right.
    pub(super) async fn with(
        entry: Entry,
        env: impl FnOnce(&Upstream) -> Vec<(&'static str, String)>,
        host_clock: Option<Arc<ManualClock>>,
    ) -> Self {
        let clock = Arc::<ManualClock>::default();
        let entra = Entra::new(Arc::clone(&clock));
        let own = Arc::new(Mutex::new(String::new()));
        let (service, at) = (Arc::clone(&entra), Arc::clone(&own));
        let authority =
            Upstream::answering(move |request: &Received| service.token_endpoint(&at.lock().unwrap(), request)).await;
        *own.lock().unwrap() = authority.origin();
        let service = Arc::clone(&entra);
        let machine = Upstream::answering_in_the_clear(move |request: &Received| service.metadata(request)).await;
        let service = Arc::clone(&entra);
        let upstream = Upstream::answering(move |request: &Received| service.resource(request)).await;

        let root = |upstream: &Upstream| CertificateDer::from_pem_slice(upstream.authority().as_bytes()).unwrap();
        let client = Client::new(ClientOptions {
            extra_roots: vec![root(&authority), root(&upstream)],
            ..ClientOptions::default()
        });
        let client = Arc::new(client.unwrap());
        let of_host: Arc<dyn Clock> = host_clock.unwrap_or_else(|| Arc::clone(&clock));
        let identity = Identity::new(Arc::clone(&of_host), &Env::from_pairs(env(&machine)), &client).unwrap();
        let credentials = Arc::new(Credentials::new(entry.store(&authority.origin(), &upstream.origin())));
        let egress = pipeline::egress(Parts {
            metrics: Arc::default(),
            sink: Arc::new(TracingSink),
            timeouts: Timeouts::default(),
            credentials: Arc::clone(&credentials),
            identity: Arc::new(identity),
            clock: of_host,
            client,
        });
        Self {
            entra,
            clock,
            upstream,
            authority,
            machine,
            credentials,
            egress,
        }
    }

    /// The vault says something else from now on.
    pub(super) fn reload(&self, entry: Entry) {
        self.credentials
            .replace(entry.store(&self.authority.origin(), &self.upstream.origin()));
    }

    /// Sends a request of the plugin to the resource.
    pub(super) async fn send(&self) -> Result<(u16, String), EgressError> {
        self.send_wishing(WISH).await
    }

    pub(super) async fn send_wishing(&self, wish: &str) -> Result<(u16, String), EgressError> {
        let request = EgressRequest {
            holder: Arc::new(Holder {
                plugin: "demo".into(),
                provider: "demo".into(),
                digest: [7; 32],
                signer: None,
            }),
            request_id: "r-1".into(),
            generation: 1,
            method: "POST".to_owned(),
            url: format!("{}/openai/v1/chat/completions", self.upstream.origin()),
            headers: Vec::new(),
            body: "{}".into(),
            slot: Some("entra".into()),
            first_byte_timeout: None,
            idle_timeout: None,
            max_response_bytes: 1 << 20,
            manifest_origins: Arc::new([self.upstream.origin()]),
            wish_attach: Some(wish.into()),
        };
        let response = self.egress.send(request).await?;
        let pieces: Vec<_> = response.body.try_collect().await?;
        Ok((response.status, String::from_utf8(pieces.concat()).unwrap()))
    }

    /// Why there was no token, and whether that may pass.
    pub(super) async fn refused(&self) -> (String, bool) {
        match self.send().await {
            Err(EgressError::Credential(CredentialFailure::Token { reason, retryable, .. })) => (reason, retryable),
            other => panic!("there was a token: {other:?}"),
        }
    }

    /// Whether the resource took the request.
    pub(super) async fn works(&self) -> bool {
        matches!(self.send().await, Ok((200, _)))
    }
}
