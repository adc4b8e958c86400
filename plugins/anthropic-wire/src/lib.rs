//! Anthropic's Messages API on the wire, shared by the adapters that speak it.
//!
//! In: neutral requests, and the bytes of a provider's answers. Out: request bodies, neutral answers,
//! events and errors. Never: an address, a header's name, a credential, or a call; where the API is and
//! who may ask it is the adapter's.
//!
//! [`request`] writes the body for what [`model`] knows of the model, [`response`] or [`stream`] reads
//! the answer with [`usage`], and [`error`] reads what went wrong. [`report`] collects what a request
//! could not carry, and [`wire`] keeps every value as it was written. All of it is pure.

// The ABI's `error` stays below the lint's limit on wasm32, where it is what an adapter returns.
#![allow(clippy::result_large_err)]

pub mod error;
pub mod model;
pub mod report;
pub mod request;
pub mod response;
pub mod stream;
pub mod usage;
pub mod wire;

pub use request::{Encoded, Options};
pub use response::Context;
pub use stream::Decoder;
