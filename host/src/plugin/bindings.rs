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

/// An optional interface, in a world that exports nothing else.
macro_rules! optional {
    ($module:ident, $world:literal, $wit:literal, $derives:tt) => {
        pub mod $module {
            wasmtime::component::bindgen!({
                inline: $wit,
                path: "../wit",
                world: $world,
                exports: { default: async | store },
                additional_derives: $derives,
                with: { "llm-host:provider/types@0.1.0": crate::llm },
            });
        }
    };
}

optional!(
    chat,
    "llm-host:runtime/with-chat",
    "package llm-host:runtime; world with-chat { export llm-host:provider/chat@0.1.0; }",
    []
);
optional!(
    completions,
    "llm-host:runtime/with-completions",
    "package llm-host:runtime; world with-completions { export llm-host:provider/completions@0.1.0; }",
    [Clone, PartialEq]
);
optional!(
    embeddings,
    "llm-host:runtime/with-embeddings",
    "package llm-host:runtime; world with-embeddings { export llm-host:provider/embeddings@0.1.0; }",
    [Clone, PartialEq]
);
optional!(
    images,
    "llm-host:runtime/with-images",
    "package llm-host:runtime; world with-images { export llm-host:provider/images@0.1.0; }",
    [Clone, PartialEq]
);
optional!(
    native,
    "llm-host:runtime/with-native",
    "package llm-host:runtime; world with-native { export llm-host:provider/native@0.1.0; }",
    [Clone, PartialEq]
);
optional!(
    speech,
    "llm-host:runtime/with-speech",
    "package llm-host:runtime; world with-speech { export llm-host:provider/speech@0.1.0; }",
    []
);
