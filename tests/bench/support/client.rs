//! A caller that keeps its connection.
//!
//! In: an address and a body. Out: the answer, with the times at which its head, its first and its
//! last byte came. Never: a second try, or anything between hyper and the socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use llm_host_tests::host::KEY;
use tokio::net::TcpStream;

/// Where conversations are continued.
pub const CHAT: &str = "/v1/chat/completions";

/// A connection to a server.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// An answer that has come in whole.
pub struct Answer {
    /// Its body.
    pub body: Bytes,
    /// Until the head was there.
    pub head: Duration,
    /// Until the first byte of the body was there.
    pub first: Duration,
    /// Until all of it was there.
    pub whole: Duration,
}

impl Connection {
    /// Opens it.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket of TCP");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("the server speaks HTTP");
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Panics
    /// When the connection breaks or the answer is not 200.
    pub async fn begin(&mut self, path: &str, body: Bytes) -> Incoming {
        let request = Request::post(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {KEY}"))
            .body(Full::new(body))
            .expect("a sound request");
        self.sender.ready().await.expect("the connection is kept");
        let response = self.sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            let said = body.collect().await.expect("a body").to_bytes();
            panic!("{}: {}", head.status, String::from_utf8_lossy(&said));
        }
        body
    }

    /// Asks, and reads the answer to its end.
    ///
    /// # Panics
    /// As [`begin`](Self::begin).
    pub async fn ask(&mut self, path: &str, body: Bytes) -> Answer {
        let start = Instant::now();
        let mut incoming = self.begin(path, body).await;
        let head = start.elapsed();
        let mut first = None;
        let mut all = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.expect("the answer is whole");
            first.get_or_insert_with(|| start.elapsed());
            all.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        let whole = start.elapsed();
        Answer {
            body: all.into(),
            head,
            first: first.unwrap_or(whole),
            whole,
        }
    }
}

/// A request to continue a conversation in which somebody said `text`.
pub fn chat(model: &str, text: &str, stream: bool) -> Bytes {
    let messages = serde_json::json!([
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": text},
    ]);
    let body = serde_json::json!({"model": model, "messages": messages, "stream": stream});
    body.to_string().into()
}
