//! The components: plugins that ship and guests that the tests load.
//!
//! In: the packages of `plugins/*` and `tests/guests/*`. Out: `<target>/plugins/<name>.wasm` and
//! `<target>/guests/<name>.wasm`, named after the package's directory, and nothing else in there.
//! Never: ships a plugin that the host would refuse.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use llm_provider_build::check;
use llm_provider_build::component::{self, BuildError, Source};
use llm_provider_build::toolchain::Toolchain;

use crate::console::Console;
use crate::workspace::Workspace;

/// Builds what ships.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<Vec<PathBuf>> {
    let kind = Kind {
        below: "plugins",
        into: workspace.plugins(),
        accept: refuse_what_the_host_would,
    };
    kind.build(workspace, toolchain, console)
}

/// Builds the guests of the tests.
pub(crate) fn build_guests(workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<Vec<PathBuf>> {
    let kind = Kind {
        below: "tests/guests",
        into: workspace.guests(),
        // Some are wrong on purpose.
        accept: |_| Ok(()),
    };
    kind.build(workspace, toolchain, console)
}

fn refuse_what_the_host_would(component: &Path) -> Result<()> {
    let report = check(&std::fs::read(component)?)?;
    if report.is_plugin() {
        return Ok(());
    }
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    bail!("the host would refuse it:\n  {}", problems.join("\n  "))
}

struct Kind {
    below: &'static str,
    into: PathBuf,
    accept: fn(&Path) -> Result<()>,
}

impl Kind {
    fn build(&self, workspace: &Workspace, toolchain: &Toolchain, console: &Console) -> Result<Vec<PathBuf>> {
        let into = &self.into;
        std::fs::create_dir_all(into).with_context(|| into.display().to_string())?;
        let target = workspace.target.join("wasm");
        let mut built = Vec::new();
        for (name, manifest) in workspace.packages_below(self.below)? {
            let label = format!("{}/{name}", self.below);
            let step = console.step(format!("building {label}"));
            let source = Source::Manifest(manifest);
            let outcome = component::build(toolchain, &source, Some(&target), &mut |progress| {
                step.progress(progress);
            });
            let component = match outcome {
                Ok(component) => component.path,
                Err(BuildError::NoComponent { .. }) => {
                    step.done("a library of others");
                    continue;
                }
                Err(error) => return Err(error).context(label),
            };
            (self.accept)(&component).context(label)?;
            let path = into.join(format!("{name}.wasm"));
            component::place(&component, &path)?;
            let size = path.metadata().map_or(0, |data| data.len());
            step.done(&format!("{} KB", size.div_ceil(1000)));
            built.push(path);
        }
        remove_others(into, &built)?;
        Ok(built)
    }
}

/// Takes away components whose packages are gone: a test or a host would still load them.
fn remove_others(directory: &Path, built: &[PathBuf]) -> Result<()> {
    let keep: BTreeSet<&Path> = built.iter().map(PathBuf::as_path).collect();
    for entry in directory.read_dir()?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && !keep.contains(path.as_path()) {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_that_were_not_built_are_removed() {
        let dir = std::env::temp_dir().join(format!("xtask-plugins-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for name in ["kept.wasm", "gone.wasm", "notes.txt"] {
            std::fs::write(dir.join(name), name).unwrap();
        }
        remove_others(&dir, &[dir.join("kept.wasm")]).unwrap();
        let mut left: Vec<_> = dir
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, ["kept.wasm", "notes.txt"]);
    }
}
