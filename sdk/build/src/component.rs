//! Building a package into a component.
//!
//! In: a package and a toolchain. Out: the path of its component. Never: checks what is in it
//! (that is [`mod@crate::check`]), and never lets flags of the caller's own build into it.
//!
//! Each package is built by itself, so that what is built beside it cannot turn on features of its
//! dependencies: its bytes, which grants are pinned to, stay the same.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{self, CargoError, Package, Progress, Workspace};
use crate::toolchain::{TARGET, Toolchain};

/// Profile that a workspace may define for its plugins.
const PROFILE: &str = "plugin";

/// Which package to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The package of this `Cargo.toml`.
    Manifest(PathBuf),
    /// The package of this name in the workspace of this `Cargo.toml`.
    Member {
        /// Any manifest of the workspace.
        workspace: PathBuf,
        /// The package's name.
        package: String,
    },
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Component {
    /// The package's name.
    pub package: String,
    /// Where the component is. The next build of the package replaces it.
    pub path: PathBuf,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No package of that name, or the manifest is a workspace's own. The plugin's fault.
    #[error("{what}; packages there: {}", there.join(", "))]
    NoPackage {
        /// What was looked for.
        what: String,
        /// Names of the packages.
        there: Vec<String>,
    },
    /// The package does not make a component. The plugin's fault.
    #[error(
        "package {package} makes no component; add to its Cargo.toml:\n[lib]\ncrate-type = \
         [\"cdylib\", \"rlib\"]"
    )]
    NoComponent {
        /// The package's name.
        package: String,
    },
    /// Cargo cannot read the manifest, or the build failed.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// A file could not be put in its place. The machine's fault.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Builds a package into a component.
///
/// The profile is the workspace's `plugin` where it has one, else `release`. Everything is put
/// below `target`, by default the directory `wasm` in the workspace's target directory, apart from
/// native builds: neither then waits for the other's lock.
///
/// # Errors
///
/// [`BuildError`], with cargo's own words when the code does not compile.
pub fn build(
    toolchain: &Toolchain,
    source: &Source,
    target: Option<&Path>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Component, BuildError> {
    let manifest = match source {
        Source::Manifest(manifest) => manifest,
        Source::Member { workspace, .. } => workspace,
    };
    let workspace = cargo::workspace(toolchain.cargo(), manifest)?;
    let package = select(&workspace, source)?;
    if !package.makes_component() {
        return Err(BuildError::NoComponent {
            package: package.name.clone(),
        });
    }
    let target = target.map_or_else(|| workspace.target_directory.join("wasm"), Path::to_owned);
    let profile = if has_profile(&workspace.root) {
        PROFILE
    } else {
        "release"
    };
    let mut command = toolchain.cargo();
    command
        .args(["build", "--lib", "--target", TARGET, "--profile", profile])
        .arg("--manifest-path")
        .arg(&package.manifest_path)
        .arg("--target-dir")
        .arg(target)
        .args(toolchain.build_args());
    set_flags(&mut command, toolchain);
    let artifacts = cargo::build(&mut command, progress)?;
    artifacts
        .into_iter()
        .filter(|artifact| artifact.manifest_path == package.manifest_path)
        .flat_map(|artifact| artifact.files)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .map(|path| Component {
            package: package.name.clone(),
            path,
        })
        .ok_or_else(|| BuildError::NoComponent {
            package: package.name.clone(),
        })
}

/// Puts a copy of a component at `to` in one step: whoever watches the directory sees the old file
/// or the new one, never a part. The copy in the making has a name that begins with a dot.
///
/// # Errors
///
/// [`BuildError::Write`].
pub fn place(component: &Path, to: &Path) -> Result<(), BuildError> {
    let write = |path: &Path, result: std::io::Result<()>| {
        result.map_err(|source| BuildError::Write {
            path: path.to_owned(),
            source,
        })
    };
    let directory = to.parent().unwrap_or(Path::new("."));
    write(directory, std::fs::create_dir_all(directory))?;
    let mut name = OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let aside = directory.join(name);
    write(&aside, std::fs::copy(component, &aside).map(drop))?;
    write(to, std::fs::rename(&aside, to))
}

fn select<'w>(workspace: &'w Workspace, source: &Source) -> Result<&'w Package, BuildError> {
    let found = match source {
        Source::Member { package, .. } => workspace.packages.iter().find(|p| p.name == *package),
        Source::Manifest(manifest) => {
            let manifest = manifest.canonicalize().ok();
            workspace
                .packages
                .iter()
                .find(|p| p.manifest_path.canonicalize().ok() == manifest)
        }
    };
    found.ok_or_else(|| BuildError::NoPackage {
        what: match source {
            Source::Member { package, .. } => format!("no package {package} in the workspace"),
            Source::Manifest(path) => format!("{} has no package of its own", path.display()),
        },
        there: workspace.packages.iter().map(|p| p.name.clone()).collect(),
    })
}

fn has_profile(workspace_root: &Path) -> bool {
    std::fs::read_to_string(workspace_root.join("Cargo.toml"))
        .ok()
        .and_then(|text| text.parse::<toml::Table>().ok())
        .and_then(|manifest| manifest.get("profile")?.get(PROFILE).cloned())
        .is_some()
}

/// Heap that a component begins with, in bytes; untouched it takes no memory. One that has to grow its
/// memory makes the host change the protection of pages, and set them back after the call: a fifth of
/// what a call costs.
const INITIAL_HEAP: usize = 512 << 10;

/// Flags for the component's compiler: the toolchain's own, what the caller has set for this very
/// target, what its memory begins with, and one that keeps the home directory of whoever builds out of the
/// component.
fn set_flags(command: &mut Command, toolchain: &Toolchain) {
    let name = "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS";
    let mut flags = std::env::var_os(name).unwrap_or_default();
    let mut add = |flag: &OsString| {
        if !flags.is_empty() {
            flags.push(" ");
        }
        flags.push(flag);
    };
    toolchain.rustflags().iter().for_each(&mut add);
    add(&OsString::from(format!("-Clink-arg=--initial-heap={INITIAL_HEAP}")));
    if let Some(home) = cargo_home() {
        // Cargo splits the variable at spaces, and such a home cannot be named in it.
        if !home.as_encoded_bytes().contains(&b' ') {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(&home);
            flag.push("=/cargo");
            add(&flag);
        }
    }
    command.env(name, flags);
}

fn cargo_home() -> Option<OsString> {
    std::env::var_os("CARGO_HOME").or_else(|| {
        let home = std::env::home_dir()?;
        Some(home.join(".cargo").into_os_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_put_in_place_whole_and_replaces_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("new.wasm");
        let to = dir.path().join("plugins/echo.wasm");
        std::fs::write(&from, b"one").unwrap();
        place(&from, &to).unwrap();
        std::fs::write(&from, b"two").unwrap();
        place(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"two");
        let left: Vec<_> = to.parent().unwrap().read_dir().unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn a_profile_is_found_however_it_is_written() {
        let cases = [
            ("[profile.plugin]\nopt-level = 2", true),
            ("[profile]\nplugin = { inherits = \"release\" }", true),
            ("# [profile.plugin]\n[profile.release]\nlto = true", false),
            ("", false),
        ];
        let dir = tempfile::tempdir().unwrap();
        for (manifest, expected) in cases {
            std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
            assert_eq!(has_profile(dir.path()), expected, "{manifest}");
        }
    }
}
