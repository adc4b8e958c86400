//! `docs/errors.md` and the words for programs that the host gives with a failure.
//!
//! In: the page, and the sources of the host's front and of the plugin runtime. Out: words that stand in
//! one and not in the other. Never: a word of a provider, which nobody here can know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::collect;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file's text without its tests.
fn shipped(path: &Path) -> String {
    let text = read(path);
    text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// The text of a function, up to the one that follows.
fn function<'t>(text: &'t str, name: &str) -> &'t str {
    let start = text
        .find(&format!("fn {name}("))
        .unwrap_or_else(|| panic!("there is no function {name}"));
    let body = &text[start + 3..];
    body.find("fn ").map_or(body, |end| &body[..end])
}

/// String literals that are words for programs.
fn words(text: &str) -> impl Iterator<Item = String> {
    let literals = text.split('"').skip(1).step_by(2);
    let is_word = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    literals.filter(is_word).map(str::to_owned)
}

/// The literal with which a text begins.
fn first_word(text: &str) -> Option<String> {
    let literal = text.trim_start().strip_prefix('"')?;
    words(&format!("\"{}\"", literal.split('"').next()?)).next()
}

/// Every code of the sources.
fn given() -> BTreeSet<String> {
    let sources = root().join("host/src");
    let table = shipped(&sources.join("api/error.rs"));
    let mut codes: BTreeSet<String> = words(function(&table, "of"))
        .chain(words(function(&table, "provider_facts")))
        .collect();
    codes.extend(words(function(&shipped(&sources.join("plugin/error.rs")), "code")));
    let mut files = Vec::new();
    collect(&sources.join("api"), &mut files);
    let is_test = |file: &&PathBuf| {
        let below = file.strip_prefix(&sources).unwrap_or(file);
        below.to_string_lossy().contains("tests")
    };
    for file in files.iter().filter(|file| !is_test(file)) {
        let text = shipped(file);
        for opening in ["code: Some(", "self.error("] {
            codes.extend(text.split(opening).skip(1).filter_map(first_word));
        }
    }
    codes
}

/// The cells of a page's tables, row by row, below the heading of a column.
fn column(page: &str, heading: &str) -> Vec<String> {
    let (mut at, mut inside) = (None, false);
    let mut found = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let first = line.starts_with('|') && !inside;
        inside = line.starts_with('|');
        if first {
            at = cells.iter().position(|cell| *cell == heading);
        } else if let Some(cell) = at.and_then(|at| cells.get(at)).filter(|_| inside) {
            found.push((*cell).to_owned());
        }
    }
    found
}

#[test]
fn the_page_of_errors_has_the_codes_that_the_host_gives() {
    let page = read(&root().join("docs/errors.md"));
    let given = given();
    assert!(given.len() > 40, "{given:?}");
    let listed: BTreeSet<String> = column(&page, "`code`")
        .iter()
        .flat_map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<&String> = given.difference(&listed).collect();
    let invented: Vec<&String> = listed.difference(&given).collect();
    assert!(missing.is_empty(), "docs/errors.md does not list {missing:?}");
    assert!(
        invented.is_empty(),
        "nothing gives {invented:?}, which docs/errors.md lists"
    );
}
