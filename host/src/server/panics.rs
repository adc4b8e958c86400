//! A panic in one request ends that request alone.
//!
//! In: a request. Out: its answer, or an internal error in the caller's dialect. Never: the
//! panic's text in the answer; it is in the log.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;

use crate::api::error::{Dialect, respond};
use crate::error::GatewayError;

/// The layer, for [`axum::middleware::from_fn`].
pub async fn caught(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            let message = "the host failed at this request; the log says where".to_owned();
            respond(&GatewayError::Internal { message }, dialect)
        }
    }
}
