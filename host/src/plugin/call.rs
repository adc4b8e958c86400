//! One call into a plugin, from the choice of an instance to its answer.
//!
//! In: a generation and something to ask of it. Out: the adapter's answer, or why the plugin failed.
//! Every call goes this way, whatever it asks: it is admitted, it runs in an instance that the
//! isolation chooses, its time is limited, and its outcome counts towards the plugin's health. Only
//! dropping a store cancels a guest. So a call owns its store and is part of its request's own future: a
//! task would only move it to another thread, and waking that takes a while. It ends when the caller
//! loses interest, when a limit is met, or when the generation is stopped. Never: a retry, or a
//! thought about which provider should answer.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::{CallError, Limit, one_line};
use super::functions::Callee;
use super::generation::{Generation, InFlight};
use super::instance::Guest;
use super::operation::{self, Interface};
use super::shared::Fate;
use super::state::GuestState;
use super::{completions, embeddings, images, speech};
use crate::config::Isolation;
use crate::llm;

/// Something to ask of an instance.
pub(super) trait Call: Send + 'static {
    /// What it gives.
    type Output: Send + 'static;

    /// The interface that it needs.
    const INTERFACE: Interface;

    /// Does it. An error is a trap or a broken contract, after which the instance is unusable.
    fn run(self, callee: Callee<'_>) -> impl Future<Output = wasmtime::Result<Self::Output>> + Send;
}

/// What the adapter reports, or why the plugin failed.
pub(super) type Answered<T> = Result<Result<T, llm::Error>, CallError>;

/// A call that goes on while its answer is waited for; dropping it drops the store and everything the
/// guest had open.
pub(super) struct OwnCall<T> {
    /// Until it has ended.
    call: Option<BoxFuture<'static, Result<T, CallError>>>,
    /// Until somebody asks for it.
    outcome: Option<Result<T, CallError>>,
}

impl<T> OwnCall<T> {
    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.call
            && let Poll::Ready(outcome) = call.as_mut().poll(cx)
        {
            self.call = None;
            self.outcome = Some(outcome);
        }
    }
}

/// A call that has been started.
pub(super) enum Running<T> {
    /// In an instance of its own.
    Own(OwnCall<T>),
    /// In an instance shared with others, which says how the call ended.
    Shared {
        outcome: oneshot::Receiver<Result<T, CallError>>,
        fate: Arc<Fate>,
        stop: CancellationToken,
    },
}

impl<T> Running<T> {
    /// Waits for something that the call brings about; the call goes on meanwhile.
    pub(super) async fn beside<O>(&mut self, waited: impl Future<Output = O>) -> O {
        let Self::Own(own) = self else {
            return waited.await;
        };
        let mut waited = pin!(waited);
        poll_fn(|cx| {
            // What is there already comes before more is made.
            if let Poll::Ready(output) = waited.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            own.advance(cx);
            waited.as_mut().poll(cx)
        })
        .await
    }

    /// Waits for the outcome.
    pub(super) async fn outcome(&mut self) -> Result<T, CallError> {
        match self {
            Self::Own(own) => {
                poll_fn(|cx| {
                    own.advance(cx);
                    match own.outcome.take() {
                        Some(outcome) => Poll::Ready(outcome),
                        // It has been asked for before.
                        None if own.call.is_none() => Poll::Ready(Err(CallError::Drained)),
                        None => Poll::Pending,
                    }
                })
                .await
            }
            Self::Shared { outcome, fate, stop } => match outcome.await {
                Ok(outcome) => outcome,
                Err(_) if stop.is_cancelled() => Err(CallError::Drained),
                Err(_) => Err(CallError::Trapped(match fate.known().await {
                    Some(error) => format!("the instance that it shared with other calls was ended: {error}"),
                    None => "the instance that it shared with other calls was ended".to_owned(),
                })),
            },
        }
    }
}

impl Generation {
    /// Asks for a whole answer.
    ///
    /// # Errors
    /// The outer error is the plugin's failure, the inner one what the adapter reports.
    pub async fn complete(self: &Arc<Self>, id: Arc<str>, request: llm::ChatRequest) -> Answered<llm::ChatResponse> {
        self.ask(id, operation::Complete { request }).await
    }

