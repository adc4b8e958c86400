//! Token counts.
//!
//! In: the `usage` object of a whole answer, or of `message_start` and `message_delta`. Out:
//! disjoint buckets. Never: a guess; a counter the provider did not send is 0.

use llm_provider_sdk::types::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Object;

/// Usage as it has been reported so far. The counts of `message_delta` are cumulative and replace
/// those of `message_start` one by one: `input_tokens` grows when the provider's own tools feed
/// their results to the model.
#[derive(Debug, Default)]
pub struct UsageSoFar(Object);

impl UsageSoFar {
    /// Takes in a `usage` object. A counter that is absent or `null` keeps its value.
    pub fn merge(&mut self, usage: &Object) {
        for (name, value) in usage.members() {
            self.0.set(name, value);
        }
    }

    /// The buckets. `None` when nothing was reported.
    pub fn buckets(&self) -> Option<Usage> {
        (!self.0.is_empty()).then(|| decode(self.0.clone()))
    }
}

/// How many tokens were written to the cache, by lifetime.
#[derive(Debug, Default, Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// One sampling pass of a request that took several.
#[derive(Debug, Deserialize)]
struct Iteration {
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a `usage` object.
///
/// `input_tokens` holds neither the tokens read from the cache nor those written to it, and
/// `output_tokens` holds the thinking tokens. The totals leave out the passes in which the provider
/// compacted the conversation (`iterations` of type `compaction`), although they are billed at the
/// model's price; they are added here. Passes of another model (`advisor_message`) have a price of
/// their own and stay in `extra` with the rest.
pub fn decode(mut usage: Object) -> Usage {
    let mut total = counts(&mut usage);
    if let Some(passes) = usage.read::<Vec<Box<RawValue>>>("iterations") {
        for pass in passes {
            let kind = serde_json::from_str::<Iteration>(pass.get());
            if kind.is_ok_and(|pass| pass.kind == "compaction")
                && let Some(mut pass) = Object::parse(pass.get())
            {
                add(&mut total, &counts(&mut pass));
            }
        }
    }
    total.extra = usage.into_extras();
    total
}

/// Takes the known counters out of a `usage` object or of one of its `iterations`.
fn counts(usage: &mut Object) -> Usage {
    let mut count = |name: &str| usage.take_as::<u64>(name).unwrap_or(0);
    let input = count("input_tokens");
    let cache_read = count("cache_read_input_tokens");
    let written = count("cache_creation_input_tokens");
    let output = count("output_tokens");
    let split: CacheCreation = usage.take_as("cache_creation").unwrap_or_default();
    let long = split.ephemeral_1h_input_tokens.unwrap_or(0);
    let short = split.ephemeral_5m_input_tokens.unwrap_or(0);
    let reasoning = usage
        .read::<OutputDetails>("output_tokens_details")
        .and_then(|details| details.thinking_tokens)
        .unwrap_or(0)
        .min(output);
    Usage {
        input,
        cache_read,
        // The total can be newer than the split (only `message_start` has the latter).
        cache_write: short.max(written.saturating_sub(long)),
        cache_write_long: long,
        input_audio: 0,
        input_image: 0,
        output: output - reasoning,
        reasoning,
        output_audio: 0,
        output_image: 0,
        extra: Vec::new(),
    }
}

fn add(total: &mut Usage, part: &Usage) {
    total.input += part.input;
    total.cache_read += part.cache_read;
    total.cache_write += part.cache_write;
    total.cache_write_long += part.cache_write_long;
    total.output += part.output;
    total.reasoning += part.reasoning;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(json: &str) -> (u64, u64, u64, u64, u64, u64) {
        let usage = decode(Object::parse(json).unwrap());
        (
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_long,
            usage.output,
            usage.reasoning,
        )
    }

    #[test]
    fn every_token_is_in_one_bucket() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"input_tokens":9,"output_tokens":4}"#, (9, 0, 0, 0, 4, 0)),
            (r#"{"input_tokens":9,"output_tokens":40,"output_tokens_details":{"thinking_tokens":33}}"#, (9, 0, 0, 0, 7, 33)),
            (r#"{"input_tokens":1,"cache_read_input_tokens":50,"cache_creation_input_tokens":7,"output_tokens":2}"#, (1, 50, 7, 0, 2, 0)),
            (r#"{"input_tokens":1,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":2}"#, (1, 0, 10, 20, 2, 0)),
            // the total has grown since the split was told
            (r#"{"input_tokens":1,"cache_creation_input_tokens":35,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":2}"#, (1, 0, 15, 20, 2, 0)),
            (r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":null},"output_tokens":2}"#, (1, 0, 10, 0, 2, 0)),
            (r#"{"input_tokens":null,"cache_creation":null,"output_tokens":0}"#, (0, 0, 0, 0, 0, 0)),
            // compaction is billed apart from the totals, an adviser is another model's bill
            (r#"{"input_tokens":5,"output_tokens":6,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":10,"cache_read_input_tokens":3},{"type":"message","input_tokens":5,"output_tokens":6},{"type":"advisor_message","input_tokens":70,"output_tokens":7}]}"#, (105, 3, 0, 0, 16, 0)),
        ];
        for (json, expected) in cases {
            assert_eq!(buckets(json), expected, "{json}");
        }
    }

    #[test]
    fn other_counters_are_kept() {
        let usage = decode(
            Object::parse(
                r#"{"input_tokens":1,"output_tokens":2,"server_tool_use":{"web_search_requests":3},"service_tier":"standard","speed":null}"#,
            )
            .unwrap(),
        );
        assert_eq!(
            usage.extra,
            vec![
                ("server_tool_use".to_owned(), r#"{"web_search_requests":3}"#.to_owned()),
                ("service_tier".to_owned(), r#""standard""#.to_owned()),
            ]
        );
    }

    #[test]
    fn a_later_count_replaces_and_null_does_not() {
        let mut usage = UsageSoFar::default();
        assert!(usage.buckets().is_none());
        usage.merge(
            &Object::parse(
                r#"{"input_tokens":2068,"cache_read_input_tokens":4,"output_tokens":8,"service_tier":"standard"}"#,
            )
            .unwrap(),
        );
        usage.merge(
            &Object::parse(r#"{"input_tokens":22397,"cache_read_input_tokens":null,"output_tokens":637}"#).unwrap(),
        );
        let got = usage.buckets().unwrap();
        assert_eq!((got.input, got.cache_read, got.output), (22397, 4, 637));
        assert_eq!(got.extra.len(), 1);
    }
}
