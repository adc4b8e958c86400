//! One call into a plugin, from the choice of an instance to its answer.
//!
//! In: a generation and a request. Out: the adapter's answer, or why the plugin failed. Each call
//! runs in a task that owns its store, because only dropping a store cancels a guest; the task
//! ends when the caller loses interest, when a limit is met, or when the generation is stopped.
//! Never: a retry, or a thought about which provider should answer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::bindings::chat::exports::llm_host::provider::chat::Guest as ChatGuest;
use super::error::{CallError, Limit, one_line};
use super::events::{self, EventConsumer, Running};
use super::generation::Generation;
use super::instance::Guest;
use super::state::GuestState;
use crate::config::Isolation;
use crate::dispatch::EventBatches;
use crate::llm;

/// How many batches of events may wait for a slow reader before the guest has to wait.
const QUEUE: usize = 4;

/// Something to do with an instance.
pub(super) trait Call: Send + 'static {
    /// What it gives.
    type Output: Send + 'static;

    /// Does it. An error is a trap or a broken contract, after which the instance is unusable.
    fn run(self, guest: &mut Guest) -> impl Future<Output = wasmtime::Result<Self::Output>> + Send;
}

/// Asks for a whole answer.
struct Complete(llm::ChatRequest);

impl Call for Complete {
    type Output = Result<llm::ChatResponse, llm::Error>;

    async fn run(self, guest: &mut Guest) -> wasmtime::Result<Self::Output> {
        let Guest { store, chat, .. } = guest;
        let chat = chat_of(chat.as_ref())?;
        store
            .run_concurrent(async |accessor| chat.call_complete(accessor, self.0).await)
            .await?
    }
}

/// Asks for an answer piece by piece.
pub(super) struct Streamed {
    pub(super) request: llm::ChatRequest,
    /// Told whether there is a stream.
    pub(super) opened: oneshot::Sender<Result<(), llm::Error>>,
    pub(super) batches: mpsc::Sender<Vec<llm::ChatEvent>>,
}

impl Streamed {
    /// Opens the stream and waits until it has closed.
    pub(super) async fn pump(
        self,
        chat: &ChatGuest,
        accessor: &wasmtime::component::Accessor<GuestState>,
    ) -> wasmtime::Result<()> {
        let answer = match chat.call_stream(accessor, self.request).await? {
            Ok(reader) => {
                let (consumer, closed) = EventConsumer::new(self.batches);
                accessor.with(|access| reader.pipe(access, consumer))?;
                // Nobody listens when the caller has already gone; the consumer notices too.
                let _ = self.opened.send(Ok(()));
                // The sender is dropped with the consumer, which is the end of the stream.
                let _ = closed.await;
                return Ok(());
            }
            Err(error) => Err(error),
        };
        let _ = self.opened.send(answer);
        Ok(())
    }
}

impl Call for Streamed {
    type Output = ();

    async fn run(self, guest: &mut Guest) -> wasmtime::Result<()> {
        let Guest { store, chat, .. } = guest;
        let chat = chat_of(chat.as_ref())?;
        store
            .run_concurrent(async |accessor| self.pump(chat, accessor).await)
            .await?
    }
}

/// Asks for the models.
struct ListModels;

impl Call for ListModels {
    type Output = Result<Vec<llm::ModelInfo>, llm::Error>;

    async fn run(self, guest: &mut Guest) -> wasmtime::Result<Self::Output> {
        let Guest { store, base, .. } = guest;
        let provider = base.llm_host_provider_provider();
        store
            .run_concurrent(async |accessor| provider.call_list_models(accessor).await)
            .await?
    }
}

pub(super) fn chat_of(chat: Option<&super::bindings::chat::WithChat>) -> wasmtime::Result<&ChatGuest> {
    let chat = chat.ok_or_else(|| wasmtime::Error::msg("`chat` is not exported"))?;
    Ok(chat.llm_host_provider_chat())
}

/// A call's task; dropping it drops the store and everything the guest had open.
pub(super) struct CallTask<T>(JoinHandle<Result<T, CallError>>);

impl<T> Drop for CallTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> CallTask<T> {
    /// Waits for the outcome.
    pub(super) async fn outcome(&mut self) -> Result<T, CallError> {
        match (&mut self.0).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => Err(CallError::Trapped("the host failed while running it".into())),
            Err(_) => Err(CallError::Drained),
        }
    }
}

impl Generation {
    /// Asks for a whole answer.
    ///
    /// # Errors
    /// The outer error is the plugin's failure, the inner one what the adapter reports.
    pub async fn complete(
        self: &Arc<Self>,
        request_id: Arc<str>,
        request: llm::ChatRequest,
    ) -> Result<Result<llm::ChatResponse, llm::Error>, CallError> {
        let _in_flight = self.enter();
        self.admit_chat()?;
        let total = self.config.limits.total_time;
        let outcome = match self.config.isolation {
            Isolation::Shared { max_concurrency } => {
                let call = self.shared.complete(self, max_concurrency, request_id, request);
                within(total, Limit::Total(total), call).await
            }
            Isolation::Fresh | Isolation::Pooled { .. } => {
                let mut task = self.run(request_id, Complete(request));
                within(total, Limit::Total(total), task.outcome()).await
            }
        };
        self.note(&outcome);
        outcome
    }

