//! Models whose own form is OpenAI's chat completions: gpt-oss, Jamba, the newer Mistral, and others.
//!
//! In: the neutral request, and the pieces of an answer. Out: the body, and events. Never: the format
//! itself, which stands in the shared crate.

use std::borrow::Cow;

use llm_anthropic_wire::wire::Object;
use llm_openai_wire::request::{self, Options};
use llm_openai_wire::{Asked, Decoder, Profile};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::stream::{Events, Pieces};
use super::{Encoded, Form, Metrics, additional};
use crate::request::Wish;
use crate::transport::Answered;

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

/// Reads a whole answer. Some models leave the counts to Bedrock's headers.
pub(super) fn decode(head: &Answered, body: &[u8], asked: Asked) -> Result<ChatResponse, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut answer = llm_openai_wire::response::decode(with_finish(text).as_bytes(), asked, &PROFILE)?;
    if answer.usage.is_none() {
        answer.usage = Metrics::of(head).map(Metrics::usage);
    }
    if answer.id.is_empty() {
        answer.id = head.request_id();
    }
    Ok(answer)
}

/// Mistral's and DeepSeek's models say why a choice ended under `stop_reason`.
fn with_finish(json: &str) -> Cow<'_, str> {
    if !json.contains("\"stop_reason\"") {
        return Cow::Borrowed(json);
    }
    let Some(mut body) = Object::parse(json) else {
        return Cow::Borrowed(json);
    };
    let Some(mut choices) = body.read::<Vec<Object>>("choices") else {
        return Cow::Borrowed(json);
    };
    for choice in choices.iter_mut().filter(|choice| !choice.has("finish_reason")) {
        if let Some(word) = choice.read::<String>("stop_reason") {
            choice.take("stop_reason");
            choice.set("finish_reason", word);
        }
    }
    body.set("choices", choices);
    Cow::Owned(body.to_json())
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
            self.events.piece(&with_finish(json), out)?;
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

    fn broken(&mut self, out: &mut Vec<ChatEvent>) {
        self.events.broken(out);
        self.note(out);
        if let (false, Some(usage)) = (self.has_usage, self.counted.take()) {
            out.push(ChatEvent::Usage(usage));
        }
    }
}

impl Chunks {
    fn note(&mut self, out: &[ChatEvent]) {
        self.has_usage |= out.iter().any(|event| matches!(event, ChatEvent::Usage(_)));
    }
}
