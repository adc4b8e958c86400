//! Bedrock's own API behind the host's credentials.
//!
//! In: the head of a caller's request to `/model/…`, `/guardrail/…`, `/openai/v1/…` and the lists of
//! models, with a region before it where another than the default is meant (`/eu-west-1/model/…`). Out:
//! where it goes; and the usage of the answers that have one. Never: a look into a request's body.

use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::framer::event_stream::Framer;
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::{BodyMode, Forward, RequestHead};
use llm_provider_sdk::types::{Error, ErrorKind, Header, Usage};
use llm_provider_sdk::{Native, host};

use crate::endpoint::is_region;
use crate::settings::Settings;
use crate::target::{control_origin, runtime_origin};
use crate::{Bedrock, transport, usage};

/// Headers of the caller that go on, beside Bedrock's own. Not `accept-encoding`: the usage is read from
/// the answer.
const HEADERS: &[&str] = &["accept", "content-type"];
const OWN_HEADERS: &str = "x-amzn-bedrock-";

/// What paths of `bedrock-runtime` begin with.
const RUNTIME: &[&str] = &["model", "guardrail", "async-invoke", "openai"];

/// What paths of `bedrock` begin with: only what is read.
const CONTROL: &[&str] = &[
    "foundation-models",
    "inference-profiles",
    "guardrails",
    "provisioned-model-throughputs",
];

impl Native for Bedrock {
    fn route(head: RequestHead) -> Result<Forward, Error> {
        let settings: Settings = host::config()?;
        let no_such = || {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "Bedrock's API has no path `{}` here; there are /model/…, /guardrail/…, /openai/v1/…, and the lists /foundation-models and /inference-profiles",
                    head.path
                ),
            )
        };
        let mut segments: Vec<&str> = head.path.strip_prefix('/').ok_or_else(no_such)?.split('/').collect();
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(no_such());
        }
        let mut region = settings.region.as_str();
        if let Some(first) = segments.first().filter(|first| is_region(first)) {
            region = first;
            segments.remove(0);
        }
        let arn = segments
            .get(1)
            .map(|id| id.replace("%3A", ":").replace("%3a", ":"))
            .unwrap_or_default();
        if let Some(of_arn) = arn
            .strip_prefix("arn:")
            .and_then(|arn| arn.split(':').nth(2))
            .filter(|of| is_region(of))
        {
            region = of_arn;
        }
        if !settings.allows(region) {
            return Err(Error::invalid_request(format!(
                "region {region} is not among those that this provider may ask; the operator can add it to `regions`"
            )));
        }
        let origin = match segments.first() {
            Some(first) if RUNTIME.contains(first) => runtime_origin(region, &settings)?,
            Some(first) if CONTROL.contains(first) && head.method == "GET" => control_origin(region, &settings)?,
            _ => return Err(no_such()),
        };
        let mut url = format!("{origin}/{}", segments.join("/"));
        if let Some(query) = &head.query {
            url.push('?');
            url.push_str(query);
        }
        let known = |name: &str| HEADERS.contains(&name) || name.starts_with(OWN_HEADERS);
        let headers = head
            .headers
            .iter()
            .filter(|(name, _)| known(&name.to_ascii_lowercase()));
        let tells_usage = head.method == "POST" && segments.first() == Some(&"model");
        Ok(Forward {
            url,
            headers: headers.cloned().collect(),
            credential: Some(transport::slot(&settings).to_owned()),
            request_body: BodyMode::Pass,
            response_body: if tells_usage { BodyMode::Copy } else { BodyMode::Pass },
        })
    }

    async fn read_usage(status: u16, headers: Vec<Header>, mut body: Body) -> Result<Option<Usage>, Error> {
        if !(200..300).contains(&status) {
            return Ok(None);
        }
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        let count = |name: &str| {
            header(name)
                .and_then(|value| value.parse::<f64>().ok())
                .map(|count| count as u64)
        };
        if header("content-type").is_some_and(|kind| kind.starts_with(crate::converse::EVENT_STREAM)) {
            return Ok(of_stream(&mut body).await);
        }
        let text = body.bytes().await?;
        let told = std::str::from_utf8(&text).ok().and_then(Object::parse);
        if let Some(found) = told
            .and_then(|mut object| object.take_as::<Object>("usage"))
            .filter(|usage| usage.has("inputTokens"))
        {
            return Ok(Some(usage::decode(found)));
        }
        // InvokeModel counts in headers, whatever the model's form.
        let tokens = |name: &str| count(&format!("x-amzn-bedrock-{name}-token-count"));
        Ok(tokens("input").map(|input| Usage {
            input,
            output: tokens("output").unwrap_or(0),
            cache_read: tokens("cache-read-input").unwrap_or(0),
            cache_write: tokens("cache-write-input").unwrap_or(0),
            ..Usage::default()
        }))
    }
}

/// The usage that a stream tells: in Converse's metadata, or with the last chunk of a model's own.
async fn of_stream(body: &mut Body) -> Option<Usage> {
    let mut framer = Framer::new();
    let mut found = None;
    while let Some(piece) = body.chunk().await {
        for frame in framer.feed(&piece).into_iter().flatten() {
            let payload = std::str::from_utf8(frame.payload()).unwrap_or_default();
            found = match frame.header(":event-type") {
                Some("metadata") => Object::parse(payload)
                    .and_then(|mut event| event.take_as::<Object>("usage"))
                    .map(usage::decode),
                Some("chunk") => of_chunk(payload),
                _ => None,
            }
            .or(found);
        }
    }
    found
}

fn of_chunk(payload: &str) -> Option<Usage> {
    use base64::Engine as _;
    let data: String = Object::parse(payload)?.take_as("bytes")?;
    let chunk = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
    let mut chunk = Object::parse(std::str::from_utf8(&chunk).ok()?)?;
    let metrics: crate::invoke::Metrics = chunk.take_as("amazon-bedrock-invocationMetrics")?;
    Some(metrics.usage())
}
