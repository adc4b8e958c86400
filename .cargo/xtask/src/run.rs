//! `cargo xtask run`: from a checkout to a host that answers.
//!
//! In: arguments for `host run`. Out: this process, become `host run`, and a second one that says
//! how to use it once it is ready. Never: stays between the person and the host; signals, Ctrl-C
//! and the exit code are the host's own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use llm_provider_build::component;
use llm_provider_build::toolchain::Toolchain;

use crate::console::Console;
use crate::host::{self, Purpose};
use crate::workspace::Workspace;
use crate::{plugins, ready};

#[derive(Args)]
pub(crate) struct Run {
    /// Where config, vault, key file and plugins are; `<target>/run` by default.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Take the unoptimised host that the tests use.
    #[arg(long)]
    dev: bool,
    /// What `host run` gets.
    #[arg(last = true, value_name = "ARGS")]
    host_args: Vec<OsString>,
}

impl Run {
    pub(crate) fn start(self, workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<ExitCode> {
        let purpose = if self.dev { Purpose::Tests } else { Purpose::Use };
        let built = plugins::build(workspace, toolchain, console)?;
        let host = host::build(workspace, purpose, console)?;
        let state = self.state.unwrap_or_else(|| workspace.target.join("run"));
        let config = initialise(&host, &state, console)?;
        for path in &built {
            let name = path.file_name().context("a component without a name")?;
            component::place(path, &state.join("plugins").join(name))?;
        }
        let url = ready::url(&config);
        if ready::is_taken(&url) {
            // The host says so itself when it cannot listen; that other one is not to be taken for it.
            console.note(&format!("something answers at {url} already"));
        } else {
            ready::announce_later(&url)?;
        }
        let mut command = Command::new(&host);
        command.arg("run").arg("--config").arg(&config);
        become_it(command.args(&self.host_args))
    }
}

/// Has the host write what is missing of its own files, and gives the config's path. What it says
/// is passed on only the first time: later there is nothing new in it.
fn initialise(host: &Path, state: &Path, console: &Console) -> Result<PathBuf> {
    let config = state.join("host.toml");
    let first = !config.is_file();
    let output = Command::new(host)
        .args(["init", "--dir"])
        .arg(state)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", host.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("host init --dir {} failed: {}", state.display(), said.trim());
    }
    if !config.is_file() {
        bail!("host init wrote no {}", config.display());
    }
    if first {
        console.note(String::from_utf8_lossy(&output.stdout).trim());
    }
    console.note(&format!("config, vault and plugins are in {}", state.display()));
    Ok(config)
}

/// Replaces this process, so that nobody has to pass signals on.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    // This comes back only where it failed.
    Err(command.exec()).with_context(|| format!("cannot run {}", command.get_program().display()))
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<ExitCode> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
