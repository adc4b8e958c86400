//! What the host tells an adapter about itself, and the adapter's log.
//!
//! In: the settings as the host has them. Out: the adapter's own type of them; log lines. Never: a
//! secret; settings hold none, and the host takes known ones out of the log.

use serde::de::DeserializeOwned;

use crate::platform;
use crate::types::{Error, ErrorKind};

pub use crate::bindings::llm_host::provider::host::Level;

/// The settings, as this type. The host has already checked them against the manifest's
/// `config-schema`; give optional settings a `#[serde(default)]`.
///
/// # Errors
/// Kind `internal` when the type does not fit: then schema and type disagree.
pub fn config<T: DeserializeOwned>() -> Result<T, Error> {
    serde_json::from_str(&platform::config()).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            format!("the plugin's settings do not fit what it expects: {error}"),
        )
    })
}

/// Writes one line to the host's log. The host bounds the number and the length of lines.
pub fn log(level: Level, message: impl AsRef<str>) {
    platform::log(level, message.as_ref());
}
