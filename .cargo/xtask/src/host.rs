//! The host binary.
//!
//! In: which profile. Out: its path. Never: runs it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use llm_provider_build::cargo::{self, Artifact};

use crate::console::Console;
use crate::workspace::Workspace;

/// How the host is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As it ships. The first build takes long: it compiles a compiler.
    Release,
    /// For work on the host itself.
    Dev,
}

/// Builds the host.
pub(crate) fn build(workspace: &Workspace, profile: Profile, console: &Console) -> Result<PathBuf> {
    let step = console.step("building host");
    let mut command = workspace.cargo();
    command.args(["build", "--package", "llm-host", "--bin", "host"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let artifacts = cargo::build(&mut command, &mut |progress| step.progress(progress))?;
    let path = executable(&artifacts)?;
    step.done("ready");
    Ok(path)
}

/// The host among what was built.
pub(crate) fn executable(artifacts: &[Artifact]) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| artifact.target.name == "host")
        .filter(|artifact| artifact.target.kind.iter().any(|kind| kind == "bin"))
        .filter(|artifact| !artifact.is_test())
        .find_map(|artifact| artifact.executable.clone())
        .context("cargo built no program named host")
}
