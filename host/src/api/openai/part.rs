//! Content parts of a request.
//!
//! In: the items of a `content` array. Out: the neutral parts; fields without a place of their
//! own stay in the part's `extra`, those of a nested object under their path below the part
//! (`image_url.format`). Never: a check whether a provider can carry the part.

use crate::api::json::{Node, Object, Path};
use crate::error::GatewayError;
use crate::llm;

use super::media;

/// A part with nothing but content.
pub(super) fn plain(content: llm::PartContent) -> llm::Part {
    llm::Part {
        content,
        state: None,
        cache: None,
        extra: Vec::new(),
    }
}

/// Decodes `content`: a string, or an array of parts.
pub(super) fn content<'a>(node: Node<'a>, path: &Path<'_>) -> Result<Vec<llm::Part>, GatewayError> {
    match node {
        Node::Text(text) => Ok(vec![plain(llm::PartContent::Text(text.into_owned()))]),
        Node::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| part(item, &path.item(index)))
            .collect(),
        other => Err(path.wrong_type("a string or an array of parts", &other)),
    }
}

/// Decodes one part.
fn part(node: Node<'_>, path: &Path<'_>) -> Result<llm::Part, GatewayError> {
    let mut object = node.into_object(path)?;
    let kind = match object.peek("type") {
        Some(Node::Text(kind)) => kind.clone(),
        Some(other) => return Err(path.field("type").wrong_type("a string", other)),
        None => return Err(object.missing("type", "the kind of the part, e.g. `text`")),
    };
    let mut nested = Vec::new();
    let content = match kind.as_ref() {
        "text" => llm::PartContent::Text(object.required_text("text")?.into_owned()),
        "refusal" => llm::PartContent::Refusal(object.required_text("refusal")?.into_owned()),
        "image_url" => llm::PartContent::Media(image(&mut object, &mut nested)?),
        "input_audio" => llm::PartContent::Media(audio(&mut object, &mut nested)?),
        "file" => llm::PartContent::Media(file(&mut object, &mut nested)?),
        _ => {
            let other = llm::Annotated {
                kind: kind.into_owned(),
                value: object.into_node().to_json(),
            };
            return Ok(plain(llm::PartContent::Other(other)));
        }
    };
    object.take("type");
    // Typed clients write every field of their union; those of the other kinds are null.
    object.forget_nulls(&["text", "refusal", "image_url", "input_audio", "file"]);
    let cache = cache_hint(&mut object);
    let mut extra = object.rest();
    extra.append(&mut nested);
    Ok(llm::Part {
        content,
        state: None,
        cache,
        extra,
    })
}

/// `image_url`: an object with `url` and `detail`, or the address alone as some clients write it.
pub(super) fn image(object: &mut Object<'_, '_>, nested: &mut llm::Extras) -> Result<llm::Media, GatewayError> {
    let node = object.required("image_url", "an object with `url`")?;
    let path = object.path().field("image_url");
    let (source, media_type, name, detail) = match node {
        Node::Text(url) => {
            let (source, media_type) = media::source(&url, &path)?;
            (source, media_type, None, None)
        }
        Node::Map(_) => {
            let mut image = node.into_object(&path)?;
            let url = image.required_text("url")?;
            let (source, media_type) = media::source(&url, &path.field("url"))?;
            let detail = image.text("detail")?.map(Into::into);
            nested.append(&mut image.prefixed_rest("image_url."));
            (source, media_type, None, detail)
        }
        other => return Err(path.wrong_type("an object with `url`", &other)),
    };
    Ok(llm::Media {
        media_type,
        source,
        name,
        detail,
    })
}

/// `input_audio`: base64 and a format.
fn audio(object: &mut Object<'_, '_>, nested: &mut llm::Extras) -> Result<llm::Media, GatewayError> {
    let node = object.required("input_audio", "an object with `data` and `format`")?;
    let path = object.path().field("input_audio");
    let mut audio = node.into_object(&path)?;
    let data = audio.required_text("data")?;
    let source = llm::MediaSource::Inline(media::bytes(&data, &path.field("data"))?);
    let media_type = media::audio_type(&audio.required_text("format")?);
    nested.append(&mut audio.prefixed_rest("input_audio."));
    Ok(llm::Media {
        media_type,
        source,
        name: None,
        detail: None,
    })
}

/// `file`: a name, and base64, a `data:` URL, an address or a file id.
pub(super) fn file(object: &mut Object<'_, '_>, nested: &mut llm::Extras) -> Result<llm::Media, GatewayError> {
    let node = object.required("file", "an object with `file_data` or `file_id`")?;
    let path = object.path().field("file");
    let mut file = node.into_object(&path)?;
    let name = file.text("filename")?.map(Into::into);
    let (source, media_type) = match (file.text("file_data")?, file.text("file_id")?) {
        (Some(data), None) => {
            let path = path.field("file_data");
            if data.contains(':') {
                media::source(&data, &path)?
            } else {
                (llm::MediaSource::Inline(media::bytes(&data, &path)?), String::new())
            }
        }
        (None, Some(id)) => (llm::MediaSource::File(id.into_owned()), String::new()),
        (None, None) => return Err(path.invalid("expected `file_data` or `file_id`, got neither")),
        (Some(_), Some(_)) => return Err(path.invalid("expected `file_data` or `file_id`, got both")),
    };
    nested.append(&mut file.prefixed_rest("file."));
    Ok(llm::Media {
        media_type,
        source,
        name,
        detail: None,
    })
}

/// Takes `cache_control` if it is the form that has a neutral meaning; any other form stays where
/// it is, for the adapter.
pub(super) fn cache_hint(object: &mut Object<'_, '_>) -> Option<llm::CacheHint> {
    let Some(Node::Map(fields)) = object.peek("cache_control") else {
        return None;
    };
    let mut hint = None;
    let mut ttl_seconds = None;
    for (name, value) in fields {
        match (name.as_ref(), value) {
            ("type", Node::Text(kind)) if kind == "ephemeral" => hint = Some(()),
            ("ttl", Node::Text(ttl)) => ttl_seconds = Some(seconds(ttl)?),
            ("ttl", Node::Null) => {}
            _ => return None,
        }
    }
    hint?;
    object.take("cache_control");
    Some(llm::CacheHint { ttl_seconds })
}

/// `5m`, `1h`, … in seconds.
fn seconds(ttl: &str) -> Option<u32> {
    let (number, unit) = ttl.split_at_checked(ttl.len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    number.checked_mul(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    })
}
