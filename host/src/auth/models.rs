//! Which models a caller may ask for.
//!
//! In: a caller and a model's name as the caller wrote it. Out: yes or no. Never: a lookup; the
//! name may be one that nobody knows.

use crate::config::Glob;
use crate::context::Principal;
use crate::error::GatewayError;

/// Whether the caller may ask for this name.
pub fn allows(principal: &Principal, model: &str) -> bool {
    match principal {
        Principal::Anonymous => true,
        Principal::Key { models, .. } => {
            models.is_empty()
                || models
                    .iter()
                    .any(|pattern| Glob::new(pattern).is_ok_and(|glob| glob.matches(model)))
        }
    }
}

/// The same as a check.
///
/// # Errors
/// `Forbidden`, with the patterns that the key has.
pub fn require_model(principal: &Principal, model: &str) -> Result<(), GatewayError> {
    match principal {
        Principal::Key { name, models } if !allows(principal, model) => Err(GatewayError::Forbidden {
            message: format!(
                "the client key `{name}` may not ask for `{model}`; it may ask for {}",
                listed(models)
            ),
            param: Some("model"),
        }),
        _ => Ok(()),
    }
}

/// Checks that the caller may use all of a provider: its own API takes the model in a body that
/// nobody looks into, so a key needs a pattern that covers every model of it.
///
/// # Errors
/// `Forbidden`, with the patterns that the key has.
pub fn require_provider(principal: &Principal, provider: &str) -> Result<(), GatewayError> {
    match principal {
        Principal::Key { name, models }
            if !models.is_empty() && !models.iter().any(|pattern| covers(pattern, provider)) =>
        {
            Err(GatewayError::Forbidden {
                message: format!(
                    "the client key `{name}` may not call `{provider}` by its own API, which needs the pattern \
                     `{provider}/*`; it may ask for {}",
                    listed(models)
                ),
                param: None,
            })
        }
        _ => Ok(()),
    }
}

/// Whether a pattern matches everything that begins with `provider/`: one that ends in `*`, and
/// before it matches a beginning of that.
fn covers(pattern: &str, provider: &str) -> bool {
    let before = pattern.trim_end_matches('*');
    if before.len() == pattern.len() {
        return false;
    }
    let whole = format!("{provider}/");
    let beginnings = whole.char_indices().map(|(at, letter)| at + letter.len_utf8());
    before.is_empty()
        || Glob::new(before).is_ok_and(|glob| {
            beginnings
                .filter_map(|end| whole.get(..end))
                .any(|beginning| glob.matches(beginning))
        })
}

fn listed(patterns: &[String]) -> String {
    let quoted: Vec<_> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_decide() {
        let key = |patterns: &[&str]| Principal::Key {
            name: "app".into(),
            models: patterns.iter().map(ToString::to_string).collect(),
        };
        let cases: &[(Principal, &str, bool)] = &[
            (Principal::Anonymous, "openai/gpt-5", true),
            (key(&[]), "openai/gpt-5", true),
            (key(&["openai/*"]), "openai/gpt-5", true),
            (key(&["openai/*"]), "anthropic/claude", false),
            (key(&["openai/*"]), "fast", false),
            (key(&["gpt-*", "*/claude-?"]), "anthropic/claude-4", true),
        ];
        for (principal, model, expected) in cases {
            assert_eq!(allows(principal, model), *expected, "{principal:?} {model}");
            match require_model(principal, model) {
                Ok(()) => assert!(expected),
                Err(GatewayError::Forbidden { message, param }) => {
                    assert_eq!(param, Some("model"));
                    assert!(!expected && message.contains("`openai/*`"), "{message}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_providers_own_api_needs_all_of_its_models() {
        for (patterns, expected) in [
            (&[][..], true),
            (&["openai/*"], true),
            (&["*"], true),
            (&["**"], true),
            (&["open*"], true),
            (&["*/*"], true),
            (&["o?enai/*"], true),
            (&["x", "openai/**"], true),
            (&["openai/gpt-*"], false),
            (&["*-mini"], false),
            (&["openai/"], false),
            (&["openai"], false),
            (&["openai-eu/*"], false),
            (&["*x*"], false),
            (&["anthropic/*", "openai/gpt-5"], false),
        ] {
            let principal = Principal::Key {
                name: "app".into(),
                models: patterns.iter().map(ToString::to_string).collect(),
            };
            let allowed = require_provider(&principal, "openai");
            assert_eq!(allowed.is_ok(), expected, "{patterns:?}");
        }
        assert!(require_provider(&Principal::Anonymous, "openai").is_ok());
    }
}
