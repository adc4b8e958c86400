//! How the exchanges with one provider share its HTTP/2 connections.
//!
//! In: an exchange that is about to begin. Out: the client that carries it, and a seat that it keeps
//! until its last byte. An HTTP/2 server takes so many exchanges on one connection and lets the rest
//! wait, and a client keeps one connection to an origin; so where all seats are taken there is one more
//! client, with a connection of its own. The first ones are filled first: when it grows quiet the last
//! ones have nothing to do, and their connections are closed for being idle. Over HTTP/1.1, where each
//! exchange has a connection anyway, nothing changes. Never: an exchange kept waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use crate::egress::body::Observer;
use crate::egress::error::EgressError;
use crate::seat::Seat;

/// Exchanges on one connection: RFC 9113, section 6.5.2, recommends servers to take no fewer.
const SEATS: usize = 100;
/// Most connections. Beyond that servers' own limits decide who waits.
const MOST: usize = 100;

/// The connections to one provider.
#[derive(Default)]
pub(super) struct Lanes(ArcSwap<Vec<Lane>>);

#[derive(Clone)]
struct Lane {
    client: reqwest::Client,
    taken: Arc<AtomicUsize>,
}

impl Lanes {
    /// A client with a free seat, made where there is none.
    ///
    /// # Errors
    /// What `make` fails with.
    pub(super) fn take(
        &self,
        make: impl Fn() -> Result<reqwest::Client, EgressError>,
    ) -> Result<(reqwest::Client, Seat), EgressError> {
        loop {
            let lanes = self.0.load();
            if let Some(taken) = lanes.iter().find_map(|lane| lane.take(SEATS)) {
                return Ok(taken);
            }
            if lanes.len() >= MOST {
                let fewest = lanes.iter().min_by_key(|lane| lane.taken.load(Ordering::Relaxed));
                if let Some(taken) = fewest.and_then(|lane| lane.take(usize::MAX)) {
                    return Ok(taken);
                }
            }
            let made = Lane {
                client: make()?,
                taken: Arc::default(),
            };
            // Another exchange may have added one meanwhile; then its seats come first.
            let mut more = Vec::clone(&lanes);
            more.push(made);
            self.0.compare_and_swap(&lanes, Arc::new(more));
        }
    }
}

impl Lane {
    fn take(&self, seats: usize) -> Option<(reqwest::Client, Seat)> {
        let seat = Seat::take(&self.taken, seats)?;
        Some((self.client.clone(), seat))
    }
}

/// A seat is held for as long as the answer's body.
impl Observer for Seat {
    fn piece(&mut self, _: u64) {}
    fn end(&mut self, _: Result<(), &EgressError>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::client::{Client, ClientOptions};

    fn client() -> reqwest::Client {
        let client = Client::new(ClientOptions::default()).unwrap();
        client.for_tokens().unwrap()
    }

    #[test]
    fn the_first_free_seat_is_taken_and_another_connection_only_when_there_is_none() {
        let lanes = Lanes::default();
        let made = AtomicUsize::new(0);
        let take = || {
            let make = || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(client())
            };
            lanes.take(make).unwrap().1
        };
        let taken = || {
            lanes
                .0
                .load()
                .iter()
                .map(|lane| lane.taken.load(Ordering::Relaxed))
                .collect::<Vec<_>>()
        };
        let mut seats: Vec<Seat> = (0..=SEATS).map(|_| take()).collect();
        assert_eq!(taken(), [SEATS, 1]);
        // One of the first connection's comes free, and is the next to be taken.
        drop(seats.swap_remove(0));
        assert_eq!(taken(), [SEATS - 1, 1]);
        seats.push(take());
        assert_eq!(taken(), [SEATS, 1]);
        drop(seats);
        assert_eq!((taken(), made.into_inner()), (vec![0, 0], 2));
    }

    #[test]
    fn beyond_the_last_connection_they_share() {
        let lanes = Lanes::default();
        let client = client();
        let seats: Vec<Seat> = (0..SEATS * MOST + 2)
            .map(|_| lanes.take(|| Ok(client.clone())).unwrap().1)
            .collect();
        let taken: Vec<usize> = lanes
            .0
            .load()
            .iter()
            .map(|lane| lane.taken.load(Ordering::Relaxed))
            .collect();
        assert_eq!((taken.len(), taken.iter().sum::<usize>()), (MOST, seats.len()));
        assert_eq!(taken.iter().max(), Some(&(SEATS + 1)));
    }
}
