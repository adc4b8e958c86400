//! The host's own response headers.
//!
//! In: who answered, and what the adapter could not carry. Out: header values that are always
//! valid and bounded. Never: a value of the caller's request.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::context::RequestId;
use crate::dispatch::Target;
use crate::llm;

/// The request's id, for the operator's log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The provider that answered, as the configuration names it.
pub(crate) const PROVIDER: HeaderName = HeaderName::from_static("x-llm-host-provider");
/// The provider's own name of the model that was asked.
pub(crate) const MODEL: HeaderName = HeaderName::from_static("x-llm-host-model");
/// The generation of the plugin that answered.
pub(crate) const GENERATION: HeaderName = HeaderName::from_static("x-llm-host-generation");
/// Fields of the request that did not reach the provider.
pub(crate) const DROPPED: HeaderName = HeaderName::from_static("x-llm-host-dropped");
/// The provider's own id of a call to its own API.
pub(crate) const PROVIDER_REQUEST_ID: HeaderName = HeaderName::from_static("x-llm-host-provider-request-id");
/// `retry-after` in milliseconds, which OpenAI's clients prefer.
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Whether OpenAI's clients repeat the request by themselves.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Longest value of `x-llm-host-dropped`. Proxies commonly refuse heads above 8 KiB.
const LONGEST: usize = 1024;

/// A value with everything that is not printable ASCII replaced, and cut to a sane length.
pub(crate) fn printable(text: &str) -> HeaderValue {
    let safe: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .collect();
    HeaderValue::from_str(safe.trim()).unwrap_or(HeaderValue::from_static(""))
}

/// Sets the request's id.
pub(crate) fn set_request_id(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(REQUEST_ID, printable(id.as_str()));
}

/// Sets who answered, and what was dropped.
pub(crate) fn set_answer(headers: &mut HeaderMap, target: &Target, dropped: &[llm::DroppedField]) {
    headers.insert(PROVIDER, printable(&target.provider));
    if !target.model.is_empty() {
        headers.insert(MODEL, printable(&target.model));
    }
    headers.insert(GENERATION, HeaderValue::from(target.generation));
    if !dropped.is_empty() {
        headers.insert(DROPPED, printable(&listed(dropped)));
    }
}

/// `field, field, +3`: the last says how many more there are. The reasons stand in the log.
fn listed(dropped: &[llm::DroppedField]) -> String {
    let mut list = String::new();
    for (position, field) in dropped.iter().enumerate() {
        // Room for the separator and the count of the rest.
        if list.len() + field.field.len() + 16 > LONGEST {
            let rest = dropped.len() - position;
            let _ = write!(list, "{}+{rest}", if list.is_empty() { "" } else { ", " });
            return list;
        }
        if position > 0 {
            list.push_str(", ");
        }
        // A comma in a name would look like two names.
        list.extend(field.field.chars().map(|c| if c == ',' { ';' } else { c }));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(names: &[&str]) -> Vec<llm::DroppedField> {
        let field = |name: &&str| llm::DroppedField {
            field: (*name).to_owned(),
            reason: "no place".to_owned(),
        };
        names.iter().map(field).collect()
    }

    #[test]
    fn dropped_fields_are_listed_safely() {
        let mut headers = HeaderMap::new();
        let target = Target {
            provider: "böse\r\nx: y".into(),
            model: "m".into(),
            generation: 7,
        };
        set_answer(
            &mut headers,
            &target,
            &dropped(&["logit_bias", "messages[2].name", "a,b\n"]),
        );
        assert_eq!(headers[PROVIDER], "b?se??x: y");
        assert_eq!(headers[GENERATION], "7");
        assert_eq!(headers[DROPPED], "logit_bias, messages[2].name, a;b?");
        let many = vec!["0123456789"; 500];
        set_answer(&mut headers, &target, &dropped(&many));
        let value = headers[DROPPED].to_str().unwrap();
        assert!(value.len() <= LONGEST, "{}", value.len());
        let shown = value.matches("0123456789").count();
        assert!(value.ends_with(&format!(", +{}", 500 - shown)), "{value}");
    }
}
