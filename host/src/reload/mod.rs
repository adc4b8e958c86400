//! Takes up changes while the host serves: prepare, commit, drain.
//!
//! In: a reason to look (a file changed, SIGHUP, an admin asked). Out: the next [`Snapshot`],
//! swapped in at once, and the one before it drained. Never: a state that some requests see half;
//! a reload that fails changes nothing and says why.

mod prepare;
mod snapshot;
mod watcher;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

pub use prepare::Foundations;
pub use snapshot::{Problem, Snapshot};
pub use watcher::watch;

use self::snapshot::Retired;
use crate::config::{Config, ConfigErrors, Env};
use crate::egress::credential::VaultKeeper;
use crate::plugin::Generation;

/// Why nothing was taken up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(ConfigErrors),
    /// The configuration changes what only a start can change.
    #[error("{0}")]
    NeedsRestart(String),
    /// The settings of a provider do not fit its plugin.
    #[error("{0}")]
    Settings(String),
    /// The plugins directory cannot be read.
    #[error("{0}")]
    Plugins(String),
    /// The vault cannot be opened.
    #[error("{0}")]
    Vault(String),
    /// The host is stopping.
    #[error("the host is shutting down")]
    Stopped,
}

impl ReloadError {
    /// Whether what the configuration says is the reason.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_) | Self::NeedsRestart(_) | Self::Settings(_) => true,
            Self::Plugins(_) | Self::Vault(_) | Self::Stopped => false,
        }
    }
}

/// What set off a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The host is starting.
    Start,
    /// A file changed.
    Files,
    /// SIGHUP.
    Signal,
    /// An admin asked.
    Admin,
}

/// How the last reload went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub trigger: Trigger,
    /// The snapshot's number, or why there is no new one.
    pub result: Result<u64, ReloadError>,
}

/// Holds the present snapshot and makes the next.
pub struct Reloader {
    current: ArcSwap<Snapshot>,
    foundations: Foundations,
    vault: Arc<VaultKeeper>,
    config_path: PathBuf,
    env: Env,
    started: SystemTime,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Outcome>,
    /// Generations that were replaced; those that are still in memory can be seen.
    replaced: Mutex<Vec<Weak<Generation>>>,
    drains: TaskTracker,
}

impl Reloader {
    /// Makes the first snapshot.
    ///
    /// # Errors
    /// When the configuration, the vault or the plugins directory cannot be used at all. A plugin
    /// that cannot be used is a [`Problem`] of the snapshot.
    pub async fn start(
        config: Arc<Config>,
        env: Env,
        foundations: Foundations,
        vault: Arc<VaultKeeper>,
    ) -> Result<Arc<Self>, ReloadError> {
        let prepared = prepare::prepare(&foundations, config.clone(), None).await?;
        report(&prepared.snapshot);
        let last = Outcome {
            at: SystemTime::now(),
            trigger: Trigger::Start,
            result: Ok(prepared.snapshot.number),
        };
        let reloader = Arc::new(Self {
            current: ArcSwap::new(prepared.snapshot.clone()),
            foundations,
            vault,
            config_path: config.source.path.clone(),
            env,
            started: SystemTime::now(),
            turn: tokio::sync::Mutex::new(()),
            last: Mutex::new(last),
            replaced: Mutex::default(),
            drains: TaskTracker::new(),
        });
        reloader.drain_when_dropped(prepared.dropped);
        Ok(reloader)
    }

