//! How values are written: texts, addresses, hashes, words. `quantity` has the numbers.
//!
//! In: a TOML value, or the text of a variable or a default. Out: the typed value, or what is wrong
//! with it. Never: positions or keys; the caller knows those.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeValue;

use super::glob::Glob;
use super::meant::{Access, KeyHash, LogFormat, ModelRef, SignerKey};

/// What is wrong with a value: the message, and a remedy where there is a better one than the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Whether the value may be a secret that does not belong there.
    pub(super) hidden: bool,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            hidden: false,
        }
    }

    pub(super) fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..Self::new(message)
        }
    }

    /// The same about a value that is not to be shown.
    fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }
}

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// Reads it from the text of a variable, a default or a TOML string.
    fn from_text(text: &str) -> Result<Self, Wrong>;

    /// Reads it from a TOML value.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            other => Err(Wrong::new(format!("this is {}, not a string", described(other)))),
        }
    }
}

/// A TOML value's type, with its article.
pub(super) fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

impl Value for String {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() {
            Err(Wrong::new("it is empty"))
        } else {
            Ok(text.to_owned())
        }
    }
}

impl Value for PathBuf {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("the path is empty"));
        }
        if text.starts_with('~') {
            return Err(Wrong::new(
                "`~` is not expanded; write the whole path, or one relative to this file",
            ));
        }
        Ok(Self::from(text))
    }
}

impl Value for bool {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Wrong::new(format!("{text:?} is neither true nor false"))),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(Wrong::new(format!("this is {}, not true or false", described(other)))),
        }
    }
}

impl Value for SocketAddr {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
            let message = format!("{text:?} is not an address to listen on");
            let port = text.trim_start_matches(':');
            let help = if port.parse::<u16>().is_ok() {
                format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" to be reached from other machines")
            } else {
                "write an IP address and a port: \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned()
            };
            Wrong::with_help(message, help)
        })
    }
}

impl Value for Glob {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        Self::new(text).map_err(Wrong::new)
    }
}

impl Value for ModelRef {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        Self::new(text).map_err(|message| {
            Wrong::with_help(message, "name a provider and one of its models: \"openai/gpt-5-mini\"")
        })
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    text.bytes().all(|b| b.is_ascii_hexdigit()).then_some(bytes)
}

impl Value for KeyHash {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        // The text is not repeated: it may be the key itself, put here by mistake.
        hex32(text).map(Self).ok_or_else(|| {
            Wrong::with_help(
                "this is not the SHA-256 of a key: 64 hexadecimal digits",
                "`host key new NAME` makes a key and prints what belongs here; never write the key itself",
            )
            .hidden()
        })
    }
}

impl Value for SignerKey {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        hex32(text).map(Self).ok_or_else(|| {
            Wrong::with_help(
                "this is not an Ed25519 public key: 64 hexadecimal digits",
                "`host plugin keygen FILE` makes a pair and prints the public key",
            )
            .hidden()
        })
    }
}

/// A word of a fixed set.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let listed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let help = match super::keys::nearest(text, words.iter().map(|(word, _)| *word)) {
        Some(near) => format!("did you mean \"{near}\"? It is one of {}", listed.join(", ")),
        None => format!("it is one of {}", listed.join(", ")),
    };
    Err(Wrong::with_help(format!("{text:?} is not known here"), help))
}

impl Value for Access {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        word(text, &[("keys", Self::Keys), ("open", Self::Open)])
    }
}

impl Value for LogFormat {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        word(text, &[("text", Self::Text), ("json", Self::Json)])
    }
}

/// The word for [`super::meant::Isolation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsolationKind {
    Fresh,
    Pooled,
    Shared,
}

impl Value for IsolationKind {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        word(
            text,
            &[
                ("fresh", Self::Fresh),
                ("pooled", Self::Pooled),
                ("shared", Self::Shared),
            ],
        )
    }
}

/// The word for [`super::meant::UnlockWith`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnlockKind {
    KeyFile,
    Passphrase,
    Keyring,
}

impl Value for UnlockKind {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        word(
            text,
            &[
                ("key-file", Self::KeyFile),
                ("passphrase", Self::Passphrase),
                ("keyring", Self::Keyring),
            ],
        )
    }
}

/// Several values: a TOML array, or a text with commas.
impl<T: Value> Value for Vec<T> {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(T::from_text)
            .collect()
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| T::from_toml(item.get_ref())).collect(),
            other => Err(Wrong::new(format!("this is {}, not an array", described(other)))),
        }
    }
}

/// A TOML value as JSON, for the settings of a plugin.
pub(super) fn to_json(value: &DeValue<'_>) -> Result<serde_json::Value, Wrong> {
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let read = i64::from_str_radix(&digits, number.radix());
            read.map_err(|_| Wrong::new("this number does not fit 64 bits"))?.into()
        }
        DeValue::Float(number) => {
            let read = number.as_str().replace('_', "").parse::<f64>().ok();
            let json = read.and_then(serde_json::Number::from_f64);
            json.ok_or_else(|| Wrong::new("JSON, which the plugin is given, has no such number"))?
                .into()
        }
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(date) => date.to_string().into(),
        DeValue::Array(items) => items
            .iter()
            .map(|item| to_json(item.get_ref()))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        DeValue::Table(entries) => entries
            .iter()
            .map(|(key, item)| Ok((key.get_ref().to_string(), to_json(item.get_ref())?)))
            .collect::<Result<serde_json::Map<_, _>, Wrong>>()?
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_explained() {
        assert_eq!(
            SocketAddr::from_text("localhost:80").unwrap(),
            "127.0.0.1:80".parse().unwrap()
        );
        let wrong = SocketAddr::from_text(":8080").unwrap_err();
        assert!(wrong.help.unwrap().contains("127.0.0.1:8080"));
    }

    #[test]
    fn a_key_put_where_its_hash_belongs_is_not_repeated() {
        let wrong = KeyHash::from_text("lh-secretsecret").unwrap_err();
        assert!(!wrong.message.contains("secretsecret"), "{}", wrong.message);
        assert!(KeyHash::from_text(&"+1".repeat(32)).is_err());
    }
}
