//! What the benchmarks share.
//!
//! In: the `host` binary, the plugins, and what `cargo xtask bench` says in the environment. Out:
//! plugins to be called within this process, servers in processes of their own, connections that
//! are kept, and figures. Never: a limit that a figure has to keep; a machine that is busy with
//! something else would break it.

pub mod client;
pub mod process;
pub mod sandbox;
pub mod servers;
pub mod summary;
