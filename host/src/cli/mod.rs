//! The command line: `host` and its subcommands.
//!
//! In: arguments, the environment as [`Env`], standard input. Out: text or JSON on standard output,
//! complaints on standard error, and an exit code: 0 when it was done, 1 when it failed, 2 when it
//! was asked wrongly. Never: a secret as an argument or in the output, except a new client key, once.
//!
//! - `config`, `key`, `init`: the configuration file and what belongs to it;
//! - `vault` and `grant`: credentials, and which plugin may use which; the only part here that opens
//!   the vault;
//! - `plugin`: components on disk;
//! - `doctor`: tries what is configured, without a running host;
//! - `status`, `models`, `reload`, `ask`: the running host;
//! - `completions`, `man`: for the shell.

mod ask;
mod client;
mod config;
mod doctor;
mod init;
mod input;
mod key;
mod log;
mod output;
mod pages;
mod plugin;
mod run;
mod status;
mod vault;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigErrors, Contact, Env, env};
use output::Output;

/// A gateway to LLM providers whose adapters run as sandboxed WebAssembly components.
///
/// Applications talk to it as to OpenAI and change provider by changing a model's name. Adapters never see a
/// credential: those are in an encrypted vault, and are granted one plugin at a time.
#[derive(Debug, Parser)]
#[command(name = "host", version, propagate_version = true, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Begin:
  host init --dir ~/llm-host         make a configuration, a vault and a plugins directory
  host run --config ~/llm-host/host.toml
                                     serve
  host config check                  say everything that is wrong with the configuration
  host vault set openai --host https://api.openai.com
  host grant add openai --slot api-key --credential openai

Exit codes: 0 done, 1 failed, 2 asked wrongly.";

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// The configuration file [default: $LLM_HOST_CONFIG, ./host.toml, ~/.config/llm-host/host.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a configuration, a vault and a plugins directory
    Init(init::Init),
    /// Serve: the host itself
    Run(run::Run),
    /// Check, show or document the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Make keys for clients
    #[command(subcommand)]
    Key(key::Command),
    /// Keep credentials in the encrypted vault
    #[command(subcommand)]
    Vault(vault::Command),
    /// Decide which plugin may use which credential, and where
    #[command(subcommand)]
    Grant(vault::grant::Command),
    /// Look at plugins, build and sign them
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Try what is configured, step by step, and say what to do where a step fails
    Doctor(doctor::Doctor),
    /// Show what the running host is doing
    Status,
    /// List the models of the running host
    Models,
    /// Make the running host read configuration, vault and plugins again
    Reload,
    /// Ask the running host's models a question
    Ask(ask::Ask),
    /// Print a completion script for a shell
    Completions(pages::Completions),
    /// Write manual pages into a directory
    Man(pages::Man),
}

/// What a command is run with.
struct Session {
    config_file: Option<PathBuf>,
    env: Env,
    output: Output,
}

impl Session {
    /// The configuration file: the one that was named, or the first of the customary places that has one.
    fn config_path(&self) -> PathBuf {
        let here = PathBuf::from("host.toml");
        let named = self.config_file.clone().or_else(|| self.env.path(env::CONFIG));
        named.unwrap_or_else(
            || match self.env.user_config().filter(|path| !here.is_file() && path.is_file()) {
                Some(path) => path,
                None => here,
            },
        )
    }

    /// Where the running host is reached, even while the file is being changed and wrong.
    fn contact(&self) -> anyhow::Result<Contact> {
        Ok(Config::contact(&self.config_path(), &self.env).map_err(Rejected::from)?)
    }

    /// The configuration. Its warnings are for those who check it or run with it.
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config_path(), &self.env).map_err(Rejected::from)?)
    }
}

/// A configuration that cannot be used, with all its errors.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {}\n\n{errors}", count(errors.errors.len(), "error"))]
struct Rejected {
    errors: ConfigErrors,
}

impl From<ConfigErrors> for Rejected {
    fn from(errors: ConfigErrors) -> Self {
        Self { errors }
    }
}

/// A number with its noun.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Arguments that do not fit together, found only after they were parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let session = Session {
        config_file: cli.global.config,
        env: Env::from_process(),
        output: Output::new(cli.global.json),
    };
    match run(&session, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => session.output.fail(&error),
    }
}

fn run(session: &Session, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(command) => init::run(session, &command),
        Command::Run(command) => run::run(session, &command),
        Command::Config(command) => config::run(session, command),
        Command::Key(command) => key::run(session, command),
        Command::Vault(command) => vault::run(session, command),
        Command::Grant(command) => vault::grant::run(session, command),
        Command::Plugin(command) => plugin::run(session, command),
        Command::Doctor(command) => doctor::run(session, &command),
        Command::Status => status::status(session),
        Command::Models => status::models(session),
        Command::Reload => status::reload(session),
        Command::Ask(command) => ask::run(session, &command),
        Command::Completions(command) => pages::completions(&command),
        Command::Man(command) => pages::man(session, &command),
    }
}

/// Makes or replaces a file in one step, so that whoever watches it sees the old text or the new one. Of a link the
/// file that it leads to is replaced.
fn replace_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut aside = place.as_os_str().to_owned();
    aside.push(".tmp");
    let aside = PathBuf::from(aside);
    let replaced = write_synced(&aside, text).and_then(|()| {
        if let Ok(metadata) = std::fs::metadata(&place) {
            // What the file allowed others before, it allows them again.
            let _ = std::fs::set_permissions(&aside, metadata.permissions());
        }
        std::fs::rename(&aside, &place)
    });
    replaced.with_context(|| {
        // Half a text is of no use to anybody.
        let _ = std::fs::remove_file(&aside);
        format!("cannot write {}", path.display())
    })
}

fn write_synced(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
