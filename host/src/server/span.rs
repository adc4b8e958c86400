//! One span and one log line for every request.
//!
//! In: a request with its context. Out: the same, with everything logged below it marked by its
//! id. Never: a query, a header or a body in the log.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::context::RequestContext;

/// The layer, for [`axum::middleware::from_fn`].
pub async fn in_span(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request
        .extensions()
        .get::<RequestContext>()
        .map(|context| context.id.clone());
    let id = id.as_ref().map_or("", |id| id.as_str());
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    async move {
        let response = next.run(request).await;
        let head_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(target: "access", status = response.status().as_u16(), head_us, "answered");
        response
    }
    .instrument(span)
    .await
}
