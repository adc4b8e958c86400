//! `docs/configuration.md`, written from the table of keys.
//!
//! In: [`super::keys`] and the list of variables. Out: Markdown. Never: a fact that stands nowhere
//! else; prose here only says how to read the tables.

use std::fmt::Write as _;

use super::env::OTHERS;
use super::keys::{Default, Key, SECTIONS, Section};

const HEAD: &str = "\
# Configuration

<!-- Written by `host config docs`; change `host/src/config/keys.rs` instead. -->

The host reads one TOML file: the one of `--config FILE`, else the one `LLM_HOST_CONFIG` names, else `host.toml` in
the working directory, else `llm-host/host.toml` in the user's configuration directory. `host init --dir DIR` writes
one to start from. `host config check` says everything that is wrong with a file, with line and remedy;
`host config show` prints what it means, with every default and override.

A running host takes a changed file over when it is saved, on `SIGHUP` and on `host reload`. A file with an error
changes nothing: the host goes on with the one before and `host status` says why.

- A **duration** is a number and a unit, `ms`, `s`, `min`, `h` or `d`, or several: `\"1h30min\"`.
- A **size** is a number and a unit, `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB` or `GB`, or a number of bytes: `\"32MiB\"`.
- A **path** that is relative starts at the directory of the configuration file.
- A **pattern** matches a whole name; `*` is any text and `?` one character.
- No value is a secret. Credentials are in the vault; of a key the file holds the SHA-256.

";

const VARIABLES: &str = "\
## Environment

A key in a section there is one of can be overridden by a variable, which the tables above name: `server.listen` by
`LLM_HOST_SERVER_LISTEN`. Lists are written with commas. Relative paths start at the directory of the configuration
file, too. A variable that begins with `LLM_HOST_` and is not known has no effect and is reported as a warning.

These are beside them:

| variable | |
|---|---|
";

/// The whole document.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "{}", section_text(section));
    }
    page.push_str(VARIABLES);
    for (name, doc) in OTHERS {
        let _ = writeln!(page, "| `{name}` | {doc} |");
    }
    page
}

fn section_text(section: &Section) -> String {
    let title = match section.path {
        "" => "Top of the file".to_owned(),
        path if path.ends_with("[]") => format!("`[[{}]]`", path.trim_end_matches("[]")),
        path => format!("`[{}]`", path.replace('*', "NAME")),
    };
    let mut text = format!("## {title}\n\n{}\n\n", section.doc);
    if section.path == "providers.*.limits" {
        text.push_str("The keys are those of `[limits]`, and what is absent is as it stands there.\n\n");
        return text;
    }
    let overridable = section.keys.iter().any(|key| section.variable(key).is_some());
    text.push_str(if overridable {
        "| key | type | default | variable | |\n|---|---|---|---|---|\n"
    } else {
        "| key | type | default | |\n|---|---|---|---|\n"
    });
    for key in section.keys {
        let variable = match section.variable(key) {
            Some(name) => format!(" `{name}` |"),
            None if overridable => " |".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |{variable} {} |",
            key.name,
            key.form,
            default(key),
            key.doc
        );
    }
    text.push('\n');
    text
}

fn default(key: &Key) -> String {
    match key.default {
        Default::Required => "required".to_owned(),
        Default::Unset(otherwise) => otherwise.to_owned(),
        Default::Is("") => "`[]`".to_owned(),
        Default::Is(value) if matches!(key.form, "count" | "boolean") => format!("`{value}`"),
        Default::Is(value) => format!("`\"{value}\"`"),
    }
}
