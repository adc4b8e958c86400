//! The queue between a guest that writes and a caller who reads.
//!
//! In: a stream as the guest writes it. Out: its items in batches, a whole write at a time, and
//! how long the caller waits for each. Never: an unbounded queue; a slow reader makes the guest
//! wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Lift, Source, StreamConsumer, StreamReader, StreamResult};

use super::channel::{Reader, Writer};
use super::error::Limit;
use super::state::GuestState;
use super::weight::Weigh;
use crate::config::Limits;

/// Takes what the guest writes and queues it.
struct Consumer<T> {
    batches: Writer<T>,
    /// Dropped with the consumer: the stream has closed.
    _closed: oneshot::Sender<()>,
}

/// Fills a queue with what the guest writes. The future that is given back resolves when the
/// stream has closed; the queue closes with it.
pub(super) fn fill<T: Lift + Weigh + Send + 'static>(
    accessor: &Accessor<GuestState>,
    reader: StreamReader<T>,
    batches: Writer<T>,
) -> wasmtime::Result<impl Future<Output = ()> + Send + use<T>> {
    let (closed, waiting) = oneshot::channel();
    let consumer = Consumer {
        batches,
        _closed: closed,
    };
    accessor.with(|access| reader.pipe(access, consumer))?;
    Ok(async move {
        // It is never sent, only dropped.
        let _ = waiting.await;
    })
}

impl<T: Lift + Weigh + Send + 'static> StreamConsumer<GuestState> for Consumer<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, GuestState>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.batches.poll_room(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            // The caller has gone.
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let mut batch = Vec::with_capacity(source.remaining(&mut store));
        source.read(&mut store, &mut batch)?;
        if self.batches.send(batch).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// How long a caller waits: for the next batch, and for all of them.
pub(super) struct Patience {
    idle: Duration,
    /// When all must be there, and which limit says so.
    deadline: (Instant, Limit),
}

impl Patience {
    /// A plugin's limits from now on, and the request's deadline; the sooner counts.
    pub(super) fn of(limits: &Limits, request: std::time::Instant) -> Self {
        let request = request.into();
        let total = limits.total_time;
        let deadline = match Instant::now().checked_add(total) {
            Some(own) if own < request => (own, Limit::Total(total)),
            _ => (request, Limit::Request),
        };
        Self {
            idle: limits.idle_time,
            deadline,
        }
    }

    /// The next batch; `None` when the queue has closed.
    ///
    /// # Errors
    /// The limit that passed.
    pub(super) async fn next<T>(&self, queue: &mut Reader<T>) -> Result<Option<Vec<T>>, Limit> {
        let (time, limit) = self.left();
        tokio::time::timeout(time, queue.next()).await.map_err(|_| limit)
    }

    /// How long the next piece may take from now on, and which limit says so.
    pub(super) fn left(&self) -> (Duration, Limit) {
        let (at, limit) = self.deadline;
        let left = at.saturating_duration_since(Instant::now());
        if left <= self.idle {
            (left, limit)
        } else {
            (self.idle, Limit::Idle(self.idle))
        }
    }
}
