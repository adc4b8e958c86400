//! AWS event streams: binary frames of headers and a payload, each with checksums.
//!
//! In: bytes, cut anywhere. Out: whole frames whose checksums are right. Never: what an event
//! means, and nothing after a frame that is damaged: where the next one would begin is not known.
//!
//! A frame is: total length (4 bytes), length of the headers (4), CRC-32 of these eight (4), the
//! headers, the payload, CRC-32 of all before it (4). Numbers are big-endian. Source:
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use std::fmt;
use std::ops::Range;

use super::EVENT_LIMIT;
use crate::types::{Error, ErrorKind};

/// Bytes before the headers.
const PRELUDE: usize = 12;
/// Bytes of one checksum.
const CHECKSUM: usize = 4;

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// True or false.
    Bool(bool),
    /// A signed number of one byte.
    Byte(i8),
    /// A signed number of two bytes.
    Int16(i16),
    /// A signed number of four bytes.
    Int32(i32),
    /// A signed number of eight bytes.
    Int64(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// Milliseconds since 1970.
    Timestamp(i64),
    /// A UUID.
    Uuid(u128),
}

/// One whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    headers: Vec<(String, HeaderValue)>,
    payload: Range<usize>,
}

impl Frame {
    /// The text header of this name, e.g. `:event-type`, `:exception-type`, `:message-type`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(known, value)| match value {
            HeaderValue::Text(text) if known == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// All headers, in their order.
    pub fn headers(&self) -> &[(String, HeaderValue)] {
        &self.headers
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload.clone()).unwrap_or_default()
    }

    /// The whole frame as it came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What is wrong with a frame. Nothing follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is larger than the framer may keep.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Its lengths do not fit each other.
    Length,
    /// The checksum of its lengths is wrong.
    PreludeChecksum,
    /// The checksum of the whole is wrong.
    Checksum,
    /// Its headers do not follow the format.
    Headers,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::TooLong { limit } => {
                return write!(f, "the provider sent an event of more than {limit} bytes");
            }
            Self::Length => "the lengths do not fit each other",
            Self::PreludeChecksum => "the checksum of the lengths is wrong",
            Self::Checksum => "the checksum is wrong",
            Self::Headers => "the headers do not follow the format",
        };
        write!(f, "the provider's stream is damaged: in one of its frames {what}")
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        // Damage on the way does not repeat itself; an event that is too large does.
        let again = !matches!(fault, Fault::TooLong { .. });
        Error::new(ErrorKind::Upstream, fault.to_string()).with_retryable(again)
    }
}

/// Frames an event stream.
///
/// ```
/// use llm_provider_sdk::framer::event_stream::Framer;
/// let frame = [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255];
/// let mut framer = Framer::new();
/// assert!(framer.feed(&frame[..7]).is_empty());
/// assert!(framer.in_frame());
/// assert_eq!(framer.feed(&frame[7..])[0].as_ref().unwrap().payload(), b"");
/// assert!(!framer.in_frame());
/// ```
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    buffer: Vec<u8>,
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

    /// A framer that takes frames of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            failed: false,
        }
    }

    /// Takes bytes and gives the frames they complete, in order.
    ///
    /// # Errors
    /// An item is a [`Fault`] where a frame is damaged. It is the last item; all that follows in
    /// the stream is ignored.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Result<Frame, Fault>> {
        let mut out = Vec::new();
        if self.failed {
            return out;
        }
        // A frame that lies in one piece is not copied into the buffer first.
        if self.buffer.is_empty() {
            let used = self.frames(bytes, &mut out);
            if !self.failed {
                self.buffer.extend_from_slice(bytes.get(used..).unwrap_or_default());
            }
            return out;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let used = self.frames(&buffer, &mut out);
        if !self.failed {
            // What is left is moved only when a frame was taken from before it: a large one comes in
            // many pieces.
            buffer.drain(..used);
            self.buffer = buffer;
        }
        out
    }

    /// Whether a frame has begun and not ended: a body that closes now was cut.
    pub fn in_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Takes the whole frames from the front. Gives how many bytes they are.
    fn frames(&mut self, bytes: &[u8], out: &mut Vec<Result<Frame, Fault>>) -> usize {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            match frame(rest, self.limit) {
                Ok(Some(frame)) => {
                    used += frame.bytes.len();
                    out.push(Ok(frame));
                }
                Ok(None) => break,
                Err(fault) => {
                    self.failed = true;
                    out.push(Err(fault));
                    break;
                }
            }
        }
        used
    }
}

