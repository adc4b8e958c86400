//! What the tests run: the `host` binary, the plugins, and guests that do what no plugin should.
//!
//! In: `LLM_HOST_BIN`, `LLM_HOST_PLUGINS` and `LLM_HOST_GUESTS`, as `cargo xtask test` sets them. Out: paths.
//! Without the variables the binary is the one beside the test, and components are built from this checkout.
//! Never: a component that is older than its source, unless the variable names it.

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
    component("LLM_HOST_PLUGINS", "../plugins", name)
}

/// The component of a guest that only tests load, by the name of its directory.
///
/// # Errors
/// When there is none and it cannot be built.
pub fn guest(name: &str) -> Result<PathBuf> {
    component("LLM_HOST_GUESTS", "guests", name)
}

fn component(variable: &str, below: &str, name: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os(variable) {
        let path = PathBuf::from(dir).join(format!("{name}.wasm"));
        if !path.is_file() {
            bail!("{variable} is set, and {} is not there", path.display());
        }
        return Ok(path);
    }
    static BUILT: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(below)
        .join(name)
        .join("Cargo.toml");
    if let Some(path) = built.get(&manifest) {
        return Ok(path.clone());
    }
    let toolchain = Toolchain::find(Preference::Any, Install::Never, &mut |_| ())?;
    let component = component::build(&toolchain, &Source::Manifest(manifest.clone()), None, &mut |_| ())?;
    built.insert(manifest, component.path.clone());
    Ok(component.path)
}
