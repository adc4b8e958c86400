//! An assistant's message in a request: what an answer looked like when it was given out, read
//! back into its parts.
//!
//! In: `content`, `refusal`, `tool_calls` and the carriers of `carriers.rs`. Out: the parts in
//! the order the provider gave them, each with its state. Never: an error over a carrier that the
//! caller has edited consistently; one that no longer fits is left to its plain form.

use std::collections::BTreeMap;

use crate::api::json::{Node, Object};
use crate::error::GatewayError;
use crate::llm;

use super::{media, part, state, tool};

/// The parts of a message while they are collected: those that know their place, and the others
/// in their usual order.
#[derive(Default)]
struct Parts {
    placed: Vec<(usize, llm::Part)>,
    loose: Vec<llm::Part>,
}

impl Parts {
    fn add(&mut self, index: Option<usize>, part: llm::Part) {
        match index {
            Some(index) => self.placed.push((index, part)),
            None => self.loose.push(part),
        }
    }

    /// Puts each part that knows its place there and fills the gaps with the others.
    fn in_order(mut self) -> Vec<llm::Part> {
        self.placed.sort_by_key(|(index, _)| *index);
        let mut placed = self.placed.into_iter().peekable();
        let mut loose = self.loose.into_iter();
        let mut parts = Vec::new();
        loop {
            let next = match placed.next_if(|(index, _)| *index <= parts.len()) {
                Some((_, part)) => Some(part),
                None => loose.next().or_else(|| placed.next().map(|(_, part)| part)),
            };
            match next {
                Some(part) => parts.push(part),
                None => return parts,
            }
        }
    }
}

/// Takes every field that makes a part.
pub(super) fn parts(
    object: &mut Object<'_, '_>,
    legacy_id: impl FnOnce() -> String,
) -> Result<Vec<llm::Part>, GatewayError> {
    let mut parts = Parts::default();
    reasoning(object, &mut parts)?;
    let text = text(object, &mut parts)?;
    if let Some(refusal) = object.text("refusal")?.filter(|refusal| !refusal.is_empty()) {
        parts.add(None, part::plain(llm::PartContent::Refusal(refusal.into_owned())));
    }
    let path = object.path();
    for (index, item) in list(object, "tool_calls")?.into_iter().enumerate() {
        parts.add(None, tool::call(item, &path.field("tool_calls").item(index))?);
    }
    if let Some(call) = object.take("function_call") {
        let (call, extra) = tool::called(call, &path.field("function_call"), legacy_id())?;
        let mut part = part::plain(llm::PartContent::ToolCall(call));
        part.extra = extra;
        parts.add(None, part);
    }
    produced_media(object, &mut parts)?;
    provider_parts(object, &mut parts)?;
    // Many clients write an empty text beside calls. Providers refuse an empty text block.
    let has_others = !parts.placed.is_empty() || !parts.loose.is_empty();
    if let Some(text) = text
        && (text.state.is_some() || !has_others || !is_empty_text(&text))
    {
        let after_reasoning = parts
            .loose
            .iter()
            .take_while(|part| matches!(part.content, llm::PartContent::Reasoning(_)))
            .count();
        parts.loose.insert(after_reasoning, text);
    }
    Ok(parts.in_order())
}

fn is_empty_text(part: &llm::Part) -> bool {
    matches!(&part.content, llm::PartContent::Text(text) if text.is_empty())
}

/// Takes an array that may be absent; null is absent too.
fn list<'a>(object: &mut Object<'a, '_>, name: &str) -> Result<Vec<Node<'a>>, GatewayError> {
    let path = object.path().field(name);
    object.take(name).map_or(Ok(Vec::new()), |node| node.into_list(&path))
}

