//! What the tests of the whole share.
//!
//! In: what was built, and what `cargo xtask test` says in the environment. Out: a running
//! [`Host`](host::Host) with a directory of its own, an [`Upstream`](upstream::Upstream) that
//! stands for a provider, recorded traffic, and the official clients. Never: a part of the
//! shipped program, and no network beyond this machine.

pub mod admin;
pub mod built;
pub mod clients;
pub mod event_stream;
pub mod fake_aws;
pub mod files;
pub mod host;
pub mod places;
pub mod recording;
pub mod upstream;
pub mod vault;
