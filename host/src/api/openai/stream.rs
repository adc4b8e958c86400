//! A streamed answer: OpenAI's `chat.completion.chunk` events.
//!
//! In: the typed events, in order. Out: the bytes of server-sent events. A pure state machine:
//! what may only be written once the answer is known (states, annotations, the layout of texts)
//! is kept until its choice ends. Never: waiting, and no JSON tree for a token: a token is the
//! stream's ready-made head, one escaped string, and the ready-made tail.

mod choice;

use bytes::{BufMut, BytesMut};

use crate::api::json::write::{self, Object};
use crate::api::sse;
use crate::llm;

use self::choice::{Choice, Kind, write_kept};
use super::carriers::{self, MediaField};
use super::error;
use super::request::AnswerForm;
use super::response::{self, Defaults};
use super::usage;

/// Fields of an answer that OpenAI repeats on every chunk.
const REPEATED: &[&str] = &["system_fingerprint", "service_tier"];

/// Fields of a chunk that an extra field may not take.
const CHUNK_FIELDS: &[&str] = &["id", "object", "created", "model", "choices", "usage", "error"];

/// Turns events into chunks.
pub(crate) struct Encoder {
    form: AnswerForm,
    defaults: Defaults,
    provider: String,
    /// `data: {…,"choices":[`, once the answer has begun.
    head: Vec<u8>,
    choices: Vec<Choice>,
    usage: Option<llm::Usage>,
    /// Events of the provider's own that wait for the next chunk.
    own_events: Vec<llm::Annotated>,
}

impl Encoder {
    /// An encoder of one answer. `provider` is named if the answer breaks off.
    pub(crate) fn new(form: AnswerForm, defaults: Defaults, provider: &str) -> Self {
        Self {
            form,
            defaults,
            provider: provider.to_owned(),
            head: Vec::new(),
            choices: Vec::new(),
            usage: None,
            own_events: Vec::new(),
        }
    }

