//! Where the things are that the tests need.
//!
//! In: the environment, which `cargo xtask test` fills; else what a build leaves beside the test.
//! Out: paths. Never: a build; what is missing is named, with the command that makes it.

use std::path::{Path, PathBuf};

/// The directory of this build's profile: `<target>/debug`.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let deps = test.parent().expect("a test is in a directory");
    let profile = if deps.ends_with("deps") {
        deps.parent().expect("deps is in the profile")
    } else {
        deps
    };
    profile.to_owned()
}

fn target_dir() -> PathBuf {
    profile_dir()
        .parent()
        .expect("the profile is in the target directory")
        .to_owned()
}

fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The program: `LLM_HOST_BIN`, else the one beside the test.
///
/// # Panics
/// When there is none.
pub fn host() -> PathBuf {
    let path = from_environment("LLM_HOST_BIN").unwrap_or_else(|| profile_dir().join("host"));
    let hint = "build it with `cargo build -p llm-host --bin host`, or run `cargo xtask test`";
    assert!(path.is_file(), "there is no host at {}; {hint}", path.display());
    path
}

/// The component of a plugin: in `LLM_HOST_PLUGINS`, else where `cargo xtask plugins` puts it.
///
/// # Panics
/// When there is none.
pub fn plugin(name: &str) -> PathBuf {
    let dir = from_environment("LLM_HOST_PLUGINS").unwrap_or_else(|| target_dir().join("plugins"));
    component(&dir, name)
}

/// The component of a guest that only tests load: in `LLM_HOST_GUESTS`, else where `cargo xtask
/// plugins` puts it.
///
/// # Panics
/// When there is none.
pub fn guest(name: &str) -> PathBuf {
    let dir = from_environment("LLM_HOST_GUESTS").unwrap_or_else(|| target_dir().join("guests"));
    component(&dir, name)
}

fn component(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name).with_extension("wasm");
    assert!(
        path.is_file(),
        "there is no component at {}; make it with `cargo xtask plugins`",
        path.display()
    );
    path
}

/// A directory for compiled plugins that all tests share, so that each is compiled once.
pub fn compiled() -> PathBuf {
    target_dir().join("tests").join("compiled")
}

/// Recorded traffic: `LLM_HOST_RECORDINGS`, else `../shared/recordings` beside the workspace.
/// Nothing, and a line that says so, when there is none.
pub fn recordings() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recordings");
    let path = from_environment("LLM_HOST_RECORDINGS").unwrap_or_else(|| beside.into());
    found("recorded traffic", "LLM_HOST_RECORDINGS", path.is_dir().then_some(path))
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
