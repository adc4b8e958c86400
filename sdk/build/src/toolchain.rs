//! A way to build for `wasm32-wasip2` on this machine.
//!
//! In: which ways are wanted, and whether anything may be installed. Out: a [`Toolchain`], whose
//! [`Toolchain::cargo`] is set up to build components, or a [`ToolchainError`] that says what was
//! tried and what to run. Never: reads a variable of the environment that is ours; the caller does.
//!
//! The ways, in the order they are tried:
//! 1. the Rust toolchain has the target already;
//! 2. `rustup target add` gets it;
//! 3. Debian's packages: a rustc with the sources of its standard library, which cargo
//!    then builds for the target. They serve machines whose rustup has nowhere to download from.

mod debian;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::process;

/// The target that plugins are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Most time for `rustup target add`: it takes seconds where it works.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Which ways may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preference {
    /// The first that works.
    #[default]
    Any,
    /// Only the one named.
    Only(Origin),
}

/// A text that names no way to build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no wasm toolchain; it is one of auto, installed, rustup, debian")]
pub struct UnknownPreference(String);

impl FromStr for Preference {
    type Err = UnknownPreference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Any,
            "installed" => Self::Only(Origin::Installed),
            "rustup" => Self::Only(Origin::Rustup),
            "debian" => Self::Only(Origin::Debian),
            other => return Err(UnknownPreference(other.to_owned())),
        })
    }
}

/// Whether the search may put something on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// `rustup target add` and `apt-get install` may be run.
    Allowed,
    /// Only what is there is taken.
    Never,
}

/// Where the target's standard library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was installed before.
    Installed,
    /// rustup has just installed it.
    Rustup,
    /// Debian's packages have its sources.
    Debian,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installed => "the installed target",
            Self::Rustup => "rustup",
            Self::Debian => "Debian's packages",
        })
    }
}

/// One way that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which way.
    pub origin: Origin,
    /// Why it did not work.
    pub reason: String,
}

/// Why nothing can be built. The machine's fault; a retry makes sense after what the message says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// There is no Rust at all.
    #[error("no Rust toolchain: `{} --print sysroot` does not run; install Rust from https://rustup.rs", .0.display())]
    NoRustc(PathBuf),
    /// None of the ways works.
    #[error("nothing here builds for {TARGET}:\n{}\nRun one of these and try again:\n  rustup target add {TARGET}\n  {}", list(.0), debian::commands())]
    Unavailable(Vec<Attempt>),
}

fn list(attempts: &[Attempt]) -> String {
    let lines: Vec<String> = attempts
        .iter()
        .map(|attempt| format!("  {}: {}", attempt.origin, attempt.reason))
        .collect();
    lines.join("\n")
}

/// A way to build for [`TARGET`].
#[derive(Debug, Clone)]
pub struct Toolchain {
    origin: Origin,
    version: String,
    cargo: PathBuf,
    rustflags: Vec<OsString>,
    set: Vec<(&'static str, OsString)>,
    build_args: Vec<&'static str>,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {TARGET}, from {}", self.version, self.origin)
    }
}

impl Toolchain {
    /// Finds one, or sets one up. `say` gets a sentence before each step that takes time.
    ///
    /// # Errors
    ///
    /// [`ToolchainError`] when none of the ways that `preference` allows works.
    pub fn find(preference: Preference, install: Install, say: &mut dyn FnMut(&str)) -> Result<Self, ToolchainError> {
        Machine::default().find(preference, install, say)
    }

    /// Where the target's standard library comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// `cargo`, without what the caller's own build has put into the environment: flags and
    /// wrappers meant for the native target would spoil a component or be refused by its compiler.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_TARGET_DIR",
            "CARGO_TARGET_DIR",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_BOOTSTRAP",
            "RUSTDOCFLAGS",
            "LLVM_PROFILE_FILE",
        ] {
            command.env_remove(name);
        }
        for (name, value) in &self.set {
            command.env(name, value);
        }
        command
    }

    /// Flags for the target's compiler; they go into `CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS`.
    pub(crate) fn rustflags(&self) -> &[OsString] {
        &self.rustflags
    }

    /// What `cargo build` needs beyond `--target`.
    pub(crate) fn build_args(&self) -> &[&'static str] {
        &self.build_args
    }
}