/// `content`, cut into its texts where `text_parts` says how. A single text is given back, for it
/// may turn out to be empty beside other parts.
fn text(object: &mut Object<'_, '_>, parts: &mut Parts) -> Result<Option<llm::Part>, GatewayError> {
    let path = object.path();
    let state = state::take(object)?;
    let layout = text_layout(object)?;
    let Some(content) = object.take("content") else {
        return Ok(None);
    };
    let mut decoded = part::content(content, &path.field("content"))?;
    if let [
        llm::Part {
            content: llm::PartContent::Text(text),
            ..
        },
    ] = decoded.as_slice()
        && let Some(pieces) = cut(text, &layout)
    {
        for (piece, (index, _, state)) in pieces.into_iter().zip(layout) {
            let mut part = part::plain(llm::PartContent::Text(piece));
            part.state = state;
            parts.add(Some(index), part);
        }
        return Ok(None);
    }
    let last_text = decoded
        .iter_mut()
        .rev()
        .find(|part| matches!(part.content, llm::PartContent::Text(_)));
    if let (Some(part), Some(state)) = (last_text, state) {
        part.state = Some(state);
    }
    if decoded.len() == 1 {
        return Ok(decoded.pop());
    }
    decoded.into_iter().for_each(|part| parts.add(None, part));
    Ok(None)
}

/// `text_parts`: index, length in bytes, state.
fn text_layout(object: &mut Object<'_, '_>) -> Result<Vec<(usize, usize, Option<llm::ProviderState>)>, GatewayError> {
    let path = object.path().field("text_parts");
    let mut layout = Vec::new();
    for (position, item) in list(object, "text_parts")?.into_iter().enumerate() {
        let path = path.item(position);
        let mut entry = item.into_object(&path)?;
        let index = entry
            .integer::<u32>("index")?
            .ok_or_else(|| entry.missing("index", "a whole number"))?;
        let length = entry
            .integer::<u32>("length")?
            .ok_or_else(|| entry.missing("length", "a whole number"))?;
        layout.push((index as usize, length as usize, state::take(&mut entry)?));
    }
    Ok(layout)
}

/// The texts, if the layout fits the whole of it.
fn cut(text: &str, layout: &[(usize, usize, Option<llm::ProviderState>)]) -> Option<Vec<String>> {
    if layout.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut pieces = Vec::with_capacity(layout.len());
    for (_, length, _) in layout {
        let (piece, after) = rest.split_at_checked(*length)?;
        pieces.push(piece.to_owned());
        rest = after;
    }
    rest.is_empty().then_some(pieces)
}

/// One thought while its entries are gathered.
#[derive(Default)]
struct Thought {
    text: Option<String>,
    encrypted: bool,
    format: Option<String>,
    data: Option<Vec<u8>>,
    extra: llm::Extras,
}

impl Thought {
    fn into_part(self, fallback: &str) -> llm::Part {
        let text = self.text.unwrap_or_else(|| fallback.to_owned());
        let redacted = self.encrypted && text.is_empty();
        let state = self.data.map(|data| llm::ProviderState {
            format: self.format.unwrap_or_default(),
            data,
        });
        llm::Part {
            content: llm::PartContent::Reasoning(llm::Reasoning { text, redacted }),
            state,
            cache: None,
            extra: self.extra,
        }
    }
}

/// `reasoning_details`, or `reasoning_content` where there are none.
fn reasoning(object: &mut Object<'_, '_>, parts: &mut Parts) -> Result<(), GatewayError> {
    let text = object.text("reasoning_content")?.unwrap_or_default();
    let path = object.path().field("reasoning_details");
    let mut placed: BTreeMap<u32, Thought> = BTreeMap::new();
    let mut loose: Vec<Thought> = Vec::new();
    for (position, item) in list(object, "reasoning_details")?.into_iter().enumerate() {
        let path = path.item(position);
        let mut entry = item.into_object(&path)?;
        match entry.integer::<u32>("index")? {
            // A client that keeps every piece of a stream has several entries of one index.
            Some(index) => gather(entry, placed.entry(index).or_default())?,
            None => {
                let mut thought = Thought::default();
                gather(entry, &mut thought)?;
                loose.push(thought);
            }
        }
    }
    // The plain text stands for a thought whose entry brings only its state.
    let fallback = if placed.len() + loose.len() == 1 {
        text.as_ref()
    } else {
        ""
    };
    if placed.is_empty() && loose.is_empty() && !text.is_empty() {
        parts.add(
            None,
            Thought {
                text: Some(text.into_owned()),
                ..Thought::default()
            }
            .into_part(""),
        );
        return Ok(());
    }
    for thought in loose {
        parts.add(None, thought.into_part(fallback));
    }
    for (index, thought) in placed {
        parts.add(Some(index as usize), thought.into_part(fallback));
    }
    Ok(())
}

