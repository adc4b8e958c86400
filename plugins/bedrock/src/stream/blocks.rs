//! The blocks of a streamed answer.
//!
//! In: Converse's typed events, and the payloads they were read from. Out: the pieces of an [`Answer`].
//! Never: a piece that is lost because its block was not announced, or is of a kind that is not known;
//! such a block is carried whole, as the provider's own.
//!
//! A part of the answer is of one kind. The service counts blocks by an index that some models use
//! again, for a block of another kind or for a second one; each gets a part of its own.

use std::collections::BTreeMap;

use aws_sdk_bedrockruntime::types::{
    ContentBlockDelta, ContentBlockStart, ConverseStreamOutput, ImageBlockDelta, ImageSource,
    ReasoningContentBlockDelta,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::types::{Media, MediaSource};
use serde_json::value::RawValue;

use super::raw::Raw;
use crate::answer::Answer;
use crate::response;

/// Pieces whose loss would change what the answer says.
const READ: &[&str] = &["text", "toolUse", "reasoningContent"];

/// What a block is, and what of it waits for its end.
#[derive(Debug)]
enum Block {
    Text,
    Thought,
    Call,
    /// Reasoning that only the provider can read.
    Redacted(Vec<u8>),
    Picture(Picture),
    /// A call of a tool that the provider runs, and its input so far.
    OwnCall(Object, String),
    /// What such a tool gave, and its pieces so far.
    OwnResult(Object, Vec<String>),
    /// A block of a kind that has no place here: its name and what came of it.
    Unknown(String, Vec<String>),
}

#[derive(Debug, Default)]
struct Picture {
    format: String,
    bytes: Vec<u8>,
    /// Pieces that are no bytes.
    rest: Vec<String>,
}

#[derive(Debug)]
struct Open {
    part: u32,
    block: Block,
}

/// The blocks that are open, by the service's index.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: BTreeMap<u32, Open>,
    parts: u32,
}

impl Blocks {
    /// Takes an event. `kind` is its name.
    pub(super) fn event(&mut self, event: ConverseStreamOutput, kind: &str, raw: &Raw, answer: &mut Answer) {
        match event {
            ConverseStreamOutput::MessageStart(_) => answer.start(),
            ConverseStreamOutput::ContentBlockStart(event) => {
                let at = place(event.content_block_index);
                match event.start {
                    Some(start) => self.start(at, &start, raw, answer),
                    None => answer.start(),
                }
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                let at = place(event.content_block_index);
                match event.delta {
                    Some(delta) => self.delta(at, delta, raw, answer),
                    None => answer.start(),
                }
            }
            ConverseStreamOutput::ContentBlockStop(event) => self.stop(place(event.content_block_index), answer),
            ConverseStreamOutput::MessageStop(event) => {
                while let Some(at) = self.open.keys().next().copied() {
                    self.stop(at, answer);
                }
                answer.finish(event.stop_reason.as_str(), Vec::new());
                let mut fields = raw.object();
                for name in ["stopReason", "p"] {
                    fields.take(name);
                }
                for (name, json) in fields.into_extras() {
                    answer.field(&name, json);
                }
            }
            ConverseStreamOutput::Metadata(_) => response::metadata(raw.object(), answer),
            _ => answer.field(kind, raw.text()),
        }
    }

    /// The block at this index if it is of the kind that is told apart by `fits`, else a new one.
    fn at(
        &mut self,
        at: u32,
        fits: impl Fn(&Block) -> bool,
        new: impl FnOnce() -> Block,
        answer: &mut Answer,
    ) -> &mut Open {
        if !self.open.get(&at).is_some_and(|open| fits(&open.block)) {
            self.stop(at, answer);
            let part = self.parts;
            self.parts += 1;
            self.open.insert(at, Open { part, block: new() });
        }
        // It is there: either it fitted, or it was put there.
        self.open.entry(at).or_insert_with(|| Open {
            part: 0,
            block: Block::Text,
        })
    }

    /// A block begins, whatever was at its index before.
    fn begin(&mut self, at: u32, block: Block, answer: &mut Answer) -> u32 {
        self.stop(at, answer);
        self.at(at, |_| false, || block, answer).part
    }

