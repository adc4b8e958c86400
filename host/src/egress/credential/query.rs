//! A query parameter, for the providers that take nothing better.
//!
//! In: the parameter's name, a credential with one secret field. Out: the address with it. Never:
//! the secret anywhere else. Discouraged: a provider's logs keep addresses.

use async_trait::async_trait;

use super::attach::{Attach, AttachError, Outgoing, only_secret};
use llm_host_vault::Secrets;

/// Sends the secret in the query.
#[derive(Debug)]
pub(super) struct Query {
    name: String,
}

impl Query {
    /// Sends it as the parameter `name`.
    pub(super) fn new(name: String) -> Self {
        Self { name }
    }
}

#[async_trait]
impl Attach for Query {
    fn query_parameter(&self) -> Option<&str> {
        Some(&self.name)
    }

    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let secret = only_secret(secrets)?;
        outgoing.url.query_pairs_mut().append_pair(&self.name, secret.expose());
        Ok(())
    }
}
