//! The provider's own API, passed through: which headers go on, and where the answers tell usage.
//!
//! In: heads of calls, and copies of answers of any operation. Out: headers; usage. Never: a body
//! changed, or an answer refused because it tells no usage.

use llm_provider_sdk::framer::sse::Framer;
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::{BodyMode, RequestHead};
use llm_provider_sdk::types::{Error, Header, Usage};
use serde_json::value::RawValue;

use crate::profile::Profile;
use crate::usage;
use crate::wire::Fields;

/// Headers of the caller that every provider of this wire may see. Not `accept-encoding`: the usage
/// is read from the answer's text.
const HEADERS: [&str; 6] = [
    "accept",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "openai-beta",
    "range",
];

/// The caller's headers that go on: those of this list, and those that `own` names.
#[must_use]
pub fn headers(given: &[Header], own: &[&str]) -> Vec<Header> {
    let known = |(name, _): &&Header| {
        let name = name.to_ascii_lowercase();
        HEADERS.contains(&name.as_str()) || own.contains(&name.as_str())
    };
    given.iter().filter(known).cloned().collect()
}

/// Whether a path stays below where it begins: no segment leads up, plainly or encoded.
#[must_use]
pub fn stays_below(path: &str) -> bool {
    path.split('/').all(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        !matches!(plain.as_str(), "." | "..")
            && !plain.contains("%2f")
            && !plain.contains("%5c")
            && !plain.contains('\\')
    })
}

/// Whether the answer is to be copied, to find its usage: that of a call that makes something.
#[must_use]
pub fn response_body(head: &RequestHead) -> BodyMode {
    const MAKING: [&str; 8] = [
        "/completions",
        "/decisions",
        "/responses",
        "/embeddings",
        "/generations",
        "/edits",
        "/transcriptions",
        "/messages",
    ];
    if head.method == "POST" && MAKING.iter().any(|ending| head.path.ends_with(ending)) {
        BodyMode::Copy
    } else {
        BodyMode::Pass
    }
}

/// The usage that an answer tells, whole or streamed, of whichever operation.
///
/// # Errors
/// What broke the copy off.
pub async fn read_usage(
    status: u16,
    headers: &[Header],
    mut body: Body,
    profile: &Profile,
) -> Result<Option<Usage>, Error> {
    if !(200..300).contains(&status) {
        return Ok(None);
    }
    let kind = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let streamed = kind.is_some_and(|(_, value)| value.starts_with(b"text/event-stream"));
    if !streamed {
        let body = body.bytes().await?;
        return Ok(std::str::from_utf8(&body).ok().and_then(|text| of_text(text, profile)));
    }
    let mut framer = Framer::new();
    let mut last = None;
    while let Some(piece) = body.chunk().await {
        for event in framer.feed(&piece).into_iter().flatten() {
            last = of_text(&event.data, profile).or(last);
        }
    }
    if let Some(event) = framer.finish() {
        last = of_text(&event.data, profile).or(last);
    }
    Ok(last)
}

/// The usage in an answer or an event: at its top, or in the `response` that an event brings.
fn of_text(text: &str, profile: &Profile) -> Option<Usage> {
    let mut fields = Fields::parse(text).ok()?;
    let of = |raw: &RawValue| usage::usage(raw, profile);
    let inner = fields.take_object("response");
    let inner = inner.and_then(|mut response| of(response.take("usage")?));
    inner.or_else(|| of(fields.take("usage")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::block_on;

    #[test]
    fn paths_that_lead_out_are_known() {
        for (path, below) in [
            ("/v1/files", true),
            ("/v1/files/a.b/content", true),
            ("/v1/../x", false),
            ("/v1/%2e%2E/x", false),
            ("/v1/a%2Fb", false),
            ("/v1/a\\b", false),
            ("/./v1", false),
        ] {
            assert_eq!(stays_below(path), below, "{path}");
        }
    }

    #[test]
    fn only_known_headers_go_on() {
        let given: Vec<Header> = ["Accept", "OpenAI-Beta", "x-own", "authorization", "accept-encoding"]
            .map(|name| (name.to_owned(), b"v".to_vec()))
            .to_vec();
        let names: Vec<String> = headers(&given, &["x-own"]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Accept", "OpenAI-Beta", "x-own"]);
    }

    #[test]
    fn usage_is_found_in_answers_and_events() {
        let json = (
            "application/json",
            r#"{"usage":{"input_tokens":5,"output_tokens":3,"output_tokens_details":{"reasoning_tokens":2}}}"#,
        );
        let chunks = (
            "text/event-stream; charset=utf-8",
            "data: {\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\ndata: [DONE]\n\n",
        );
        let events = (
            "text/event-stream",
            "event: response.created\ndata: {\"response\":{\"usage\":null}}\n\nevent: response.completed\ndata: {\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":3,\"output_tokens_details\":{\"reasoning_tokens\":2}}}}",
        );
        for (kind, text) in [json, chunks, events] {
            let headers = vec![("Content-Type".to_owned(), kind.as_bytes().to_vec())];
            let read = |status| {
                let body = Body::from_bytes(text.as_bytes().to_vec());
                block_on(read_usage(status, &headers, body, &Profile::OPENAI)).unwrap()
            };
            let usage = read(200).unwrap();
            assert_eq!((usage.input, usage.output, usage.reasoning), (5, 1, 2), "{kind}");
            assert_eq!(read(500), None);
        }
        let body = Body::from_bytes(b"ID3 sound".to_vec());
        assert_eq!(block_on(read_usage(200, &[], body, &Profile::OPENAI)).unwrap(), None);
    }
}
