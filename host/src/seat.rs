//! One of a limited number of seats.
//!
//! In: a count of those taken. Out: a seat, where one is free; dropping it frees it. Never: a queue, or
//! a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A seat that is taken.
pub struct Seat(Arc<AtomicUsize>);

impl Seat {
    /// Takes one, where fewer than `most` are taken.
    pub fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        // It is given back by its drop when it was one too many.
        let seat = Self(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::Relaxed) < most).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
