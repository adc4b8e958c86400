//! The front: HTTP in the dialects that callers speak.
//!
//! In: HTTP requests whose caller is known. Out: typed requests for the dispatch stack, and its
//! answers in the dialect that was asked. Never: the name of a provider, or a decision about who
//! answers.
//!
//! A dialect is a module with `routes()`: its addresses, a decoder that knows nothing of
//! providers, an encoder for whole answers and one for streams, and its form of an error. What
//! all of them share stands here: reading a body ([`body`], [`form`]), the event stream ([`sse`]), the
//! host's own headers ([`headers`]), the one table of errors ([`error`]).
//!
//! The layers around the router are put together in `pipeline.rs`. Two of them belong to the
//! front: [`arrival`] gives every request its id and deadline, and
//! [`auth::require`](crate::auth::require) says who is calling.

pub mod arrival;
mod body;
pub(crate) mod error;
mod form;
mod headers;
mod json;
mod native;
mod openai;
mod sse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;

use crate::clock::Clock;
use crate::dispatch::Dispatch;
use crate::error::GatewayError;

use self::error::Dialect;

/// What the handlers of every dialect need.
#[derive(Clone)]
pub struct Front {
    dispatch: Arc<dyn Dispatch>,
    clock: Arc<dyn Clock>,
}

impl Front {
    /// A front before a dispatch stack.
    pub fn new(dispatch: Arc<dyn Dispatch>, clock: Arc<dyn Clock>) -> Self {
        Self { dispatch, clock }
    }

    /// The time of day in seconds since 1970.
    fn now(&self) -> u64 {
        self.clock
            .now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

/// The addresses of every dialect. Each request must carry a
/// [`RequestContext`](crate::context::RequestContext) in its extensions.
pub fn router(front: Front) -> Router {
    Router::new()
        .merge(openai::routes())
        .merge(native::routes())
        .fallback(unknown_address)
        .method_not_allowed_fallback(wrong_method)
        .with_state(front)
}

async fn unknown_address(request: Request) -> Response {
    let path = request.uri().path();
    let error = GatewayError::RouteNotFound {
        message: nothing_at(path),
        wrong_method: false,
    };
    error::respond(&error, Dialect::of(path))
}

/// APIs for conversations that the host does not speak, though clients that speak several try them first.
const OTHER_CONVERSATIONS: [&str; 2] = ["/v1/messages", "/v1/responses"];

/// What to say of an address that leads nowhere: mostly the client's base URL is wrong, or it speaks
/// another API.
fn nothing_at(path: &str) -> String {
    let is = |api: &&str| {
        path.strip_prefix(*api)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if OTHER_CONVERSATIONS.iter().any(is) {
        return format!(
            "the host does not serve `{path}`: let the client ask by chat completions (`POST /v1/chat/completions`), \
             or by the provider's own API at `/providers/NAME{path}`"
        );
    }
    if path.starts_with("/v1/v1/") {
        return format!(
            "there is nothing at `{path}`; the client adds `/v1` by itself, so its base URL must not end in it"
        );
    }
    if path.starts_with("/v1/") {
        return format!(
            "there is nothing at `{path}`; what only one provider has is at its own API, `/providers/NAME{path}`"
        );
    }
    format!("there is nothing at `{path}`; a client's base URL must end in `/v1`, e.g. `http://127.0.0.1:8080/v1`")
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let error = GatewayError::RouteNotFound {
        message: format!(
            "`{path}` does not answer {}; the `allow` header says what it does",
            request.method()
        ),
        wrong_method: true,
    };
    error::respond(&error, Dialect::of(path))
}
