//! What the egress stack counts.
//!
//! In: every call and its end. Out: counters for each provider. Never: a host, a path or anything
//! else with an open set of values.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tower::Layer;

use super::body::{Observer, length, watch};
use super::error::EgressError;
use super::service::Service;
use super::{EgressRequest, UpstreamResponse};

/// The counters of all providers.
#[derive(Debug, Default)]
pub struct Metrics {
    providers: Mutex<BTreeMap<Arc<str>, Arc<Counters>>>,
}

/// The counters of one provider. They only grow, but for `in_flight`.
#[derive(Debug, Default)]
pub struct Counters {
    started: AtomicU64,
    in_flight: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    denied: AtomicU64,
    timed_out: AtomicU64,
    failed: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
}

/// The counters of one provider at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that began.
    pub started: u64,
    /// Calls that have not ended.
    pub in_flight: u64,
    /// Calls whose answer arrived in full, whatever its status.
    pub completed: u64,
    /// Calls that were dropped before their end.
    pub cancelled: u64,
    /// Calls that a rule refused.
    pub denied: u64,
    /// Calls that took longer than a limit.
    pub timed_out: u64,
    /// Calls that failed in any other way.
    pub failed: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of answers' bodies.
    pub response_bytes: u64,
}

impl Metrics {
    /// The counters of every provider that has called out, by its name.
    pub fn read(&self) -> BTreeMap<Arc<str>, Counts> {
        let providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        providers
            .iter()
            .map(|(name, counters)| (Arc::clone(name), counters.read()))
            .collect()
    }

    fn of(&self, provider: &Arc<str>) -> Arc<Counters> {
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(providers.entry(Arc::clone(provider)).or_default())
    }
}

impl Counters {
    fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            started: read(&self.started),
            in_flight: read(&self.in_flight),
            completed: read(&self.completed),
            cancelled: read(&self.cancelled),
            denied: read(&self.denied),
            timed_out: read(&self.timed_out),
            failed: read(&self.failed),
            request_bytes: read(&self.request_bytes),
            response_bytes: read(&self.response_bytes),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// A call that is running. Ends as cancelled unless it is told otherwise.
struct Running {
    counters: Arc<Counters>,
    ended: bool,
}

impl Running {
    fn start(counters: Arc<Counters>, request_bytes: u64) -> Self {
        add(&counters.started, 1);
        add(&counters.in_flight, 1);
        add(&counters.request_bytes, request_bytes);
        Self { counters, ended: false }
    }

    fn count_end(&mut self, result: Result<(), &EgressError>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let counter = match result {
            Ok(()) => &self.counters.completed,
            Err(EgressError::Denied(_)) => &self.counters.denied,
            Err(EgressError::Timeout { .. }) => &self.counters.timed_out,
            Err(EgressError::Cancelled) => &self.counters.cancelled,
            Err(_) => &self.counters.failed,
        };
        add(counter, 1);
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Observer for Running {
    fn piece(&mut self, bytes: u64) {
        add(&self.counters.response_bytes, bytes);
    }

    fn end(&mut self, result: Result<(), &EgressError>) {
        self.count_end(result);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count_end(Err(&EgressError::Cancelled));
    }
}

/// The layer.
#[derive(Debug, Clone)]
pub struct Count {
    metrics: Arc<Metrics>,
}

impl Count {
    /// Counts into these.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for Count {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counted {
            metrics: Arc::clone(&self.metrics),
            inner,
        }
    }
}

/// The layer around what it calls.
#[derive(Debug)]
pub struct Counted<S> {
    metrics: Arc<Metrics>,
    inner: S,
}

impl<S: Service<EgressRequest>> Service<EgressRequest> for Counted<S> {
    async fn call(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        let counters = self.metrics.of(&request.holder.provider);
        let mut running = Running::start(counters, length(&request.body));
        match self.inner.call(request).await {
            Ok(UpstreamResponse { status, headers, body }) => Ok(UpstreamResponse {
                status,
                headers,
                body: watch(body, running),
            }),
            Err(error) => {
                running.count_end(Err(&error));
                Err(error)
            }
        }
    }
}
