//! What every layer of a request may know.
//!
//! In: made once by the server when a request arrives. Out: typed fields that travel with the
//! call. Never: `http::Extensions`, and nothing that could hold a secret.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::reload::Snapshot;

/// Names one downstream request; sent back as `x-request-id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes an id that is known to be printable ASCII without spaces.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody in particular: the listener is loopback and the configuration says `open`.
    Anonymous,
    /// The holder of a client key.
    Key {
        /// The key's name in the configuration.
        name: Arc<str>,
        /// Model names the key may ask for, as glob patterns; empty for all.
        models: Arc<[String]>,
    },
}

/// What every layer of one request may know.
#[derive(Clone)]
pub struct RequestContext {
    /// The request's id.
    pub id: RequestId,
    /// The one state of the host that this request sees.
    pub snapshot: Arc<Snapshot>,
    /// Who is calling.
    pub principal: Principal,
    /// When the answer must be complete.
    pub deadline: Instant,
}
