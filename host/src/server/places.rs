//! How many requests the host handles at once.
//!
//! In: a request. Out: a place for it until the last byte of its answer, or a refusal at once: when
//! all are taken, and when the host is stopping.
//! Never: a queue; a caller that is told to come back knows more than one that is kept waiting.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::api::error::{Dialect, respond};
use crate::context::RequestContext;
use crate::error::GatewayError;
use crate::seat::Seat;

/// Places of the whole host.
#[derive(Clone)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
    fallback: usize,
}

impl Places {
    /// `limit` holds for requests without a context.
    pub fn new(limit: usize) -> Self {
        Self {
            taken: Arc::default(),
            closed: Arc::default(),
            fallback: limit,
        }
    }

    /// Requests being handled.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Gives no more places: the host is stopping. Connections that were open before the listener
    /// closed can still bring requests.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn take(&self, limit: usize) -> Result<Seat, GatewayError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(GatewayError::ShuttingDown);
        }
        Seat::take(&self.taken, limit).ok_or(GatewayError::Overloaded)
    }
}

/// The layer, for [`axum::middleware::from_fn_with_state`].
pub async fn take(State(places): State<Places>, request: Request, next: Next) -> Response {
    let limit = request
        .extensions()
        .get::<RequestContext>()
        .map_or(places.fallback, |context| {
            context.snapshot.config.server.max_concurrent_requests
        });
    let place = match places.take(limit) {
        Ok(place) => place,
        Err(refusal) => return respond(&refusal, Dialect::of(request.uri().path())),
    };
    let response = next.run(request).await;
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| Body::new(Held { body, _place: place }))
}

/// A body that holds a place until it has been sent or dropped.
struct Held {
    body: Body,
    _place: Seat,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(places: &Places) -> (u16, Option<String>, String) {
        let app = Router::new()
            .route("/v1/models", get(|| async { "ok" }))
            .layer(from_fn_with_state(places.clone(), take));
        let request = Request::get("/v1/models").body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, retry_after, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_the_answer_has_been_read() {
        let places = Places::new(1);
        for _ in 0..2 {
            assert_eq!(ask(&places).await, (200, None, "ok".to_owned()));
            assert_eq!(places.taken(), 0);
        }
    }

    #[tokio::test]
    async fn a_full_host_and_a_stopping_one_say_which_they_are_and_when_to_come_back() {
        let full = Places::new(0);
        let stopping = Places::new(1);
        stopping.close();
        for (places, code) in [(full, "host_overloaded"), (stopping, "host_shutting_down")] {
            let (status, retry_after, body) = ask(&places).await;
            assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{body}");
            assert!(body.contains(code), "{body}");
            assert_eq!(places.taken(), 0);
        }
    }
}
