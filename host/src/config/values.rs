//! How values are written: durations, sizes, addresses, hashes.
//!
//! In: a TOML value, or the text of a variable or a default. Out: the typed value, or what is wrong
//! with it. Never: positions or keys; the caller knows those.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::glob::Glob;
use super::meant::{Access, KeyHash, LogFormat, ModelRef, SignerKey};

/// What is wrong with a value: the message, and a remedy where there is a better one than the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Some(help.into()),
        }
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

/// A number of things, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl Value for Count {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.replace('_', "").parse() {
            Ok(0) => Err(Wrong::new("0 is not allowed; it must be at least 1")),
            Ok(count) => Ok(Self(count)),
            Err(_) => Err(Wrong::new(format!(
                "{text:?} is not a whole number from 1 to {}",
                u32::MAX
            ))),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(number) if number.radix() == 10 => Self::from_text(number.as_str()),
            other => Err(Wrong::new(format!("this is {}, not a whole number", described(other)))),
        }
    }
}

/// A length of time.
impl Value for Duration {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        duration(text)
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => duration(text),
            DeValue::Integer(number) => Err(Wrong::with_help(
                "a duration needs a unit",
                format!(
                    "write \"{0}s\" for seconds or \"{0}ms\" for milliseconds",
                    number.as_str()
                ),
            )),
            other => Err(Wrong::new(format!(
                "this is {}, not a duration such as \"30s\"",
                described(other)
            ))),
        }
    }
}

const DURATION_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];
/// No limit of the host makes sense beyond a year, and everything below fits every clock.
const LONGEST: u64 = 366 * 86_400_000;

fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        let message = format!("{text:?} is not a duration");
        Wrong::with_help(
            message,
            "write a number and a unit: ms, s, min, h or d; for example \"500ms\" or \"1h30min\"",
        )
    };
    let mut millis = 0u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let (_, factor) = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .ok_or_else(wrong)?;
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(*factor))
            .ok_or_else(wrong)?;
        millis = millis
            .checked_add(part)
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| Wrong::new(format!("{text:?} is longer than a year")))?;
        rest = next;
    }
    if millis == 0 {
        Err(Wrong::new("a duration must be longer than nothing"))
    } else {
        Ok(Duration::from_millis(millis))
    }
}

/// Writes a duration as [`Value::from_text`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(LONGEST);
    let mut text = String::new();
    for (unit, factor) in DURATION_UNITS.iter().filter(|(unit, _)| *unit != "m") {
        let whole = millis / factor;
        if whole > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{whole}{unit}");
            millis %= factor;
        }
    }
    text
}

/// A number of bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

const SIZE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl Value for Size {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            let message = format!("{text:?} is not a size");
            Wrong::with_help(
                message,
                "write a number and a unit: B, KiB, MiB, GiB, kB, MB or GB; for example \"32MiB\"",
            )
        };
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor = match unit.trim() {
            "" => 1,
            unit => SIZE_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor)
                .ok_or_else(wrong)?,
        };
        // Written sizes end up in signed 64-bit numbers here and there.
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .filter(|n| i64::try_from(*n).is_ok());
        match bytes.ok_or_else(wrong)? {
            0 => Err(Wrong::new("a size of 0 is not allowed")),
            bytes => Ok(Self(bytes)),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            DeValue::Integer(number) if number.radix() == 10 => Self::from_text(&number.as_str().replace('_', "")),
            other => Err(Wrong::new(format!(
                "this is {}, not a size such as \"32MiB\"",
                described(other)
            ))),
        }
    }
}

/// Writes a size as [`Value::from_text`] reads it, in the largest unit that keeps it whole.
pub(super) fn show_size(bytes: u64) -> String {
    let binary = SIZE_UNITS
        .iter()
        .take(3)
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match binary {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
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
        })
    }
}

impl Value for SignerKey {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        hex32(text).map(Self).ok_or_else(|| {
            Wrong::with_help(
                format!("{text:?} is not an Ed25519 public key: 64 hexadecimal digits"),
                "`host plugin keygen FILE` makes a pair and prints the public key",
            )
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
    fn durations_read_and_write() {
        for (text, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2min", 120_000),
            ("2m", 120_000),
            ("1h30min", 5_400_000),
            ("90d", 7_776_000_000),
            ("1 s", 1000),
        ] {
            let duration = Duration::from_text(text).unwrap();
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(
                Duration::from_text(&show_duration(duration)).unwrap(),
                duration,
                "{text}"
            );
        }
        for bad in [
            "",
            "30",
            "s",
            "30 parsecs",
            "-1s",
            "0s",
            "1.5h",
            "400d",
            "99999999999999999999s",
            "1s1",
        ] {
            assert!(Duration::from_text(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes) in [
            ("32MiB", 32 << 20),
            ("1KiB", 1024),
            ("2 GiB", 2 << 30),
            ("10MB", 10_000_000),
            ("17", 17),
            ("17B", 17),
        ] {
            let size = Size::from_text(text).unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(Size::from_text(&show_size(bytes)).unwrap(), size, "{text}");
        }
        for bad in ["", "MiB", "1.5MiB", "-1", "0", "32mib", "99999999999GiB"] {
            assert!(Size::from_text(bad).is_err(), "{bad:?}");
        }
    }

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
