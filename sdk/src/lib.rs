//! What an author of a provider adapter links.
//!
//! In: the WIT package `llm-host:provider` and one provider's HTTP API. Out: traits to implement,
//! [`export!`] to make a component of them, and the building blocks between the two. Never: a
//! provider's own wire format, and never a secret; see [`http::Request::credential`].
//!
//! An adapter turns neutral requests into a provider's and its answers into neutral ones:
//!
//! 1. implement [`Provider`]: what the adapter is, where it wants to reach, which credentials and
//!    settings it takes ([`Manifest`], [`CredentialSlot`], [`host::config`]);
//! 2. implement what it can do: [`Chat`], [`Completions`], [`Embeddings`], [`Images`], [`Speech`], [`Native`];
//! 3. name those in [`export!`].
//!
//! | for | there is |
//! |---|---|
//! | sending a request | [`http::Request`]; the host attaches the credential of a slot |
//! | a streamed answer | [`framer::sse`], [`framer::ndjson`] or [`framer::event_stream`], a [`StreamDecoder`] over it, [`EventStream::decode`] |
//! | a failed answer | [`Error::from_response`](types::Error::from_response), then the provider's own codes; [`error`] |
//! | fields nobody knows yet | [`json`]: take out what is known, carry the rest in `extra` |
//! | what only OpenAI's API says | [`openai`]: a choice among some tools, calls with free text |
//! | what cannot be carried | [`DroppedField`](types::DroppedField), in the answer's `dropped` |
//! | a whole answer out of a stream | [`fold::fold`] |
//! | tests without a network | [`testing`] |
//!
//! # Rules that the host holds an adapter to
//!
//! - A stream is `start`, deltas, one `finish` for each choice, usage, and `done` or `error` last.
//!   [`EventStream`] cuts one that breaks this and says how.
//! - A stream adds up to the whole answer. Test it: `fold(stream) == complete`.
//! - The only way out is [`http`]; there are no files, no environment, no sockets.
//! - Each call runs in an instance of its own unless the admin chose otherwise. Keep no state.
//!
//! # A complete adapter
//!
//! `examples/complete_adapter.rs`, which is compiled as a component and has these tests run:
//!
//! ```rust,ignore
#![doc = include_str!("../examples/complete_adapter.rs")]
//! ```

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
pub mod openai;
mod platform;
pub mod stream;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod values;

pub use bindings::llm_host::provider::http::HttpError;
pub use bindings::llm_host::provider::types;
pub use bindings::provider::exports::llm_host::provider::provider::{CredentialSlot, Manifest};
pub use capability::{Chat, Completions, Embeddings, Images, Native, Provider, Speech, Synthesis};
pub use stream::{EventStream, StreamDecoder};

/// Texts to continue.
pub mod completions {
    pub use crate::bindings::completions::exports::llm_host::provider::completions::{Prompt, Request};
}

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
