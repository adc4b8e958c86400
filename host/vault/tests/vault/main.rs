//! The vault through its public interface: what it keeps, how it opens, what it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops where it is"
)]

mod anchor;
mod damage;
mod dependencies;
mod disk;
mod edits;
mod forge;
mod interop;
mod random;
mod second;
mod support;
mod unlocks;
mod vectors;
