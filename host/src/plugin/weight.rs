//! What items of a queue hold in memory.
//!
//! In: an item. Out: bytes, near enough to bound a queue by them. Never: a look into what the
//! texts say.

use crate::llm::{Annotated, ChatEvent, DeltaContent, Error, Media, MediaSource, PartDelta};

/// Something whose size in memory is known.
pub(super) trait Weigh {
    /// Bytes: of itself and of the texts in it.
    fn weight(&self) -> usize;
}

impl Weigh for u8 {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for ChatEvent {
    fn weight(&self) -> usize {
        let content = match self {
            ChatEvent::Start(start) => start.id.len() + start.model.len() + extras(&start.extra),
            ChatEvent::Delta(delta) => of_delta(delta),
            ChatEvent::Finish(finish) => length(finish.detail.as_ref()) + extras(&finish.extra),
            ChatEvent::Usage(usage) => extras(&usage.extra),
            ChatEvent::Other(other) => annotated(other),
            ChatEvent::Error(Error { message, raw, .. }) => message.len() + length(raw.as_ref()),
            ChatEvent::Done => 0,
        };
        size_of::<ChatEvent>() + content
    }
}

fn of_delta(delta: &PartDelta) -> usize {
    let content = match &delta.content {
        DeltaContent::Text(text) | DeltaContent::Reasoning(text) | DeltaContent::Refusal(text) => text.len(),
        DeltaContent::ToolCall(call) => length(call.id.as_ref()) + length(call.name.as_ref()) + call.arguments.len(),
        DeltaContent::Media(media) => of_media(media),
        DeltaContent::Other(other) => annotated(other),
    };
    let state = delta
        .state
        .as_ref()
        .map_or(0, |state| state.format.len() + state.data.len());
    content + state + length(delta.logprobs.as_ref()) + extras(&delta.extra)
}

fn of_media(media: &Media) -> usize {
    let source = match &media.source {
        MediaSource::Inline(bytes) => bytes.len(),
        MediaSource::Url(text) | MediaSource::File(text) => text.len(),
    };
    source + media.media_type.len() + length(media.name.as_ref())
}

fn annotated(other: &Annotated) -> usize {
    other.kind.len() + other.value.len()
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn extras(extra: &[(String, String)]) -> usize {
    extra.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_carries_is_weighed() {
        let own = size_of::<ChatEvent>();
        let delta = PartDelta {
            choice: 0,
            part: 0,
            content: DeltaContent::Media(Media {
                media_type: "image/png".into(),
                source: MediaSource::Inline(vec![0; 1000]),
                name: None,
                detail: None,
            }),
            state: None,
            redacted: false,
            logprobs: Some("12345".into()),
            extra: vec![("a".into(), "bc".into())],
        };
        assert_eq!(ChatEvent::Delta(delta).weight(), own + 9 + 1000 + 5 + 3);
        let other = Annotated {
            kind: "kind".into(),
            value: "value".into(),
        };
        assert_eq!(ChatEvent::Other(other).weight(), own + 9);
        assert_eq!(ChatEvent::Done.weight(), own);
    }
}
