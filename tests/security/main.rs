//! What a hostile plugin can do to the host, to its neighbours and to the secrets: nothing.
//!
//! The plugin is `tests/guests/hostile`, which does what the model's name says. Each test runs the
//! real program. `docs/security.md` says which promise each of them holds.

mod inside;
mod limits;
mod outward;
mod process;
mod secrecy;
mod streams;
mod world;
