//! What an answer holds beyond OpenAI's own fields, and the fields that carry it.
//!
//! In: the parts of an answer, each with its place. Out: `reasoning_details`, `provider_state`,
//! `text_parts`, `provider_parts`, `images`, `files` and `audio`; `assistant.rs` reads the same
//! fields back when the answer returns as history. The whole answer and the stream both write
//! them here. Never: a carrier that says no more than the plain fields do.

use bytes::BytesMut;

use crate::api::json::write::Object;
use crate::llm;

use super::{media, state};

/// Names in a message that an extra field may not take.
pub(super) const MESSAGE_FIELDS: &[&str] = &[
    "role",
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning_details",
    "provider_state",
    "provider_parts",
    "text_parts",
    "images",
    "files",
];

/// A part as the carriers see it.
pub(super) struct Placed<'a> {
    /// Its position in the message.
    pub(super) index: usize,
    pub(super) piece: Piece<'a>,
    pub(super) state: Option<&'a llm::ProviderState>,
    pub(super) extra: &'a [(String, String)],
}

/// What a part is, as far as the carriers care.
pub(super) enum Piece<'a> {
    /// A text of so many bytes.
    Text(usize),
    Reasoning {
        text: &'a str,
        redacted: bool,
    },
    Media(&'a llm::Media),
    Other(&'a llm::Annotated),
    /// It has a field of its own; the carriers pass it by.
    Plain,
    /// It has gone out already.
    Sent,
}

impl<'a> Placed<'a> {
    /// A part of a whole answer.
    pub(super) fn of(index: usize, part: &'a llm::Part) -> Self {
        let piece = match &part.content {
            llm::PartContent::Text(text) => Piece::Text(text.len()),
            llm::PartContent::Reasoning(reasoning) => Piece::Reasoning {
                text: &reasoning.text,
                redacted: reasoning.redacted,
            },
            llm::PartContent::Media(media) => Piece::Media(media),
            llm::PartContent::Other(other) if !is_tool_call(other) => Piece::Other(other),
            _ => Piece::Plain,
        };
        Self {
            index,
            piece,
            state: part.state.as_ref(),
            extra: &part.extra,
        }
    }
}

/// Whether a part of the provider's own is a call in OpenAI's form, e.g. of a `custom` tool. It
/// stands in `tool_calls`, where OpenAI's clients look for it.
pub(super) fn is_tool_call(other: &llm::Annotated) -> bool {
    other.kind == "custom"
}

/// Writes every carrier that the parts need, and the further fields of the texts. Gives the names
/// of the fields that were written out of an `extra`.
pub(super) fn write<'a>(object: &mut Object<'_>, parts: &[Placed<'a>]) -> Vec<&'a str> {
    reasoning_details(object, parts);
    text_parts(object, parts);
    let others: Vec<_> = parts
        .iter()
        .filter(|part| matches!(part.piece, Piece::Other(_)))
        .collect();
    if !others.is_empty() {
        object.list("provider_parts", others, |out, part| {
            if let Piece::Other(other) = part.piece {
                provider_part(out, part.index, other, part.state, part.extra);
            }
        });
    }
    let media: Vec<_> = media_fields(parts).collect();
    for wanted in [MediaField::Images, MediaField::Files, MediaField::Audio] {
        let of_field = media.iter().filter(|(field, _)| *field == wanted);
        write_media(object, wanted, of_field.map(|(_, medium)| *medium));
    }
    text_extras(object, parts)
}

/// The media with their fields. `audio` has room for one; a second sound is a file.
fn media_fields<'p>(parts: &'p [Placed<'_>]) -> impl Iterator<Item = (MediaField, MediaPart<'p>)> {
    let mut has_audio = false;
    parts.iter().filter_map(move |part| {
        let Piece::Media(media) = part.piece else { return None };
        let mut field = MediaField::of(media);
        if field == MediaField::Audio && std::mem::replace(&mut has_audio, true) {
            field = MediaField::Files;
        }
        Some((field, (part.index, media, part.state, part.extra)))
    })
}

fn reasoning_details(object: &mut Object<'_>, parts: &[Placed<'_>]) {
    let thoughts: Vec<_> = parts
        .iter()
        .filter(|part| matches!(part.piece, Piece::Reasoning { .. }))
        .collect();
    // One thought at the front that is nothing but text is said by `reasoning_content`.
    let plain = |part: &Placed<'_>| {
        part.index == 0
            && part.state.is_none()
            && part.extra.is_empty()
            && matches!(part.piece, Piece::Reasoning { redacted: false, text } if !text.is_empty())
    };
    if thoughts.is_empty() || matches!(thoughts.as_slice(), [only] if plain(only)) {
        return;
    }
    object.list("reasoning_details", thoughts, |out, part| {
        let Piece::Reasoning { text, redacted } = part.piece else {
            return;
        };
        let mut entry = Object::begin(out);
        entry.field(
            "type",
            if redacted {
                "reasoning.encrypted"
            } else {
                "reasoning.text"
            },
        );
        if !redacted {
            entry.field("text", text);
        }
        if let Some(state) = part.state {
            let (name, name_base64) = if redacted {
                ("data", "data_base64")
            } else {
                ("signature", "signature_base64")
            };
            state::write_bytes(&mut entry, name, name_base64, &state.data);
            entry.field("format", &state.format);
        }
        entry.field("index", &part.index);
        entry.extras(
            part.extra,
            &[
                "type",
                "text",
                "summary",
                "signature",
                "signature_base64",
                "data",
                "data_base64",
                "format",
                "index",
            ],
        );
        entry.end();
    });
}

