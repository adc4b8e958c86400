//! Server-sent events, by the rules of the WHATWG HTML standard, "Server-sent events", sections
//! "Parsing an event stream" and "Interpreting an event stream".
//!
//! In: bytes, cut anywhere. Out: events. Never: a reconnect, and never a judgement of the data.

use super::{EVENT_LIMIT, TooLong};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field; `None` where the provider did not name the event.
    pub event: Option<String>,
    /// The `data` lines, joined with line feeds. Bytes that are not UTF-8 are replaced.
    pub data: String,
    /// The `id` field of this event.
    pub id: Option<String>,
    /// The body closed before the event's blank line. Data that does not parse was then cut off
    /// on the way, and is no fault of the provider's.
    pub cut: bool,
}

/// Frames server-sent events. CR, LF and CRLF end a line; a byte order mark at the start and
/// comments are left out; an event without data is none.
///
/// ```
/// use llm_provider_sdk::framer::sse::Framer;
/// let mut framer = Framer::new();
/// assert!(framer.feed(b": hello\n\ndata: {\"a\"").is_empty());
/// let events = framer.feed(b":1}\r\n\r\n");
/// assert_eq!(events[0].as_ref().unwrap().data, "{\"a\":1}");
/// assert_eq!(framer.finish(), None);
/// ```
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// The line that has begun, without its end.
    line: Vec<u8>,
    /// The event that has begun.
    event: Option<String>,
    data: Vec<u8>,
    has_data: bool,
    id: Option<String>,
    retry_ms: Option<u64>,
    /// The last byte was a carriage return: a line feed right after it ends no line of its own.
    after_cr: bool,
    /// No line has ended yet, so that the next one may begin with a byte order mark.
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

    /// A framer that takes events of at most `limit` bytes, their field names included.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: None,
            data: Vec::new(),
            has_data: false,
            id: None,
            retry_ms: None,
            after_cr: false,
            at_start: true,
            failed: false,
        }
    }

    /// Takes bytes and gives the events they complete, in order.
    ///
    /// # Errors
    /// An item is [`TooLong`] where an event passes the limit. It is the last item; all that
    /// follows in the stream is ignored.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Result<Event, TooLong>> {
        let mut out = Vec::new();
        let mut rest = bytes;
        while !self.failed {
            if let Some((first, after)) = rest.split_first()
                && std::mem::take(&mut self.after_cr)
                && *first == b'\n'
            {
                rest = after;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                if self.room_for(rest.len(), &mut out) {
                    self.line.extend_from_slice(rest);
                }
                break;
            };
            let (head, tail) = rest.split_at(end);
            if !self.room_for(head.len(), &mut out) {
                break;
            }
            if self.line.is_empty() {
                self.end_line(head, &mut out);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.end_line(&line, &mut out);
                // The room is kept: the next line that is cut needs no new one.
                line.clear();
                self.line = line;
            }
            self.after_cr = tail.first() == Some(&b'\r');
            rest = tail.get(1..).unwrap_or_default();
        }
        out
    }

    /// The body has closed. Gives the event that its last blank line is missing from, if it has
    /// data; see [`Event::cut`]. Not to be called when the body broke off with an error.
    pub fn finish(&mut self) -> Option<Event> {
        if self.failed {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = self.without_mark(&line);
        if !line.is_empty() {
            self.field(line);
        }
        let event = self.take_event();
        self.failed = true;
        event.map(|event| Event { cut: true, ..event })
    }

    /// The last `retry` field, in milliseconds: how long the provider wants a client to wait before
    /// it connects again.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Whether the event may grow by that many bytes. When it may not, the framer has failed.
    fn room_for(&mut self, more: usize, out: &mut Vec<Result<Event, TooLong>>) -> bool {
        let fits = self.line.len() + self.data.len() + more <= self.limit;
        if !fits {
            self.failed = true;
            self.line = Vec::new();
            self.data = Vec::new();
            out.push(Err(TooLong { limit: self.limit }));
        }
        fits
    }

    fn end_line(&mut self, line: &[u8], out: &mut Vec<Result<Event, TooLong>>) {
        let line = self.without_mark(line);
        if line.is_empty() {
            out.extend(self.take_event().map(Ok));
        } else {
            self.field(line);
        }
    }

    /// The line without a byte order mark, which only the first may have.
    fn without_mark<'l>(&mut self, line: &'l [u8]) -> &'l [u8] {
        let first = std::mem::take(&mut self.at_start);
        line.strip_prefix(b"\xef\xbb\xbf").filter(|_| first).unwrap_or(line)
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            // A comment.
            Some(0) => return,
            Some(colon) => {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.event = Some(text(value)).filter(|name| !name.is_empty()),
            b"id" if !value.contains(&0) => self.id = Some(text(value)),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms = text(value).parse().ok().or(self.retry_ms);
            }
            _ => {}
        }
    }

    fn take_event(&mut self) -> Option<Event> {
        let event = self.event.take();
        let id = self.id.take();
        let data = text(&self.data);
        self.data.clear();
        std::mem::take(&mut self.has_data).then_some(Event {
            event,
            data,
            id,
            cut: false,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
