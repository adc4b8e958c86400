//! The HTTP client's errors, told apart.
//!
//! In: an error of the HTTP client. Out: an [`EgressError`]. Never: the client's own text of the
//! whole, which holds the address with its query; only the innermost cause is quoted.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::egress::address::AddressKind;
use crate::egress::error::{EgressError, TimeoutPhase};
use crate::egress::origin::Origin;
use crate::egress::resolver::Unresolved;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The name leads to an address that may not be dialled.
    Refused(AddressKind),
    /// The name could not be resolved.
    Dns,
    /// The connection took too long.
    ConnectTimeout,
    /// No secure connection.
    Tls(String),
    /// No connection.
    Connect(String),
    /// The connection broke, or what came over it was not HTTP.
    Protocol(String),
}

impl Failure {
    /// Looks through an error's causes.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut innermost = String::new();
        let mut next: Option<&(dyn Error + 'static)> = error.source();
        while let Some(cause) = next {
            if let Some(found) = Self::of_cause(cause) {
                return found;
            }
            innermost = cause.to_string();
            next = within(cause);
        }
        if error.is_connect() {
            if error.is_timeout() {
                Self::ConnectTimeout
            } else {
                Self::Connect(innermost)
            }
        } else {
            Self::Protocol(innermost)
        }
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(unresolved) = cause.downcast_ref::<Unresolved>() {
            return Some(match unresolved {
                Unresolved::Refused(kind) => Self::Refused(*kind),
                Unresolved::NotFound(_) => Self::Dns,
            });
        }
        cause
            .downcast_ref::<rustls::Error>()
            .map(|error| Self::Tls(error.to_string()))
    }

    /// The error that the rest of the stack sees. `started` says whether the head had arrived.
    pub(super) fn into_error(self, origin: &Origin, connect_timeout: Duration, started: bool) -> EgressError {
        let host = origin.host.to_string();
        match self {
            // Only the caller knows the grant, with which the refusal is worded.
            Self::Refused(kind) => EgressError::from(crate::egress::error::Rule::Address(kind)),
            Self::Dns => EgressError::Dns { host },
            Self::ConnectTimeout => EgressError::Timeout {
                phase: TimeoutPhase::Connect,
                limit: connect_timeout,
            },
            Self::Tls(reason) => EgressError::Tls { host, reason },
            Self::Connect(reason) => EgressError::Connect { host, reason },
            Self::Protocol(reason) => EgressError::Protocol { reason, started },
        }
    }
}

/// The next cause. An [`io::Error`] hides the error it was made from: its own source is that
/// error's source.
fn within<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => cause.source(),
    }
}
