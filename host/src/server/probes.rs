//! Whether the host lives and whether it takes requests, for whoever runs it.
//!
//! In: nothing. Out: `/healthz` and `/readyz`, without a key and outside every limit. Never: a
//! detail; those are in `host status`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::reload::Reloader;

pub(super) fn routes(reloader: Arc<Reloader>, stop: CancellationToken) -> Router {
    let ready = move || async move {
        if stop.is_cancelled() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        } else if reloader.snapshot().providers.is_empty() {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "no provider can be served; see `host status`\n",
            )
        } else {
            (StatusCode::OK, "ready\n")
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}
