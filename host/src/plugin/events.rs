//! A streamed answer on its way from the guest to the caller.
//!
//! In: events as the guest writes them. Out: batches that are well-formed and always end with
//! `done` or `error`, whatever becomes of the guest. Never: an unbounded queue; a slow reader
//! makes the guest wait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use super::call::{CallTask, Opened};
use super::error::{CallError, Limit};
use super::generation::{Generation, InFlight};
use super::grammar::{Grammar, Violation};
use super::state::GuestState;
use crate::config::Isolation;
use crate::dispatch::EventBatches;
use crate::llm::{self, ChatEvent, ErrorKind};

/// How long a kept instance may take to close a stream whose last event has been read.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// Takes what the guest writes and queues it, a whole write at a time.
pub(super) struct EventConsumer {
    batches: PollSender<Vec<ChatEvent>>,
    /// Dropped with the consumer: the stream has closed.
    _closed: oneshot::Sender<()>,
}

impl EventConsumer {
    /// The consumer, and what resolves when it is gone.
    pub(super) fn new(batches: mpsc::Sender<Vec<ChatEvent>>) -> (Self, oneshot::Receiver<()>) {
        let (closed, receiver) = oneshot::channel();
        (
            Self {
                batches: PollSender::new(batches),
                _closed: closed,
            },
            receiver,
        )
    }
}

impl StreamConsumer<GuestState> for EventConsumer {
    type Item = ChatEvent;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, GuestState>,
        mut source: Source<'_, ChatEvent>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.batches.poll_reserve(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            // The caller has gone.
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let mut batch = Vec::with_capacity(source.remaining(&mut store));
        source.read(&mut store, &mut batch)?;
        if batch.is_empty() {
            self.batches.abort_send();
        } else if self.batches.send_item(batch).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// What runs a stream's guest.
pub(super) enum Running {
    /// A task of its own.
    Own(CallTask<()>),
    /// An instance shared with others, which says how the call ended.
    Shared(oneshot::Receiver<Result<(), CallError>>),
}

impl Running {
    /// Waits for the end of the call.
    pub(super) async fn outcome(&mut self) -> Result<(), CallError> {
        match self {
            Self::Own(task) => task.outcome().await,
            Self::Shared(outcome) => outcome.await.unwrap_or(Err(CallError::Drained)),
        }
    }
}

/// Looks at the first events and makes the rest a stream for the caller.
pub(super) async fn answer(
    generation: &Arc<Generation>,
    in_flight: InFlight,
    (running, first, batches): Opened,
    deadline: std::time::Instant,
) -> Result<Result<(llm::ResponseStart, EventBatches), llm::Error>, CallError> {
    let mut stream = Answer {
        generation: generation.clone(),
        _in_flight: in_flight,
        running,
        batches,
        grammar: Grammar::default(),
        idle: generation.config.limits.idle_time,
        deadline: sooner(deadline.into(), generation.config.limits.total_time),
        over: false,
        fault: None,
    };
    let Some(mut batch) = first else {
        return Err(stream.why_closed().await);
    };
    match stream.grammar.accept(&mut batch) {
        Err(violation) if batch.is_empty() => return Err(CallError::Contract(violation.0)),
        outcome => stream.fault = outcome.err(),
    }
    let mut rest = batch.into_iter();
    match rest.next() {
        Some(ChatEvent::Start(start)) => {
            let rest: Vec<_> = rest.collect();
            if stream.grammar.ended() {
                stream.end(&Ok(()));
            }
            let head = futures::stream::iter((!rest.is_empty()).then_some(rest));
            let tail = futures::stream::unfold(stream, |mut stream| async move {
                let batch = stream.next().await?;
                Some((batch, stream))
            });
            Ok(Ok((start, head.chain(tail).boxed())))
        }
        Some(ChatEvent::Error(error)) => Ok(Err(error)),
        _ => Err(CallError::Contract("its stream does not begin with `start`".into())),
    }
}

/// The sooner of the request's deadline and the plugin's limit from now on.
fn sooner(request: Instant, total: Duration) -> (Instant, Limit) {
    match Instant::now().checked_add(total) {
        Some(own) if own < request => (own, Limit::Total(total)),
        _ => (request, Limit::Request),
    }
}

/// The rest of a streamed answer.
struct Answer {
    generation: Arc<Generation>,
    _in_flight: InFlight,
    running: Running,
    batches: mpsc::Receiver<Vec<ChatEvent>>,
    grammar: Grammar,
    idle: Duration,
    /// When it must be complete, and which limit says so.
    deadline: (Instant, Limit),
    over: bool,
    /// The rule that the first batch broke, after events that were sound.
    fault: Option<Violation>,
}

impl Answer {
    /// The next batch; `None` after the one that ends with `done` or `error`.
    async fn next(&mut self) -> Option<Vec<ChatEvent>> {
        if self.over {
            return None;
        }
        if let Some(violation) = self.fault.take() {
            return Some(self.last(Vec::new(), Err(CallError::Contract(violation.0))));
        }
        let outcome = match self.wait().await {
            Ok(Some(mut batch)) => match self.grammar.accept(&mut batch) {
                Ok(()) if !self.grammar.ended() => return Some(batch),
                Ok(()) => (batch, Ok(())),
                Err(violation) => (batch, Err(CallError::Contract(violation.0))),
            },
            Ok(None) => (Vec::new(), Err(self.why_closed().await)),
            Err(limit) => (Vec::new(), Err(CallError::Limit(limit))),
        };
        let (batch, result) = outcome;
        Some(self.last(batch, result))
    }

