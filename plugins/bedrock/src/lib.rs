//! Amazon Bedrock as an adapter.
//!
//! In: neutral requests and the plugin's settings. Out: neutral answers, streams, vectors, pictures,
//! errors and models. Never: a secret or a signature; the host signs with the credential of slot `aws`,
//! or attaches the key of slot `api-key`, when the request has left the sandbox.
//!
//! The way of a conversation: [`target`] reads the model's name, [`request`] writes Converse's input for
//! it, [`transport`] has the AWS SDK write it to the wire and sends it, and [`response`] or [`stream`]
//! reads the answer with the SDK's types into an [`answer`]. [`invoke`] asks a model in its own form
//! instead; [`embeddings`] and [`images`] have no other. [`models`] lists what there is, and calls in
//! Bedrock's own form pass by `native`. [`error`] reads what went wrong. [`wire`]
//! keeps what the SDK's types would change.

// The ABI's `error` stays below the lint's limit on wasm32.
#![allow(clippy::result_large_err)]

pub mod answer;
pub mod converse;
pub mod embeddings;
pub mod endpoint;
pub mod error;
pub mod images;
pub mod invoke;
pub mod models;
mod native;
pub mod report;
pub mod request;
pub mod response;
pub mod settings;
pub mod stream;
pub mod target;
mod together;
pub mod transport;
pub mod usage;
pub mod wire;

use llm_openai_wire::call;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{Chat, CredentialSlot, Embeddings, EventStream, Images, Manifest, Provider, host, http};

use crate::invoke::openai::PROFILE;
use crate::request::Wish;
use crate::settings::{Operation, Settings};
use crate::target::Target;

/// The adapter.
#[derive(Debug)]
pub struct Bedrock;

/// What the manifest says beyond the interfaces.
const CAPABILITIES: &[&str] = &[
    "tools",
    "vision",
    "documents",
    "video",
    "reasoning",
    "structured-output",
    "prompt-caching",
    "citations",
    "guardrails",
];

impl Provider for Bedrock {
    fn describe() -> Manifest {
        let service = |name: &str, domain: &str| format!("https://{name}.{{config.region}}.{domain}");
        let mut egress: Vec<String> = ["bedrock-runtime", "bedrock", "bedrock-runtime-fips", "bedrock-fips"]
            .iter()
            .map(|name| service(name, "amazonaws.com"))
            .collect();
        egress.push("{config.endpoint*}".to_owned());
        egress.push("{config.control_endpoint*}".to_owned());
        let slot = |name: &str, kinds: &[&str], attach: &str, description: &str| CredentialSlot {
            name: name.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            attach: attach.to_owned(),
            required: false,
            description: description.to_owned(),
        };
        Manifest {
            egress,
            credentials: vec![
                slot(
                    transport::AWS,
                    &["aws"],
                    r#"{"sigv4":{"service":"bedrock"}}"#,
                    "An AWS identity (access key, profile, SSO, assumed role, …) with the permissions bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream. The host signs with it.",
                ),
                slot(
                    transport::API_KEY,
                    &["bearer", "api-key"],
                    r#"{"bearer":true}"#,
                    "A Bedrock API key, from the Bedrock console under API keys, instead of an AWS identity.",
                ),
            ],
            config_schema: settings::schema(),
            capabilities: CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
            ..Manifest::new("bedrock", env!("CARGO_PKG_VERSION"), "Amazon Bedrock")
        }
    }

    fn check_config(config: &str) -> Result<(), String> {
        let settings: Settings =
            serde_json::from_str(config).map_err(|error| format!("the settings do not fit their schema: {error}"))?;
        settings.check()
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        models::list(&host::config()?).await
    }
}

/// What a conversation needs to begin.
fn begin(req: &mut ChatRequest) -> Result<(Settings, Wish, Target), Error> {
    let settings: Settings = host::config()?;
    let wish = Wish::take(&mut req.extra)?;
    let target = Target::resolve(&req.model, &wish, &settings)?;
    Ok((settings, wish, target))
}

impl Chat for Bedrock {
    async fn complete(mut req: ChatRequest) -> Result<ChatResponse, Error> {
        let (settings, wish, target) = begin(&mut req)?;
        match target.operation {
            Operation::Converse => converse::complete(req, &target, wish, &settings).await,
            Operation::Invoke => invoke::complete(req, &target, wish, &settings).await,
            Operation::ChatCompletions => {
                let request = completions(&mut req, &target, &settings)?;
                call::complete(request, &req, &PROFILE, &[]).await
            }
        }
    }

    async fn stream(mut req: ChatRequest) -> Result<EventStream, Error> {
        let (settings, wish, target) = begin(&mut req)?;
        match target.operation {
            Operation::Converse => converse::stream(req, &target, wish, &settings).await,
            Operation::Invoke => invoke::stream(req, &target, wish, &settings).await,
            Operation::ChatCompletions => {
                let request = completions(&mut req, &target, &settings)?;
                call::stream(request, &req, &PROFILE, &[]).await
            }
        }
    }
}

/// A request to the OpenAI-compatible endpoint.
fn completions(req: &mut ChatRequest, target: &Target, settings: &Settings) -> Result<http::Request, Error> {
    req.model.clone_from(&target.id);
    let url = format!("{}/openai/v1/chat/completions", target.origin(settings)?);
    Ok(http::Request::post(url).credential(transport::slot(settings)))
}

impl Embeddings for Bedrock {
    async fn embed(
        req: llm_provider_sdk::embeddings::Request,
    ) -> Result<llm_provider_sdk::embeddings::Response, Error> {
        embeddings::embed(req, &host::config()?).await
    }
}

impl Images for Bedrock {
    async fn generate(req: llm_provider_sdk::images::Request) -> Result<llm_provider_sdk::images::Response, Error> {
        images::generate(req, &host::config()?).await
    }
}

llm_provider_sdk::export!(Bedrock: chat, embeddings, images, native);
