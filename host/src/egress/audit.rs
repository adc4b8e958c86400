//! Who used which credential, and what was refused.
//!
//! In: one record for each use of a handle, at the end of its exchange; one for each refusal.
//! Out: a tracing event with target `audit`, or whatever another [`UseSink`] makes of it. Never:
//! a value of a header, a query, a body, or a secret.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use tower::Layer;

use super::error::{CredentialFailure, Denial, EgressError};
use super::service::Service;
use super::{EgressRequest, UpstreamResponse};

/// One use of a credential, from the attaching to the end of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUse {
    /// Who.
    pub caller: Caller,
    /// The slot it was asked for with.
    pub slot: Arc<str>,
    /// The credential's name in the vault.
    pub credential: Arc<str>,
    /// The grant's id in the vault.
    pub grant: Arc<str>,
    /// What was sent.
    pub method: String,
    /// Scheme, host and port that it was sent to.
    pub origin: String,
    /// The path that it was sent to, without the query.
    pub path: String,
    /// The answer's status; absent when there was no answer.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body that arrived.
    pub response_bytes: u64,
    /// `complete`, `cancelled`, or the [code](EgressError::code) of the failure.
    pub outcome: &'static str,
}

/// Who called out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The generation of the plugin.
    pub generation: u64,
    /// The downstream request it worked on.
    pub request_id: Arc<str>,
}

impl Caller {
    /// Who made a request.
    pub fn of(request: &EgressRequest) -> Self {
        Self {
            plugin: Arc::clone(&request.holder.plugin),
            provider: Arc::clone(&request.holder.provider),
            generation: request.generation,
            request_id: Arc::clone(&request.request_id),
        }
    }
}

/// Takes the records. Called from the request's path, so it must not block.
pub trait UseSink: Send + Sync + 'static {
    /// A credential was used.
    fn used(&self, record: &CredentialUse);

    /// A request was refused.
    fn denied(&self, caller: &Caller, denial: &Denial);

    /// A credential could not be attached.
    fn unattached(&self, caller: &Caller, failure: &CredentialFailure);
}

/// Writes the records to the log.
#[derive(Debug, Default, Clone, Copy)]
pub struct TracingSink;

impl UseSink for TracingSink {
    fn used(&self, record: &CredentialUse) {
        tracing::info!(
            target: "audit",
            event = "credential.used",
            plugin = %record.caller.plugin,
            provider = %record.caller.provider,
            generation = record.caller.generation,
            request_id = %record.caller.request_id,
            slot = %record.slot,
            credential = %record.credential,
            grant = %record.grant,
            method = record.method,
            origin = record.origin,
            path = record.path,
            status = record.status,
            request_bytes = record.request_bytes,
            response_bytes = record.response_bytes,
            outcome = record.outcome,
        );
    }

    fn denied(&self, caller: &Caller, denial: &Denial) {
        tracing::warn!(
            target: "audit",
            event = "egress.denied",
            plugin = %caller.plugin,
            provider = %caller.provider,
            generation = caller.generation,
            request_id = %caller.request_id,
            rule = %denial.rule(),
            remedy = denial.remedy(),
        );
    }

    fn unattached(&self, caller: &Caller, failure: &CredentialFailure) {
        tracing::warn!(
            target: "audit",
            event = "credential.unattached",
            plugin = %caller.plugin,
            provider = %caller.provider,
            generation = caller.generation,
            request_id = %caller.request_id,
            %failure,
        );
    }
}

/// The layer that records refusals and credentials that could not be attached.
#[derive(Clone)]
pub struct DenialLog {
    sink: Arc<dyn UseSink>,
}

impl DenialLog {
    /// Records them here.
    pub fn new(sink: Arc<dyn UseSink>) -> Self {
        Self { sink }
    }
}

impl<S> Layer<S> for DenialLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Logged {
            sink: Arc::clone(&self.sink),
            inner,
        }
    }
}

/// The layer around what it calls.
pub struct Logged<S> {
    sink: Arc<dyn UseSink>,
    inner: S,
}

impl<S: Service<EgressRequest>> Service<EgressRequest> for Logged<S> {
    async fn call(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        let caller = Caller::of(&request);
        let sink = Arc::clone(&self.sink);
        let record = move |error: &EgressError| match error {
            EgressError::Denied(denial) => sink.denied(&caller, denial),
            EgressError::Credential(failure) => sink.unattached(&caller, failure),
            _ => {}
        };
        match self.inner.call(request).await {
            Ok(UpstreamResponse { status, headers, body }) => Ok(UpstreamResponse {
                status,
                headers,
                body: body.inspect_err(record).boxed(),
            }),
            Err(error) => {
                record(&error);
                Err(error)
            }
        }
    }
}
