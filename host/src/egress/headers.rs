//! Which headers a plugin may set, and which of the answer's it gets.
//!
//! In: a permitted request with headers as the plugin wrote them; later the answer. Out: the same
//! with checked headers; the answer without those that concern only the connection, set cookies
//! or repeat authentication. Never: a header dropped silently on the way out. A header that is
//! not the plugin's to set makes the request fail, so that its author learns of it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tower::Layer;

use super::UpstreamResponse;
use super::error::{EgressError, HeaderFault, Rule};
use super::permit::Permitted;
use super::service::Service;

/// Most headers of a request.
pub const MAX_HEADERS: usize = 128;
/// Most bytes of a request's header names and values together.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What is sent when the plugin does not say who it is.
pub const USER_AGENT: &str = concat!("llm-host/", env!("CARGO_PKG_VERSION"));

/// A permitted request whose headers are checked. Holds no secret.
pub struct Clean {
    /// The request, its raw headers taken out.
    pub permitted: Permitted,
    /// Its headers.
    pub headers: HeaderMap,
}

/// The layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeaderHygiene;

impl<S> Layer<S> for HeaderHygiene {
    type Service = HygienicHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HygienicHeaders { inner }
    }
}

/// The layer around what it calls.
#[derive(Debug)]
pub struct HygienicHeaders<S> {
    inner: S,
}

impl<S: Service<Clean>> Service<Permitted> for HygienicHeaders<S> {
    async fn call(&self, mut permitted: Permitted) -> Result<UpstreamResponse, EgressError> {
        let raw = std::mem::take(&mut permitted.request.headers);
        let attached = permitted
            .credential
            .as_ref()
            .map(|credential| credential.attach.header());
        // What lets a credential through is not there for an identity of the plugin's own.
        let of_slot = permitted.grant.slot.is_some().then_some(None);
        let headers = check_request(raw, attached.or(of_slot))?;
        let attached = attached.flatten().cloned();
        let mut response = self.inner.call(Clean { permitted, headers }).await?;
        strip_response(&mut response.headers, attached.as_ref());
        Ok(response)
    }
}

/// Headers that are the host's whatever the request: those of the connection, of the routing in
/// front of a provider, and cookies, which the host does not keep.
pub fn always_owned(name: &HeaderName) -> bool {
    const OWNED: [&str; 20] = [
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-host",
        "x-method-override",
        "x-original-host",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
    ];
    const OWNED_PREFIXES: [&str; 3] = ["proxy-", "x-forwarded-", "x-http-method"];
    let name = &*dashed(name);
    OWNED.contains(&name) || OWNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The name as many servers read it: CGI and what came after it tell `_` and `-` not apart.
fn dashed(name: &HeaderName) -> Cow<'_, str> {
    match name.as_str() {
        name if name.contains('_') => name.replace('_', "-").into(),
        name => name.into(),
    }
}

/// Headers with which some provider authenticates, and so the host's as soon as a credential is
/// attached: a plugin could otherwise add an identity of its own beside the credential's.
pub fn authenticates(name: &HeaderName) -> bool {
    const AUTHENTICATION: [&str; 14] = [
        "api-key",
        "apikey",
        "authorization",
        "dpop",
        "ocp-apim-subscription-key",
        "x-access-token",
        "x-auth-key",
        "x-api-key",
        "x-auth-token",
        "x-functions-key",
        "x-goog-api-key",
        "x-goog-iam-authorization-token",
        "x-token",
        "xi-api-key",
    ];
    let name = &*dashed(name);
    // Signature version 4 puts its date, body hash and session token under `x-amz-`.
    AUTHENTICATION.contains(&name) || name.starts_with("x-amz-")
}