    /// Writes a chunk with one choice: `delta` its delta, `rest` what follows that.
    fn chunk(
        &mut self,
        out: &mut BytesMut,
        choice: u32,
        delta: impl FnOnce(&mut Object<'_>),
        rest: impl FnOnce(&mut Object<'_>),
    ) {
        self.chunk_with(out, (choice, None), delta, rest);
    }

    /// The same with log probabilities beside the choice's number.
    fn chunk_with(
        &mut self,
        out: &mut BytesMut,
        (choice, logprobs): (u32, Option<&str>),
        delta: impl FnOnce(&mut Object<'_>),
        rest: impl FnOnce(&mut Object<'_>),
    ) {
        out.put_slice(&self.head);
        let mut object = Object::begin(out);
        object.field("index", &choice);
        let mut inner = object.object("delta");
        delta(&mut inner);
        inner.end();
        object.raw("logprobs", logprobs.unwrap_or("null"));
        rest(&mut object);
        object.end();
        self.close(out, None);
    }

    /// Ends a chunk behind its choices. When usage was asked for, OpenAI writes it as null on
    /// every chunk but the last.
    fn close(&mut self, out: &mut BytesMut, used: Option<&llm::Usage>) {
        if used.is_none() && self.own_events.is_empty() {
            let end: &[u8] = if self.form.include_usage {
                b"],\"usage\":null}\n\n"
            } else {
                b"]}\n\n"
            };
            out.put_slice(end);
            return;
        }
        out.put_u8(b']');
        let mut object = Object::resume(out);
        match used {
            Some(used) => {
                let mut inner = object.object("usage");
                usage::write(&mut inner, used);
                inner.end();
            }
            None if self.form.include_usage => object.raw("usage", "null"),
            None => {}
        }
        if !self.own_events.is_empty() {
            let events = std::mem::take(&mut self.own_events);
            // A client of OpenAI's looks for a late field of the answer, e.g. `moderation`, under its own name.
            let mut taken = [CHUNK_FIELDS, REPEATED, &["provider_events"]].concat();
            for event in &events {
                if !taken.contains(&event.kind.as_str()) {
                    object.raw(&event.kind, &event.value);
                    taken.push(&event.kind);
                }
            }
            object.list("provider_events", events, |out, event| {
                let mut entry = Object::begin(out);
                entry.field("kind", &event.kind);
                entry.raw("value", &event.value);
                entry.end();
            });
        }
        object.end();
        out.put_slice(b"\n\n");
    }

    /// Opens a choice if this is the first that is heard of it.
    fn open(&mut self, out: &mut BytesMut, index: u32) -> usize {
        if let Some(known) = self.choices.iter().position(|choice| choice.index == index) {
            return known;
        }
        self.choices.push(Choice::new(index));
        let delta = |delta: &mut Object<'_>| {
            delta.field("role", "assistant");
            delta.field("content", "");
        };
        self.chunk(out, index, delta, unfinished);
        self.choices.len() - 1
    }

    fn delta(&mut self, out: &mut BytesMut, delta: &llm::PartDelta) {
        let at = self.open(out, delta.choice);
        let Some((rank, kind)) = self.choices.get_mut(at).map(|choice| choice.take(delta, self.form)) else {
            return;
        };
        let head = (delta.choice, delta.logprobs.as_deref());
        match (&delta.content, kind) {
            (llm::DeltaContent::Text(text), _) => self.text(out, delta, "content", text),
            (llm::DeltaContent::Reasoning(text), _) => self.text(out, delta, "reasoning_content", text),
            (llm::DeltaContent::Refusal(text), _) => self.text(out, delta, "refusal", text),
            (llm::DeltaContent::ToolCall(call), Kind::ToolCall(position)) => {
                self.call(out, head, position, call);
            }
            (llm::DeltaContent::Other(other), Kind::OwnCall(position)) => {
                let own = own_call(&other.value, position);
                let write = |d: &mut Object<'_>| d.list("tool_calls", [own], |out, own| write::raw(out, &own));
                self.chunk_with(out, head, write, unfinished);
            }
            (llm::DeltaContent::Other(other), _) => {
                let part = |out: &mut BytesMut, other| {
                    carriers::provider_part(out, rank, other, delta.state.as_ref(), &delta.extra);
                };
                self.chunk_with(out, head, |d| d.list("provider_parts", [other], part), unfinished);
            }
            (llm::DeltaContent::Media(media), _) => {
                let one = std::iter::once((rank, media, delta.state.as_ref(), delta.extra.as_slice()));
                let write = |d: &mut Object<'_>| carriers::write_media(d, MediaField::of(media), one);
                self.chunk_with(out, head, write, unfinished);
            }
            // All deltas of one part are of one case; nothing can be made of one that is not.
            (llm::DeltaContent::ToolCall(_), _) => {}
        }
    }

    /// The path of nearly every event: one piece of text.
    fn text(&mut self, out: &mut BytesMut, delta: &llm::PartDelta, name: &'static str, text: &str) {
        if text.is_empty() && delta.logprobs.is_none() {
            return;
        }
        out.put_slice(&self.head);
        out.put_slice(b"{\"index\":");
        write::value(out, &delta.choice);
        out.put_slice(b",\"delta\":{\"");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\":");
        write::string(out, text);
        out.put_slice(b"},\"logprobs\":");
        match &delta.logprobs {
            None => out.put_slice(b"null"),
            Some(logprobs) => write::raw(out, logprobs),
        }
        out.put_slice(b",\"finish_reason\":null}");
        self.close(out, None);
    }

    fn call(
        &mut self,
        out: &mut BytesMut,
        head: (u32, Option<&str>),
        position: Option<usize>,
        call: &llm::ToolCallDelta,
    ) {
        let function = |object: &mut Object<'_>, name: &str| {
            let mut inner = object.object(name);
            inner.optional("name", call.name.as_ref());
            inner.field("arguments", &call.arguments);
            inner.end();
        };
        let delta = |delta: &mut Object<'_>| match position {
            None => function(delta, "function_call"),
            Some(position) => delta.list("tool_calls", [position], |out, position| {
                let mut entry = Object::begin(out);
                entry.field("index", &position);
                if let Some(id) = &call.id {
                    entry.field("id", id);
                    entry.field("type", "function");
                }
                function(&mut entry, "function");
                entry.end();
            }),
        };
        self.chunk_with(out, head, delta, unfinished);
    }

