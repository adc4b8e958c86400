//! Ends of the egress stack that send nothing, for trying a configuration.
//!
//! In: a request that every layer has passed, as the client would get it. Out: an answer whose body
//! tells what was found: where it would go ([`Reach`]), as whom ([`Rehearse`]). Never: the request on
//! the wire, or a secret in the answer.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::client::Client;
use super::credential::{Sealed, who};
use super::service::Service;
use super::{EgressError, UpstreamResponse};

/// Connects to where the request would go, and leaves again.
pub struct Reach(pub Arc<Client>);

impl Service<Sealed> for Reach {
    async fn call(&self, sealed: Sealed) -> Result<UpstreamResponse, EgressError> {
        self.0.reach(&sealed).await.map(|reached| told(reached.to_string()))
    }
}

/// Says as whom the request is signed.
#[derive(Debug, Clone, Copy)]
pub struct Rehearse;

impl Service<Sealed> for Rehearse {
    async fn call(&self, sealed: Sealed) -> Result<UpstreamResponse, EgressError> {
        Ok(told(who(&sealed.outgoing.headers).unwrap_or_default()))
    }
}

fn told(text: String) -> UpstreamResponse {
    UpstreamResponse {
        status: 200,
        headers: Vec::new(),
        body: stream::iter([Ok(Bytes::from(text))]).boxed(),
    }
}

/// What an answer of these ends tells.
///
/// # Errors
/// When a layer held it back.
pub async fn told_by(response: UpstreamResponse) -> Result<String, EgressError> {
    let pieces: Vec<Bytes> = response.body.try_collect().await?;
    Ok(String::from_utf8_lossy(&pieces.concat()).into_owned())
}
