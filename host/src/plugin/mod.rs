//! Runs provider adapters as sandboxed components.
//!
//! In: `.wasm` files and the configuration of providers. Out: [`Generation`]s that answer calls.
//! Never: the name of a provider, a secret, or an HTTP connection; the only way out is `egress`.
//!
//! A file becomes a [`component`] (read, compiled, linked, described), a component with settings
//! becomes a [`generation`], a [`call`] of an [`operation`] takes an [`instance`] of it, and what the
//! guest asks of the host arrives in [`imports`]. What it streams passes a [`queue`]: [`events`] and
//! [`sound`]. What goes past the guest is [`native`]'s.

pub mod bindings;
mod call;
mod channel;
pub mod component;
pub mod engine;
pub mod error;
mod events;
mod functions;
pub mod generation;
mod grammar;
mod guest_log;
pub mod health;
pub mod imports;
mod instance;
pub mod manifest;
mod meter;
mod native;
mod operation;
mod queue;
mod schema;
mod shared;
pub mod signature;
mod sound;
pub mod source;
mod state;
mod weight;

pub use component::LoadedPlugin;
pub use engine::{Capacity, Engine};
pub use error::{CallError, LoadError};
pub use generation::Generation;
pub use native::{NativeAnswer, NativeRequest, RequestHead};
pub use signature::TrustPolicy;
pub use sound::{Pieces, Sound};

/// Texts to continue.
pub mod completions {
    pub use super::bindings::completions::exports::llm_host::provider::completions::{Prompt, Request};
}

/// Texts and their vectors.
pub mod embeddings {
    pub use super::bindings::embeddings::exports::llm_host::provider::embeddings::{Input, Request, Response};
}

/// Pictures to make.
pub mod images {
    pub use super::bindings::images::exports::llm_host::provider::images::{Request, Response};
}

/// Sound from text and text from sound.
pub mod speech {
    pub use super::bindings::speech::exports::llm_host::provider::speech::{
        SynthesisRequest, Transcript, TranscriptionRequest,
    };
}
