//! `cargo xtask bench`: the benchmarks, on what ships.
//!
//! In: a filter. Out: the benchmarks' own report, and at the end one table of what they found.
//! Never: measures an unoptimised host, and never says that a figure is too high; see
//! `docs/benchmarks.md` for what they mean.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use llm_provider_build::toolchain::Toolchain;

use crate::clients::Clients;
use crate::console::Console;
use crate::host::{self, Purpose};
use crate::workspace::Workspace;
use crate::{plugins, test};

/// The variable that names the file into which the benchmarks put what they found: lines of a
/// name, a tab, and a figure.
const SUMMARY: &str = "LLM_HOST_BENCH_SUMMARY";

#[derive(Args)]
pub(crate) struct Bench {
    /// Run only benchmarks whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl Bench {
    pub(crate) fn start(self, workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<ExitCode> {
        plugins::build(workspace, toolchain, console)?;
        let host = host::build(workspace, Purpose::Benchmarks, console)?;
        let mut environment = test::environment(workspace, &Clients::default(), host, console);
        let summary = workspace.target.join("benchmarks.tsv");
        std::fs::write(&summary, "").with_context(|| summary.display().to_string())?;
        environment.push((SUMMARY, summary.clone().into()));
        let mut command = workspace.cargo();
        command.args(["bench", "--package", "llm-host", "--package", "llm-host-bench"]);
        command.args(["--bench", "*"]);
        if let Some(filter) = &self.filter {
            command.args(["--", filter]);
        }
        let status = test::run(command, &environment)?;
        print!("\n{}", table(&summary)?);
        Ok(test::code(status))
    }
}

/// What was found, in two columns.
fn table(summary: &Path) -> Result<String> {
    let text = std::fs::read_to_string(summary).with_context(|| summary.display().to_string())?;
    let rows: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    Ok(rows
        .iter()
        .map(|(name, figure)| format!("{name:width$}  {figure}\n"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_below_each_other() {
        let file = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        std::fs::write(&file, "a\t1 µs\nlonger, name\t2 / 3\nno figure\n").unwrap();
        let made = table(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(made.unwrap(), "a             1 µs\nlonger, name  2 / 3\n");
    }
}
