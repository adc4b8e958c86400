//! From a body's bytes to its events.
//!
//! In: bytes, cut anywhere. Out: whole events. Never: what an event means, and never more memory
//! than the limit on one event.

pub mod event_stream;
pub mod ndjson;
pub mod sse;

use std::fmt;

use crate::types::{Error, ErrorKind};

/// Most bytes of one event unless a framer is told otherwise: 8 MiB. Providers put whole pictures
/// into one event.
pub const EVENT_LIMIT: usize = 8 << 20;

/// One event is larger than the framer may keep. Nothing follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider sent an event of more than {} bytes", self.limit)
    }
}

impl std::error::Error for TooLong {}

impl From<TooLong> for Error {
    fn from(error: TooLong) -> Self {
        Error::new(ErrorKind::Upstream, error.to_string())
    }
}