/// A frame of these text headers and this payload, with its checksums: what a test's provider sends.
/// Names of more than 255 bytes and values of more than 65535 are cut, since they have no form.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, value) in headers {
        let name = name.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(name.as_bytes());
        let value = value
            .as_bytes()
            .get(..usize::from(u16::MAX))
            .unwrap_or(value.as_bytes());
        names.extend(u8::try_from(name.len()));
        names.extend_from_slice(name);
        names.push(7);
        names.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        names.extend_from_slice(value);
    }
    seal(&names, payload)
}

/// A frame whose headers are these bytes.
fn seal(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let total = PRELUDE + headers.len() + payload.len() + CHECKSUM;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&number(total));
    out.extend_from_slice(&number(headers.len()));
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out
}

/// The frame at the front; `None` when it is not complete.
fn frame(bytes: &[u8], limit: usize) -> Result<Option<Frame>, Fault> {
    let Some(prelude) = bytes.get(..PRELUDE) else {
        return Ok(None);
    };
    let mut numbers = Cursor::new(prelude);
    let (total, headers, checksum) = (numbers.u32()?, numbers.u32()?, numbers.u32()?);
    if prelude.get(..8).map(crc32) != Some(checksum) {
        return Err(Fault::PreludeChecksum);
    }
    let (total, headers) = (length(total)?, length(headers)?);
    if total > limit {
        return Err(Fault::TooLong { limit });
    }
    let payload = PRELUDE + headers..total.checked_sub(CHECKSUM).ok_or(Fault::Length)?;
    if payload.start > payload.end {
        return Err(Fault::Length);
    }
    let Some(whole) = bytes.get(..total) else {
        return Ok(None);
    };
    let (covered, checksum) = whole.split_at(payload.end);
    if Cursor::new(checksum).u32()? != crc32(covered) {
        return Err(Fault::Checksum);
    }
    let names = covered.get(PRELUDE..payload.start).ok_or(Fault::Length)?;
    Ok(Some(Frame {
        headers: headers_of(names)?,
        bytes: whole.to_vec(),
        payload,
    }))
}

fn length(number: u32) -> Result<usize, Fault> {
    usize::try_from(number).map_err(|_| Fault::Length)
}

fn headers_of(bytes: &[u8]) -> Result<Vec<(String, HeaderValue)>, Fault> {
    let mut cursor = Cursor::new(bytes);
    let mut headers = Vec::new();
    while !cursor.is_empty() {
        let length = usize::from(cursor.array::<1>()?[0]);
        if length == 0 {
            return Err(Fault::Headers);
        }
        let name = cursor.text(length)?;
        headers.push((name, cursor.value()?));
    }
    Ok(headers)
}

struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    fn new(rest: &'b [u8]) -> Self {
        Self { rest }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Fault> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(Fault::Headers)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Headers)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn text(&mut self, length: usize) -> Result<String, Fault> {
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| Fault::Headers)
    }

    fn value(&mut self) -> Result<HeaderValue, Fault> {
        Ok(match self.array::<1>()?[0] {
            0 => HeaderValue::Bool(true),
            1 => HeaderValue::Bool(false),
            2 => HeaderValue::Byte(i8::from_be_bytes(self.array()?)),
            3 => HeaderValue::Int16(i16::from_be_bytes(self.array()?)),
            4 => HeaderValue::Int32(i32::from_be_bytes(self.array()?)),
            5 => HeaderValue::Int64(i64::from_be_bytes(self.array()?)),
            6 => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                HeaderValue::Bytes(self.take(length)?.to_vec())
            }
            7 => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                HeaderValue::Text(self.text(length)?)
            }
            8 => HeaderValue::Timestamp(i64::from_be_bytes(self.array()?)),
            9 => HeaderValue::Uuid(u128::from_be_bytes(self.array()?)),
            _ => return Err(Fault::Headers),
        })
    }
}

/// CRC-32 as in Ethernet and gzip (polynomial 0xEDB88320, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, byte: &u8| {
        let at = usize::from(crc.to_le_bytes()[0] ^ byte);
        // The index is one byte, and the table has an entry for each.
        (crc >> 8) ^ TABLE.get(at).copied().unwrap_or_default()
    };
    !bytes.iter().fold(!0, fold)
}

static TABLE: [u32; 256] = table();

// Constant evaluation: an index out of bounds would not compile.
#[allow(clippy::indexing_slicing)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut entry = at as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 1 {
                (entry >> 1) ^ 0xEDB8_8320
            } else {
                entry >> 1
            };
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests;
