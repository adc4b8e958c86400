//! `cargo xtask test`: everything the tests need, then every test.
//!
//! In: a filter, where only some are wanted. Out: the test runner's own exit code. Never: lets a
//! missing registry or recording fail a test; the tests are told what is there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use llm_provider_build::toolchain::Toolchain;

use crate::clients::{self, Clients};
use crate::console::Console;
use crate::host::{self, Purpose};
use crate::plugins;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Test {
    /// Run only tests whose name has this in it, and no examples of the documentation.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// What the test runner gets.
    #[arg(last = true, value_name = "ARGS")]
    runner_args: Vec<OsString>,
}

impl Test {
    pub(crate) fn start(self, workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<ExitCode> {
        plugins::build(workspace, toolchain, console)?;
        plugins::build_guests(workspace, toolchain, console)?;
        let clients = clients::set_up(workspace, console);
        let host = host::build(workspace, Purpose::Tests, console)?;
        let environment = environment(workspace, &clients, host, console);

        let nextest = has_nextest(workspace);
        let mut command = workspace.cargo();
        if nextest {
            command.args(["nextest", "run", "--workspace"]);
        } else {
            command.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
        }
        command.args(&self.filter);
        if !nextest && !self.runner_args.is_empty() {
            command.arg("--");
        }
        command.args(&self.runner_args);
        let tests = run(command, &environment)?;
        if self.filter.is_some() {
            return Ok(code(tests));
        }
        let mut examples = workspace.cargo();
        examples.args(["test", "--workspace", "--doc"]);
        let examples = run(examples, &environment)?;
        Ok(code(if tests.success() { examples } else { tests }))
    }
}

/// What the tests are told.
pub(crate) fn environment(
    workspace: &Workspace,
    clients: &Clients,
    host: PathBuf,
    console: &Console,
) -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<(&'static str, OsString)> = vec![
        ("LLM_HOST_BIN", host.into()),
        ("LLM_HOST_PLUGINS", workspace.plugins().into()),
        ("LLM_HOST_GUESTS", workspace.guests().into()),
    ];
    for (name, beside, what) in [
        ("LLM_HOST_RECORDINGS", "../shared/recordings", "recordings"),
        ("LLM_HOST_SPECS", "../shared/specs", "specifications"),
    ] {
        if std::env::var_os(name).is_some() {
            continue;
        }
        let beside = workspace.root.join(beside);
        match beside.canonicalize() {
            Ok(path) => environment.push((name, path.into())),
            Err(_) => console.note(&format!(
                "no {what}: {name} is not set and {} is not there; the tests that read them will be skipped",
                beside.display()
            )),
        }
    }
    if let Some(python) = &clients.python {
        environment.push(("LLM_HOST_PYTHON", python.into()));
    }
    if let Some(modules) = &clients.node_modules {
        environment.push(("LLM_HOST_NODE_MODULES", modules.into()));
    }
    environment
}

fn has_nextest(workspace: &Workspace) -> bool {
    workspace
        .cargo()
        .args(["nextest", "--version"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs with our own output; the runner shows its progress itself.
pub(crate) fn run(mut command: Command, environment: &[(&'static str, OsString)]) -> Result<ExitStatus> {
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo")
}

/// A status as this process's own code.
pub(crate) fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
