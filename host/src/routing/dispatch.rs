//! The leaf of the dispatch stack: finds the target of a request and asks its plugin.
//!
//! In: an [`LlmRequest`]. Out: the adapter's answer, with who gave it. Never: a second try; what
//! fails here fails the request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};

use super::{Route, model_list::ModelLists, route};
use crate::context::RequestContext;
use crate::dispatch::{Dispatch, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, Target};
use crate::error::GatewayError;
use crate::plugin::{CallError, Generation};

/// Asks plugins.
#[derive(Default)]
pub struct AskPlugin {
    lists: ModelLists,
}

#[async_trait]
impl Dispatch for AskPlugin {
    async fn chat(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError> {
        let snapshot = &context.snapshot;
        let Route { generation, model } = route(&snapshot.config.models, &snapshot.providers, &request.model)?;
        let LlmRequest { mut chat, stream, .. } = request;
        let target = Target {
            provider: generation.provider.clone(),
            model: model.clone(),
            generation: generation.id,
        };
        chat.model = model;
        let id: Arc<str> = context.id.as_str().into();
        let answer = before(context.deadline, async {
            if stream {
                let answered = generation.stream(id, chat, context.deadline).await;
                let (start, events) = said(&generation, answered)?;
                Ok(LlmAnswer::Stream { start, events })
            } else {
                let answered = generation.complete(id, chat).await;
                Ok(LlmAnswer::Whole(Box::new(said(&generation, answered)?)))
            }
        })
        .await?;
        Ok(LlmResponse { target, answer })
    }

    async fn models(&self, context: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError> {
        let snapshot = &context.snapshot;
        let mut lists: FuturesUnordered<_> = snapshot
            .providers
            .values()
            .map(|generation| self.lists.of(generation, context.id.as_str().into()))
            .collect();
        let mut models = Vec::new();
        while let Some(list) = lists.next().await {
            models.extend(list);
        }
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let aliases = snapshot.config.models.aliases.iter().map(|(alias, target)| {
            let full = format!("{}/{}", target.provider, target.model);
            let known = models.iter().find(|model| model.name == full);
            ModelEntry {
                name: alias.clone(),
                provider: target.provider.as_str().into(),
                info: known.map_or_else(|| super::model_list::bare(&target.model), |known| known.info.clone()),
            }
        });
        let aliases: Vec<_> = aliases.collect();
        Ok(aliases.into_iter().chain(models).collect())
    }
}

/// Joins the two ways in which a call can fail.
fn said<T>(
    generation: &Generation,
    answered: Result<Result<T, crate::llm::Error>, CallError>,
) -> Result<T, GatewayError> {
    answered
        .map_err(|error| error.into_gateway(&generation.plugin.manifest.id))?
        .map_err(|error| GatewayError::Provider {
            provider: generation.provider.to_string(),
            error: Box::new(error),
        })
}

async fn before<T>(deadline: Instant, work: impl Future<Output = Result<T, GatewayError>>) -> Result<T, GatewayError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(outcome) = tokio::time::timeout(left.max(Duration::from_millis(1)), work).await else {
        return Err(GatewayError::DeadlineExceeded {
            message: "the answer took longer than `server.request_timeout`".into(),
        });
    };
    outcome
}
