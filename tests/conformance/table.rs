//! What became of each case.
//!
//! In: outcomes. Out: a table on standard output, past the capture of a test that passes. Never: a
//! case that is not in it.

use std::io::Write as _;

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All these checks held.
    Passed(Vec<String>),
    /// It was not tried, for this reason.
    Skipped(&'static str),
    /// This was different from what it should be.
    Failed(String),
}

/// All outcomes, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, Outcome)>,
}

impl Table {
    /// Takes an outcome down.
    pub(crate) fn add(&mut self, name: &str, outcome: Outcome) {
        self.rows.push((name.to_owned(), outcome));
    }

    /// Writes the table.
    pub(crate) fn write(&self) {
        let mut text = String::new();
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut counts = [0; 3];
        for (name, outcome) in &self.rows {
            let (at, word, more) = match outcome {
                Outcome::Passed(checks) => (0, "pass", checks.join(", ")),
                Outcome::Skipped(reason) => (1, "skip", (*reason).to_owned()),
                Outcome::Failed(reason) => (2, "FAIL", reason.lines().next().unwrap_or_default().to_owned()),
            };
            counts[at] += 1;
            text.push_str(&format!("{name:width$}  {word}  {more}\n"));
        }
        let [passed, skipped, failed] = counts;
        text.push_str(&format!("{passed} passed, {skipped} skipped, {failed} failed\n"));
        // Not `println!`: the table is to be seen when all is well, too.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    /// What failed, with reasons.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.rows.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Failed(reason) => Some(format!("{name}: {reason}")),
            _ => None,
        });
        failed.collect()
    }
}
