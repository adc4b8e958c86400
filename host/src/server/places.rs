//! How many requests the host handles at once.
//!
//! In: a request. Out: a place for it until the last byte of its answer, or a refusal at once.
//! Never: a queue; a caller that is told to come back knows more than one that is kept waiting.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::api::error::{Dialect, respond};
use crate::context::RequestContext;
use crate::error::GatewayError;

/// Places of the whole host.
#[derive(Clone)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    fallback: usize,
}

impl Places {
    /// `limit` holds for requests without a context.
    pub fn new(limit: usize) -> Self {
        Self {
            taken: Arc::default(),
            fallback: limit,
        }
    }

    /// Requests being handled.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn take(&self, limit: usize) -> Option<Place> {
        let place = Place(self.taken.clone());
        // The place is given back by its drop when it was one too many.
        (self.taken.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
    let Some(place) = places.take(limit) else {
        return respond(&GatewayError::Overloaded, Dialect::of(request.uri().path()));
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
    _place: Place,
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
