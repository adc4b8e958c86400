//! The parts of a message's content: text, images, documents, sound.
//!
//! In: neutral parts. Out: content parts as OpenAI writes them. Never: a download, or a look at
//! the bytes.

use std::borrow::Cow;

use llm_provider_sdk::types::{CacheHint, Error, Media, MediaSource};
use serde::Serialize;
use serde_json::value::RawValue;

use super::fields::{Member, Members};
use super::{Asked, fields};
use crate::profile::Profile;
use crate::wire::media::{Base64, Location, sound_format};

/// `content` of a message.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Content<'a> {
    /// A text and nothing else.
    Text(&'a str),
    Items(Vec<Item<'a>>),
    /// An assistant's message that holds only tool calls or a refusal.
    Null(()),
}

/// One content part.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Item<'a> {
    Known {
        #[serde(flatten)]
        kind: Kind<'a>,
        #[serde(flatten)]
        extra: Members<'a>,
    },
    Raw(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Kind<'a> {
    Text { text: &'a str },
    Refusal { refusal: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    InputAudio { input_audio: InputAudio<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
pub(crate) struct ImageUrl<'a> {
    url: Location<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct InputAudio<'a> {
    data: Base64<'a>,
    format: &'a str,
}

#[derive(Serialize)]
pub(crate) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Location<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

impl std::fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::Items(items) => write!(f, "Items({})", items.len()),
            Self::Null(()) => f.write_str("Null"),
        }
    }
}

impl<'a> Item<'a> {
    pub(crate) fn with(kind: Kind<'a>, extra: Members<'a>) -> Self {
        Self::Known { kind, extra }
    }

    /// Its members beside its content, where they are not the provider's own JSON.
    pub(crate) fn members(&mut self) -> Option<&mut Members<'a>> {
        match self {
            Self::Known { extra, .. } => Some(extra),
            Self::Raw(_) => None,
        }
    }
}

/// The content of these parts: a plain text where that says it all.
pub(crate) fn content(mut items: Vec<Item<'_>>) -> Content<'_> {
    if let [
        Item::Known {
            kind: Kind::Text { text },
            extra,
        },
    ] = items.as_slice()
        && extra.is_empty()
    {
        return Content::Text(text);
    }
    if items.is_empty() {
        return Content::Text("");
    }
    items.shrink_to_fit();
    Content::Items(items)
}

/// An image, a document or a sound as a content part; nothing when the provider cannot take it,
/// which is noted.
pub(crate) fn media<'a>(media: &'a Media, at: &str, profile: &Profile, asked: &mut Asked) -> Option<Kind<'a>> {
    let essence = media.media_type.as_str();
    let name = media.name.as_deref().map(Cow::Borrowed);
    if let MediaSource::File(id) = &media.source {
        let file = File {
            filename: name,
            file_data: None,
            file_id: Some(id),
        };
        return Some(Kind::File { file });
    }
    let kind = essence.split('/').next().unwrap_or_default();
    match (kind, &media.source) {
        ("audio", MediaSource::Inline(bytes)) => {
            let input_audio = InputAudio {
                data: Base64(bytes),
                format: sound_format(essence),
            };
            Some(Kind::InputAudio { input_audio })
        }
        ("image", MediaSource::Inline(bytes)) => {
            let url = Location::Data {
                media_type: essence,
                bytes,
            };
            Some(Kind::ImageUrl {
                image_url: ImageUrl {
                    url,
                    detail: media.detail.as_deref(),
                },
            })
        }
        // The caller need not say what an address holds; on this wire it is an image, which has no
        // name.
        ("image" | "", MediaSource::Url(url)) if name.is_none() => {
            let url = Location::Url(url);
            Some(Kind::ImageUrl {
                image_url: ImageUrl {
                    url,
                    detail: media.detail.as_deref(),
                },
            })
        }
        (_, MediaSource::Inline(bytes)) => {
            let media_type = match &name {
                Some(name) if essence.is_empty() => type_of(name),
                _ => essence,
            };
            // `file_data` needs a name beside it.
            let filename = name.or_else(|| Some(file_name(essence)));
            let file_data = Some(Location::Data { media_type, bytes });
            Some(Kind::File {
                file: File {
                    filename,
                    file_data,
                    file_id: None,
                },
            })
        }
        _ => {
            asked.drop(
                at,
                format!("{} takes sound and documents as bytes, not by address", profile.name),
            );
            None
        }
    }
}

/// Documents that models read, by the end of their name.
const DOCUMENTS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
];

/// A name for a document that has none.
fn file_name(media_type: &str) -> Cow<'static, str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match DOCUMENTS.iter().find(|(_, known)| *known == essence) {
        Some((ending, _)) => Cow::Owned(format!("document.{ending}")),
        None => Cow::Borrowed("document"),
    }
}

/// The type of a document of which only the name is known; empty when that does not tell.
fn type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = DOCUMENTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    known.map_or("", |(_, media_type)| media_type)
}

/// A part of the provider's own: sent back where the provider knows its kind.
pub(crate) fn other<'a>(
    kind: &str,
    value: &'a str,
    at: &str,
    profile: &Profile,
    asked: &mut Asked,
) -> Result<Option<Item<'a>>, Error> {
    if profile.part_kinds.has(kind) {
        return Ok(Some(Item::Raw(fields::raw(value, at)?)));
    }
    asked.drop(at, format!("{} has no content part `{kind}`", profile.name));
    Ok(None)
}

impl<'a> Members<'a> {
    /// Adds the mark that caches the prompt up to here.
    pub(crate) fn cache(&mut self, hint: Option<&CacheHint>, at: &str, profile: &Profile, asked: &mut Asked) {
        let Some(hint) = hint else { return };
        if !profile.cache_control {
            asked.drop(
                format!("{at}.cache_control"),
                format!("{} decides by itself what it caches", profile.name),
            );
            return;
        }
        let mut mark = Members::default();
        mark.push("type", Member::Text("ephemeral".into()));
        if let Some(seconds) = hint.ttl_seconds {
            let ttl = if seconds > 300 { "1h" } else { "5m" };
            mark.push("ttl", Member::Text(ttl.into()));
        }
        self.push("cache_control", Member::Object(mark));
    }
}