    /// The snapshot that new requests are served from.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Generations that were replaced and still have calls to finish, oldest first.
    pub fn replaced(&self) -> Vec<Arc<Generation>> {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|generation| generation.strong_count() > 0);
        replaced.iter().filter_map(Weak::upgrade).collect()
    }

    /// When the host started.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// How the last reload went.
    pub fn last(&self) -> Outcome {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The vault as it is served from.
    pub fn vault(&self) -> &VaultKeeper {
        &self.vault
    }

    /// Looks at configuration, vault and plugins, and takes up what changed.
    ///
    /// # Errors
    /// Why nothing was taken up; the snapshot before goes on serving.
    pub async fn reload(self: &Arc<Self>, trigger: Trigger) -> Result<u64, ReloadError> {
        let _turn = self.turn.lock().await;
        let result = self.take_up().await;
        match &result {
            Ok(number) => tracing::info!(?trigger, snapshot = number, "reloaded"),
            Err(error) => tracing::error!(
                ?trigger,
                "nothing was reloaded, the state before goes on serving: {error}"
            ),
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Outcome {
            at: SystemTime::now(),
            trigger,
            result: result.clone(),
        };
        result
    }

    async fn take_up(self: &Arc<Self>) -> Result<u64, ReloadError> {
        let present = self.snapshot();
        // The vault comes first and by itself: a revocation counts at once, whatever else is wrong,
        // and whether a plugin's new bytes may serve is for the newest grants to say.
        let vault = self
            .vault
            .prepare()
            .await
            .map_err(|error| ReloadError::Vault(error.to_string()))?;
        self.vault.commit(vault, present.config.server.drain_timeout);
        let config = Config::load(&self.config_path, &self.env).map_err(ReloadError::Config)?;
        refuse_fixed(&present.config, &config)?;
        let prepared = prepare::prepare(&self.foundations, Arc::new(config), Some(&present)).await?;
        // Nothing below can fail.
        if !prepared.changed {
            return Ok(present.number);
        }
        report(&prepared.snapshot);
        self.note_replaced(&present, &prepared.snapshot);
        self.current.store(prepared.snapshot.clone());
        self.foundations
            .client
            .retain(|provider| prepared.snapshot.providers.contains_key(provider));
        self.drain_when_dropped(prepared.dropped);
        Ok(prepared.snapshot.number)
    }

    fn note_replaced(&self, present: &Snapshot, next: &Snapshot) {
        let kept = |generation: &Arc<Generation>| {
            let serving = next.providers.get(&*generation.provider);
            serving.is_some_and(|serving| Arc::ptr_eq(serving, generation))
        };
        let gone = present.providers.values().filter(|generation| !kept(generation));
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|generation| generation.strong_count() > 0);
        replaced.extend(gone.map(Arc::downgrade));
    }

    /// Drains the generations that retire with a snapshot, once nobody uses it any more.
    fn drain_when_dropped(self: &Arc<Self>, dropped: tokio::sync::oneshot::Receiver<Retired>) {
        let reloader = Arc::downgrade(self);
        self.drains.spawn(async move {
            let Ok(retired) = dropped.await else { return };
            let Some(reloader) = reloader.upgrade() else { return };
            let patience = reloader.snapshot().config.server.drain_timeout;
            for generation in retired {
                reloader.drains.spawn(generation.drain(patience));
            }
        });
    }

    /// Ends every generation; the listener takes no requests any more.
    pub async fn stop(self: &Arc<Self>, patience: Duration) {
        let snapshot = self.snapshot();
        let drains = snapshot
            .providers
            .values()
            .map(|generation| generation.clone().drain(patience));
        futures::future::join_all(drains).await;
        self.drains.close();
    }
}

/// What a listener, an engine or a client is made from cannot change under it.
fn refuse_fixed(present: &Config, next: &Config) -> Result<(), ReloadError> {
    let fixed = [
        ("server.listen", present.server.listen != next.server.listen),
        ("state_dir", present.state_dir != next.state_dir),
        ("admin.socket", present.admin.socket != next.admin.socket),
        ("plugins.cache_dir", present.plugins.cache_dir != next.plugins.cache_dir),
        ("plugins.dir", present.plugins.dir != next.plugins.dir),
        ("vault", present.vault != next.vault),
        ("egress", present.egress != next.egress),
        ("log", present.log != next.log),
    ];
    let changed: Vec<String> = fixed
        .iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| format!("`{key}`"))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(ReloadError::NeedsRestart(format!(
        "{} can only change when the host is started again",
        changed.join(", ")
    )))
}

fn report(snapshot: &Snapshot) {
    for Problem {
        subject,
        message,
        kept_previous,
    } in &snapshot.problems
    {
        // A plugin that was only put there, and needs settings before it can serve, is no fault of anybody's.
        let nobodys = |name: &str| !*kept_previous && !snapshot.config.providers.contains_key(name);
        if subject.strip_prefix("providers.").is_some_and(nobodys) {
            tracing::warn!(subject, "{message}");
        } else {
            tracing::error!(subject, kept_previous, "{message}");
        }
    }
    let providers: Vec<_> = snapshot.providers.keys().map(String::as_str).collect();
    tracing::info!(snapshot = snapshot.number, providers = providers.join(" "), "serving");
}
