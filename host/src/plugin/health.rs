//! How a generation fares: whether it crashes again and again, and for how long to leave it alone.
//!
//! In: the outcome of each call. Out: permission for the next one, and figures for the status.
//! Never: a judgement on the provider; an upstream's failure is no crash.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::CallError;

/// Crashes in a row before the plugin is left alone: enough that a few bad requests among good
/// ones never reach it.
const TOLERATED: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Health of one generation.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default, Clone)]
struct State {
    in_a_row: u32,
    crashes: u64,
    until: Option<Instant>,
    last: Option<String>,
}

/// Figures of a generation's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// Crashes since the generation began.
    pub crashes: u64,
    /// How much longer the plugin is left alone.
    pub back_off: Option<Duration>,
    /// The last crash.
    pub last_crash: Option<String>,
}

impl Health {
    /// Whether a call may be made now. After a wait one call is let through; if it crashes, the
    /// next wait is twice as long.
    pub(super) fn admit(&self, now: Instant) -> Result<(), CallError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = state.until else { return Ok(()) };
        if let Some(wait) = until.checked_duration_since(now).filter(|wait| !wait.is_zero()) {
            return Err(CallError::BackOff {
                failures: state.in_a_row,
                wait,
            });
        }
        // Others wait until this one has come back.
        state.until = now.checked_add(FIRST_WAIT);
        Ok(())
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.in_a_row > 0 {
            state.in_a_row = 0;
            state.until = None;
        }
    }

    pub(super) fn failed(&self, error: &CallError, now: Instant) {
        if !error.is_crash() {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.crashes += 1;
        state.in_a_row += 1;
        state.last = Some(error.to_string());
        if let Some(beyond) = state.in_a_row.checked_sub(TOLERATED) {
            let wait = FIRST_WAIT.saturating_mul(1 << beyond.min(6)).min(LONGEST_WAIT);
            state.until = now.checked_add(wait);
        }
    }

    pub(super) fn report(&self, now: Instant) -> HealthReport {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        HealthReport {
            crashes: state.crashes,
            back_off: state
                .until
                .and_then(|until| until.checked_duration_since(now))
                .filter(|wait| !wait.is_zero()),
            last_crash: state.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash() -> CallError {
        CallError::Trapped("unreachable".into())
    }

    #[test]
    fn only_crashes_in_a_row_lead_to_a_wait_that_doubles() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..20 {
            health.failed(&crash(), now);
            health.succeeded();
        }
        assert!(health.admit(now).is_ok(), "a good call in between clears the count");
        for _ in 0..TOLERATED {
            assert!(health.admit(now).is_ok());
            health.failed(&crash(), now);
        }
        let wait = |now| match health.admit(now) {
            Err(CallError::BackOff { wait, .. }) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(now), Duration::from_secs(1));
        let later = now + Duration::from_secs(1);
        assert!(health.admit(later).is_ok(), "one is let through");
        assert!(health.admit(later).is_err(), "and only one");
        health.failed(&crash(), later);
        assert_eq!(wait(later), Duration::from_secs(2));
        health.succeeded();
        assert!(health.admit(later).is_ok());
    }

    #[test]
    fn a_provider_that_is_slow_is_no_crash() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..50 {
            health.failed(
                &CallError::Limit(super::super::error::Limit::FirstEvent(Duration::from_secs(1))),
                now,
            );
        }
        assert!(health.admit(now).is_ok());
        assert_eq!(health.report(now).crashes, 0);
    }
}
