//! `POST /v1/completions`: what is asked, and its answer whole or as a stream.
//!
//! In: the body's bytes, by OpenAI's API reference; later the typed answer or its events. Out: the
//! typed request; later `text_completion` objects. Never: a part of an answer that is not text; such
//! an answer has no other, and the log says when an adapter gave one.

use bytes::{BufMut, Bytes, BytesMut};

use crate::api::json::write::Object;
use crate::api::json::{Node, Path};
use crate::api::sse;
use crate::dispatch::completions::{Prompt, Request};
use crate::error::GatewayError;
use crate::llm;

use super::request::{AnswerForm, sampling, stream_options};
use super::response::{self, Defaults};
use super::texts::{self, TextOrTokens};
use super::{error, usage};

/// Fields of an answer that an extra field may not take.
const FIELDS: &[&str] = &["id", "object", "created", "model", "choices", "usage", "error"];

/// Fields of a choice that an extra field may not take.
const CHOICE_FIELDS: &[&str] = &["text", "index", "logprobs", "finish_reason", "native_finish_reason"];

/// A decoded request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoded {
    /// What goes on. Its model is the one that the caller named.
    pub(super) request: Request,
    /// Whether the answer is wanted piece by piece.
    pub(super) stream: bool,
    /// Whether a stream ends with the usage.
    pub(super) include_usage: bool,
}

/// Decodes a body.
///
/// # Errors
/// `InvalidRequest` with the path of the field that is wrong.
pub(super) fn decode(body: &[u8]) -> Result<Decoded, GatewayError> {
    let root = Path::ROOT;
    let mut object = Node::parse(body)?.into_object(&root)?;
    let model = object.text("model")?.unwrap_or_default().into_owned();
    let prompts = object.required("prompt", "a string or an array of strings")?;
    let prompts = texts::decode(prompts, &root.field("prompt"))?;
    let prompt = |text| match text {
        TextOrTokens::Text(text) => Prompt::Text(text),
        TextOrTokens::Tokens(tokens) => Prompt::Tokens(tokens),
    };
    let stream = object.boolean("stream")?.unwrap_or(false);
    let mut nested = Vec::new();
    let include_usage = stream_options(&mut object, &mut nested)?;
    let request = Request {
        model,
        prompts: prompts.into_iter().map(prompt).collect(),
        suffix: object.text("suffix")?.map(Into::into),
        sampling: sampling(&mut object)?,
        echo: object.boolean("echo")?.unwrap_or(false),
        logprobs: object.integer("logprobs")?,
        best_of: object.integer("best_of")?,
        user: object.text("user")?.map(Into::into),
        extra: {
            let mut extra = object.rest();
            extra.append(&mut nested);
            extra
        },
    };
    Ok(Decoded {
        request,
        stream,
        include_usage,
    })
}

/// Encodes a whole answer.
pub(super) fn encode(response: &llm::ChatResponse, defaults: &Defaults) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    let mut object = Object::begin(&mut out);
    head(&mut object, defaults, &response.id, response.created, &response.model);
    object.list("choices", &response.choices, |out, choice| {
        let mut text = String::new();
        for part in &choice.message.parts {
            match &part.content {
                llm::PartContent::Text(more) => text.push_str(more),
                _ => left_out(),
            }
        }
        let mut object = Object::begin(out);
        object.field("text", &text);
        object.field("index", &choice.index);
        object.raw("logprobs", choice.logprobs.as_deref().unwrap_or("null"));
        finish(&mut object, &choice.finish, choice.finish_detail.as_deref());
        object.extras(&choice.extra, CHOICE_FIELDS);
        object.end();
    });
    if let Some(used) = &response.usage {
        let mut inner = object.object("usage");
        usage::write(&mut inner, used);
        inner.end();
    }
    object.extras(&response.extra, FIELDS);
    object.end();
    out.freeze()
}

fn head(object: &mut Object<'_>, defaults: &Defaults, id: &str, created: Option<u64>, model: &str) {
    object.field("id", defaults.id(id));
    object.field("object", "text_completion");
    object.field("created", &created.unwrap_or(defaults.created));
    object.field("model", model);
}

