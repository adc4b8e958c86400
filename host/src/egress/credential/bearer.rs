//! `Authorization: Bearer …` (RFC 6750).
//!
//! In: a credential with one secret field. Out: the header, marked sensitive. Never: the secret
//! anywhere else.

use async_trait::async_trait;
use http::header::AUTHORIZATION;

use super::attach::{Attach, AttachError, Outgoing, only_secret};
use super::header::sensitive_value;
use llm_host_vault::Secrets;

/// Sends the secret as a bearer token.
#[derive(Debug)]
pub(super) struct Bearer;

#[async_trait]
impl Attach for Bearer {
    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let value = sensitive_value("Bearer ", only_secret(secrets)?.expose())?;
        outgoing.headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}
