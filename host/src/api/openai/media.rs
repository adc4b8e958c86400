//! Images, documents and sound on the OpenAI wire: `data:` URLs, base64 and addresses.
//!
//! In: the strings of a request, or the media of an answer. Out: bytes for the sandbox, decoded
//! once, or `data:` URLs for the caller. Never: a fetch; an address goes on as it is.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::api::json::Path;
use crate::error::GatewayError;
use crate::llm;

/// Standard base64 whose padding may be missing: several clients leave it off.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where the bytes are, by what the caller wrote: a `data:` URL or an address. The second value
/// is the media type that a `data:` URL names.
pub(super) fn source(url: &str, path: &Path<'_>) -> Result<(llm::MediaSource, String), GatewayError> {
    if let Some(rest) = strip_scheme(url, "data:") {
        return data_url(rest, path);
    }
    // Whether the provider takes such an address is the adapter's to say: Gemini reads `gs://`.
    if url
        .split_once("://")
        .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
    {
        return Ok((llm::MediaSource::Url(url.to_owned()), String::new()));
    }
    Err(path.invalid("expected an https address, or the data itself as `data:<media type>;base64,<data>`"))
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = url.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// RFC 2397, base64 form.
fn data_url(rest: &str, path: &Path<'_>) -> Result<(llm::MediaSource, String), GatewayError> {
    let Some((head, data)) = rest.split_once(',') else {
        return Err(path.invalid("the `data:` URL has no comma before its data"));
    };
    let mut parameters = head.split(';');
    let media_type = parameters.next().unwrap_or_default().trim().to_ascii_lowercase();
    if !parameters.any(|parameter| parameter.trim().eq_ignore_ascii_case("base64")) {
        return Err(path.invalid("the `data:` URL must hold base64: `data:<media type>;base64,<data>`"));
    }
    Ok((llm::MediaSource::Inline(bytes(data, path)?), media_type))
}

/// Base64 as bytes.
pub(super) fn bytes(data: &str, path: &Path<'_>) -> Result<Vec<u8>, GatewayError> {
    let decoded = LENIENT.decode(data).or_else(|error| {
        // MIME encoders break lines.
        if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
            let joined: String = data.split_ascii_whitespace().collect();
            LENIENT.decode(joined)
        } else {
            Err(error)
        }
    });
    decoded.map_err(|error| path.invalid(format_args!("the data is not base64: {error}")))
}

/// Bytes as base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The media as an address: a `data:` URL for bytes, the address itself otherwise. A file id has
/// none.
pub(super) fn url(media: &llm::Media) -> Option<String> {
    match &media.source {
        llm::MediaSource::Inline(bytes) => {
            let media_type = if media.media_type.is_empty() {
                "application/octet-stream"
            } else {
                &media.media_type
            };
            let mut url = String::with_capacity(media_type.len() + 13 + bytes.len().div_ceil(3) * 4);
            url.push_str("data:");
            url.push_str(media_type);
            url.push_str(";base64,");
            STANDARD.encode_string(bytes, &mut url);
            Some(url)
        }
        llm::MediaSource::Url(url) => Some(url.clone()),
        llm::MediaSource::File(_) => None,
    }
}

/// The media type of a sound by OpenAI's word for its format.
pub(super) fn audio_type(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    }
}

/// OpenAI's word for a sound's format.
pub(super) fn audio_format(media_type: &str) -> &str {
    match media_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_data_are_told_apart() {
        use llm::MediaSource::{Inline, Url};
        let cases = [
            (
                "https://example.com/a.png",
                Some((Url("https://example.com/a.png".into()), "")),
            ),
            ("gs://bucket/a.png", Some((Url("gs://bucket/a.png".into()), ""))),
            (
                "data:image/png;base64,QUJD",
                Some((Inline(b"ABC".to_vec()), "image/png")),
            ),
            (
                "DATA:Image/PNG;name=x;BASE64,QUI",
                Some((Inline(b"AB".to_vec()), "image/png")),
            ),
            ("data:;base64,QU\nJD", Some((Inline(b"ABC".to_vec()), ""))),
            ("data:image/svg+xml,%3Csvg/%3E", None),
            ("data:image/png;base64", None),
            ("data:image/png;base64,Q*JD", None),
            ("QUJD", None),
            ("", None),
        ];
        for (url, expected) in cases {
            let path = Path::ROOT.field("url");
            let got = source(url, &path);
            match expected {
                Some((source, media_type)) => assert_eq!(got.unwrap(), (source, media_type.to_owned()), "{url}"),
                None => assert!(
                    matches!(got, Err(GatewayError::InvalidRequest { param: Some(ref p), .. }) if p == "url"),
                    "{url}: {got:?}"
                ),
            }
        }
    }

    #[test]
    fn bytes_come_back_from_their_address() {
        let media = llm::Media {
            media_type: "image/webp".into(),
            source: llm::MediaSource::Inline(vec![0, 255, 7, 9]),
            name: None,
            detail: None,
        };
        let (back, media_type) = source(&url(&media).unwrap(), &Path::ROOT).unwrap();
        assert_eq!((back, media_type), (media.source, media.media_type));
    }
}
