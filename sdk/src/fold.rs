//! What a stream adds up to.
//!
//! In: the events of one answer. Out: the whole answer, the same as the provider would have given
//! unstreamed. Never: an answer from a stream that did not end with `done`.
//!
//! The rules are those of `wit/types.wit`: parts are ordered by their number; text, arguments and
//! state are appended; of further fields arrays are appended to and other values replaced; a later
//! usage replaces an earlier one; log probabilities are appended member by member; an event
//! of the provider's own is a further field of the answer that came late.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json;
use crate::stream::protocol::{Protocol, broken};
use crate::types::{
    Annotated, ChatEvent, ChatResponse, Choice, DeltaContent, Error, Extras, Finish, Message, Part, PartContent,
    PartDelta, Reasoning, ResponseStart, Role, ToolCall, ToolCallDelta, Usage,
};

/// Folds the events of one stream into the answer they add up to.
///
/// # Errors
/// The stream's own error; kind `stream-truncated` when it stops without `done`; kind `internal`
/// when it breaks the protocol, e.g. a part that changes its kind.
pub fn fold(events: impl IntoIterator<Item = ChatEvent>) -> Result<ChatResponse, Error> {
    let mut protocol = Protocol::default();
    let mut answer = Answer::default();
    for event in events {
        protocol.accept(&event)?;
        match event {
            ChatEvent::Start(start) => answer.start = Some(start),
            ChatEvent::Delta(delta) => answer.delta(delta)?,
            ChatEvent::Finish(finish) => answer.finish(finish),
            ChatEvent::Usage(usage) => answer.usage = Some(usage),
            ChatEvent::Other(other) => answer.late(other),
            ChatEvent::Error(error) => return Err(error),
            ChatEvent::Done => return answer.complete(),
        }
    }
    Err(Error::truncated())
}

/// An answer that is growing.
#[derive(Default)]
struct Answer {
    start: Option<ResponseStart>,
    choices: BTreeMap<u32, GrowingChoice>,
    usage: Option<Usage>,
}

#[derive(Default)]
struct GrowingChoice {
    parts: BTreeMap<u32, Part>,
    finish: Option<Finish>,
    logprobs: Option<Value>,
}

impl Answer {
    fn delta(&mut self, delta: PartDelta) -> Result<(), Error> {
        let choice = self.choices.entry(delta.choice).or_default();
        if let Some(logprobs) = &delta.logprobs {
            append_logprobs(&mut choice.logprobs, json::value(logprobs));
        }
        let part = match choice.parts.get_mut(&delta.part) {
            Some(part) => {
                append_content(part, delta.content, delta.redacted)
                    .map_err(|fault| fault.at(delta.choice, delta.part))?;
                part
            }
            None => choice.parts.entry(delta.part).or_insert(Part {
                content: begin_content(delta.content, delta.redacted)
                    .map_err(|fault| fault.at(delta.choice, delta.part))?,
                state: None,
                cache: None,
                extra: Vec::new(),
            }),
        };
        if let Some(more) = delta.state {
            match &mut part.state {
                Some(state) if state.format == more.format => state.data.extend(more.data),
                Some(_) => return Err(Fault::State.at(delta.choice, delta.part)),
                None => part.state = Some(more),
            }
        }
        for (name, value) in delta.extra {
            merge_extra(&mut part.extra, name, value);
        }
        Ok(())
    }

    fn finish(&mut self, finish: Finish) {
        let choice = self.choices.entry(finish.choice).or_default();
        choice.finish = Some(finish);
    }

    /// A further field of the answer that came after the start.
    fn late(&mut self, other: Annotated) {
        if let Some(start) = &mut self.start {
            merge_extra(&mut start.extra, other.kind, other.value);
        }
    }

    fn complete(self) -> Result<ChatResponse, Error> {
        let start = self.start.ok_or_else(Error::truncated)?;
        let choices = self
            .choices
            .into_iter()
            .map(|(index, choice)| choice.complete(index))
            .collect::<Result<Vec<_>, _>>()?;
        if choices.is_empty() {
            return Err(broken("it is done without any choice"));
        }
        Ok(ChatResponse {
            id: start.id,
            model: start.model,
            created: start.created,
            choices,
            usage: self.usage,
            dropped: start.dropped,
            extra: start.extra,
        })
    }
}