    fn start(&mut self, at: u32, start: &ContentBlockStart, raw: &Raw, answer: &mut Answer) {
        answer.start();
        let fields = |name: &str| raw.inner_object("start", name);
        match start {
            ContentBlockStart::ToolUse(call)
                if call.r#type.as_ref().is_some_and(|kind| response::is_own(kind.as_str())) =>
            {
                self.begin(at, Block::OwnCall(fields("toolUse"), String::new()), answer);
            }
            ContentBlockStart::ToolUse(call) => {
                let part = self.begin(at, Block::Call, answer);
                answer.call(part, &call.tool_use_id, &call.name);
                answer.call_extra(
                    &call.tool_use_id,
                    response::unplaced(fields("toolUse"), response::OF_CALLS),
                );
            }
            ContentBlockStart::ToolResult(_) => {
                self.begin(at, Block::OwnResult(fields("toolResult"), Vec::new()), answer);
            }
            ContentBlockStart::Image(image) => {
                let picture = Picture {
                    format: image.format.as_str().to_owned(),
                    ..Picture::default()
                };
                self.begin(at, Block::Picture(picture), answer);
            }
            _ => {
                let (kind, value) = raw.union("start").unwrap_or_default();
                self.begin(at, Block::Unknown(kind, vec![value]), answer);
            }
        }
    }

    fn delta(&mut self, at: u32, delta: ContentBlockDelta, raw: &Raw, answer: &mut Answer) {
        answer.start();
        match delta {
            // An empty text opens the answer of some models, at an index of its own.
            ContentBlockDelta::Text(text) if text.is_empty() => {}
            ContentBlockDelta::Text(text) => {
                let part = self.text(at, answer);
                answer.text(part, &text);
            }
            ContentBlockDelta::Citation(_) => {
                if let Some(citation) = raw.inner("delta", "citation") {
                    let part = self.text(at, answer);
                    answer.text_extra(part, vec![("citations".to_owned(), format!("[{citation}]"))]);
                }
            }
            ContentBlockDelta::ReasoningContent(delta) => self.thought(at, delta, raw, answer),
            ContentBlockDelta::ToolUse(delta) => match self.open.get_mut(&at) {
                Some(Open {
                    block: Block::OwnCall(_, input),
                    ..
                }) => input.push_str(&delta.input),
                Some(Open {
                    block: Block::Call,
                    part,
                }) => answer.arguments(*part, &delta.input),
                _ => self.unknown(at, raw, answer),
            },
            ContentBlockDelta::ToolResult(_) => {
                let list = raw.inner("delta", "toolResult").unwrap_or_default();
                let items: Vec<Box<RawValue>> = serde_json::from_str(&list).unwrap_or_default();
                let is_result = |block: &Block| matches!(block, Block::OwnResult(..));
                let new = || Block::OwnResult(Object::new(), Vec::new());
                if let Block::OwnResult(_, pieces) = &mut self.at(at, is_result, new, answer).block {
                    pieces.extend(items.iter().map(|item| item.get().to_owned()));
                }
            }
            ContentBlockDelta::Image(delta) => self.picture(at, delta, raw, answer),
            _ => self.unknown(at, raw, answer),
        }
    }

    fn text(&mut self, at: u32, answer: &mut Answer) -> u32 {
        let is_text = |block: &Block| matches!(block, Block::Text);
        self.at(at, is_text, || Block::Text, answer).part
    }

    fn thought(&mut self, at: u32, delta: ReasoningContentBlockDelta, raw: &Raw, answer: &mut Answer) {
        let is_thought = |block: &Block| matches!(block, Block::Thought);
        match delta {
            ReasoningContentBlockDelta::Text(text) => {
                let part = self.at(at, is_thought, || Block::Thought, answer).part;
                answer.reasoning(part, &text);
            }
            ReasoningContentBlockDelta::Signature(signature) => {
                let part = self.at(at, is_thought, || Block::Thought, answer).part;
                answer.signature(part, &signature);
            }
            ReasoningContentBlockDelta::RedactedContent(data) => {
                let is_redacted = |block: &Block| matches!(block, Block::Redacted(_));
                let new = || Block::Redacted(Vec::new());
                if let Block::Redacted(bytes) = &mut self.at(at, is_redacted, new, answer).block {
                    bytes.extend(data.into_inner());
                }
            }
            _ => self.unknown(at, raw, answer),
        }
    }

