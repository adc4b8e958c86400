//! Anthropic's own API behind the host's credentials.
//!
//! In: the head of a caller's request to `/v1/…`. Out: where it goes, with the headers that the API
//! knows; and the usage of the answers that have one. Never: a look into a request's body, or a change
//! of one.

use llm_anthropic_wire::{Context, Decoder, stream};
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::{BodyMode, Forward, RequestHead};
use llm_provider_sdk::types::{ChatEvent, Error, ErrorKind, Header, Usage};
use llm_provider_sdk::{Native, StreamDecoder, host};

use crate::settings::Settings;
use crate::{Anthropic, CREDENTIAL};

/// Headers of the caller that go on, beside `anthropic-version` and `anthropic-beta`. Not
/// `accept-encoding`: the usage is read from the answer's text.
const HEADERS: &[&str] = &["accept", "content-type"];

/// The endpoint whose answers tell usage.
const MESSAGES: &str = "/v1/messages";

impl Native for Anthropic {
    fn route(head: RequestHead) -> Result<Forward, Error> {
        let settings: Settings = host::config()?;
        if !is_path_of_the_api(&head.path) {
            let message = format!(
                "Anthropic's API has no path `{}`; its paths begin with `/v1/`",
                head.path
            );
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut url = settings.url(&head.path);
        if let Some(query) = &head.query {
            url.push('?');
            url.push_str(query);
        }
        let tells_usage = head.method == "POST" && head.path == MESSAGES;
        Ok(Forward {
            url,
            headers: headers(&head.headers, &settings),
            credential: Some(CREDENTIAL.to_owned()),
            request_body: BodyMode::Pass,
            response_body: if tells_usage { BodyMode::Copy } else { BodyMode::Pass },
        })
    }

    async fn read_usage(status: u16, headers: Vec<Header>, mut body: Body) -> Result<Option<Usage>, Error> {
        if !(200..300).contains(&status) {
            return Ok(None);
        }
        let kind = texts(&headers, "content-type").next().unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            let events = stream::events(&body.bytes().await?, Context::default()).unwrap_or_default();
            return Ok(last_usage(events));
        }
        let mut decoder = Decoder::new(Context::default());
        let mut usage = None;
        while let Some(piece) = body.chunk().await {
            let mut events = Vec::new();
            decoder.feed(&piece, &mut events);
            usage = last_usage(events).or(usage);
        }
        Ok(usage)
    }
}

fn last_usage(events: Vec<ChatEvent>) -> Option<Usage> {
    events.into_iter().rev().find_map(|event| match event {
        ChatEvent::Usage(usage) => Some(usage),
        _ => None,
    })
}

/// Below `/v1/`, and without segments that would lead out of it.
fn is_path_of_the_api(path: &str) -> bool {
    let below = path.strip_prefix("/v1/");
    below.is_some_and(|below| below.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
}

/// The caller's headers that the API knows, with the operator's version and betas.
fn headers(given: &[Header], settings: &Settings) -> Vec<Header> {
    let known = |(name, _): &&Header| HEADERS.contains(&name.to_ascii_lowercase().as_str());
    let mut out: Vec<Header> = given.iter().filter(known).cloned().collect();
    let version = texts(given, "anthropic-version").next().unwrap_or(settings.version());
    out.push(("anthropic-version".to_owned(), version.as_bytes().to_vec()));
    let mut betas = settings.betas.clone();
    let wanted = texts(given, "anthropic-beta").flat_map(|names| names.split(','));
    for name in wanted.map(str::trim).filter(|name| !name.is_empty()) {
        if !betas.iter().any(|known| known == name) {
            betas.push(name.to_owned());
        }
    }
    if !betas.is_empty() {
        out.push(("anthropic-beta".to_owned(), betas.join(",").into_bytes()));
    }
    out
}

fn texts<'h>(headers: &'h [Header], name: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .iter()
        .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
}
