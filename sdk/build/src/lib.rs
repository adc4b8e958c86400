//! Builds a crate into a provider component and checks it against the WIT.
//!
//! In: a package to build, or the bytes of a component. Out: the path of the built component, or a
//! report on what it imports and exports. Never: runs a plugin.
//!
//! - [`check`](mod@check): whether a host can take a component as a plugin, and why not;
//! - [`wit`]: the text of the package `llm-host:provider`.

pub mod check;
mod resolved;
pub mod wit;
