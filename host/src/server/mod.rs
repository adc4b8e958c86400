//! The running host: its listeners, its signals, its end.
//!
//! In: a configuration and what opens the vault. Out: a service that runs until it is told to
//! stop, and then lets the answers it has begun come to their end. Never: the order of layers,
//! which is `pipeline`'s.

mod listen;
pub mod memory;
pub mod panics;
pub mod places;
mod probes;
mod signals;
pub mod span;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

pub use places::Places;

use crate::admin;
use crate::api::Front;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Env};
use crate::egress::client::{Client, ClientError, ClientOptions};
use crate::egress::credential::{Credentials, Identity, MemoryStore, VaultAccess, VaultKeeper};
use crate::egress::{self, Egress};
use crate::pipeline;
use crate::plugin::Engine;
use crate::reload::{self, Foundations, Reloader};

/// Why the host did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What it stands on could not be set up.
    #[error("{0}")]
    Start(String),
    /// The listener's address cannot be used.
    #[error("cannot listen on {address}: {error}; is another host running? `server.listen` names the address")]
    Listen {
        /// The address or path.
        address: String,
        /// What the operating system said.
        error: std::io::Error,
    },
}

/// Runs the host until SIGINT, SIGTERM or `stop`. `ready` is called once requests are taken.
///
/// # Errors
/// Why it could not start.
pub async fn run(
    config: Config,
    env: Env,
    vault: VaultAccess,
    stop: CancellationToken,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<(), RunError> {
    let config = Arc::new(config);
    let start = |error: &dyn std::fmt::Display| RunError::Start(error.to_string());
    let credentials = Arc::new(Credentials::new(MemoryStore::new()));
    let keeper = Arc::new(VaultKeeper::new(vault, credentials.clone()));
    keeper.commit(keeper.prepare().await.map_err(|error| start(&error))?, Duration::ZERO);
    let client = Arc::new(client_for(&config).map_err(|error| start(&error))?);
    let egress = egress_for(&config, &env, credentials, client.clone()).map_err(|error| start(&error))?;
    let engine = Engine::new(&config.plugins.cache_dir).map_err(|error| start(&error))?;
    let foundations = Foundations::new(Arc::new(engine), Arc::new(egress), client);
    let reloader = Reloader::start(config.clone(), env, foundations, keeper)
        .await
        .map_err(|error| start(&error))?;

    let listener = listen::tcp(config.server.listen).await?;
    let socket = listen::unix(&config.admin.socket)?;
    let address = listener.local_addr().map_err(|error| start(&error))?;
    let places = Places::new(config.server.max_concurrent_requests);
    let front = Front::new(pipeline::dispatch(), Arc::new(SystemClock));
    let public = Router::new()
        .merge(probes::routes(reloader.clone(), stop.clone()))
        .merge(admin::guarded(reloader.clone()))
        .fallback_service(pipeline::downstream(front.clone(), reloader.clone(), places.clone()));
    let private = Router::new()
        .merge(admin::routes(reloader.clone()))
        .fallback_service(pipeline::admin(front, reloader.clone()));

    let watching = tokio::spawn(reload::watch(reloader.clone(), stop.clone()));
    let signals = tokio::spawn(signals::follow(reloader.clone(), stop.clone()));
    let served = tokio::spawn(listen::serve(listener, public, stop.clone()));
    let administered = tokio::spawn(listen::serve_unix(socket, private, stop.clone()));
    ready(address);

    stop.cancelled().await;
    places.close();
    let patience = reloader.snapshot().config.server.drain_timeout;
    tracing::info!(
        in_flight = places.taken(),
        "stopping: no new requests, answers in progress come to their end"
    );
    if tokio::time::timeout(patience, served).await.is_err() {
        tracing::warn!("`server.drain_timeout` is over; the answers still in progress are cut off");
    }
    reloader.stop(Duration::from_secs(1)).await;
    for task in [signals, administered] {
        task.abort();
    }
    if let Ok(Err(error)) = watching.await {
        tracing::error!("files were not watched: {error}");
    }
    listen::remove(&config.admin.socket);
    Ok(())
}

fn client_for(config: &Config) -> Result<Client, String> {
    let limits = &config.egress;
    let options = ClientOptions {
        connect_timeout: limits.connect_timeout,
        extra_roots: listen::extra_roots(limits.extra_ca.as_deref())?,
        ..ClientOptions::default()
    };
    Client::new(options).map_err(|error| error.to_string())
}

fn egress_for(
    config: &Config,
    env: &Env,
    credentials: Arc<Credentials>,
    client: Arc<Client>,
) -> Result<Egress, ClientError> {
    let limits = &config.egress;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let identity = Arc::new(Identity::new(clock.clone(), env, &client)?);
    Ok(pipeline::egress(egress::Parts {
        metrics: Arc::default(),
        sink: Arc::new(egress::audit::TracingSink),
        timeouts: egress::timeout::Timeouts {
            first_byte: limits.first_byte_timeout,
            idle: limits.idle_timeout,
            total: limits.total_timeout,
        },
        credentials,
        identity,
        clock,
        client,
    }))
}