impl GrowingChoice {
    fn complete(self, index: u32) -> Result<Choice, Error> {
        let finish = self
            .finish
            .ok_or_else(|| broken(&format!("choice {index} has no `finish`")))?;
        Ok(Choice {
            index,
            message: Message {
                role: Role::Assistant,
                name: None,
                parts: self.parts.into_values().collect(),
                extra: Vec::new(),
            },
            finish: finish.reason,
            finish_detail: finish.detail,
            logprobs: self.logprobs.map(|value| value.to_string()),
            extra: finish.extra,
        })
    }
}

/// How a delta breaks the protocol.
enum Fault {
    Kind,
    Whole,
    State,
    Nameless,
}

impl Fault {
    fn at(&self, choice: u32, part: u32) -> Error {
        let what = match self {
            Fault::Kind => "changes its kind",
            Fault::Whole => "comes twice, though its kind comes whole",
            Fault::State => "changes the format of its state",
            Fault::Nameless => "is a tool call that begins without id or name",
        };
        broken(&format!("part {part} of choice {choice} {what}"))
    }
}

fn begin_content(content: DeltaContent, redacted: bool) -> Result<PartContent, Fault> {
    Ok(match content {
        DeltaContent::Text(text) => PartContent::Text(text),
        DeltaContent::Reasoning(text) => PartContent::Reasoning(Reasoning { text, redacted }),
        DeltaContent::Refusal(text) => PartContent::Refusal(text),
        DeltaContent::ToolCall(ToolCallDelta {
            id: Some(id),
            name: Some(name),
            arguments,
        }) => PartContent::ToolCall(ToolCall { id, name, arguments }),
        DeltaContent::ToolCall(_) => return Err(Fault::Nameless),
        DeltaContent::Media(media) => PartContent::Media(media),
        DeltaContent::Other(other) => PartContent::Other(other),
    })
}

fn append_content(part: &mut Part, content: DeltaContent, redacted: bool) -> Result<(), Fault> {
    match (&mut part.content, content) {
        (PartContent::Text(text), DeltaContent::Text(more))
        | (PartContent::Refusal(text), DeltaContent::Refusal(more)) => text.push_str(&more),
        (PartContent::Reasoning(reasoning), DeltaContent::Reasoning(more)) => {
            reasoning.text.push_str(&more);
            reasoning.redacted |= redacted;
        }
        (PartContent::ToolCall(call), DeltaContent::ToolCall(more)) => {
            call.arguments.push_str(&more.arguments);
        }
        (PartContent::Media(_), DeltaContent::Media(_)) | (PartContent::Other(_), DeltaContent::Other(_)) => {
            return Err(Fault::Whole);
        }
        _ => return Err(Fault::Kind),
    }
    Ok(())
}

/// Adds a further field: the items of an array are appended, any other value replaces.
fn merge_extra(extras: &mut Extras, name: String, text: String) {
    match extras.iter_mut().find(|(field, _)| *field == name) {
        None => extras.push((name, text)),
        Some((_, old)) => {
            if !append_items(old, &text) {
                *old = text;
            }
        }
    }
}

/// Appends the items of one array's text to another's, if both are arrays. The texts are not
/// parsed, so that the items stay as the provider wrote them and a long stream costs no more for
/// each event than a short one.
fn append_items(old: &mut String, new: &str) -> bool {
    let items = new
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(str::trim);
    let head = old
        .trim_end()
        .strip_suffix(']')
        .map(str::trim_end)
        .filter(|head| head.trim_start().starts_with('['));
    let (Some(items), Some(head)) = (items, head) else {
        return false;
    };
    if !items.is_empty() {
        let first = head.trim_start() == "[";
        old.truncate(head.len());
        if !first {
            old.push(',');
        }
        old.push_str(items);
        old.push(']');
    }
    true
}

/// Appends log probabilities in OpenAI's form, an object of arrays. A null says that this piece
/// has none, not that there are none.
fn append_logprobs(old: &mut Option<Value>, new: Value) {
    match (old, new) {
        (_, Value::Null) => {}
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (name, value) in new {
                match (old.get_mut(&name), value) {
                    (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
                    (Some(_), Value::Null) => {}
                    (_, value) => {
                        old.insert(name, value);
                    }
                }
            }
        }
        (old, new) => *old = Some(new),
    }
}

#[cfg(test)]
mod tests;
