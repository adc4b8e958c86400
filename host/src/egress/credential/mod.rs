//! Credentials: what the vault says of them, and how they get onto a request.
//!
//! In: a request that every other layer has passed. Out: the same with the credential attached,
//! straight into the client. Never: a secret to any other layer. This is the innermost one, what
//! it hands on is [`Sealed`], which has no `Debug`, and only this module imports the vault.

mod attach;
mod aws;
mod basic;
mod bearer;
mod entra;
mod handle;
mod header;
mod identity;
mod keeper;
mod query;
mod rate;
mod store;
mod token;
mod token_client;
mod vault;
mod whoami;

use std::sync::Arc;

use http::HeaderMap;
use tower::Layer;

pub use attach::{Attach, AttachError, Outgoing, Way, kind_fits, plan};
pub use aws::check as check_aws;
pub use aws::region as aws_region;
pub use aws::{Service as SignedService, SourceError};
pub use entra::{Scope, check_entra};
pub(super) use handle::acquire;
pub use handle::{AcquireError, HandleFacts};
pub use identity::Identity;
pub use keeper::{KeeperError, PreparedVault, VaultAccess, VaultKeeper, VaultReport};
pub use llm_host_vault::{Secret, Secrets};
pub use store::{
    CredentialFacts, CredentialStore, Credentials, Grant, Holder, LoadedStore, MemoryStore, Pin, Standing, Version,
};
pub use token::{Fetched, TokenCache, TokenError, TokenKey};

pub use vault::{Unreadable, VaultStore};
pub(super) use whoami::who;

use super::UpstreamResponse;
use super::address::AddressClass;
use super::audit::{Caller, CredentialUse, UseSink};
use super::body::{Observer, length, watch};
use super::error::{CredentialFailure, EgressError, Rule};
use super::headers::Clean;
use super::leak::{self, Needles};
use super::origin::Origin;
use super::permit::{GrantedCredential, Permitted, attach_failure};
use super::service::Service;
use rate::Rates;

/// A request as it will be sent, secret included. Deliberately without `Debug` and `Clone`.
pub struct Sealed {
    /// Who asked.
    pub holder: Arc<Holder>,
    /// The slot whose credential is attached.
    pub slot: Option<Arc<str>>,
    /// That credential's name.
    pub credential: Option<Arc<str>>,
    /// Where it goes.
    pub origin: Origin,
    /// Which addresses the name may lead to.
    pub class: AddressClass,
    /// The request itself.
    pub outgoing: Outgoing,
    /// Most bytes of the answer's body.
    pub max_response_bytes: u64,
}

/// The layer.
#[derive(Clone)]
pub struct AttachCredential {
    sink: Arc<dyn UseSink>,
    rates: Arc<Rates>,
}

impl AttachCredential {
    /// Records each use here.
    pub fn new(sink: Arc<dyn UseSink>) -> Self {
        Self {
            sink,
            rates: Arc::default(),
        }
    }
}

impl<S> Layer<S> for AttachCredential {
    type Service = Attaching<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Attaching {
            rules: self.clone(),
            inner,
        }
    }
}

/// The layer around what it calls.
pub struct Attaching<S> {
    rules: AttachCredential,
    inner: S,
}

impl<S: Service<Sealed>> Service<Clean> for Attaching<S> {
    async fn call(&self, clean: Clean) -> Result<UpstreamResponse, EgressError> {
        let Clean { mut permitted, headers } = clean;
        let grant = &permitted.grant;
        if let Some(per_minute) = grant.rate_per_minute
            && !self.rules.rates.take(&grant.id, per_minute)
        {
            return Err(Rule::Rate { per_minute }.into());
        }
        let Some(credential) = permitted.credential.take() else {
            return self.inner.call(Sealed::new(permitted, headers)).await;
        };
        let sink = Arc::clone(&self.rules.sink);
        let mut used = UseInProgress {
            sink,
            record: begin_record(&permitted, &credential),
        };
        let store = Arc::clone(&permitted.store);
        match self
            .send_with(&credential, &store, Sealed::new(permitted, headers))
            .await
        {
            Ok(UpstreamResponse { status, headers, body }) => {
                used.record.status = Some(status);
                Ok(UpstreamResponse {
                    status,
                    headers,
                    body: watch(body, used),
                })
            }
            Err(error) => {
                used.record.outcome = error.code();
                Err(error)
            }
        }
    }
}

