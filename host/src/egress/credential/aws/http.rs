//! The host's HTTP client, as AWS's library wants one.
//!
//! In: requests of that library to STS, IAM Identity Center, a container's endpoint or a metadata
//! service. Out: their answers, whole. Never: a proxy of the environment, a redirect followed, keys
//! over a plain connection to another machine.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use zeroize::Zeroizing;

use super::super::token_client::{innermost, may_carry_tokens};

/// The longest that one exchange may take where the library does not say.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(20);
/// The most bytes of an answer. Keys are a few kilobytes.
const MAX_ANSWER: usize = 1 << 20;
const USUAL_ANSWER: usize = 16 << 10;

/// Connections of the host's.
#[derive(Debug, Clone)]
pub(super) struct SmithyClient(reqwest::Client);

impl SmithyClient {
    /// Sends over this client's connections.
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl HttpClient for SmithyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // The metadata service answers at once or is not there: the library asks for a second each.
        let limits = settings.connect_timeout().zip(settings.read_timeout());
        let limit = limits.map_or(EXCHANGE_LIMIT, |(connect, read)| connect.saturating_add(read));
        SharedHttpConnector::new(SmithyConnector {
            client: self.0.clone(),
            limit,
        })
    }
}

#[derive(Debug)]
struct SmithyConnector {
    client: reqwest::Client,
    limit: Duration,
}

impl HttpConnector for SmithyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, limit) = (self.client.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            match tokio::time::timeout(limit, exchange(client, request)).await {
                Ok(answered) => answered,
                Err(_) => Err(ConnectorError::timeout(
                    format!("no answer within {} s", limit.as_secs()).into(),
                )),
            }
        })
    }
}

async fn exchange(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let user = |text: &str| ConnectorError::user(text.to_owned().into());
    let request = request
        .try_into_http1x()
        .map_err(|_| user("the request is malformed"))?;
    let (parts, body) = request.into_parts();
    let url: url::Url = parts
        .uri
        .to_string()
        .parse()
        .map_err(|_| user("the address is malformed"))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if !may_carry_tokens(&url) {
        let reason = format!("`{host}` is asked without TLS, which is only for this machine and its metadata service");
        return Err(user(&reason));
    }
    // All that this library sends on these ways is in memory.
    let body = body
        .bytes()
        .map(|bytes| Zeroizing::new(bytes.to_vec()))
        .unwrap_or_default();
    let mut sent = reqwest::Request::new(parts.method, url);
    *sent.headers_mut() = parts.headers;
    // Tokens are among them, and what is marked is not logged.
    for value in sent.headers_mut().values_mut() {
        value.set_sensitive(true);
    }
    if !body.is_empty() {
        *sent.body_mut() = Some(Bytes::from_owner(body).into());
    }
    let failed = |error: reqwest::Error| {
        let timeout = error.is_timeout();
        let text = format!("no answer from `{host}`: {}", innermost(&error));
        if timeout {
            ConnectorError::timeout(text.into())
        } else {
            ConnectorError::io(text.into())
        }
    };
    let mut response = client.execute(sent).await.map_err(&failed)?;
    let mut answer = http::Response::new(SdkBody::empty());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    // Room for the whole at once: a buffer that grows leaves copies of the keys behind.
    let mut body = Zeroizing::new(Vec::with_capacity(USUAL_ANSWER));
    while let Some(piece) = response.chunk().await.map_err(&failed)? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(ConnectorError::other(
                format!("the answer of `{host}` is too long").into(),
                None,
            ));
        }
        body.extend_from_slice(&piece);
    }
    *answer.body_mut() = SdkBody::from(Bytes::from_owner(body));
    HttpResponse::try_from(answer)
        .map_err(|_| ConnectorError::other(format!("the answer of `{host}` is malformed").into(), None))
}
