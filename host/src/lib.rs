//! Gateway to LLM providers whose adapters run as sandboxed WebAssembly components.

pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod dispatch;
pub mod egress;
pub mod error;
pub mod llm;
