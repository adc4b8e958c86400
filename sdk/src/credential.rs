//! Facts about a credential.
//!
//! In: a slot of the manifest. Out: the credential's kind and the facts the admin attached to it,
//! such as a region or a project. Never: the secret. To use one, name its slot in
//! [`http::Request::credential`](crate::http::Request::credential).

use std::fmt;

use crate::bindings::llm_host::provider::http::HttpError;
use crate::{http, platform};

/// A handle to the credential of one slot.
pub struct Credential(platform::Credential);

impl Credential {
    /// The handle of this slot.
    ///
    /// # Errors
    /// [`HttpError::Denied`] when it is not granted, [`HttpError::Credential`] when it is not in
    /// the vault.
    pub fn acquire(slot: &str) -> Result<Self, HttpError> {
        platform::acquire(slot)
            .map(Self)
            .map_err(|error| http::refused(slot, error))
    }

    /// Its kind, e.g. `bearer`, `header`, `sigv4`.
    pub fn kind(&self) -> String {
        self.0.kind()
    }

    /// The fact of this name, if the admin attached one.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.0
            .attributes()
            .into_iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All facts, in the admin's order.
    pub fn attributes(&self) -> Vec<(String, String)> {
        self.0.attributes()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}
