//! Images and documents.
//!
//! In: neutral media. Out: an `image` or a `document` block. Never: a fetch; Anthropic fetches URLs
//! itself.

use llm_provider_sdk::types::{Error, Extras, Media, MediaSource};

use super::blocks::take_known;
use crate::error;
use crate::report::Report;
use crate::wire::Object;

/// What a piece of media is to Anthropic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image,
    Document,
}

/// How names and addresses of each kind end.
const IMAGE_ENDS: &[&str] = &[".png", ".jpg", ".jpeg", ".gif", ".webp"];
const DOCUMENT_ENDS: &[&str] = &[".pdf", ".txt"];

/// Members of each block that the API knows beside its source.
const IMAGE_FIELDS: &[&str] = &["transformations"];
const DOCUMENT_FIELDS: &[&str] = &["title", "context", "citations"];

/// The block for an image or a document.
///
/// Errors: `unsupported` for sound and for documents that are neither PDF nor text: an answer made
/// without them would be an answer to another question.
pub(super) fn encode(media: Media, extra: &Extras, at: &str, report: &mut Report) -> Result<Object, Error> {
    let media_type = media_type(&media);
    let kind = kind(&media, &media_type, at)?;
    let source = match media.source {
        MediaSource::Url(url) => Object::of_type("url").with("url", url),
        MediaSource::File(id) => Object::of_type("file").with("file_id", id),
        MediaSource::Inline(bytes) => inline(bytes, kind, &media_type, at)?,
    };
    let mut block = match kind {
        Kind::Image => Object::of_type("image").with_object("source", source),
        Kind::Document => Object::of_type("document").with_object("source", source),
    };
    match kind {
        Kind::Image => take_known(extra, IMAGE_FIELDS, at, &mut block, report),
        Kind::Document => take_known(extra, DOCUMENT_FIELDS, at, &mut block, report),
    }
    if let Some(name) = &media.name {
        if kind == Kind::Image {
            report.add(format!("{at}.name"), "Anthropic knows no names of images");
        } else if !block.has("title") {
            block.put("title", name);
        }
    }
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        report.add(format!("{at}.detail"), "Anthropic decides itself how closely it looks");
    }
    Ok(block)
}

/// The media type as the caller said it, or as the first bytes say it.
fn media_type(media: &Media) -> String {
    let said = media.media_type.split(';').next().unwrap_or_default().trim();
    if !said.is_empty() && said != "application/octet-stream" {
        return match said.to_ascii_lowercase().as_str() {
            "image/jpg" => "image/jpeg".to_owned(),
            said => said.to_owned(),
        };
    }
    let MediaSource::Inline(bytes) = &media.source else {
        return String::new();
    };
    let known: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
    ];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return "image/webp".to_owned();
    }
    known
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map_or_else(String::new, |(_, kind)| (*kind).to_owned())
}

fn kind(media: &Media, media_type: &str, at: &str) -> Result<Kind, Error> {
    let (family, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    match family {
        "image" => Ok(Kind::Image),
        "audio" | "video" => Err(cannot_read(at, media_type)),
        "" => Ok(guess(media)),
        _ => Ok(Kind::Document),
    }
}

/// Nobody said what it is: a name tells it by its end, else an address by its path. What has OpenAI's
/// `detail` is a picture, and so is an address that tells nothing.
fn guess(media: &Media) -> Kind {
    if media.detail.is_some() {
        return Kind::Image;
    }
    let path = match &media.source {
        MediaSource::Url(url) => url.split(['?', '#']).next(),
        _ => None,
    };
    let ends = |text: &str, with: &[&str]| {
        let text = text.to_ascii_lowercase();
        with.iter().any(|end| text.ends_with(end))
    };
    let told = media.name.as_deref().into_iter().chain(path).find_map(|text| {
        if ends(text, DOCUMENT_ENDS) {
            Some(Kind::Document)
        } else {
            ends(text, IMAGE_ENDS).then_some(Kind::Image)
        }
    });
    told.unwrap_or(match &media.source {
        MediaSource::Url(_) if media.name.is_none() => Kind::Image,
        _ => Kind::Document,
    })
}

fn inline(bytes: Vec<u8>, kind: Kind, media_type: &str, at: &str) -> Result<Object, Error> {
    if kind == Kind::Image || media_type == "application/pdf" {
        return Ok(Object::of_type("base64")
            .with("media_type", media_type)
            .with_base64("data", bytes));
    }
    let is_text = media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.ends_with("json")
        || media_type.ends_with("xml")
        || media_type.ends_with("yaml");
    match String::from_utf8(bytes) {
        Ok(text) if is_text => Ok(Object::of_type("text")
            .with("media_type", "text/plain")
            .with("data", text)),
        _ => Err(cannot_read(at, media_type)),
    }
}

fn cannot_read(at: &str, media_type: &str) -> Error {
    let what = if media_type.is_empty() { "this file" } else { media_type };
    error::unsupported(
        at,
        format!(
            "Anthropic cannot read {what}; it takes images (PNG, JPEG, GIF, WebP), PDF and text. Convert it first."
        ),
    )
}
