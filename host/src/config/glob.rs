//! Patterns over model names.
//!
//! In: a text with `*` (any run of characters, `/` included) and `?` (one character). Out: a
//! [`Glob`] that matches whole names. Never: character classes or escapes; no model's name needs them.

use std::fmt;

/// A pattern that a whole name must match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob(String);

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for the person who wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty and would match nothing".to_owned());
        }
        if let Some(bad) = text
            .chars()
            .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '{' | '}'))
        {
            return Err(format!(
                "{bad:?} cannot stand in a pattern; it knows `*` (any text) and `?` (one character)"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `name` matches. Linear in the product of the lengths at worst.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut text) = (self.0.chars(), name.chars());
        // Where to go on after the latest `*` when what follows it does not match here.
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let mut next_pattern = pattern.clone();
            let mut next_text = text.clone();
            match (next_pattern.next(), next_text.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    retry = Some((next_pattern.clone(), text.clone()));
                    pattern = next_pattern;
                    continue;
                }
                (Some(p), Some(t)) if p == '?' || p == t => {
                    pattern = next_pattern;
                    text = next_text;
                    continue;
                }
                _ => {}
            }
            let Some((after_star, from)) = retry.as_mut() else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            pattern = after_star.clone();
            text = from.clone();
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn whole_names_match() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "openai/gpt-5", true),
            ("gpt-*", "gpt-5-mini", true),
            ("gpt-*", "chatgpt-5", false),
            ("*-mini", "gpt-5-mini", true),
            ("*-mini", "gpt-5-mini-2", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyyb", false),
            ("gpt-?", "gpt-5", true),
            ("gpt-?", "gpt-", false),
            ("gpt-?", "gpt-é", true),
            ("claude", "claude", true),
            ("claude", "claude-", false),
            ("**", "x", true),
        ] {
            assert_eq!(
                Glob::new(pattern).unwrap().matches(name),
                expected,
                "{pattern} against {name}"
            );
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for bad in ["", "gpt 5", "gpt-[45]", "{a,b}", "a\tb"] {
            assert!(Glob::new(bad).is_err(), "{bad:?}");
        }
    }
}
