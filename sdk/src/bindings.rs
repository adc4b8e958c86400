//! Types and functions generated from `wit/`.
//!
//! In: the WIT package. Out: the records and variants every adapter works with, and the host's
//! functions. Never: logic of our own.

#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::restriction)]

wit_bindgen::generate!({
    path: "../wit",
    world: "full-provider",
    generate_all,
    additional_derives: [Clone, PartialEq],
    additional_derives_ignore: ["exchange", "synthesis"],
    generate_unused_types: true,
});
