//! Claude in its own form: Anthropic's Messages API, which the adapter of that name speaks.
//!
//! In: the neutral request, and the pieces of an answer. Out: the body, and events. Never: a second copy
//! of that API.

use llm_anthropic_wire::wire::Object;
use llm_anthropic_wire::{Context, Decoder, Options, request as messages_api};
use llm_provider_sdk::types::{Annotated, ChatEvent, ChatRequest, Error};

use super::stream::{Events, Pieces};
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

/// What Bedrock adds to a piece: what a guardrail did, and why.
const ADDED: &[&str] = &["amazon-bedrock-guardrailAction", "amazon-bedrock-trace"];

/// The chunks of an answer: the events of the Messages API, with what Bedrock adds to them.
#[derive(Debug)]
pub(super) struct Chunks {
    events: Events<Decoder>,
}

impl Chunks {
    /// The chunks of the answer to one request.
    pub(super) fn new(context: Context) -> Self {
        Self {
            events: Events::new(Decoder::new(context)),
        }
    }
}

impl Pieces for Chunks {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        let from = out.len();
        self.events.piece(json, out)?;
        if !ADDED.iter().any(|name| json.contains(name)) {
            return Ok(());
        }
        // Behind the answer's start, and before its end.
        let begins = matches!(out.get(from), Some(ChatEvent::Start(_)));
        let at = from + usize::from(begins);
        let piece = Object::parse(json).unwrap_or_default();
        for name in ADDED {
            if let Some(value) = piece.get(name) {
                let told = Annotated {
                    kind: (*name).to_owned(),
                    value: value.get().to_owned(),
                };
                out.insert(at, ChatEvent::Other(told));
            }
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        self.events.close(out);
    }

    fn broken(&mut self, out: &mut Vec<ChatEvent>) {
        self.events.broken(out);
    }
}
