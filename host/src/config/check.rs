//! Checks that need to know which plugins there are.
//!
//! In: a [`Config`] and the names of all providers, the implicit ones included. Out: what in
//! `[models]` leads nowhere, with its place. Never: loading a plugin.

use std::collections::BTreeSet;

use super::error::{ConfigError, ConfigErrors, Place};
use super::keys::nearest;
use super::meant::{Config, ModelRef};

impl Config {
    /// Checks that aliases, patterns and the default lead to providers that exist. `providers`
    /// are the names of all there are; see [`Config::providers_with`].
    ///
    /// # Errors
    /// Each name that leads nowhere, and each alias that can never be asked for.
    pub fn check_against<'p>(&self, providers: impl IntoIterator<Item = &'p str>) -> Result<(), ConfigErrors> {
        let providers: BTreeSet<&str> = providers.into_iter().collect();
        let mut errors = Vec::new();
        for (key, target) in self.targets() {
            if !providers.contains(target.provider.as_str()) {
                let help = match nearest(&target.provider, providers.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}/{}\"?", target.model),
                    None if providers.is_empty() => format!("put a plugin into {}", self.plugins.dir.display()),
                    None => format!("there are: {}", Vec::from_iter(providers.iter().copied()).join(", ")),
                };
                errors.push(self.finding(
                    &key,
                    format!("`{key}`: there is no provider {:?}", target.provider),
                    help,
                ));
            }
        }
        for alias in self.models.aliases.keys() {
            if let Some((provider, _)) = alias
                .split_once('/')
                .filter(|(provider, _)| providers.contains(provider))
            {
                let key = format!("models.aliases.{alias}");
                let message = format!("`{key}` can never be asked for: {provider:?} before the slash is a provider");
                errors.push(self.finding(&key, message, "name the alias without that provider".to_owned()));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors::new(errors))
        }
    }

    /// Every model the configuration leads to, with the key that says so.
    fn targets(&self) -> impl Iterator<Item = (String, &ModelRef)> {
        let aliases = self
            .models
            .aliases
            .iter()
            .map(|(name, to)| (format!("models.aliases.{name}"), to));
        let patterns = self.models.patterns.iter().enumerate();
        let patterns = patterns.map(|(index, pattern)| (format!("models.patterns[{index}].to"), &pattern.to));
        aliases
            .chain(patterns)
            .chain(self.models.default.iter().map(|to| ("models.default".to_owned(), to)))
    }

    /// Something that is wrong with the value of a key, found out by whoever uses it. It is placed
    /// where the key stands, or else the nearest table around it.
    pub fn finding(&self, key: &str, message: String, help: String) -> ConfigError {
        let parents = std::iter::successors(Some(key), |key| key.rsplit_once('.').map(|(parent, _)| parent));
        let place = parents.filter_map(|key| self.source.places.get(key)).next().cloned();
        let whole = || Place::Whole(self.source.path.display().to_string());
        ConfigError {
            place: place.unwrap_or_else(whole),
            message,
            help: Some(help),
            absence: false,
        }
    }
}
