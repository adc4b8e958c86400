//! What a case may say.
//!
//! In every text `{dir}` stands for the case's directory, `{port}` for a port that nobody uses, and `{name}` for what an earlier step kept
//! under that name. In texts to compare with, `[..]` stands for any text within a line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// One story.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, for the reader.
    #[serde(rename = "about")]
    _about: String,
    /// Files to begin with.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// Plugins of this checkout, put into `plugins/`.
    #[serde(default)]
    pub(crate) plugins: Vec<String>,
    /// Texts that no command may print or be given as an argument, and that no file may hold in the end.
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// One command, or one change of files.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// The command, beginning with `host`; single quotes keep blanks together.
    pub(crate) run: Option<String>,
    /// Instead of a command: starts `host run`, which then runs until the case ends.
    pub(crate) serve: bool,
    /// What it reads.
    pub(crate) stdin: String,
    /// Its environment, beside `HOME`.
    pub(crate) env: BTreeMap<String, String>,
    /// Its exit code.
    pub(crate) code: i32,
    /// All that it prints on standard output.
    pub(crate) prints: Option<String>,
    /// All that it prints on standard error.
    pub(crate) complains: Option<String>,
    /// Lines or parts of lines on standard output.
    pub(crate) stdout: Vec<String>,
    /// Lines or parts of lines on standard error.
    pub(crate) stderr: Vec<String>,
    /// What neither output has.
    pub(crate) lacks: Vec<String>,
    /// Values in standard output as JSON, by pointer.
    pub(crate) json: BTreeMap<String, toml::Value>,
    /// Texts in standard output as JSON that later steps use, by name.
    pub(crate) keep: BTreeMap<String, String>,
    /// Files to write, by path.
    pub(crate) write: BTreeMap<String, String>,
    /// Files to copy, to a path from a path.
    pub(crate) copy: BTreeMap<String, String>,
    /// A component to give other bytes, and the same behaviour.
    pub(crate) alter: Option<String>,
    /// Files that are there afterwards.
    pub(crate) exists: Vec<String>,
}

impl Case {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        toml::from_str(&text).context("the case itself is not right")
    }
}
