//! Pictures: `POST /images/generations`, `/images/edits` and `/images/variations`.
//!
//! In: a neutral request, and the body of its answer. Out: which operation it is and its body, and
//! the neutral answer. Never: a download; a picture that is told by its address stays one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_provider_sdk::http;
use llm_provider_sdk::images::{Request, Response};
use llm_provider_sdk::types::{DroppedField, Error, Extras, Media, MediaSource};
use serde::Serialize;

use crate::multipart::Form;
use crate::profile::Profile;
use crate::request::fields::{Member, Members, raw};
use crate::wire::media::{extension, from_url};
use crate::wire::{Fields, is_empty, object, plain, read};
use crate::{error, usage};

/// The body of a request for a new picture.
#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<&'a str>,
    #[serde(flatten)]
    extra: Members<'a>,
}

/// Fields that ask for the picture in pieces; it always comes as a whole.
const STREAMING: [&str; 2] = ["stream", "partial_images"];

/// The operation that a request asks for, as a path.
#[must_use]
pub fn operation(req: &Request) -> &'static str {
    match (req.references.is_empty(), req.prompt.is_empty()) {
        (true, _) => "/images/generations",
        (false, false) => "/images/edits",
        (false, true) => "/images/variations",
    }
}

/// Writes the body of a request into `http`, and names what it cannot carry.
///
/// # Errors
/// Kind `unsupported` for a reference that is not given by its bytes; kind `invalid-request` for a
/// field that has to be JSON and is not.
pub fn encode(
    http: http::Request,
    req: &Request,
    profile: &Profile,
) -> Result<(http::Request, Vec<DroppedField>), Error> {
    let (streaming, extra): (Vec<_>, Vec<_>) = req
        .extra
        .iter()
        .partition(|(name, _)| STREAMING.contains(&name.as_str()));
    let dropped = streaming
        .into_iter()
        .filter(|(_, json)| json != "false" && json != "0" && json != "null")
        .map(|(name, _)| DroppedField::new(name, "pictures come as a whole"))
        .collect();
    if !req.references.is_empty() {
        let (kind, body) = form(req, &extra, profile)?.finish();
        return Ok((http.header("content-type", kind).body(body), dropped));
    }
    let mut members = Members::default();
    for (name, json) in extra {
        members.push(name.as_str(), Member::Raw(raw(json, name)?));
    }
    let body = Body {
        model: &req.model,
        prompt: &req.prompt,
        n: req.n,
        size: req.size.as_deref(),
        extra: members,
    };
    Ok((http.json(&body), dropped))
}

fn form(req: &Request, extra: &[&(String, String)], profile: &Profile) -> Result<Form, Error> {
    let mut form = Form::default();
    form.text("model", &req.model);
    if !req.prompt.is_empty() {
        form.text("prompt", &req.prompt);
    }
    // One picture has the name that every model knows.
    let name = if req.references.len() == 1 { "image" } else { "image[]" };
    for (at, reference) in req.references.iter().enumerate() {
        add(&mut form, name, reference, &format!("image-{at}"), profile)?;
    }
    if let Some(mask) = &req.mask {
        add(&mut form, "mask", mask, "mask", profile)?;
    }
    if let Some(n) = req.n {
        form.text("n", n.to_string());
    }
    if let Some(size) = &req.size {
        form.text("size", size);
    }
    for (name, json) in extra {
        form.text(name, plain(json));
    }
    Ok(form)
}

fn add(form: &mut Form, field: &str, media: &Media, fallback: &str, profile: &Profile) -> Result<(), Error> {
    let MediaSource::Inline(bytes) = &media.source else {
        let message = format!(
            "{} takes pictures to start from as bytes, not by address or id",
            profile.name
        );
        return Err(Error::unsupported(message).with_param(field.trim_end_matches("[]")));
    };
    let media_type = match media.media_type.as_str() {
        "" => "image/png",
        told => told,
    };
    let name = media.name.clone();
    let name = name.unwrap_or_else(|| format!("{fallback}.{}", extension(media_type)));
    form.file(field, &name, media_type, bytes);
    Ok(())
}

/// Decodes an answer.
///
/// # Errors
/// The provider's own error where the body holds one; kind `upstream` when there is no picture.
pub fn decode(body: &[u8], dropped: Vec<DroppedField>, profile: &Profile) -> Result<Response, Error> {
    let fault = |what: &str| Error::upstream(format!("{} answered with {what}", profile.name));
    let text = std::str::from_utf8(body).map_err(|_| fault("bytes that are not text"))?;
    let mut fields = Fields::parse(text).map_err(|_| fault("something that is not a JSON object"))?;
    if error::is_error(&fields) {
        return Err(error::inside(&fields, text, profile));
    }
    let format = fields.get("output_format").and_then(read::<String>);
    let media_type = format!("image/{}", format.as_deref().unwrap_or("png"));
    let mut images = Vec::new();
    let mut beside = Vec::new();
    for raw in fields.take_list("data") {
        let mut item: Fields<'_> = read(raw).ok_or_else(|| fault("a picture that is no object"))?;
        let media = match (item.take_some_text("b64_json"), item.take_some_text("url")) {
            // Some servers write the bytes as a `data:` URL.
            (Some(data), _) if data.starts_with("data:") => from_url(data),
            (Some(data), _) => {
                let bytes = BASE64.decode(data).map_err(|_| fault("a picture that is no base64"))?;
                Media::new(media_type.clone(), MediaSource::Inline(bytes))
            }
            (None, Some(url)) => from_url(url),
            (None, None) => return Err(fault("a picture without its bytes")),
        };
        images.push(media);
        beside.push(item.into_extras());
    }
    if images.is_empty() {
        return Err(fault("no picture"));
    }
    let revised_prompt = shared_prompt(&mut beside);
    let usage = fields.take("usage").and_then(|raw| usage::of_images(raw, profile));
    let mut extra = fields.into_extras();
    extra.extend(details(beside));
    Ok(Response {
        images,
        revised_prompt,
        usage,
        dropped,
        extra,
    })
}

/// Takes the prompt that all pictures were made from, if there is one; different ones stay beside theirs.
fn shared_prompt(beside: &mut [Extras]) -> Option<String> {
    let named = |(name, _): &&(String, String)| name == "revised_prompt";
    let first = beside.first()?.iter().find(named)?.1.clone();
    let shared = beside
        .iter()
        .all(|members| members.iter().find(named).is_some_and(|(_, json)| *json == first));
    let prompt = serde_json::from_str(&first).ok().filter(|_| shared)?;
    for members in beside {
        members.retain(|(name, _)| name != "revised_prompt");
    }
    Some(prompt)
}

/// What the provider says of each picture, e.g. its filter's findings: a list in their order.
fn details(beside: Vec<Extras>) -> Option<(String, String)> {
    let says = |members: &Extras| members.iter().any(|(_, json)| !is_empty(json));
    if !beside.iter().any(says) {
        return None;
    }
    let items: Vec<String> = beside.iter().map(object).collect();
    Some(("image_details".to_owned(), format!("[{}]", items.join(","))))
}

#[cfg(test)]
mod tests;
