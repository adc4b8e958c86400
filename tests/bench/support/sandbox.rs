//! Plugins, called within this process.
//!
//! In: a plugin's name and how calls share its instances. Out: a [`Generation`] as the host makes
//! it. Never: a network; what a plugin sends is answered by a [`Double`].

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use llm_host::clock::SystemClock;
use llm_host::config::{Config, Env, Isolation, ProviderConfig};
use llm_host::egress::credential::{CredentialFacts, Credentials, Grant, MemoryStore, Pin, Secret, Secrets, Version};
use llm_host::egress::service::Service;
use llm_host::egress::{Egress, EgressError, EgressRequest, UpstreamResponse};
use llm_host::llm::{ChatEvent, ChatRequest, Message, Part, PartContent, Role, Sampling};
use llm_host::plugin::{Capacity, Engine, Generation, LoadedPlugin, TrustPolicy};
use llm_host_tests::{built, places};
use tempfile::TempDir;

/// The plugins' world.
pub struct Sandbox {
    engine: Arc<Engine>,
    config: Config,
    _dir: TempDir,
}

impl Sandbox {
    /// An engine with the host's defaults.
    ///
    /// # Panics
    /// When there is none.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = Config::parse("", &dir.path().join("host.toml"), &Env::default()).expect("defaults are sound");
        let engine = Engine::with_capacity(&places::compiled(), Capacity::of(&config)).expect("an engine");
        Self {
            engine: Arc::new(engine),
            config,
            _dir: dir,
        }
    }

    /// Compiles a plugin of this checkout, or takes it from the cache.
    ///
    /// # Panics
    /// When it is none.
    pub async fn load(&self, name: &str) -> Arc<LoadedPlugin> {
        let path = built::plugin(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let bytes = std::fs::read(&path).expect("the component can be read");
        let trust = TrustPolicy {
            signers: Vec::new(),
            required: false,
        };
        let loaded = LoadedPlugin::load(&self.engine, &path, bytes, &trust, &self.config.limits).await;
        Arc::new(loaded.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// A provider of a plugin, with the default limits.
    ///
    /// # Panics
    /// When the settings do not fit.
    pub async fn generation(
        &self,
        plugin: &Arc<LoadedPlugin>,
        isolation: Isolation,
        settings: serde_json::Value,
        egress: Arc<Egress>,
    ) -> Arc<Generation> {
        let id = plugin.manifest.id.clone();
        let config = ProviderConfig {
            plugin: id.clone(),
            settings: settings.as_object().cloned().unwrap_or_default(),
            isolation,
            limits: self.config.limits.clone(),
            implicit: false,
        };
        let made = Generation::prepare(1, &id, Arc::clone(plugin), config, Arc::clone(&self.engine), egress).await;
        made.unwrap_or_else(|error| panic!("{id}: {error}"))
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// A conversation in which somebody said `text`.
pub fn conversation(model: &str, text: &str) -> ChatRequest {
    let message = |role, text: &str| Message {
        role,
        name: None,
        parts: vec![Part {
            content: PartContent::Text(text.to_owned()),
            state: None,
            cache: None,
            extra: vec![],
        }],
        extra: vec![],
    };
    ChatRequest {
        model: model.to_owned(),
        messages: vec![
            message(Role::System, "You are a helpful assistant."),
            message(Role::User, text),
        ],
        sampling: Sampling {
            temperature: None,
            top_p: None,
            top_k: None,
            max_output_tokens: None,
            stop: vec![],
            seed: None,
            frequency_penalty: None,
            presence_penalty: None,
            n: None,
        },
        tools: vec![],
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        reasoning: None,
        user: None,
        extra: vec![],
    }
}

/// Asks for a whole answer.
///
/// # Panics
/// When there is none.
pub async fn whole(generation: &Arc<Generation>, request: ChatRequest) {
    match generation.complete("bench".into(), request).await {
        Ok(Ok(answer)) => assert!(!answer.choices.is_empty()),
        Ok(Err(error)) => panic!("the adapter refused: {error:?}"),
        Err(error) => panic!("the plugin failed: {error}"),
    }
}

/// Asks for an answer piece by piece and reads it to its end. Gives how many events there were.
///
/// # Panics
/// When it does not end well.
pub async fn streamed(generation: &Arc<Generation>, request: ChatRequest) -> usize {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(600);
    let mut batches = match generation.stream("bench".into(), request, deadline).await {
        Ok(Ok((_, batches))) => batches,
        Ok(Err(error)) => panic!("the adapter refused: {error:?}"),
        Err(error) => panic!("the plugin failed: {error}"),
    };
    let mut count = 1;
    let mut done = false;
    while let Some(batch) = batches.next().await {
        count += batch.len();
        done = matches!(batch.last(), Some(ChatEvent::Done));
    }
    assert!(done, "the stream did not end well");
    count
}

/// What a [`Double`] answers to a request.
pub type Answering = dyn Fn(&EgressRequest) -> Result<Canned, EgressError> + Send + Sync;

/// An upstream within this process.
pub struct Double(pub Box<Answering>);

/// An answer that is already there.
#[derive(Clone)]
pub struct Canned {
    /// What its body is.
    pub content_type: &'static str,
    /// The body, in the pieces in which it comes.
    pub pieces: Vec<Bytes>,
}

impl Service<EgressRequest> for Double {
    async fn call(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        let Canned { content_type, pieces } = (self.0)(&request)?;
        Ok(UpstreamResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), Bytes::from_static(content_type.as_bytes()))],
            body: futures::stream::iter(pieces.into_iter().map(Ok)).boxed(),
        })
    }
}

/// An egress that is only this double.
pub fn egress(double: Double, credentials: MemoryStore) -> Arc<Egress> {
    let credentials = Arc::new(Credentials::new(credentials));
    Arc::new(Egress::new(double, credentials, Arc::new(SystemClock)))
}

/// A plugin's grant of one slot, whose credential no upstream will see.
pub fn granted(plugin: &LoadedPlugin, slot: &str) -> MemoryStore {
    let grant = Grant {
        id: "g-1".into(),
        plugin: plugin.manifest.id.as_str().into(),
        provider: None,
        pin: Pin::Digest(plugin.digest),
        draining: None,
        slot: Some(slot.into()),
        credential: Some("bench".into()),
        origins: vec![],
        private_origins: vec![],
        methods: vec![],
        paths: vec![],
        attach: None,
        rate_per_minute: None,
        expires: None,
    };
    let facts = CredentialFacts {
        name: "bench".into(),
        kind: slot.into(),
        attributes: std::collections::BTreeMap::new(),
        hosts: vec![],
        version: Version::default(),
    };
    MemoryStore::new()
        .with_grant(grant)
        .with_credential(facts, Secrets::one("value", Secret::new("bench")))
}

/// An egress for plugins that send nothing.
pub fn no_way_out() -> Arc<Egress> {
    egress(Double(Box::new(|_| Err(EgressError::Cancelled))), MemoryStore::new())
}
