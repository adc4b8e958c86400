//! A client of the running host.
//!
//! In: a request for its admin socket or its HTTP listener. Out: the answer, whole or piece by piece.
//! Never: a retry, TLS, or another machine unless the user named it.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Passphrase;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger answers are not the host's.
const LARGEST: usize = 64 << 20;

/// How to reach the host.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// Its admin socket.
    Socket(PathBuf),
    /// Its HTTP listener.
    Listener(SocketAddr),
}

impl Address {
    /// The listener as this machine reaches it.
    pub(super) fn listener(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self::Listener(SocketAddr::new(ip, listen.port()))
    }
}

/// Runs a client's work to its end.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Asks and reads the whole answer as JSON.
pub(super) async fn json(address: &Address, method: Method, path: &str) -> anyhow::Result<Value> {
    let response = send(address, method, path, None, None).await?;
    whole(successful(response).await?).await
}

/// Sends a request and gives back the answer's head, whatever its status.
pub(super) async fn send(
    address: &Address,
    method: Method,
    path: &str,
    key: Option<&Passphrase>,
    body: Option<&Value>,
) -> anyhow::Result<Response<Incoming>> {
    let authority = match address {
        Address::Socket(_) => "localhost".to_owned(),
        Address::Listener(address) => address.to_string(),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority);
    if let Some(key) = key {
        let mut value = header::HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| anyhow!("the client key has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let bytes = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(serde_json::to_vec(body)?)
        }
        None => Bytes::new(),
    };
    let request = request.body(Full::new(bytes))?;
    match address {
        Address::Socket(path) => {
            let absent = || not_running(&format!("nothing answers at its socket {}", path.display()));
            exchange(
                connected(UnixStream::connect(path)).await.with_context(absent)?,
                request,
            )
            .await
        }
        Address::Listener(address) => {
            let stream = connected(TcpStream::connect(address)).await;
            let stream = stream.with_context(|| not_running(&format!("nothing answers at {address}")))?;
            stream.set_nodelay(true)?;
            exchange(stream, request).await
        }
    }
}

fn not_running(what: &str) -> String {
    format!("the host is not running with this configuration: {what}; start it with `host run`")
}

async fn connected<T>(connecting: impl Future<Output = std::io::Result<T>>) -> anyhow::Result<T> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    Ok(connected.with_context(|| format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))??)
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The task ends with the connection, and at the latest with this command's runtime.
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .context("the host closed the connection without an answer")
}

/// The answer if it is one; else the host's own words for why not.
pub(super) async fn successful(response: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let message = match whole(response).await {
        Ok(body) => error_text(&body).map(str::to_owned),
        Err(_) => None,
    };
    let help = match status {
        StatusCode::UNAUTHORIZED => "; give a client key with --key-file or LLM_HOST_KEY",
        _ => "",
    };
    match message {
        Some(message) => bail!("{message} ({status}){help}"),
        None => bail!("the host answered {status}{help}"),
    }
}

/// The message of an error, in the form of the API or of the administration.
fn error_text(body: &Value) -> Option<&str> {
    body.pointer("/error/message").or_else(|| body.get("error"))?.as_str()
}

/// The whole body as JSON.
pub(super) async fn whole(response: Response<Incoming>) -> anyhow::Result<Value> {
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| anyhow!(error).context("the host's answer broke off"))?;
    serde_json::from_slice(&body.to_bytes()).context("the host's answer is not JSON")
}

/// The first line of a file, as a key.
pub(super) fn key_from(path: &Path) -> anyhow::Result<Passphrase> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the key file {}", path.display()))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(Passphrase::new(line.to_owned())),
        _ => bail!("the key file {} is empty", path.display()),
    }
}
