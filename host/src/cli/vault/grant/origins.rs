//! Origins of a grant: what the plugin asks for, as far as the credential may go there.
//!
//! In: origins that a manifest asks for, and a credential's hosts. Out: their intersection, as
//! patterns. Never: an origin that neither side named.

use anyhow::Context as _;

use crate::egress::origin::{Origin, OriginPattern};
use crate::egress::target;

/// Stands for the labels under a wildcard while two patterns are compared.
const ANY_LABEL: &str = "any--label";

/// Reads a pattern and writes it in its canonical form.
pub(in crate::cli) fn canonical(text: &str) -> anyhow::Result<String> {
    Ok(OriginPattern::parse(text)?.to_string())
}

/// Whether everything that `inner` means, `outer` means as well. What is no pattern means nothing.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (Ok(outer), Ok(example)) = (OriginPattern::parse(outer), example(inner)) else {
        return false;
    };
    outer.matches(&example)
}

/// What is in both lists: of two patterns that overlap, the narrower one.
pub(super) fn intersection(asked: &[String], allowed: &[String]) -> Vec<String> {
    let mut both: Vec<String> = Vec::new();
    for one in asked {
        for other in allowed {
            let narrower = match (covers(other, one), covers(one, other)) {
                (true, _) => one,
                (false, true) => other,
                (false, false) => continue,
            };
            if let Ok(narrower) = canonical(narrower)
                && !both.contains(&narrower)
            {
                both.push(narrower);
            }
        }
    }
    both
}

/// An origin that a pattern means, with the fewest labels there may be.
fn example(pattern: &str) -> anyhow::Result<Origin> {
    let canonical = canonical(pattern)?;
    let url = canonical.replacen("*.", &format!("{ANY_LABEL}."), 1);
    let target = target::parse("GET", &url).map_err(|rule| anyhow::anyhow!("{rule}"));
    Ok(target.with_context(|| format!("{pattern} is not an origin"))?.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_that_overlap_the_narrower_is_kept() {
        for (asked, allowed, expected) in [
            (
                "https://api.example.com",
                "https://api.example.com",
                "https://api.example.com",
            ),
            (
                "https://api.example.com",
                "https://*.example.com",
                "https://api.example.com",
            ),
            (
                "https://*.example.com",
                "https://api.example.com",
                "https://api.example.com",
            ),
            (
                "https://*.example.com",
                "https://*.eu.example.com",
                "https://*.eu.example.com",
            ),
            (
                "https://*.example.com",
                "https://*.example.com",
                "https://*.example.com",
            ),
            ("https://api.example.com", "https://api.example.org", ""),
            ("https://api.example.com", "http://api.example.com", ""),
            ("https://api.example.com", "https://api.example.com:8443", ""),
            ("https://example.com", "https://*.example.com", ""),
            ("API.example.com", "https://api.example.com", "https://api.example.com"),
            ("not an origin", "https://api.example.com", ""),
            (
                "http://127.0.0.1:11434",
                "http://127.0.0.1:11434",
                "http://127.0.0.1:11434",
            ),
        ] {
            let both = intersection(&[asked.to_owned()], &[allowed.to_owned()]);
            assert_eq!(both.join(" "), expected, "{asked} and {allowed}");
        }
    }

    #[test]
    fn each_origin_is_there_once() {
        let asked = [
            "https://a.example.com".to_owned(),
            "https://a.example.com:443".to_owned(),
        ];
        let allowed = ["https://*.example.com".to_owned(), "https://a.example.com".to_owned()];
        assert_eq!(intersection(&asked, &allowed), ["https://a.example.com"]);
    }
}
