//! What a content filter found, put together from the pieces of a stream.
//!
//! In: two findings by category, as `{"hate":{"filtered":false,"severity":"safe"},…}`. Out: one with
//! the severest of each category. Never: a finding left out; what has another form is kept as the
//! later piece has it.

use serde_json::{Map, Value};

/// Severities, the mildest first (Azure: content filter severity levels).
const SEVERITIES: [&str; 4] = ["safe", "low", "medium", "high"];

/// The severest of each category.
pub(crate) fn severest(before: &str, now: &str) -> String {
    let parse = |json: &str| serde_json::from_str::<Map<String, Value>>(json);
    let (Ok(mut all), Ok(more)) = (parse(before), parse(now)) else {
        return now.to_owned();
    };
    for (category, finding) in more {
        match all.get_mut(&category) {
            Some(known) if rank(known) > rank(&finding) => {}
            Some(known) => *known = finding,
            None => {
                all.insert(category, finding);
            }
        }
    }
    Value::Object(all).to_string()
}

/// Filtered counts more than found, and that more than how severe it is.
fn rank(finding: &Value) -> (bool, bool, Option<usize>) {
    let is = |name: &str| finding.get(name) == Some(&Value::Bool(true));
    let severity = finding.get("severity").and_then(Value::as_str);
    (
        is("filtered"),
        is("detected"),
        severity.and_then(|word| SEVERITIES.iter().position(|known| *known == word)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severest_of_each_category_is_kept() {
        for (before, now, both) in [
            (r#"{"hate":1}"#, "[]", "[]"),
            ("{}", r#"{"hate":{"severity":"low"}}"#, r#"{"hate":{"severity":"low"}}"#),
            (
                r#"{"hate":{"filtered":false,"severity":"medium"},"sexual":{"filtered":false,"severity":"safe"}}"#,
                r#"{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"low"}}"#,
                r#"{"hate":{"filtered":false,"severity":"medium"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"low"}}"#,
            ),
            (
                r#"{"a":{"filtered":true,"severity":"low"},"b":{"detected":false,"filtered":false},"c":{"x":1}}"#,
                r#"{"a":{"filtered":false,"severity":"high"},"b":{"detected":true,"filtered":false},"c":{"x":2}}"#,
                r#"{"a":{"filtered":true,"severity":"low"},"b":{"detected":true,"filtered":false},"c":{"x":2}}"#,
            ),
        ] {
            assert_eq!(severest(before, now), both);
        }
    }
}
