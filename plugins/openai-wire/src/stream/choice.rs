//! One choice of a streamed answer.
//!
//! In: the deltas of the choice, in order. Out: the neutral deltas, each under its part's number.
//! Never: a piece of something that the neutral stream carries only as a whole (sound, calls of
//! custom tools); those wait until the choice is complete.

use std::collections::BTreeMap;

use llm_provider_sdk::types::{
    Annotated, ChatEvent, DeltaContent, Extras, Finish, PartContent, PartDelta, ProviderState, ToolCallDelta,
};

use crate::profile::Profile;
use crate::response::{call_id, finish, sound_of};
use crate::wire::answer::{Answer, Call, Place, Sound, Thought};
use crate::wire::media::Base64Pieces;
use crate::wire::{is_empty, merge, object, state, verdict};

/// What is known of a choice so far.
#[derive(Debug)]
pub(super) struct Choice {
    index: u32,
    /// Whose state it is that does not say so.
    own_format: &'static str,
    /// Members whose pieces are put together category by category.
    verdicts: &'static [&'static str],
    /// What ids of calls are made of where the provider gives none.
    seed: String,
    thoughts: Vec<OpenThought>,
    calls: Vec<OpenCall>,
    sound: Option<OpenSound>,
    images: u32,
    others: u32,
    text_begun: bool,
    /// The message's further members. They travel with its text, since a stream has no other place
    /// for them, and wait for it.
    message_extra: Extras,
    /// The formats of the parts' states.
    formats: BTreeMap<u32, String>,
    /// Log probabilities that no delta has carried yet. Some models give those of tokens that make
    /// no content.
    logprobs: Extras,
    choice_extra: Extras,
    finish_word: Option<String>,
    /// The word of the provider behind a gateway.
    own_word: Option<String>,
}

/// A piece of reasoning that may go on.
#[derive(Debug)]
struct OpenThought {
    key: Option<(String, u64)>,
    /// The format of its state, once it has one.
    format: Option<String>,
    /// What was said of it without a key.
    plain: String,
}

/// A call that may go on.
#[derive(Debug, Default)]
struct OpenCall {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    /// What arrived before the name did, or the whole input of a custom tool.
    held: String,
    extra: Extras,
    state: Option<ProviderState>,
    custom: bool,
    begun: bool,
}

/// A sound that may go on.
#[derive(Default)]
struct OpenSound {
    data: Base64Pieces,
    transcript: String,
    extra: Extras,
}

impl std::fmt::Debug for OpenSound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenSound")
    }
}

/// What a delta says beside its content.
#[derive(Default)]
struct Beside {
    state: Option<ProviderState>,
    redacted: bool,
    extra: Extras,
}

impl Choice {
    pub(super) fn new(index: u32, answer_id: &str, profile: &Profile) -> Self {
        Self {
            index,
            own_format: profile.id,
            verdicts: profile.verdicts,
            seed: format!("{answer_id}_{index}"),
            thoughts: Vec::new(),
            calls: Vec::new(),
            sound: None,
            images: 0,
            others: 0,
            text_begun: false,
            message_extra: Extras::new(),
            formats: BTreeMap::new(),
            logprobs: Extras::new(),
            choice_extra: Extras::new(),
            finish_word: None,
            own_word: None,
        }
    }

    /// Whether the provider has said why it ended.
    pub(super) fn is_finished(&self) -> bool {
        self.finish_word.is_some()
    }

    /// More of the choice.
    pub(super) fn delta(&mut self, delta: Answer, logprobs: Extras, out: &mut Vec<ChatEvent>) {
        // Typed servers write what a chunk does not say as null; that must not replace what an earlier
        // one said and this keeps no more.
        let said = delta
            .extra
            .into_iter()
            .filter(|(_, json)| json == "[]" || !is_empty(json));
        merge(&mut self.message_extra, said.collect());
        merge(&mut self.logprobs, logprobs);
        for thought in delta.thoughts {
            self.thought(thought, out);
        }
        for image in delta.images {
            let place = Place::Image(self.images);
            self.images += 1;
            self.push(place, DeltaContent::Media(image), Beside::default(), out);
        }
        if !delta.refusal.is_empty() {
            let content = DeltaContent::Refusal(delta.refusal);
            self.push(Place::Refusal, content, Beside::default(), out);
        }
        self.text(delta.text, delta.text_state, out);
        for call in delta.calls {
            self.call(call, out);
        }
        if let Some(more) = delta.sound {
            self.hear(more);
        }
        for other in delta.other {
            self.other(other, out);
        }
    }

