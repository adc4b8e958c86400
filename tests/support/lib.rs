//! What the tests of the whole share.
//!
//! In: the environment that `cargo xtask test` sets. Out: what was built, and where. Never: an
//! assertion; those stand in the tests.

pub mod built;
