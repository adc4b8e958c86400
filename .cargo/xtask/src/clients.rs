//! The official clients that the end-to-end tests drive the host with, and the library that the fake
//! AWS checks signatures with.
//!
//! In: nothing. Out: a Python environment and a directory of Node packages below the target
//! directory, with the pinned versions installed from their registries. Never: fails the build;
//! what cannot be had is said, and the tests that need it say that they are skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::console::Console;
use crate::workspace::Workspace;

/// From the Python Package Index.
const PYTHON: &[&str] = &["openai==3.52.0", "anthropic==2.11.0", "botocore==1.44.5"];

/// From the npm registry. Its `anthropic` is a stranger's; the SDK is `@anthropic-ai/sdk`.
const NODE: &[(&str, &str)] = &[("openai", "7.55.0"), ("@anthropic-ai/sdk", "1.11.0")];

/// What could be set up.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// The environment's interpreter.
    pub(crate) python: Option<PathBuf>,
    /// The directory `node_modules`.
    pub(crate) node_modules: Option<PathBuf>,
}

/// Sets up what is missing.
pub(crate) fn set_up(workspace: &Workspace, console: &Console) -> Clients {
    let directory = workspace.target.join("clients");
    let said = |what: &str, outcome: Result<PathBuf>| match outcome {
        Ok(path) => Some(path),
        Err(error) => {
            console.note(&format!("no {what} clients, so their tests will be skipped: {error:#}"));
            None
        }
    };
    Clients {
        python: said("Python", python(&directory.join("python"), console)),
        node_modules: said("Node", node(&directory.join("node"), console)),
    }
}

fn python(directory: &Path, console: &Console) -> Result<PathBuf> {
    let interpreter = directory.join("bin/python");
    let stamp = Stamp::new(directory, &PYTHON.join(" "));
    if stamp.holds() && interpreter.is_file() {
        return Ok(interpreter);
    }
    let step = console.step(format!("installing {}", PYTHON.join(", ")));
    clear(directory)?;
    if !answers("python3") {
        install(&["python3", "python3-venv"], console)?;
    }
    let venv = || run(Command::new("python3").args(["-m", "venv"]).arg(directory));
    if venv().is_err() {
        // Debian's python3 comes without it.
        install(&["python3-venv"], console)?;
        clear(directory)?;
        venv()?;
    }
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(PYTHON))?;
    stamp.set()?;
    step.done("ready");
    Ok(interpreter)
}

fn node(directory: &Path, console: &Console) -> Result<PathBuf> {
    let modules = directory.join("node_modules");
    let wanted: Vec<String> = NODE.iter().map(|(name, version)| format!("{name}@{version}")).collect();
    let stamp = Stamp::new(directory, &wanted.join(" "));
    if stamp.holds() && modules.is_dir() {
        return Ok(modules);
    }
    let step = console.step(format!("installing {}", wanted.join(", ")));
    clear(directory)?;
    if !answers("node") || !answers("npm") {
        install(&["nodejs", "npm"], console)?;
    }
    // With a manifest of its own, npm does not look for one in the directories above.
    std::fs::write(directory.join("package.json"), "{\"private\":true}\n")?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
        .args(&wanted)
        .current_dir(directory))?;
    stamp.set()?;
    step.done("ready");
    Ok(modules)
}

/// Says what a directory was filled with, once that is complete.
struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    fn new(directory: &Path, content: &str) -> Self {
        Self {
            path: directory.join("installed"),
            content: content.to_owned(),
        }
    }

    fn holds(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|there| there == self.content)
    }

    fn set(&self) -> Result<()> {
        std::fs::write(&self.path, &self.content).with_context(|| self.path.display().to_string())
    }
}

fn clear(directory: &Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())
}

fn answers(program: &str) -> bool {
    run(Command::new(program).arg("--version")).is_ok()
}

fn install(packages: &[&str], console: &Console) -> Result<()> {
    console.note(&format!("installing Debian's {}", packages.join(", ")));
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // Old lists may still name what is wanted; if they do not, the install says so.
    let _lists = run(apt_get().arg("update"));
    run(apt_get()
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages))
}

/// Runs a command quietly; the error holds the end of what it wrote.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(5));
    let last: Vec<&str> = last.map(|line| line.trim()).collect();
    bail!("{program} failed ({}): {}", output.status, last.join(" / "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_filled_again_when_other_versions_are_wanted() {
        let dir = std::env::temp_dir().join(format!("xtask-clients-{}", std::process::id()));
        clear(&dir).unwrap();
        let stamp = Stamp::new(&dir, "openai==1");
        assert!(!stamp.holds());
        stamp.set().unwrap();
        assert!(stamp.holds());
        assert!(!Stamp::new(&dir, "openai==2").holds());
        clear(&dir).unwrap();
        assert!(!stamp.holds());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_failure_keeps_what_the_program_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo; echo 'no such host' >&2; exit 3"]);
        let error = run(&mut command).unwrap_err().to_string();
        assert!(error.contains("exit status: 3): no such host"), "{error}");
    }
}
