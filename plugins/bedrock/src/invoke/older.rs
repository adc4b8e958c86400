//! Answers in a form that is older than what was asked for: continuations of a text.
//!
//! In: an answer, whole or in pieces. Out: its reader: that of the form that was asked for, or that of
//! continuations when it is one. Never: a form that is chosen by the model's name; containers that were
//! imported or deployed answer as they were built.

use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::types::{ChatEvent, Error};

use super::stream::Pieces;
use super::text::{self, Shape};
use crate::answer::Context;

/// The form of a continuation, if this is one.
pub(super) fn shape(body: &str) -> Option<Shape> {
    // Most answers are not, which shows without a look inside.
    if !body.contains("\"completion\"") && !body.contains("\"text\"") {
        return None;
    }
    let body = Object::parse(body)?;
    if body.read::<String>("completion").is_some() {
        return Some(Shape::Completion);
    }
    let choices: Vec<Object> = body.read("choices")?;
    let first = choices.first()?;
    let is_text = first.read::<String>("text").is_some() && !first.has("message") && !first.has("delta");
    is_text.then_some(Shape::DeepSeek)
}

/// The pieces of an answer whose first one tells its form.
#[derive(Debug)]
pub(super) struct Either {
    /// The reader of the form that was asked for, until a piece has shown another.
    reader: Box<dyn Pieces>,
    /// What the other reader needs; `None` once the form is known.
    context: Option<Context>,
}

impl Either {
    /// Pieces for this reader, or for that of continuations with this context.
    pub(super) fn new(reader: Box<dyn Pieces>, context: Context) -> Self {
        Self {
            reader,
            context: Some(context),
        }
    }
}

impl Pieces for Either {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        if let Some(context) = self.context.take()
            && let Some(shape) = shape(json)
        {
            self.reader = Box::new(text::Chunks::new(shape, context));
        }
        self.reader.piece(json, out)
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        self.reader.close(out);
    }

    fn broken(&mut self, out: &mut Vec<ChatEvent>) {
        self.reader.broken(out);
    }
}
