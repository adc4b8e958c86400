//! Time, as a thing that can be replaced.
//!
//! In: nothing. Out: "now" on the wall and on the monotonic clock. Never: sleeping; time-outs are
//! tokio's, which its paused test clock already covers.

use std::time::SystemTime;

/// Where the time of day comes from. Expiry of grants and tokens asks this, so that a test can
/// move it.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