fn finish(object: &mut Object<'_>, reason: &llm::FinishReason, detail: Option<&str>) {
    response::finish(object, reason, detail, false, AnswerForm::default());
}

fn left_out() {
    tracing::warn!("a part of the answer that is not text was left out; `/v1/completions` has no place for it");
}

/// Turns events into chunks.
pub(super) struct Encoder {
    include_usage: bool,
    defaults: Defaults,
    provider: String,
    /// `data: {…,"choices":[`, once the answer has begun.
    head: Vec<u8>,
    usage: Option<llm::Usage>,
}

impl Encoder {
    /// An encoder of one answer. `provider` is named if the answer breaks off.
    pub(super) fn new(include_usage: bool, defaults: Defaults, provider: &str) -> Self {
        Self {
            include_usage,
            defaults,
            provider: provider.to_owned(),
            head: Vec::new(),
            usage: None,
        }
    }

    /// Writes a chunk: `choice` writes its only choice, if it has one.
    fn chunk(&self, out: &mut BytesMut, used: Option<&llm::Usage>, choice: impl FnOnce(&mut BytesMut)) {
        out.put_slice(&self.head);
        choice(out);
        out.put_u8(b']');
        let mut object = Object::resume(out);
        match used {
            Some(used) => {
                let mut inner = object.object("usage");
                usage::write(&mut inner, used);
                inner.end();
            }
            None if self.include_usage => object.raw("usage", "null"),
            None => {}
        }
        object.end();
        out.put_slice(b"\n\n");
    }

    fn delta(&self, delta: &llm::PartDelta, out: &mut BytesMut) {
        let llm::DeltaContent::Text(text) = &delta.content else {
            return left_out();
        };
        if text.is_empty() && delta.logprobs.is_none() {
            return;
        }
        self.chunk(out, None, |out| {
            let mut object = Object::begin(out);
            object.field("text", text);
            object.field("index", &delta.choice);
            object.raw("logprobs", delta.logprobs.as_deref().unwrap_or("null"));
            object.raw("finish_reason", "null");
            object.extras(&delta.extra, CHOICE_FIELDS);
            object.end();
        });
    }

    fn finish(&self, end: &llm::Finish, out: &mut BytesMut) {
        self.chunk(out, None, |out| {
            let mut object = Object::begin(out);
            object.field("text", "");
            object.field("index", &end.choice);
            object.raw("logprobs", "null");
            finish(&mut object, &end.reason, end.detail.as_deref());
            object.extras(&end.extra, CHOICE_FIELDS);
            object.end();
        });
    }

    fn done(&mut self, out: &mut BytesMut) {
        if let Some(used) = self.usage.take().filter(|_| self.include_usage) {
            self.chunk(out, Some(&used), |_| {});
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

impl sse::Encoder for Encoder {
    fn start(&mut self, start: &llm::ResponseStart, _: &mut BytesMut) {
        // Nothing goes out yet: this API has no chunk that says no more than that it begins.
        let mut chunk = BytesMut::new();
        chunk.put_slice(b"data: ");
        let mut object = Object::begin(&mut chunk);
        head(&mut object, &self.defaults, &start.id, start.created, &start.model);
        object.extras(&start.extra, FIELDS);
        object.name("choices").put_u8(b'[');
        self.head = chunk.to_vec();
    }

    fn event(&mut self, event: &llm::ChatEvent, out: &mut BytesMut) {
        match event {
            // The runtime gives the start apart; a second one has nothing to say.
            llm::ChatEvent::Start(_) => {}
            llm::ChatEvent::Delta(delta) => self.delta(delta, out),
            llm::ChatEvent::Finish(end) => self.finish(end, out),
            llm::ChatEvent::Usage(used) => self.usage = Some(used.clone()),
            llm::ChatEvent::Other(_) => left_out(),
            llm::ChatEvent::Error(failure) => error::event(out, &self.provider, failure),
            llm::ChatEvent::Done => self.done(out),
        }
    }
}
