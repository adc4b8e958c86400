//! What the tests run: the `host` binary and the plugins.
//!
//! In: `LLM_HOST_BIN` and `LLM_HOST_PLUGINS`, as `cargo xtask test` sets them. Out: paths. Without the
//! variables the binary is the one beside the test, and plugins are built from this checkout. Never: a
//! plugin that is older than its source, unless the variable names it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use llm_provider_build::component::{self, Source};
use llm_provider_build::toolchain::{Install, Preference, Toolchain};

/// The `host` binary.
///
/// # Errors
/// When it has not been built.
pub fn host() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("LLM_HOST_BIN") {
        return Ok(path.into());
    }
    // A test is target/<profile>/deps/<name>-<hash>, the binary target/<profile>/host.
    let test = std::env::current_exe()?;
    let profile = test
        .parent()
        .and_then(Path::parent)
        .context("the test is not in a target directory")?;
    let path = profile.join(format!("host{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!(
            "{} is not there; run `cargo xtask test`, or `cargo build -p llm-host` first",
            path.display()
        );
    }
    Ok(path)
}

/// The component of a plugin of this checkout, by the name of its directory.
///
/// # Errors
/// When there is none and it cannot be built.
pub fn plugin(name: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("LLM_HOST_PLUGINS") {
        let path = PathBuf::from(dir).join(format!("{name}.wasm"));
        if !path.is_file() {
            bail!("LLM_HOST_PLUGINS is set, and {} is not there", path.display());
        }
        return Ok(path);
    }
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(name) {
        return Ok(path.clone());
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../plugins")
        .join(name)
        .join("Cargo.toml");
    let toolchain = Toolchain::find(Preference::Any, Install::Never, &mut |_| ())?;
    let component = component::build(&toolchain, &Source::Manifest(manifest), None, &mut |_| ())?;
    built.insert(name.to_owned(), component.path.clone());
    Ok(component.path)
}
