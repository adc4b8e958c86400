//! How long to wait, where an answer has no `retry-after`.
//!
//! In: the headers by which OpenAI and its likes tell their limits. Out: milliseconds. Never: a
//! guess; a limit that is not used up says nothing.

use llm_provider_sdk::types::Header;

/// The longest reset among the limits that are used up: `x-ratelimit-remaining-requests: 0` with
/// `x-ratelimit-reset-requests: 1m30s`, and the same of `tokens` (OpenAI's guide to rate limits).
pub(super) fn reset_ms(headers: &[Header]) -> Option<u64> {
    ["requests", "tokens", "input-images"]
        .iter()
        .filter(|limit| remaining(headers, limit) == Some("0"))
        .filter_map(|limit| duration_ms(value(headers, &format!("x-ratelimit-reset-{limit}"))?.trim()))
        .max()
}

/// The limit that is used up, `requests` or `tokens`, where exactly one is said to be.
pub(super) fn used_up(headers: &[Header]) -> Option<&'static str> {
    let is_used_up = |limit: &&'static str| remaining(headers, limit) == Some("0");
    let mut limits = ["requests", "tokens"].into_iter().filter(is_used_up);
    limits.next().filter(|_| limits.next().is_none())
}

fn remaining<'h>(headers: &'h [Header], limit: &str) -> Option<&'h str> {
    value(headers, &format!("x-ratelimit-remaining-{limit}")).map(str::trim)
}

fn value<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}

/// `1h2m3.5s`, `17ms`.
fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let number: f64 = number.parse().ok()?;
        total += number
            * match unit {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = tail;
    }
    // A float beyond the range becomes the largest integer.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (!text.is_empty()).then_some(total.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want) in [
            ("17ms", Some(17)),
            ("1s", Some(1000)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("", None),
            ("soon", None),
            ("5", None),
            ("5x", None),
        ] {
            assert_eq!(duration_ms(text), want, "{text}");
        }
    }

    #[test]
    fn only_a_limit_that_is_used_up_counts() {
        let headers = |remaining: &str| -> Vec<Header> {
            [
                ("x-ratelimit-remaining-requests", remaining),
                ("x-ratelimit-reset-requests", "2s"),
                ("x-ratelimit-remaining-tokens", "5"),
                ("x-ratelimit-reset-tokens", "1h"),
            ]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec()
        };
        assert_eq!(reset_ms(&headers("0")), Some(2000));
        assert_eq!(reset_ms(&headers("1")), None);
        assert_eq!(reset_ms(&[]), None);
        assert_eq!(used_up(&headers("0")), Some("requests"));
        assert_eq!(used_up(&headers("1")), None);
    }
}
