//! What the pages for people say is where they say it is.
//!
//! In: `README.md`, `docs/`, and the README of each plugin, the SDK and the WIT. Out: links that lead nowhere, files
//! and tests that are named and are not there. Never: what a page means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::collect;

/// Where a name in backticks begins that is a path of the checkout.
const ROOTS: [&str; 8] = [
    "host/",
    "sdk/",
    "tests/",
    "plugins/",
    "docs/",
    "wit/",
    ".cargo/",
    "README.md",
];
/// Pages whose last column names the tests that hold a promise.
const PROMISES: [&str; 2] = ["docs/architecture.md", "docs/security.md"];
/// Cells of that column that name a whole crate of tests, in front of its modules.
const SUITES: [&str; 5] = ["architecture", "cloud", "conformance", "reload", "security"];

struct Page {
    /// Below the checkout.
    path: PathBuf,
    /// Without what stands in code blocks.
    text: String,
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the checkout")
}

fn pages() -> Vec<Page> {
    let root = root();
    let mut files = Vec::new();
    collect(&root.join("docs"), &mut files);
    for place in ["README.md", "sdk/README.md", "wit/README.md", "tests/abi/README.md"] {
        files.push(root.join(place));
    }
    for plugin in std::fs::read_dir(root.join("plugins")).expect("plugins").flatten() {
        files.push(plugin.path().join("README.md"));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let page = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let path = file.strip_prefix(&root).expect("it is below").to_owned();
        let text = prose(&text);
        Page { path, text }
    };
    files.into_iter().map(page).collect()
}

/// A page without its code blocks, line by line.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        if code || fence { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between each pair of these.
fn between<'t>(text: &'t str, open: &'t str, close: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(close)?.0))
}

/// What stands in backticks, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A path without its `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

/// A heading as the address of its place in the page.
fn anchor(heading: &str) -> String {
    let text = heading.trim().to_lowercase().replace(' ', "-");
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 25, "{} pages", pages.len());
    let anchors: BTreeMap<&Path, BTreeSet<String>> = pages
        .iter()
        .map(|page| {
            let headings = page.text.lines().filter(|line| line.starts_with('#'));
            let named = headings.map(|line| anchor(line.trim_start_matches('#')));
            (page.path.as_path(), named.collect())
        })
        .collect();
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for page in &pages {
        let dir = page.path.parent().unwrap_or(Path::new(""));
        let links = between(&page.text, "](", ")").filter(|link| !link.contains("://"));
        for link in links {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                plain(&dir.join(file))
            };
            let known = anchors.get(target.as_path());
            if !root().join(&target).exists() {
                wrong.push(format!("{}: {link}", page.path.display()));
            } else if !place.is_empty() && known.is_none_or(|known| !known.contains(place)) {
                wrong.push(format!("{}: {link}: no such heading", page.path.display()));
            }
            followed += 1;
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
    assert!(followed > 100, "only {followed} links were found");
}

#[test]
fn every_plugin_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for plugin in std::fs::read_dir(root().join("plugins")).expect("plugins").flatten() {
        let link = format!("(plugins/{}/README.md)", plugin.file_name().to_string_lossy());
        assert!(readme.contains(&link), "README.md has no link to {link}");
    }
}

#[test]
fn every_path_is_there() {
    let placeholder = |text: &str| text.contains(['*', '<', '{', '…', ' ']) || text.ends_with(".wasm");
    let named_by_users = |text: &str| {
        text.split('/')
            .any(|part| part.contains(char::is_uppercase) && !part.ends_with(".md"))
    };
    let (mut wrong, mut found) = (Vec::new(), 0);
    for page in pages() {
        let paths = quoted(&page.text).filter(|text| ROOTS.iter().any(|root| text.starts_with(root)));
        for text in paths.filter(|text| !placeholder(text) && !named_by_users(text)) {
            if !root().join(text).exists() {
                wrong.push(format!("{}: {text}", page.path.display()));
            }
            found += 1;
        }
    }
    assert!(wrong.is_empty(), "paths that are not there:\n{}", wrong.join("\n"));
    assert!(found > 20, "only {found} paths were found");
}

/// Where each function is that a page could name: files of the checkout by the function's name.
fn functions() -> BTreeMap<String, Vec<String>> {
    let root = root();
    let mut files = Vec::new();
    for place in ["host", "sdk", "plugins", "tests", ".cargo/xtask"] {
        collect(&root.join(place), &mut files);
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source");
        let path = file
            .strip_prefix(&root)
            .expect("it is below")
            .to_string_lossy()
            .into_owned();
        for line in text.lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("async ").unwrap_or(line);
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
            if let Some(name) = name {
                found.entry(name.to_owned()).or_default().push(path.clone());
            }
        }
    }
    found
}

/// Whether a file holds these modules: `tests/cloud/aws/signing.rs` those of `aws::signing`.
fn holds(file: &str, modules: &[&str]) -> bool {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let mut at = 0;
    modules
        .iter()
        .all(|module| match parts.iter().skip(at).position(|part| part == module) {
            Some(found) => {
                at += found + 1;
                true
            }
            // A module in the file that its parent is.
            None => *module == "tests",
        })
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let functions = functions();
    let files: BTreeSet<&str> = functions.values().flatten().map(String::as_str).collect();
    let (mut wrong, mut found) = (Vec::new(), 0);
    for page in pages()
        .iter()
        .filter(|page| PROMISES.iter().any(|name| page.path == Path::new(name)))
    {
        for row in page.text.lines().filter(|line| line.starts_with('|')) {
            let cell = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            for name in quoted(cell).flat_map(|text| text.split_whitespace()) {
                let modules: Vec<&str> = name.split("::").collect();
                let there = match modules.split_last() {
                    Some((&"*", modules)) => files.iter().any(|file| holds(file, modules)),
                    // A sentence, as the names of tests are.
                    Some((last, modules)) if last.matches('_').count() > 1 => {
                        let places = functions.get(*last);
                        places.is_some_and(|places| places.iter().any(|file| holds(file, modules)))
                    }
                    _ if SUITES.contains(&name) => root().join("tests").join(name).is_dir(),
                    _ => continue,
                };
                found += 1;
                if !there {
                    wrong.push(format!("{}: {name}", page.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "tests that are not there:\n{}", wrong.join("\n"));
    assert!(found > 50, "only {found} names were found");
}
