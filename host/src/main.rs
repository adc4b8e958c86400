//! The `host` program; see [`llm_host::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    llm_host::cli::main()
}
