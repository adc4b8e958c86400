//! `/providers/{name}/…`: a provider's own API behind the host's credentials.
//!
//! In: any request below a provider's prefix. Out: the provider's answer, status, headers and body
//! as they come. Never: a look into a body; the caller's key, cookies or connection headers on the
//! way out; on the way back a header that speaks for another origin than the host's.

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use super::error::{Dialect, respond};
use super::{Front, body, headers};
use crate::auth;
use crate::context::RequestContext;
use crate::dispatch::{NativeAnswer, NativeRequest, NativeResponse, RequestHead};
use crate::egress::headers::{always_owned, authenticates};
use crate::error::GatewayError;
use crate::plain;

/// The addresses.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/providers/{provider}/{*path}", any(call))
}

async fn call(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    Path((provider, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let outcome = answer(&front, &context, &provider, request).await;
    outcome.unwrap_or_else(|error| {
        let told = error.to_string();
        tracing::info!(request = %context.id, fault = ?error.fault(), error = %plain::brief(&told), "a native call failed");
        respond(&error, dialect)
    })
}

async fn answer(
    front: &Front,
    context: &RequestContext,
    provider: &str,
    request: Request,
) -> Result<Response, GatewayError> {
    auth::require_provider(&context.principal, provider)?;
    refuse_preflight(&request)?;
    let head = head(&request);
    let body = body::any(request, context, context.snapshot.config.server.max_body).await?;
    let request = NativeRequest { head, body };
    let NativeResponse { target, answer } = front.dispatch.native(context, provider, request).await?;
    let mut response = response(answer);
    headers::set_answer(response.headers_mut(), &target, &[]);
    Ok(response)
}

/// A browser asks whether a page of another origin may call. The provider's answer would speak for
/// this host, so it is not asked.
fn refuse_preflight(request: &Request) -> Result<(), GatewayError> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return Ok(());
    }
    Err(GatewayError::Forbidden {
        message: "pages of other origins may not call the host".to_owned(),
        param: None,
    })
}

/// The head as the plugin gets it.
fn head(request: &Request) -> RequestHead {
    let uri = request.uri();
    // As it came, so that an encoded `/` in a name stays one: the router's own view is decoded.
    let below = uri.path().splitn(4, '/').nth(3).unwrap_or_default();
    RequestHead {
        method: request.method().to_string(),
        path: format!("/{below}"),
        query: uri.query().map(str::to_owned),
        headers: forwarded(request.headers()),
    }
}

/// The caller's headers without those of the connection, of the way here, and of authentication.
fn forwarded(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let listed = listed(headers);
    let passes = |name: &HeaderName| {
        !always_owned(name)
            && !authenticates(name)
            && !listed.iter().any(|listed| name == listed.as_str())
            // A compressed answer could not be searched for secrets; the host asks for none.
            && name != ACCEPT_ENCODING
    };
    headers
        .iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// Headers that `connection` says concern only the connection (RFC 9110, 7.6.1).
fn listed(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

fn response(answer: NativeAnswer) -> Response {
    let mut response = Response::new(Body::from_stream(answer.body));
    // The egress gives none but 200 to 599.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let Some((name, value)) = returned(&name, value) {
            headers.append(name, value);
        }
    }
    response
}

/// A header as it goes back, if it does.
fn returned(name: &str, value: Bytes) -> Option<(HeaderName, HeaderValue)> {
    /// What a provider says of its own origin.
    const OF_ORIGIN: [&str; 6] = [
        "alt-svc",
        "clear-site-data",
        "nel",
        "report-to",
        "reporting-endpoints",
        "strict-transport-security",
    ];
    let foreign = OF_ORIGIN.contains(&name) || name.starts_with("access-control-") || name.starts_with("x-llm-host-");
    if foreign {
        return None;
    }
    let name = match HeaderName::from_bytes(name.as_bytes()).ok()? {
        // The host's own id of the request stands there.
        name if name == headers::REQUEST_ID => headers::PROVIDER_REQUEST_ID,
        name => name,
    };
    Some((name, HeaderValue::from_maybe_shared(value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_head_is_given_as_it_came() {
        for (uri, path, query) in [
            ("/providers/a/v1/x", "/v1/x", None),
            ("/providers/a/v1/b%2Fc:d?x=%20&y", "/v1/b%2Fc:d", Some("x=%20&y")),
            ("/providers/a//", "//", None),
        ] {
            let head = head(&request(uri, &[]));
            assert_eq!((head.path.as_str(), head.query.as_deref()), (path, query), "{uri}");
            assert_eq!(head.method, "POST");
        }
    }

    #[test]
    fn headers_of_the_way_here_stay_here() {
        let head = head(&request(
            "/providers/a/x",
            &[
                ("authorization", "Bearer caller"),
                ("x-api-key", "caller"),
                ("x-goog-api-key", "caller"),
                ("x-amz-date", "now"),
                ("cookie", "a=b"),
                ("host", "gateway"),
                ("content-length", "0"),
                ("connection", "keep-alive, X-Hop"),
                ("x-hop", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("x-forwarded-for", "10.0.0.1"),
                ("proxy-authorization", "Basic x"),
                ("accept-encoding", "gzip"),
                ("content-type", "application/json"),
                ("anthropic-version", "2023-06-01"),
                ("x-stainless-lang", "python"),
            ],
        ));
        let names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "anthropic-version", "x-stainless-lang"]);
    }

    #[test]
    fn a_provider_speaks_for_itself_alone() {
        for (name, expected) in [
            ("content-type", Some("content-type")),
            ("x-ratelimit-remaining", Some("x-ratelimit-remaining")),
            ("request-id", Some("request-id")),
            ("x-request-id", Some("x-llm-host-provider-request-id")),
            ("access-control-allow-origin", None),
            ("strict-transport-security", None),
            ("alt-svc", None),
            ("x-llm-host-provider", None),
        ] {
            let got = returned(name, Bytes::from_static(b"v")).map(|(name, _)| name.to_string());
            assert_eq!(got.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_preflight_is_not_for_the_provider() {
        let mut asked = request("/providers/a/x", &[("access-control-request-method", "POST")]);
        assert!(refuse_preflight(&asked).is_ok(), "only OPTIONS is one");
        *asked.method_mut() = Method::OPTIONS;
        assert!(refuse_preflight(&asked).is_err());
    }
}