    /// Asks for an answer piece by piece. The stream always ends with `done` or `error`, and at
    /// the latest at `deadline`.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), for failures before the first event.
    pub async fn stream(
        self: &Arc<Self>,
        request_id: Arc<str>,
        request: llm::ChatRequest,
        deadline: Instant,
    ) -> Result<Result<(llm::ResponseStart, EventBatches), llm::Error>, CallError> {
        let in_flight = self.enter();
        self.admit_chat()?;
        let limit = self.config.limits.first_event_time;
        let outcome = match within(limit, Limit::FirstEvent(limit), self.open(request_id, request)).await {
            Ok(Ok(opened)) => events::answer(self, in_flight, opened, deadline).await,
            Ok(Err(refused)) => Ok(Err(refused)),
            Err(error) => Err(error),
        };
        if !matches!(outcome, Ok(Ok(_))) {
            self.note(&outcome);
        }
        outcome
    }

    /// Opens a stream and waits for its first events; `None` when it closed without any.
    async fn open(
        self: &Arc<Self>,
        request_id: Arc<str>,
        request: llm::ChatRequest,
    ) -> Result<Result<Opened, llm::Error>, CallError> {
        let (batches, mut receiver) = mpsc::channel(QUEUE);
        let (opened, waiting) = oneshot::channel();
        let call = Streamed {
            request,
            opened,
            batches,
        };
        let mut running = match self.config.isolation {
            Isolation::Shared { max_concurrency } => {
                Running::Shared(self.shared.stream(self, max_concurrency, request_id, call).await?)
            }
            Isolation::Fresh | Isolation::Pooled { .. } => Running::Own(self.run(request_id, call)),
        };
        match waiting.await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return Ok(Err(refused)),
            Err(_) => {
                running.outcome().await?;
                return Err(CallError::Contract("it gave neither a stream nor an error".into()));
            }
        }
        let first = receiver.recv().await;
        Ok(Ok((running, first, receiver)))
    }

    /// Asks for the models.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn list_models(
        self: &Arc<Self>,
        request_id: Arc<str>,
    ) -> Result<Result<Vec<llm::ModelInfo>, llm::Error>, CallError> {
        let _in_flight = self.enter();
        self.health.admit(Instant::now())?;
        let limit = self.config.limits.first_event_time;
        let mut task = self.run(request_id, ListModels);
        let outcome = within(limit, Limit::FirstEvent(limit), task.outcome()).await;
        self.note(&outcome);
        outcome
    }

    /// Runs a call in a task that owns an instance. An instance that may be kept goes back to the
    /// pool only when its call ended well.
    fn run<C: Call>(self: &Arc<Self>, request_id: Arc<str>, call: C) -> CallTask<C::Output> {
        let generation = self.clone();
        let work = async move {
            let mut guest = Guest::take(&generation, request_id).await?;
            let meter = guest.store.data().meter.clone();
            match meter.measure(call.run(&mut guest)).await {
                Ok(output) => {
                    generation.pool.give_back(guest);
                    Ok(output)
                }
                Err(error) => Err(explain(&error, guest.store.data())),
            }
        };
        let stop = self.stop.clone();
        CallTask(self.tasks.spawn(async move {
            tokio::select! {
                biased;
                outcome = work => outcome,
                () = stop.cancelled() => Err(CallError::Drained),
            }
        }))
    }

    fn admit_chat(&self) -> Result<(), CallError> {
        self.health.admit(Instant::now())?;
        if self.plugin.exports.chat.is_some() {
            Ok(())
        } else {
            Err(CallError::Unsupported("chat"))
        }
    }

    /// Counts the outcome towards the plugin's health.
    pub(super) fn note<T>(&self, outcome: &Result<T, CallError>) {
        match outcome {
            Ok(_) => self.health.succeeded(),
            Err(error) => {
                tracing::warn!(plugin = %self.plugin.manifest.id, provider = %self.provider,
                    generation = self.id, code = error.code(), "a call failed: {error}");
                self.health.failed(error, Instant::now());
            }
        }
    }
}

/// A stream's task, its first events, and the rest.
pub(super) type Opened = (
    Running,
    Option<Vec<llm::ChatEvent>>,
    mpsc::Receiver<Vec<llm::ChatEvent>>,
);

/// What a trap was: a limit that this host enforces by trapping, or the guest's own doing.
pub(super) fn explain(error: &wasmtime::Error, state: &GuestState) -> CallError {
    if state.meter.exceeded() {
        return CallError::Limit(Limit::Cpu(state.meter.limit()));
    }
    if state.memory_refused().load(Ordering::Relaxed) {
        return CallError::Limit(Limit::Memory(state.limits.memory));
    }
    let text = one_line(error);
    // These have no type of their own; that the texts are these is what the tests of the sandbox hold.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return CallError::Limit(Limit::Copy(state.limits.copy_bytes));
    }
    if text.contains("store handle limit exceeded") || text.contains("resource table has no free keys") {
        return CallError::Limit(Limit::Handles(state.limits.handles));
    }
    CallError::Trapped(text)
}

async fn within<T>(
    time: Duration,
    limit: Limit,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(time, work)
        .await
        .unwrap_or(Err(CallError::Limit(limit)))
}