    /// Continues texts as a whole.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn complete_text(
        self: &Arc<Self>,
        id: Arc<str>,
        request: completions::Request,
    ) -> Answered<llm::ChatResponse> {
        self.ask(id, operation::CompleteText { request }).await
    }

    /// Embeds texts.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn embed(self: &Arc<Self>, id: Arc<str>, request: embeddings::Request) -> Answered<embeddings::Response> {
        let inputs = request.inputs.len();
        let answered = self.ask(id, operation::Embed { request }).await?;
        if let Ok(answer) = &answered
            && answer.vectors.len() != inputs
        {
            let count = answer.vectors.len();
            let broken = CallError::Contract(format!("it gave {count} vectors for {inputs} texts"));
            self.note::<()>(&Err(broken.clone()));
            return Err(broken);
        }
        Ok(answered)
    }

    /// Makes pictures.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn draw(self: &Arc<Self>, id: Arc<str>, request: images::Request) -> Answered<images::Response> {
        self.ask(id, operation::Draw { request }).await
    }

    /// Writes sound down.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn transcribe(
        self: &Arc<Self>,
        id: Arc<str>,
        request: speech::TranscriptionRequest,
    ) -> Answered<speech::Transcript> {
        self.ask(id, operation::Transcribe { request }).await
    }

    /// Asks for the models. A list that takes longer than a first event is none.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn list_models(self: &Arc<Self>, id: Arc<str>) -> Answered<Vec<llm::ModelInfo>> {
        let limit = self.config.limits.first_event_time;
        self.ask_within(limit, Limit::FirstEvent(limit), id, operation::ListModels {})
            .await
    }

    /// Asks something that is answered as a whole.
    pub(super) async fn ask<C: Call>(self: &Arc<Self>, id: Arc<str>, call: C) -> Result<C::Output, CallError> {
        let total = self.config.limits.total_time;
        self.ask_within(total, Limit::Total(total), id, call).await
    }

    async fn ask_within<C: Call>(
        self: &Arc<Self>,
        time: Duration,
        limit: Limit,
        id: Arc<str>,
        call: C,
    ) -> Result<C::Output, CallError> {
        let _in_flight = self.admit(C::INTERFACE)?;
        let outcome = within(time, limit, async { self.start(id, call).await?.outcome().await }).await;
        self.note(&outcome);
        outcome
    }

    /// Lets a call in that needs an interface, and counts it for as long as the guard lives.
    pub(super) fn admit(self: &Arc<Self>, interface: Interface) -> Result<InFlight, CallError> {
        let in_flight = self.enter();
        self.health.admit(Instant::now())?;
        if interface.is_in(&self.plugin.exports) {
            return Ok(in_flight);
        }
        let offered = self.plugin.interfaces.iter().filter(|name| *name != "provider");
        Err(CallError::Unsupported {
            interface: interface.name(),
            offered: offered.cloned().collect(),
        })
    }

    /// Starts a call that has been admitted, in an instance that the isolation chooses.
    pub(super) async fn start<C: Call>(
        self: &Arc<Self>,
        id: Arc<str>,
        call: C,
    ) -> Result<Running<C::Output>, CallError> {
        match self.config.isolation {
            Isolation::Shared { max_concurrency } => {
                let (outcome, fate) = self.shared.submit(self, max_concurrency, id, call).await?;
                Ok(Running::Shared {
                    outcome,
                    fate,
                    stop: self.stop.clone(),
                })
            }
            Isolation::Fresh | Isolation::Pooled { .. } => {
                let generation = self.clone();
                let call = async move { generation.run(id, call).await };
                Ok(Running::Own(OwnCall {
                    call: Some(call.boxed()),
                    outcome: None,
                }))
            }
        }
    }

    /// Runs a call in an instance of its own. One that may be kept goes back to the pool only when its
    /// call ended well.
    async fn run<C: Call>(self: &Arc<Self>, id: Arc<str>, call: C) -> Result<C::Output, CallError> {
        let _counted = self.tasks.token();
        let work = async {
            let mut guest = Guest::take(self, id).await?;
            let meter = guest.store.data().meter.clone();
            let (outcome, spent) = match meter.measure(call_in(&mut guest, call)).await {
                Ok(output) => (Ok(output), self.pool.give_back(guest)),
                Err(error) => (Err(explain(&error, guest.store.data())), Some(guest)),
            };
            self.tidy(spent);
            outcome
        };
        // A panic would take the whole connection along.
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::select! {
            biased;
            outcome = work => {
                outcome.unwrap_or_else(|_| Err(CallError::Trapped("the host failed while running it".into())))
            }
            () = self.stop.cancelled() => Err(CallError::Drained),
        }
    }

    /// Takes what is left of a call apart, and makes an instance ahead where that is wanted: neither
    /// takes the time of a caller.
    pub(super) fn tidy<S: Send + 'static>(self: &Arc<Self>, spent: Option<S>) {
        if spent.is_none() && !self.pool.wants_more() {
            return;
        }
        let generation = self.clone();
        self.tasks.spawn(async move {
            drop(spent);
            tokio::select! {
                () = generation.make_ahead() => {}
                () = generation.stop.cancelled() => {}
            }
        });
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

async fn call_in<C: Call>(guest: &mut Guest, call: C) -> wasmtime::Result<C::Output> {
    let Guest { store, functions, .. } = guest;
    let functions = &*functions;
    store
        .run_concurrent(async |accessor| call.run(Callee { accessor, functions }).await)
        .await?
}

/// What a trap was: a limit that this host enforces by trapping, or the guest's own doing.
pub(super) fn explain(error: &wasmtime::Error, state: &GuestState) -> CallError {
    if state.meter.exceeded() {
        return CallError::Limit(Limit::Cpu(state.meter.limit()));
    }
    if state.memory_refused().load(Ordering::Relaxed) {
        return CallError::Limit(Limit::Memory(state.limits.memory));
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Full;
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

pub(super) async fn within<T>(
    time: Duration,
    limit: Limit,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(time, work)
        .await
        .unwrap_or(Err(CallError::Limit(limit)))
}