/// Checks the plugin's headers. `attached` is `Some` when a credential will or could be attached,
/// with the header that it goes into where that is known.
fn check_request(raw: Vec<(String, Vec<u8>)>, attached: Option<Option<&HeaderName>>) -> Result<HeaderMap, EgressError> {
    let refused = |fault| EgressError::from(Rule::Header(fault));
    let bytes: usize = raw.iter().map(|(name, value)| name.len() + value.len()).sum();
    if raw.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(refused(HeaderFault::TooLarge));
    }
    let mut headers = HeaderMap::with_capacity(raw.len() + 2);
    for (name, value) in raw {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(HeaderFault::Name))?;
        if always_owned(&name) {
            return Err(refused(HeaderFault::Owned(name.as_str().to_owned())));
        }
        let is = |own: &HeaderName| dashed(own) == dashed(&name);
        if attached.is_some_and(|attached| authenticates(&name) || attached.is_some_and(is)) {
            return Err(refused(HeaderFault::Authentication(name.as_str().to_owned())));
        }
        // A compressed answer could not be scanned for secrets, so the host asks for none.
        if name == header::ACCEPT_ENCODING && !value.eq_ignore_ascii_case(b"identity") {
            return Err(refused(HeaderFault::Owned(name.as_str().to_owned())));
        }
        let value = HeaderValue::from_maybe_shared(Bytes::from(value))
            .map_err(|_| refused(HeaderFault::Value(name.as_str().to_owned())))?;
        headers.append(name, value);
    }
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    headers
        .entry(header::ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static("identity"));
    Ok(headers)
}

/// Takes out of an answer what is not the plugin's.
fn strip_response(headers: &mut Vec<(String, Bytes)>, attached: Option<&HeaderName>) {
    // `Connection` names further headers that concern only the connection (RFC 9110, 7.6.1).
    let listed: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name == "connection")
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers.retain(|(name, _)| {
        let of_connection = matches!(
            name.as_str(),
            "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "alt-svc"
        ) || name.starts_with("proxy-")
            || listed.contains(name);
        let of_identity = matches!(name.as_str(), "set-cookie" | "set-cookie2" | "authentication-info")
            || HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| echoes(&name))
            || attached.is_some_and(|attached| attached.as_str() == name);
        !of_connection && !of_identity
    });
}

