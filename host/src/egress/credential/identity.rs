//! What the kinds of credential that fetch tokens stand on.
//!
//! In: the clock, once, when the host starts. Out: what fetches tokens and the caches they are kept in,
//! one for each such kind. Never: a secret of its own; a token is in a cache, a credential's secret
//! in the vault.
//!
//! This outlives every state of the vault and every generation of a plugin, so that a reload does
//! not make the host fetch tokens that are still good.

use std::fmt;
use std::sync::Arc;

use crate::clock::Clock;

/// Fetches and keeps tokens.
pub struct Identity {
    clock: Arc<dyn Clock>,
}

impl Identity {
    /// Nothing fetched yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// The time of day, by which tokens end and signatures are dated.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
