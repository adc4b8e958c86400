//! The list of models, in OpenAI's form.
//!
//! In: the models that may be asked. Out: `list` and `model` objects, with what the provider says
//! of a model beside OpenAI's fields. Never: a model whose name cannot be asked for.

use bytes::{Bytes, BytesMut};

use crate::api::json::write::Object;
use crate::dispatch::ModelEntry;
use crate::error::GatewayError;

/// Encodes all of them.
pub(super) fn encode_list(entries: &[ModelEntry]) -> Bytes {
    let mut out = BytesMut::with_capacity(256 * entries.len() + 32);
    let mut object = Object::begin(&mut out);
    object.field("object", "list");
    object.list("data", entries, encode);
    object.end();
    out.freeze()
}

/// Encodes the one of this name.
///
/// # Errors
/// `ModelNotFound`.
pub(super) fn encode_one(entries: &[ModelEntry], name: &str) -> Result<Bytes, GatewayError> {
    let entry = entries
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| GatewayError::ModelNotFound {
            model: name.to_owned(),
            message: format!("there is no model `{name}`; `GET /v1/models` lists those there are"),
        })?;
    let mut out = BytesMut::with_capacity(256);
    encode(&mut out, entry);
    Ok(out.freeze())
}

fn encode(out: &mut BytesMut, entry: &ModelEntry) {
    let info = &entry.info;
    let mut object = Object::begin(out);
    object.field("id", &entry.name);
    object.field("object", "model");
    // OpenAI's clients expect a number; 0 is how others say that it is not known.
    object.field("created", &info.created.unwrap_or(0));
    if !info.extra.iter().any(|(name, _)| name == "owned_by") {
        object.field("owned_by", entry.provider.as_ref());
    }
    object.field("provider", entry.provider.as_ref());
    object.optional("name", info.name.as_ref());
    object.optional("context_window", info.context_window);
    object.optional("max_output_tokens", info.max_output_tokens);
    if !info.capabilities.is_empty() {
        object.field("capabilities", &info.capabilities);
    }
    let taken = [
        "id",
        "object",
        "created",
        "provider",
        "name",
        "context_window",
        "max_output_tokens",
        "capabilities",
    ];
    object.extras(&info.extra, &taken);
    object.end();
}
