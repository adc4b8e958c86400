//! Claude in its own form: Anthropic's Messages API, which the adapter of that name speaks.
//!
//! In: the neutral request. Out: the body. Never: a second copy of that API.

use llm_anthropic_wire::{Options, request as messages_api};
use llm_provider_sdk::types::{ChatRequest, Error};

use super::{Encoded, Form, additional};
use crate::request::Wish;
use crate::target::Target;

/// The version of the Messages API that Bedrock offers.
const VERSION: &str = "bedrock-2023-05-31";

/// Writes the body. The model is named by the path.
pub(super) fn encode(mut req: ChatRequest, target: &Target, wish: &Wish) -> Result<Encoded, Error> {
    // What is known of the model goes by its name, which an ARN need not tell.
    req.model.clone_from(&target.base);
    let encoded = messages_api::encode(req, Options::default(), false)?;
    let mut body = encoded.body;
    body.take("model");
    body.set("anthropic_version", VERSION);
    if !encoded.betas.is_empty() {
        body.set("anthropic_beta", encoded.betas);
    }
    for (name, value) in additional(wish) {
        body.set(&name, value);
    }
    Ok(Encoded {
        body: body.to_bytes(),
        form: Form::Claude(encoded.context),
    })
}
