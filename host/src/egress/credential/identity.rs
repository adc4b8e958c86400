//! What the kinds of credential that fetch tokens stand on.
//!
//! In: the clock, the environment and the HTTP client, once, when the host starts. Out: what fetches tokens and the caches they are kept in,
//! one for each such kind. Never: a secret of its own; a token is in a cache, a credential's secret
//! in the vault.
//!
//! This outlives every state of the vault and every generation of a plugin, so that a reload does
//! not make the host fetch tokens that are still good.

use std::fmt;
use std::sync::Arc;

use super::aws::Aws;
use super::entra::Entra;
use super::token_client::TokenClient;
use crate::clock::Clock;
use crate::config::Env;
use crate::config::env::azure;
use crate::egress::client::{Client, ClientError};

/// Fetches and keeps tokens.
pub struct Identity {
    clock: Arc<dyn Clock>,
    entra: Entra,
    aws: Aws,
}

impl Identity {
    /// Nothing fetched yet. Tokens are fetched as `client` connects, over connections of their own.
    ///
    /// # Errors
    /// When there can be no such connections.
    pub fn new(clock: Arc<dyn Clock>, env: &Env, client: &Client) -> Result<Self, ClientError> {
        let connections = client.for_tokens()?;
        let tokens = TokenClient::new(connections.clone());
        Ok(Self {
            aws: Aws::new(connections, Arc::clone(&clock)),
            entra: Entra::new(tokens, Arc::clone(&clock), env.only(azure::VARIABLES)),
            clock,
        })
    }

    /// Tokens of Microsoft Entra.
    pub(super) fn entra(&self) -> &Entra {
        &self.entra
    }

    /// Keys of AWS.
    pub(super) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The time of day, by which tokens end and signatures are dated.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
