//! Glue generated from `wit/` for the host's side of the sandbox.
//!
//! In: the WIT package. Out: traits for what the host provides, and typed handles for what a
//! component exports; each optional interface is a world of its own, so that it can be probed.
//! Never: logic.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction)]

/// What the host provides, and the interface every plugin exports.
pub mod base {
    wasmtime::component::bindgen!({
        inline: "
            package llm-host:runtime;
            world base { include llm-host:provider/llm-provider@0.1.0; }
        ",
        path: "../wit",
        world: "llm-host:runtime/base",
        imports: {
            "llm-host:provider/http.send": store | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "llm-host:provider/types@0.1.0": crate::llm,
            "llm-host:provider/credentials.credential": crate::plugin::imports::CredentialHandle,
        },
    });
}

/// The optional interface `chat`.
pub mod chat {
    wasmtime::component::bindgen!({
        inline: "
            package llm-host:runtime;
            world with-chat { export llm-host:provider/chat@0.1.0; }
        ",
        path: "../wit",
        world: "llm-host:runtime/with-chat",
        exports: { default: async },
        with: { "llm-host:provider/types@0.1.0": crate::llm },
    });
}
