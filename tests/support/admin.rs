//! What an admin asks of a running host, over its socket.
//!
//! In: a path of the admin's interface. Out: the answer's JSON; or the first status for which
//! something holds. Never: the command line, which has tests of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::host::{Host, PATIENCE};

/// How often a status is looked at while something is waited for; the host pushes none.
const LOOK: Duration = Duration::from_millis(20);

impl Host {
    /// Asks over the admin socket.
    ///
    /// # Panics
    /// When there is no answer, or it is not JSON.
    pub async fn admin(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let socket = self.dir().join("state").join("admin.sock");
        let stream = UnixStream::connect(&socket)
            .await
            .expect("the admin socket can be opened");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("the socket speaks HTTP");
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Full::new(Bytes::new())).expect("a sound request");
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        connection.abort();
        (
            status,
            serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}")),
        )
    }

    /// What the host says of itself.
    pub async fn status(&self) -> Value {
        self.admin(Method::GET, "/admin/status").await.1
    }

    /// Waits for a status for which something holds.
    ///
    /// # Panics
    /// When none comes; with the last one and the log.
    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            let late = tokio::time::Instant::now() > deadline;
            assert!(
                !late,
                "{what} never came true:\n{status:#}\n--- the host's log ---\n{}",
                self.log().text()
            );
        }
    }
}

/// What the status says of a provider.
pub fn provider<'s>(status: &'s Value, name: &str) -> Option<&'s Value> {
    status["plugins"]
        .as_array()?
        .iter()
        .find(|provider| provider["provider"] == name)
}

/// The generation of a provider, if it is served.
pub fn generation(status: &Value, name: &str) -> Option<u64> {
    provider(status, name)?["generation"].as_u64()
}