/// `provider_state` of the only text, or `text_parts` where there are several, or where one
/// stands behind what is usually behind it.
fn text_parts(object: &mut Object<'_>, parts: &[Placed<'_>]) {
    let texts: Vec<_> = parts
        .iter()
        .filter_map(|part| match part.piece {
            Piece::Text(length) => Some((part, length)),
            _ => None,
        })
        .collect();
    let plain_before = |text: &Placed<'_>| {
        parts
            .iter()
            .any(|part| part.index < text.index && matches!(part.piece, Piece::Plain))
    };
    match texts.as_slice() {
        [] => {}
        [(only, _)] if !plain_before(only) => state::write(object, only.state),
        _ => object.list("text_parts", texts, |out, (part, length)| {
            let mut entry = Object::begin(out);
            entry.field("index", &part.index);
            entry.field("length", &length);
            state::write(&mut entry, part.state);
            entry.end();
        }),
    }
}

/// Writes the further fields of the texts under the message. Arrays of several texts
/// (`annotations`, `citations`) are joined; of other values the last counts.
fn text_extras<'a>(object: &mut Object<'_>, parts: &[Placed<'a>]) -> Vec<&'a str> {
    let extras = || {
        let texts = parts.iter().filter(|part| matches!(part.piece, Piece::Text(_)));
        texts.flat_map(|part| part.extra.iter())
    };
    let mut written: Vec<&'a str> = Vec::new();
    for (name, _) in extras() {
        if written.contains(&name.as_str()) || MESSAGE_FIELDS.contains(&name.as_str()) {
            continue;
        }
        written.push(name);
        let mut values = extras()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str());
        let first = values.next().unwrap_or("null");
        let joined = values.fold(first.to_owned(), |all, next| join_arrays(&all, next));
        object.raw(name, &joined);
    }
    written
}

/// Two JSON arrays as one; the second value where they are not both arrays.
pub(super) fn join_arrays(first: &str, second: &str) -> String {
    let inner = |text: &str| -> Option<String> {
        text.trim()
            .strip_prefix('[')?
            .strip_suffix(']')
            .map(|inner| inner.trim().to_owned())
    };
    match (inner(first), inner(second)) {
        (Some(a), Some(b)) if a.is_empty() => format!("[{b}]"),
        (Some(a), Some(b)) if b.is_empty() => format!("[{a}]"),
        (Some(a), Some(b)) => format!("[{a},{b}]"),
        _ => second.to_owned(),
    }
}

