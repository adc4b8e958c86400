//! The directory a case happens in, and the commands that run there.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use llm_host_tests::built;
use serde_json::Value;
use tempfile::TempDir;

use crate::case::{Case, Step};
use crate::served::Served;

pub(crate) struct Sandbox {
    dir: TempDir,
    kept: BTreeMap<String, String>,
    secrets: Vec<String>,
    served: Option<Served>,
}

impl Sandbox {
    pub(crate) fn new(case: &Case) -> Result<Self> {
        let dir = TempDir::new()?;
        let shown = dir.path().canonicalize()?.display().to_string();
        let sandbox = Self {
            dir,
            kept: BTreeMap::from([("dir".to_owned(), shown), ("port".to_owned(), free_port()?.to_string())]),
            secrets: case.secrets.clone(),
            served: None,
        };
        for (path, text) in &case.files {
            sandbox.write(path, text)?;
        }
        for name in &case.plugins {
            let place = sandbox.dir.path().join("plugins").join(format!("{name}.wasm"));
            std::fs::create_dir_all(place.parent().context("plugins")?)?;
            std::fs::copy(built::plugin(name)?, place)?;
        }
        Ok(sandbox)
    }

    pub(crate) fn step(&mut self, step: &Step) -> Result<()> {
        for (path, text) in &step.write {
            self.write(path, text)?;
        }
        for (to, from) in &step.copy {
            std::fs::copy(self.dir.path().join(from), self.dir.path().join(to))?;
        }
        if let Some(path) = &step.alter {
            alter(&self.dir.path().join(path))?;
        }
        if step.serve {
            let mut command = self.command(step)?;
            self.served = Some(Served::start(command.arg("run"))?);
        }
        if let Some(line) = &step.run {
            let words = words(&self.filled(line)?)?;
            let output = self.run(&words, step)?;
            self.compare(&output, step).with_context(|| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!(
                    "it printed\n{}and complained\n{}",
                    text(&output.stdout),
                    text(&output.stderr)
                )
            })?;
        }
        for path in &step.exists {
            ensure!(self.dir.path().join(path).exists(), "{path} is not there");
        }
        Ok(())
    }

    fn run(&self, words: &[String], step: &Step) -> Result<Output> {
        let (program, arguments) = words.split_first().context("an empty command")?;
        ensure!(program == "host", "a command begins with `host`");
        for secret in &self.secrets {
            ensure!(
                !arguments.iter().any(|word| word.contains(secret)),
                "{secret} is an argument"
            );
        }
        let mut child = self
            .command(step)?
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let input = self.filled(&step.stdin)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read may have ended already.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    /// The program in the case's directory, with nothing in its environment but what the step says.
    fn command(&self, step: &Step) -> Result<Command> {
        let mut command = Command::new(built::host()?);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path());
        for (name, value) in &step.env {
            command.env(name, self.filled(value)?);
        }
        Ok(command)
    }

    fn compare(&mut self, output: &Output, step: &Step) -> Result<()> {
        ensure!(
            output.status.code() == Some(step.code),
            "{}, not exit code {}",
            output.status,
            step.code
        );
        let stdout = std::str::from_utf8(&output.stdout)?;
        let stderr = std::str::from_utf8(&output.stderr)?;
        for (whole, printed, name) in [(&step.prints, stdout, "stdout"), (&step.complains, stderr, "stderr")] {
            if let Some(whole) = whole {
                self.same(whole, printed)
                    .with_context(|| format!("{name} is not what it must be"))?;
            }
        }
        for (parts, printed, name) in [(&step.stdout, stdout, "stdout"), (&step.stderr, stderr, "stderr")] {
            for part in parts {
                let pattern = format!("[..]{}[..]", self.filled(part)?);
                ensure!(
                    printed.lines().any(|line| fits(&pattern, line)),
                    "{name} has no {part:?}"
                );
            }
        }
        for absent in step.lacks.iter().chain(&self.secrets) {
            let absent = self.filled(absent)?;
            ensure!(
                !stdout.contains(&absent) && !stderr.contains(&absent),
                "{absent:?} was printed"
            );
        }
        if step.json.is_empty() && step.keep.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(stdout).context("stdout is not JSON")?;
        let at = |pointer: &str| {
            value
                .pointer(pointer)
                .with_context(|| format!("the JSON has no {pointer}"))
        };
        for (pointer, expected) in &step.json {
            let (expected, found) = (serde_json::to_value(expected)?, at(pointer)?);
            let same = match (&expected, found) {
                (Value::String(expected), Value::String(found)) => fits(&self.filled(expected)?, found),
                (expected, found) => expected == found,
            };
            ensure!(same, "{pointer} is {found}, not {expected}");
        }
        for (name, pointer) in &step.keep {
            let text = at(pointer)?
                .as_str()
                .with_context(|| format!("{pointer} is not a text"))?;
            self.kept.insert(name.clone(), text.to_owned());
        }
        Ok(())
    }

    fn same(&self, expected: &str, printed: &str) -> Result<()> {
        let expected = self.filled(expected)?;
        let (expected, printed): (Vec<_>, Vec<_>) = (
            expected.trim_end().lines().collect(),
            printed.trim_end().lines().collect(),
        );
        for (index, line) in expected.iter().enumerate() {
            let found = printed.get(index).copied().unwrap_or("(nothing)");
            ensure!(
                fits(line, found),
                "line {}: expected\n{line}\nand found\n{found}",
                index + 1
            );
        }
        ensure!(
            expected.len() == printed.len(),
            "{} lines more",
            printed.len() - expected.len()
        );
        Ok(())
    }

    fn filled(&self, text: &str) -> Result<String> {
        let mut filled = text.to_owned();
        for (name, value) in &self.kept {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        Ok(filled)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.dir.path().join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(std::fs::write(path, self.filled(text)?)?)
    }

    /// Ends the running host, if there is one. Neither its log nor any file may hold a secret.
    pub(crate) fn finish(mut self) -> Result<()> {
        let log = self.served.take().map(Served::stop).transpose()?.unwrap_or_default();
        for secret in &self.secrets {
            ensure!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
        self.search_for_secrets()
    }

    fn search_for_secrets(&self) -> Result<()> {
        fn search(dir: &Path, secrets: &[String]) -> Result<()> {
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    search(&entry.path(), secrets)?;
                    continue;
                }
                let bytes = std::fs::read(entry.path())?;
                for secret in secrets {
                    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                    ensure!(!found, "{secret} is in {}", entry.path().display());
                }
            }
            Ok(())
        }
        search(self.dir.path(), &self.secrets)
    }
}

/// A port that nobody listened on a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether a line is what a pattern says, `[..]` standing for any text.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.split_once("[..]") {
        None => pattern == line,
        Some((head, rest)) => line.strip_prefix(head).is_some_and(|line| {
            let mut starts = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
            starts.any(|at| fits(rest, &line[at..]))
        }),
    }
}

fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    if line.matches('\'').count() % 2 == 1 {
        bail!("an open quote in {line}");
    }
    Ok(words)
}

/// Adds a custom section to a component (binary format of components: section id 0, size, name, bytes).
fn alter(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    let note = b"\x04noteanother build";
    bytes.extend([0, u8::try_from(note.len())?]);
    bytes.extend(note);
    Ok(std::fs::write(path, bytes)?)
}

#[test]
fn patterns_fit_as_they_should() {
    for (pattern, line, expected) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a[..]c", "abbc", true),
        ("a[..]c", "ac", true),
        ("a[..]c[..]e", "abcde", true),
        ("[..]", "", true),
        ("[..]x", "é", false),
    ] {
        assert_eq!(fits(pattern, line), expected, "{pattern} and {line}");
    }
}
