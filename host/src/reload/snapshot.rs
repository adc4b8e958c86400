//! What the host serves from: one immutable state of configuration and providers.
//!
//! In: what `prepare` found good. Out: the [`Snapshot`] that a request loads once and uses until
//! it is answered. Never: a change; a reload makes another one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;

use crate::auth::ClientKeys;
use crate::config::Config;
use crate::plugin::{Generation, LoadedPlugin};

/// Something in the plugins directory that could not be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the provider's place in the configuration.
    pub subject: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether an earlier version goes on serving in its place.
    pub kept_previous: bool,
}

/// Generations that no snapshot holds any more.
pub(super) type Retired = Vec<Arc<Generation>>;

/// One state of the host.
pub struct Snapshot {
    /// Counts up with every reload that changed something.
    pub number: u64,
    /// When it was made.
    pub made: SystemTime,
    /// The configuration.
    pub config: Arc<Config>,
    /// Who may call.
    pub clients: Arc<ClientKeys>,
    /// Plugins by file.
    pub plugins: BTreeMap<PathBuf, Arc<LoadedPlugin>>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<Generation>>,
    /// What could not be served.
    pub problems: Vec<Problem>,
    gone: Option<oneshot::Sender<Retired>>,
}

impl Snapshot {
    pub(super) fn new(
        number: u64,
        config: Arc<Config>,
        plugins: BTreeMap<PathBuf, Arc<LoadedPlugin>>,
        providers: BTreeMap<String, Arc<Generation>>,
        problems: Vec<Problem>,
    ) -> (Arc<Self>, oneshot::Receiver<Retired>) {
        let (gone, dropped) = oneshot::channel();
        let clients = Arc::new(ClientKeys::new(config.server.access, &config.keys));
        let made = SystemTime::now();
        for generation in providers.values() {
            generation.hold();
        }
        let snapshot = Self {
            number,
            made,
            config,
            clients,
            plugins,
            providers,
            problems,
            gone: Some(gone),
        };
        (Arc::new(snapshot), dropped)
    }
}

#[cfg(test)]
impl Snapshot {
    /// A configuration and nothing behind it.
    pub(crate) fn without_plugins(config: Config) -> Arc<Self> {
        Self::new(1, Arc::new(config), BTreeMap::new(), BTreeMap::new(), Vec::new()).0
    }
}

impl Drop for Snapshot {
    /// The last request that saw it has been answered. A snapshot between this one and the present
    /// may still be in use, so a generation retires with the last snapshot that holds it.
    fn drop(&mut self) {
        let retired = self.providers.values().filter(|generation| generation.release());
        let retired = retired.cloned().collect();
        if let Some(gone) = self.gone.take() {
            // Nobody waits when the host itself is stopping.
            let _ = gone.send(retired);
        }
    }
}
