//! Running cargo: what is in a workspace, and a build with its progress and the files it made.
//!
//! In: a manifest, or a `cargo build` command. Out: the packages there; each step of the build's
//! progress while it runs, and at its end what it made. Never: decides what is built.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde::Deserialize;

use crate::process::{self, Piece};

/// Lines that a failed build keeps for its error.
const KEPT_LINES: usize = 200;

/// What happens while cargo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// So many of the build's units are done.
    Units {
        /// Compiled or found fresh so far.
        done: usize,
        /// All of them.
        total: usize,
        /// What is being compiled.
        current: &'a str,
    },
    /// So many packages have yet to be downloaded.
    Downloads {
        /// How many.
        left: usize,
    },
    /// A line that cargo or a compiler wrote for people: `Compiling …`, warnings, errors.
    Line(&'a str),
}

/// Why there is no build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CargoError {
    /// Cargo cannot be run. The machine's fault.
    #[error("cargo cannot be run")]
    Spawn(#[source] std::io::Error),
    /// Cargo cannot read a manifest. The fault of whoever wrote it.
    #[error("cannot read {}: {message}", manifest.display())]
    Manifest {
        /// The manifest.
        manifest: PathBuf,
        /// What cargo says.
        message: String,
    },
    /// The build failed, nearly always over the code that was built; `output` says where.
    #[error("the build failed ({status}):\n{output}")]
    Failed {
        /// How cargo ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
}

/// A workspace, or a package that stands alone.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Workspace {
    /// Its members.
    pub packages: Vec<Package>,
    /// The directory of its own manifest.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Where its builds go.
    pub target_directory: PathBuf,
}

/// A member of a workspace.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// Its libraries, programs, tests, …
    pub targets: Vec<Target>,
}

impl Package {
    /// Whether it has a library that becomes a component on a wasm target.
    #[must_use]
    pub fn makes_component(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "cdylib"))
    }
}

/// One target that was built or found fresh.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Artifact {
    /// The manifest of its package.
    pub manifest_path: PathBuf,
    /// Which target of the package.
    pub target: Target,
    /// Files that it consists of.
    #[serde(rename = "filenames")]
    pub files: Vec<PathBuf>,
    /// The program, where it is one.
    pub executable: Option<PathBuf>,
    profile: Profile,
}

#[derive(Debug, Clone, Deserialize)]
struct Profile {
    test: bool,
}

impl Artifact {
    /// Whether it is the test harness of its target.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.profile.test
    }
}

/// A library or program of a package.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `cdylib`, `bin`, `test`, …
    pub kind: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

/// Reads the workspace of a manifest. `cargo` is the bare command.
///
/// # Errors
///
/// [`CargoError`] when cargo cannot be run or cannot read the manifest.
pub fn workspace(mut cargo: Command, manifest: &Path) -> Result<Workspace, CargoError> {
    let failed = |message: String| CargoError::Manifest {
        manifest: manifest.to_owned(),
        message,
    };
    let output = cargo
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .map_err(CargoError::Spawn)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(failed(text.trim().trim_start_matches("error: ").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Runs a `cargo build` (or another subcommand that builds) and gives what it made.
///
/// The command must not have a `--message-format` of its own.
///
/// # Errors
///
/// [`CargoError`] when cargo cannot be run or fails.
pub fn build(command: &mut Command, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Vec<Artifact>, CargoError> {
    command
        .arg("--message-format=json-render-diagnostics")
        // Cargo knows how many units there are, and says so only in its progress bar.
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120");
    let mut artifacts = Vec::new();
    let mut lines = VecDeque::new();
    let status = process::stream(command, |piece| match piece {
        Piece::Out(line) => {
            if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(&line) {
                artifacts.push(artifact);
            }
        }
        Piece::Err(line) => match bar(&line).or_else(|| downloads(&line)) {
            Some(step) => progress(step),
            None if line.trim().is_empty() => {}
            None => {
                // What is left of a bar that was wiped stands before the text.
                let line = line.trim_start_matches("\u{1b}[K");
                progress(Progress::Line(line));
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.to_owned());
            }
        },
    })
    .map_err(CargoError::Spawn)?;
    if status.success() {
        return Ok(artifacts);
    }
    Err(CargoError::Failed {
        status,
        output: Vec::from(lines).join("\n"),
    })
}

/// Reads cargo's bar: `    Building [=====>     ] 12/30: serde, syn(build)`.
fn bar(line: &str) -> Option<Progress<'_>> {
    let (_, rest) = line.split_once("Building")?;
    let (_, rest) = rest.split_once('[')?;
    let (_, rest) = rest.split_once("] ")?;
    let (counts, current) = match rest.split_once(": ") {
        Some((counts, current)) => (counts, current.trim()),
        None => (rest.trim(), ""),
    };
    let (done, total) = counts.split_once('/')?;
    Some(Progress::Units {
        done: done.trim().parse().ok()?,
        total: total.trim().parse().ok()?,
        current: current.trim_end_matches("\u{1b}[K"),
    })
}

/// Reads cargo's other bar: ` Downloading 12 crates, remaining bytes: 1.2 MiB`.
fn downloads(line: &str) -> Option<Progress<'_>> {
    let (_, rest) = line.split_once("Downloading")?;
    let mut words = rest.trim_start_matches("\u{1b}[0m").split_whitespace();
    let left = words.next()?.parse().ok()?;
    words
        .next()
        .is_some_and(|word| word.starts_with("crate"))
        .then_some(Progress::Downloads { left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_read_and_other_lines_are_not() {
        let cases = [
            (" Downloading 12 crates      ", Some(12)),
            (" Downloading 1 crate, extracting libc ...", Some(1)),
            ("\u{1b}[1m\u{1b}[32m Downloading\u{1b}[0m 3 crates", Some(3)),
            (" Downloading crates ...", None),
            ("  Downloaded libc v0.2.183", None),
        ];
        for (line, left) in cases {
            let expected = left.map(|left| Progress::Downloads { left });
            assert_eq!(downloads(line), expected, "{line:?}");
        }
    }

    #[test]
    fn cargo_s_bar_is_read_and_other_lines_are_not() {
        let units = |done, total, current| Some(Progress::Units { done, total, current });
        let cases = [
            (
                "    Building [====>    ] 12/30: serde, syn(build)",
                units(12, 30, "serde, syn(build)"),
            ),
            ("    Building [>        ] 0/1", units(0, 1, "")),
            (
                "\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [=> ] 3/4: echo \u{1b}[K",
                units(3, 4, "echo "),
            ),
            ("   Compiling serde v1.0.0", None),
            ("error: expected `]`, Building [a] b/c: d", None),
        ];
        for (line, expected) in cases {
            assert_eq!(bar(line), expected, "{line:?}");
        }
    }
}
