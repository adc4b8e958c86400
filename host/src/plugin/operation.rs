//! What a plugin can be asked to do: one type for each function of the ABI that gives a whole
//! answer.
//!
//! In: a request. Out: what the adapter reports. Never: how a call is run, which is
//! [`call`](super::call)'s, or what runs beyond the call: streams are [`events`](super::events)'
//! and [`sound`](super::sound)'s.

use super::call::Call;
use super::component::Exports;
use super::functions::Callee;
use crate::llm;

/// Which of the ABI's interfaces a call is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Provider,
    Chat,
    Completions,
    Embeddings,
    Images,
    Native,
    Speech,
}

impl Interface {
    /// Its name in the package.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Images => "images",
            Self::Native => "native",
            Self::Speech => "speech",
        }
    }

    /// Whether a component has it.
    pub(super) fn is_in(self, exports: &Exports) -> bool {
        match self {
            Self::Provider => true,
            Self::Chat => exports.chat.is_some(),
            Self::Completions => exports.completions.is_some(),
            Self::Embeddings => exports.embeddings.is_some(),
            Self::Images => exports.images.is_some(),
            Self::Native => exports.native.is_some(),
            Self::Speech => exports.speech.is_some(),
        }
    }
}

macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $name:ident($($field:ident: $type:ty),*) -> $answer:ty = $interface:ident, $loader:ident.$handle:ident.$function:ident;
    )*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name { $(pub(super) $field: $type),* }

            impl Call for $name {
                type Output = Result<$answer, llm::Error>;
                const INTERFACE: Interface = Interface::$interface;

                async fn run(self, callee: Callee<'_>) -> wasmtime::Result<Self::Output> {
                    let loaded = callee.$loader()?;
                    loaded.$handle().$function(callee.accessor, $(self.$field),*).await
                }
            }
        )*
    };
}

operations! {
    /// Asks for the models.
    ListModels() -> Vec<llm::ModelInfo>
        = Provider, provider.llm_host_provider_provider.call_list_models;
    /// Continues a conversation as a whole.
    Complete(request: llm::ChatRequest) -> llm::ChatResponse
        = Chat, chat.llm_host_provider_chat.call_complete;
    /// Continues texts as a whole.
    CompleteText(request: super::completions::Request) -> llm::ChatResponse
        = Completions, completions.llm_host_provider_completions.call_complete;
    /// Embeds texts.
    Embed(request: super::embeddings::Request) -> super::embeddings::Response
        = Embeddings, embeddings.llm_host_provider_embeddings.call_embed;
    /// Makes pictures.
    Draw(request: super::images::Request) -> super::images::Response
        = Images, images.llm_host_provider_images.call_generate;
    /// Writes sound down.
    Transcribe(request: super::speech::TranscriptionRequest) -> super::speech::Transcript
        = Speech, speech.llm_host_provider_speech.call_transcribe;
    /// Maps the head of a request to the provider's own API.
    Route(head: super::native::RequestHead) -> super::native::Forward
        = Native, native.llm_host_provider_native.call_route;
    /// Changes the body of such a request.
    RewriteBody(head: super::native::RequestHead, body: Vec<u8>) -> Vec<u8>
        = Native, native.llm_host_provider_native.call_rewrite_body;
}
