//! When to try again.
//!
//! In: an answer's headers. Out: milliseconds from now. Never: a guess; no header, no number.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::header;
use crate::types::Header;

/// The waiting time that an answer asks for, in milliseconds from now. In this order:
/// `retry-after-ms` (OpenAI, Azure), `x-ms-retry-after-ms` (Azure), `retry-after` by RFC 9110
/// section 10.2.3: seconds (a fraction is taken too) or an HTTP date, which is compared with the
/// answer's own `date`, or with the clock where there is none.
pub fn retry_after_ms(headers: &[Header]) -> Option<u64> {
    ["retry-after-ms", "x-ms-retry-after-ms"]
        .iter()
        .find_map(|name| millis(header(headers, name)?, 1.0))
        .or_else(|| {
            let value = header(headers, "retry-after")?;
            millis(value, 1000.0).or_else(|| {
                let at = http_date(value)?;
                let now = header(headers, "date").and_then(http_date).or_else(now)?;
                Some(at.saturating_sub(now).saturating_mul(1000))
            })
        })
}

/// A number that is not negative, times `unit`.
fn millis(value: &str, unit: f64) -> Option<u64> {
    let value = value.trim();
    // `parse` would take `inf`, `nan` and exponents, none of which a provider means.
    if !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number: f64 = value.parse().ok()?;
    // A float beyond the range becomes the largest integer.
    Some((number * unit).ceil() as u64)
}

fn now() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().map(|since: Duration| since.as_secs())
}

/// Seconds since 1970 of an HTTP date, in each of the three forms of RFC 9110 section 5.6.7.
fn http_date(value: &str) -> Option<u64> {
    let fields: Vec<&str> = value.split([' ', ',', '-']).filter(|field| !field.is_empty()).collect();
    let (day, month, year, time) = match fields.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, time, "GMT" | "UTC"] => (day, month, year, time),
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    .iter()
    .position(|name| name == month)? as u64
        + 1;
    let year: u64 = match (year.len(), year.parse().ok()?) {
        // The obsolete form: RFC 9110 reads two digits as the year that is not far ahead.
        (2, short @ 0..70) => 2000 + short,
        (2, short) => 1900 + short,
        (4, year) => year,
        _ => return None,
    };
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hour, minute, second] = clock.as_slice() else {
        return None;
    };
    let day: u64 = day.parse().ok()?;
    if year < 1970 || !(1..=31).contains(&day) || *hour > 23 || *minute > 59 || *second > 60 {
        return None;
    }
    Some(days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, by counting years from March so that
/// the leap day is the last of its year.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31 days: 153 in five.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between the first of March of the year 0 and 1970-01-01.
    year * 365 + leap_days + day_of_year - 719_468
}
