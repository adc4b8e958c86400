//! The allow-list as a layer.
//!
//! In: a request as the plugin asked it. Out: the same with the grant that allows it, the
//! credential that will be attached and how; or a refusal. Never: a secret; only names and facts
//! are looked up here.

use std::sync::Arc;

use tower::Layer;

use super::address::AddressClass;
use super::allow_list::{self, Asking};
use super::credential::{Attach, AttachError, CredentialFacts, Credentials, Grant, Identity, LoadedStore, plan};
use super::error::{CredentialFailure, Denial, EgressError, Rule};
use super::origin::any_matches;
use super::remedy;
use super::service::Service;
use super::target::{self, Target};
use super::{EgressRequest, UpstreamResponse};
use crate::clock::Clock;

/// A request that may go out.
pub struct Permitted {
    /// What the plugin asked.
    pub request: EgressRequest,
    /// What will be dialled.
    pub target: Target,
    /// Which addresses its name may lead to.
    pub class: AddressClass,
    /// The grant that allows it.
    pub grant: Arc<Grant>,
    /// The credential to attach.
    pub credential: Option<GrantedCredential>,
    /// The store that all of this was read from.
    pub store: LoadedStore,
}

/// A credential and how it will be attached.
pub struct GrantedCredential {
    /// The slot it was asked for with.
    pub slot: Arc<str>,
    /// What is known of it.
    pub facts: Arc<CredentialFacts>,
    /// How.
    pub attach: Arc<dyn Attach>,
}

/// The layer.
#[derive(Clone)]
pub struct AllowList {
    credentials: Arc<Credentials>,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
}

impl AllowList {
    /// Judges by these grants and this time.
    pub fn new(credentials: Arc<Credentials>, identity: Arc<Identity>, clock: Arc<dyn Clock>) -> Self {
        Self {
            credentials,
            identity,
            clock,
        }
    }

    fn permit(&self, request: EgressRequest) -> Result<Permitted, EgressError> {
        let target = target::parse(&request.method, &request.url)?;
        let store = self.credentials.load();
        let grants = store.grants(&request.holder);
        let asking = Asking {
            holder: &request.holder,
            slot: request.slot.as_deref(),
            wish: &request.manifest_origins,
            now: self.clock.now(),
        };
        let (grant, class) = allow_list::decide(&target, asking, &grants)?;
        let grant = Arc::clone(grant);
        let credential = match &request.slot {
            None => None,
            Some(slot) => Some(self.credential(&store, &request, &target, &grant, slot)?),
        };
        Ok(Permitted {
            request,
            target,
            class,
            grant,
            credential,
            store,
        })
    }

    fn credential(
        &self,
        store: &LoadedStore,
        request: &EgressRequest,
        target: &Target,
        grant: &Grant,
        slot: &Arc<str>,
    ) -> Result<GrantedCredential, EgressError> {
        let facts = grant.credential.as_deref().and_then(|name| store.credential(name));
        let facts = facts.ok_or_else(|| CredentialFailure::NotConfigured { slot: slot.to_string() })?;
        if !any_matches(&facts.hosts, &target.origin) {
            let rule = Rule::CredentialHost {
                slot: slot.to_string(),
                origin: target.origin.to_string(),
            };
            return Err(Denial::with_remedy(rule, remedy::credential_host(&facts.name, &target.origin)).into());
        }
        let attach = plan(grant.attach.as_deref(), request.wish_attach.as_deref(), &facts)
            .map_err(|error| attach_failure(slot, error))?
            .attach(&facts, &self.identity);
        if let Some(parameter) = attach.query_parameter()
            && target.url.query_pairs().any(|(name, _)| name == parameter)
        {
            return Err(Rule::Query(parameter.to_owned()).into());
        }
        Ok(GrantedCredential {
            slot: Arc::clone(slot),
            facts,
            attach,
        })
    }
}

/// What the plugin is told of a credential that cannot be attached.
pub(super) fn attach_failure(slot: &str, error: AttachError) -> EgressError {
    let slot = slot.to_owned();
    EgressError::Credential(match error {
        AttachError::Token { reason, retryable } => CredentialFailure::Token {
            slot,
            reason,
            retryable,
        },
        error => CredentialFailure::Attach {
            slot,
            reason: error.to_string(),
        },
    })
}

impl<S> Layer<S> for AllowList {
    type Service = Permitting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Permitting {
            rules: self.clone(),
            inner,
        }
    }
}

/// The layer around what it calls.
pub struct Permitting<S> {
    rules: AllowList,
    inner: S,
}

impl<S: Service<Permitted>> Service<EgressRequest> for Permitting<S> {
    async fn call(&self, request: EgressRequest) -> Result<UpstreamResponse, EgressError> {
        let permitted = self.rules.permit(request)?;
        self.inner.call(permitted).await
    }
}
