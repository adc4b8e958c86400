//! Scripts that use the official clients as an application would.
//!
//! In: a script and a running host. Out: nothing; a script that fails fails the test, with what it
//! wrote and with the host's log. Never: a pass when there is nothing to run; then the test says
//! that it is skipped.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::host::{Host, KEY, PATIENCE};
use crate::places;

/// Runs a Python script; false when there is no Python to run it with.
///
/// # Panics
/// When the script fails.
pub async fn python(host: &Host, script: &Path) -> bool {
    let Some(python) = places::python() else { return false };
    let mut command = Command::new(python);
    // Scripts import what they share from their own directory; no bytecode is left there.
    command.arg("-B").arg(script);
    run(host, command, script).await;
    true
}

/// Runs a Node script; false when there are no packages to run it with.
///
/// # Panics
/// When the script fails.
pub async fn node(host: &Host, script: &Path) -> bool {
    let Some(modules) = places::node_modules() else {
        return false;
    };
    // Node looks for packages in the directories above a module's real path, so the scripts go
    // where the packages are.
    let dir = tempfile::tempdir_in(modules.parent().expect("node_modules is in a directory")).expect("a directory");
    let from = script.parent().expect("a script is in a directory");
    for entry in std::fs::read_dir(from).expect("the scripts are there").flatten() {
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
    }
    let mut command = Command::new("node");
    command.arg(dir.path().join(script.file_name().expect("a script has a name")));
    run(host, command, script).await;
    true
}

async fn run(host: &Host, mut command: Command, script: &Path) {
    command
        .env("LLM_HOST_URL", host.base_url())
        .env("LLM_HOST_KEY", KEY)
        // No client is to go to its own provider, or through somebody's proxy.
        .env_remove("OPENAI_API_KEY")
        .env_remove("OPENAI_BASE_URL")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{} does not end:\n{}", script.display(), host.log().text()));
    let output = output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} failed ({}):\n{said}{complained}\n--- the host's log ---\n{}",
        script.display(),
        output.status,
        host.log().text()
    );
    print!("{said}");
}
