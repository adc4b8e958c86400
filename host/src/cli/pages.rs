//! `host completions` and `host man`: help outside of the program.
//!
//! In: the definition of the command line. Out: a script for a shell, or manual pages. Never: text of
//! their own.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Session};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host completions bash > /etc/bash_completion.d/host
  host completions zsh > ~/.zfunc/_host
  host completions fish > ~/.config/fish/completions/host.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  host man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// Where to write them; it is made if it is not there
    dir: PathBuf,
}

pub(super) fn completions(command: &Completions) -> anyhow::Result<()> {
    clap_complete::generate(
        command.shell,
        &mut Cli::command(),
        "host",
        &mut std::io::stdout().lock(),
    );
    Ok(())
}

pub(super) fn man(session: &Session, command: &Man) -> anyhow::Result<()> {
    let dir = &command.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(|| format!("cannot write to {}", dir.display()))?;
    session.output.note(&format!("wrote manual pages to {}", dir.display()));
    Ok(())
}
