//! Token counts.
//!
//! In: the `usage` object of Converse. Out: disjoint buckets. Never: a guess; a counter the provider
//! did not send is 0.

use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::types::Usage;
use serde::Deserialize;

/// What was written to the cache for one lifetime.
#[derive(Debug, Deserialize)]
struct Written {
    ttl: String,
    #[serde(rename = "inputTokens")]
    tokens: f64,
}

/// Reads a `usage` object.
///
/// `inputTokens` holds neither what was read from the cache nor what was written to it, unless the
/// total shows that it does. `cacheDetails` splits what was written by lifetime. Older services repeat
/// the cache's counters under names that end in `Count`.
pub fn decode(mut usage: Object) -> Usage {
    // Some models count in fractions of zero: `28.0`.
    let mut count = |name: &str| usage.take_as::<f64>(name).map(|count| count as u64);
    let input = count("inputTokens").unwrap_or(0);
    let output = count("outputTokens").unwrap_or(0);
    let total = count("totalTokens");
    let read = (count("cacheReadInputTokens"), count("cacheReadInputTokenCount"));
    let write = (count("cacheWriteInputTokens"), count("cacheWriteInputTokenCount"));
    let read = read.0.or(read.1).unwrap_or(0);
    let write = write.0.or(write.1).unwrap_or(0);
    let details: Vec<Written> = usage.take_as("cacheDetails").unwrap_or_default();
    // `1h`, and `T1H` in some regions.
    let hours = details.iter().filter(|detail| detail.ttl.ends_with(['h', 'H']));
    let long = hours.map(|detail| detail.tokens as u64).sum::<u64>().min(write);
    let cached = read + write;
    let includes_cache = cached > 0 && input >= cached && total == Some(input + output);
    if usage
        .read::<Object>("serverToolUsage")
        .is_some_and(|tools| tools.is_empty())
    {
        usage.take("serverToolUsage");
    }
    Usage {
        input: if includes_cache { input - cached } else { input },
        cache_read: read,
        cache_write: write - long,
        cache_write_long: long,
        output,
        extra: usage.into_extras(),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        decode(Object::parse(json).unwrap())
    }

    #[test]
    fn buckets_are_disjoint() {
        // (json, input, read, write, long, output)
        let cases = [
            (
                r#"{"inputTokens":8,"outputTokens":10,"totalTokens":18}"#,
                (8, 0, 0, 0, 10),
            ),
            (
                r#"{"inputTokens":433,"outputTokens":16,"totalTokens":3201,"cacheReadInputTokens":2752,"cacheReadInputTokenCount":2752,"cacheWriteInputTokens":0}"#,
                (433, 2752, 0, 0, 16),
            ),
            (
                r#"{"inputTokens":10,"outputTokens":1,"totalTokens":111,"cacheWriteInputTokens":100,"cacheDetails":[{"ttl":"1h","inputTokens":60},{"ttl":"5m","inputTokens":40}]}"#,
                (10, 0, 40, 60, 1),
            ),
            (
                r#"{"inputTokens":10,"outputTokens":1,"totalTokens":21,"cacheWriteInputTokens":10,"cacheDetails":[{"ttl":"T1H","inputTokens":6,"newer":{}},{"ttl":"T5M","inputTokens":4}]}"#,
                (10, 0, 4, 6, 1),
            ),
            (
                r#"{"inputTokens":28.0,"outputTokens":1.0,"totalTokens":29.0}"#,
                (28, 0, 0, 0, 1),
            ),
            (
                r#"{"inputTokens":110,"outputTokens":1,"totalTokens":111,"cacheReadInputTokens":100}"#,
                (10, 100, 0, 0, 1),
            ),
        ];
        for (json, expected) in cases {
            let got = usage(json);
            let buckets = (
                got.input,
                got.cache_read,
                got.cache_write,
                got.cache_write_long,
                got.output,
            );
            assert_eq!(buckets, expected, "{json}");
            assert_eq!(got.extra, vec![], "{json}");
        }
    }

    #[test]
    fn counters_that_are_new_stay() {
        let got = usage(r#"{"inputTokens":1,"outputTokens":1,"totalTokens":2,"serverToolUsage":{"webSearch":2}}"#);
        assert_eq!(
            got.extra,
            [("serverToolUsage".to_owned(), r#"{"webSearch":2}"#.to_owned())]
        );
        assert_eq!(usage(r#"{"inputTokens":1,"serverToolUsage":{}}"#).extra, vec![]);
    }
}