    fn picture(&mut self, at: u32, delta: ImageBlockDelta, raw: &Raw, answer: &mut Answer) {
        let is_picture = |block: &Block| matches!(block, Block::Picture(_));
        let new = || {
            Block::Picture(Picture {
                format: "png".to_owned(),
                ..Picture::default()
            })
        };
        let Block::Picture(picture) = &mut self.at(at, is_picture, new, answer).block else {
            return;
        };
        let mut more = raw.inner_object("delta", "image");
        if let Some(ImageSource::Bytes(bytes)) = delta.source {
            picture.bytes.extend(bytes.into_inner());
            more.take("source");
        }
        if !more.is_empty() {
            picture.rest.push(more.to_json());
        }
    }

    /// Carries a piece that the SDK does not read, as the provider's own. False for what has to be read.
    pub(super) fn carry(&mut self, raw: &Raw, answer: &mut Answer) -> bool {
        let at = raw.object().read("contentBlockIndex").unwrap_or(0);
        match raw.union("delta").or_else(|| raw.union("start")) {
            Some((kind, value)) if !READ.contains(&kind.as_str()) => {
                self.push(at, kind, value, answer);
                true
            }
            _ => false,
        }
    }

    /// A piece that belongs to no block of a known kind.
    fn unknown(&mut self, at: u32, raw: &Raw, answer: &mut Answer) {
        if let Some((kind, value)) = raw.union("delta") {
            self.push(at, kind, value, answer);
        }
    }

    fn push(&mut self, at: u32, kind: String, value: String, answer: &mut Answer) {
        let is_unknown = |block: &Block| matches!(block, Block::Unknown(..));
        let new = || Block::Unknown(kind, Vec::new());
        if let Block::Unknown(_, pieces) = &mut self.at(at, is_unknown, new, answer).block {
            pieces.push(value);
        }
    }

    fn stop(&mut self, at: u32, answer: &mut Answer) {
        let Some(Open { part, block }) = self.open.remove(&at) else {
            return;
        };
        match block {
            Block::Text | Block::Thought | Block::Call => answer.block_end(part),
            Block::Redacted(bytes) => answer.redacted(part, &STANDARD.encode(bytes)),
            Block::Picture(picture) => picture.end(part, answer),
            Block::OwnCall(mut call, input) => {
                let text = if input.is_empty() { "{}" } else { &input };
                if !call.put_json("input", text) {
                    call.put("input", text);
                }
                answer.other(part, "toolUse", call.to_json());
            }
            Block::OwnResult(mut result, pieces) => {
                // Each piece is JSON, so the list is.
                let _ = result.put_json("content", &list(&pieces));
                answer.other(part, "toolResult", result.to_json());
            }
            Block::Unknown(kind, pieces) => {
                let value = match pieces.as_slice() {
                    [only] => only.clone(),
                    all => list(all),
                };
                answer.other(part, &kind, value);
            }
        }
    }
}

impl Picture {
    fn end(self, part: u32, answer: &mut Answer) {
        if self.bytes.is_empty() {
            let mut block = Object::new().with("format", &self.format);
            for piece in self.rest.iter().filter_map(|piece| Object::parse(piece)) {
                for (name, value) in piece.members() {
                    block.set(name, value);
                }
            }
            answer.other(part, "image", block.to_json());
            return;
        }
        let source = MediaSource::Inline(self.bytes);
        answer.media(part, Media::new(format!("image/{}", self.format), source));
        if !self.rest.is_empty() {
            answer.field("image", list(&self.rest));
        }
    }
}

fn list(pieces: &[String]) -> String {
    format!("[{}]", pieces.join(","))
}

/// The service counts from 0.
fn place(index: i32) -> u32 {
    u32::try_from(index).unwrap_or(0)
}
