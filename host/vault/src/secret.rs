//! Text that must not be seen: [`Secret`] and [`Secrets`].
//!
//! In: a value that a person typed or that was unsealed. Out: the same value, but only to a caller that names the act
//! ([`Secret::expose`]). Never printed, never serialised; the memory is overwritten when the value is dropped.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// One secret text, such as an API key or a PEM block.
///
/// `Debug` prints `[secret]`; there is no `Display` and no `Serialize`. Dropping it overwrites its memory.
///
/// ```compile_fail
/// println!("{}", llm_host_vault::Secret::new("sk-…"));
/// ```
/// ```compile_fail
/// serde_json::to_string(&llm_host_vault::Secret::new("sk-…"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over without copying it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Call it where the secret is attached to a request, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// The secret fields of one entry, by field name.
#[derive(Clone, Default, Debug)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The usual case: one field.
    pub fn one(field: impl Into<String>, secret: Secret) -> Self {
        std::iter::once((field.into(), secret)).collect()
    }

    /// Adds a field and gives back what it replaces.
    pub fn insert(&mut self, field: impl Into<String>, secret: Secret) -> Option<Secret> {
        self.0.insert(field.into(), secret)
    }

    /// The secret of a field.
    pub fn get(&self, field: &str) -> Option<&Secret> {
        self.0.get(field)
    }

    /// Field names and secrets, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(field, secret)| (field.as_str(), secret))
    }

    /// The field names, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Secret)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl From<BTreeMap<String, Secret>> for Secrets {
    fn from(fields: BTreeMap<String, Secret>) -> Self {
        Self(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_but_no_values() {
        let secrets = Secrets::one("api_key", Secret::new("sk-canary"));
        let shown = format!("{secrets:?} {secrets:#?}");
        assert!(shown.contains("api_key") && shown.contains("[secret]"));
        assert!(!shown.contains("canary"));
    }
}
