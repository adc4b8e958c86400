//! What the architecture promises of the host's sources, read from the sources themselves.
//!
//! In: `host/src`. Out: the places that break a rule. Never: a rule without its exceptions beside it,
//! each with the reason. What the pages for people promise is in `pages`.

mod codes;
mod pages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules from the bottom to the top: each may use those of lower lines. What stands in one line
/// knows nothing of its neighbours.
const ORDER: [&[&str]; 12] = [
    &["llm", "clock", "plain", "seat"],
    &["error"],
    &["config"],
    &["egress"],
    &["plugin"],
    &["reload"],
    &["context"],
    &["dispatch"],
    &["routing", "auth"],
    &["ledger"],
    &["api", "admin"],
    &["pipeline", "server", "cli"],
];

/// Uses against the order, and why they stand.
const UPWARDS: [(&str, &str, &str); 5] = [
    (
        "reload",
        "auth",
        "a snapshot holds the client keys in the form in which they are compared",
    ),
    (
        "auth",
        "api",
        "who is turned away is told so in the caller's dialect, by the one place that writes errors",
    ),
    (
        "plugin",
        "dispatch",
        "a stream of events is the dispatch's own type, which the leaf of that stack gives",
    ),
    ("admin", "auth", "the comparison of keys in constant time"),
    ("api", "auth", "the caller's identity arrives with the request"),
];

/// Files outside `pipeline.rs` that wrap a service, and why.
const LAYERS: [(&str, &str); 1] = [(
    "admin/mod.rs",
    "the admin routes' own key, which is not part of a stack",
)];

/// Places that may name a provider, and why.
const NAMES: [(&str, &str); 7] = [
    (
        "api/openai",
        "the name of the dialect, which other providers speak as well",
    ),
    ("api/mod.rs", "the dialect's module"),
    ("api/error.rs", "the dialect's name"),
    ("egress/credential", "kinds of credential"),
    (
        "cli/vault",
        "kinds of credential, and the variables that `host vault import` knows",
    ),
    (
        "cli",
        "examples in help texts and in the configuration that `host init` writes",
    ),
    ("config", "examples in the documentation of keys and in messages"),
];

const PROVIDERS: [&str; 16] = [
    "openai",
    "anthropic",
    "claude",
    "gpt-",
    "gemini",
    "vertex",
    "bedrock",
    "azure",
    "mistral",
    "cohere",
    "groq",
    "deepseek",
    "ollama",
    "openrouter",
    "watsonx",
    "perplexity",
];

/// A source file without comments and without its tests.
struct Source {
    /// Below `host/src`.
    path: String,
    lines: Vec<(usize, String)>,
}

impl Source {
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn with<'s>(&'s self, finds: impl Fn(&str) -> bool + 's) -> impl Iterator<Item = String> + 's {
        let found = self.lines.iter().filter(move |(_, line)| finds(line));
        found.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 100, "the host's sources are at {}", root.display());
    files.iter().filter_map(|file| read(&root, file)).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory of sources").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

fn read(root: &Path, file: &Path) -> Option<Source> {
    let path = file
        .strip_prefix(root)
        .expect("it is below")
        .to_str()
        .expect("a name in UTF-8")
        .to_owned();
    if !path.ends_with(".rs")
        || path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "testing.rs"))
    {
        return None;
    }
    let text = std::fs::read_to_string(file).expect("a source");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned()));
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    Some(Source {
        path,
        lines: code.collect(),
    })
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// The names after `crate::` in a line, those in braces too.
fn used(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).flat_map(|rest| {
        let names = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let names = names.map_or_else(|| vec![rest], |names| names.split(',').collect());
        names.into_iter().map(|name| {
            name.trim()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default()
        })
    })
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let mut exceptions = BTreeSet::new();
    for source in sources()
        .iter()
        .filter(|source| !matches!(source.module(), "lib" | "main"))
    {
        let module = source.module();
        let own = rank(module).unwrap_or_else(|| panic!("`{module}` has no place in the order"));
        for (number, line) in &source.lines {
            for other in used(line).filter(|other| *other != module) {
                let Some(place) = rank(other) else { continue };
                if UPWARDS.iter().any(|(from, to, _)| (*from, *to) == (module, other)) {
                    exceptions.insert((module.to_owned(), other.to_owned()));
                } else if place >= own && own != ORDER.len() - 1 {
                    wrong.push(format!("{}:{number} uses `{other}`", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of modules:\n{}", wrong.join("\n"));
    for (from, to, _) in UPWARDS {
        assert!(
            exceptions.contains(&(from.to_owned(), to.to_owned())),
            "`{from}` no longer uses `{to}`: strike it out"
        );
    }
}

#[test]
fn only_credentials_and_their_commands_know_the_vault() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.starts_with("egress/credential") && !source.path.starts_with("cli/vault"))
        .flat_map(|source| source.with(|line| line.contains("llm_host_vault")).collect::<Vec<_>>())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_plugin_runtime_knows_the_sandbox() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| !matches!(source.module(), "plugin" | "llm"))
        .flat_map(|source| {
            source
                .with(|line| line.contains("wasmtime::") || line.contains("wasmtime_wasi"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_host_knows_no_provider() {
    let names = |line: &str| PROVIDERS.iter().any(|name| line.to_ascii_lowercase().contains(name));
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| !NAMES.iter().any(|(place, _)| source.path.starts_with(place)))
        .flat_map(|source| source.with(names).collect::<Vec<_>>())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_pipeline_orders_layers() {
    let wraps = |line: &str| line.contains("ServiceBuilder") || line.contains(".layer(");
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| source.path != "pipeline.rs" && !LAYERS.iter().any(|(file, _)| source.path == *file))
        .flat_map(|source| source.with(wraps).collect::<Vec<_>>())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let reads = |line: &str| {
        ["env::var", "env::remove_var", "env::set_var", "use std::env"].iter().any(|use_| line.contains(use_))
            // Clap reads a variable where an argument has this attribute.
            || line.contains("#[arg(") && line.contains("env")
    };
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| source.path != "config/env.rs")
        .flat_map(|source| source.with(reads).collect::<Vec<_>>())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_in_the_host_is_unsafe() {
    let wrong: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            source
                .with(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code)"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
