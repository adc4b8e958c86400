//! Who is calling.
//!
//! In: a request's headers. Out: a [`Principal`] in its context, and a request without the key:
//! nothing behind this layer can log it or hand it to a plugin. Never: the key itself in memory
//! longer than it takes to hash it, in a log, or in an error.

mod keys;
mod local;
mod models;

pub use keys::{ClientKeys, matches_any};
pub use models::{allows, require_model, require_provider};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::api::error::{Dialect, respond};
use crate::context::RequestContext;
use crate::error::GatewayError;

/// Anthropic's clients send their key here.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Azure's clients send their key here.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// The layer, for [`axum::middleware::from_fn`]. It stands behind
/// [`arrival`](crate::api::arrival) and before the router.
pub async fn require(mut request: Request, next: Next) -> Response {
    let presented = presented(request.headers());
    let principal = match request.extensions().get::<RequestContext>() {
        Some(context) => context.snapshot.clients.authenticate(presented),
        None => Err(GatewayError::Internal {
            message: "the request has no context".to_owned(),
        }),
    };
    let principal = principal.and_then(|principal| local::require(&request, principal));
    let principal = match principal {
        Ok(principal) => principal,
        Err(error) => return respond(&error, Dialect::of(request.uri().path())),
    };
    for name in [AUTHORIZATION, X_API_KEY, API_KEY] {
        request.headers_mut().remove(name);
    }
    if let Some(context) = request.extensions_mut().get_mut::<RequestContext>() {
        context.principal = principal;
    }
    next.run(request).await
}

/// The key that the caller sent: as a bearer token, or in one of the headers that other clients
/// use. Where several are sent the first counts; what is wrong there is not made right elsewhere.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if headers.contains_key(AUTHORIZATION) {
        return bearer(headers);
    }
    [X_API_KEY, API_KEY]
        .iter()
        .find_map(|name| headers.get(name))
        .map(|value| value.as_bytes().trim_ascii())
}

/// The bearer token of a request (RFC 6750 §2.1), when it has one that is not empty.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_key_is_found_where_clients_put_it() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: &[(Headers, Option<&str>)] = &[
            (&[], None),
            (&[("authorization", "Bearer k1")], Some("k1")),
            (&[("authorization", "bearer  k1 ")], Some("k1")),
            (&[("authorization", "Basic k1")], None),
            (&[("authorization", "Bearer ")], None),
            (&[("authorization", "k1")], None),
            (&[("x-api-key", "k2")], Some("k2")),
            (&[("api-key", "k3")], Some("k3")),
            (&[("authorization", "Bearer k1"), ("x-api-key", "k2")], Some("k1")),
            (&[("authorization", "Basic k1"), ("x-api-key", "k2")], None),
        ];
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(presented(&map), expected.map(str::as_bytes), "{headers:?}");
        }
    }
}
