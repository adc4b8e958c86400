//! AWS event streams, for providers that answer with them.
//!
//! In: headers and payloads. Out: frames with right checksums, and the frames of a recorded stream.
//! Never: forgiveness; a recorded stream that is not whole is a test's mistake.

/// One frame of a recorded stream.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its text headers.
    pub headers: Vec<(String, String)>,
    /// Its payload.
    pub payload: Vec<u8>,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The header of this name; nothing says the empty text.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A frame.
///
/// # Panics
/// When it is too large for the format.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, value) in headers {
        names.push(u8::try_from(name.len()).expect("a short name"));
        names.extend(name.as_bytes());
        names.push(7);
        names.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        names.extend(value.as_bytes());
    }
    let number = |length: usize| u32::try_from(length).expect("a small frame").to_be_bytes();
    let mut out = number(16 + names.len() + payload.len()).to_vec();
    out.extend(number(names.len()));
    out.extend(crc32(&out).to_be_bytes());
    out.extend(names);
    out.extend(payload);
    out.extend(crc32(&out).to_be_bytes());
    out
}

/// The frames of a stream.
///
/// # Panics
/// When the stream is not whole, or holds headers that are no text.
pub fn decode(mut stream: &[u8]) -> Vec<Frame> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes")) as usize;
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let (total, length) = (number(&stream[..4]), number(&stream[4..8]));
        let (bytes, rest) = stream.split_at(total);
        let mut names = &bytes[12..12 + length];
        let mut headers = Vec::new();
        while let Some((size, more)) = names.split_first() {
            let (name, more) = more.split_at(usize::from(*size));
            assert_eq!(more[0], 7, "a text header");
            let size = usize::from(u16::from_be_bytes([more[1], more[2]]));
            let (value, more) = more[3..].split_at(size);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
            headers.push((text(name), text(value)));
            names = more;
        }
        frames.push(Frame {
            headers,
            payload: bytes[12 + length..total - 4].to_vec(),
            bytes: bytes.to_vec(),
        });
        stream = rest;
    }
    frames
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}
