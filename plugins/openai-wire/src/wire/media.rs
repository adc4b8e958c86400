//! Media on the wire: data URLs, base64, and the short names of sound formats.
//!
//! In: neutral media, or the wire's strings. Out: the other. Never: a look at the bytes.

use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_provider_sdk::types::{Media, MediaSource};
use serde::{Serialize, Serializer};

/// Bytes that are written as base64 while the body is being written, without a copy before.
pub(crate) struct Base64<'a>(pub(crate) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64))
    }
}

/// An address, or the bytes themselves as a `data:` URL.
pub(crate) enum Location<'a> {
    Url(&'a str),
    Data { media_type: &'a str, bytes: &'a [u8] },
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Data { media_type, bytes } => {
                let media_type = if media_type.is_empty() {
                    "application/octet-stream"
                } else {
                    media_type
                };
                write!(f, "data:{media_type};base64,{}", Base64Display::new(bytes, &BASE64))
            }
        }
    }
}

impl Serialize for Location<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads the address of an image as a provider gives it: a `data:` URL becomes the bytes.
pub(crate) fn from_url(url: String) -> Media {
    let (media_type, source) = match data_url(&url) {
        Some((media_type, bytes)) => (media_type, MediaSource::Inline(bytes)),
        None => (String::new(), MediaSource::Url(url)),
    };
    Media::new(media_type, source)
}

fn data_url(url: &str) -> Option<(String, Vec<u8>)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some((media_type.to_owned(), BASE64.decode(data).ok()?))
}

/// `wav`, `mp3`, … for a media type, as `input_audio.format` takes it. OpenAI takes these two;
/// others take more.
pub(crate) fn sound_format(media_type: &str) -> &str {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = essence.split_once('/').map_or(essence, |(_, sub)| sub);
    match subtype.strip_prefix("x-").unwrap_or(subtype) {
        "mpeg" | "mpeg3" => "mp3",
        "wave" | "vnd.wave" => "wav",
        "L16" | "pcm" => "pcm16",
        "mp4" => "m4a",
        other => other,
    }
}

/// The ending of a file's name, by which the providers tell formats apart.
pub(crate) fn extension(media_type: &str) -> &str {
    match sound_format(media_type) {
        "jpeg" | "pjpeg" => "jpg",
        "svg+xml" => "svg",
        "octet-stream" | "" => "bin",
        "quicktime" => "mov",
        other => other,
    }
}

/// The media type of sound that was asked for by `audio.format`.
pub(crate) fn sound_type(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    }
}

/// Base64 that arrives in pieces. A piece may be complete in itself, padding included, or end in
/// the middle of a group.
#[derive(Default)]
pub(crate) struct Base64Pieces {
    bytes: Vec<u8>,
    rest: String,
}

impl Base64Pieces {
    /// Takes one more piece.
    pub(crate) fn push(&mut self, piece: &str) {
        self.rest.push_str(piece);
        let whole = self.rest.len() / 4 * 4;
        let decoded = self.rest.get(..whole).and_then(|groups| BASE64.decode(groups).ok());
        if let Some(bytes) = decoded {
            self.bytes.extend(bytes);
            self.rest.drain(..whole);
        }
    }

    /// All bytes, and what was not base64.
    pub(crate) fn finish(self) -> (Vec<u8>, String) {
        (self.bytes, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_go_both_ways() {
        let location = Location::Data {
            media_type: "image/png",
            bytes: b"\x89PNG",
        };
        assert_eq!(
            serde_json::to_string(&location).unwrap(),
            r#""data:image/png;base64,iVBORw==""#
        );
        let media = from_url("data:image/png;base64,iVBORw==".into());
        assert_eq!(media.media_type, "image/png");
        assert_eq!(media.source, MediaSource::Inline(b"\x89PNG".to_vec()));
    }

    #[test]
    fn an_address_stays_an_address() {
        for url in [
            "https://example.com/a.png",
            "data:image/png;base64,***",
            "data:text/plain,hi",
        ] {
            assert_eq!(from_url(url.into()).source, MediaSource::Url(url.into()));
        }
    }

    #[test]
    fn sound_formats_have_short_names() {
        for (media_type, format) in [
            ("audio/wav", "wav"),
            ("audio/x-wav", "wav"),
            ("audio/mpeg", "mp3"),
            ("audio/mp3", "mp3"),
            ("audio/flac", "flac"),
            ("audio/ogg; codecs=opus", "ogg"),
            ("audio/pcm", "pcm16"),
        ] {
            assert_eq!(sound_format(media_type), format);
        }
        assert_eq!(sound_type("mp3"), "audio/mpeg");
        assert_eq!(sound_type("wav"), "audio/wav");
        for (media_type, ending) in [
            ("audio/mpeg", "mp3"),
            ("audio/x-wav", "wav"),
            ("audio/mp4; codecs=x", "m4a"),
            ("audio/flac", "flac"),
            ("image/jpeg", "jpg"),
            ("image/png", "png"),
            ("application/octet-stream", "bin"),
        ] {
            assert_eq!(extension(media_type), ending);
        }
    }

    #[test]
    fn base64_in_pieces() {
        for pieces in [&["aGVs", "bG8="][..], &["aG", "VsbG", "8="], &["aGU=", "bGxv"]] {
            let mut all = Base64Pieces::default();
            pieces.iter().for_each(|p| all.push(p));
            assert_eq!(all.finish(), (b"hello".to_vec(), String::new()), "{pieces:?}");
        }
        let mut broken = Base64Pieces::default();
        broken.push("a*b=");
        assert_eq!(broken.finish(), (Vec::new(), "a*b=".to_owned()));
    }
}
