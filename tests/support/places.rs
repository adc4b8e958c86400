//! Where the things are that the tests need and no build makes.
//!
//! In: the environment, which `cargo xtask test` fills. Out: paths. Never: a failure over what a machine
//! does not have; a line says what is skipped.

use std::path::PathBuf;

fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A directory for compiled plugins that all tests share, so that each is compiled once.
///
/// # Panics
/// When the test is not where cargo puts tests.
pub fn compiled() -> PathBuf {
    // A test is target/<profile>/deps/<name>-<hash>.
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.ancestors().nth(3).expect("a test is in a target directory");
    target.join("tests").join("compiled")
}

/// Recorded traffic: `LLM_HOST_RECORDINGS`, else `../shared/recordings` beside the workspace.
/// Nothing, and a line that says so, when there is none.
pub fn recordings() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recordings");
    let path = from_environment("LLM_HOST_RECORDINGS").unwrap_or_else(|| beside.into());
    found("recorded traffic", "LLM_HOST_RECORDINGS", path.is_dir().then_some(path))
}

/// Definitions of the providers' APIs: `LLM_HOST_SPECS`, else `../shared/specs` beside the workspace.
/// Nothing, and a line that says so, when there are none.
pub fn specs() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/specs");
    let path = from_environment("LLM_HOST_SPECS").unwrap_or_else(|| beside.into());
    found("definitions of APIs", "LLM_HOST_SPECS", path.is_dir().then_some(path))
}

/// A Python interpreter that has the official clients: `LLM_HOST_PYTHON`. Nothing, and a line that
/// says so, when there is none.
pub fn python() -> Option<PathBuf> {
    found(
        "a Python with the official clients",
        "LLM_HOST_PYTHON",
        from_environment("LLM_HOST_PYTHON"),
    )
}

/// The `node_modules` that has the official clients: `LLM_HOST_NODE_MODULES`. Nothing, and a line
/// that says so, when there is none.
pub fn node_modules() -> Option<PathBuf> {
    let path = from_environment("LLM_HOST_NODE_MODULES");
    found(
        "the Node packages of the official clients",
        "LLM_HOST_NODE_MODULES",
        path,
    )
}

fn found(what: &str, variable: &str, path: Option<PathBuf>) -> Option<PathBuf> {
    if path.is_none() {
        // Not a failure: a machine without a registry still runs the other tests.
        println!("SKIPPED: {what} cannot be found ({variable}); `cargo xtask test` sets them up");
    }
    path
}
