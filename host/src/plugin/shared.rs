//! One instance that serves many calls at once, for plugins the admin trusts with that.
//!
//! In: calls, by a bounded queue. Out: their answers. What the isolation costs: a trap or a limit
//! ends every call in the instance, and a call that its caller gave up goes on until the guest
//! notices. Never: more calls at once than configured, and no instance for ever: after
//! [`MOST_CALLS`] another takes its place, while its own calls come to their end.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::call::{Call, explain};
use super::error::CallError;
use super::functions::Callee;
use super::generation::Generation;
use super::instance::Guest;

/// How many calls an instance serves. A guest's memory never shrinks, and what is left of each call
/// adds up: bindings of wit-bindgen 0.61 leave the block in which an `async` export gets its
/// parameters, some hundred bytes.
const MOST_CALLS: u32 = 10_000;

/// The instance, once there is one.
#[derive(Default)]
pub(super) struct SharedInstance(Mutex<State>);

#[derive(Default)]
struct State {
    instance: Option<Handle>,
    places: Option<Arc<Semaphore>>,
}

/// The way to an instance.
#[derive(Clone)]
struct Handle {
    queue: mpsc::Sender<Job>,
    fate: Arc<Fate>,
}

/// How an instance ended.
#[derive(Default)]
pub(super) struct Fate {
    /// What ended it, and every call in it, when it did not end well.
    error: OnceLock<CallError>,
    over: CancellationToken,
}

impl Fate {
    /// Waits for the end of the instance. `None` when nothing was wrong with it.
    pub(super) async fn known(&self) -> Option<&CallError> {
        self.over.cancelled().await;
        self.error.get()
    }
}

struct Job {
    work: Box<dyn Work>,
    request_id: Arc<str>,
    /// Frees the place when the job is dropped.
    _place: OwnedSemaphorePermit,
}

/// A call of any type, and who waits for its outcome.
trait Work: Send {
    fn run<'c>(self: Box<Self>, callee: Callee<'c>) -> BoxFuture<'c, wasmtime::Result<()>>;
    fn refuse(self: Box<Self>, error: CallError);
}

struct Asked<C: Call> {
    call: C,
    reply: oneshot::Sender<Result<C::Output, CallError>>,
}

impl<C: Call> Work for Asked<C> {
    fn run<'c>(self: Box<Self>, callee: Callee<'c>) -> BoxFuture<'c, wasmtime::Result<()>> {
        async move {
            let output = self.call.run(callee).await?;
            // A caller that has gone does not listen.
            let _ = self.reply.send(Ok(output));
            Ok(())
        }
        .boxed()
    }

    fn refuse(self: Box<Self>, error: CallError) {
        let _ = self.reply.send(Err(error));
    }
}

impl SharedInstance {
    /// Takes no more calls; those that run go on.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).instance.take();
    }

    /// Hands a call to the instance; the receiver says how it ended, or closes with the instance.
    pub(super) async fn submit<C: Call>(
        &self,
        generation: &Arc<Generation>,
        places: usize,
        request_id: Arc<str>,
        call: C,
    ) -> Result<(oneshot::Receiver<Result<C::Output, CallError>>, Arc<Fate>), CallError> {
        let (reply, outcome) = oneshot::channel();
        let place = self
            .places(places)
            .acquire_owned()
            .await
            .map_err(|_| CallError::Drained)?;
        let mut job = Job {
            work: Box::new(Asked { call, reply }),
            request_id,
            _place: place,
        };
        loop {
            let Handle { queue, fate } = self.instance(generation, places);
            match queue.send(job).await {
                Ok(()) => return Ok((outcome, fate)),
                // It has just taken its last call; another takes its place.
                Err(_) if generation.stop.is_cancelled() => return Err(CallError::Drained),
                Err(mpsc::error::SendError(back)) => job = back,
            }
        }
    }

    fn places(&self, places: usize) -> Arc<Semaphore> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .places
            .get_or_insert_with(|| Arc::new(Semaphore::new(places.max(1))))
            .clone()
    }

    /// The instance that is there, or a new one.
    fn instance(&self, generation: &Arc<Generation>, places: usize) -> Handle {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instance) = state.instance.as_ref().filter(|instance| !instance.queue.is_closed()) {
            return instance.clone();
        }
        let (queue, jobs) = mpsc::channel(places.max(1));
        let instance = Handle {
            queue,
            fate: Arc::default(),
        };
        state.instance = Some(instance.clone());
        let (stop, owner, fate) = (generation.stop.clone(), generation.clone(), instance.fate.clone());
        generation.tasks.spawn(async move {
            let _over = fate.over.clone().drop_guard();
            tokio::select! {
                biased;
                () = serve(&owner, jobs, &fate) => {}
                () = stop.cancelled() => {}
            }
        });
        instance
    }
}

/// Owns the instance and runs the jobs until the queue closes or the guest traps.
async fn serve(generation: &Generation, mut jobs: mpsc::Receiver<Job>, fate: &Fate) {
    let mut guest = match Guest::fresh(generation, "shared".into()).await {
        Ok(guest) => guest,
        Err(error) => return refuse(&mut jobs, &error),
    };
    let mut left = MOST_CALLS;
    let meter = guest.store.data().meter.clone();
    let work = async {
        let Guest { store, functions, .. } = &mut guest;
        let functions = &*functions;
        store
            .run_concurrent(async |accessor| {
                let callee = Callee { accessor, functions };
                let mut running: FuturesUnordered<BoxFuture<'_, wasmtime::Result<()>>> = FuturesUnordered::new();
                let mut open = true;
                while open || !running.is_empty() {
                    tokio::select! {
                        Some(outcome) = running.next(), if !running.is_empty() => outcome?,
                        job = jobs.recv(), if open => match job {
                            Some(job) => {
                                running.push(run(job, callee).boxed());
                                left = left.saturating_sub(1);
                                if left == 0 {
                                    // What is in the queue still comes.
                                    jobs.close();
                                }
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
        // It is set once, here.
        let _ = fate.error.set(error.clone());
        generation.note::<()>(&Err(error.clone()));
        refuse(&mut jobs, &error);
    }
}

async fn run(job: Job, callee: Callee<'_>) -> wasmtime::Result<()> {
    let Job {
        work,
        request_id,
        _place,
    } = job;
    // The limits on requests, answers and log lines are those of one call.
    callee.accessor.with(|mut access| access.get().begin_call(request_id));
    work.run(callee).await
}

/// Tells the jobs that were still waiting.
fn refuse(jobs: &mut mpsc::Receiver<Job>, error: &CallError) {
    jobs.close();
    while let Ok(job) = jobs.try_recv() {
        job.work.refuse(error.clone());
    }
}
