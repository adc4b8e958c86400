//! Which provider and model a name means.
//!
//! In: the name a caller asked for, and a snapshot. Out: the target. Never: a call.
//!
//! In this order: an alias; `provider/model` where the provider exists; the first pattern that
//! matches; the default model for a name that is empty or `default`.

mod dispatch;
mod model_list;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use dispatch::AskPlugin;

use crate::config::{ModelRef, Models};
use crate::error::GatewayError;
use crate::plugin::Generation;

/// A provider and the model it is to be asked for.
#[derive(Clone)]
pub struct Route {
    /// The provider as it runs.
    pub generation: Arc<Generation>,
    /// The provider's own name of the model.
    pub model: String,
}

/// Finds the route of a name.
///
/// # Errors
/// [`GatewayError::ModelNotFound`], with what is known instead.
pub fn route(
    models: &Models,
    providers: &BTreeMap<String, Arc<Generation>>,
    asked: &str,
) -> Result<Route, GatewayError> {
    let target = resolve(models, |name| providers.contains_key(name), asked);
    let found = target.and_then(|target| {
        let generation = providers.get(&target.provider)?.clone();
        Some(Route {
            generation,
            model: target.model,
        })
    });
    found.ok_or_else(|| not_found(models, providers, asked))
}

/// What a name means, whether or not the provider is there.
fn resolve(models: &Models, exists: impl Fn(&str) -> bool, asked: &str) -> Option<ModelRef> {
    if let Some(target) = models.aliases.get(asked) {
        return Some(target.clone());
    }
    if let Some((provider, model)) = asked.split_once('/')
        && !model.is_empty()
        && exists(provider)
    {
        return Some(ModelRef {
            provider: provider.to_owned(),
            model: model.to_owned(),
        });
    }
    if let Some(pattern) = models.patterns.iter().find(|pattern| pattern.matches.matches(asked)) {
        return Some(pattern.to.fill(asked));
    }
    if asked.is_empty() || asked == "default" {
        return models.default.clone();
    }
    None
}

/// Finds a provider by its name in the configuration.
///
/// # Errors
/// [`GatewayError::RouteNotFound`], with the names that there are.
pub fn provider<'p>(
    providers: &'p BTreeMap<String, Arc<Generation>>,
    asked: &str,
) -> Result<&'p Arc<Generation>, GatewayError> {
    providers.get(asked).ok_or_else(|| no_provider(providers, asked))
}

/// The error of an address below a provider that is not there.
fn no_provider(providers: &BTreeMap<String, Arc<Generation>>, asked: &str) -> GatewayError {
    let known: Vec<&str> = providers.keys().map(String::as_str).collect();
    GatewayError::RouteNotFound {
        message: format!("there is no provider `{asked}`; there are: {}", or_none(&known)),
        wrong_method: false,
    }
}

fn or_none(known: &[&str]) -> String {
    if known.is_empty() {
        "(none is configured)".to_owned()
    } else {
        known.join(", ")
    }
}

fn not_found(models: &Models, providers: &BTreeMap<String, Arc<Generation>>, asked: &str) -> GatewayError {
    let known: Vec<&str> = providers.keys().map(String::as_str).collect();
    let aliases: Vec<&str> = models.aliases.keys().map(String::as_str).collect();
    let mut message = format!(
        "the model `{asked}` does not exist: name it `provider/model`, with one of these providers: {}",
        or_none(&known)
    );
    if !aliases.is_empty() {
        message.push_str(&format!("; or by an alias: {}", aliases.join(", ")));
    }
    GatewayError::ModelNotFound {
        model: asked.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Glob, Pattern};

    fn target(text: &str) -> ModelRef {
        ModelRef::new(text).unwrap()
    }

    #[test]
    fn names_are_looked_up_in_their_order() {
        let models = Models {
            aliases: BTreeMap::from([
                ("fast".to_owned(), target("a/small")),
                ("a/x".to_owned(), target("b/y")),
            ]),
            patterns: vec![
                Pattern {
                    matches: Glob::new("claude-*").unwrap(),
                    to: target("b/{model}"),
                },
                Pattern {
                    matches: Glob::new("*-mini").unwrap(),
                    to: target("a/mini"),
                },
            ],
            default: Some(target("a/big")),
        };
        let exists = |name: &str| matches!(name, "a" | "b");
        for (asked, expected) in [
            ("fast", Some("a/small")),
            ("a/x", Some("b/y")),
            ("a/meta/llama:7b", Some("a/meta/llama:7b")),
            ("claude-3-mini", Some("b/claude-3-mini")),
            ("gpt-mini", Some("a/mini")),
            ("", Some("a/big")),
            ("default", Some("a/big")),
            ("nobody/x", None),
            ("a/", None),
            ("unknown", None),
        ] {
            assert_eq!(resolve(&models, exists, asked), expected.map(target), "{asked}");
        }
    }
}
