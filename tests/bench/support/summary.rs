//! Figures, and where they are put together.
//!
//! In: what was measured. Out: medians, lines on standard output, and rows in the file that
//! `LLM_HOST_BENCH_SUMMARY` names, from which `cargo xtask bench` makes its table. Never: a mean; a
//! machine that is interrupted once should not change a figure.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use criterion::Criterion;
use serde_json::Value;

/// The variable that names the file of the rows.
pub const VARIABLE: &str = "LLM_HOST_BENCH_SUMMARY";

/// Times of one thing, measured many times.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that a share of them stays below, 0.5 for the median.
    ///
    /// # Panics
    /// When there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).expect("something was measured");
        sorted[(last as f64 * share).round() as usize]
    }

    /// The median.
    ///
    /// # Panics
    /// When there are none.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The longest.
    ///
    /// # Panics
    /// When there are none.
    pub fn longest(&self) -> Duration {
        self.quantile(1.0)
    }
}

/// A time as a person reads it.
pub struct Shown(pub Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_secs_f64() * 1e6;
        match micros {
            ..10.0 => write!(f, "{micros:.2} µs"),
            ..1e3 => write!(f, "{micros:.0} µs"),
            ..1e6 => write!(f, "{:.1} ms", micros / 1e3),
            _ => write!(f, "{:.2} s", micros / 1e6),
        }
    }
}

/// Gives a row to the table.
pub fn row(what: &str, figure: impl fmt::Display) {
    println!("{what}: {figure}");
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| writeln!(file, "{what}\t{figure}"));
    written.unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display()));
}

/// What criterion measured, to be read when it is done.
pub struct Measured {
    directory: PathBuf,
    since: SystemTime,
}

impl Measured {
    /// Criterion as all benchmarks use it, and where its results will be.
    ///
    /// # Panics
    /// When the benchmark is not where cargo puts benchmarks.
    pub fn with_criterion() -> (Criterion, Self) {
        // A benchmark is target/<profile>/deps/<name>-<hash>.
        let own = std::env::current_exe().expect("a benchmark knows its own path");
        let target = own.ancestors().nth(3).expect("a benchmark is in a target directory");
        let directory = target.join("criterion");
        let measured = Self {
            since: SystemTime::now(),
            directory: directory.clone(),
        };
        let criterion = Criterion::default()
            .output_directory(&directory)
            .configure_from_args()
            .without_plots();
        (criterion, measured)
    }

    /// The median of a benchmark, unless a filter has left it out.
    pub fn median(&self, group: &str, name: &str) -> Option<Duration> {
        let path = self.directory.join(group).join(name).join("new").join("estimates.json");
        let fresh = path.metadata().and_then(|data| data.modified()).ok()? >= self.since;
        let estimates: Value = serde_json::from_slice(&std::fs::read(&path).ok().filter(|_| fresh)?).ok()?;
        let nanos = estimates["median"]["point_estimate"].as_f64()?;
        Some(Duration::from_nanos(nanos as u64))
    }
}

/// Whether the command line wants benchmarks whose name has none of criterion's before it: there is
/// no filter, or the name has it in it.
pub fn wanted(name: &str) -> bool {
    let mut filters = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}