    /// The batch as the last one.
    fn last(&mut self, mut batch: Vec<ChatEvent>, result: Result<(), CallError>) -> Vec<ChatEvent> {
        self.end(&result);
        if let Err(error) = result {
            batch.push(ChatEvent::Error(self.event(&error)));
        }
        batch
    }

    /// Nothing follows. An instance that is to be kept needs a moment to close its stream before
    /// it can go back to the pool; one that takes longer is dropped.
    fn end(&mut self, result: &Result<(), CallError>) {
        self.over = true;
        self.generation.note(result);
        let kept = matches!(self.generation.config.isolation, Isolation::Pooled { .. });
        if kept && result.is_ok() {
            let (_, nothing) = oneshot::channel();
            let mut running = std::mem::replace(&mut self.running, Running::Shared(nothing));
            self.generation.tasks.spawn(async move {
                // How it ends no longer matters to anybody.
                let _ = tokio::time::timeout(TO_CLOSE, running.outcome()).await;
            });
        }
    }

    async fn wait(&mut self) -> Result<Option<Vec<ChatEvent>>, Limit> {
        let (at, limit) = self.deadline;
        let left = at.saturating_duration_since(Instant::now());
        let (time, limit) = if left <= self.idle {
            (left, limit)
        } else {
            (self.idle, Limit::Idle(self.idle))
        };
        tokio::time::timeout(time, self.batches.recv()).await.map_err(|_| limit)
    }

    /// Why a stream closed before its last event.
    async fn why_closed(&mut self) -> CallError {
        match self.running.outcome().await {
            Err(error) => error,
            Ok(()) => CallError::Contract("its stream closed without `done` or `error`".into()),
        }
    }

    /// A failure of the plugin as the stream's last event.
    fn event(&self, error: &CallError) -> llm::Error {
        let kind = match error {
            CallError::Limit(Limit::FirstEvent(_) | Limit::Idle(_) | Limit::Total(_) | Limit::Request) => {
                ErrorKind::Timeout
            }
            CallError::Contract(_) if !self.grammar.ended() => ErrorKind::StreamTruncated,
            CallError::Drained => ErrorKind::Cancelled,
            _ => ErrorKind::Internal,
        };
        llm::Error {
            kind,
            message: format!("plugin `{}` failed: {error}", self.generation.plugin.manifest.id),
            retryable: false,
            retry_after_ms: None,
            http_status: None,
            provider_code: Some(error.code().to_owned()),
            param: None,
            request_id: None,
            raw: None,
        }
    }
}
