//! What an author of a provider adapter links.
//!
//! In: the WIT package `llm-host:provider` and one provider's HTTP API. Out: traits to implement,
//! [`export!`] to make a component of them, and the building blocks between the two: [`http`],
//! [`framer`], [`EventStream`], [`error`], [`json`], [`fold`]. Never: a provider's own wire
//! format, and never a secret; see [`http::Request::credential`].

// The export macros are themselves made by a macro of the bindings.
#![allow(macro_expanded_macro_exports_accessed_by_absolute_paths)]
// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

pub mod bindings;
pub mod capability;
pub mod credential;
pub mod error;
mod export;
pub mod fold;
pub mod framer;
#[cfg(target_arch = "wasm32")]
mod guest;
pub mod host;
pub mod http;
pub mod json;
mod platform;
pub mod stream;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod values;

pub use bindings::llm_host::provider::http::HttpError;
pub use bindings::llm_host::provider::types;
pub use bindings::provider::exports::llm_host::provider::provider::{CredentialSlot, Manifest};
pub use capability::{Chat, Embeddings, Images, Native, Provider, Speech, Synthesis};
pub use stream::{EventStream, StreamDecoder};

/// Texts and their vectors.
pub mod embeddings {
    pub use crate::bindings::embeddings::exports::llm_host::provider::embeddings::{Input, Request, Response};
}

/// Pictures to make.
pub mod images {
    pub use crate::bindings::images::exports::llm_host::provider::images::{Request, Response};
}

/// Sound from text and text from sound.
pub mod speech {
    pub use crate::bindings::speech::exports::llm_host::provider::speech::{
        SynthesisRequest, Transcript, TranscriptionRequest,
    };
}

/// Heads of the provider's own API.
pub mod native {
    pub use crate::bindings::native::exports::llm_host::provider::native::{BodyMode, Forward, RequestHead};
}

/// What an adapter's [`Manifest::sdk`] says it was built with: `llm-provider-sdk` and its version.
pub const SDK: &str = concat!("llm-provider-sdk ", env!("CARGO_PKG_VERSION"));
