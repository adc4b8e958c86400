//! Instances of a plugin: made fresh, made ahead, or kept between calls.
//!
//! In: a generation. Out: a [`Guest`] that is ready for one call. Never: two calls in one
//! instance at once; that is `shared`'s.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Store;

use super::call::explain;
use super::error::CallError;
use super::functions::Functions;
use super::generation::Generation;
use super::state::GuestState;
use crate::config::Isolation;

/// How many instances are made ahead where each call has one of its own, so that a call need not
/// wait for its instance. They are made after a call and serve one call, as those made for it do.
const AHEAD: usize = 2;

/// An instance and the store it lives in. Dropping it ends whatever runs in it.
pub(super) struct Guest {
    pub(super) store: Store<GuestState>,
    pub(super) functions: Functions,
    uses: u32,
}

impl Guest {
    /// Makes an instance for a call.
    pub(super) async fn fresh(generation: &Generation, request_id: Arc<str>) -> Result<Self, CallError> {
        let plugin = &generation.plugin;
        let mut store = GuestState::store(
            &generation.engine,
            generation.identity.clone(),
            &generation.config.limits,
            request_id,
        );
        // A component may compute while it starts, and what it may compute is limited like the rest.
        let meter = store.data().meter.clone();
        match meter.measure(plugin.pre.instantiate_async(&mut store)).await {
            Ok(instance) => Ok(Self {
                store,
                functions: Functions::new(plugin.clone(), instance),
                uses: 0,
            }),
            Err(error) => Err(explain(&error, store.data())),
        }
    }

    /// Takes an instance that waits, or makes one.
    pub(super) async fn take(generation: &Generation, request_id: Arc<str>) -> Result<Self, CallError> {
        match generation.pool.take() {
            Some(mut guest) => {
                guest.store.data_mut().begin_call(request_id);
                Ok(guest)
            }
            None => Self::fresh(generation, request_id).await,
        }
    }
}

impl Generation {
    /// Makes the instances of the next calls. One that cannot be made is left to its call, which
    /// says why.
    pub(super) async fn make_ahead(&self) {
        while let Some(place) = self.pool.place_ahead() {
            let Ok(mut guest) = Guest::fresh(self, "".into()).await else {
                return;
            };
            guest.functions.look_up_chat(&mut guest.store);
            place.fill(guest);
        }
    }
}

/// Instances that wait for their next call.
pub(super) struct Pool {
    keep: usize,
    ahead: usize,
    max_uses: u32,
    idle: Mutex<Option<Vec<Guest>>>,
    /// Instances that are being made ahead.
    coming: AtomicUsize,
}

/// A place for an instance that is being made ahead.
struct Place<'p>(&'p Pool);

impl Place<'_> {
    fn fill(self, guest: Guest) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(idle) = idle.as_mut() {
            return idle.push(guest);
        }
        // Taking it apart takes a while.
        drop(idle);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(isolation: Isolation) -> Self {
        let (keep, max_uses) = match isolation {
            Isolation::Pooled {
                max_instances,
                max_uses,
            } => (max_instances, max_uses),
            Isolation::Fresh | Isolation::Shared { .. } => (0, 0),
        };
        Self {
            keep,
            ahead: if isolation == Isolation::Fresh { AHEAD } else { 0 },
            max_uses,
            idle: Mutex::new(Some(Vec::new())),
            coming: AtomicUsize::new(0),
        }
    }

    fn take(&self) -> Option<Guest> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.pop()
    }

    /// Keeps an instance whose call ended well, or gives it back when it is not to be kept.
    pub(super) fn give_back(&self, mut guest: Guest) -> Option<Guest> {
        guest.uses += 1;
        if guest.uses >= self.max_uses {
            return Some(guest);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.as_mut().filter(|idle| idle.len() < self.keep) {
            Some(idle) => {
                idle.push(guest);
                None
            }
            None => Some(guest),
        }
    }

    /// Whether an instance is to be made ahead.
    pub(super) fn wants_more(&self) -> bool {
        self.lacks(&self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lacks(&self, idle: &Option<Vec<Guest>>) -> bool {
        let coming = self.coming.load(Ordering::Relaxed);
        idle.as_ref().is_some_and(|idle| idle.len() + coming < self.ahead)
    }

    /// A place for an instance, when one is wanted: of those who ask at once only as many make one
    /// as there are places.
    fn place_ahead(&self) -> Option<Place<'_>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.lacks(&idle).then(|| {
            self.coming.fetch_add(1, Ordering::Relaxed);
            Place(self)
        })
    }

    /// Drops what is kept, now and later: the generation has been replaced.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
