//! How numbers are written: counts, durations, sizes.
//!
//! In: a TOML value, or the text of a variable or a default. Out: a number above zero, or what is
//! wrong with it; and the way back. Never: a number without its unit, except bytes and counts.

use std::fmt::Write as _;
use std::time::Duration;

use toml::de::DeValue;

use super::values::{Value, Wrong, described};

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
}
