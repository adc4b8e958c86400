//! OpenAI's form of an error.
//!
//! In: the facts of a failure. Out: `{"error": {…}}`, with OpenAI's four fields and what a caller
//! of a gateway needs besides. Never: a provider's raw body.

use bytes::{BufMut, BytesMut};

use crate::api::error::Facts;
use crate::api::json::write::Object;
use crate::error::GatewayError;
use crate::llm;

/// Writes an error's body.
pub(crate) fn write(out: &mut BytesMut, facts: &Facts<'_>) {
    let mut object = Object::begin(out);
    let mut inner = object.object("error");
    inner.field("message", &facts.message);
    inner.field("type", facts.class.openai_type());
    inner.field("param", &facts.param);
    inner.field("code", &facts.code);
    inner.field("fault", facts.fault_word());
    inner.optional("provider", facts.provider);
    inner.optional("provider_status", facts.provider_status);
    inner.optional("provider_code", facts.provider_code);
    inner.optional("provider_request_id", facts.provider_request_id);
    inner.end();
    object.end();
}

/// Breaks a stream off. OpenAI's clients raise an error on an event that has `error`; no `[DONE]`
/// follows, so that nobody takes the answer for complete.
pub(super) fn event(out: &mut BytesMut, provider: &str, error: &llm::Error) {
    let error = GatewayError::Provider {
        provider: provider.to_owned(),
        error: Box::new(error.clone()),
    };
    out.put_slice(b"data: ");
    write(out, &Facts::of(&error));
    out.put_slice(b"\n\n");
}
