//! A streamed answer on its way from the guest to the caller.
//!
//! In: events as the guest writes them. Out: batches that are well-formed and always end with
//! `done` or `error`, whatever becomes of the guest. Never: an unbounded queue; a slow reader
//! makes the guest wait.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::oneshot;
use wasmtime::component::StreamReader;

use super::call::{Answered, Call, Running, within};
use super::channel::{Reader, Writer, channel};
use super::completions;
use super::error::{CallError, Limit};
use super::functions::Callee;
use super::generation::{Generation, InFlight};
use super::grammar::{Grammar, Violation};
use super::operation::Interface;
use super::queue::{Patience, fill};
use crate::config::Isolation;
use crate::dispatch::EventBatches;
use crate::llm::{self, ChatEvent, ErrorKind};

/// How long a kept instance may take to close a stream whose last event has been read.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// The first event of an answer, and the rest.
type Opened = (llm::ResponseStart, EventBatches);

/// A request that is answered with a stream of events.
pub(super) trait Streams: Send + 'static {
    /// The interface that it needs.
    const INTERFACE: Interface;

    /// Asks for the stream.
    fn open(
        self,
        callee: Callee<'_>,
    ) -> impl Future<Output = wasmtime::Result<Result<StreamReader<ChatEvent>, llm::Error>>> + Send;
}

impl Streams for llm::ChatRequest {
    const INTERFACE: Interface = Interface::Chat;

    async fn open(self, callee: Callee<'_>) -> wasmtime::Result<Result<StreamReader<ChatEvent>, llm::Error>> {
        let loaded = callee.chat()?;
        loaded.llm_host_provider_chat().call_stream(callee.accessor, self).await
    }
}

impl Streams for completions::Request {
    const INTERFACE: Interface = Interface::Completions;

    async fn open(self, callee: Callee<'_>) -> wasmtime::Result<Result<StreamReader<ChatEvent>, llm::Error>> {
        let loaded = callee.completions()?;
        loaded
            .llm_host_provider_completions()
            .call_stream(callee.accessor, self)
            .await
    }
}

/// Opens a stream and fills a queue with it until it has closed.
struct Streamed<R> {
    request: R,
    /// Told whether there is a stream.
    opened: oneshot::Sender<Result<(), llm::Error>>,
    batches: Writer<ChatEvent>,
}

impl<R: Streams> Call for Streamed<R> {
    type Output = ();
    const INTERFACE: Interface = R::INTERFACE;

    async fn run(self, callee: Callee<'_>) -> wasmtime::Result<()> {
        match self.request.open(callee).await? {
            Ok(reader) => {
                let closed = fill(callee.accessor, reader, self.batches)?;
                // Nobody listens when the caller has already gone; the queue notices too.
                let _ = self.opened.send(Ok(()));
                closed.await;
            }
            Err(error) => {
                let _ = self.opened.send(Err(error));
            }
        }
        Ok(())
    }
}

impl Generation {
    /// Continues a conversation piece by piece. The stream always ends with `done` or `error`, and
    /// at the latest at `deadline`.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), for failures before the first event.
    pub async fn stream(
        self: &Arc<Self>,
        id: Arc<str>,
        request: llm::ChatRequest,
        deadline: std::time::Instant,
    ) -> Answered<Opened> {
        self.events(id, request, deadline).await
    }

    /// Continues texts piece by piece, as [`stream`](Self::stream) does.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), for failures before the first event.
    pub async fn stream_text(
        self: &Arc<Self>,
        id: Arc<str>,
        request: completions::Request,
        deadline: std::time::Instant,
    ) -> Answered<Opened> {
        self.events(id, request, deadline).await
    }

    async fn events<R: Streams>(
        self: &Arc<Self>,
        id: Arc<str>,
        request: R,
        deadline: std::time::Instant,
    ) -> Answered<Opened> {
        let in_flight = self.admit(R::INTERFACE)?;
        let limit = self.config.limits.first_event_time;
        let outcome = match within(limit, Limit::FirstEvent(limit), self.open(id, request)).await {
            Ok(Ok(begun)) => answer(self, in_flight, begun, deadline).await,
            Ok(Err(refused)) => Ok(Err(refused)),
            Err(error) => Err(error),
        };
        if !matches!(outcome, Ok(Ok(_))) {
            self.note(&outcome);
        }
        outcome
    }

    /// Opens a stream and waits for its first events; `None` when it closed without any.
    async fn open<R: Streams>(self: &Arc<Self>, id: Arc<str>, request: R) -> Answered<Begun> {
        let (batches, mut receiver) = channel();
        let (opened, waiting) = oneshot::channel();
        let call = Streamed {
            request,
            opened,
            batches,
        };
        let mut running = self.start(id, call).await?;
        match running.beside(waiting).await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return Ok(Err(refused)),
            Err(_) => {
                running.outcome().await?;
                return Err(CallError::Contract("it gave neither a stream nor an error".into()));
            }
        }
        let first = running.beside(receiver.next()).await;
        Ok(Ok((running, first, receiver)))
    }
}

/// A stream's call, its first events, and the queue of the rest.
type Begun = (Running<()>, Option<Vec<ChatEvent>>, Reader<ChatEvent>);

/// Looks at the first events and makes the rest a stream for the caller.
async fn answer(
    generation: &Arc<Generation>,
    in_flight: InFlight,
    (running, first, batches): Begun,
    deadline: std::time::Instant,
) -> Answered<Opened> {
    let mut stream = Answer {
        generation: generation.clone(),
        _in_flight: in_flight,
        running: Some(running),
        batches,
        grammar: Grammar::default(),
        patience: Patience::of(&generation.config.limits, deadline),
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

/// The rest of a streamed answer.
struct Answer {
    generation: Arc<Generation>,
    _in_flight: InFlight,
    /// Taken when it has ended.
    running: Option<Running<()>>,
    batches: Reader<ChatEvent>,
    grammar: Grammar,
    patience: Patience,
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
        let next = self.patience.next(&mut self.batches);
        let next = match &mut self.running {
            Some(running) => running.beside(next).await,
            None => next.await,
        };
        let outcome = match next {
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
        let running = self.running.take();
        if result.is_err() {
            return;
        }
        match self.generation.config.isolation {
            Isolation::Fresh => self.generation.tidy(running),
            Isolation::Pooled { .. } => {
                self.generation.tasks.spawn(async move {
                    if let Some(mut running) = running {
                        // How it ends no longer matters to anybody.
                        let _ = tokio::time::timeout(TO_CLOSE, running.outcome()).await;
                    }
                });
            }
            Isolation::Shared { .. } => {}
        }
    }

    /// Why a stream closed before its last event.
    async fn why_closed(&mut self) -> CallError {
        let ended = match &mut self.running {
            Some(running) => running.outcome().await,
            None => Ok(()),
        };
        match ended {
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
