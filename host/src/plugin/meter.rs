//! How long a guest has computed, and when that is too long.
//!
//! In: the start and end of each time the guest's task runs. Out: a trap when the sum passes the
//! limit. Never: time the guest spends waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Time a guest has computed within one call.
///
/// Epochs alone cannot tell computing from waiting: a guest that wakes for one event a second
/// meets a new epoch each time. So the time its task is being polled is measured, and the epoch
/// only decides when to look.
#[derive(Debug, Clone)]
pub(super) struct CpuMeter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Duration,
    /// Nanoseconds of polls that have ended.
    spent: AtomicU64,
    /// Start of the poll that is running, in nanoseconds since `origin()`; 0 when none is.
    since: AtomicU64,
    exceeded: std::sync::atomic::AtomicBool,
}

/// Instants are stored as a distance from this one, since an `Instant` has no atomic form.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl CpuMeter {
    /// A meter that allows `limit` of computing.
    pub(super) fn new(limit: Duration) -> Self {
        Self(Arc::new(Inner {
            limit,
            spent: AtomicU64::new(0),
            since: AtomicU64::new(0),
            exceeded: false.into(),
        }))
    }

    /// The limit.
    pub(super) fn limit(&self) -> Duration {
        self.0.limit
    }

    /// Forgets what was spent: a new call begins in the same instance.
    pub(super) fn reset(&self) {
        self.0.spent.store(0, Ordering::Relaxed);
    }

    /// Whether the limit has been passed, asked by the epoch callback while the guest runs.
    pub(super) fn check(&self) -> bool {
        let since = self.0.since.load(Ordering::Relaxed);
        let running = if since == 0 {
            0
        } else {
            nanos(origin().elapsed()).saturating_sub(since)
        };
        let spent = self.0.spent.load(Ordering::Relaxed).saturating_add(running);
        let over = spent > nanos(self.0.limit);
        if over {
            self.0.exceeded.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether `check` has ever said yes: tells a trap by this limit from other traps.
    pub(super) fn exceeded(&self) -> bool {
        self.0.exceeded.load(Ordering::Relaxed)
    }

    /// Measures every poll of `future`.
    pub(super) fn measure<F: Future>(&self, future: F) -> Measured<F> {
        Measured {
            meter: self.clone(),
            future: Box::pin(future),
        }
    }
}

/// A future whose polls are measured.
pub(super) struct Measured<F> {
    meter: CpuMeter,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let start = nanos(origin().elapsed()).max(1);
        self.meter.0.since.store(start, Ordering::Relaxed);
        let result = self.future.as_mut().poll(cx);
        let took = nanos(origin().elapsed()).saturating_sub(start);
        self.meter.0.since.store(0, Ordering::Relaxed);
        self.meter.0.spent.fetch_add(took, Ordering::Relaxed);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_free_and_computing_is_not() {
        let meter = CpuMeter::new(Duration::from_millis(5));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { meter.measure(tokio::time::sleep(Duration::from_secs(3600))).await });
        assert!(!meter.check());
        runtime.block_on(meter.measure(async {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(6) {
                std::hint::spin_loop();
            }
        }));
        assert!(meter.check());
        assert!(meter.exceeded());
        meter.reset();
        assert!(!meter.check());
    }
}
