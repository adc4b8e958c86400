//! Anthropic's Messages API as an adapter.
//!
//! In: neutral requests and the plugin's settings. Out: neutral answers, streams, errors and models.
//! Never: a secret; the host attaches the key of slot `api-key` when the request has left the
//! sandbox.
//!
//! The way of a request: [`llm_anthropic_wire`] writes the body, the SDK sends it, and the same crate
//! reads the answer, whole or streamed, and what went wrong. [`list`] reads the list of models. Calls in
//! Anthropic's own form pass by `native`.

// The ABI's `error` stays below the lint's limit on wasm32.
#![allow(clippy::result_large_err)]

pub mod list;
mod native;
pub mod settings;

use llm_anthropic_wire::{Context, Encoded, error, request, response, stream};
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{Chat, CredentialSlot, EventStream, Manifest, Provider, host, http};

use crate::settings::{DEFAULT_ORIGIN, Settings};

/// The slot of the API key.
pub const CREDENTIAL: &str = "api-key";

/// Pages of the model list that are read at most: far more than there are, so that a service that
/// turns in a circle is left in the end.
const MAX_PAGES: usize = 20;

/// Most bytes of an error's body that are read.
const ERROR_BODY_LIMIT: usize = 256 << 10;

/// The adapter.
#[derive(Debug)]
pub struct Anthropic;

impl Provider for Anthropic {
    fn describe() -> Manifest {
        Manifest {
            egress: vec![DEFAULT_ORIGIN.to_owned(), "{config.base_url*}".to_owned()],
            credentials: vec![CredentialSlot {
                kinds: vec!["header".to_owned(), "bearer".to_owned()],
                ..CredentialSlot::header(
                    CREDENTIAL,
                    "x-api-key",
                    "Anthropic API key, from https://platform.claude.com/settings/keys. Sent as `x-api-key`; \
                     a credential of kind `bearer` is sent as `Authorization: Bearer`.",
                )
            }],
            config_schema: settings::schema(),
            capabilities: CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
            ..Manifest::new("anthropic", env!("CARGO_PKG_VERSION"), "Anthropic")
        }
    }

    fn check_config(config: &str) -> Result<(), String> {
        let settings: Settings =
            serde_json::from_str(config).map_err(|error| format!("the settings do not fit their schema: {error}"))?;
        settings.check()
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        let settings: Settings = host::config()?;
        let mut models = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut url = format!("{}?limit={}", settings.url("/v1/models"), list::PAGE_SIZE);
            if let Some(after) = &after {
                url.push_str("&after_id=");
                url.push_str(&in_query(after));
            }
            let answer = send(http::Request::get(url), &settings, &settings.betas).await?;
            let page = list::page(&body(answer).await?)?;
            models.extend(page.models);
            if page.after.is_none() || page.after == after {
                break;
            }
            after = page.after;
        }
        Ok(models)
    }
}

/// What the manifest says beyond the interfaces.
const CAPABILITIES: &[&str] = &[
    "tools",
    "vision",
    "documents",
    "reasoning",
    "structured-output",
    "prompt-caching",
    "citations",
];

impl Chat for Anthropic {
    async fn complete(req: ChatRequest) -> Result<ChatResponse, Error> {
        let (answer, context) = ask(req, false).await?;
        response::decode(&body(answer).await?, context)
    }

    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let (answer, context) = ask(req, true).await?;
        let kind = answer.header("content-type").unwrap_or_default();
        if kind.starts_with("application/json") {
            // Some services that imitate the API do not know `stream`.
            let events = stream::events(&body(answer).await?, context)?;
            return Ok(EventStream::from_events(events));
        }
        // An overloaded service says so in the first event, with a good status.
        let events = EventStream::decode(answer, stream::Decoder::new(context));
        events.begin().await
    }
}

/// Asks for a message. Gives the answer's head and what its decoder has to know.
async fn ask(req: ChatRequest, stream: bool) -> Result<(http::Response, Context), Error> {
    let settings: Settings = host::config()?;
    let Encoded {
        body,
        betas,
        headers,
        context,
    } = request::encode(req, settings.options(), stream)?;
    let bytes = body.to_bytes();
    // Media can be large; they are in the bytes now.
    drop(body);
    let mut request = http::Request::post(settings.url("/v1/messages"))
        .header("content-type", "application/json")
        .body(bytes);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    Ok((send(request, &settings, &betas).await?, context))
}

/// Sends a request; an answer that is not good is an error.
async fn send(request: http::Request, settings: &Settings, betas: &[String]) -> Result<http::Response, Error> {
    let mut request = request
        .header("anthropic-version", settings.version())
        .credential(CREDENTIAL);
    if !betas.is_empty() {
        request = request.header("anthropic-beta", betas.join(","));
    }
    let mut answer = request.send().await?;
    if answer.is_success() {
        return Ok(answer);
    }
    // A body that broke off, or has no end, says less than the status does.
    let text = answer.bytes_within(ERROR_BODY_LIMIT).await.unwrap_or_default();
    Err(error::from_answer(answer.status, answer.headers(), &text))
}

async fn body(mut answer: http::Response) -> Result<Vec<u8>, Error> {
    let headers = answer.headers().to_vec();
    let status = answer.status;
    answer
        .bytes()
        .await
        .map_err(|broken| Error::from(broken).with_response(status, &headers))
}

/// A text as a value in a query, percent-encoded by RFC 3986.
fn in_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

llm_provider_sdk::export!(Anthropic: chat, native);
