//! How often a grant may be used.
//!
//! In: a grant's id and its rate. Out: yes or no. Never: waiting; a plugin that goes too fast is
//! told so.
//!
//! A grant with a rate of n has room for n requests and gains n a minute. The state outlives a
//! change of the vault, so that reloading does not refill it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The room that is left of each grant with a rate.
#[derive(Debug, Default)]
pub(super) struct Rates {
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    room: f64,
    at: Instant,
}

/// How many grants are remembered before full ones are forgotten.
const SWEEP_ABOVE: usize = 1024;

impl Rates {
    /// Takes one request out of the grant's room; false when there is none.
    pub(super) fn take(&self, grant: &Arc<str>, per_minute: u32) -> bool {
        let now = Instant::now();
        let most = f64::from(per_minute);
        // The state is valid after every statement, so a panic elsewhere does not spoil it.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > SWEEP_ABOVE {
            buckets.retain(|_, bucket| now.duration_since(bucket.at).as_secs() < 60);
        }
        let bucket = buckets
            .entry(Arc::clone(grant))
            .or_insert(Bucket { room: most, at: now });
        let gained = now.duration_since(bucket.at).as_secs_f64() * most / 60.0;
        bucket.room = (bucket.room + gained).min(most);
        bucket.at = now;
        if bucket.room < 1.0 {
            return false;
        }
        bucket.room -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_grant_has_its_rate_and_gains_it_over_a_minute() {
        let rates = Rates::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(
            (0..4).map(|_| rates.take(&a, 3)).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert!(rates.take(&b, 3), "another grant has its own room");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!((0..2).map(|_| rates.take(&a, 3)).collect::<Vec<_>>(), [true, false]);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(
            (0..4).map(|_| rates.take(&a, 3)).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert!(!rates.take(&"zero".into(), 0));
    }
}
