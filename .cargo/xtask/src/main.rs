//! The one entry to the project for people and CI: `cargo xtask <what>`.
//!
//! In: a subcommand. Out: the project set up, built, running, tested, measured or packed. Never:
//! needs anything that was put on the machine by hand; what is missing it installs or names.

mod bench;
mod clients;
mod console;
mod dist;
mod host;
mod plugins;
mod ready;
mod run;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use llm_provider_build::toolchain::{Install, Preference, Toolchain};

use crate::console::Console;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// How to build for wasm32-wasip2: auto, installed, rustup or debian.
    #[arg(long, global = true, default_value = "auto", env = "XTASK_WASM_TOOLCHAIN")]
    wasm_toolchain: Preference,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need, and say what is there.
    Setup,
    /// Build host and plugins and start `host run`, with the echo provider ready.
    Run(run::Run),
    /// Build everything and run every test of the workspace.
    Test(test::Test),
    /// Build the plugins and the guests of the tests.
    Plugins,
    /// Run the benchmarks.
    Bench(bench::Bench),
    /// Build host and plugins for release into one directory.
    Dist,
    /// Wait until a host is ready and say how to use it.
    #[command(hide = true)]
    Announce(ready::Announce),
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode> {
    if let Command::Announce(announce) = cli.command {
        return announce.start();
    }
    let console = Console::new();
    let workspace = Workspace::find()?;
    let toolchain = || set_up(cli.options.wasm_toolchain, &console);
    match cli.command {
        Command::Setup => {
            toolchain()?;
            let clients = clients::set_up(&workspace, &console);
            for path in [clients.python, clients.node_modules].iter().flatten() {
                console.note(&format!("the tests' clients are in {}", path.display()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Plugins => {
            let toolchain = toolchain()?;
            plugins::build(&workspace, &toolchain, &console)?;
            plugins::build_guests(&workspace, &toolchain, &console)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(run) => run.start(&workspace, &toolchain()?, &console),
        Command::Test(test) => test.start(&workspace, &toolchain()?, &console),
        Command::Bench(bench) => bench.start(&workspace, &toolchain()?, &console),
        Command::Dist => dist::build(&workspace, &toolchain()?, &console),
        Command::Announce(_) => Ok(ExitCode::SUCCESS),
    }
}

fn set_up(preference: Preference, console: &Console) -> Result<Toolchain> {
    let toolchain = Toolchain::find(preference, Install::Allowed, &mut |step| console.note(step))?;
    console.note(&format!("plugins are built by {toolchain}"));
    Ok(toolchain)
}
