//! Models whose own form is OpenAI's chat completions: gpt-oss, Jamba, the newer Mistral, and others.
//!
//! In: the neutral request, and the pieces of an answer. Out: the body, and events. Never: the format
//! itself, which stands in the shared crate.

use llm_openai_wire::request::{self, Options};
use llm_openai_wire::{Asked, Decoder, Profile};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, Error, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::stream::{Events, Pieces};
use super::{Encoded, Form, Metrics, additional};
use crate::request::Wish;

/// How Bedrock speaks the format.
pub(crate) const PROFILE: Profile = Profile {
    name: "Amazon Bedrock",
    id: "bedrock",
    ..Profile::COMPATIBLE
};

/// Writes the body. The path names the model, and says whether the answer is streamed.
pub(super) fn encode(req: ChatRequest, wish: &Wish) -> Result<Encoded, Error> {
    let (body, asked) = request::encode(&req, &PROFILE, Options::default())?;
    let fault = |fault: serde_json::Error| Error::internal(format!("the request has no JSON form: {fault}"));
    let mut body = serde_json::to_value(&body).map_err(fault)?;
    if let Value::Object(body) = &mut body {
        body.shift_remove("model");
        body.shift_remove("stream");
        body.extend(additional(wish));
    }
    Ok(Encoded {
        body: body.to_string().into_bytes(),
        form: Form::OpenAi(asked),
    })
}

/// What Bedrock adds to the last piece of every stream.
#[derive(Debug, Deserialize)]
struct Last {
    choices: Option<serde::de::IgnoredAny>,
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<Metrics>,
}

/// The chunks of an answer.
#[derive(Debug)]
pub(super) struct Chunks {
    events: Events<Decoder>,
    /// The usage that Bedrock counted, where the model's own did not come.
    counted: Option<Usage>,
    has_usage: bool,
}

impl Chunks {
    /// The chunks of the answer to this request.
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            events: Events::new(Decoder::new(&PROFILE, asked)),
            counted: None,
            has_usage: false,
        }
    }
}

impl Pieces for Chunks {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        let last: Option<Last> = serde_json::from_str(json).ok();
        if let Some(metrics) = last.as_ref().and_then(|last| last.metrics) {
            self.counted = Some(metrics.usage());
        }
        // The last frame may hold Bedrock's counts alone.
        if last.is_none_or(|last| last.choices.is_some() || last.metrics.is_none()) {
            self.events.piece(json, out)?;
        }
        self.note(out);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        let from = out.len();
        self.events.close(out);
        let told = out.get(from..).unwrap_or_default();
        self.has_usage |= told.iter().any(|event| matches!(event, ChatEvent::Usage(_)));
        let is_done = matches!(out.last(), Some(ChatEvent::Done));
        if let (true, false, Some(usage)) = (is_done, self.has_usage, self.counted.take()) {
            out.insert(out.len() - 1, ChatEvent::Usage(usage));
        }
    }
}

impl Chunks {
    fn note(&mut self, out: &[ChatEvent]) {
        self.has_usage |= out.iter().any(|event| matches!(event, ChatEvent::Usage(_)));
    }
}
