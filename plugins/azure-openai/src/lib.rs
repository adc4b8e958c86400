//! The Azure OpenAI adapter.
//!
//! In: the host's calls. Out: the answers of a resource's deployments. Never: the wire format, which
//! is [`llm_openai_wire`]'s, and never a secret; a slot of the manifest signs in.
//!
//! The way of a call: `settings` and `target` find the deployment that the caller's model stands for,
//! `identity` the slot, the shared crate asks and reads, and `error` says what a failure means here.

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

mod error;
mod identity;
mod list;
mod native;
mod settings;
mod target;

use llm_openai_wire::call;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{
    Chat, Completions, Embeddings, EventStream, Images, Manifest, Provider, Speech, Synthesis, completions, embeddings,
    images, speech,
};

use settings::Settings;
use target::Target;

/// The adapter.
#[derive(Debug)]
pub struct AzureOpenAi;

llm_provider_sdk::export!(AzureOpenAi: chat, completions, embeddings, images, speech, native);

impl Provider for AzureOpenAi {
    fn describe() -> Manifest {
        Manifest {
            egress: EGRESS.map(str::to_owned).to_vec(),
            credentials: identity::slots(),
            config_schema: settings::SCHEMA.to_owned(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            ..Manifest::new("azure-openai", env!("CARGO_PKG_VERSION"), "Azure OpenAI")
        }
    }

    fn check_config(config: &str) -> Result<(), String> {
        Settings::check(config)
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        list::models(&Settings::of_host()?).await
    }
}

/// The resources that the settings name.
const EGRESS: [&str; 2] = ["{config.endpoint*}", "{config.resources.*.endpoint*}"];

/// What the adapter carries beside text.
const CAPABILITIES: [&str; 8] = [
    "audio",
    "content-filter",
    "documents",
    "logprobs",
    "reasoning",
    "structured-output",
    "tools",
    "vision",
];

/// The target of a request, and the request under the deployment's name.
fn aim(model: &mut String) -> Result<Target, Error> {
    let target = Settings::of_host()?.target(model)?;
    model.clone_from(&target.deployment);
    Ok(target)
}

impl Chat for AzureOpenAi {
    async fn complete(mut req: ChatRequest) -> Result<ChatResponse, Error> {
        let target = aim(&mut req.model)?;
        call::complete(target.post("/chat/completions")?, &req, &target.profile(), &[])
            .await
            .map_err(|failed| error::explain(failed, &target))
    }

    async fn stream(mut req: ChatRequest) -> Result<EventStream, Error> {
        let target = aim(&mut req.model)?;
        let explained = |failed| error::explain(failed, &target);
        let events = call::stream(target.post("/chat/completions")?, &req, &target.profile(), &[]).await;
        // A refusal of the filter may come as the first event, under status 200.
        events.map_err(explained)?.begin().await.map_err(explained)
    }
}

impl Completions for AzureOpenAi {
    async fn complete(mut req: completions::Request) -> Result<ChatResponse, Error> {
        let target = aim(&mut req.model)?;
        call::continuation(target.post("/completions")?, &req, &target.profile(), &[])
            .await
            .map_err(|failed| error::explain(failed, &target))
    }

    async fn stream(mut req: completions::Request) -> Result<EventStream, Error> {
        let target = aim(&mut req.model)?;
        let explained = |failed| error::explain(failed, &target);
        let events = call::continuation_stream(target.post("/completions")?, &req, &target.profile(), &[]).await;
        events.map_err(explained)?.begin().await.map_err(explained)
    }
}

impl Embeddings for AzureOpenAi {
    async fn embed(mut req: embeddings::Request) -> Result<embeddings::Response, Error> {
        let target = aim(&mut req.model)?;
        call::embed(target.post("/embeddings")?, &req, &target.profile())
            .await
            .map_err(|failed| error::explain(failed, &target))
    }
}

impl Images for AzureOpenAi {
    async fn generate(mut req: images::Request) -> Result<images::Response, Error> {
        let target = aim(&mut req.model)?;
        call::generate(&|path| target.post(path), &req, &target.profile())
            .await
            .map_err(|failed| error::explain(failed, &target))
    }
}

impl Speech for AzureOpenAi {
    async fn synthesize(mut req: speech::SynthesisRequest) -> Result<Synthesis, Error> {
        let target = aim(&mut req.model)?;
        call::synthesize(target.post("/audio/speech")?, &req, &target.profile())
            .await
            .map_err(|failed| error::explain(failed, &target))
    }

    async fn transcribe(mut req: speech::TranscriptionRequest) -> Result<speech::Transcript, Error> {
        let target = aim(&mut req.model)?;
        call::transcribe(&|path| target.post(path), &req, &target.profile())
            .await
            .map_err(|failed| error::explain(failed, &target))
    }
}
