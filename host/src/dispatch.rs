//! The typed middle of the pipeline: what a dialect asks and what it is answered.
//!
//! In: an [`LlmRequest`] that a dialect under `api/` decoded. Out: an [`LlmResponse`] that the
//! dialect encodes. Never: HTTP, JSON, or the name of a provider.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::context::RequestContext;
use crate::error::GatewayError;
use crate::llm;

/// One request for a conversation to be continued.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmRequest {
    /// The model as the caller named it: an alias, `provider/model`, or what a pattern matches.
    pub model: String,
    /// The conversation. `chat.model` is filled in by routing.
    pub chat: llm::ChatRequest,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
}

/// Events of a streamed answer, in batches as they came. The last event is `done` or `error`;
/// dropping the stream cancels the call up to the provider.
pub type EventBatches = BoxStream<'static, Vec<llm::ChatEvent>>;

/// An answer, whole or in pieces.
pub enum LlmAnswer {
    /// All of it.
    Whole(Box<llm::ChatResponse>),
    /// Piece by piece. The first event is `start` and has already arrived.
    Stream {
        /// The first event.
        start: llm::ResponseStart,
        /// The events after it.
        events: EventBatches,
    },
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The provider's own name of the model.
    pub model: String,
    /// The generation of the plugin that answered.
    pub generation: u64,
}

/// An answer and who gave it.
pub struct LlmResponse {
    /// Who answered.
    pub target: Target,
    /// The answer.
    pub answer: LlmAnswer,
}

/// A model that may be asked, under the name that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// `provider/model`, or the alias.
    pub name: String,
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// What the provider says of it.
    pub info: llm::ModelInfo,
}

/// The dispatch stack as its callers see it.
#[async_trait]
pub trait Dispatch: Send + Sync + 'static {
    /// Continues a conversation.
    ///
    /// # Errors
    /// Everything that fails before the first piece of the answer.
    async fn chat(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError>;

    /// Models that may be asked: aliases first, then each provider's list. A provider whose list
    /// cannot be had is left out and logged.
    async fn models(&self, context: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError>;
}
