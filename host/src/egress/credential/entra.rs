//! Microsoft Entra: tokens for an application, a machine or a workload, sent as a bearer token.
//!
//! In: a credential of kind `entra`, whose attribute `source` says where its tokens come from, and the
//! scope that the grant's rule or the plugin's wish names. Out: `Authorization: Bearer …` with a token
//! that is good now. Never: a token for a scope that is neither on the short list of what plugins may
//! wish for nor in an admin's rule; the client's secret to anybody but Entra.
//!
//! Parts: [`scope`] (what for), [`source`] (where from), [`assertion`] (proof by a certificate),
//! [`managed`] (the machine's own identity), [`answer`] and [`refusal`] (what came back). The tokens are
//! kept by [`super::token`]. ADR 0013 says why this is not Azure's own crate.

mod answer;
mod assertion;
mod managed;
mod refusal;
mod scope;
mod source;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use llm_host_vault::{Secret, Secrets};

pub use scope::Scope;
pub use source::check_entra;
use source::{Application, Source};

use super::attach::{Attach, AttachError, Outgoing};
use super::header::sensitive_value;
use super::identity::Identity;
use super::store::CredentialFacts;
use super::token::{Fetched, TokenCache, TokenError, TokenKey};
use super::token_client::{TokenAnswer, TokenClient, TokenRequest};
use crate::clock::Clock;
use crate::config::Env;
use crate::egress::leak::Needles;

/// What Entra is called in messages; it never says that it will be back but by the usual statuses.
const ENTRA: (&str, &[u16]) = ("Entra", &[]);
/// How an assertion is named in a token request (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest federated token that is read, in bytes.
const MAX_FEDERATED_TOKEN: u64 = 64 * 1024;

/// Tokens of Entra.
pub(super) struct Entra {
    tokens: TokenCache<Secret>,
    fetcher: Arc<Fetcher>,
}

/// What a fetch needs; apart from the cache, so that a fetch does not keep the cache alive.
struct Fetcher {
    client: TokenClient,
    clock: Arc<dyn Clock>,
    env: Env,
}

impl Entra {
    pub(super) fn new(client: TokenClient, clock: Arc<dyn Clock>, env: Env) -> Self {
        Self {
            tokens: TokenCache::new(Arc::clone(&clock)),
            fetcher: Arc::new(Fetcher { client, clock, env }),
        }
    }

    /// A token of a credential for a scope.
    async fn token(
        &self,
        facts: &Arc<CredentialFacts>,
        scope: &Scope,
        secrets: &Secrets,
    ) -> Result<Arc<Secret>, TokenError> {
        let fetch = || {
            let (fetcher, facts) = (Arc::clone(&self.fetcher), Arc::clone(facts));
            let (scope, secrets) = (scope.clone(), secrets.clone());
            async move { fetcher.fetch(&facts, &scope, &secrets).await }
        };
        self.tokens.get(&TokenKey::new(facts, scope.as_str()), fetch).await
    }
}

impl Fetcher {
    async fn fetch(
        &self,
        facts: &CredentialFacts,
        scope: &Scope,
        secrets: &Secrets,
    ) -> Result<Fetched<Secret>, TokenError> {
        let needles = Needles::of(secrets.iter().map(|(_, secret)| secret.expose()));
        let ((who, updating), answer) = match Source::read(&facts.attributes, &self.env)? {
            Source::ManagedIdentity(which) => {
                let answer = managed::ask(&self.client, &self.env, &which, scope).await?;
                (managed::service(&self.env), answer)
            }
            Source::ClientSecret(application) => {
                let secret = secrets
                    .get("client_secret")
                    .ok_or_else(|| TokenError::lasting("the credential has no secret field `client_secret`"))?;
                let proof = [("client_secret", secret.expose())];
                (ENTRA, self.ask(&application, scope, &proof).await?)
            }
            Source::ClientCertificate {
                application,
                algorithm,
                send_chain,
            } => {
                let (audience, now) = (application.endpoint(), self.clock.now());
                let assertion = assertion::Identity::read(secrets)?.assert(
                    algorithm,
                    send_chain,
                    audience.as_str(),
                    &application.client,
                    now,
                )?;
                (ENTRA, self.ask_with_assertion(&application, scope, &assertion).await?)
            }
            Source::WorkloadIdentity {
                application,
                token_file,
            } => {
                // The platform writes a new token now and then, so the file is read at each fetch.
                let assertion = read_federated_token(&token_file).await?;
                (ENTRA, self.ask_with_assertion(&application, scope, &assertion).await?)
            }
        };
        match answer.status {
            200 => answer::read(who, &answer.body, self.clock.now()),
            _ => Err(refusal::explain(who, updating, &answer, &needles)),
        }
    }

    async fn ask_with_assertion(
        &self,
        application: &Application,
        scope: &Scope,
        assertion: &Secret,
    ) -> Result<TokenAnswer, TokenError> {
        let proof = [
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.expose()),
        ];
        self.ask(application, scope, &proof).await
    }

    /// Asks as an application (Microsoft identity platform, "client credentials flow").
    async fn ask(
        &self,
        application: &Application,
        scope: &Scope,
        proof: &[(&str, &str)],
    ) -> Result<TokenAnswer, TokenError> {
        let mut form = vec![
            ("client_id", application.client.as_str()),
            ("scope", scope.as_str()),
            ("grant_type", "client_credentials"),
        ];
        form.extend_from_slice(proof);
        self.client
            .send(TokenRequest::post(application.endpoint(), &form))
            .await
    }
}

async fn read_federated_token(file: &Path) -> Result<Secret, TokenError> {
    let unusable = |why: &str| TokenError::lasting(format!("the file of the federated token {why}"));
    let read = async {
        if tokio::fs::metadata(file).await?.len() > MAX_FEDERATED_TOKEN {
            return Ok(None);
        }
        tokio::fs::read_to_string(file).await.map(Some)
    };
    let text = read
        .await
        .map_err(|error: std::io::Error| unusable(&format!("cannot be read: {}", error.kind())))?
        .map(Secret::new)
        .ok_or_else(|| unusable("is too large for one"))?;
    match text.expose().trim() {
        "" => Err(unusable("is empty")),
        trimmed => Ok(Secret::new(trimmed)),
    }
}

/// Sends a token of Entra.
pub(super) struct AttachEntra {
    scope: Scope,
    facts: Arc<CredentialFacts>,
    identity: Arc<Identity>,
}

impl AttachEntra {
    pub(super) fn new(scope: Scope, facts: Arc<CredentialFacts>, identity: Arc<Identity>) -> Self {
        Self { scope, facts, identity }
    }
}

#[async_trait]
impl Attach for AttachEntra {
    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let token = self.identity.entra().token(&self.facts, &self.scope, secrets).await?;
        let value = sensitive_value("Bearer ", token.expose())?;
        outgoing.headers.insert(AUTHORIZATION, value);
        outgoing.derived.push(Secret::clone(&token));
        Ok(())
    }
}
