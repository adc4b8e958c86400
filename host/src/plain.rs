//! Text of others on a terminal or in a log.
//!
//! In: what callers, plugins and providers wrote. Out: the same with the characters escaped that could
//! steer a terminal, forge a line, or show a text in another order than it has. Never: a letter changed.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether a character does something instead of showing itself: control characters, separators of
/// lines, and those that change the direction of what follows.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of several lines for people. Line feeds and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

/// A text of several lines in a language of any direction. Only what steers a terminal is escaped.
pub fn prose(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Most bytes of a [`brief`] text.
const BRIEF: usize = 1024;

/// The beginning of a text that may be as long as its author likes, for a line of the log.
pub fn brief(text: &str) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(BRIEF)) {
        Some(head) if head.len() < text.len() => Cow::Owned(format!("{head}… ({} bytes)", text.len())),
        _ => Cow::Borrowed(text),
    }
}

fn escaped(text: &str, wrong: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&wrong) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if wrong(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Writes a record of a log: whatever is in it, a line that begins at the margin begins a record.
pub struct Record<'w, W>(pub &'w mut W);

impl<W: Write> Write for Record<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(steers) {
            let (clear, from) = rest.split_at(at);
            self.0.write_str(clear)?;
            let mut chars = from.chars();
            match chars.next() {
                Some('\n') => self.0.write_str("\n    ")?,
                Some('\t') => self.0.write_char('\t')?,
                Some(c) => write!(self.0, "{}", c.escape_default())?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\r\n2026 ERROR b\u{202e}\u{2028}\u{9b}\té";

    #[test]
    fn what_steers_is_escaped_and_the_rest_stays() {
        assert_eq!(
            lines(HOSTILE),
            "a\\u{1b}[2J\\r\n2026 ERROR b\\u{202e}\\u{2028}\\u{9b}\té"
        );
        assert_eq!(prose("שלום\u{200f} \u{1b}[2J"), "שלום\u{200f} \\u{1b}[2J");
        assert!(matches!(lines("plain\n\tübrig 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_brief_text_is_cut_between_letters() {
        assert_eq!(brief("short"), "short");
        let long = "é".repeat(BRIEF);
        assert_eq!(
            brief(&long),
            format!("{}… ({} bytes)", "é".repeat(BRIEF / 2), 2 * BRIEF)
        );
    }

    #[test]
    fn a_record_of_a_log_keeps_the_margin() {
        let mut out = String::new();
        Record(&mut out).write_str(HOSTILE).unwrap();
        assert_eq!(out, "a\\u{1b}[2J\\r\n    2026 ERROR b\\u{202e}\\u{2028}\\u{9b}\té");
    }
}
