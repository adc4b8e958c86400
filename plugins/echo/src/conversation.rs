//! What was said so far.
//!
//! In: the messages of a request. Out: what to repeat, the names of the calls, counts of words, and
//! a number that stands for the whole. Never: a judgement of it.

use llm_provider_sdk::types::{Media, MediaSource, Message, Part, PartContent, ResultContent, Role, ToolResult, Usage};

use crate::words;

/// What the last message says, in words. Media are named by type and size, which shows that they
/// have arrived whole.
pub(crate) fn last_words(messages: &[Message]) -> String {
    let results: Vec<String> = trailing_results(messages)
        .map(|result| said_by(result, messages))
        .collect();
    if !results.is_empty() {
        return results.join("\n");
    }
    let last = messages.iter().rev().find(|message| message.role == Role::User);
    let parts = last
        .or(messages.last())
        .map(|message| message.parts.as_slice())
        .unwrap_or_default();
    parts.iter().filter_map(part_words).collect::<Vec<_>>().join("\n")
}

/// The text of the last message, if a person said it. Commands are read from nothing else.
pub(crate) fn last_request(messages: &[Message]) -> Option<String> {
    let last = messages.last().filter(|message| message.role == Role::User)?;
    let texts = last.parts.iter().filter_map(|part| match &part.content {
        PartContent::Text(text) => Some(text.as_str()),
        _ => None,
    });
    Some(texts.collect::<Vec<_>>().join("\n"))
}

/// Everything that was said, in order.
pub(crate) fn texts(messages: &[Message]) -> impl Iterator<Item = String> {
    parts(messages).filter_map(|part| match &part.content {
        PartContent::ToolCall(call) => Some(format!("{}{}", call.name, call.arguments)),
        PartContent::ToolResult(result) => Some(said_by(result, &[])),
        _ => part_words(part),
    })
}

/// How many tools have been called so far.
pub(crate) fn calls_made(messages: &[Message]) -> usize {
    parts(messages)
        .filter(|part| matches!(part.content, PartContent::ToolCall(_)))
        .count()
}

/// The prompt's tokens. A picture or a sound counts as one of its kind.
pub(crate) fn prompt_usage(messages: &[Message]) -> Usage {
    let mut usage = Usage::default();
    for part in parts(messages) {
        match &part.content {
            PartContent::Media(media) => count_media(media, &mut usage),
            PartContent::Text(text) | PartContent::Refusal(text) => usage.input += words::count(text),
            PartContent::Reasoning(reasoning) => usage.input += words::count(&reasoning.text),
            PartContent::ToolCall(call) => usage.input += 1 + words::count(&call.arguments),
            PartContent::ToolResult(result) => {
                for piece in &result.content {
                    match piece {
                        ResultContent::Text(text) => usage.input += words::count(text),
                        ResultContent::Media(media) => count_media(media, &mut usage),
                        ResultContent::Other(other) => usage.input += words::count(&other.value),
                    }
                }
            }
            PartContent::Other(other) => usage.input += words::count(&other.value),
        }
    }
    usage
}

/// The same number for the same model and conversation: FNV-1a, 64 bits.
pub(crate) fn fingerprint(texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for text in texts {
        hash = text.as_ref().iter().chain(&[0]).fold(hash, step);
    }
    hash
}

fn parts(messages: &[Message]) -> impl Iterator<Item = &Part> {
    messages.iter().flat_map(|message| &message.parts)
}

fn count_media(media: &Media, usage: &mut Usage) {
    match media.media_type.split('/').next() {
        Some("image") => usage.input_image += 1,
        Some("audio") => usage.input_audio += 1,
        _ => usage.input += 1,
    }
}

/// The results behind the last call, if they are the last that was said.
fn trailing_results(messages: &[Message]) -> impl Iterator<Item = &ToolResult> {
    let others = messages
        .iter()
        .rposition(|message| message.role != Role::Tool)
        .map_or(0, |at| at + 1);
    let results = messages.get(others..).unwrap_or_default();
    results
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match &part.content {
            PartContent::ToolResult(result) => Some(result),
            _ => None,
        })
}

