//! The way out: what a sandboxed plugin's `http.send` turns into.
//!
//! In: an [`EgressRequest`], as the plugin asked it, with who the plugin is. Out: an
//! [`UpstreamResponse`] whose body streams, or an [`EgressError`]. Never: anything of the plugin
//! runtime or of LLMs; a secret outside [`credential`].
//!
//! The path of a request, outermost first, is [`crate::pipeline::egress`]: [`metrics`] and [`audit`] see every
//! call and its end, [`timeout`] bounds it, [`permit`] finds the grant that allows it
//! ([`target`], [`allow_list`], [`address`]), [`headers`] refuses what is not the plugin's to set, [`leak`]
//! looks for secrets on the way out and on the way back, [`credential`] attaches, [`client`]
//! dials only addresses that its [`resolver`] has checked.

pub mod address;
pub mod allow_list;
pub mod audit;
mod body;
pub mod client;
pub mod credential;
pub mod error;
pub mod headers;
pub mod leak;
pub mod metrics;
pub mod origin;
pub mod permit;
pub mod rehearsal;
pub mod remedy;
pub mod resolver;
pub mod service;
pub mod target;
pub mod timeout;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use body::Body;
pub use credential::{AcquireError, CredentialStore, Credentials, HandleFacts, Holder};
use credential::{Grant, Standing};
pub use error::EgressError;

use crate::clock::Clock;
use service::{ErasedService, Service};

/// What a plugin asks to be sent.
#[derive(Clone)]
pub struct EgressRequest {
    /// Who asks; matched against the grants.
    pub holder: Arc<Holder>,
    /// The downstream request that the plugin works on, for the audit.
    pub request_id: Arc<str>,
    /// The generation of the plugin, for the audit.
    pub generation: u64,
    /// As the plugin wrote it.
    pub method: String,
    /// As the plugin wrote it.
    pub url: String,
    /// As the plugin wrote them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Bytes,
    /// The slot whose credential is to be attached.
    pub slot: Option<Arc<str>>,
    /// Most time until the answer's head; the host's own limit still holds.
    pub first_byte_timeout: Option<Duration>,
    /// Most time between two pieces of the answer; the host's own limit still holds.
    pub idle_timeout: Option<Duration>,
    /// Most bytes of the answer's body.
    pub max_response_bytes: u64,
    /// The origins that the plugin's manifest asks for, its settings filled in.
    pub manifest_origins: Arc<[String]>,
    /// How the manifest wishes the slot's credential to be attached, as JSON.
    pub wish_attach: Option<Arc<str>>,
}

impl fmt::Debug for EgressRequest {
    // Without headers, body and address: they hold what people wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressRequest")
            .field("holder", &self.holder)
            .field("request_id", &self.request_id)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

/// The upstream's answer.
pub struct UpstreamResponse {
    /// HTTP status, 200 to 599. Redirects are not followed; they arrive here.
    pub status: u16,
    /// Headers in lower case, without those that are not the plugin's.
    pub headers: Vec<(String, Bytes)>,
    /// The body. Dropping it cancels the upstream call.
    pub body: Body,
}

impl fmt::Debug for UpstreamResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The whole egress stack.
pub struct Egress {
    stack: Box<dyn ErasedService<EgressRequest>>,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
}

impl Egress {
    /// Takes a stack that is already in order.
    pub fn new(stack: impl Service<EgressRequest>, credentials: Arc<Credentials>, clock: Arc<dyn Clock>) -> Self {
        Self {
            stack: Box::new(stack),
            credentials,
            clock,
        }
    }

    /// Sends a request. Dropping the future, or the body of the answer, cancels the upstream call.
    ///
    /// # Errors
    /// Everything that fails before the head of the answer.
    pub async fn send(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        self.stack.call_boxed(request).await
    }

    /// What a plugin learns of the credential in a slot, if it may use it.
    ///
    /// # Errors
    /// Why it may not. The text holds the exact command that would change it.
    pub fn acquire(&self, holder: &Holder, slot: &str) -> Result<HandleFacts, AcquireError> {
        credential::acquire(&**self.credentials.load(), holder, slot, self.clock.now())
    }

    /// What was granted to the holder, whether or not it counts now. Names only; no secret.
    pub fn grants(&self, holder: &Holder) -> Vec<Arc<Grant>> {
        self.credentials.load().grants(holder)
    }

    /// Grants that count for `present` and would not for `next`, which is the same provider with
    /// other bytes, unless those were granted something in the same place already.
    pub fn lost(&self, present: &Holder, next: &Holder) -> Vec<Arc<str>> {
        let (store, now) = (self.credentials.load(), self.clock.now());
        let valid = |grant: &Grant, holder| grant.standing(holder, now) == Standing::Valid;
        let grants = store.grants(present);
        let granted = |slot: &Option<_>| grants.iter().any(|grant| grant.slot == *slot && valid(grant, next));
        grants
            .iter()
            .filter(|grant| valid(grant, present) && !granted(&grant.slot))
            .map(|grant| Arc::clone(&grant.id))
            .collect()
    }

    /// Takes every secret that the plugin could use out of a text: for its log lines and traps,
    /// should it have come by one. Make it once for many texts; it holds secrets until dropped.
    pub fn redactor(&self, holder: &Holder) -> leak::Needles {
        credential::reachable_secrets(&**self.credentials.load(), holder)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

/// What the stack is made of.
#[derive(Clone)]
pub struct Parts {
    /// Counts calls.
    pub metrics: Arc<metrics::Metrics>,
    /// Takes the audit's records.
    pub sink: Arc<dyn audit::UseSink>,
    /// The host's time limits.
    pub timeouts: timeout::Timeouts,
    /// Grants and credentials.
    pub credentials: Arc<Credentials>,
    /// Fetches and keeps the tokens of credentials.
    pub identity: Arc<credential::Identity>,
    /// The time of day, for expiry.
    pub clock: Arc<dyn Clock>,
    /// Sends.
    pub client: Arc<client::Client>,
}
