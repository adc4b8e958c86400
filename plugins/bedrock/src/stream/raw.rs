//! The payload of a frame, as the service wrote it.
//!
//! In: the JSON of an event. Out: what the SDK's types lose of it; and the event taken apart, for the
//! case that the SDK refuses it as a whole. Never: a meaning.

use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::framer::event_stream::{Frame, encode};
use serde_json::value::RawValue;

/// A payload. It is read only where something is lost.
#[derive(Debug)]
pub(super) struct Raw(Vec<u8>);

impl Raw {
    pub(super) fn of(frame: &Frame) -> Self {
        Self(frame.payload().to_vec())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(super) fn object(&self) -> Object {
        self.parse().unwrap_or_default()
    }

    fn parse(&self) -> Option<Object> {
        std::str::from_utf8(&self.0).ok().and_then(Object::parse)
    }

    /// The member `inner` of the member `outer`, as its text.
    pub(super) fn inner(&self, outer: &str, inner: &str) -> Option<String> {
        let mut outer: Object = self.object().take_as(outer)?;
        Some(outer.take(inner)?.get().to_owned())
    }

    /// The same as an object; an empty one when it is none.
    pub(super) fn inner_object(&self, outer: &str, inner: &str) -> Object {
        let text = self.inner(outer, inner).unwrap_or_default();
        Object::parse(&text).unwrap_or_default()
    }

    /// The name and text of the one member of the member `outer`.
    pub(super) fn union(&self, outer: &str) -> Option<(String, String)> {
        let outer: Object = self.object().take_as(outer)?;
        let (name, value) = outer.members().next()?;
        Some((name.to_owned(), value.get().to_owned()))
    }

    /// The event in pieces that the SDK takes, each with what it stands for: a union with one member
    /// apiece, and without the free JSON that is read from the payload anyway. The SDK refuses a union
    /// that is empty or has a member more than it knows, and JSON that is nested deeply.
    ///
    /// `None` when the event has no pieces.
    pub(super) fn pieces(&self, kind: &str) -> Option<Vec<(Vec<u8>, Self)>> {
        let mut event = self.parse()?;
        let union = match kind {
            "contentBlockStart" => "start",
            "contentBlockDelta" => "delta",
            "messageStop" => {
                let reason = event.take("stopReason")?;
                let bare = Object::new().with("stopReason", &reason);
                return Some(vec![(framed(kind, &bare), Self(self.0.clone()))]);
            }
            "metadata" => {
                let nothing = Object::new().with_object("usage", Object::new());
                return Some(vec![(framed(kind, &nothing), Self(self.0.clone()))]);
            }
            _ => return None,
        };
        let members: Object = event.take_as(union)?;
        let index = event.take("contentBlockIndex");
        let mut pieces = Vec::new();
        for (name, value) in members.members() {
            for part in apart(name, value) {
                let of = |value: &RawValue| {
                    let mut out = Object::new();
                    if let Some(index) = &index {
                        out.put("contentBlockIndex", index);
                    }
                    out.with_object(union, Object::new().with(name, value))
                };
                let bare = bare(name).and_then(|text| RawValue::from_string(text.to_owned()).ok());
                let told = of(bare.as_deref().unwrap_or(&part));
                pieces.push((framed(kind, &told), Self(of(&part).to_bytes())));
            }
        }
        Some(pieces)
    }
}

/// A member's value; reasoning that says several things at once says them one after the other.
fn apart(name: &str, value: &RawValue) -> Vec<Box<RawValue>> {
    let inner = Some(name)
        .filter(|name| *name == "reasoningContent")
        .and_then(|_| Object::parse(value.get()));
    match inner {
        Some(inner) => inner
            .members()
            .filter_map(|(name, value)| serde_json::value::to_raw_value(&Object::new().with(name, value)).ok())
            .collect(),
        None => vec![value.to_owned()],
    }
}

/// What stands for a member that is read from the payload.
fn bare(name: &str) -> Option<&'static str> {
    match name {
        "citation" => Some("{}"),
        "toolResult" => Some("[]"),
        _ => None,
    }
}

fn framed(kind: &str, payload: &Object) -> Vec<u8> {
    let headers = [(":message-type", "event"), (":event-type", kind)];
    encode(&headers, &payload.to_bytes())
}
