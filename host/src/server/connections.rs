//! Callers' connections, from the accepted socket to its end.
//!
//! In: a listener and the service behind it. Out: HTTP/1.1 and HTTP/2, whichever a caller speaks. Never:
//! a connection that is kept although nobody says on it what they want.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

/// How long a caller may take to say what it wants: from the connection, or from the answer before, to the
/// end of a request's head. More than balancers keep idle connections, so that it is they who close them.
const HEAD_TIME: Duration = Duration::from_secs(75);

/// How often an HTTP/2 caller is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);

/// Pause after a connection could not be accepted, e.g. because the process has too many files open.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stop`, then until every connection has ended.
pub(super) async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> io::Result<()> {
    let builder = Arc::new(builder());
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        let (builder, app, stop) = (Arc::clone(&builder), app.clone(), stop.clone());
        connections.spawn(async move { connection(stream, &builder, app, &stop).await });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// The next connection. Without `TCP_NODELAY` the second small write of an answer waits for the client's
/// acknowledgement, 40 ms and more.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("TCP_NODELAY was refused: {error}");
                }
                return stream;
            }
            // The caller was gone before it was let in.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!("a connection could not be accepted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection<S>(stream: S, builder: &auto::Builder<TokioExecutor>, app: Router, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&begun);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        heard.store(true, Ordering::Relaxed);
        let answer = app.clone().call(request.map(Body::new));
        async move { answer.await as Result<Response, Infallible> }
    });
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // The time for a head begins when it is known which HTTP it is of; until then this one counts.
    let mut silence = pin!(async {
        tokio::time::sleep(HEAD_TIME).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    });
    let mut stopping = false;
    loop {
        tokio::select! {
            outcome = served.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            () = silence.as_mut() => {
                tracing::debug!("a connection was closed: no request came on it");
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn app() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    /// What a caller gets for these bytes until the connection is closed, and after how long.
    async fn said(bytes: &[u8]) -> (String, Duration) {
        let (mut caller, host) = tokio::io::duplex(4096);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(async move { connection(host, &builder(), app(), &stop).await });
        let start = tokio::time::Instant::now();
        caller.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        caller.read_to_end(&mut answer).await.unwrap();
        serving.await.unwrap();
        (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        for bytes in ["", "P", "PRI * HTTP", "GET / HTTP/1.1\r\nhost: a", "POST"] {
            let (_, waited) = said(bytes.as_bytes()).await;
            assert!(waited >= HEAD_TIME && waited < 2 * HEAD_TIME, "{bytes:?}: {waited:?}");
        }
        let (answer, waited) = said(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTT").await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("hello"),
            "{answer}"
        );
        assert!(waited >= HEAD_TIME, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_between_answers_ends_when_the_host_stops() {
        let (mut caller, host) = tokio::io::duplex(4096);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = tokio::spawn(async move { connection(host, &builder(), app(), &stopped).await });
        caller.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 5];
        caller.read_exact(&mut answer).await.unwrap();
        let start = tokio::time::Instant::now();
        stop.cancel();
        serving.await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
