//! What the world outside the adapter is.
//!
//! In: calls of the SDK's modules. Out: on `wasm32` the host's functions, elsewhere what a test has
//! recorded. Both give the same items, so that nothing above knows the difference. Never: policy.

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
pub(crate) use component::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod recorded;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use recorded::{Credential, RawBody, acquire, config, log, send};

use crate::bindings::llm_host::provider::http::ResponseHead;

/// An answer's head and its body still to be read.
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) body: RawBody,
}
