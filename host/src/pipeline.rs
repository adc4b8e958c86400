//! The one place that orders layers. Read from top to bottom it is the path of a request.
//!
//! In: what the layers are made of. Out: the three stacks. Never: what a layer does; that stands
//! in the layer's own module.
//!
//! | stack | carries | layers, outermost first |
//! |---|---|---|
//! | [`downstream`] | HTTP | arrival (id, snapshot, deadline) → span → catch-panic → concurrency limit → auth → router |
//! | [`dispatch`] | [`LlmRequest`](crate::dispatch::LlmRequest) | settle (ledger) → plugin (leaf) |
//! | [`egress`] | [`EgressRequest`](crate::egress::EgressRequest) | metrics → denial log → time-outs → allow-list → header hygiene → leak scan → credential → client |
//!
//! The body's limit is the router's, because only the handler knows when it reads the body.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceBuilder;

use crate::api::{self, Front};
use crate::auth;
use crate::clock::Clock;
use crate::dispatch::Dispatch;
use crate::egress::credential::Sealed;
use crate::egress::service::Service;
use crate::egress::{self, Egress};
use crate::ledger::{Ledger, Settle};
use crate::reload::Reloader;
use crate::routing::AskPlugin;
use crate::server::{self, Places};

/// What every HTTP request passes. The order is that of the request's way in.
pub fn downstream(front: Front, reloader: Arc<Reloader>, places: Places) -> Router {
    let layers = ServiceBuilder::new()
        // First, so that every answer has an id and everything below sees one snapshot.
        .layer(from_fn_with_state(arrivals(reloader), api::arrival::arrive))
        // The span is made before anything can fail.
        .layer(from_fn(server::span::in_span))
        // A panic in one request becomes an answer in the caller's dialect, and its place is freed.
        .layer(from_fn(server::panics::caught))
        // Before a key is looked at, so that a flood of bad keys is bounded too.
        .layer(from_fn_with_state(places, server::places::take))
        // Nothing behind this sees the caller's key.
        .layer(from_fn(auth::require));
    api::router(front).layer(layers)
}

/// What the requests of the admin socket pass: whoever can open it needs no key, and is not turned
/// away when the host is full.
pub fn admin(front: Front, reloader: Arc<Reloader>) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(arrivals(reloader), api::arrival::arrive))
        .layer(from_fn(server::span::in_span))
        .layer(from_fn(server::panics::caught));
    api::router(front).layer(layers)
}

fn arrivals(reloader: Arc<Reloader>) -> api::arrival::Arrivals {
    api::arrival::Arrivals::new(move || reloader.snapshot())
}

/// What every typed request passes.
pub fn dispatch(ledger: Arc<Ledger>) -> Arc<dyn Dispatch> {
    Arc::new(Settle::new(AskPlugin::default(), ledger))
}

/// What every request of a plugin passes on its way to a provider.
pub fn egress(parts: egress::Parts) -> Egress {
    let client = parts.client.clone();
    egress_to(parts, client)
}

/// The same with another end than the client, for what is tried and not sent. The types between the last
/// five layers allow no other order of them; the credential is the innermost, so that no layer
/// which could log it ever sees it.
pub fn egress_to(parts: egress::Parts, end: impl Service<Sealed>) -> Egress {
    let egress::Parts {
        metrics,
        sink,
        timeouts,
        credentials,
        identity,
        clock,
        client: _,
    } = parts;
    let clock: Arc<dyn Clock> = clock;
    let stack = ServiceBuilder::new()
        .layer(egress::metrics::Count::new(metrics))
        .layer(egress::audit::DenialLog::new(sink.clone()))
        .layer(timeouts)
        .layer(egress::permit::AllowList::new(
            credentials.clone(),
            identity,
            clock.clone(),
        ))
        .layer(egress::headers::HeaderHygiene)
        .layer(egress::leak::LeakScan)
        .layer(egress::credential::AttachCredential::new(sink))
        .service(end);
    Egress::new(stack, credentials, clock)
}
