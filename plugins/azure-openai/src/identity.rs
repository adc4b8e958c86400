//! What signs in at a resource: a key, or a token of Microsoft Entra ID.
//!
//! In: the setting, and which slots are granted. Out: the slot. Never: a secret, and never a change
//! from one to the other after a refusal; which one counts has to be plain.

use llm_provider_sdk::credential::Credential;
use llm_provider_sdk::types::{Error, ErrorKind};
use llm_provider_sdk::{CredentialSlot, HttpError};

use crate::settings::SignIn;

/// The slot of a resource's key.
pub(crate) const KEY: &str = "api-key";
/// The slot of an identity of Microsoft Entra ID.
pub(crate) const ENTRA: &str = "entra";

/// The audience of the public cloud. A grant for another cloud names its own.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// The manifest's slots. One of them is enough.
pub(crate) fn slots() -> Vec<CredentialSlot> {
    vec![
        CredentialSlot {
            kinds: vec!["api-key".to_owned()],
            required: false,
            ..CredentialSlot::header(
                KEY,
                "api-key",
                "A key of the resource (Azure portal: Resource Management, Keys and Endpoint), sent as `api-key`",
            )
        },
        CredentialSlot {
            name: ENTRA.to_owned(),
            kinds: vec!["entra".to_owned()],
            attach: serde_json::json!({ "entra": { "scope": SCOPE } }).to_string(),
            required: false,
            description:
                "An identity of Microsoft Entra ID with the role `Cognitive Services OpenAI User` on the resource; \
                          its token is sent as `Authorization: Bearer`"
                    .to_owned(),
        },
    ]
}

/// The slot that signs in: the one of the setting, else the one that is granted; where both are,
/// that of the identity, which can be confined and does not live in a file.
///
/// # Errors
/// Kind `denied` when neither is granted.
pub(crate) fn slot(wish: Option<SignIn>) -> Result<&'static str, Error> {
    match wish {
        Some(SignIn::ApiKey) => return Ok(KEY),
        Some(SignIn::Entra) => return Ok(ENTRA),
        None => {}
    }
    let refusals = [ENTRA, KEY].map(|slot| Credential::acquire(slot).err().ok_or(slot));
    let [entra, key] = match refusals {
        [Err(slot), _] | [_, Err(slot)] => return Ok(slot),
        [Ok(entra), Ok(key)] => [entra, key],
    };
    Err(Error::new(
        ErrorKind::Denied,
        format!(
            "nothing signs in at Azure OpenAI; grant a key with `host grant add azure-openai --slot {KEY} --credential \
             NAME`, or an identity with `--slot {ENTRA}` ({}; {})",
            text(&entra),
            text(&key)
        ),
    ))
}

fn text(refusal: &HttpError) -> &str {
    match refusal {
        HttpError::Denied(text) | HttpError::Credential(text) | HttpError::Other(text) => text,
        _ => "it cannot be used",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::bindings::llm_host::provider::credentials::CredentialError;
    use llm_provider_sdk::testing::Recording;

    #[test]
    fn the_slot_that_is_granted_or_wished_for() {
        let refuse = |names: &[&str]| {
            let recording = Recording::new();
            names
                .iter()
                .fold(recording, |all, name| all.refuse(name, CredentialError::NotGranted))
        };
        for (refused, wish, expected) in [
            (&[][..], None, Some(ENTRA)),
            (&[], Some(SignIn::ApiKey), Some(KEY)),
            (&[ENTRA], None, Some(KEY)),
            (&[KEY], None, Some(ENTRA)),
            // The wish stands, so that the host's refusal names what is missing.
            (&[ENTRA], Some(SignIn::Entra), Some(ENTRA)),
            (&[KEY, ENTRA], None, None),
        ] {
            let _host = refuse(refused).install();
            let found = slot(wish);
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{refused:?} {wish:?}");
            if let Err(error) = found {
                assert_eq!(error.kind, ErrorKind::Denied);
                assert!(error.message.contains("--slot api-key"), "{}", error.message);
            }
        }
    }

    #[test]
    fn neither_slot_is_required() {
        for slot in slots() {
            assert!(!slot.required);
            serde_json::from_str::<serde_json::Value>(&slot.attach).unwrap();
        }
    }
}
