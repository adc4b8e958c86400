//! What the person at the terminal sees while things are built.
//!
//! In: steps and cargo's progress. Out: a bar where standard error is a terminal, plain lines where
//! it is not (a log of CI). Never: writes to standard output, which belongs to what was asked for.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use llm_provider_build::cargo::Progress;

/// Where progress goes.
pub(crate) struct Console {
    terminal: bool,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Says one thing.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("xtask: {text}");
    }

    /// Begins something that takes time.
    pub(crate) fn step(&self, label: impl Into<String>) -> Step {
        let label = label.into();
        let bar = if self.terminal {
            // The template is our own text; a mistake in it costs its looks, not the build.
            let style = ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {pos}/{len} {wide_msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let bar = ProgressBar::new(0).with_style(style).with_prefix(label.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            Some(bar)
        } else {
            eprintln!("xtask: {label}");
            None
        };
        Step {
            label,
            bar,
            begun: Instant::now(),
        }
    }
}

/// Something that takes time.
pub(crate) struct Step {
    label: String,
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Step {
    /// Shows how far cargo is.
    pub(crate) fn progress(&self, progress: Progress<'_>) {
        match (&self.bar, progress) {
            (Some(bar), Progress::Units { done, total, current }) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
                bar.set_message(current.to_owned());
            }
            (Some(bar), Progress::Downloads { left }) => {
                bar.set_message(format!("downloading, {left} packages left"));
            }
            // The bar says what is compiled; what is left to say are warnings and errors.
            (Some(bar), Progress::Line(line)) if !is_status(line) => bar.println(line),
            (None, Progress::Line(line)) => eprintln!("{line}"),
            _ => {}
        }
    }

    /// Ends well.
    pub(crate) fn done(self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        eprintln!("xtask: {}: {outcome} ({seconds:.1} s)", self.label);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a line is cargo telling its steps: a verb, right-aligned in twelve columns.
fn is_status(line: &str) -> bool {
    let plain = line.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    [
        "Compiling",
        "Checking",
        "Finished",
        "Downloaded",
        "Downloading",
        "Updating",
        "Locking",
        "Adding",
        "Blocking",
        "Building",
        "Fresh",
        "Running",
        "Executable",
    ]
    .iter()
    .any(|verb| plain.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_steps_are_told_from_diagnostics() {
        for line in [
            "   Compiling serde v1.0.0",
            "    Finished `release` profile",
            "  Downloaded x",
        ] {
            assert!(is_status(line), "{line}");
        }
        for line in [
            "error[E0308]: mismatched types",
            "warning: unused",
            "  --> src/lib.rs:1:1",
        ] {
            assert!(!is_status(line), "{line}");
        }
    }
}
