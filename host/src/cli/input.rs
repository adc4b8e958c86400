//! What a command asks for.
//!
//! In: standard input, or the terminal. Out: secrets and decisions. Never: a secret that is echoed,
//! and no decision that nobody made.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use crate::config::Passphrase;

/// Larger input is not a credential.
const LONGEST: u64 = 1 << 20;

/// Whether somebody sits at standard input.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// A secret: typed without echo, or all of standard input without the line's end.
pub(super) fn secret(what: &str) -> anyhow::Result<Passphrase> {
    let text = if is_interactive() { typed(what)? } else { piped(what)? };
    if text.is_empty() {
        bail!("{what} is empty; nothing was changed");
    }
    Ok(Passphrase::new(text.as_str().to_owned()))
}

/// A secret that may be left out, by typing nothing. Only where somebody sits at a terminal.
pub(super) fn optional_secret(what: &str) -> anyhow::Result<Option<Passphrase>> {
    let text = typed(what)?;
    Ok((!text.is_empty()).then(|| Passphrase::new(text.as_str().to_owned())))
}

/// A new passphrase: typed twice without echo. Never from standard input, where a credential may wait.
pub(super) fn new_passphrase(what: &str) -> anyhow::Result<Passphrase> {
    let first = typed(&format!("new {what}"))?;
    let second = typed(&format!("new {what}, again"))?;
    if first != second {
        bail!("the two are not the same; nothing was changed");
    }
    if first.is_empty() {
        bail!("an empty {what} protects nothing; nothing was changed");
    }
    Ok(Passphrase::new(first.as_str().to_owned()))
}

/// A passphrase that exists: typed without echo.
pub(super) fn passphrase(what: &str) -> anyhow::Result<Passphrase> {
    Ok(Passphrase::new(typed(what)?.as_str().to_owned()))
}

fn typed(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let read = rpassword::prompt_password(format!("{what}: "));
    Ok(Zeroizing::new(read.with_context(|| {
        format!("cannot ask for {what}: there is no terminal")
    })?))
}

/// All of standard input, without the line's end.
pub(super) fn piped(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut input = io::stdin().lock().take(LONGEST + 1);
    input
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {what} from standard input"))?;
    if text.len() as u64 > LONGEST {
        bail!("{what} on standard input is longer than {LONGEST} bytes");
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}

/// Asks for a yes. Without a terminal, `--yes` has to have been given.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !is_interactive() {
        bail!("{question} Nobody is here to say so; add --yes");
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
