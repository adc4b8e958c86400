//! SDK placeholder
pub mod bindings;
pub use bindings::llm_host::provider::types;
