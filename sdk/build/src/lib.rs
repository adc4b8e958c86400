//! Builds a crate into a provider component and checks it against the WIT.
//!
//! In: a package to build, or the bytes of a component. Out: the path of the built component, or a
//! report on what it imports and exports. Never: runs a plugin.
//!
//! - [`toolchain`]: a way to build for `wasm32-wasip2` on this machine, set up where it is missing;
//! - [`component`]: builds a package with it, and puts the file where it belongs;
//! - [`cargo`]: runs cargo with its progress;
//! - [`check`](mod@check): whether a host can take a component as a plugin, and why not;
//! - [`wit`]: the text of the package `llm-host:provider`.
//!
//! ```no_run
//! use std::path::{Path, PathBuf};
//!
//! use llm_provider_build::component::{self, Source};
//! use llm_provider_build::toolchain::{Install, Preference, Toolchain};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let toolchain = Toolchain::find(Preference::Any, Install::Allowed, &mut |step| println!("{step}"))?;
//! println!("{toolchain}");
//! let source = Source::Manifest(PathBuf::from("my-adapter/Cargo.toml"));
//! let built = component::build(&toolchain, &source, None, &mut |_progress| ())?;
//! let report = llm_provider_build::check(&std::fs::read(&built.path)?)?;
//! if report.is_plugin() {
//!     component::place(&built.path, Path::new("plugins/my-adapter.wasm"))?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod cargo;
pub mod check;
pub mod component;
mod process;
mod resolved;
pub mod toolchain;
pub mod wit;

pub use check::check;
