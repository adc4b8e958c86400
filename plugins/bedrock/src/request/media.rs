//! Pictures, documents, videos and sounds.
//!
//! In: neutral media. Out: a block with the bytes, or with their place in S3. Never: an address for the
//! service to fetch; it fetches from S3 alone, so such a request is an error.

use aws_sdk_bedrockruntime::types::{
    AudioBlock, AudioFormat, AudioSource, CitationsConfig, ContentBlock, DocumentBlock, DocumentFormat, DocumentSource,
    ImageBlock, ImageFormat, ImageSource, S3Location, ToolResultContentBlock, VideoBlock, VideoFormat, VideoSource,
};
use aws_smithy_types::Blob;
use llm_provider_sdk::types::{Error, Extras, Media, MediaSource};
use serde::Deserialize;

use super::blocks::Encoder;
use super::built;
use crate::error;

/// Media types and names of documents, with Bedrock's word for each.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("application/pdf", "pdf", "pdf"),
    ("text/plain", "txt", "txt"),
    ("text/markdown", "md", "md"),
    ("text/csv", "csv", "csv"),
    ("text/html", "html", "html"),
    ("application/msword", "doc", "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls", "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        "xlsx",
    ),
];

/// Media types that say nothing.
const VAGUE: &[&str] = &["application/octet-stream", "binary/octet-stream", "image/*"];

/// Most characters of a document's name, with room for a number behind it.
const NAME: usize = 190;

/// Where the bytes are, as Bedrock has it.
enum Place {
    Bytes(Vec<u8>),
    S3(S3Location),
}

/// What a medium is.
enum Kind {
    Image(ImageFormat),
    Document(DocumentFormat),
    Video(VideoFormat),
    Audio(AudioFormat),
}

/// A medium as a block of a message.
pub(super) fn block(media: Media, extra: &Extras, at: &str, encoder: &mut Encoder<'_>) -> Result<ContentBlock, Error> {
    let kind = kind(&media, at)?;
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        encoder
            .report
            .add(format!("{at}.detail"), "Bedrock has no such setting");
    }
    if !matches!(kind, Kind::Document(_)) {
        encoder.unknown(extra, &[], at);
    }
    let name = media.name.clone();
    let place = place(media.source, at)?;
    Ok(match kind {
        Kind::Image(format) => ContentBlock::Image(image(format, place)?),
        Kind::Video(format) => ContentBlock::Video(video(format, place)?),
        Kind::Audio(format) => {
            let source = match place {
                Place::Bytes(bytes) => AudioSource::Bytes(Blob::new(bytes)),
                Place::S3(place) => AudioSource::S3Location(place),
            };
            ContentBlock::Audio(built(AudioBlock::builder().format(format).source(source).build())?)
        }
        Kind::Document(format) => ContentBlock::Document(document(format, place, name, extra, at, encoder)?),
    })
}

/// A medium as a piece of a tool's result.
pub(super) fn result(media: Media, at: &str, encoder: &mut Encoder<'_>) -> Result<ToolResultContentBlock, Error> {
    let kind = kind(&media, at)?;
    let name = media.name.clone();
    let place = place(media.source, at)?;
    Ok(match kind {
        Kind::Image(format) => ToolResultContentBlock::Image(image(format, place)?),
        Kind::Video(format) => ToolResultContentBlock::Video(video(format, place)?),
        Kind::Document(format) => {
            ToolResultContentBlock::Document(document(format, place, name, &Extras::new(), at, encoder)?)
        }
        Kind::Audio(_) => return Err(error::unsupported(at, "Bedrock takes no sound in a tool's result")),
    })
}

fn image(format: ImageFormat, place: Place) -> Result<ImageBlock, Error> {
    let source = match place {
        Place::Bytes(bytes) => ImageSource::Bytes(Blob::new(bytes)),
        Place::S3(place) => ImageSource::S3Location(place),
    };
    built(ImageBlock::builder().format(format).source(source).build())
}

fn video(format: VideoFormat, place: Place) -> Result<VideoBlock, Error> {
    let source = match place {
        Place::Bytes(bytes) => VideoSource::Bytes(Blob::new(bytes)),
        Place::S3(place) => VideoSource::S3Location(place),
    };
    built(VideoBlock::builder().format(format).source(source).build())
}

#[derive(Deserialize)]
struct Citations {
    enabled: bool,
}

fn document(
    format: DocumentFormat,
    place: Place,
    name: Option<String>,
    extra: &Extras,
    at: &str,
    encoder: &mut Encoder<'_>,
) -> Result<DocumentBlock, Error> {
    let source = match place {
        Place::Bytes(bytes) => DocumentSource::Bytes(Blob::new(bytes)),
        Place::S3(place) => DocumentSource::S3Location(place),
    };
    let name = unique(plain_name(name.as_deref().unwrap_or_default()), &mut encoder.documents);
    let mut block = DocumentBlock::builder().format(format).name(name).source(source);
    for (field, json) in extra {
        match field.as_str() {
            "citations" if serde_json::from_str::<Citations>(json).is_ok() => {
                let enabled = serde_json::from_str::<Citations>(json).is_ok_and(|citations| citations.enabled);
                block = block.citations(built(CitationsConfig::builder().enabled(enabled).build())?);
            }
            "context" if serde_json::from_str::<String>(json).is_ok() => {
                block = block.set_context(serde_json::from_str(json).ok());
            }
            _ => encoder
                .report
                .add(format!("{at}.{field}"), "Bedrock's documents have no such member"),
        }
    }
    built(block.build())
}

