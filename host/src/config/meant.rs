//! What a configuration means: the types every other part of the host is given.
//!
//! In: nothing; `resolve` fills these in. Out: plain values, complete and checked, with absolute
//! paths. Never: an `Option` that means "take the default", and no secret but the vault's passphrase,
//! which is wiped and not printable.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::env::Passphrase;
use super::error::Place;
use super::glob::Glob;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What the host writes for itself: compiled code, the admin socket, the vault's anchor.
    pub state_dir: PathBuf,
    /// The HTTP listener.
    pub server: Server,
    /// Administration of the running host.
    pub admin: Admin,
    /// Who may call.
    pub keys: Vec<ClientKey>,
    /// Where the credentials are.
    pub vault: VaultConfig,
    /// Where the plugins are.
    pub plugins: Plugins,
    /// Providers by name: those that were written. See [`Config::provider_for_plugin`].
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Limits of a plugin that has none of its own.
    pub limits: Limits,
    /// Names of models.
    pub models: Models,
    /// Connections to providers.
    pub egress: EgressDefaults,
    /// The host's own log.
    pub log: Log,
    /// Where all this was written.
    pub source: ConfigSource,
}

/// The HTTP listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may call.
    pub access: Access,
    /// Largest request body, in bytes.
    pub max_body: u64,
    /// Most requests in work at once; more are refused.
    pub max_concurrent_requests: usize,
    /// Most time from the request's head to the last byte of the answer.
    pub request_timeout: Duration,
    /// How long running answers may go on after a stop or a reload.
    pub drain_timeout: Duration,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody who reaches the listener, which is then on a loopback address.
    Open,
    /// Holders of a client key.
    Keys,
}

/// Administration of the running host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket the command line talks to.
    pub socket: PathBuf,
    /// Keys that may also administer over HTTP; none means nobody may.
    pub keys: Vec<KeyHash>,
}

/// The SHA-256 of a key, which is all the host keeps of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

/// The Ed25519 public key of somebody who signs plugins.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignerKey(pub [u8; 32]);

/// A client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// What logs and limits call it.
    pub name: String,
    /// The key's hash.
    pub sha256: KeyHash,
    /// Names of models it may ask for; empty for all.
    pub models: Vec<Glob>,
}

/// Where the credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultConfig {
    /// The vault's file.
    pub path: PathBuf,
    /// Where the vault's newest revision is noted, to notice an older file put in its place.
    pub anchor: PathBuf,
    /// What opens it.
    pub unlock: UnlockWith,
}

/// What opens the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockWith {
    /// A file that holds a key.
    KeyFile(PathBuf),
    /// A passphrase.
    Passphrase(PassphraseFrom),
    /// The operating system's key ring.
    Keyring,
}

/// Where the passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseFrom {
    /// The environment had it.
    Environment(Passphrase),
    /// A file whose first line it is.
    File(PathBuf),
    /// Whoever starts the host is asked.
    Prompt,
}

/// Where the plugins are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// The directory that is watched for `.wasm` files.
    pub dir: PathBuf,
    /// Compiled code. Whoever can write here can run code in the host.
    pub cache_dir: PathBuf,
    /// How long the directory must be quiet before a change counts.
    pub debounce: Duration,
    /// Whose signatures count.
    pub trusted_signers: Vec<SignerKey>,
    /// Whether a plugin without such a signature is refused.
    pub require_signature: bool,
}

/// A provider: a plugin with settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderConfig {
    /// The id of the plugin that serves it.
    pub plugin: String,
    /// The plugin's settings.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// How calls share instances.
    pub isolation: Isolation,
    /// What a call may use.
    pub limits: Limits,
    /// True when nobody wrote it and it stands for a plugin in the directory.
    pub implicit: bool,
}

/// How calls share instances of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each call has an instance of its own.
    Fresh,
    /// Instances are kept and serve one call at a time.
    Pooled {
        /// Most instances.
        max_instances: usize,
        /// How many calls one serves before it is replaced.
        max_uses: u32,
    },
    /// One instance serves several calls at once; a trap ends all of them.
    Shared {
        /// Most calls at once.
        max_concurrency: usize,
    },
}

