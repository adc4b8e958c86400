//! Where things are: the checkout, its target directory, its plugins and guests.
//!
//! In: the manifest of the workspace. Out: paths. Never: looks outside the checkout, but for the
//! target directory that cargo names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use llm_provider_build::cargo;

/// The checkout.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .context("the checkout that this program was built in is gone")?;
        let read = cargo::workspace(cargo_command(), &root.join("Cargo.toml"))?;
        Ok(Self {
            root,
            target: read.target_directory,
        })
    }

    /// Manifests of the packages in the directories of `below`, by the directory's name.
    pub(crate) fn packages_below(&self, below: &str) -> Result<Vec<(String, PathBuf)>> {
        let directory = self.root.join(below);
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", directory.display()));
            }
        };
        let mut found: Vec<(String, PathBuf)> = entries
            .flatten()
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, entry.path().join("Cargo.toml"))
            })
            .filter(|(_, manifest)| manifest.is_file())
            .collect();
        found.sort();
        Ok(found)
    }

    /// Components of the plugins, by the plugin's name.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// Components of the tests' guests.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// `cargo` at the root of the checkout.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo_command();
        command.current_dir(&self.root);
        command
    }
}

fn cargo_command() -> Command {
    // Cargo names itself to the programs that it runs.
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
