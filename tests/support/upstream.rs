//! A server that stands for a provider.
//!
//! In: what it is to answer. Out: an `https` origin on this machine, the authority that its
//! certificate is from, what it was asked, and whether a caller left in the middle of an answer.
//! Never: an answer of its own making; a request that no reply is ready for fails with 599.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::recording::Recording;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Received {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// A header's value, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body, piece by piece.
    pub pieces: Vec<Bytes>,
    /// How the body ends.
    pub end: End,
    /// How many pieces may have gone out; all of them when absent.
    pub pace: Option<watch::Receiver<usize>>,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Complete,
    /// Not at all: nothing more comes until the caller leaves.
    Never,
    /// The connection breaks.
    Broken,
}

impl Reply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    /// A body of one piece.
    pub fn of(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            pieces: vec![body.into()],
            end: End::Complete,
            pace: None,
        }
    }

    /// Server-sent events with these data, each a piece of its own.
    pub fn events<'a>(data: impl IntoIterator<Item = &'a str>) -> Self {
        let pieces = data
            .into_iter()
            .map(|data| Bytes::from(format!("data: {data}\n\n")))
            .collect();
        Self {
            pieces,
            ..Self::of(200, "text/event-stream", "")
        }
    }

    /// What a provider really answered.
    pub fn recorded(recording: &Recording) -> Self {
        let unwanted = ["content-length", "content-encoding", "transfer-encoding", "connection"];
        let mut headers = recording.headers();
        headers.retain(|(name, _)| !unwanted.contains(&name.to_ascii_lowercase().as_str()));
        let pieces = vec![recording.body().into()];
        Self {
            status: recording.status(),
            headers,
            pieces,
            end: End::Complete,
            pace: None,
        }
    }

    /// The same with its body in pieces of `size` bytes.
    #[must_use]
    pub fn in_pieces(mut self, size: usize) -> Self {
        let whole: Vec<u8> = self.pieces.concat();
        self.pieces = whole.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        self
    }

    /// The same with another end.
    #[must_use]
    pub fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The same with its pieces held back until the pace allows them.
    #[must_use]
    pub fn paced(mut self, pace: watch::Receiver<usize>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Answer = dyn Fn(&Received) -> Option<Reply> + Send + Sync;

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    answer: Option<Box<Answer>>,
    received: Mutex<Vec<Received>>,
    /// How many requests have arrived, and how many callers left before the end.
    arrived: watch::Sender<usize>,
    left: watch::Sender<usize>,
}

/// The running server. It stops when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    authority: String,
    tls: bool,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Upstream {
    /// Answers with the replies that are given to it, in their order.
    ///
    /// # Panics
    /// When the machine gives no port.
    pub async fn start() -> Self {
        Self::launch(None, true).await
    }

    /// Answers each request as `answer` says.
    ///
    /// # Panics
    /// When the machine gives no port.
    pub async fn answering(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Some(Box::new(move |request| Some(answer(request)))), true).await
    }

    /// The same without TLS, as the services that a machine talks to itself.
    ///
    /// # Panics
    /// When the machine gives no port.
    pub async fn answering_in_the_clear(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Some(Box::new(move |request| Some(answer(request)))), false).await
    }

    async fn launch(answer: Option<Box<Answer>>, tls: bool) -> Self {
        let (authority, acceptor) = certificates();
        let acceptor = tls.then_some(acceptor);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            replies: Mutex::default(),
            answer,
            received: Mutex::default(),
            arrived: watch::Sender::new(0),
            left: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared))).abort_handle();
        Self {
            address,
            authority,
            tls,
            shared,
            task,
        }
    }

    /// `https://localhost:<port>`, or `http` without TLS.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The certificate of its authority, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Gets a reply ready for the next request that finds none before it.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn reply(&self, reply: Reply) {
        self.shared.replies.lock().expect("nobody panicked").push_back(reply);
    }

    /// What has been asked so far.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().expect("nobody panicked").clone()
    }

    /// Waits until so many requests have arrived.
    ///
    /// # Panics
    /// When the server has gone.
    pub async fn arrived(&self, count: usize) {
        self.shared
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await
            .expect("the server runs");
    }

    /// Waits until so many callers have left in the middle of an answer.
    ///
    /// # Panics
    /// When the server has gone.
    pub async fn left(&self, count: usize) {
        self.shared
            .left
            .subscribe()
            .wait_for(|left| *left >= count)
            .await
            .expect("the server runs");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An authority, and a server certificate of it for `localhost`.
fn certificates() -> (String, TlsAcceptor) {
    let key = KeyPair::generate().expect("ring makes keys");
    let mut params = CertificateParams::new(Vec::new()).expect("no name is a valid list");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a sound certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("ring makes keys");
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("sound names");
    let certificate = params.signed_by(&key, &issuer).expect("a sound certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("key and certificate fit");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (authority, TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let server = auto::Builder::new(TokioExecutor::new());
            let Some(acceptor) = acceptor else {
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
                return;
            };
            // A caller that does not trust us leaves here; that is its matter.
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let target = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let received = Received {
        method: head.method,
        target,
        headers: head.headers,
        body,
    };
    let reply = match &shared.answer {
        Some(answer) => answer(&received),
        None => shared.replies.lock().expect("nobody panicked").pop_front(),
    };
    let reply = reply.unwrap_or_else(|| Reply::of(599, "text/plain", "no reply is ready"));
    shared.received.lock().expect("nobody panicked").push(received);
    shared.arrived.send_modify(|arrived| *arrived += 1);
    let mut response = Response::new(Pieces {
        pieces: reply.pieces.into(),
        end: reply.end,
        pace: reply.pace,
        waiting: None,
        sent: 0,
        complete: false,
        shared,
    });
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        let name: http::HeaderName = name.parse().expect("a header's name");
        response
            .headers_mut()
            .append(name, value.parse().expect("a header's value"));
    }
    Ok(response)
}

/// A body that notices when it is dropped before its end.
struct Pieces {
    pieces: VecDeque<Bytes>,
    end: End,
    pace: Option<watch::Receiver<usize>>,
    waiting: Option<BoxFuture<'static, ()>>,
    sent: usize,
    complete: bool,
    shared: Arc<Shared>,
}

impl Pieces {
    /// Ready when the next piece may go out. A pace whose owner has gone holds nothing back.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(pace), next) = (&self.pace, self.sent) else {
            return Poll::Ready(());
        };
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut pace = pace.clone();
            Box::pin(async move { drop(pace.wait_for(|allowed| *allowed > next).await) })
        });
        ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(())
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if !self.pieces.is_empty() {
            ready!(self.poll_pace(cx));
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.sent += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.end {
            // Dropping the body is what ends it; hyper sees the caller leave without being woken.
            End::Never => Poll::Pending,
            End::Complete => {
                self.complete = true;
                Poll::Ready(None)
            }
            End::Broken => {
                self.complete = true;
                Poll::Ready(Some(Err(std::io::Error::other("broken on purpose"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.end == End::Complete
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // hyper asks no more once it knows that nothing follows.
        let gave_all = self.pieces.is_empty() && self.end == End::Complete;
        if !(self.complete || gave_all) {
            self.shared.left.send_modify(|left| *left += 1);
        }
    }
}