    /// Ends a choice: first what was kept for now, then the reason alone, as OpenAI sends it.
    fn finish(&mut self, out: &mut BytesMut, finish: &llm::Finish) {
        let at = self.open(out, finish.choice);
        let Some(choice) = self.choices.get_mut(at) else { return };
        let refused = choice.parts.iter().any(|part| matches!(part.kind, Kind::Refusal));
        let parts = std::mem::take(&mut choice.parts);
        let mut kept = BytesMut::new();
        write_kept(&mut Object::bare(&mut kept), &parts);
        if !kept.is_empty() {
            self.chunk(out, finish.choice, |delta| delta.fields(&kept), unfinished);
        }
        let form = self.form;
        let rest = |object: &mut Object<'_>| {
            response::finish(object, &finish.reason, finish.detail.as_deref(), refused, form);
            let taken = ["index", "delta", "logprobs", "finish_reason", "native_finish_reason"];
            object.extras(&finish.extra, &taken);
        };
        self.chunk(out, finish.choice, |_| {}, rest);
    }

    fn done(&mut self, out: &mut BytesMut) {
        let used = self.usage.take().filter(|_| self.form.include_usage);
        if used.is_some() || !self.own_events.is_empty() {
            out.put_slice(&self.head);
            self.close(out, used.as_ref());
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

impl sse::Encoder for Encoder {
    fn start(&mut self, start: &llm::ResponseStart, out: &mut BytesMut) {
        let mut head = BytesMut::new();
        head.put_slice(b"data: ");
        let mut object = Object::begin(&mut head);
        object.field("id", self.defaults.id(&start.id));
        object.field("object", "chat.completion.chunk");
        object.field("created", &start.created.unwrap_or(self.defaults.created));
        object.field("model", &start.model);
        let (repeated, once): (Vec<_>, Vec<_>) = start
            .extra
            .iter()
            .filter(|(name, _)| !CHUNK_FIELDS.contains(&name.as_str()))
            .cloned()
            .partition(|(name, _)| REPEATED.contains(&name.as_str()));
        object.extras(&repeated, &[]);
        // The first chunk's head goes on with what is said only once.
        let mut first = BytesMut::from(object.written());
        object.name("choices").put_u8(b'[');
        let mut object = Object::resume(&mut first);
        object.extras(&once, &[]);
        object.name("choices").put_u8(b'[');
        self.head = first.to_vec();
        self.open(out, 0);
        self.head = head.to_vec();
    }

    fn event(&mut self, event: &llm::ChatEvent, out: &mut BytesMut) {
        match event {
            // The runtime gives the start apart; a second one has nothing to say.
            llm::ChatEvent::Start(_) => {}
            llm::ChatEvent::Delta(delta) => self.delta(out, delta),
            llm::ChatEvent::Finish(finish) => self.finish(out, finish),
            llm::ChatEvent::Usage(used) => self.usage = Some(used.clone()),
            llm::ChatEvent::Other(other) => self.own_events.push(other.clone()),
            llm::ChatEvent::Error(failure) => error::event(out, &self.provider, failure),
            llm::ChatEvent::Done => self.done(out),
        }
    }
}

/// Ends a choice's object in a chunk that is not its last.
fn unfinished(object: &mut Object<'_>) {
    object.raw("finish_reason", "null");
}

/// A call in OpenAI's form, with its position in front.
fn own_call(json: &str, position: usize) -> String {
    match json.trim().strip_prefix('{') {
        Some(rest) if rest.trim_start().starts_with('}') => format!("{{\"index\":{position}{rest}"),
        Some(rest) => format!("{{\"index\":{position},{rest}"),
        None => json.to_owned(),
    }
}
