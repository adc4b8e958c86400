//! One content block while it grows.
//!
//! In: the block as `content_block_start` gave it, then its deltas. Out: pieces of one part. A block
//! without a neutral form is assembled and given out whole at its end. Never: a piece that would make
//! the part differ from the block of a whole answer.

use llm_provider_sdk::types::{Annotated, DeltaContent, Extras, ProviderState, ToolCallDelta};
use serde_json::value::RawValue;

use super::Piece;
use crate::response::{block_extras, state};
use crate::wire::{self, Object};

/// Takes the pieces of a part as they come.
type Sink<'a> = &'a mut dyn FnMut(Piece);

/// A block that has begun.
#[derive(Debug)]
pub(super) enum Block {
    /// Text; its extra fields are its citations.
    Text(Text),
    /// Thinking, open or redacted.
    Thinking(Thinking),
    /// A call of one of the caller's tools.
    Call(Call),
    /// A block that is carried as it is.
    Other(Whole),
}

#[derive(Debug)]
pub(super) struct Text {
    text: String,
    extra: Extras,
    /// Whether a piece was given out.
    given: bool,
}

#[derive(Debug)]
pub(super) struct Thinking {
    text: String,
    state: Option<ProviderState>,
    redacted: bool,
    extra: Extras,
    given: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    id: String,
    name: String,
    /// The arguments that stood in the block's start; they count only when no delta follows.
    input: String,
    extra: Extras,
    /// The call stands for a response format: its arguments are the answer's text.
    is_answer: bool,
    grown: bool,
}

#[derive(Debug)]
pub(super) struct Whole {
    kind: String,
    fields: Object,
    /// The text of `input` as it grows.
    input: String,
}

impl Block {
    pub(super) fn new(json: &RawValue, answer_tool: Option<&str>) -> Self {
        let fields = Object::parse(json.get()).unwrap_or_default();
        let kind: String = fields.read("type").unwrap_or_else(|| "unknown".to_owned());
        match kind.as_str() {
            "text" => Self::text(fields.clone()),
            "thinking" => Self::thinking(fields.clone()),
            "redacted_thinking" => Self::redacted(fields.clone()),
            "tool_use" => Self::call(fields.clone(), answer_tool),
            _ => None,
        }
        .unwrap_or_else(|| {
            Self::Other(Whole {
                kind,
                fields,
                input: String::new(),
            })
        })
    }

    fn text(mut fields: Object) -> Option<Self> {
        Some(Self::Text(Text {
            text: fields.take_as("text").unwrap_or_default(),
            extra: block_extras(fields),
            given: false,
        }))
    }

    fn thinking(mut fields: Object) -> Option<Self> {
        let text = fields.take_as("thinking").unwrap_or_default();
        let signature: Option<String> = fields.take_as("signature");
        Some(Self::Thinking(Thinking {
            text,
            state: signature.filter(|signature| !signature.is_empty()).map(state),
            redacted: false,
            extra: block_extras(fields),
            given: false,
        }))
    }

    fn redacted(mut fields: Object) -> Option<Self> {
        let data = fields.take_as("data")?;
        Some(Self::Thinking(Thinking {
            text: String::new(),
            state: Some(state(data)),
            redacted: true,
            extra: block_extras(fields),
            given: false,
        }))
    }

    fn call(mut fields: Object, answer_tool: Option<&str>) -> Option<Self> {
        let id = fields.take_as("id")?;
        let name: String = fields.take_as("name")?;
        let input = fields.take("input").map(|input| input.get().to_owned());
        Some(Self::Call(Call {
            is_answer: answer_tool == Some(name.as_str()),
            id,
            name,
            input: input.unwrap_or_else(|| "{}".to_owned()),
            extra: block_extras(fields),
            grown: false,
        }))
    }

    /// Whether the caller is asked to run a tool.
    pub(super) fn is_call(&self) -> bool {
        matches!(self, Self::Call(call) if !call.is_answer)
    }

    /// Gives out what the block's start already holds.
    pub(super) fn begin(&mut self, sink: Sink<'_>) {
        match self {
            Self::Text(block) if !block.text.is_empty() || !block.extra.is_empty() => {
                block.given = true;
                sink(Piece {
                    extra: std::mem::take(&mut block.extra),
                    ..Piece::of(DeltaContent::Text(std::mem::take(&mut block.text)))
                });
            }
            Self::Thinking(block) if !block.text.is_empty() => {
                let text = std::mem::take(&mut block.text);
                block.give(text, sink);
            }
            Self::Call(call) if !call.is_answer => sink(Piece {
                extra: std::mem::take(&mut call.extra),
                ..Piece::of(DeltaContent::ToolCall(ToolCallDelta {
                    id: Some(std::mem::take(&mut call.id)),
                    name: Some(std::mem::take(&mut call.name)),
                    arguments: String::new(),
                }))
            }),
            _ => {}
        }
    }

