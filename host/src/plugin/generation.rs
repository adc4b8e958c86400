//! One provider as it runs: a plugin, its settings, its limits, and the calls in flight.
//!
//! In: a [`LoadedPlugin`] and a provider's configuration. Out: answers to calls, each in an
//! instance chosen by the isolation that is configured. Never: a change after it was made; new
//! bytes or settings make a new generation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::component::LoadedPlugin;
use super::engine::Engine;
use super::error::LoadError;
use super::health::{Health, HealthReport};
use super::instance::Pool;
use super::shared::SharedInstance;
use super::state::Identity;
use crate::config::{Isolation, ProviderConfig};
use crate::egress::{Egress, Holder};

/// One provider as it runs.
pub struct Generation {
    /// Counts up over the life of the host.
    pub id: u64,
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The plugin.
    pub plugin: Arc<LoadedPlugin>,
    /// How it was configured.
    pub config: ProviderConfig,
    pub(super) engine: Arc<Engine>,
    pub(super) identity: Arc<Identity>,
    pub(super) health: Health,
    pub(super) pool: Pool,
    pub(super) shared: SharedInstance,
    /// Snapshots that serve from it.
    held: AtomicUsize,
    in_flight: AtomicUsize,
    idle: Notify,
    retired: AtomicBool,
    /// Tasks that own a store.
    pub(super) tasks: TaskTracker,
    /// Ends the tasks of a generation whose time to drain is over.
    pub(super) stop: CancellationToken,
}

impl Generation {
    /// Makes a generation and checks that the settings fit the plugin.
    ///
    /// # Errors
    /// [`LoadError::Settings`] when they do not.
    pub async fn prepare(
        id: u64,
        provider: &str,
        plugin: Arc<LoadedPlugin>,
        config: ProviderConfig,
        engine: Arc<Engine>,
        egress: Arc<Egress>,
    ) -> Result<Arc<Self>, LoadError> {
        let unfit = |message: String| LoadError::Settings {
            provider: provider.to_owned(),
            plugin: plugin.manifest.id.clone(),
            message,
        };
        let manifest = plugin.manifest.clone();
        manifest.check_settings(&config.settings).map_err(unfit)?;
        let origins = manifest.origins(&config.settings).map_err(unfit)?;
        let settings = serde_json::Value::Object(config.settings.clone()).to_string();
        let identity = |egress| {
            Arc::new(Identity {
                holder: Arc::new(Holder {
                    plugin: manifest.id.as_str().into(),
                    provider: provider.into(),
                    digest: plugin.digest,
                    signer: plugin.signer,
                }),
                generation: id,
                manifest: manifest.clone(),
                origins: origins.clone().into(),
                settings: settings.clone(),
                egress,
            })
        };
        plugin
            .check_config(&engine, identity(None), &config.limits)
            .await
            .map_err(unfit)?;
        let identity = identity(Some(egress));
        Ok(Arc::new(Self {
            id,
            provider: provider.into(),
            pool: Pool::new(config.isolation),
            shared: SharedInstance::default(),
            plugin,
            config,
            engine,
            identity,
            health: Health::default(),
            held: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            retired: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Whether this generation is what the same plugin and configuration would make again.
    pub fn is_for(&self, plugin: &LoadedPlugin, config: &ProviderConfig) -> bool {
        self.plugin.digest == plugin.digest && self.plugin.signer == plugin.signer && self.config == *config
    }

    /// A snapshot serves from it.
    pub fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
    }

    /// A snapshot that held it has gone. True for the last one: no new call can come any more.
    pub fn release(&self) -> bool {
        self.held.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether it no longer takes calls of new requests.
    pub fn retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// As whom it asks for credentials and for the way out.
    pub fn holder(&self) -> &Holder {
        &self.identity.holder
    }

    /// How it fares.
    pub fn health(&self) -> HealthReport {
        self.health.report(Instant::now())
    }

    /// How calls share instances.
    pub fn isolation(&self) -> Isolation {
        self.config.isolation
    }

    /// Lets the calls in flight end, and ends those that take longer than `patience`. The caller
    /// makes sure that no new call can come: every snapshot that has this generation is gone.
    pub async fn drain(self: Arc<Self>, patience: Duration) {
        self.retired.store(true, Ordering::SeqCst);
        self.pool.clear();
        let idle = async {
            loop {
                let notified = self.idle.notified();
                if self.in_flight() == 0 {
                    return;
                }
                notified.await;
            }
        };
        if tokio::time::timeout(patience, idle).await.is_err() {
            tracing::warn!(provider = %self.provider, generation = self.id, in_flight = self.in_flight(),
                "the time to drain is over; the calls still running are ended");
        }
        self.stop.cancel();
        self.shared.close();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Counts a call for as long as the guard lives.
    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }
}

/// Counts one call in flight.
pub(super) struct InFlight(Arc<Generation>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