/// Adds one entry of `reasoning_details` to its thought.
fn gather(mut entry: Object<'_, '_>, thought: &mut Thought) -> Result<(), GatewayError> {
    let kind = entry.required_text("type")?;
    thought.encrypted |= kind == "reasoning.encrypted";
    // OpenRouter's form for providers that give a summary only.
    for name in ["text", "summary"] {
        if let Some(text) = entry.text(name)? {
            thought.text.get_or_insert_default().push_str(&text);
        }
    }
    for (name, name_base64) in [("signature", "signature_base64"), ("data", "data_base64")] {
        if let Some(bytes) = state::take_bytes(&mut entry, name, name_base64)? {
            thought.data.get_or_insert_default().extend(bytes);
        }
    }
    if let Some(format) = entry.text("format")? {
        thought.format.get_or_insert_with(|| format.into_owned());
    }
    for (name, value) in entry.rest() {
        if !thought.extra.iter().any(|(known, _)| *known == name) {
            thought.extra.push((name, value));
        }
    }
    Ok(())
}

/// `provider_parts`: parts of the provider's own.
fn provider_parts(object: &mut Object<'_, '_>, parts: &mut Parts) -> Result<(), GatewayError> {
    let path = object.path().field("provider_parts");
    for (position, item) in list(object, "provider_parts")?.into_iter().enumerate() {
        let path = path.item(position);
        let mut entry = item.into_object(&path)?;
        let index = entry.integer::<u32>("index")?.map(|index| index as usize);
        let kind = entry.required_text("kind")?.into_owned();
        let value = entry
            .take_any("value")
            .ok_or_else(|| entry.missing("value", "the part as it was given out"))?;
        let content = llm::PartContent::Other(llm::Annotated {
            kind,
            value: value.to_json(),
        });
        let state = state::take(&mut entry)?;
        parts.add(
            index,
            llm::Part {
                content,
                state,
                cache: None,
                extra: entry.rest(),
            },
        );
    }
    Ok(())
}

/// `images`, `files` and `audio`: what the model drew, wrote or spoke.
fn produced_media(object: &mut Object<'_, '_>, parts: &mut Parts) -> Result<(), GatewayError> {
    type Decode = fn(&mut Object<'_, '_>, &mut llm::Extras) -> Result<llm::Media, GatewayError>;
    let kinds: [(&str, Decode); 2] = [("images", part::image), ("files", part::file)];
    for (name, decode) in kinds {
        let path = object.path().field(name);
        for (position, item) in list(object, name)?.into_iter().enumerate() {
            let path = path.item(position);
            let mut entry = item.into_object(&path)?;
            entry.take("type");
            let mut nested = Vec::new();
            let media = decode(&mut entry, &mut nested)?;
            add_media(entry, media, nested, parts)?;
        }
    }
    // With an id alone it refers to a sound the provider has kept; that goes on as it is.
    if let Some(Node::Map(fields)) = object.peek("audio")
        && fields
            .iter()
            .any(|(name, value)| name == "data" && matches!(value, Node::Text(_)))
    {
        let path = object.path().field("audio");
        let mut entry = object.required("audio", "an object")?.into_object(&path)?;
        let data = entry.required_text("data")?;
        let source = llm::MediaSource::Inline(media::bytes(&data, &path.field("data"))?);
        let media_type = entry
            .text("format")?
            .map(|format| media::audio_type(&format))
            .unwrap_or_default();
        add_media(
            entry,
            llm::Media {
                media_type,
                source,
                name: None,
                detail: None,
            },
            Vec::new(),
            parts,
        )?;
    }
    Ok(())
}

fn add_media(
    mut entry: Object<'_, '_>,
    media: llm::Media,
    mut nested: llm::Extras,
    parts: &mut Parts,
) -> Result<(), GatewayError> {
    let index = entry.integer::<u32>("index")?.map(|index| index as usize);
    let state = state::take(&mut entry)?;
    let mut extra = entry.rest();
    extra.append(&mut nested);
    parts.add(
        index,
        llm::Part {
            content: llm::PartContent::Media(media),
            state,
            cache: None,
            extra,
        },
    );
    Ok(())
}
