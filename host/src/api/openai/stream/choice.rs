//! What is kept of a streamed answer until it is complete.
//!
//! In: the deltas of one choice. Out: each part's place and kind at once; at the end the carriers,
//! which need to know the whole. Never: a copy of an answer's text; a thought's text alone is
//! kept, since it goes out again beside its signature.

use crate::api::json::write::Object;
use crate::api::openai::carriers::{self, Piece, Placed};
use crate::api::openai::request::AnswerForm;
use crate::llm;

/// One answer while it is written.
pub(super) struct Choice {
    pub(super) index: u32,
    /// In the order of their numbers.
    pub(super) parts: Vec<Part>,
    calls: usize,
}

/// One part while it is written.
pub(super) struct Part {
    number: u32,
    pub(super) kind: Kind,
    /// A text's length in bytes; the text itself is not kept.
    length: usize,
    /// A thought's text, which goes out once more beside its signature.
    thought: String,
    redacted: bool,
    state: Option<llm::ProviderState>,
    extra: llm::Extras,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
    Refusal,
    /// Its position among the calls; none for a legacy `function_call`.
    ToolCall(Option<usize>),
    /// A call of another kind than a function's, in OpenAI's form; its position among the calls.
    OwnCall(usize),
    /// It came in one piece and went out at once.
    Sent,
}

impl Choice {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            parts: Vec::new(),
            calls: 0,
        }
    }

    /// Notes what has to be known of a delta later. Gives the part's place among the parts so
    /// far, and its kind.
    pub(super) fn take(&mut self, delta: &llm::PartDelta, form: AnswerForm) -> (usize, Kind) {
        let rank = self.parts.partition_point(|part| part.number < delta.part);
        if self.parts.get(rank).is_none_or(|part| part.number != delta.part) {
            let kind = self.kind(&delta.content, form);
            self.parts.insert(rank, Part::new(delta.part, kind));
        }
        let Some(part) = self.parts.get_mut(rank) else {
            return (rank, Kind::Sent);
        };
        part.take(delta);
        (rank, part.kind)
    }

    fn kind(&mut self, content: &llm::DeltaContent, form: AnswerForm) -> Kind {
        match content {
            llm::DeltaContent::Text(_) => Kind::Text,
            llm::DeltaContent::Reasoning(_) => Kind::Reasoning,
            llm::DeltaContent::Refusal(_) => Kind::Refusal,
            llm::DeltaContent::ToolCall(_) if form.legacy_functions && !self.has_legacy_call() => Kind::ToolCall(None),
            llm::DeltaContent::ToolCall(_) => Kind::ToolCall(Some(self.next_call())),
            llm::DeltaContent::Other(other) if carriers::is_tool_call(other) => Kind::OwnCall(self.next_call()),
            llm::DeltaContent::Media(_) | llm::DeltaContent::Other(_) => Kind::Sent,
        }
    }

    fn has_legacy_call(&self) -> bool {
        self.parts.iter().any(|part| part.kind == Kind::ToolCall(None))
    }

    fn next_call(&mut self) -> usize {
        self.calls += 1;
        self.calls - 1
    }
}

impl Part {
    fn new(number: u32, kind: Kind) -> Self {
        Self {
            number,
            kind,
            length: 0,
            thought: String::new(),
            redacted: false,
            state: None,
            extra: Vec::new(),
        }
    }

    fn take(&mut self, delta: &llm::PartDelta) {
        match (&delta.content, self.kind) {
            (_, Kind::Sent) => return,
            (llm::DeltaContent::Text(text), _) => self.length += text.len(),
            (llm::DeltaContent::Reasoning(text), _) => self.thought.push_str(text),
            _ => {}
        }
        self.redacted |= delta.redacted;
        if let Some(more) = &delta.state {
            match &mut self.state {
                Some(state) => state.data.extend_from_slice(&more.data),
                None => self.state = Some(more.clone()),
            }
        }
        for (name, value) in &delta.extra {
            match self.extra.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = carriers::join_arrays(known, value),
                None => self.extra.push((name.clone(), value.clone())),
            }
        }
    }

    fn placed(&self, index: usize) -> Placed<'_> {
        let piece = match self.kind {
            Kind::Text => Piece::Text(self.length),
            Kind::Reasoning => Piece::Reasoning {
                text: &self.thought,
                redacted: self.redacted,
            },
            Kind::Refusal | Kind::ToolCall(_) | Kind::OwnCall(_) => Piece::Plain,
            Kind::Sent => Piece::Sent,
        };
        Placed {
            index,
            piece,
            state: self.state.as_ref(),
            extra: &self.extra,
        }
    }
}

/// Writes what could not be said before the whole of a choice was there.
pub(super) fn write_kept(object: &mut Object<'_>, parts: &[Part]) {
    let placed: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| part.placed(index))
        .collect();
    carriers::write(object, &placed);
    let calls: Vec<_> = parts
        .iter()
        .filter(|part| part.state.is_some() || !part.extra.is_empty())
        .filter_map(|part| match part.kind {
            Kind::ToolCall(Some(position)) => Some((position, true, part)),
            Kind::OwnCall(position) => Some((position, false, part)),
            _ => None,
        })
        .collect();
    if !calls.is_empty() {
        object.list("tool_calls", calls, |out, (position, of_function, part)| {
            let mut entry = Object::begin(out);
            entry.field("index", &position);
            if of_function {
                // OpenAI's clients add up the pieces of a call, and expect this in each of them.
                let mut function = entry.object("function");
                function.field("arguments", "");
                function.end();
            }
            carriers::call_extras(&mut entry, part.state.as_ref(), &part.extra);
            entry.end();
        });
    }
}
