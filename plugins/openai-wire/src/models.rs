//! The list of models.
//!
//! In: the body of `GET /models`. Out: neutral models. Never: a guess at what a model can do where
//! the provider does not say it.

use llm_provider_sdk::types::{Error, ModelInfo};
use serde_json::value::RawValue;

use crate::profile::Profile;
use crate::wire::{Fields, read};

/// Reads `{"object":"list","data":[…]}`, or a bare list (Together).
///
/// # Errors
/// Kind `upstream` when it is neither.
pub fn decode(body: &[u8], profile: &Profile) -> Result<Vec<ModelInfo>, Error> {
    let fault = || Error::upstream(format!("{} answered with no list of models", profile.name));
    let text = std::str::from_utf8(body).map_err(|_| fault())?;
    let models: Vec<&RawValue> = match Fields::parse(text) {
        Ok(mut fields) => fields.take_as("data").ok_or_else(fault)?,
        Err(_) => serde_json::from_str(text).map_err(|_| fault())?,
    };
    Ok(models.into_iter().filter_map(|raw| model(read(raw)?)).collect())
}

fn model(mut fields: Fields<'_>) -> Option<ModelInfo> {
    let id = fields.take_some_text("id")?;
    fields.take("object");
    let context_window = [
        "context_window",
        "context_length",
        "max_context_length",
        "max_model_len",
    ]
    .iter()
    .find_map(|name| fields.take_count(name));
    Some(ModelInfo {
        id,
        name: fields
            .take_some_text("name")
            .or_else(|| fields.take_some_text("display_name")),
        created: fields.take_count("created"),
        capabilities: Vec::new(),
        context_window,
        max_output_tokens: fields.take_count("max_completion_tokens"),
        extra: fields.into_extras(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_list() {
        let list = r#"[{"id":"m-1","object":"model","created":1700000000,"owned_by":"openai"},{"id":""},{"id":"m-2","context_window":8192}]"#;
        for body in [format!("{{\"object\":\"list\",\"data\":{list}}}"), list.to_owned()] {
            let models = decode(body.as_bytes(), &Profile::OPENAI).unwrap();
            assert_eq!(models.len(), 2);
            assert_eq!(models[0].created, Some(1_700_000_000));
            assert_eq!(models[0].extra, [("owned_by".to_owned(), "\"openai\"".to_owned())]);
            assert_eq!(models[1].context_window, Some(8192));
        }
    }

    #[test]
    fn anything_else_is_the_providers_fault() {
        for body in [&b"{}"[..], b"\"x\"", b"<html>", b"\xff"] {
            assert!(decode(body, &Profile::OPENAI).is_err());
        }
    }
}
