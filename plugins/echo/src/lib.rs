//! An adapter that answers without a network, always in the same way.
//!
//! In: a conversation. Out: what was said last, said again; and, when the conversation asks for
//! it, tool calls, structured output, reasoning, cut answers and errors. Likewise texts, vectors,
//! pictures and sound. It shows what the host and a client can do before there is a key, and it is
//! what their tests talk to; `README.md` has all it understands. Never: a clock, a random number or
//! a memory.
//!
//! [`conversation`] reads what was said → [`command`] what it asks for → [`answer`] what to say →
//! the stream. [`Chat::complete`] is the SDK's: it folds the stream. The other interfaces are a
//! module each: [`continuation`], [`vector`], [`picture`], [`sound`].

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

mod answer;
mod command;
mod continuation;
mod conversation;
mod dropped;
mod picture;
mod schema;
mod sound;
mod vector;
mod words;

use llm_provider_sdk::types::{ChatRequest, Error, ModelInfo};
use llm_provider_sdk::{Chat, EventStream, Manifest, Provider};

/// The adapter.
#[derive(Debug)]
pub struct Echo;

llm_provider_sdk::export!(Echo: chat, completions, embeddings, images, speech);

/// What the adapter carries beside text.
const CAPABILITIES: [&str; 6] = [
    "audio",
    "documents",
    "reasoning",
    "structured-output",
    "tools",
    "vision",
];

impl Provider for Echo {
    fn describe() -> Manifest {
        Manifest {
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            ..Manifest::new("echo", env!("CARGO_PKG_VERSION"), "Echo")
        }
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        let model = |id: &str, name: &str, capabilities: &[&str]| ModelInfo {
            name: Some(name.to_owned()),
            capabilities: capabilities.iter().map(|word| (*word).to_owned()).collect(),
            ..ModelInfo::new(id)
        };
        Ok(vec![
            model(
                "echo",
                "Echo",
                &[
                    "chat",
                    "tools",
                    "vision",
                    "completions",
                    "embeddings",
                    "images",
                    "speech",
                ],
            ),
            model(
                "echo-reasoning",
                "Echo that thinks first",
                &["chat", "tools", "vision", "reasoning"],
            ),
        ])
    }
}

impl Chat for Echo {
    /// One batch for each word, so that a client sees them come one by one.
    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let events = answer::events(&req)?;
        Ok(EventStream::from_batches(events.into_iter().map(|event| vec![event])))
    }
}
