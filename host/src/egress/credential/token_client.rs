//! HTTP to the services that give out tokens.
//!
//! In: an address, headers, perhaps a form. Out: the status, a few headers and a small body. Never: a
//! redirect followed, a retry, a plain connection to another machine, a body in an error.
//!
//! These requests are the host's own: where they go is said by the vault's entry or by the machine
//! that the host runs on, never by a plugin, so the plugins' allow-list does not concern them.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_host_vault::Secret;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::header::sensitive_value;
use super::token::TokenError;
use crate::egress::address::{AddressKind, classify};

/// The longest that one exchange may take.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(20);
/// The most bytes of an answer. A token is a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;

/// A request to a token service.
pub(super) struct TokenRequest {
    url: Url,
    headers: HeaderMap,
    form: Option<Zeroizing<String>>,
}

impl TokenRequest {
    /// Asks for what is at an address.
    pub(super) fn get(url: Url) -> Self {
        Self {
            url,
            headers: HeaderMap::new(),
            form: None,
        }
    }

    /// Posts a form.
    pub(super) fn post(url: Url, fields: &[(&str, &str)]) -> Self {
        // Room for the whole at once: a buffer that grows leaves copies of the secret behind.
        let room = fields
            .iter()
            .map(|(name, value)| 3 * (name.len() + value.len()) + 2)
            .sum();
        let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(room));
        form.extend_pairs(fields);
        Self {
            form: Some(Zeroizing::new(form.finish())),
            ..Self::get(url)
        }
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        self.headers.insert(name, value);
        self
    }

    /// Adds a header that holds a secret.
    ///
    /// # Errors
    /// When the secret has characters that a header cannot carry.
    pub(super) fn secret_header(mut self, name: HeaderName, prefix: &str, secret: &Secret) -> Result<Self, TokenError> {
        let value = sensitive_value(prefix, secret.expose()).map_err(|_| {
            TokenError::lasting(format!("what `{name}` has to carry has characters that cannot be sent"))
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// What a token service answered.
pub(super) struct TokenAnswer {
    /// HTTP status.
    pub(super) status: u16,
    /// How long the service asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What it wants to be shown first.
    pub(super) challenge: Option<String>,
    /// The body, overwritten when it is dropped.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Sends requests to token services.
#[derive(Clone)]
pub(super) struct TokenClient(reqwest::Client);

impl TokenClient {
    /// Over this client's connections.
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self(client)
    }

    /// Sends a request and takes its whole answer.
    ///
    /// # Errors
    /// When there is none. The text names the service's host.
    pub(super) async fn send(&self, request: TokenRequest) -> Result<TokenAnswer, TokenError> {
        let TokenRequest { url, headers, form } = request;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !may_carry_tokens(&url) {
            return Err(TokenError::lasting(format!(
                "`{}://{host}` is not a place for tokens: it has to be `https`, but for this machine and its metadata service",
                url.scheme()
            )));
        }
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let mut sent = reqwest::Request::new(method, url);
        *sent.headers_mut() = headers;
        if let Some(form) = form {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            sent.headers_mut().insert(CONTENT_TYPE, kind);
            let body: Zeroizing<Vec<u8>> = Zeroizing::new(form.as_bytes().to_vec());
            *sent.body_mut() = Some(Bytes::from_owner(body).into());
        }
        match tokio::time::timeout(EXCHANGE_LIMIT, self.exchange(sent)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(TokenError::passing(format!(
                "no answer from `{host}`: {}",
                innermost(&error)
            ))),
            Err(_) => Err(TokenError::passing(format!(
                "no answer from `{host}` within {} s",
                EXCHANGE_LIMIT.as_secs()
            ))),
        }
    }

    async fn exchange(&self, request: reqwest::Request) -> reqwest::Result<TokenAnswer> {
        let mut response = self.0.execute(request).await?;
        let text = |name: HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (retry_after, challenge) = (text(RETRY_AFTER), text(WWW_AUTHENTICATE));
        let mut answer = TokenAnswer {
            status: response.status().as_u16(),
            retry_after: retry_after
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            challenge,
            body: Zeroizing::new(Vec::with_capacity(16 * 1024)),
        };
        while let Some(piece) = response.chunk().await? {
            let room = MAX_ANSWER.saturating_sub(answer.body.len());
            answer.body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        }
        Ok(answer)
    }
}

/// Whether a token may travel there: with TLS anywhere; without it only within this machine, or to
/// the addresses of this link at which a cloud puts its metadata service.
pub(super) fn may_carry_tokens(url: &Url) -> bool {
    let near = |address| {
        matches!(
            classify(address),
            AddressKind::Loopback | AddressKind::LinkLocal | AddressKind::Metadata
        )
    };
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => near(address.into()),
        ("http", Some(Host::Ipv6(address))) => near(address.into()),
        _ => false,
    }
}

/// The innermost cause. The client's own text of the whole holds the address.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut text = "the exchange failed".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_with_tls_or_not_far() {
        for (url, allowed) in [
            ("https://login.microsoftonline.com/t/oauth2/v2.0/token", true),
            ("https://10.0.0.7/token", true),
            ("http://169.254.169.254/metadata/identity/oauth2/token", true),
            ("http://169.254.129.2:8081/msi/token", true),
            ("http://127.0.0.1:41155/msi/token", true),
            ("http://localhost:40342/token", true),
            ("http://[::1]:40342/token", true),
            ("http://login.microsoftonline.com/t/oauth2/v2.0/token", false),
            ("http://10.0.0.7/token", false),
            ("http://localhost.example/token", false),
            ("ftp://127.0.0.1/token", false),
        ] {
            assert_eq!(may_carry_tokens(&Url::parse(url).unwrap()), allowed, "{url}");
        }
    }
}
