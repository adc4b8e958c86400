//! Time limits of an exchange.
//!
//! In: the host's limits and the plugin's wishes; the smaller of the two holds. Out: the answer, or
//! which limit passed. Never: the limit of the connection, which only the client can tell from the
//! rest; it is [`super::client`]'s.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::time::{Instant, timeout_at};
use tower::Layer;

use super::body::Body;
use super::error::{EgressError, TimeoutPhase};
use super::service::Service;
use super::{EgressRequest, UpstreamResponse};

/// The host's time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From sending to the answer's head, the connection included.
    pub first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
    /// The whole exchange.
    pub total: Duration,
}

impl Default for Timeouts {
    /// A reasoning model may think for minutes before its first byte, and an answer may take long.
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(30 * 60),
        }
    }
}

impl<S> Layer<S> for Timeouts {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timed { limits: *self, inner }
    }
}

/// The layer around what it calls.
#[derive(Debug)]
pub struct Timed<S> {
    limits: Timeouts,
    inner: S,
}

/// A moment, and what it means to pass it.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Option<Instant>,
    limit: Duration,
    phase: TimeoutPhase,
}

impl Deadline {
    fn after(limit: Duration, phase: TimeoutPhase) -> Self {
        // A limit beyond what the clock can tell is no limit.
        Self {
            at: Instant::now().checked_add(limit),
            limit,
            phase,
        }
    }

    fn earlier(self, other: Self) -> Self {
        match (self.at, other.at) {
            (Some(at), Some(other_at)) if at < other_at => self,
            (Some(_), None) => self,
            _ => other,
        }
    }

    async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, EgressError> {
        let Some(at) = self.at else { return Ok(work.await) };
        timeout_at(at, work).await.map_err(|_| EgressError::Timeout {
            phase: self.phase,
            limit: self.limit,
        })
    }
}

impl<S: Service<EgressRequest>> Service<EgressRequest> for Timed<S> {
    async fn call(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        let smaller = |host: Duration, plugin: Option<Duration>| plugin.map_or(host, |plugin| plugin.min(host));
        let first_byte = smaller(self.limits.first_byte, request.first_byte_timeout);
        let idle = smaller(self.limits.idle, request.idle_timeout);
        let total = Deadline::after(self.limits.total, TimeoutPhase::Total);
        let head = Deadline::after(first_byte, TimeoutPhase::FirstByte).earlier(total);
        let UpstreamResponse { status, headers, body } = head.bound(self.inner.call(request)).await??;
        Ok(UpstreamResponse {
            status,
            headers,
            body: timed(body, idle, total),
        })
    }
}

/// A body whose pieces have to come in time. It ends with the first error.
fn timed(body: Body, idle: Duration, total: Deadline) -> Body {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let deadline = Deadline::after(idle, TimeoutPhase::Idle).earlier(total);
        match deadline.bound(body.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(None) => None,
            Ok(Some(Err(error))) | Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::TryStreamExt as _;

    use super::*;
    use crate::egress::testing::request;

    /// An upstream that takes so long for its head and then for each piece.
    struct Slow {
        head: Duration,
        pieces: Vec<Duration>,
    }

    impl Service<EgressRequest> for Slow {
        async fn call(&self, _: EgressRequest) -> Result<UpstreamResponse, EgressError> {
            tokio::time::sleep(self.head).await;
            let body = stream::iter(self.pieces.clone()).then(|wait| async move {
                tokio::time::sleep(wait).await;
                Ok(Bytes::from_static(b"piece"))
            });
            Ok(UpstreamResponse {
                status: 200,
                headers: Vec::new(),
                body: body.boxed(),
            })
        }
    }

    const LIMITS: Timeouts = Timeouts {
        first_byte: Duration::from_secs(10),
        idle: Duration::from_secs(5),
        total: Duration::from_secs(60),
    };

    async fn run(slow: Slow, change: impl FnOnce(&mut EgressRequest)) -> Result<usize, EgressError> {
        let mut request = request();
        change(&mut request);
        let response = LIMITS.layer(slow).call(request).await?;
        response
            .body
            .try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) })
            .await
    }

    fn passed(phase: TimeoutPhase, seconds: u64) -> Result<usize, EgressError> {
        Err(EgressError::Timeout {
            phase,
            limit: Duration::from_secs(seconds),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_holds_and_is_named() {
        let secs = Duration::from_secs;
        let slow = |head, pieces: &[u64]| Slow {
            head: secs(head),
            pieces: pieces.iter().copied().map(secs).collect(),
        };
        assert_eq!(run(slow(9, &[4, 4, 4]), |_| {}).await, Ok(15));
        assert_eq!(run(slow(11, &[]), |_| {}).await, passed(TimeoutPhase::FirstByte, 10));
        assert_eq!(run(slow(1, &[4, 6]), |_| {}).await, passed(TimeoutPhase::Idle, 5));
        assert_eq!(run(slow(1, &[4; 20]), |_| {}).await, passed(TimeoutPhase::Total, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_smaller_of_host_and_plugin_holds() {
        let secs = Duration::from_secs;
        let slow = |head, piece| Slow {
            head: secs(head),
            pieces: vec![secs(piece)],
        };
        let head = |limit| move |request: &mut EgressRequest| request.first_byte_timeout = Some(secs(limit));
        let idle = |limit| move |request: &mut EgressRequest| request.idle_timeout = Some(secs(limit));
        assert_eq!(run(slow(4, 1), head(3)).await, passed(TimeoutPhase::FirstByte, 3));
        assert_eq!(run(slow(11, 1), head(100)).await, passed(TimeoutPhase::FirstByte, 10));
        assert_eq!(run(slow(1, 3), idle(2)).await, passed(TimeoutPhase::Idle, 2));
        assert_eq!(run(slow(1, 6), idle(100)).await, passed(TimeoutPhase::Idle, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_limit_is_no_limit() {
        let limits = Timeouts {
            first_byte: Duration::MAX,
            idle: Duration::MAX,
            total: Duration::MAX,
        };
        let slow = Slow {
            head: Duration::from_secs(1 << 20),
            pieces: vec![Duration::from_secs(1 << 20)],
        };
        let response = limits.layer(slow).call(request()).await.unwrap();
        assert_eq!(response.body.count().await, 1);
    }
}