impl<S: Service<Sealed>> Attaching<S> {
    async fn send_with(
        &self,
        credential: &GrantedCredential,
        store: &LoadedStore,
        mut sealed: Sealed,
    ) -> Result<UpstreamResponse, EgressError> {
        let GrantedCredential { slot, facts, attach } = credential;
        let secrets = store.secrets(&facts.name);
        let secrets = secrets.ok_or_else(|| CredentialFailure::NotConfigured { slot: slot.to_string() })?;
        let attached = attach.attach(&secrets, &mut sealed.outgoing).await;
        drop(secrets);
        attached.map_err(|error| attach_failure(slot, error))?;
        let derived = Needles::of(sealed.outgoing.derived.iter().map(Secret::expose));
        let response = self.inner.call(sealed).await?;
        attach.answered(response.status, &response.headers);
        refuse_compressed(&response)?;
        leak::guard(derived, response)
    }
}

impl Sealed {
    fn new(permitted: Permitted, headers: HeaderMap) -> Self {
        let Permitted {
            request,
            target,
            class,
            grant,
            ..
        } = permitted;
        Self {
            holder: request.holder,
            credential: request.slot.as_ref().and(grant.credential.clone()),
            slot: request.slot,
            origin: target.origin,
            class,
            outgoing: Outgoing {
                method: target.method,
                url: target.url,
                headers,
                body: request.body,
                derived: Vec::new(),
            },
            max_response_bytes: request.max_response_bytes,
        }
    }
}

/// A compressed answer cannot be searched for the secret. None was asked for.
fn refuse_compressed(response: &UpstreamResponse) -> Result<(), EgressError> {
    let plain = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
    let compressed = response.headers.iter().any(|(name, value)| match name.as_str() {
        "content-encoding" => !plain(value),
        // Of these the client undoes the pieces only.
        "transfer-encoding" => !plain(value) && !value.eq_ignore_ascii_case(b"chunked"),
        _ => false,
    });
    if compressed {
        let reason = "it is compressed although that was not asked for".to_owned();
        return Err(EgressError::Protocol { reason, started: true });
    }
    Ok(())
}

/// A use that is going on; recorded when it is dropped, however it ended.
struct UseInProgress {
    sink: Arc<dyn UseSink>,
    record: CredentialUse,
}

fn begin_record(permitted: &Permitted, credential: &GrantedCredential) -> CredentialUse {
    CredentialUse {
        caller: Caller::of(&permitted.request),
        slot: Arc::clone(&credential.slot),
        credential: Arc::clone(&credential.facts.name),
        grant: Arc::clone(&permitted.grant.id),
        method: permitted.target.method.to_string(),
        origin: permitted.target.origin.to_string(),
        path: permitted.target.url.path().to_owned(),
        status: None,
        request_bytes: length(&permitted.request.body),
        response_bytes: 0,
        outcome: EgressError::Cancelled.code(),
    }
}

impl Observer for UseInProgress {
    fn piece(&mut self, bytes: u64) {
        self.record.response_bytes = self.record.response_bytes.saturating_add(bytes);
    }

    fn end(&mut self, result: Result<(), &EgressError>) {
        self.record.outcome = result.map_or_else(EgressError::code, |()| "complete");
    }
}

impl Drop for UseInProgress {
    fn drop(&mut self) {
        self.sink.used(&self.record);
    }
}

/// The secrets of every credential that the holder could use, as texts to look for. They count
/// whether or not their grant is valid now.
pub(super) fn reachable_secrets(store: &dyn CredentialStore, holder: &Holder) -> Needles {
    let grants = store.grants(holder);
    let mut names: Vec<&Arc<str>> = grants.iter().filter_map(|grant| grant.credential.as_ref()).collect();
    names.sort_unstable();
    names.dedup();
    let secrets: Vec<Secrets> = names.into_iter().filter_map(|name| store.secrets(name)).collect();
    Needles::of(
        secrets
            .iter()
            .flat_map(Secrets::iter)
            .map(|(_, secret)| secret.expose()),
    )
}
