//! What a host stands on before it serves: the vault, the way out, the engine.
//!
//! In: a configuration and what opens the vault. Out: the parts from which the first snapshot is
//! made, the same for a host that runs and for one that is only tried. Never: a listener, or a request.

use std::sync::Arc;
use std::time::Duration;

use super::{RunError, listen};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Env};
use crate::egress::audit::TracingSink;
use crate::egress::client::{Client, ClientOptions};
use crate::egress::credential::{Credentials, Identity, MemoryStore, Sealed, VaultAccess, VaultKeeper};
use crate::egress::service::Service;
use crate::egress::timeout::Timeouts;
use crate::egress::{Egress, Parts};
use crate::pipeline;
use crate::plugin::{Capacity, Engine};
use crate::reload::{Foundations, ReloadError, Reloader};

/// What a host stands on.
pub struct Ground {
    vault: Arc<VaultKeeper>,
    engine: Arc<Engine>,
    egress: Parts,
}

impl Ground {
    /// Opens the vault and sets up the way out and the engine.
    ///
    /// # Errors
    /// What of it could not be set up.
    pub async fn lay(config: &Config, env: &Env, vault: VaultAccess) -> Result<Self, RunError> {
        let failed = |error: &dyn std::fmt::Display| RunError::Start(error.to_string());
        let credentials = Arc::new(Credentials::new(MemoryStore::new()));
        let keeper = Arc::new(VaultKeeper::new(vault, credentials.clone()));
        let opened = keeper.prepare().await.map_err(|error| failed(&error))?;
        keeper.commit(opened, Duration::ZERO);
        let client = Arc::new(client(config).map_err(|error| failed(&error))?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = Identity::new(clock.clone(), env, &client).map_err(|error| failed(&error))?;
        let engine = Engine::with_capacity(&config.plugins.cache_dir, Capacity::of(config));
        let engine = engine.map_err(|error| failed(&error))?;
        let limits = &config.egress;
        Ok(Self {
            vault: keeper,
            engine: Arc::new(engine),
            egress: Parts {
                metrics: Arc::default(),
                sink: Arc::new(TracingSink),
                timeouts: Timeouts {
                    first_byte: limits.first_byte_timeout,
                    idle: limits.idle_timeout,
                    total: limits.total_timeout,
                },
                credentials,
                identity: Arc::new(identity),
                clock,
                client,
            },
        })
    }

    /// The vault as it was opened.
    pub fn vault(&self) -> &VaultKeeper {
        &self.vault
    }

    /// The client at the end of the way out.
    pub fn client(&self) -> Arc<Client> {
        self.egress.client.clone()
    }

    /// The way out with another end than the client.
    pub fn egress_to(&self, end: impl Service<Sealed>) -> Egress {
        pipeline::egress_to(self.egress.clone(), end)
    }

    /// Makes the first snapshot.
    ///
    /// # Errors
    /// As [`Reloader::start`].
    pub async fn start(&self, config: Arc<Config>, env: Env) -> Result<Arc<Reloader>, ReloadError> {
        let egress = Arc::new(pipeline::egress(self.egress.clone()));
        let foundations = Foundations::new(self.engine.clone(), egress, self.client());
        Reloader::start(config, env, foundations, self.vault.clone()).await
    }
}

fn client(config: &Config) -> Result<Client, String> {
    let limits = &config.egress;
    let options = ClientOptions {
        connect_timeout: limits.connect_timeout,
        extra_roots: listen::extra_roots(limits.extra_ca.as_deref())?,
        ..ClientOptions::default()
    };
    Client::new(options).map_err(|error| error.to_string())
}
