//! Amazon Bedrock as an adapter.
//!
//! In: neutral requests and the plugin's settings. Out: neutral answers, streams, vectors, pictures,
//! errors and models. Never: a secret or a signature; the host signs with the credential of slot `aws`,
//! or attaches the key of slot `api-key`, when the request has left the sandbox.
//!
//! The way of a conversation: [`target`] reads the model's name, [`request`] writes Converse's input for
//! it, [`transport`] has the AWS SDK write it to the wire and sends it, and [`response`] or [`stream`]
//! reads the answer with the SDK's types into an [`answer`]. [`error`] reads what went wrong. [`wire`]
//! keeps what the SDK's types would change.

// The ABI's `error` stays below the lint's limit on wasm32.
#![allow(clippy::result_large_err)]

pub mod answer;
pub mod converse;
pub mod endpoint;
pub mod error;
pub mod report;
pub mod request;
pub mod response;
pub mod settings;
pub mod stream;
pub mod target;
pub mod transport;
pub mod usage;
pub mod wire;

use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error};
use llm_provider_sdk::{Chat, CredentialSlot, EventStream, Manifest, Provider, host};

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
            _ => Err(Error::unsupported(
                "this version asks models by Converse only: leave `operation` out",
            )),
        }
    }

    async fn stream(mut req: ChatRequest) -> Result<EventStream, Error> {
        let (settings, wish, target) = begin(&mut req)?;
        match target.operation {
            Operation::Converse => converse::stream(req, &target, wish, &settings).await,
            _ => Err(Error::unsupported(
                "this version asks models by Converse only: leave `operation` out",
            )),
        }
    }
}

llm_provider_sdk::export!(Bedrock: chat);
