//! Runs provider adapters as sandboxed components.
//!
//! In: `.wasm` files and the configuration of providers. Out: [`Generation`]s that answer calls.
//! Never: the name of a provider, a secret, or an HTTP connection; the only way out is `egress`.
//!
//! A file becomes a [`component`] (read, compiled, linked, described), a component with settings
//! becomes a [`generation`], a [`call`] takes an [`instance`] of it, and what the guest asks of the
//! host arrives in [`imports`].

pub mod bindings;
mod call;
pub mod component;
pub mod engine;
pub mod error;
mod events;
pub mod generation;
mod grammar;
mod guest_log;
pub mod health;
pub mod imports;
mod instance;
pub mod manifest;
mod meter;
mod shared;
pub mod signature;
pub mod source;
mod state;

pub use component::LoadedPlugin;
pub use engine::Engine;
pub use error::{CallError, LoadError};
pub use generation::Generation;
pub use signature::TrustPolicy;
