//! An upstream on loopback, with TLS or without.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use http::{HeaderMap, Request, Response, Version};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// The name on the certificate.
pub(super) const NAME: &str = "api.test.example";

pub(super) type Answer = Response<BoxBody<Bytes, io::Error>>;
type Handler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Answer> + Send + Sync>;

/// How an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Plain,
    Tls1,
    Tls2,
}

/// A request as the upstream saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) authority: String,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

/// A running upstream; dropping it closes everything.
pub(super) struct Upstream {
    pub(super) port: u16,
    pub(super) root: CertificateDer<'static>,
    pub(super) wire: Wire,
    state: Arc<State>,
    _task: AbortOnDropHandle<()>,
}

impl Upstream {
    /// Starts one that answers like this.
    pub(super) async fn start<F>(wire: Wire, answer: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| answer(request).boxed());
        let (root, tls) = tls(wire);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let accepting = accept(
            listener,
            wire,
            TlsAcceptor::from(Arc::new(tls)),
            handler,
            Arc::clone(&state),
        );
        Self {
            port,
            root,
            wire,
            state,
            _task: AbortOnDropHandle::new(tokio::spawn(accepting)),
        }
    }

    /// The origin under the certificate's name.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.wire == Wire::Plain { "http" } else { "https" };
        format!("{scheme}://{NAME}:{}", self.port)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

fn tls(wire: Wire) -> (CertificateDer<'static>, rustls::ServerConfig) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec![NAME.to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = match wire {
        Wire::Tls2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        _ => vec![b"http/1.1".to_vec()],
    };
    (issuer.der().clone(), config)
}

async fn accept(listener: TcpListener, wire: Wire, tls: TlsAcceptor, handler: Handler, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, handler, state) = (tls.clone(), Arc::clone(&handler), Arc::clone(&state));
        connections.spawn(async move {
            if wire == Wire::Plain {
                serve(socket, handler, state).await;
            } else if let Ok(socket) = tls.accept(socket).await {
                serve(socket, handler, state).await;
            }
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: Handler, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, state) = (Arc::clone(&handler), Arc::clone(&state));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let host = head.headers.get("host").map(|host| host.to_str().unwrap().to_owned());
            state.seen.lock().unwrap().push(Seen {
                method: head.method.to_string(),
                target: head.uri.path_and_query().unwrap().to_string(),
                authority: host
                    .or_else(|| head.uri.authority().map(ToString::to_string))
                    .unwrap_or_default(),
                version: head.version,
                headers: head.headers.clone(),
                body: body.clone(),
            });
            Ok::<_, hyper::Error>(handler(Request::from_parts(head, body)).await)
        }
    });
    // A client that goes away is an error here and no failure of the test.
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// An answer with a whole body.
pub(super) fn whole(body: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed())
}

/// An answer whose body comes in pieces.
pub(super) fn pieces(body: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static) -> Answer {
    Response::new(BodyExt::boxed(StreamBody::new(
        body.map(|piece| piece.map(Frame::data)),
    )))
}
