//! OpenAI's fields that Bedrock has under other names.
//!
//! In: the further fields of a request. Out: the tier, and the metadata of the log, as Bedrock takes
//! them. Never: a value for which the service would refuse the whole request.

use llm_provider_sdk::json;
use llm_provider_sdk::types::{DroppedField, Error, Extras};
use serde_json::{Map, Value};

use crate::report::Report;

/// The tier's field.
pub(super) const TIER: &str = "service_tier";
/// The field of the metadata.
pub(super) const METADATA: &str = "metadata";

/// Tiers that Bedrock has, under OpenAI's names for them.
pub(super) const TIERS: &[&str] = &["default", "flex", "priority", "reserved"];

/// Most pairs of `requestMetadata`.
const MOST_METADATA: usize = 16;

/// The tier that a request names in OpenAI's way, if Bedrock has it. Any other stays in the fields.
///
/// Errors: as for any field that is not JSON.
pub(crate) fn tier(extra: &mut Extras) -> Result<Option<String>, Error> {
    let named = extra.iter().find(|(name, _)| name == TIER);
    let tier: Option<String> = named.and_then(|(_, text)| serde_json::from_str(text).ok());
    match tier.as_deref() {
        Some("auto") => json::take_extra::<String>(extra, TIER).map(|_| None),
        Some(tier) if TIERS.contains(&tier) => json::take_extra(extra, TIER),
        _ => Ok(None),
    }
}

/// OpenAI's metadata as Bedrock takes them, if there are any.
///
/// Errors: as for any field that is not JSON.
pub(crate) fn metadata(extra: &mut Extras, dropped: &mut Vec<DroppedField>) -> Result<Option<Value>, Error> {
    let Some(value) = json::take_extra::<Value>(extra, METADATA)? else {
        return Ok(None);
    };
    let mut report = Report::default();
    let pairs = fitting(value, &mut report);
    dropped.extend(report.into_dropped());
    Ok((!pairs.is_empty()).then_some(Value::Object(pairs)))
}

/// OpenAI's metadata, of which Bedrock's log takes pairs of short and plain texts. It would refuse the
/// whole request for another.
pub(super) fn fitting(value: Value, report: &mut Report) -> Map<String, Value> {
    let Value::Object(pairs) = value else {
        report.add("metadata", "Bedrock's `requestMetadata` holds pairs of texts");
        return Map::new();
    };
    let mut out = Map::new();
    for (name, value) in pairs {
        let fits = !name.is_empty() && is_plain(&name) && value.as_str().is_some_and(is_plain);
        if fits && out.len() < MOST_METADATA {
            out.insert(name, value);
        } else {
            report.add(
                format!("metadata.{name}"),
                "Bedrock's `requestMetadata` holds up to 16 pairs of texts of 256 letters, digits, spaces and :_@$#=/+,-.",
            );
        }
    }
    out
}

fn is_plain(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || char.is_ascii_whitespace() || ":_@$#=/+,-.".contains(char);
    text.len() <= 256 && text.chars().all(fits)
}