    /// What a chunk says of the choice besides its content.
    pub(super) fn end(&mut self, finish_word: Option<String>, own_word: Option<String>, mut extra: Extras) {
        for (name, json) in &mut extra {
            let before = self.choice_extra.iter().find(|(known, _)| known == name);
            if let Some((_, before)) = before.filter(|_| self.verdicts.contains(&name.as_str())) {
                *json = verdict::severest(before, json);
            }
        }
        merge(&mut self.choice_extra, extra);
        // OpenRouter repeats the word on the chunks that follow.
        self.finish_word = self.finish_word.take().or(finish_word);
        self.own_word = self.own_word.take().or(own_word);
    }

    /// The choice is complete: gives what was held back, and its end.
    pub(super) fn finish(mut self, sound_type: &str, out: &mut Vec<ChatEvent>) {
        let has_calls = !self.calls.is_empty();
        if self.message_extra.iter().any(|(_, json)| !is_empty(json)) {
            self.text_begun = true;
            self.text(String::new(), None, out);
        }
        if let Some(OpenSound {
            data,
            transcript,
            extra,
        }) = self.sound.take()
            && let Some(part) = sound_of(data, transcript, extra, sound_type)
            && let PartContent::Media(media) = part.content
        {
            let beside = Beside {
                extra: part.extra,
                ..Beside::default()
            };
            self.push(Place::Sound, DeltaContent::Media(media), beside, out);
        }
        for at in 0..self.calls.len() {
            self.close_call(at, out);
        }
        if !self.logprobs.is_empty() {
            let content = DeltaContent::Text(String::new());
            self.push(Place::Text, content, Beside::default(), out);
        }
        let word = self.finish_word.unwrap_or_default();
        let (reason, detail) = finish(&word, self.own_word, has_calls);
        out.push(ChatEvent::Finish(Finish {
            choice: self.index,
            reason,
            detail,
            extra: self.choice_extra,
        }));
    }

    /// Gives a delta, and with it the log probabilities that wait for one.
    fn push(&mut self, place: Place, content: DeltaContent, mut beside: Beside, out: &mut Vec<ChatEvent>) {
        let part = place.number();
        if let Some(state) = &beside.state {
            // A part has one state. One of another format goes on as a field.
            if self.formats.entry(part).or_insert_with(|| state.format.clone()) != &state.format {
                beside.extra.push(("provider_state".to_owned(), state::json(state)));
                beside.state = None;
            }
        }
        let logprobs = std::mem::take(&mut self.logprobs);
        out.push(ChatEvent::Delta(PartDelta {
            choice: self.index,
            part,
            content,
            state: beside.state,
            redacted: beside.redacted,
            logprobs: (!logprobs.is_empty()).then(|| object(&logprobs)),
            extra: beside.extra,
        }));
    }

    fn thought(&mut self, thought: Thought, out: &mut Vec<ChatEvent>) {
        let at = self.find_thought(&thought);
        let Thought {
            key,
            mut text,
            mut state,
            redacted,
            extra,
        } = thought;
        if at == self.thoughts.len() {
            self.thoughts.push(OpenThought {
                key: key.clone(),
                format: None,
                plain: String::new(),
            });
        }
        if let Some(open) = self.thoughts.get_mut(at) {
            if key.is_none() {
                open.plain.push_str(&text);
            } else if open.key.is_none() {
                // Said before, without its state.
                text.clear();
            }
            if let Some(state) = &mut state {
                if state.format.is_empty() {
                    state.format = open.format.clone().unwrap_or_else(|| self.own_format.to_owned());
                }
                open.format = Some(state.format.clone());
            }
        }
        let place = Place::Reasoning(u32::try_from(at).unwrap_or(u32::MAX));
        let beside = Beside { state, redacted, extra };
        self.push(place, DeltaContent::Reasoning(text), beside, out);
    }

    /// Which piece of reasoning this goes on with: that of the same key, as long as the formats of
    /// their states agree, since one part has one state. A gateway like this one gives the text as
    /// it comes, without a key, and at the end once more with its signature.
    fn find_thought(&self, thought: &Thought) -> usize {
        let agrees = |open: &OpenThought| match (&open.format, &thought.state) {
            (Some(known), Some(new)) => new.format.is_empty() || *known == new.format,
            _ => true,
        };
        let same = |open: &OpenThought| {
            let repeated = open.key.is_none() && !open.plain.is_empty() && open.plain == thought.text;
            (open.key == thought.key || repeated) && agrees(open)
        };
        self.thoughts.iter().position(same).unwrap_or(self.thoughts.len())
    }

