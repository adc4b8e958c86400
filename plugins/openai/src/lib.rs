//! The OpenAI adapter.
//!
//! In: the host's calls. Out: OpenAI's answers. Never: the wire format, which is
//! [`llm_openai_wire`]'s, or a change of a parameter that a model does not take: that is for the
//! caller to see, in OpenAI's own words.

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

mod settings;

use llm_openai_wire::{Profile, call};
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{Chat, CredentialSlot, Embeddings, EventStream, Manifest, Provider, embeddings, http};

use settings::Settings;

/// The slot of the manifest that holds the key.
const KEY: &str = "api-key";

/// The adapter.
#[derive(Debug)]
pub struct OpenAi;

llm_provider_sdk::export!(OpenAi: chat, embeddings);

impl Provider for OpenAi {
    fn describe() -> Manifest {
        Manifest {
            egress: vec![settings::ORIGIN.to_owned(), "{config.base_url*}".to_owned()],
            credentials: vec![CredentialSlot::bearer(
                KEY,
                "An API key of OpenAI; make one at https://platform.openai.com/api-keys",
            )],
            config_schema: settings::SCHEMA.to_owned(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            ..Manifest::new("openai", env!("CARGO_PKG_VERSION"), "OpenAI")
        }
    }

    fn check_config(config: &str) -> Result<(), String> {
        Settings::check(config)
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        let settings = Settings::of_host()?;
        let request = settings
            .address(http::Request::get(settings.url("/models")))
            .credential(KEY);
        call::list_models(request, &Profile::OPENAI).await
    }
}

/// What the adapter carries beside text.
const CAPABILITIES: [&str; 7] = [
    "audio",
    "documents",
    "logprobs",
    "reasoning",
    "structured-output",
    "tools",
    "vision",
];

impl Chat for OpenAi {
    async fn complete(req: ChatRequest) -> Result<ChatResponse, Error> {
        let settings = Settings::of_host()?;
        call::complete(chat(&settings), &req, &Profile::OPENAI, &settings.pass).await
    }

    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let settings = Settings::of_host()?;
        call::stream(chat(&settings), &req, &Profile::OPENAI, &settings.pass).await
    }
}

fn chat(settings: &Settings) -> http::Request {
    settings
        .address(http::Request::post(settings.url("/chat/completions")))
        .credential(KEY)
}

impl Embeddings for OpenAi {
    async fn embed(req: embeddings::Request) -> Result<embeddings::Response, Error> {
        let settings = Settings::of_host()?;
        let request = settings
            .address(http::Request::post(settings.url("/embeddings")))
            .credential(KEY);
        call::embed(request, &req, &Profile::OPENAI).await
    }
}
