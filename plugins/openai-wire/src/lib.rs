//! The OpenAI chat wire format, shared by the adapters that speak it.
//!
//! In: neutral requests, and the bytes of a provider's answers. Out: request bodies, neutral
//! answers and events. Never: an address, a credential, or one provider's name in the code: what
//! differs is a [`Profile`].
//!
//! [`call`] is the way of one call; it reads top to bottom: [`request`] → the host's HTTP →
//! [`error`], [`response`] or [`stream`]. [`completions`], [`embeddings`], [`images`] and [`speech`]
//! are the same way for continuations, vectors, pictures and sound, [`models`] reads the list of models, and [`native`] is for what goes past
//! all of this. All but [`call`] are pure.

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

pub mod call;
pub mod completions;
pub mod embeddings;
pub mod error;
pub mod images;
pub mod models;
mod multipart;
pub mod native;
pub mod profile;
pub mod request;
pub mod response;
mod sniff;
pub mod speech;
pub mod stream;
mod usage;
mod wire;

pub use profile::Profile;
pub use request::{Asked, Options};
pub use stream::Decoder;
