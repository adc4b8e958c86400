//! One JSON value a line, as in Ollama's and Cohere's older streams.
//!
//! In: bytes, cut anywhere. Out: lines. Never: the JSON parsed.

use super::{EVENT_LIMIT, TooLong};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// The line without its end. Bytes that are not UTF-8 are replaced.
    pub data: String,
    /// The body closed before the line's end. Data that does not parse was then cut off on the
    /// way, and is no fault of the provider's.
    pub cut: bool,
}

/// Frames lines. LF and CRLF end one (a bare CR is white space within JSON); a byte order mark at
/// the start and blank lines are left out.
///
/// ```
/// use llm_provider_sdk::framer::ndjson::Framer;
/// let mut framer = Framer::new();
/// assert!(framer.feed(b"{\"a\"").is_empty());
/// assert_eq!(framer.feed(b":1}\n\n")[0].as_ref().unwrap().data, "{\"a\":1}");
/// ```
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    line: Vec<u8>,
    at_start: bool,
    failed: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// A framer with the limit [`EVENT_LIMIT`].
    pub fn new() -> Self {
        Self::with_limit(EVENT_LIMIT)
    }

    /// A framer that takes lines of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            at_start: true,
            failed: false,
        }
    }

    /// Takes bytes and gives the lines they complete, in order.
    ///
    /// # Errors
    /// An item is [`TooLong`] where a line passes the limit. It is the last item; all that follows
    /// in the stream is ignored.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Result<Line, TooLong>> {
        let mut out = Vec::new();
        let mut rest = bytes;
        while !self.failed {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (head, tail) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len() + head.len() > self.limit {
                self.failed = true;
                self.line = Vec::new();
                out.push(Err(TooLong { limit: self.limit }));
                break;
            }
            self.line.extend_from_slice(head);
            if end.is_none() {
                break;
            }
            out.extend(self.take_line(false).map(Ok));
            rest = tail.get(1..).unwrap_or_default();
        }
        out
    }

    /// The body has closed. Gives the line whose end is missing, if there is one; see
    /// [`Line::cut`]. Not to be called when the body broke off with an error.
    pub fn finish(&mut self) -> Option<Line> {
        if self.failed {
            return None;
        }
        self.failed = true;
        self.take_line(true)
    }

    fn take_line(&mut self, cut: bool) -> Option<Line> {
        let mut line = self.line.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let line = line.trim_ascii();
        let data = (!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned());
        self.line.clear();
        data.map(|data| Line { data, cut })
    }
}

#[cfg(test)]
mod tests;
