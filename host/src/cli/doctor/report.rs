//! What the steps say, and how it is printed.
//!
//! In: findings, one after the other. Out: a line for each as it comes, for people; one JSON document at
//! the end, for scripts. Never: a finding that failed without saying what to do.

use serde::Serialize;

use crate::cli::output::Output;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Not wrong by itself.
    Note,
    /// Not tried.
    Skipped,
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Failed => "FAILED",
        }
    }
}

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Which step.
    pub(super) step: &'static str,
    /// How it went.
    pub(super) status: Status,
    /// What was found.
    pub(super) detail: String,
    /// What to do: a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(step: &'static str, detail: impl Into<String>) -> Self {
        Self {
            step,
            status: Status::Ok,
            detail: detail.into(),
            fix: None,
        }
    }

    pub(super) fn skipped(step: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            ..Self::ok(step, detail)
        }
    }

    pub(super) fn note(step: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Note,
            fix: Some(fix.into()),
            ..Self::ok(step, detail)
        }
    }

    pub(super) fn failed(step: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            ..Self::note(step, detail, fix)
        }
    }
}

#[derive(Debug, Serialize)]
struct Part {
    /// `host`, or the provider's name.
    subject: String,
    steps: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Document<'r> {
    ok: bool,
    examined: &'r [Part],
}

/// Collects findings and prints them as they come.
pub(super) struct Report {
    output: Output,
    parts: Vec<Part>,
    failed: Vec<String>,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            parts: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// What follows is about this.
    pub(super) fn begin(&mut self, subject: &str) {
        if !self.output.is_json() {
            // A reader that has left is noticed at the first finding.
            let _ = self.output.text(subject);
        }
        self.parts.push(Part {
            subject: subject.to_owned(),
            steps: Vec::new(),
        });
    }

    /// Takes a finding.
    pub(super) fn add(&mut self, finding: Finding) -> anyhow::Result<()> {
        if !self.output.is_json() {
            self.output.text(&line(&finding))?;
        }
        if let Some(part) = self.parts.last_mut() {
            let step = format!("{} {}", part.subject, finding.step);
            if finding.status == Status::Failed && !self.failed.contains(&step) {
                self.failed.push(step);
            }
            part.steps.push(finding);
        }
        Ok(())
    }

    /// Which steps failed, each once.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Whether a step of what is examined now has failed.
    pub(super) fn fails(&self) -> bool {
        let part = self.parts.last();
        part.is_some_and(|part| part.steps.iter().any(|step| step.status == Status::Failed))
    }

    /// Prints the document for scripts.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        if !self.output.is_json() {
            return Ok(());
        }
        let document = Document {
            ok: self.failed.is_empty(),
            examined: &self.parts,
        };
        self.output.show(&document, |_| String::new())
    }
}

/// Status and step in columns; what is longer than a line goes on below.
fn line(finding: &Finding) -> String {
    let mut text = String::new();
    let mut lines = finding.detail.lines();
    let first = format!(
        "  {:<8} {:<10} {}",
        finding.status.word(),
        finding.step,
        lines.next().unwrap_or_default()
    );
    text.push_str(first.trim_end());
    for more in lines {
        text.push_str(&format!("\n{:22}{more}", ""));
    }
    for (index, fix) in finding.fix.iter().flat_map(|fix| fix.lines()).enumerate() {
        let mark = if index == 0 { "->" } else { "  " };
        text.push_str(&format!("\n{:19}{mark} {fix}", ""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_fix_another() {
        for (finding, expected) in [
            (Finding::ok("models", "3"), "  ok       models     3"),
            (Finding::skipped("call", "--no-call"), "  skipped  call       --no-call"),
            (
                Finding::failed(
                    "grant",
                    "slot a is not granted\nnor b",
                    "host grant add a\nhost grant add b",
                ),
                "  FAILED   grant      slot a is not granted\n                      nor b\n                   -> host grant add a\n                      host grant add b",
            ),
        ] {
            assert_eq!(line(&finding), expected);
        }
    }
}