    /// More text, if there is any, and with it what waits for it.
    fn text(&mut self, text: String, state: Option<ProviderState>, out: &mut Vec<ChatEvent>) {
        let begins = !text.is_empty() || state.is_some();
        if !begins && (!self.text_begun || self.message_extra.is_empty()) {
            return;
        }
        self.text_begun = true;
        let extra = std::mem::take(&mut self.message_extra);
        let beside = Beside {
            state,
            redacted: false,
            extra,
        };
        self.push(Place::Text, DeltaContent::Text(text), beside, out);
    }

    fn other(&mut self, other: Annotated, out: &mut Vec<ChatEvent>) {
        let place = Place::Other(self.others);
        self.others += 1;
        self.push(place, DeltaContent::Other(other), Beside::default(), out);
    }

    fn hear(&mut self, more: Sound) {
        let open = self.sound.get_or_insert_default();
        open.data.push(&more.data);
        open.transcript.push_str(&more.transcript);
        merge(&mut open.extra, more.extra);
    }

    fn call(&mut self, more: Call, out: &mut Vec<ChatEvent>) {
        let at = self.find_call(&more);
        let Some(open) = self.calls.get_mut(at) else { return };
        open.id = open.id.take().or(more.id);
        // Some providers repeat the name on every piece.
        open.name = open.name.take().or(more.name);
        open.custom |= more.custom;
        open.held.push_str(&more.arguments);
        merge(&mut open.extra, more.extra);
        if let Some(state) = more.state {
            open.state.get_or_insert(ProviderState {
                data: Vec::new(),
                ..state.clone()
            });
            if let Some(open_state) = &mut open.state {
                open_state.data.extend(state.data);
            }
        }
        let named = !open.custom && open.name.is_some();
        // A custom tool's call waits for its end, and a later call for it: calls keep their order.
        if named && !self.calls.iter().take(at).any(|earlier| earlier.custom) {
            self.give_call(at, out);
        }
    }

    /// Which call a piece belongs to: that of its index, unless it has another id; without an
    /// index that of its id; without either the last.
    fn find_call(&mut self, more: &Call) -> usize {
        let same_id = |open: &OpenCall| more.id.is_none() || open.id.is_none() || open.id == more.id;
        let known = match more.index {
            Some(index) => self
                .calls
                .iter()
                .rposition(|c| c.index == Some(index))
                .filter(|at| self.calls.get(*at).is_some_and(same_id)),
            None => match &more.id {
                Some(_) => self.calls.iter().rposition(|open| open.id == more.id),
                None if more.name.is_some() => None,
                None => self.calls.len().checked_sub(1),
            },
        };
        known.unwrap_or_else(|| {
            self.calls.push(OpenCall {
                index: more.index,
                ..OpenCall::default()
            });
            self.calls.len() - 1
        })
    }

    /// Gives what is there of a call whose name is known.
    fn give_call(&mut self, at: usize, out: &mut Vec<ChatEvent>) {
        let fallback = call_id(&self.seed, at);
        let Some(open) = self.calls.get_mut(at) else { return };
        let first = !std::mem::replace(&mut open.begun, true);
        let delta = ToolCallDelta {
            id: first.then(|| open.id.clone().unwrap_or(fallback)),
            name: first.then(|| open.name.clone().unwrap_or_default()),
            arguments: std::mem::take(&mut open.held),
        };
        let beside = Beside {
            state: open.state.take(),
            extra: std::mem::take(&mut open.extra),
            ..Beside::default()
        };
        let nothing = !first && delta.arguments.is_empty() && beside.extra.is_empty() && beside.state.is_none();
        if !nothing {
            let place = Place::Call(u32::try_from(at).unwrap_or(u32::MAX));
            self.push(place, DeltaContent::ToolCall(delta), beside, out);
        }
    }

    /// Gives a call that was held back until the end.
    fn close_call(&mut self, at: usize, out: &mut Vec<ChatEvent>) {
        let Some(open) = self.calls.get_mut(at) else { return };
        if open.custom {
            let call = Call {
                id: open.id.take(),
                name: open.name.take(),
                arguments: std::mem::take(&mut open.held),
                extra: std::mem::take(&mut open.extra),
                ..Call::default()
            };
            // Among the calls, so that calls of both kinds keep their order.
            let place = Place::Call(u32::try_from(at).unwrap_or(u32::MAX));
            let content = DeltaContent::Other(call.into_custom());
            self.push(place, content, Beside::default(), out);
        } else if !open.begun {
            self.give_call(at, out);
        }
    }
}
