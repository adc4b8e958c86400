//! `cargo xtask dist`: what a user gets.
//!
//! In: the checkout. Out: `<target>/dist` with the host, the plugins and the licence. Never: leaves
//! anything of an earlier run in there.

use std::process::ExitCode;

use anyhow::{Context, Result};
use llm_provider_build::component;
use llm_provider_build::toolchain::Toolchain;

use crate::console::Console;
use crate::host::{self, Purpose};
use crate::plugins;
use crate::workspace::Workspace;

pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<ExitCode> {
    let plugins = plugins::build(workspace, toolchain, console)?;
    let host = host::build(workspace, Purpose::Use, console)?;
    let dist = workspace.target.join("dist");
    if dist.exists() {
        std::fs::remove_dir_all(&dist).with_context(|| dist.display().to_string())?;
    }
    let name = host.file_name().context("a program without a name")?;
    component::place(&host, &dist.join(name))?;
    for path in &plugins {
        let name = path.file_name().context("a component without a name")?;
        component::place(path, &dist.join("plugins").join(name))?;
    }
    for name in ["LICENSE", "README.md"] {
        let path = workspace.root.join(name);
        if path.is_file() {
            component::place(&path, &dist.join(name))?;
        }
    }
    println!("{}", dist.display());
    Ok(ExitCode::SUCCESS)
}
