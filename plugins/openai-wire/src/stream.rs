//! A streamed answer, as a state machine.
//!
//! In: the bytes of a stream of `chat.completion.chunk` events, cut anywhere. Out: neutral events
//! that fold into what the whole answer would have been. Never: a success without the provider's
//! own sign that the answer is complete; see [`Ending`].

mod choice;

use std::collections::BTreeMap;

use llm_provider_sdk::framer::sse::{Event, Framer};
use llm_provider_sdk::types::{Annotated, ChatEvent, Error, Extras, ResponseStart, Usage};
use llm_provider_sdk::{HttpError, StreamDecoder};
use serde_json::value::RawValue;

use self::choice::Choice;
use crate::profile::{Ending, Profile};
use crate::request::Asked;
use crate::sniff::Either;
use crate::wire::answer::{answer, continuation};
use crate::wire::{Fields, grown, is_empty, json_string, read};
use crate::{error, response, usage};

/// Decodes one streamed answer.
#[derive(Debug)]
pub struct Decoder {
    profile: Profile,
    framer: Framer,
    /// What the start event will say, until it has been given.
    start: Option<ResponseStart>,
    id: String,
    sound_type: String,
    /// Members of the chunks that have been given on, so that a repetition is not.
    told: Extras,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
    ended: bool,
}

impl Decoder {
    /// A decoder for the answer to a request.
    #[must_use]
    pub fn new(profile: &Profile, asked: Asked) -> Self {
        Self {
            profile: *profile,
            framer: Framer::new(),
            start: Some(ResponseStart {
                id: String::new(),
                model: String::new(),
                created: None,
                dropped: asked.dropped,
                extra: Extras::new(),
            }),
            id: String::new(),
            sound_type: asked.sound_type,
            told: Extras::new(),
            choices: BTreeMap::new(),
            usage: None,
            ended: false,
        }
    }

    fn event(&mut self, event: &Event, out: &mut Vec<ChatEvent>) {
        self.data(event.event.as_deref(), event.data.trim(), event.cut, out);
    }