/// `<tool>: <what it gave>`, or `<tool> failed: …`.
fn said_by(result: &ToolResult, messages: &[Message]) -> String {
    let called = parts(messages).find_map(|part| match &part.content {
        PartContent::ToolCall(call) if call.id == result.call_id => Some(call.name.as_str()),
        _ => None,
    });
    let name = called.or(result.name.as_deref()).unwrap_or("unknown tool");
    let content: Vec<String> = result
        .content
        .iter()
        .map(|piece| match piece {
            ResultContent::Text(text) => text.clone(),
            ResultContent::Media(media) => media_words(media),
            ResultContent::Other(other) => other.value.clone(),
        })
        .collect();
    let verb = if result.is_error { " failed" } else { "" };
    format!("{name}{verb}: {}", content.join("\n"))
}

fn part_words(part: &Part) -> Option<String> {
    match &part.content {
        PartContent::Text(text) | PartContent::Refusal(text) => Some(text.clone()),
        PartContent::Media(media) => Some(media_words(media)),
        PartContent::Other(other) => Some(format!("[{}]", other.kind)),
        PartContent::Reasoning(_) | PartContent::ToolCall(_) | PartContent::ToolResult(_) => None,
    }
}

/// `[image/png, 68 bytes]`, `[image at https://…]`, `[a.pdf, application/pdf, 9 bytes]`.
pub(crate) fn media_words(media: &Media) -> String {
    let kind = if media.media_type.is_empty() {
        "media"
    } else {
        &media.media_type
    };
    let name = media.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
    match &media.source {
        MediaSource::Inline(bytes) => format!("[{name}{kind}, {} bytes]", bytes.len()),
        MediaSource::Url(url) => format!("[{name}{kind} at {url}]"),
        MediaSource::File(id) => format!("[{name}{kind}, file {id}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::types::ToolCall;

    fn result(call_id: &str, text: &str, is_error: bool) -> Message {
        let content = vec![ResultContent::Text(text.into())];
        let result = ToolResult {
            call_id: call_id.into(),
            name: None,
            is_error,
            content,
        };
        Message::new(Role::Tool, vec![Part::new(PartContent::ToolResult(result))])
    }

    #[test]
    fn the_last_words_are_the_persons_or_the_tools() {
        let call = |id: &str, name: &str| {
            Part::new(PartContent::ToolCall(ToolCall {
                id: id.into(),
                name: name.into(),
                arguments: "{}".into(),
            }))
        };
        let mut messages = vec![Message::text(Role::System, "be kind"), Message::text(Role::User, "go")];
        assert_eq!(last_words(&messages), "go");
        messages.push(Message::new(Role::Assistant, vec![call("1", "f"), call("2", "g")]));
        messages.push(result("1", "one", false));
        messages.push(result("2", "two", true));
        assert_eq!(last_words(&messages), "f: one\ng failed: two");
        assert_eq!(calls_made(&messages), 2);
        assert_eq!(last_request(&messages), None);
        messages.push(Message::text(Role::User, "thanks"));
        assert_eq!(last_words(&messages), "thanks");
        assert_eq!(last_words(&[]), "");
    }

    #[test]
    fn media_are_named_and_counted() {
        let media = |media_type: &str, source| Part::new(PartContent::Media(Media::new(media_type, source)));
        let parts = vec![
            Part::text("two words"),
            media("image/png", MediaSource::Inline(vec![0; 68])),
            media("", MediaSource::Url("https://example.com/a".into())),
            media("audio/wav", MediaSource::File("f1".into())),
        ];
        let messages = [Message::new(Role::User, parts)];
        assert_eq!(
            last_words(&messages),
            "two words\n[image/png, 68 bytes]\n[media at https://example.com/a]\n[audio/wav, file f1]"
        );
        let usage = prompt_usage(&messages);
        assert_eq!((usage.input, usage.input_image, usage.input_audio), (3, 1, 1));
    }

    #[test]
    fn fingerprints_tell_texts_apart() {
        assert_eq!(fingerprint(["a", "b"]), fingerprint(["a", "b"]));
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["ab"]));
        // The test vector of the algorithm for the empty input, with our separator folded in.
        assert_eq!(fingerprint([] as [&str; 0]), 0xcbf2_9ce4_8422_2325);
    }
}
