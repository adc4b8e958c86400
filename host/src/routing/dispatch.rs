//! The leaf of the dispatch stack: finds the target of a request and asks its plugin.
//!
//! In: an [`LlmRequest`]. Out: the adapter's answer, with who gave it. Never: a second try; what
//! fails here fails the request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};

use super::{Route, model_list::ModelLists, provider, route};
use crate::context::RequestContext;
use crate::dispatch::{
    Ask, Dispatch, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, NativeRequest, NativeResponse, Target,
};
use crate::error::GatewayError;
use crate::plugin::{CallError, Generation};

/// Asks plugins.
#[derive(Default)]
pub struct AskPlugin {
    lists: ModelLists,
}

#[async_trait]
impl Dispatch for AskPlugin {
    async fn ask(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError> {
        let snapshot = &context.snapshot;
        let Route { generation, model } = route(&snapshot.config.models, &snapshot.providers, &request.model)?;
        let LlmRequest { mut ask, .. } = request;
        let target = Target {
            provider: generation.provider.clone(),
            model: model.clone(),
            generation: generation.id,
        };
        ask.set_model(model);
        let answer = before(context.deadline, answer(context, &generation, ask)).await?;
        Ok(LlmResponse { target, answer })
    }

    async fn native(
        &self,
        context: &RequestContext,
        name: &str,
        request: NativeRequest,
    ) -> Result<NativeResponse, GatewayError> {
        let generation = provider(&context.snapshot.providers, name)?;
        let target = Target {
            provider: generation.provider.clone(),
            model: String::new(),
            generation: generation.id,
        };
        let answer = before(context.deadline, async {
            let forwarded = generation.forward(context.id.as_str().into(), request, context.deadline);
            said(generation, forwarded.await)
        })
        .await?;
        Ok(NativeResponse { target, answer })
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

async fn answer(context: &RequestContext, generation: &Arc<Generation>, ask: Ask) -> Result<LlmAnswer, GatewayError> {
    let (id, deadline) = (Arc::from(context.id.as_str()), context.deadline);
    let streamed = |(start, events)| LlmAnswer::Stream { start, events };
    let whole = |answer| LlmAnswer::Whole(Box::new(answer));
    Ok(match ask {
        Ask::Chat { request, stream: true } => {
            streamed(said(generation, generation.stream(id, request, deadline).await)?)
        }
        Ask::Chat { request, stream: false } => whole(said(generation, generation.complete(id, request).await)?),
        Ask::Completion { request, stream: true } => {
            streamed(said(generation, generation.stream_text(id, request, deadline).await)?)
        }
        Ask::Completion { request, stream: false } => {
            whole(said(generation, generation.complete_text(id, request).await)?)
        }
        Ask::Embeddings(request) => LlmAnswer::Embeddings(said(generation, generation.embed(id, request).await)?),
        Ask::Images(request) => LlmAnswer::Images(said(generation, generation.draw(id, request).await)?),
        Ask::Synthesis(request) => LlmAnswer::Sound(said(generation, generation.speak(id, request, deadline).await)?),
        Ask::Transcription(request) => {
            LlmAnswer::Transcript(Box::new(said(generation, generation.transcribe(id, request).await)?))
        }
    })
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
