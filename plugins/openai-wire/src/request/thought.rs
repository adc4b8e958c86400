//! Reasoning of earlier turns, on its way back to the provider.
//!
//! In: the reasoning parts of an assistant's message. Out: the member that this provider takes
//! them in, if it takes them. Never: state of a format that the provider did not give out.

use std::borrow::Cow;

use llm_provider_sdk::types::{Error, Part, PartContent, Reasoning};

use super::Asked;
use super::fields::{self, Member, Members};
use crate::profile::{Profile, ReasoningBack};
use crate::wire::state;

/// Adds a message's reasoning to its members.
pub(crate) fn reasoning<'a>(
    parts: &'a [Part],
    at: &str,
    profile: &Profile,
    asked: &mut Asked,
    members: &mut Members<'a>,
) -> Result<(), Error> {
    let thoughts: Vec<_> = parts
        .iter()
        .enumerate()
        .filter_map(|(i, part)| match &part.content {
            PartContent::Reasoning(reasoning) => Some((i, part, reasoning)),
            _ => None,
        })
        .collect();
    if thoughts.is_empty() {
        return Ok(());
    }
    match profile.reasoning_back {
        ReasoningBack::No => asked.drop(
            format!("{at}.reasoning_content"),
            format!("{} does not take back what a model thought", profile.name),
        ),
        ReasoningBack::Text(name) => {
            if thoughts.iter().any(|(_, part, _)| part.state.is_some()) {
                asked.drop(
                    format!("{at}.reasoning_details"),
                    format!("{} takes back the text of reasoning, not its state", profile.name),
                );
            }
            let text: String = thoughts.iter().map(|(_, _, r)| r.text.as_str()).collect();
            if !text.is_empty() {
                members.push(name, Member::Text(Cow::Owned(text)));
            }
        }
        ReasoningBack::Details => {
            let mut list = Vec::with_capacity(thoughts.len());
            for (index, part, reasoning) in thoughts {
                list.extend(detail(index, part, reasoning, at, profile, asked)?);
            }
            members.push("reasoning_details", Member::List(list));
        }
    }
    Ok(())
}

/// One of `reasoning_details`.
fn detail<'a>(
    index: usize,
    part: &'a Part,
    reasoning: &'a Reasoning,
    at: &str,
    profile: &Profile,
    asked: &mut Asked,
) -> Result<Option<Members<'a>>, Error> {
    let known = part.state.as_ref().filter(|s| profile.state_formats.has(&s.format));
    if let (Some(state), None) = (&part.state, known) {
        asked.drop(
            format!("{at}.reasoning_details[{index}]"),
            format!("{} does not know state of format `{}`", profile.name, state.format),
        );
        // An opaque blob of somebody else's is nothing without its bytes.
        if reasoning.redacted {
            return Ok(None);
        }
    }
    let mut members = Members::default();
    let is_summary = part
        .extra
        .iter()
        .any(|(n, v)| n == "type" && v == "\"reasoning.summary\"");
    let (kind, text_name) = match (reasoning.redacted, is_summary) {
        (true, _) => ("reasoning.encrypted", None),
        (false, true) => ("reasoning.summary", Some("summary")),
        (false, false) => ("reasoning.text", Some("text")),
    };
    members.push("type", Member::Text(kind.into()));
    if let Some(name) = text_name {
        members.push(name, Member::Text(Cow::Borrowed(&reasoning.text)));
    }
    if let Some(state) = known {
        let (name, text) = state::member(state, if reasoning.redacted { "data" } else { "signature" });
        members.push(name, Member::Text(Cow::Owned(text)));
        members.push("format", Member::Text(Cow::Borrowed(&state.format)));
    }
    members.push("index", Member::Number(index));
    for (name, json) in part.extra.iter().filter(|(name, _)| name != "type") {
        members.push(name.as_str(), Member::Raw(fields::raw(json, at)?));
    }
    Ok(Some(members))
}