/// Writes one item of `provider_parts`.
pub(super) fn provider_part(
    out: &mut BytesMut,
    index: usize,
    other: &llm::Annotated,
    state: Option<&llm::ProviderState>,
    extra: &[(String, String)],
) {
    let mut entry = Object::begin(out);
    entry.field("index", &index);
    entry.field("kind", &other.kind);
    entry.raw("value", &other.value);
    state::write(&mut entry, state);
    entry.extras(extra, &["index", "kind", "value", "provider_state"]);
    entry.end();
}

/// The field in which a produced medium stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaField {
    /// `images`: items as in a request's `image_url` part.
    Images,
    /// `files`: items as in a request's `file` part.
    Files,
    /// `audio`: OpenAI's own field, one object.
    Audio,
}

impl MediaField {
    pub(super) fn of(media: &llm::Media) -> Self {
        let inline = matches!(media.source, llm::MediaSource::Inline(_));
        if media.media_type.starts_with("audio/") && inline {
            Self::Audio
        } else if media.media_type.starts_with("image/") && media::url(media).is_some() {
            Self::Images
        } else {
            Self::Files
        }
    }
}

type MediaPart<'a> = (
    usize,
    &'a llm::Media,
    Option<&'a llm::ProviderState>,
    &'a [(String, String)],
);

/// Writes a field with its media, if there are any.
pub(super) fn write_media<'a>(object: &mut Object<'_>, field: MediaField, media: impl Iterator<Item = MediaPart<'a>>) {
    let mut media = media.peekable();
    if media.peek().is_none() {
        return;
    }
    match field {
        MediaField::Images => object.list("images", media, image),
        MediaField::Files => object.list("files", media, file),
        MediaField::Audio => {
            if let Some((index, audio, state, extra)) = media.next() {
                let mut entry = object.object("audio");
                if let llm::MediaSource::Inline(data) = &audio.source {
                    entry.field("data", &media::base64(data));
                }
                entry.field("format", media::audio_format(&audio.media_type));
                entry.field("index", &index);
                state::write(&mut entry, state);
                entry.extras(extra, &["data", "format", "index", "provider_state"]);
                entry.end();
            }
        }
    }
}

fn image(out: &mut BytesMut, (index, media, state, extra): MediaPart<'_>) {
    let mut entry = Object::begin(out);
    entry.field("type", "image_url");
    let mut inner = entry.object("image_url");
    inner.optional("url", media::url(media));
    inner.optional("detail", media.detail.as_ref());
    inner.end();
    entry.field("index", &index);
    state::write(&mut entry, state);
    entry.extras(extra, &["type", "image_url", "index", "provider_state"]);
    entry.end();
}

fn file(out: &mut BytesMut, (index, media, state, extra): MediaPart<'_>) {
    let mut entry = Object::begin(out);
    entry.field("type", "file");
    let mut inner = entry.object("file");
    inner.optional("filename", media.name.as_ref());
    if let llm::MediaSource::File(id) = &media.source {
        inner.field("file_id", id);
    } else {
        inner.optional("file_data", media::url(media));
    }
    inner.end();
    entry.field("index", &index);
    state::write(&mut entry, state);
    entry.extras(extra, &["type", "file", "index", "provider_state"]);
    entry.end();
}

/// Writes one function call: an item of a whole answer's `tool_calls`.
pub(super) fn tool_call(out: &mut BytesMut, call: &llm::ToolCall, part: &llm::Part) {
    let mut entry = Object::begin(out);
    entry.field("id", &call.id);
    entry.field("type", "function");
    let mut inner = entry.object("function");
    inner.field("name", &call.name);
    inner.field("arguments", &call.arguments);
    inner.end();
    call_extras(&mut entry, part.state.as_ref(), &part.extra);
    entry.end();
}

/// Writes what a call has besides its function.
pub(super) fn call_extras(entry: &mut Object<'_>, state: Option<&llm::ProviderState>, extra: &[(String, String)]) {
    state::write(entry, state);
    entry.extras(extra, &["id", "type", "function", "provider_state", "index"]);
}
