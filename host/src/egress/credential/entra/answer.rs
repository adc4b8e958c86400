//! The answer that holds a token.
//!
//! In: the body of a token service's answer. Out: the token and when it ends. Never: the token in an
//! error.
//!
//! Entra gives times in seconds from now, as numbers (RFC 6749, section 5.1); metadata services give
//! them as texts, and also the moment as seconds since 1970 (`expires_on`).

use std::time::{Duration, SystemTime};

use llm_host_vault::Secret;
use serde::Deserialize;

use crate::egress::credential::token::{Fetched, TokenError};

/// A token that lives at least this long is renewed after half its life, as Microsoft's own libraries
/// do with the tokens of managed identities: an outage then has a day to end.
const LONG_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Count>,
    #[serde(default)]
    expires_on: Option<Count>,
    #[serde(default)]
    refresh_in: Option<Count>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Count {
    fn duration(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        };
        seconds.map(Duration::from_secs)
    }
}

/// Reads a token.
///
/// # Errors
/// When there is none in it, or no end of it.
pub(super) fn read(who: &str, body: &[u8], now: SystemTime) -> Result<Fetched<Secret>, TokenError> {
    let unusable = |what: &str| TokenError::passing(format!("the answer of {who} cannot be used: {what}"));
    let granted: Granted = serde_json::from_slice(body).map_err(|_| unusable("it holds no token"))?;
    let token = Secret::new(granted.access_token);
    if token.is_empty() {
        return Err(unusable("its token is empty"));
    }
    let after = |count: &Option<Count>, from: SystemTime| from.checked_add(count.as_ref()?.duration()?);
    let expires = after(&granted.expires_in, now)
        .or_else(|| after(&granted.expires_on, SystemTime::UNIX_EPOCH))
        .ok_or_else(|| unusable("it does not say when the token expires"))?;
    let life = expires.duration_since(now).unwrap_or_default();
    let half = (life >= LONG_LIFE).then(|| now.checked_add(life / 2)).flatten();
    Ok(Fetched {
        token,
        expires: Some(expires),
        refresh: after(&granted.refresh_in, now).or(half),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (body, expires, refresh) in [
            (r#"{"access_token":"t","expires_in":3599}"#, 3599, None),
            (
                r#"{"access_token":"t","expires_in":"3599","expires_on":"1"}"#,
                3599,
                None,
            ),
            (
                r#"{"access_token":"t","expires_on":"1700000060","resource":"r"}"#,
                60,
                None,
            ),
            (
                r#"{"access_token":"t","expires_in":86400,"refresh_in":43000}"#,
                86_400,
                Some(43_000),
            ),
            (r#"{"access_token":"t","expires_in":86400}"#, 86_400, Some(43_200)),
        ] {
            let fetched = read("Entra", body.as_bytes(), now).unwrap();
            let after = |time: SystemTime| time.duration_since(now).unwrap().as_secs();
            assert_eq!(
                (fetched.expires.map(after), fetched.refresh.map(after)),
                (Some(expires), refresh),
                "{body}"
            );
        }
    }

    #[test]
    fn an_answer_without_a_token_is_not_repeated() {
        for body in [
            "",
            "<html>canary</html>",
            r#"{"access_token":"","expires_in":3599}"#,
            r#"{"access_token":"canary"}"#,
            r#"{"access_token":"canary","expires_in":"soon"}"#,
            r#"{"access_token":["canary"],"expires_in":1}"#,
        ] {
            let error = read("Entra", body.as_bytes(), SystemTime::UNIX_EPOCH).err().unwrap();
            assert!(error.retryable && !error.reason.contains("canary"), "{error}");
        }
    }
}
