//! The typed vocabulary of a conversation: requests, answers, events, usage, errors.
//!
//! Generated from `wit/types.wit`, so that the host and every plugin mean the same thing by a
//! word, and a value crosses the sandbox without being translated. In: nothing. Out: types that
//! every module may use. Never: behaviour, and no other module of the host.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction)]

mod generated {
    wasmtime::component::bindgen!({
        inline: "
            package llm-host:vocabulary;
            world vocabulary { import llm-host:provider/types@0.1.0; }
        ",
        path: "../wit",
        world: "llm-host:vocabulary/vocabulary",
        additional_derives: [Clone, PartialEq],
    });
}

pub use generated::llm_host::provider::types::*;
