//! One instance that serves many calls at once, for plugins the admin trusts with that.
//!
//! In: calls, by a bounded queue. Out: their answers. What the isolation costs: a trap or a limit
//! ends every call in the instance, and a call that its caller gave up goes on until the guest
//! notices. Never: more calls at once than configured.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::call::{Streamed, chat_of, explain};
use super::error::CallError;
use super::generation::Generation;
use super::instance::Guest;
use crate::llm;

/// The instance, once there is one.
#[derive(Default)]
pub(super) struct SharedInstance(Mutex<State>);

#[derive(Default)]
struct State {
    queue: Option<mpsc::Sender<Job>>,
    places: Option<Arc<Semaphore>>,
}

struct Job {
    work: Work,
    request_id: Arc<str>,
    /// Frees the place when the job is dropped.
    _place: OwnedSemaphorePermit,
}

enum Work {
    Complete(llm::ChatRequest, oneshot::Sender<Result<CompleteAnswer, CallError>>),
    Stream(Streamed, oneshot::Sender<Result<(), CallError>>),
}

type CompleteAnswer = Result<llm::ChatResponse, llm::Error>;

impl SharedInstance {
    /// Asks the instance for a whole answer.
    pub(super) async fn complete(
        &self,
        generation: &Arc<Generation>,
        places: usize,
        request_id: Arc<str>,
        request: llm::ChatRequest,
    ) -> Result<CompleteAnswer, CallError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Complete(request, reply);
        self.submit(generation, places, request_id, work).await?;
        let ended = || CallError::Trapped("another call in the shared instance ended it".into());
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Asks the instance for a stream; the receiver says how it ended.
    pub(super) async fn stream(
        &self,
        generation: &Arc<Generation>,
        places: usize,
        request_id: Arc<str>,
        call: Streamed,
    ) -> Result<oneshot::Receiver<Result<(), CallError>>, CallError> {
        let (reply, outcome) = oneshot::channel();
        self.submit(generation, places, request_id, Work::Stream(call, reply))
            .await?;
        Ok(outcome)
    }

    /// Takes no more calls; those that run go on.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).queue.take();
    }

    async fn submit(
        &self,
        generation: &Arc<Generation>,
        places: usize,
        request_id: Arc<str>,
        work: Work,
    ) -> Result<(), CallError> {
        let place = self
            .places(places)
            .acquire_owned()
            .await
            .map_err(|_| CallError::Drained)?;
        let queue = self.queue(generation, places);
        queue
            .send(Job {
                work,
                request_id,
                _place: place,
            })
            .await
            .map_err(|_| CallError::Drained)
    }

    fn places(&self, places: usize) -> Arc<Semaphore> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .places
            .get_or_insert_with(|| Arc::new(Semaphore::new(places.max(1))))
            .clone()
    }

    /// The queue of the instance that is there, or of a new one.
    fn queue(&self, generation: &Arc<Generation>, places: usize) -> mpsc::Sender<Job> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = state.queue.as_ref().filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (queue, jobs) = mpsc::channel(places.max(1));
        state.queue = Some(queue.clone());
        let (stop, owner) = (generation.stop.clone(), generation.clone());
        generation.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = serve(&owner, jobs) => {}
                () = stop.cancelled() => {}
            }
        });
        queue
    }
}

/// Owns the instance and runs the jobs until the queue closes or the guest traps.
async fn serve(generation: &Generation, mut jobs: mpsc::Receiver<Job>) {
    let mut guest = match Guest::fresh(generation, "shared".into()).await {
        Ok(guest) => guest,
        Err(error) => return refuse(&mut jobs, &error),
    };
    let meter = guest.store.data().meter.clone();
    let work = async {
        let Guest { store, chat, .. } = &mut guest;
        let chat = chat_of(chat.as_ref())?;
        store
            .run_concurrent(async |accessor| {
                let mut running: FuturesUnordered<BoxFuture<'_, wasmtime::Result<()>>> = FuturesUnordered::new();
                let mut open = true;
                while open || !running.is_empty() {
                    tokio::select! {
                        Some(outcome) = running.next(), if !running.is_empty() => outcome?,
                        job = jobs.recv(), if open => match job {
                            Some(job) => {
                                running.push(run(job, chat, accessor).boxed());
                            }
                            None => open = false,
                        },
                    }
                }
                Ok(())
            })
            .await?
    };
    let outcome: wasmtime::Result<()> = meter.measure(work).await;
    if let Err(error) = outcome {
        let error = explain(&error, guest.store.data());
        generation.note::<()>(&Err(error.clone()));
        refuse(&mut jobs, &error);
    }
}

async fn run(
    job: Job,
    chat: &super::bindings::chat::exports::llm_host::provider::chat::Guest,
    accessor: &wasmtime::component::Accessor<super::state::GuestState>,
) -> wasmtime::Result<()> {
    // The limits on requests, answers and log lines are those of one call.
    accessor.with(|mut access| access.get().begin_call(job.request_id));
    match job.work {
        Work::Complete(request, reply) => {
            let answer = chat.call_complete(accessor, request).await?;
            // A caller that has gone does not listen.
            let _ = reply.send(Ok(answer));
        }
        Work::Stream(call, reply) => {
            call.pump(chat, accessor).await?;
            let _ = reply.send(Ok(()));
        }
    }
    Ok(())
}

/// Tells the jobs that were still waiting.
fn refuse(jobs: &mut mpsc::Receiver<Job>, error: &CallError) {
    jobs.close();
    while let Ok(job) = jobs.try_recv() {
        match job.work {
            Work::Complete(_, reply) => drop(reply.send(Err(error.clone()))),
            Work::Stream(_, reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}
