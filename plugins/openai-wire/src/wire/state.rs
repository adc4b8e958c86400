//! Provider state as JSON members.
//!
//! In: the members `signature` or `data` (or either with `_base64`) and `format`. Out: the
//! state's bytes, and back. Never: a look inside the bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_provider_sdk::types::ProviderState;

use super::{Fields, json_string, object};

/// Takes the state that stands in the member `name` as UTF-8, or in `<name>_base64`.
/// A format that is missing stays empty; the caller knows whose state it is.
pub(crate) fn take(fields: &mut Fields<'_>, name: &str) -> Option<ProviderState> {
    let data = match fields.take_some_text(name) {
        Some(text) => text.into_bytes(),
        None => {
            let text = fields.take_some_text(&format!("{name}_base64"))?;
            BASE64.decode(&text).unwrap_or_else(|_| text.into_bytes())
        }
    };
    let format = fields.take_some_text("format").unwrap_or_default();
    Some(ProviderState { format, data })
}

/// The member's name and text for the state's bytes: as UTF-8 where they are that.
pub(crate) fn member(state: &ProviderState, name: &str) -> (String, String) {
    match std::str::from_utf8(&state.data) {
        Ok(text) => (name.to_owned(), text.to_owned()),
        Err(_) => (format!("{name}_base64"), BASE64.encode(&state.data)),
    }
}

/// `{ "format", "data" }`.
pub(crate) fn json(state: &ProviderState) -> String {
    let (name, text) = member(state, "data");
    object(&vec![
        ("format".to_owned(), json_string(&state.format)),
        (name, json_string(&text)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went() {
        for data in [&b"sig=="[..], &[0xff, 0x00, 0x80]] {
            let state = ProviderState {
                format: "anthropic".into(),
                data: data.to_vec(),
            };
            let (name, text) = member(&state, "signature");
            let json = serde_json::json!({ name: text, "format": "anthropic" }).to_string();
            let mut fields = Fields::parse(&json).unwrap();
            assert_eq!(take(&mut fields, "signature"), Some(state));
            assert!(fields.into_extras().is_empty());
        }
    }

    #[test]
    fn a_state_may_lack_its_format() {
        let mut fields = Fields::parse(r#"{"data":"blob","format":null}"#).unwrap();
        let state = take(&mut fields, "data").unwrap();
        assert_eq!((state.format.as_str(), state.data.as_slice()), ("", &b"blob"[..]));
    }
}