    /// Takes a delta in. False when it is none that the block knows.
    pub(super) fn delta(&mut self, mut delta: Object, sink: Sink<'_>) -> bool {
        let kind: String = delta.read("type").unwrap_or_default();
        match (self, kind.as_str()) {
            (Self::Text(block), "text_delta") => block.grow(delta.take_as("text"), sink),
            (Self::Text(block), "citations_delta") => block.cite(delta.take("citation"), sink),
            (Self::Thinking(block), "thinking_delta") => block.grow(delta.take_as("thinking"), sink),
            (Self::Thinking(block), "signature_delta") => block.sign(delta.take_as("signature")),
            (Self::Call(call), "input_json_delta") => call.grow(delta.take_as("partial_json"), sink),
            (Self::Other(block), "input_json_delta") => block.grow(delta.take_as("partial_json")),
            (Self::Other(block), "citations_delta") => block.append("citations", delta.take("citation")),
            (Self::Other(block), _) => block.merge(&delta),
            _ => false,
        }
    }

    /// Gives out what the block still holds.
    pub(super) fn end(self, sink: Sink<'_>) {
        match self {
            Self::Text(block) => {
                if !block.given {
                    sink(Piece::of(DeltaContent::Text(String::new())));
                }
            }
            Self::Thinking(block) => block.end(sink),
            Self::Call(call) => call.end(sink),
            Self::Other(block) => sink(Piece::of(DeltaContent::Other(block.into_annotated()))),
        }
    }
}

impl Text {
    fn grow(&mut self, text: Option<String>, sink: Sink<'_>) -> bool {
        let Some(text) = text else { return false };
        self.given = true;
        sink(Piece::of(DeltaContent::Text(text)));
        true
    }

    fn cite(&mut self, citation: Option<Box<RawValue>>, sink: Sink<'_>) -> bool {
        let Some(citation) = citation else { return false };
        self.given = true;
        sink(Piece {
            extra: vec![("citations".to_owned(), format!("[{}]", citation.get()))],
            ..Piece::of(DeltaContent::Text(String::new()))
        });
        true
    }
}

impl Thinking {
    fn grow(&mut self, text: Option<String>, sink: Sink<'_>) -> bool {
        let Some(text) = text else { return false };
        self.give(text, sink);
        true
    }

    fn give(&mut self, text: String, sink: Sink<'_>) {
        self.given = true;
        sink(Piece {
            extra: std::mem::take(&mut self.extra),
            redacted: self.redacted,
            ..Piece::of(DeltaContent::Reasoning(text))
        });
    }

    /// A signature comes whole; a second one would replace the first.
    fn sign(&mut self, signature: Option<String>) -> bool {
        let Some(signature) = signature else { return false };
        self.state = Some(state(signature));
        true
    }

    fn end(self, sink: Sink<'_>) {
        if self.state.is_some() || !self.given {
            sink(Piece {
                content: DeltaContent::Reasoning(self.text),
                state: self.state,
                redacted: self.redacted,
                extra: self.extra,
            });
        }
    }
}

impl Call {
    /// The arguments grow as text; with eager streaming they may never become JSON, and it is the
    /// caller's to judge them.
    fn grow(&mut self, text: Option<String>, sink: Sink<'_>) -> bool {
        let Some(text) = text else { return false };
        if !text.is_empty() {
            self.grown = true;
            sink(self.piece(text));
        }
        true
    }

    fn end(self, sink: Sink<'_>) {
        if !self.grown {
            sink(self.piece(self.input.clone()));
        }
    }

    fn piece(&self, text: String) -> Piece {
        Piece::of(if self.is_answer {
            DeltaContent::Text(text)
        } else {
            DeltaContent::ToolCall(ToolCallDelta {
                id: None,
                name: None,
                arguments: text,
            })
        })
    }
}

impl Whole {
    fn grow(&mut self, text: Option<String>) -> bool {
        let Some(text) = text else { return false };
        self.input.push_str(&text);
        true
    }

    /// Takes in the members of a delta that is not known: text and lists grow, the rest is set.
    fn merge(&mut self, delta: &Object) -> bool {
        for (name, value) in delta.members().filter(|(name, _)| *name != "type") {
            let old: Option<String> = self.fields.read(name);
            match (old, serde_json::from_str::<String>(value.get())) {
                (Some(old), Ok(more)) => self.fields.set(name, old + &more),
                _ => match serde_json::from_str::<Vec<Box<RawValue>>>(value.get()) {
                    Ok(items) => {
                        let mut all: Vec<Box<RawValue>> = self.fields.read(name).unwrap_or_default();
                        all.extend(items);
                        self.fields.set(name, all);
                    }
                    Err(_) => self.fields.set(name, value),
                },
            }
        }
        true
    }

    fn append(&mut self, name: &str, item: Option<Box<RawValue>>) -> bool {
        let Some(item) = item else { return false };
        let mut all: Vec<Box<RawValue>> = self.fields.read(name).unwrap_or_default();
        all.push(item);
        self.fields.set(name, all);
        true
    }

    fn into_annotated(mut self) -> Annotated {
        if !self.input.is_empty() {
            match wire::raw(&self.input) {
                Some(input) => self.fields.set("input", input),
                // Cut off by the token limit: kept as text rather than lost.
                None => self.fields.set("input", &self.input),
            }
        }
        Annotated {
            kind: self.kind,
            value: self.fields.to_json(),
        }
    }
}
