//! `cargo xtask bench`: the benchmarks, on what ships.
//!
//! In: a filter. Out: the benchmarks' own report. Never: measures an unoptimised host.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use llm_provider_build::toolchain::Toolchain;

use crate::clients::Clients;
use crate::console::Console;
use crate::host::{self, Purpose};
use crate::workspace::Workspace;
use crate::{plugins, test};

#[derive(Args)]
pub(crate) struct Bench {
    /// Run only benchmarks whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl Bench {
    pub(crate) fn start(self, workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<ExitCode> {
        plugins::build(workspace, toolchain, console)?;
        plugins::build_guests(workspace, toolchain, console)?;
        let host = host::build(workspace, Purpose::Benchmarks, console)?;
        let environment = test::environment(workspace, &Clients::default(), host, console);
        let mut command = workspace.cargo();
        command.args(["bench", "--package", "llm-host", "--package", "llm-host-tests"]);
        command.args(["--bench", "*"]);
        if let Some(filter) = &self.filter {
            command.args(["--", filter]);
        }
        Ok(test::code(test::run(command, &environment)?))
    }
}
