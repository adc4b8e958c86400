//! `host plugin build`: from a crate to a component in the plugins directory.
//!
//! In: a crate. Out: a component that this host can take, or why it cannot. Never: a component that
//! the host would refuse, in the plugins directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use llm_provider_build::cargo::Progress;
use llm_provider_build::component::{self, Source};
use llm_provider_build::toolchain::{Install, Preference, Toolchain};
use serde_json::json;

use crate::cli::Session;
use crate::cli::output::Output;
use crate::plugin::component::{digest, hex};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  host plugin build                          the crate of this directory
  host plugin build ~/my-adapter --install   set up what is missing to build it
  host plugin build . --out /tmp/a.wasm      put it somewhere else")]
pub(in crate::cli) struct Build {
    /// The crate: its directory, or its Cargo.toml
    #[arg(default_value = ".")]
    source: PathBuf,
    /// Where to put the component [default: the plugins directory, named after the crate's directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Run `rustup target add` or `apt-get install` where nothing here builds for WebAssembly
    #[arg(long)]
    install: bool,
}

pub(super) fn build(session: &Session, command: &Build) -> anyhow::Result<()> {
    let manifest = manifest_of(&command.source)?;
    let place = match &command.out {
        Some(out) => out.clone(),
        None => session
            .config()?
            .plugins
            .dir
            .join(format!("{}.wasm", name_of(&manifest)?)),
    };
    let replaces = place.exists();
    let bar = Bar::new(session);
    let install = if command.install {
        Install::Allowed
    } else {
        Install::Never
    };
    let toolchain = Toolchain::find(Preference::Any, install, &mut |step| bar.say(step));
    let toolchain = toolchain.inspect_err(|_| {
        if !command.install {
            session.output.note("--install sets up what is missing");
        }
    })?;
    bar.say(&format!("building with {toolchain}"));
    let built = component::build(&toolchain, &Source::Manifest(manifest), None, &mut |progress| {
        bar.show(progress)
    })?;
    bar.finish();

    let bytes = std::fs::read(&built.path).with_context(|| format!("cannot read {}", built.path.display()))?;
    let report = llm_provider_build::check(&bytes)?;
    if !report.is_plugin() {
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        bail!(
            "{} was built, but is no plugin for this host:\n{}",
            built.package,
            problems.join("\n")
        );
    }
    component::place(&built.path, &place)?;
    let interfaces: Vec<&str> = report.interfaces().collect();
    let digest = hex(&digest(&bytes));
    let value = json!({
        "package": built.package, "file": place, "bytes": bytes.len(), "digest": digest, "interfaces": interfaces,
    });
    session.output.show(&value, |_| {
        let mut text = format!(
            "built {} ({} bytes, exports {})\nsha256 {digest}",
            place.display(),
            bytes.len(),
            interfaces.join(", ")
        );
        if replaces {
            text.push_str("\nits grants, if it had any, wait for `host grant approve`");
        }
        text
    })
}

fn manifest_of(source: &Path) -> anyhow::Result<PathBuf> {
    let manifest = if source.is_dir() {
        source.join("Cargo.toml")
    } else {
        source.to_owned()
    };
    std::fs::canonicalize(&manifest).with_context(|| format!("there is no crate at {}", manifest.display()))
}

fn name_of(manifest: &Path) -> anyhow::Result<String> {
    let dir = manifest.parent().and_then(Path::file_name).and_then(OsStr::to_str);
    Ok(dir
        .context("the crate's directory has no name; say where to put the component with --out")?
        .to_owned())
}

/// The build's progress, on standard error where somebody watches.
struct Bar(ProgressBar, Output);

impl Bar {
    fn new(session: &Session) -> Self {
        let bar = if session.output.is_json() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar, session.output)
    }

    /// A log has no bar: there it is a line.
    fn say(&self, step: &str) {
        self.0.set_message(step.to_owned());
        if self.0.is_hidden() {
            self.1.note(step);
        }
    }

    fn show(&self, progress: Progress<'_>) {
        if let Progress::Units { done, total, current } = progress {
            if self.0.length().is_none() {
                let style = ProgressStyle::with_template("{spinner} [{bar:30}] {pos}/{len} {msg}");
                self.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            self.0.set_length(total as u64);
            self.0.set_position(done as u64);
            self.0.set_message(current.to_owned());
        }
    }

    fn finish(self) {
        self.0.finish_and_clear();
    }
}