/// A name as the service takes it: letters, digits, single spaces, hyphens, brackets; without the
/// ending, which the format tells.
fn plain_name(name: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 => stem,
        _ => name,
    };
    let mut out = String::new();
    for char in stem.chars().take(NAME) {
        let fits = char.is_ascii_alphanumeric() || "-()[]".contains(char);
        match char {
            '_' => out.push('-'),
            _ if fits => out.push(char),
            _ if !out.is_empty() && !out.ends_with(' ') => out.push(' '),
            _ => {}
        }
    }
    let out = out.trim_end();
    if out.is_empty() { "document" } else { out }.to_owned()
}

fn unique(name: String, known: &mut Vec<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while known.contains(&candidate) {
        candidate = format!("{name} ({number})");
        number += 1;
    }
    known.push(candidate.clone());
    candidate
}

fn kind(media: &Media, at: &str) -> Result<Kind, Error> {
    let declared = media
        .media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let ending = media
        .name
        .as_deref()
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .unwrap_or_default();
    let found = match declared.split_once('/') {
        Some(("image", format @ ("png" | "gif" | "webp" | "jpeg"))) => Some(Kind::Image(format.into())),
        Some(("image", "jpg")) => Some(Kind::Image(ImageFormat::Jpeg)),
        Some(("video", "quicktime")) => Some(Kind::Video(VideoFormat::Mov)),
        Some(("video", "x-matroska")) => Some(Kind::Video(VideoFormat::Mkv)),
        Some(("video", "3gpp")) => Some(Kind::Video(VideoFormat::ThreeGp)),
        Some(("video", "x-flv")) => Some(Kind::Video(VideoFormat::Flv)),
        Some(("video", "x-ms-wmv")) => Some(Kind::Video(VideoFormat::Wmv)),
        Some(("video", format)) => Some(Kind::Video(format.into())),
        Some(("audio", "mpeg")) => Some(Kind::Audio(AudioFormat::Mp3)),
        Some(("audio", "x-wav" | "wave")) => Some(Kind::Audio(AudioFormat::Wav)),
        Some(("audio", format)) => Some(Kind::Audio(format.into())),
        _ => DOCUMENTS
            .iter()
            .find(|(known, known_ending, _)| *known == declared || declared.is_empty() && *known_ending == ending)
            .or_else(|| DOCUMENTS.iter().find(|(_, known_ending, _)| *known_ending == ending))
            .map(|(_, _, format)| Kind::Document((*format).into())),
    };
    let seen = match &media.source {
        MediaSource::Inline(bytes) => by_content(bytes),
        _ => None,
    };
    match (found, seen) {
        // Models refuse a picture that is of another kind than it is said to be.
        (Some(Kind::Image(_)), Some(Kind::Image(format))) => return Ok(Kind::Image(format)),
        (Some(found), _) => return Ok(found),
        // So it is where nothing, or nothing in particular, is said.
        (None, Some(seen)) if declared.is_empty() || VAGUE.contains(&declared.as_str()) => return Ok(seen),
        _ => {}
    }
    if declared.starts_with("text/") {
        return Ok(Kind::Document(DocumentFormat::Txt));
    }
    Err(error::unsupported(
        at,
        format!(
            "Bedrock takes no media of type `{declared}`. It takes PNG, JPEG, GIF and WebP pictures, and PDF, text, Markdown, CSV, HTML, Word and Excel documents."
        ),
    ))
}

/// What bytes are by how they begin, for callers that do not say.
fn by_content(bytes: &[u8]) -> Option<Kind> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => Kind::Image(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Kind::Image(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', ..] => Kind::Image(ImageFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Image(ImageFormat::Webp),
        [b'%', b'P', b'D', b'F', ..] => Kind::Document(DocumentFormat::Pdf),
        _ => return None,
    })
}

fn place(source: MediaSource, at: &str) -> Result<Place, Error> {
    let uri = match source {
        MediaSource::Inline(bytes) => return Ok(Place::Bytes(bytes)),
        MediaSource::Url(uri) | MediaSource::File(uri) => uri,
    };
    if !uri.starts_with("s3://") {
        return Err(error::unsupported(
            at,
            "Bedrock fetches media only from S3. Send the bytes (a `data:` URL), or an address that begins with `s3://`.",
        ));
    }
    Ok(Place::S3(built(S3Location::builder().uri(uri).build())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_what_its_bytes_are() {
        let jpeg = || MediaSource::Inline(vec![0xff, 0xd8, 0xff, 0xe0]);
        for declared in ["image/png", "image/jpg", "image/*", "application/octet-stream", ""] {
            match kind(&Media::new(declared, jpeg()), "x") {
                Ok(Kind::Image(format)) => assert_eq!(format, ImageFormat::Jpeg, "{declared}"),
                _ => panic!("{declared}"),
            }
        }
        let unknown = Media::new("image/png", MediaSource::Inline(vec![1, 2, 3]));
        assert!(matches!(kind(&unknown, "x"), Ok(Kind::Image(ImageFormat::Png))));
    }

    #[test]
    fn names_of_documents() {
        let cases = [
            ("report.pdf", "report"),
            ("My  Report_2024 (final).v2.docx", "My Report-2024 (final) v2"),
            ("", "document"),
            ("\u{e4}\u{f6}.pdf", "document"),
            ("v1.0 notes", "v1 0 notes"),
        ];
        for (name, expected) in cases {
            assert_eq!(plain_name(name), expected, "{name}");
        }
        let mut known = Vec::new();
        let names: Vec<String> = (0..3).map(|_| unique("a".to_owned(), &mut known)).collect();
        assert_eq!(names, ["a", "a (2)", "a (3)"]);
    }
}
