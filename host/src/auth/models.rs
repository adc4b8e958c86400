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
                models
                    .iter()
                    .map(|pattern| format!("`{pattern}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            param: Some("model"),
        }),
        _ => Ok(()),
    }
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
}
