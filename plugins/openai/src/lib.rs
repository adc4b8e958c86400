//! The OpenAI adapter.
//!
//! In: the host's calls. Out: OpenAI's answers. Never: the wire format, which is
//! [`llm_openai_wire`]'s, or a change of a parameter that a model does not take: that is for the
//! caller to see, in OpenAI's own words.

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

mod native;
mod settings;

use llm_openai_wire::call;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{
    Chat, Completions, CredentialSlot, Embeddings, EventStream, Images, Manifest, Provider, Speech, Synthesis,
    completions, embeddings, http, images, speech,
};

use settings::Settings;

/// The slot of the manifest that holds the key.
const KEY: &str = "api-key";

/// The adapter.
#[derive(Debug)]
pub struct OpenAi;

llm_provider_sdk::export!(OpenAi: chat, completions, embeddings, images, speech, native);

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
        call::list_models(request, settings.profile()).await
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
        call::complete(
            post(&settings, "/chat/completions"),
            &req,
            settings.profile(),
            &settings.pass,
        )
        .await
    }

    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let settings = Settings::of_host()?;
        call::stream(
            post(&settings, "/chat/completions"),
            &req,
            settings.profile(),
            &settings.pass,
        )
        .await
    }
}

/// A request to one of the API's operations.
fn post(settings: &Settings, path: &str) -> http::Request {
    settings
        .address(http::Request::post(settings.url(path)))
        .credential(KEY)
}

impl Completions for OpenAi {
    async fn complete(req: completions::Request) -> Result<ChatResponse, Error> {
        let settings = Settings::of_host()?;
        let http = post(&settings, "/completions");
        call::continuation(http, &req, settings.profile(), &settings.pass).await
    }

    async fn stream(req: completions::Request) -> Result<EventStream, Error> {
        let settings = Settings::of_host()?;
        let http = post(&settings, "/completions");
        call::continuation_stream(http, &req, settings.profile(), &settings.pass).await
    }
}

impl Embeddings for OpenAi {
    async fn embed(req: embeddings::Request) -> Result<embeddings::Response, Error> {
        let settings = Settings::of_host()?;
        call::embed(post(&settings, "/embeddings"), &req, settings.profile()).await
    }
}

impl Images for OpenAi {
    async fn generate(req: images::Request) -> Result<images::Response, Error> {
        let settings = Settings::of_host()?;
        call::generate(&|path| Ok(post(&settings, path)), &req, settings.profile()).await
    }
}

impl Speech for OpenAi {
    async fn synthesize(req: speech::SynthesisRequest) -> Result<Synthesis, Error> {
        let settings = Settings::of_host()?;
        call::synthesize(post(&settings, "/audio/speech"), &req, settings.profile()).await
    }

    async fn transcribe(req: speech::TranscriptionRequest) -> Result<speech::Transcript, Error> {
        let settings = Settings::of_host()?;
        call::transcribe(&|path| Ok(post(&settings, path)), &req, settings.profile()).await
    }
}
