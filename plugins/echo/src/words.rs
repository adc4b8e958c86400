//! Words, which are this provider's tokens.
//!
//! In: text. Out: its words, counted or cut. Never: a change to the text between the cuts.

/// How many words a text has.
pub(crate) fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The text in pieces of one word each, the space before a word with it. Together they are the text.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.len() - rest.trim_start().len();
        let end = rest
            .get(word..)
            .and_then(|tail| tail.find(char::is_whitespace))
            .map_or(rest.len(), |length| word + length);
        let (piece, tail) = rest.split_at(end);
        // Space at the end belongs to the last word.
        if tail.trim_start().is_empty() {
            pieces.push(rest);
            break;
        }
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// The first words of a text, and whether there are more.
pub(crate) fn first(text: &str, limit: u64) -> (&str, bool) {
    if count(text) <= limit {
        return (text, false);
    }
    let kept = pieces(text)
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|p| p.len())
        .sum();
    (text.get(..kept).unwrap_or(text), true)
}

/// The text before the first of the stop texts.
pub(crate) fn before_stop<'t>(text: &'t str, stops: &[String]) -> &'t str {
    let end = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()))
        .min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        for (text, want) in [
            ("", &[][..]),
            ("one", &["one"]),
            ("one two", &["one", " two"]),
            ("  one\n\ntwo  ", &["  one", "\n\ntwo  "]),
            ("é 😀 ü", &["é", " 😀", " ü"]),
            (" \n", &[" \n"]),
        ] {
            assert_eq!(pieces(text), want);
            assert_eq!(pieces(text).concat(), text);
        }
    }

    #[test]
    fn a_limit_cuts_between_words() {
        for (limit, want) in [
            (0, ("", true)),
            (1, ("a", true)),
            (2, ("a  b", true)),
            (3, ("a  b c ", false)),
        ] {
            assert_eq!(first("a  b c ", limit), want);
        }
    }

    #[test]
    fn the_first_stop_text_counts() {
        let stops = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(before_stop("one two three", &stops(&["three", "two"])), "one ");
        assert_eq!(before_stop("one", &stops(&["", "x"])), "one");
    }
}