/// What one call of a plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the instance, in bytes.
    pub memory: u64,
    /// Time on the processor.
    pub cpu_time: Duration,
    /// Time for `describe` and `check-config`.
    pub describe_time: Duration,
    /// Time until the first event of an answer.
    pub first_event_time: Duration,
    /// Time between two events.
    pub idle_time: Duration,
    /// Time in total.
    pub total_time: Duration,
    /// What all answers to its exchanges may hold together, in bytes.
    pub response_bytes: u64,
    /// What one of its requests may hold, in bytes.
    pub request_bytes: u64,
    /// What it may hand to the host in one function call, in bytes.
    pub copy_bytes: u64,
    /// How many requests it may send.
    pub exchanges: usize,
    /// How many of them at once.
    pub concurrent_exchanges: usize,
    /// How many handles (resources, streams, futures) it may hold.
    pub handles: usize,
    /// How many elements its tables may hold.
    pub table_elements: usize,
    /// How many lines it may log.
    pub log_lines: usize,
    /// How long a line may be, in bytes; longer ones are cut.
    pub log_line_bytes: u64,
}

/// Names of models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Models {
    /// Names that stand for one model.
    pub aliases: BTreeMap<String, ModelRef>,
    /// Rules for names that are no alias, the first that matches counts.
    pub patterns: Vec<Pattern>,
    /// The model of a request whose model is absent, empty or `default`.
    pub default: Option<ModelRef>,
}

/// A model of a provider, written `provider/model`. The model may hold slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's own name of the model; in a pattern `{model}` stands for the name that was asked.
    pub model: String,
}

/// A rule for names of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Names it is for.
    pub matches: Glob,
    /// What serves them.
    pub to: ModelRef,
}

/// Connections to providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressDefaults {
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Time until an answer's head.
    pub first_byte_timeout: Duration,
    /// Time between two pieces of its body.
    pub idle_timeout: Duration,
    /// Time in total.
    pub total_timeout: Duration,
    /// Certificate authorities in PEM, trusted beside the operating system's.
    pub extra_ca: Option<PathBuf>,
}

/// The host's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form of its lines.
    pub format: LogFormat,
    /// A filter in the syntax of `tracing_subscriber::EnvFilter`, e.g. `info` or `llm_host=debug,warn`.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a host of a configuration is reached. Known even when the rest of the file is wrong, so
/// that a host which goes on with the file before can be asked why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The admin socket.
    pub socket: PathBuf,
    /// The HTTP listener.
    pub listen: SocketAddr,
    /// The default model.
    pub model: Option<ModelRef>,
}

/// Where a configuration was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigSource {
    /// The file, absolute.
    pub path: PathBuf,
    /// Variables that overrode a key.
    pub overrides: Vec<String>,
    /// What is probably not meant so, for the log.
    pub warnings: Vec<String>,
    /// Where values stand that are checked against the plugins later, by key.
    pub(super) places: Arc<BTreeMap<String, Place>>,
}

impl Config {
    /// The provider that stands for a plugin nobody wrote a provider for: named as the plugin, no
    /// settings, a fresh instance for each call, the general limits. `None` when the plugin is
    /// the `plugin` of a written provider, or a written provider has taken its name.
    pub fn provider_for_plugin(&self, plugin: &str) -> Option<ProviderConfig> {
        let taken = self
            .providers
            .iter()
            .any(|(name, provider)| name == plugin || provider.plugin == plugin);
        (!taken).then(|| ProviderConfig {
            plugin: plugin.to_owned(),
            settings: serde_json::Map::new(),
            isolation: Isolation::Fresh,
            limits: self.limits.clone(),
            implicit: true,
        })
    }

    /// All providers there are with these plugins: the written ones and the implicit ones.
    pub fn providers_with<'p>(&self, plugins: impl IntoIterator<Item = &'p str>) -> BTreeMap<String, ProviderConfig> {
        let implicit = plugins
            .into_iter()
            .filter_map(|id| Some((id.to_owned(), self.provider_for_plugin(id)?)));
        self.providers.clone().into_iter().chain(implicit).collect()
    }
}

impl ModelRef {
    /// Reads `provider/model`.
    ///
    /// # Errors
    /// What is wrong with it, for the person who wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((provider, model))
                if !provider.is_empty() && !model.is_empty() && !text.contains(char::is_whitespace) =>
            {
                Ok(Self {
                    provider: provider.to_owned(),
                    model: model.to_owned(),
                })
            }
            _ => Err(format!("{text:?} is not of the form \"provider/model\"")),
        }
    }

    /// The model a pattern leads to when `asked` was asked for.
    pub fn fill(&self, asked: &str) -> Self {
        Self {
            provider: self.provider.clone(),
            model: self.model.replace("{model}", asked),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

macro_rules! as_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}
as_hex!(KeyHash, SignerKey);
