//! Administration of the running host: what it is doing, and the order to reload.
//!
//! In: requests over the admin socket, or over HTTP with an admin key. Out: JSON. Never: a change
//! to the configuration or the vault, which are files; and nothing at all over HTTP unless the
//! configuration names admin keys.

mod status;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::auth::{bearer, matches_any};
use crate::ledger::Ledger;
use crate::reload::{Reloader, Trigger};

/// What admins see and steer.
#[derive(Clone)]
pub struct Watched {
    reloader: Arc<Reloader>,
    ledger: Arc<Ledger>,
}

impl Watched {
    /// Of one host.
    pub fn new(reloader: Arc<Reloader>, ledger: Arc<Ledger>) -> Self {
        Self { reloader, ledger }
    }
}

/// The routes, for callers who are admins.
pub fn routes(watched: Watched) -> Router {
    let status = |State(watched): State<Watched>| async move { Json(status::of(&watched)) };
    Router::new()
        .route("/admin/status", get(status))
        .route("/admin/reload", post(reload))
        .with_state(watched)
}

/// The routes behind an admin key.
pub fn guarded(watched: Watched) -> Router {
    let reloader = watched.reloader.clone();
    routes(watched).layer(from_fn_with_state(reloader, admin_key))
}

async fn reload(State(Watched { reloader, .. }): State<Watched>) -> Response {
    match reloader.reload(Trigger::Admin).await {
        Ok(number) => {
            let problems = status::problems(&reloader.snapshot());
            Json(json!({"ok": true, "generation": number, "problems": problems})).into_response()
        }
        Err(error) => (
            StatusCode::CONFLICT,
            Json(json!({"ok": false, "error": error.to_string()})),
        )
            .into_response(),
    }
}

async fn admin_key(State(reloader): State<Arc<Reloader>>, request: Request, next: Next) -> Response {
    let keys = &reloader.snapshot().config.admin.keys;
    let presented = bearer(request.headers());
    if presented.is_some_and(|key| matches_any(key, keys.iter().map(|key| &key.0))) {
        return next.run(request).await;
    }
    let message = if keys.is_empty() {
        "administration over HTTP is off; use the admin socket (`host status`, `host reload`) or set `admin.keys`"
    } else {
        "administration needs one of `admin.keys` as `Authorization: Bearer …`"
    };
    let body = json!({"error": {"message": message, "type": "authentication_error", "param": null, "code": null}});
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Bearer")],
        Json(body),
    )
        .into_response()
}
