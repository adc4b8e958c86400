//! The list of models.
//!
//! In: pages of `GET /v1/models`. Out: neutral descriptions of models. Never: a model that the API
//! did not name.

use llm_anthropic_wire::error;
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::types::{Error, ModelInfo};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Models on one page; the most that the API gives.
pub const PAGE_SIZE: u32 = 1_000;

/// Capabilities of the API that have a name of their own here.
const CAPABILITIES: &[(&str, &str)] = &[
    ("image_input", "vision"),
    ("pdf_input", "documents"),
    ("thinking", "reasoning"),
    ("structured_outputs", "structured-output"),
    ("citations", "citations"),
];

/// One page.
#[derive(Debug)]
pub struct Page {
    /// Its models.
    pub models: Vec<ModelInfo>,
    /// Where the next page begins; `None` after the last.
    pub after: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    data: Vec<Object>,
    has_more: Option<bool>,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Support {
    supported: bool,
}

/// Reads one page.
///
/// Errors: `upstream` when the body is not a list of models.
pub fn page(body: &[u8]) -> Result<Page, Error> {
    let body: Body =
        serde_json::from_slice(body).map_err(|_| error::not_the_api("a list of models in another form"))?;
    let models = body.data.into_iter().filter_map(model).collect();
    let after = body.last_id.filter(|_| body.has_more == Some(true));
    Ok(Page { models, after })
}

fn model(mut fields: Object) -> Option<ModelInfo> {
    let id = fields.take_as("id")?;
    fields.take("type");
    let created: Option<String> = fields.take_as("created_at");
    Some(ModelInfo {
        id,
        name: fields.take_as("display_name"),
        created: created.as_deref().and_then(seconds),
        capabilities: capabilities(&fields),
        context_window: fields.take_as("max_input_tokens"),
        max_output_tokens: fields.take_as("max_tokens"),
        extra: fields.into_extras(),
    })
}

/// Every model converses and takes tools; the rest is what the API says.
fn capabilities(fields: &Object) -> Vec<String> {
    let said: Object = fields.read("capabilities").unwrap_or_default();
    let supports = |name: &str| {
        said.get(name)
            .and_then(|value: &RawValue| serde_json::from_str::<Support>(value.get()).ok())
            .is_some_and(|support| support.supported)
    };
    let known = CAPABILITIES
        .iter()
        .filter(|(name, _)| supports(name))
        .map(|(_, ours)| *ours);
    ["chat", "tools"].into_iter().chain(known).map(str::to_owned).collect()
}

/// Seconds since 1970. A model of unknown age has a date of 1970 itself.
fn seconds(date: &str) -> Option<u64> {
    let date = OffsetDateTime::parse(date, &Rfc3339).ok()?;
    u64::try_from(date.unix_timestamp()).ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let page = page(
            br#"{"data":[
                {"type":"model","id":"claude-x","display_name":"Claude X","created_at":"2025-09-29T00:00:00Z",
                 "max_input_tokens":200000,"max_tokens":64000,"lifecycle":"active","deprecated_at":null,
                 "capabilities":{"image_input":{"supported":true},"pdf_input":{"supported":false},"thinking":{"supported":true,"types":{}}}},
                {"type":"model","id":"claude-old","display_name":"Old","created_at":"1970-01-01T00:00:00Z"}],
               "first_id":"claude-x","has_more":true,"last_id":"claude-old"}"#,
        )
        .unwrap();
        assert_eq!(page.after.as_deref(), Some("claude-old"));
        let [new, old] = page.models.as_slice() else {
            panic!("two models: {:?}", page.models);
        };
        assert_eq!((new.id.as_str(), new.name.as_deref()), ("claude-x", Some("Claude X")));
        assert_eq!(new.created, Some(1_759_104_000));
        assert_eq!(new.capabilities, ["chat", "tools", "vision", "reasoning"]);
        assert_eq!(
            (new.context_window, new.max_output_tokens),
            (Some(200_000), Some(64_000))
        );
        let extra: Vec<&str> = new.extra.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(extra, ["lifecycle", "capabilities"]);
        assert_eq!((old.created, old.context_window), (None, None));
    }

    #[test]
    fn another_form_is_an_error() {
        assert!(page(br#"{"models":[]}"#).is_err());
        assert!(page(b"<html>").is_err());
    }
}
