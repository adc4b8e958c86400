//! Names of tools and ids of calls, as Bedrock takes them.
//!
//! In: a name or an id as the caller, or another provider, wrote it. Out: the same where it fits, else
//! one that does and is the same for the same text in every request, so that calls and their results
//! keep together and a prompt stays what the cache holds. Never: one text for two.
//!
//! Source: `ToolName` and `ToolUseId` of the service's model. Mistral's models take ids of nine letters
//! and digits alone, which Bedrock does not make of the longer ones that it gives out itself.

use std::borrow::Cow;

use crate::target::{Family, Target};

/// Most characters of a name or an id.
const LONGEST: usize = 64;
/// How many of them tell a text from others: eight digits and what parts them from the rest.
const MARK: usize = 9;
/// Mistral's models for which the service fits the ids that it gave out.
const OLDER_MISTRAL: &[&str] = &["-2402", "-2407", "-2502"];
/// Characters of an id at Mistral.
const MISTRAL: usize = 9;

/// The name of a tool.
pub(super) fn tool(name: &str) -> Cow<'_, str> {
    fitted(name, |char| char.is_ascii_alphanumeric() || "_-".contains(char), "tool")
}

/// The id of a call.
pub(super) fn call<'a>(id: &'a str, target: &Target) -> Cow<'a, str> {
    if target.family == Family::Mistral {
        let fits = id.len() == MISTRAL && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // For its older models the service turns its own ids into theirs.
        let own = id.starts_with("tooluse_") && target.is_one_of(OLDER_MISTRAL);
        if own && id.len() <= LONGEST {
            return Cow::Borrowed(id);
        }
        return if fits { Cow::Borrowed(id) } else { Cow::Owned(short(id)) };
    }
    fitted(id, |char| char.is_ascii_alphanumeric() || "_.:-".contains(char), "call")
}

fn fitted<'a>(text: &'a str, takes: impl Fn(char) -> bool, empty: &str) -> Cow<'a, str> {
    if !text.is_empty() && text.len() <= LONGEST && text.chars().all(&takes) {
        return Cow::Borrowed(text);
    }
    let fit = |char| if takes(char) { char } else { '_' };
    let mut out: String = text.trim().chars().map(fit).take(LONGEST - MARK).collect();
    if out.is_empty() {
        out.push_str(empty);
    }
    // The upper half is as good as any.
    out.push_str(&format!("-{:08x}", hash(text) >> 32));
    Cow::Owned(out)
}

/// Nine letters and digits that stand for an id.
fn short(id: &str) -> String {
    let mut rest = hash(id);
    let mut digit = || {
        let digit = u32::try_from(rest % 36).unwrap_or_default();
        rest /= 36;
        char::from_digit(digit, 36).unwrap_or('0')
    };
    (0..MISTRAL).map(|_| digit()).collect()
}

/// FNV-1a: the same in every process.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_fitted() {
        let long = "x".repeat(65);
        for name in ["get_weather", "a", "A-1_b", &"x".repeat(64)] {
            assert_eq!(tool(name), name);
        }
        let mut seen = Vec::new();
        for name in ["a.b", "a b", "a_b", " functions read_file", "mcp/тул", "", &long] {
            let sent = tool(name).into_owned();
            let fits = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
            assert!(
                (1..=64).contains(&sent.len()) && sent.chars().all(fits),
                "{name}: {sent}"
            );
            assert!(!seen.contains(&sent), "{name}: {sent}");
            assert_eq!(tool(name), sent, "the same each time");
            seen.push(sent);
        }
        assert!(seen[0].starts_with("a_b-"), "{seen:?}");
    }

    fn target(model: &str) -> Target {
        let settings = serde_json::from_value(serde_json::json!({"region": "us-east-1"})).unwrap();
        Target::resolve(model, &crate::request::Wish::default(), &settings).unwrap()
    }

    #[test]
    fn ids_of_calls() {
        let claude = target("anthropic.claude-sonnet-4-5-20250929-v1:0");
        let mistral = target("mistral.ministral-3-14b-instruct");
        let older = target("us.mistral.pixtral-large-2502-v1:0");
        for id in ["tooluse_bpe71yCfRu2b5i-nKGDr5g", "functions.f:0", "call_1"] {
            assert_eq!(call(id, &claude), id);
        }
        for id in ["", "a|b", &"c".repeat(80)] {
            let sent = call(id, &claude).into_owned();
            assert!((1..=64).contains(&sent.len()) && !sent.contains('|'), "{sent}");
        }
        assert_eq!(call("aB3456789", &mistral), "aB3456789");
        let mut seen = Vec::new();
        for id in [
            "tooluse_bpe71yCfRu2b5i-nKGDr5g",
            "tooluse_bpe71yCfRu2b5i-nKGDr5h",
            "a",
            "call_1",
        ] {
            let sent = call(id, &mistral).into_owned();
            assert!(
                sent.len() == 9 && sent.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{sent}"
            );
            assert!(!seen.contains(&sent), "{id}");
            seen.push(sent);
        }
        let own = "tooluse_bpe71yCfRu2b5i-nKGDr5g";
        assert_eq!((call(own, &older).as_ref(), call("a", &older).len()), (own, 9));
    }
}