/// Authentication headers that an answer has no reason to carry. `x-amz-` is not among them: AWS
/// answers under it what the caller needs.
fn echoes(name: &HeaderName) -> bool {
    authenticates(name) && !name.as_str().starts_with("x-amz-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn what_is_not_the_plugins_is_refused() {
        use HeaderFault as F;
        let owned = |name: &str| Some(F::Owned(name.to_owned()));
        let authentication = |name: &str| Some(F::Authentication(name.to_owned()));
        let own = HeaderName::from_static("x-provider-secret");
        let table: Vec<(&str, &str, Option<HeaderFault>, Option<HeaderFault>)> = vec![
            // name, value, without a credential, with one
            ("content-type", "application/json", None, None),
            ("Anthropic-Version", "2023-06-01", None, None),
            ("x-amzn-bedrock-trace", "ENABLED", None, None),
            ("accept-encoding", "identity", None, None),
            (
                "accept-encoding",
                "gzip",
                owned("accept-encoding"),
                owned("accept-encoding"),
            ),
            ("Host", "evil.example", owned("host"), owned("host")),
            ("content-length", "1", owned("content-length"), owned("content-length")),
            (
                "Transfer-Encoding",
                "chunked",
                owned("transfer-encoding"),
                owned("transfer-encoding"),
            ),
            ("connection", "close", owned("connection"), owned("connection")),
            ("keep-alive", "1", owned("keep-alive"), owned("keep-alive")),
            ("te", "trailers", owned("te"), owned("te")),
            ("upgrade", "h2c", owned("upgrade"), owned("upgrade")),
            ("expect", "100-continue", owned("expect"), owned("expect")),
            (
                "proxy-authorization",
                "x",
                owned("proxy-authorization"),
                owned("proxy-authorization"),
            ),
            (
                "Proxy-Connection",
                "x",
                owned("proxy-connection"),
                owned("proxy-connection"),
            ),
            ("cookie", "a=b", owned("cookie"), owned("cookie")),
            ("forwarded", "for=1", owned("forwarded"), owned("forwarded")),
            (
                "X-Forwarded-Host",
                "a",
                owned("x-forwarded-host"),
                owned("x-forwarded-host"),
            ),
            (
                "x-http-method-override",
                "GET",
                owned("x-http-method-override"),
                owned("x-http-method-override"),
            ),
            ("content_length", "1", owned("content_length"), owned("content_length")),
            (
                "x-method-override",
                "DELETE",
                owned("x-method-override"),
                owned("x-method-override"),
            ),
            ("x_api_key", "x", None, authentication("x_api_key")),
            ("x_provider_secret", "x", None, authentication("x_provider_secret")),
            ("Authorization", "Bearer x", None, authentication("authorization")),
            ("X-Api-Key", "x", None, authentication("x-api-key")),
            ("api-key", "x", None, authentication("api-key")),
            ("x-goog-api-key", "x", None, authentication("x-goog-api-key")),
            ("X-Amz-Date", "x", None, authentication("x-amz-date")),
            ("x-provider-secret", "x", None, authentication("x-provider-secret")),
            ("bad name", "x", Some(F::Name), Some(F::Name)),
            ("", "x", Some(F::Name), Some(F::Name)),
            (
                "x-a",
                "b\r\nhost: c",
                Some(F::Value("x-a".to_owned())),
                Some(F::Value("x-a".to_owned())),
            ),
            (
                "x-a",
                "b\0",
                Some(F::Value("x-a".to_owned())),
                Some(F::Value("x-a".to_owned())),
            ),
        ];
        for (name, value, bare, attached) in table {
            for (credential, expected) in [(None, bare), (Some(Some(&own)), attached)] {
                let refused = check_request(raw(&[(name, value)]), credential).err();
                let expected = expected.map(|fault| EgressError::from(Rule::Header(fault)));
                assert_eq!(
                    refused,
                    expected,
                    "{name}: {value:?}, credential: {}",
                    credential.is_some()
                );
            }
        }
    }

    #[test]
    fn size_is_bounded() {
        let too_large = Some(EgressError::from(Rule::Header(HeaderFault::TooLarge)));
        let many: Vec<_> = (0..=MAX_HEADERS)
            .map(|index| (format!("x-{index}"), Vec::new()))
            .collect();
        assert_eq!(check_request(many, None).err(), too_large);
        let long = vec![("x-a".to_owned(), vec![b'a'; MAX_HEADER_BYTES])];
        assert_eq!(check_request(long, None).err(), too_large);
    }

    #[test]
    fn the_host_introduces_itself_unless_the_plugin_did() {
        let headers = check_request(raw(&[]), None).unwrap();
        assert_eq!(headers[header::USER_AGENT], USER_AGENT);
        assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
        let headers = check_request(raw(&[("User-Agent", "demo/1")]), None).unwrap();
        assert_eq!(
            headers.get_all(header::USER_AGENT).iter().collect::<Vec<_>>(),
            ["demo/1"]
        );
    }

    #[test]
    fn repeated_headers_stay_repeated_and_in_order() {
        let headers = check_request(raw(&[("anthropic-beta", "a"), ("Anthropic-Beta", "b")]), None).unwrap();
        assert_eq!(headers.get_all("anthropic-beta").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_answer_loses_what_is_not_the_plugins() {
        let own = HeaderName::from_static("x-provider-secret");
        let mut headers: Vec<(String, Bytes)> = [
            ("content-type", "text/event-stream"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("set-cookie", "session=1"),
            ("authorization", "Bearer x"),
            ("x-api-key", "x"),
            ("x-provider-secret", "x"),
            ("retry-after", "3"),
            ("www-authenticate", "Bearer"),
            ("x-amz-request-id", "r1"),
            ("location", "https://elsewhere.example/"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes())))
        .collect();
        strip_response(&mut headers, Some(&own));
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "content-type",
                "retry-after",
                "www-authenticate",
                "x-amz-request-id",
                "location"
            ]
        );
    }
}
