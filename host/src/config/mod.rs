//! The configuration: what an operator wrote, and what it means.
//!
//! In: a TOML file and the environment ([`Env`]). Out: a [`Config`] whose every value is typed, checked
//! and complete, or [`ConfigErrors`] with everything that is wrong, each with its place in the file and
//! a remedy. The file is read twice: [`keys`] says which keys there are, `written` walks the parsed
//! document against that table, and `resolve` turns it into meaning. Never: a secret in a value, a
//! reach into the network, and no module but [`env`](mod@env) looks at the process's environment.

mod check;
pub mod docs;
pub mod env;
mod error;
mod findings;
mod glob;
pub mod keys;
mod meant;
mod quantity;
mod resolve;
mod show;
mod values;
mod written;

use std::path::Path;

pub use env::{Env, Passphrase};
pub use error::{ConfigError, ConfigErrors, Place};
pub use glob::Glob;
pub use meant::*;

impl Config {
    /// Reads a configuration file, with the environment's overrides on top. Relative paths in it
    /// are taken from the file's directory. A reload uses this same function.
    ///
    /// # Errors
    /// Everything that is wrong with the file or an override, all at once.
    pub fn load(path: &Path, env: &Env) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(path, &error))?;
        let absolute = std::path::absolute(path).map_err(|error| ConfigErrors::unreadable(path, &error))?;
        Self::parse(&text, &absolute, env)
    }

    /// Reads a configuration from its text, as if it stood at `path`, which must be absolute.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path, env: &Env) -> Result<Self, ConfigErrors> {
        resolve::resolve(text, path, env)
    }

    /// Where a host of this configuration is reached. Only those keys count; others may be wrong.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn contact(path: &Path, env: &Env) -> Result<Contact, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(path, &error))?;
        let absolute = std::path::absolute(path).map_err(|error| ConfigErrors::unreadable(path, &error))?;
        resolve::contact(&text, &absolute, env).ok_or_else(|| ConfigErrors::incomplete(path))
    }

    /// The configuration as TOML that loads back to the same meaning: every key with its value,
    /// defaults and overrides included.
    pub fn to_toml(&self) -> String {
        show::to_toml(self)
    }
}

/// Reads a duration as the configuration writes it: `"90d"`, `"1h30min"`.
///
/// # Errors
/// What is wrong with it, and how it should be.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    values::Value::from_text(text).map_err(|wrong: values::Wrong| match wrong.help {
        Some(help) => format!("{}; {help}", wrong.message),
        None => wrong.message,
    })
}

#[cfg(test)]
mod tests;
