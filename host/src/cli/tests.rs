//! That the command line is what its own help, and other parts of the host, say it is.

use std::sync::Arc;

use clap::CommandFactory as _;

use super::*;
use crate::egress::{Holder, remedy, target};

/// Splits a line as a shell would, as far as examples go: blanks, and single or double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(characters.next()),
            (' ', None) => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The commands of `host` in an example: without its remark, and without what a shell does around it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim();
    let code = line
        .split("   ")
        .next()
        .unwrap_or(line)
        .split("  ")
        .next()
        .unwrap_or(line);
    let parts = code.split(" && ").flat_map(|part| part.split(" | "));
    let parts = parts.map(|part| {
        part.split(" < ")
            .next()
            .unwrap_or(part)
            .split(" > ")
            .next()
            .unwrap_or(part)
    });
    parts.filter(|part| part.starts_with("host ")).map(words).collect()
}

fn examples(command: &clap::Command, found: &mut Vec<Vec<String>>) {
    for help in [command.get_after_help(), command.get_after_long_help()]
        .into_iter()
        .flatten()
    {
        found.extend(help.to_string().lines().flat_map(commands));
    }
    command.get_subcommands().for_each(|sub| examples(sub, found));
}

fn texts(command: &clap::Command, found: &mut Vec<String>) {
    found.extend(command.get_after_help().map(ToString::to_string));
    command.get_subcommands().for_each(|sub| texts(sub, found));
}

/// A terminal is narrower than a source line: a sentence that was broken by hand is broken twice there.
#[test]
fn sentences_of_the_help_are_wrapped_by_the_terminal_alone() {
    let mut found = Vec::new();
    texts(&Cli::command(), &mut found);
    let prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
    for text in found {
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let [first, second] = pair else { continue };
            assert!(!prose(first) || second.is_empty(), "{first:?} goes on with {second:?}");
        }
    }
}

#[test]
fn every_example_of_the_help_is_accepted() {
    let mut found = Vec::new();
    examples(&Cli::command(), &mut found);
    assert!(found.len() > 30, "{found:?}");
    for words in found {
        // A command that no build of this version has would be found out here as well.
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{words:?}\n{error}");
        }
    }
}

/// The commands in the code blocks and in the text of a page.
fn commands_of_page(text: &str) -> Vec<Vec<String>> {
    // The language of the block that a line is in.
    let mut block: Option<String> = None;
    let mut found = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        match (line.trim_start().strip_prefix("```"), &block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language.trim().to_owned()),
            (None, Some(language)) if ["", "sh", "bash", "console"].contains(&language.as_str()) => {
                let line = line.split(" # ").next().unwrap_or(line);
                found.extend(commands(line.trim_start_matches("$ ")));
            }
            (None, Some(_)) => {}
            // In a sentence or a table: a command with its arguments, not a mention of one.
            (None, None) => {
                let quoted = line.split('`').skip(1).step_by(2);
                let whole = |text: &&str| text.split_whitespace().count() > 4 && !text.contains('…');
                found.extend(quoted.filter(whole).flat_map(commands));
            }
        }
    }
    found
}

#[test]
fn every_command_of_the_documentation_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let plugins = std::fs::read_dir(root.join("plugins")).unwrap();
    pages.extend(plugins.map(|plugin| plugin.unwrap().path().join("README.md")));
    pages.extend(["README.md", "sdk/README.md"].map(|page| root.join(page)));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    let mut tried = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        for words in commands_of_page(&text) {
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {words:?}\n{error}", page.display());
            }
            tried += 1;
        }
    }
    assert!(tried > 75, "only {tried} commands were found");
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn what_a_refusal_tells_to_run_is_accepted() {
    let holder = Holder {
        plugin: Arc::from("demo"),
        provider: Arc::from("work"),
        digest: [0; 32],
        signer: None,
    };
    let target = target::parse("POST", "https://api.example.com/v1/it's").unwrap();
    let wanted = remedy::Wanted {
        holder: &holder,
        slot: Some("api-key"),
        credential: Some("team/key"),
        origin: &target.origin,
    };
    let bare = remedy::Wanted {
        slot: None,
        credential: None,
        ..wanted
    };
    for line in [
        remedy::grant_slot(&holder, "api-key"),
        remedy::grant_origin(wanted),
        remedy::grant_origin(bare),
        remedy::grant_private(bare),
        remedy::grant_method(wanted, &target.method),
        remedy::grant_path(bare, target.url.path()),
        remedy::approve("g-123"),
        remedy::credential_host("openai/team", &target.origin),
    ] {
        if let Err(error) = Cli::try_parse_from(words(&line)) {
            panic!("{line}\n{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_replaced_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("host.toml"), dir.path().join("link.toml"));
    replace_file(&file, "one").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    replace_file(&link, "two").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
    assert!(link.is_symlink());
    // What cannot be put in place leaves nothing behind.
    let taken = dir.path().join("directory");
    std::fs::create_dir_all(taken.join("full")).unwrap();
    assert!(replace_file(&taken, "three").is_err());
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 3);
}
