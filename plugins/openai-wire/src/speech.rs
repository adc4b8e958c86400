//! Sound: `POST /audio/speech`, `/audio/transcriptions` and `/audio/translations`.
//!
//! In: neutral requests, and the bodies of their answers. Out: bodies, and neutral transcripts.
//! Never: a sound changed; its bytes go through as they are.

use llm_provider_sdk::http;
use llm_provider_sdk::speech::{SynthesisRequest, Transcript, TranscriptionRequest};
use llm_provider_sdk::types::{DroppedField, Error, MediaSource};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::multipart::Form;
use crate::profile::Profile;
use crate::request::fields::{Member, Members, raw};
use crate::wire::media::extension;
use crate::wire::{Fields, plain, read};
use crate::{error, usage};

/// The body of a request to speak.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(flatten)]
    extra: Members<'a>,
}

/// Encodes a request to speak.
///
/// # Errors
/// Kind `invalid-request` for a field that has to be JSON and is not.
pub fn encode(req: &SynthesisRequest) -> Result<Body<'_>, Error> {
    let mut extra = Members::default();
    for (name, json) in &req.extra {
        extra.push(name.as_str(), Member::Raw(raw(json, name)?));
    }
    Ok(Body {
        model: &req.model,
        input: &req.input,
        voice: &req.voice,
        response_format: req.format.as_deref(),
        speed: req.speed,
        extra,
    })
}

/// What the host says in a transcription's `extra` that is not a field of this API.
struct Wish<'a> {
    translate: bool,
    /// The form in which the provider is to answer.
    format: &'a str,
}

fn wish(req: &TranscriptionRequest) -> Wish<'_> {
    let text = |name: &str| {
        let (_, json) = req.extra.iter().find(|(known, _)| known == name)?;
        serde_json::from_str::<&str>(json).ok()
    };
    Wish {
        translate: text("task") == Some("translate"),
        format: match text("response_format") {
            // The host writes subtitles out of the segments.
            Some("verbose_json" | "srt" | "vtt") => "verbose_json",
            Some("diarized_json") => "diarized_json",
            _ => "json",
        },
    }
}

/// The operation that a request asks for, as a path.
#[must_use]
pub fn operation(req: &TranscriptionRequest) -> &'static str {
    if wish(req).translate {
        "/audio/translations"
    } else {
        "/audio/transcriptions"
    }
}

/// Fields of `extra` that have been read, or that ask for the text in pieces; it comes as a whole.
const TAKEN: [&str; 3] = ["task", "response_format", "stream"];

/// Writes the body of a request to write down into `http`, and names what it cannot carry.
///
/// # Errors
/// Kind `unsupported` for sound that is not given by its bytes.
pub fn encode_sound(
    http: http::Request,
    req: &TranscriptionRequest,
    profile: &Profile,
) -> Result<(http::Request, Vec<DroppedField>), Error> {
    let MediaSource::Inline(bytes) = &req.audio.source else {
        let message = format!("{} takes sound as bytes, not by address or id", profile.name);
        return Err(Error::unsupported(message).with_param("file"));
    };
    let mut form = Form::default();
    let media_type = match req.audio.media_type.as_str() {
        "" => "application/octet-stream",
        told => told,
    };
    // The ending of the name is what tells the provider the format.
    let name = req.audio.name.clone();
    let name = name.unwrap_or_else(|| format!("audio.{}", extension(media_type)));
    form.file("file", &name, media_type, bytes);
    form.text("model", &req.model);
    let wish = wish(req);
    form.text("response_format", wish.format);
    let mut dropped = Vec::new();
    match &req.language {
        Some(language) if wish.translate => dropped.push(DroppedField::new(
            "language",
            format!(
                "{} hears by itself which language it translates; this is `{language}`",
                profile.name
            ),
        )),
        Some(language) => form.text("language", language),
        None => {}
    }
    if let Some(prompt) = &req.prompt {
        form.text("prompt", prompt);
    }
    for (name, json) in &req.extra {
        match (name.as_str(), serde_json::from_str::<Vec<&RawValue>>(json)) {
            ("stream", _) if json == "true" => {
                dropped.push(DroppedField::new("stream", "the text comes as a whole"));
            }
            (taken, _) if TAKEN.contains(&taken) => {}
            (_, Ok(items)) => {
                let list = format!("{}[]", name.trim_end_matches("[]"));
                items.iter().for_each(|item| form.text(&list, plain(item.get())));
            }
            _ => form.text(name, plain(json)),
        }
    }
    let (kind, body) = form.finish();
    Ok((http.header("content-type", kind).body(body), dropped))
}

/// Decodes a transcript.
///
/// # Errors
/// The provider's own error where the body holds one; kind `upstream` when it is no transcript.
pub fn decode(body: &[u8], dropped: Vec<DroppedField>, profile: &Profile) -> Result<Transcript, Error> {
    let fault = |what: &str| Error::upstream(format!("{} answered with {what}", profile.name));
    let text = std::str::from_utf8(body).map_err(|_| fault("bytes that are not text"))?;
    let mut fields = Fields::parse(text).map_err(|_| fault("something that is not a JSON object"))?;
    if error::is_error(&fields) {
        return Err(error::inside(&fields, text, profile));
    }
    let all = fields.take_text("text").ok_or_else(|| fault("no text"))?;
    let duration_ms = fields.get("duration").and_then(seconds);
    if duration_ms.is_some() {
        fields.take("duration");
    }
    let usage = fields.get("usage").and_then(|raw| usage::usage(raw, profile));
    if usage.is_some() {
        fields.take("usage");
    }
    fields.take("task");
    Ok(Transcript {
        text: all,
        language: fields.take_some_text("language"),
        duration_ms,
        segments: fields.take("segments").map(|raw| raw.get().to_owned()),
        usage,
        dropped,
        extra: fields.into_extras(),
    })
}

/// A number of seconds in milliseconds; OpenAI once wrote it as a string.
fn seconds(raw: &RawValue) -> Option<u64> {
    let seconds = read::<f64>(raw).or_else(|| read::<String>(raw)?.parse().ok())?;
    // The range is checked, so the cast loses nothing but a fraction.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..9e12)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests;
