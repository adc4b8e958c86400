//! `host vault`: credentials in the encrypted vault.
//!
//! In: the vault that the configuration names, secrets from standard input or a prompt. Out: facts
//! about credentials, never a secret. Never: a secret as an argument, and no change that is not saved
//! as a whole. A running host takes over what is saved here by itself.

mod entry;
pub(super) mod grant;
mod import;
mod kinds;
mod listing;
mod opening;
mod rekey;

use clap::Subcommand;

use super::Session;

pub(super) use opening::{access, create_missing, unfinished_rekey};

const EXAMPLES: &str = "\
Examples:
  host vault set openai --host https://api.openai.com     asks for the key without echo
  pass show openai | host vault set openai --host https://api.openai.com
  host vault import-env                                   takes over keys from the environment
  host vault rotate openai                                a new key in the old one's place";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Command {
    /// Make the vault that the configuration names, and its key file
    Init,
    /// Put a credential into the vault, or change where it may be sent
    Set(entry::Set),
    /// List the credentials
    #[command(visible_alias = "ls")]
    List,
    /// Show one credential without its secrets, or the vault itself
    Show(listing::Show),
    /// Replace the secrets of a credential
    Rotate(entry::Rotate),
    /// Take a credential out of the vault
    #[command(visible_alias = "rm")]
    Remove(entry::Remove),
    /// Give the vault a new key, or another way to open it
    Rekey(rekey::Rekey),
    /// Take over an older vault file, after a backup was restored on purpose
    AcceptRollback(rekey::AcceptRollback),
    /// Take over credentials from the variables that providers' own tools read
    ImportEnv(import::ImportEnv),
}

pub(super) fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init => opening::init(session),
        Command::Set(command) => entry::set(session, &command),
        Command::List => listing::list(session),
        Command::Show(command) => listing::show(session, &command),
        Command::Rotate(command) => entry::rotate(session, &command),
        Command::Remove(command) => entry::remove(session, &command),
        Command::Rekey(command) => rekey::rekey(session, &command),
        Command::AcceptRollback(command) => rekey::accept_rollback(session, &command),
        Command::ImportEnv(command) => import::run(session, &command),
    }
}
