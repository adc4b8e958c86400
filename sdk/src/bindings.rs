//! Types and functions generated from `wit/`.
//!
//! In: the WIT package. Out: the records and variants every adapter works with, the host's
//! functions, and for each interface that can be exported a module of its own.
//! Never: logic of our own.
//!
//! Each exported interface is generated from a world that exports nothing else. A component's type
//! is the union of the worlds whose export macro was called, so [`export!`](crate::export) can
//! leave out what an adapter does not implement. The shared types are generated once, in
//! [`llm_host`]; the other modules refer to them.

#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::restriction)]

wit_bindgen::generate!({
    path: "../wit",
    world: "imports",
    generate_all,
    additional_derives: [Clone, PartialEq],
    additional_derives_ignore: ["exchange"],
    additional_type_attributes: {
        "llm-host:provider/types@0.1.0/cache-hint": [#[derive(Default)]],
        "llm-host:provider/types@0.1.0/reasoning-options": [#[derive(Default)]],
        "llm-host:provider/types@0.1.0/sampling": [#[derive(Default)]],
        "llm-host:provider/types@0.1.0/usage": [#[derive(Default)]],
    },
    generate_unused_types: true,
    pub_export_macro: true,
});

macro_rules! exported {
    ($module:ident, $world:literal, $wit:literal, $default:literal, $ignore:tt) => {
        pub mod $module {
            wit_bindgen::generate!({
                inline: $wit,
                path: "../wit",
                world: $world,
                with: { "llm-host:provider/types@0.1.0": crate::bindings::llm_host::provider::types },
                additional_derives: [Clone, PartialEq],
                additional_derives_ignore: $ignore,
                generate_unused_types: true,
                pub_export_macro: true,
                default_bindings_module: $default,
            });
        }
    };
}

exported!(
    provider,
    "only-provider",
    "package llm-host:sdk; world only-provider { export llm-host:provider/provider@0.1.0; }",
    "llm_provider_sdk::bindings::provider",
    []
);
exported!(
    chat,
    "only-chat",
    "package llm-host:sdk; world only-chat { export llm-host:provider/chat@0.1.0; }",
    "llm_provider_sdk::bindings::chat",
    []
);
exported!(
    completions,
    "only-completions",
    "package llm-host:sdk; world only-completions { export llm-host:provider/completions@0.1.0; }",
    "llm_provider_sdk::bindings::completions",
    []
);
exported!(
    embeddings,
    "only-embeddings",
    "package llm-host:sdk; world only-embeddings { export llm-host:provider/embeddings@0.1.0; }",
    "llm_provider_sdk::bindings::embeddings",
    []
);
exported!(
    images,
    "only-images",
    "package llm-host:sdk; world only-images { export llm-host:provider/images@0.1.0; }",
    "llm_provider_sdk::bindings::images",
    []
);
exported!(
    speech,
    "only-speech",
    "package llm-host:sdk; world only-speech { export llm-host:provider/speech@0.1.0; }",
    "llm_provider_sdk::bindings::speech",
    ["synthesis"]
);
exported!(
    native,
    "only-native",
    "package llm-host:sdk; world only-native { export llm-host:provider/native@0.1.0; }",
    "llm_provider_sdk::bindings::native",
    []
);