    /// The data of one event.
    fn data(&mut self, name: Option<&str>, data: &str, cut: bool, out: &mut Vec<ChatEvent>) {
        if self.ended || data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            self.complete(out);
            return;
        }
        match Fields::parse(data) {
            Ok(fields) if name == Some("error") || error::is_error(&fields) => {
                let mut fields = fields;
                self.take_usage(&mut fields);
                self.fail(error::inside(&fields, data, &self.profile), out);
            }
            Ok(fields) => self.chunk(fields, out),
            // The connection broke within the event; `close` will say so.
            Err(_) if cut => {}
            Err(_) if name == Some("error") => {
                self.fail(Error::upstream(data.to_owned()), out);
            }
            Err(_) => {
                let what = format!("{} sent a chunk that is not a JSON object", self.profile.name);
                let raw = json_string(data);
                self.fail(Error::upstream(what).with_raw(raw), out);
            }
        }
    }

    fn chunk(&mut self, mut fields: Fields<'_>, out: &mut Vec<ChatEvent>) {
        let choices = fields.take_list("choices");
        self.take_usage(&mut fields);
        fields.take("object");
        for name in self.profile.padding {
            fields.take(name);
        }
        self.head(fields, !choices.is_empty(), out);
        for raw in choices {
            self.choice(raw, out);
        }
    }

    fn take_usage(&mut self, fields: &mut Fields<'_>) {
        let profile = &self.profile;
        let own = fields.take("usage").and_then(|raw| usage::usage(raw, profile));
        // The later count is the more complete one.
        if let Some(usage) = own.or_else(|| response::usage_inside(fields, profile)) {
            self.usage = Some(usage);
        }
    }

    /// What a chunk says of the answer as a whole. Azure's first chunk has neither id nor model,
    /// so the start waits for one that has both, or a choice.
    fn head(&mut self, mut fields: Fields<'_>, has_choices: bool, out: &mut Vec<ChatEvent>) {
        let id = fields.take_some_text("id");
        let model = fields.take_some_text("model");
        let created = response::created(&mut fields);
        let known = |name: &str, json: &str| self.told.iter().any(|(n, v)| n == name && v == json);
        let mut news: Extras = fields
            .into_pairs()
            .filter(|(name, json)| !known(name, json.get()))
            .map(|(name, json)| (name.into_owned(), json.get().to_owned()))
            .collect();
        let Some(start) = &mut self.start else {
            news.retain(|(_, json)| !is_empty(json));
            for (kind, value) in news {
                let before = self.told.iter().position(|(name, _)| *name == kind);
                let before = before.map(|at| self.told.swap_remove(at).1).unwrap_or_default();
                self.told.push((kind.clone(), value.clone()));
                let value = grown(&before, value);
                out.push(ChatEvent::Other(Annotated { kind, value }));
            }
            return;
        };
        start.id = id.unwrap_or_else(|| std::mem::take(&mut start.id));
        start.model = model.unwrap_or_else(|| std::mem::take(&mut start.model));
        start.created = created.or(start.created);
        for (name, json) in news {
            match start.extra.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) if is_empty(old) || !is_empty(&json) => *old = json,
                Some(_) => {}
                None => start.extra.push((name, json)),
            }
        }
        let known = !start.id.is_empty() && !start.model.is_empty();
        if known || has_choices {
            self.id.clone_from(&start.id);
            self.told.clone_from(&start.extra);
            out.extend(self.start.take().map(ChatEvent::Start));
        }
    }

    fn choice(&mut self, raw: &RawValue, out: &mut Vec<ChatEvent>) {
        let Some(mut fields) = read::<Fields<'_>>(raw) else {
            return;
        };
        let index = response::index(&mut fields).unwrap_or_default();
        let profile = &self.profile;
        let choice = self
            .choices
            .entry(index)
            .or_insert_with(|| Choice::new(index, &self.id, profile));
        let message = fields.take_object("message");
        // Perplexity repeats the whole message beside each delta.
        let delta = fields.take_object("delta").or(message);
        let logprobs = response::logprobs(&mut fields);
        let finish = fields.take_some_text("finish_reason");
        let more = match delta {
            Some(delta) => Some(answer(delta, profile)),
            None => continuation(&mut fields),
        };
        if let Some(more) = more {
            choice.delta(more, logprobs, out);
        }
        let own = response::own_word(&mut fields);
        choice.end(finish, own, fields.into_extras());
    }

    /// The provider has said that the answer is complete.
    fn complete(&mut self, out: &mut Vec<ChatEvent>) {
        if self.ended {
            return;
        }
        if self.choices.is_empty() {
            let what = format!("{} ended its answer without a choice", self.profile.name);
            self.fail(Error::upstream(what), out);
            return;
        }
        for choice in std::mem::take(&mut self.choices).into_values() {
            choice.finish(&self.sound_type, out);
        }
        out.extend(self.usage.take().map(ChatEvent::Usage));
        out.push(ChatEvent::Done);
        self.ended = true;
    }

    fn fail(&mut self, error: Error, out: &mut Vec<ChatEvent>) {
        // What was used is paid for, also when the answer failed.
        if self.start.is_none() {
            out.extend(self.usage.take().map(ChatEvent::Usage));
        }
        out.push(ChatEvent::Error(error));
        self.ended = true;
    }

    /// Whether nothing is missing but the marker.
    fn is_complete(&self) -> bool {
        let finished = self.choices.values().all(Choice::is_finished);
        let counted = match self.profile.ending {
            Ending::Usage => self.usage.is_some(),
            Ending::Finish => true,
        };
        !self.choices.is_empty() && finished && counted
    }
}

impl Either for Decoder {
    fn whole(mut self, body: &[u8]) -> Vec<ChatEvent> {
        let mut out = Vec::new();
        self.data(None, &String::from_utf8_lossy(body), false, &mut out);
        self.complete(&mut out);
        out
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for event in self.framer.feed(bytes) {
            match event {
                Ok(event) => self.event(&event, out),
                Err(too_long) if !self.ended => self.fail(too_long.into(), out),
                Err(_) => {}
            }
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        if end.is_ok()
            && let Some(event) = self.framer.finish()
        {
            self.event(&event, out);
        }
        if self.ended {
            return;
        }
        match end {
            Ok(()) if self.is_complete() => self.complete(out),
            Ok(()) => self.fail(Error::truncated(), out),
            Err(error) => self.fail(error.into(), out),
        }
    }
}

#[cfg(test)]
mod tests;
