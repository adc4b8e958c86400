//! How a provider's opaque state travels on the OpenAI wire.
//!
//! In: `{"format": …, "data": …}` of a request, or the state of an answer's part. Out: the other
//! one, byte for byte: text that is UTF-8 as it is, anything else as base64 under `…_base64`.
//! Never: a look inside.

use crate::api::json::write;
use crate::api::json::{Node, Object, Path};
use crate::error::GatewayError;
use crate::llm;

use super::media;

/// Takes the bytes that stand under `name` or `name_base64`.
pub(super) fn take_bytes(
    object: &mut Object<'_, '_>,
    name: &str,
    name_base64: &str,
) -> Result<Option<Vec<u8>>, GatewayError> {
    if let Some(text) = object.text(name)? {
        return Ok(Some(text.into_owned().into_bytes()));
    }
    let path = object.path();
    object
        .text(name_base64)?
        .map(|data| media::bytes(&data, &path.field(name_base64)))
        .transpose()
}

/// Takes `provider_state`.
pub(super) fn take(object: &mut Object<'_, '_>) -> Result<Option<llm::ProviderState>, GatewayError> {
    let path = object.path().field("provider_state");
    object
        .take("provider_state")
        .map(|node| decode(node, &path))
        .transpose()
}

fn decode(node: Node<'_>, path: &Path<'_>) -> Result<llm::ProviderState, GatewayError> {
    let mut object = node.into_object(path)?;
    let format = object.required_text("format")?.into_owned();
    let data = take_bytes(&mut object, "data", "data_base64")?
        .ok_or_else(|| object.missing("data", "a string, or base64 under `data_base64`"))?;
    Ok(llm::ProviderState { format, data })
}

/// Writes the bytes under `name`, or under `name_base64` where they are not text.
pub(super) fn write_bytes(object: &mut write::Object<'_>, name: &str, name_base64: &str, data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(text) => object.field(name, text),
        Err(_) => object.field(name_base64, &media::base64(data)),
    }
}

/// Writes `provider_state` if there is one.
pub(super) fn write(object: &mut write::Object<'_>, state: Option<&llm::ProviderState>) {
    if let Some(state) = state {
        let mut inner = object.object("provider_state");
        inner.field("format", &state.format);
        write_bytes(&mut inner, "data", "data_base64", &state.data);
        inner.end();
    }
}
