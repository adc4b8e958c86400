//! Looking for many texts in one pass.
//!
//! In: texts of at least [`WINDOW`] bytes, and bytes. Out: whether one of the texts is in the bytes,
//! or from where on the end of the bytes may be the beginning of one. Never: a copy of a text that is
//! not overwritten when it is dropped, which is why no general search library is used.
//!
//! This is the shift-or algorithm over the first bytes of each text. A text belongs to one of eight
//! buckets. `state` has a byte for each position, and in it a bit for each bucket: the bit is 0
//! while the bytes just read are what some text of the bucket has up to that position. One shift,
//! one table and one or for each byte; a text that comes through is then compared in full.

use zeroize::Zeroizing;

/// How many bytes at the beginning of a text the table covers; one byte of `state` each.
pub(super) const WINDOW: usize = 8;
const BUCKETS: usize = 8;
/// A position that no bucket has reached.
const NONE: u64 = 0xff;

/// Texts to look for.
pub(super) struct Search {
    texts: Vec<Zeroizing<Vec<u8>>>,
    /// For each byte, a 0 at each position and bucket that has it. Empty when there is no text.
    table: Zeroizing<Vec<u64>>,
    shortest: usize,
    longest: usize,
}

/// What is in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One of the texts.
    Found,
    /// None of them. From this index on, the bytes may be the beginning of one.
    Clear(usize),
}

impl Search {
    /// Prepares to look for texts. One that is shorter than [`WINDOW`] is left out.
    pub(super) fn new(texts: Vec<Zeroizing<Vec<u8>>>) -> Self {
        let mut texts = texts;
        texts.retain(|text| text.len() >= WINDOW);
        let entries = if texts.is_empty() { 0 } else { 256 };
        let mut table = Zeroizing::new(vec![u64::MAX; entries]);
        for (index, text) in texts.iter().enumerate() {
            let bucket = index % BUCKETS;
            for (position, byte) in text.iter().take(WINDOW).enumerate() {
                if let Some(entry) = table.get_mut(usize::from(*byte)) {
                    *entry &= !(1 << (position * 8 + bucket));
                }
            }
        }
        let lengths = || texts.iter().map(|text| text.len());
        let (shortest, longest) = (lengths().min().unwrap_or(usize::MAX), lengths().max().unwrap_or(0));
        Self {
            texts,
            table,
            shortest,
            longest,
        }
    }

    /// The texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|text| text.as_slice())
    }

    /// Length of the shortest text; beyond any length when there is none.
    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    /// Length of the longest text.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Looks.
    pub(super) fn run(&self, bytes: &[u8]) -> Verdict {
        let mut state = u64::MAX;
        let mut begun = None;
        for (index, byte) in bytes.iter().enumerate() {
            let entry = self.table.get(usize::from(*byte)).copied().unwrap_or(u64::MAX);
            state = (state << 8) | entry;
            if at(state, WINDOW - 1) == NONE {
                continue;
            }
            let from = (index + 1).saturating_sub(WINDOW);
            match self.compare(bytes.get(from..).unwrap_or_default()) {
                Some(Verdict::Found) => return Verdict::Found,
                Some(Verdict::Clear(_)) => begun = begun.or(Some(from)),
                None => {}
            }
        }
        Verdict::Clear(begun.unwrap_or_else(|| self.begun_at_end(bytes, state)))
    }

    /// Whether a text starts here, or may start here and go on after the end.
    fn compare(&self, rest: &[u8]) -> Option<Verdict> {
        let mut verdict = None;
        for text in self.texts() {
            if rest.starts_with(text) {
                return Some(Verdict::Found);
            }
            if text.starts_with(rest) {
                verdict = Some(Verdict::Clear(0));
            }
        }
        verdict
    }

    /// From where on fewer than [`WINDOW`] bytes at the end are the beginning of a text.
    fn begun_at_end(&self, bytes: &[u8], state: u64) -> usize {
        let begun = (1..WINDOW)
            .rev()
            .filter(|length| at(state, length - 1) != NONE)
            .find_map(|length| {
                let from = bytes.len().checked_sub(length)?;
                let end = bytes.get(from..)?;
                self.texts().any(|text| text.starts_with(end)).then_some(from)
            });
        begun.unwrap_or(bytes.len())
    }
}

/// The buckets' bits at a position.
fn at(state: u64, position: usize) -> u64 {
    (state >> (position * 8)) & NONE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(texts: &[&[u8]]) -> Search {
        Search::new(texts.iter().map(|text| Zeroizing::new(text.to_vec())).collect())
    }

    /// The same, by trying everything.
    fn plainly(texts: &[&[u8]], bytes: &[u8]) -> Verdict {
        for from in 0..bytes.len() {
            if texts.iter().any(|text| bytes[from..].starts_with(text)) {
                return Verdict::Found;
            }
        }
        let begun = (0..bytes.len()).find(|from| texts.iter().any(|text| text.starts_with(&bytes[*from..])));
        Verdict::Clear(begun.unwrap_or(bytes.len()))
    }

    #[test]
    fn texts_are_found_and_beginnings_are_told() {
        let one = search(&[b"abcdefghij"]);
        for (bytes, verdict) in [
            ("", Verdict::Clear(0)),
            ("xyz", Verdict::Clear(3)),
            ("xabcdefghijx", Verdict::Found),
            ("abcdefghij", Verdict::Found),
            ("xxabcdefghi", Verdict::Clear(2)),
            ("xxabcdefghix", Verdict::Clear(12)),
            ("xxabc", Verdict::Clear(2)),
            ("xxa", Verdict::Clear(2)),
            ("abcdefghabcdefgh", Verdict::Clear(8)),
        ] {
            assert_eq!(one.run(bytes.as_bytes()), verdict, "{bytes}");
        }
        assert_eq!(search(&[]).run(b"anything"), Verdict::Clear(8));
    }

    proptest! {
        /// More texts than buckets, over few letters, so that beginnings overlap all the time.
        #[test]
        fn it_agrees_with_trying_everything(
            texts in prop::collection::vec("[ab]{8,14}", 0..12),
            bytes in "[abc]{0,60}",
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            prop_assert_eq!(search(&texts).run(bytes.as_bytes()), plainly(&texts, bytes.as_bytes()));
        }

        #[test]
        fn it_agrees_for_any_bytes(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 8..20), 1..10),
            before in prop::collection::vec(any::<u8>(), 0..40),
            cut in 0_usize..20,
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let mut bytes = before;
            bytes.extend_from_slice(&texts[0][..cut.min(texts[0].len())]);
            prop_assert_eq!(search(&texts).run(&bytes), plainly(&texts, &bytes));
        }
    }
}
