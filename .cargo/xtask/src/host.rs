//! The host binary.
//!
//! In: what it is for. Out: its path. Never: runs it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use llm_provider_build::cargo::{self, Artifact};

use crate::console::Console;
use crate::workspace::Workspace;

/// What the host is built for. Cargo picks the features of dependencies for all that it builds in
/// one go: a host that is built apart from its tests would have the largest of them, which take
/// minutes, compiled a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be used: optimised, with the features that it needs itself.
    Use,
    /// To be tested: unoptimised, together with the tests of the workspace.
    Tests,
    /// To be measured: optimised, together with the benchmarks.
    Benchmarks,
}

impl Purpose {
    fn selection(self) -> &'static [&'static str] {
        match self {
            Self::Use => &["--release", "--package", "llm-host", "--bin", "host"],
            Self::Tests => &["--workspace", "--lib", "--bins", "--tests"],
            Self::Benchmarks => &[
                "--release",
                "--package",
                "llm-host",
                "--package",
                "llm-host-bench",
                "--bin",
                "host",
                "--bench",
                "*",
            ],
        }
    }
}

/// Builds the host, and with it what its purpose names.
pub(crate) fn build(workspace: &Workspace, purpose: Purpose, console: &Console) -> Result<PathBuf> {
    let step = console.step(match purpose {
        Purpose::Use => "building host",
        Purpose::Tests => "building host and tests",
        Purpose::Benchmarks => "building host and benchmarks",
    });
    let mut command = workspace.cargo();
    command.arg("build").args(purpose.selection());
    let artifacts = cargo::build(&mut command, &mut |progress| step.progress(progress))?;
    let path = executable(&artifacts)?;
    step.done("ready");
    Ok(path)
}

/// The host among what was built.
fn executable(artifacts: &[Artifact]) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| artifact.target.name == "host")
        .filter(|artifact| artifact.target.kind.iter().any(|kind| kind == "bin"))
        .filter(|artifact| !artifact.is_test())
        .find_map(|artifact| artifact.executable.clone())
        .context("cargo built no program named host")
}