/// The programs and places that are looked at.
struct Machine {
    rustc: PathBuf,
    cargo: PathBuf,
    rustup: PathBuf,
    debian: debian::Place,
}

impl Default for Machine {
    fn default() -> Self {
        // Cargo names itself to what it runs; outside of it the search path decides.
        let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        Self {
            rustc: "rustc".into(),
            cargo,
            rustup: "rustup".into(),
            debian: debian::Place::default(),
        }
    }
}

impl Machine {
    fn find(
        &self,
        preference: Preference,
        install: Install,
        say: &mut dyn FnMut(&str),
    ) -> Result<Toolchain, ToolchainError> {
        let mut ask = Command::new(&self.rustc);
        let Some(sysroot) = process::answer(ask.args(["--print", "sysroot"])) else {
            return Err(ToolchainError::NoRustc(self.rustc.clone()));
        };
        let sysroot = PathBuf::from(sysroot);
        let mut attempts = Vec::new();
        for origin in [Origin::Installed, Origin::Rustup, Origin::Debian] {
            if !matches!(preference, Preference::Any) && preference != Preference::Only(origin) {
                continue;
            }
            let outcome = match origin {
                Origin::Installed => self.installed(&sysroot),
                Origin::Rustup => self.rustup(&sysroot, install, say),
                Origin::Debian => self.debian.find(&self.cargo, &sysroot, install, say),
            };
            match outcome {
                Ok(toolchain) => return Ok(toolchain),
                Err(reason) => attempts.push(Attempt { origin, reason }),
            }
        }
        Err(ToolchainError::Unavailable(attempts))
    }

    fn installed(&self, sysroot: &Path) -> Result<Toolchain, String> {
        if !has_target(sysroot) {
            return Err(format!("{} has no such target", sysroot.display()));
        }
        Ok(self.plain(Origin::Installed))
    }

    fn rustup(&self, sysroot: &Path, install: Install, say: &mut dyn FnMut(&str)) -> Result<Toolchain, String> {
        if install == Install::Never {
            return Err("not tried, since nothing may be installed".to_owned());
        }
        say(&format!("running rustup target add {TARGET}"));
        let mut command = Command::new(&self.rustup);
        command.args(["target", "add", TARGET]);
        run_to_end(&mut command, RUSTUP_LIMIT)?;
        if !has_target(sysroot) {
            return Err(format!(
                "it installed the target, but not for the toolchain in {}",
                sysroot.display()
            ));
        }
        Ok(self.plain(Origin::Rustup))
    }

    fn plain(&self, origin: Origin) -> Toolchain {
        Toolchain {
            origin,
            version: version(&self.rustc),
            cargo: self.cargo.clone(),
            rustflags: Vec::new(),
            set: Vec::new(),
            build_args: Vec::new(),
        }
    }
}

fn has_target(sysroot: &Path) -> bool {
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = library.read_dir() else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().as_encoded_bytes().starts_with(b"libstd-"))
}

fn version(rustc: &Path) -> String {
    let full = process::answer(Command::new(rustc).arg("--version")).unwrap_or_default();
    let short: Vec<&str> = full.split_whitespace().take(2).collect();
    short.join(" ")
}

/// Runs an installer; the error is for the reader of the attempt.
fn run_to_end(command: &mut Command, limit: Duration) -> Result<(), String> {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(OsStr::new("it"))
        .to_string_lossy()
        .into_owned();
    match process::limited(command, limit) {
        Err(error) => Err(format!("{program} cannot be run ({error})")),
        Ok((None, _)) => Err(format!("{program} had not ended after {} s", limit.as_secs())),
        Ok((Some(status), _)) if status.success() => Ok(()),
        Ok((Some(status), text)) => {
            let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
            let last = lines
                .iter()
                .rev()
                .find(|line| line.contains("rror") || line.starts_with("E:"))
                .or(lines.last())
                .unwrap_or(&"without a word");
            Err(format!("{program} failed ({status}): {}", last.trim()))
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
