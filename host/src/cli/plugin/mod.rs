//! `host plugin`: components on disk.
//!
//! In: `.wasm` files, and crates to build them from. Out: what they are, new ones, signatures. Never:
//! a credential, and no running host is needed.

mod build;
mod inspect;
mod present;
mod signing;
mod wishes;

use clap::Subcommand;

use super::Session;

pub(super) use present::{Loader, Present, components};
pub(super) use wishes::Wishes;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the plugins of the plugins directory
    #[command(visible_alias = "ls")]
    List,
    /// Show what a component is and asks for: interfaces, origins, credentials, settings
    Inspect(inspect::Inspect),
    /// Build a crate into a component, check it, and put it into the plugins directory
    Build(build::Build),
    /// Sign a component
    Sign(signing::Sign),
    /// Make a key to sign components with
    Keygen(signing::Keygen),
}

pub(super) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => inspect::list(session),
        Command::Inspect(command) => inspect::inspect(session, &command),
        Command::Build(command) => build::build(session, &command),
        Command::Sign(command) => signing::sign(session, &command),
        Command::Keygen(command) => signing::keygen(session, &command),
    }
}
