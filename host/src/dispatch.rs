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
pub use crate::plugin::{
    NativeAnswer, NativeRequest, Pieces, RequestHead, Sound, completions, embeddings, images, speech,
};

/// One request to a model.
#[derive(Debug, Clone)]
pub struct LlmRequest {
    /// The model as the caller named it: an alias, `provider/model`, or what a pattern matches.
    pub model: String,
    /// What the model is asked for. Its own `model` is filled in by routing.
    pub ask: Ask,
}

/// What a model can be asked for.
#[derive(Debug, Clone)]
pub enum Ask {
    /// To continue a conversation.
    Chat {
        /// The conversation.
        request: llm::ChatRequest,
        /// Whether the answer is wanted piece by piece.
        stream: bool,
    },
    /// To continue texts.
    Completion {
        /// The texts.
        request: completions::Request,
        /// Whether the answer is wanted piece by piece.
        stream: bool,
    },
    /// To embed texts.
    Embeddings(embeddings::Request),
    /// To make pictures.
    Images(images::Request),
    /// To speak a text.
    Synthesis(speech::SynthesisRequest),
    /// To write sound down.
    Transcription(speech::TranscriptionRequest),
}

impl Ask {
    /// Sets the provider's own name of the model.
    pub fn set_model(&mut self, name: String) {
        let model = match self {
            Self::Chat { request, .. } => &mut request.model,
            Self::Completion { request, .. } => &mut request.model,
            Self::Embeddings(request) => &mut request.model,
            Self::Images(request) => &mut request.model,
            Self::Synthesis(request) => &mut request.model,
            Self::Transcription(request) => &mut request.model,
        };
        *model = name;
    }
}

/// Events of a streamed answer, in batches as they came. The last event is `done` or `error`;
/// dropping the stream cancels the call up to the provider.
pub type EventBatches = BoxStream<'static, Vec<llm::ChatEvent>>;

/// An answer, of the kind that was asked for.
pub enum LlmAnswer {
    /// All of a conversation's answer, or of the texts.
    Whole(Box<llm::ChatResponse>),
    /// The same piece by piece. The first event is `start` and has already arrived.
    Stream {
        /// The first event.
        start: llm::ResponseStart,
        /// The events after it.
        events: EventBatches,
    },
    /// Vectors.
    Embeddings(embeddings::Response),
    /// Pictures.
    Images(images::Response),
    /// Sound, as it is made.
    Sound(Sound),
    /// The text of a sound.
    Transcript(Box<speech::Transcript>),
}

impl LlmAnswer {
    /// What the adapter could not carry.
    pub fn dropped(&self) -> &[llm::DroppedField] {
        match self {
            Self::Whole(answer) => &answer.dropped,
            Self::Stream { start, .. } => &start.dropped,
            Self::Embeddings(answer) => &answer.dropped,
            Self::Images(answer) => &answer.dropped,
            Self::Sound(answer) => &answer.dropped,
            Self::Transcript(answer) => &answer.dropped,
        }
    }
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The provider's own name of the model; empty when none was named.
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

/// The answer of a provider's own API, and who gave it.
pub struct NativeResponse {
    /// Who answered.
    pub target: Target,
    /// The answer.
    pub answer: NativeAnswer,
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
    /// Asks a model. The answer is of the kind that was asked for.
    ///
    /// # Errors
    /// Everything that fails before the first piece of the answer.
    async fn ask(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError>;

    /// Sends a request to a provider's own API, by the provider's name in the configuration.
    ///
    /// # Errors
    /// Everything that fails before the head of the answer.
    async fn native(
        &self,
        context: &RequestContext,
        provider: &str,
        request: NativeRequest,
    ) -> Result<NativeResponse, GatewayError>;

    /// Models that may be asked: aliases first, then each provider's list. A provider whose list
    /// cannot be had is left out and logged.
    async fn models(&self, context: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError>;
}
