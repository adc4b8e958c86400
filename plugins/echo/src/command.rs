//! What the last message asks for besides being repeated.
//!
//! In: the text of the person's last message. Out: the error or the tool calls it asks for. Never:
//! a guess; what is not exactly a command is text.

use llm_provider_sdk::types::{Error, ErrorKind};

/// An error that was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// Words to say before it.
    pub(crate) after: Option<usize>,
    pub(crate) error: Error,
}

/// A tool call that was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Call<'t> {
    pub(crate) tool: &'t str,
    /// JSON text, where the message gives it.
    pub(crate) arguments: Option<&'t str>,
}

/// The kinds of errors with their names in the WIT package and the status a provider would answer
/// with.
const KINDS: &[(&str, ErrorKind, Option<u16>)] = &[
    ("invalid-request", ErrorKind::InvalidRequest, Some(400)),
    ("authentication", ErrorKind::Authentication, Some(401)),
    ("permission", ErrorKind::Permission, Some(403)),
    ("not-found", ErrorKind::NotFound, Some(404)),
    ("request-too-large", ErrorKind::RequestTooLarge, Some(413)),
    ("rate-limited", ErrorKind::RateLimited, Some(429)),
    ("quota-exhausted", ErrorKind::QuotaExhausted, Some(429)),
    ("overloaded", ErrorKind::Overloaded, Some(529)),
    ("context-length", ErrorKind::ContextLength, Some(400)),
    ("content-filtered", ErrorKind::ContentFiltered, Some(400)),
    ("timeout", ErrorKind::Timeout, Some(504)),
    ("cancelled", ErrorKind::Cancelled, None),
    ("transport", ErrorKind::Transport, None),
    ("stream-truncated", ErrorKind::StreamTruncated, None),
    ("upstream", ErrorKind::Upstream, Some(502)),
    ("unsupported", ErrorKind::Unsupported, None),
    ("denied", ErrorKind::Denied, None),
    ("internal", ErrorKind::Internal, None),
];

/// `error <kind> [<ms>]` or `error after <n> <kind> [<ms>]`, as the whole message.
pub(crate) fn failure(text: &str) -> Option<Failure> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (after, rest) = match words.as_slice() {
        ["error", "after", n, rest @ ..] => (Some(n.parse().ok()?), rest),
        ["error", rest @ ..] => (None, rest),
        _ => return None,
    };
    let (name, wait) = match rest {
        [name] => (name, None),
        [name, wait] => (name, Some(wait.parse::<u64>().ok()?)),
        _ => return None,
    };
    let (name, kind, status) = KINDS.iter().find(|(known, ..)| known == name)?;
    let mut error = Error::new(*kind, format!("this message asked for the error `{name}`"))
        .with_code(format!("echo-{name}"))
        .with_retry_after_ms(wait);
    error.http_status = *status;
    Some(Failure { after, error })
}

/// Every line `call <tool> [<json>]` of a tool that is on offer.
pub(crate) fn calls<'t>(text: &'t str, is_offered: impl Fn(&str) -> bool) -> Vec<Call<'t>> {
    let call = |line: &'t str| {
        let rest = line.trim().strip_prefix("call ")?.trim_start();
        let (tool, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let arguments = Some(arguments.trim()).filter(|json| !json.is_empty());
        let is_json = arguments.is_none_or(|json| serde_json::from_str::<serde_json::Value>(json).is_ok());
        (is_offered(tool) && is_json).then_some(Call { tool, arguments })
    };
    text.lines().filter_map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_on_request() {
        let limited = failure("error rate-limited 1500").unwrap();
        assert_eq!(
            (limited.error.kind, limited.error.retryable),
            (ErrorKind::RateLimited, true)
        );
        assert_eq!(
            (limited.error.http_status, limited.error.retry_after_ms),
            (Some(429), Some(1500))
        );
        assert_eq!(limited.error.provider_code.as_deref(), Some("echo-rate-limited"));
        assert_eq!(failure(" error after 2 overloaded\n").unwrap().after, Some(2));
        for text in [
            "error",
            "error bad",
            "an error upstream",
            "error upstream soon",
            "error after x upstream",
        ] {
            assert_eq!(failure(text), None, "{text}");
        }
    }

    #[test]
    fn every_kind_has_a_name() {
        for (name, kind, _) in KINDS {
            assert_eq!(failure(&format!("error {name}")).unwrap().error.kind, *kind);
        }
        assert_eq!(KINDS.len(), 18);
    }

    #[test]
    fn calls_on_request() {
        let offered = |name: &str| ["f", "g"].contains(&name);
        assert_eq!(
            calls(
                "please\n  call f {\"a\": 1}\ncall g\ncall h\ncall f {oops\ncall",
                offered
            ),
            [
                Call {
                    tool: "f",
                    arguments: Some("{\"a\": 1}")
                },
                Call {
                    tool: "g",
                    arguments: None
                }
            ]
        );
    }
}
