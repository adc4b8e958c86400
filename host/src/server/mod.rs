//! The running host: its listeners, its signals, its end.
//!
//! In: a configuration and what opens the vault. Out: a service that runs until it is told to
//! stop, and then lets the answers it has begun come to their end. Never: the order of layers,
//! which is `pipeline`'s.

mod connections;
mod ground;
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

pub use ground::Ground;
pub use places::Places;

use crate::admin;
use crate::api::Front;
use crate::clock::SystemClock;
use crate::config::{Config, Env};
use crate::egress::credential::VaultAccess;
use crate::ledger::Ledger;
use crate::pipeline;
use crate::reload;

/// Why the host did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What it stands on could not be set up.
    #[error("{0}")]
    Start(String),
    /// The listener's address cannot be used.
    #[error(
        "cannot listen on {address}: {error}; is another host running? `server.listen` and LLM_HOST_SERVER_LISTEN name \
         the address"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The admin socket cannot be made.
    #[error("cannot make the admin socket {path}: {error}; `admin.socket` names it")]
    Socket {
        /// Where.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Another host answers at the admin socket.
    #[error("another host runs with this `state_dir`: it answers at {path}; end it first, or give this one its own")]
    Twin {
        /// The socket.
        path: String,
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
    let hang_ups = signals::hang_ups().map_err(|error| start(&error))?;
    let ground = Ground::lay(&config, &env, vault).await?;
    let reloader = ground.start(config.clone(), env).await.map_err(|error| start(&error))?;

    let listener = listen::tcp(config.server.listen).await?;
    let socket = listen::unix(&config.admin.socket)?;
    let address = listener.local_addr().map_err(|error| start(&error))?;
    let places = Places::new(config.server.max_concurrent_requests);
    let ledger = Arc::new(Ledger::default());
    let front = Front::new(pipeline::dispatch(ledger.clone()), Arc::new(SystemClock));
    let watched = admin::Watched::new(reloader.clone(), ledger);
    let public = Router::new()
        .merge(probes::routes(reloader.clone(), stop.clone()))
        .merge(admin::guarded(watched.clone()))
        .fallback_service(pipeline::downstream(front.clone(), reloader.clone(), places.clone()));
    let private = Router::new()
        .merge(admin::routes(watched))
        .fallback_service(pipeline::admin(front, reloader.clone()));

    let watching = tokio::spawn(reload::watch(reloader.clone(), stop.clone()));
    let signals = tokio::spawn(signals::follow(hang_ups, reloader.clone(), stop.clone()));
    let served = tokio::spawn(connections::serve(listener, public, stop.clone()));
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
