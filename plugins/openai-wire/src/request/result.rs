//! What tools gave back: each result is a message of its own.
//!
//! In: the results of a neutral message. Out: messages of the role `tool`, and behind them what such a
//! message cannot hold. Never: a picture left out because a tool gave it.

use llm_provider_sdk::types::{Error, Media, Part, ResultContent, ToolResult};

use super::content::{self, Content, Item};
use super::fields::Members;
use super::message::{Encoder, Message};

impl<'a> Encoder<'a, '_> {
    /// A tool's result, as a message of its own.
    pub(super) fn tool_result(
        &mut self,
        part: &'a Part,
        result: &'a ToolResult,
        at: &str,
        content_at: &str,
    ) -> Result<(), Error> {
        let mut extra = Members::default();
        // The host writes a field of the k-th part of the content as `content[k].name`.
        let is_inside = |(name, _): &&(String, String)| name.starts_with("content[");
        let (inside, beside): (Vec<_>, Vec<_>) = part.extra.iter().partition(is_inside);
        extra.extend_known(beside, self.profile.message_fields, at, self.asked)?;
        if let Some(state) = self.state(part, at)? {
            extra.push("provider_state", state);
        }
        if result.is_error {
            self.asked.drop(
                format!("{at}.is_error"),
                "this API has no mark for a tool that failed; the result's text has to say it",
            );
        }
        let mut items = Vec::with_capacity(result.content.len());
        for (k, piece) in result.content.iter().enumerate() {
            let at = format!("{content_at}[{k}]");
            let members = self.result_members(&inside, k, &at)?;
            match piece {
                ResultContent::Text(text) => items.push(Item::with(content::Kind::Text { text }, members)),
                ResultContent::Media(media) => self.result_media(media, members, &at, &mut items),
                ResultContent::Other(other) => {
                    let (kind, value) = (&other.kind, &other.value);
                    items.extend(content::other(kind, value, &at, self.profile, self.asked)?);
                }
            }
        }
        // Such a mark stands on a content part; a result that has none carries it itself.
        let marked = items.last_mut().and_then(Item::members);
        let marked = marked.unwrap_or(&mut extra);
        marked.cache(part.cache.as_ref(), at, self.profile, self.asked);
        self.done.push(Message {
            role: "tool",
            content: Some(content::content(items)),
            name: result.name.as_deref(),
            tool_call_id: Some(&result.call_id),
            extra,
            ..Message::default()
        });
        Ok(())
    }

    /// What the k-th part of a tool's result has besides its content.
    fn result_members(&mut self, inside: &[&'a (String, String)], k: usize, at: &str) -> Result<Members<'a>, Error> {
        let prefix = format!("content[{k}].");
        let mut members = Members::default();
        for (name, json) in inside {
            if let Some(name) = name.strip_prefix(&prefix) {
                members.add_known(name, json, self.profile.part_fields, at, self.asked)?;
            }
        }
        Ok(members)
    }

    /// An image or a document that a tool gave back. Where tool messages hold only text, it goes
    /// into a user message behind them: the model sees it, and the caller is told.
    fn result_media(&mut self, media: &'a Media, members: Members<'a>, at: &str, items: &mut Vec<Item<'a>>) {
        let Some(kind) = content::media(media, at, self.profile, self.asked) else {
            return;
        };
        let item = Item::with(kind, members);
        if self.profile.media_anywhere {
            items.push(item);
        } else {
            self.asked.drop(
                at,
                format!(
                    "{} takes only text as a tool's result; it was sent in a user message behind it",
                    self.profile.name
                ),
            );
            self.moved.push(item);
        }
    }

    pub(super) fn place_moved(&mut self) {
        if !self.moved.is_empty() {
            self.done.push(Message {
                role: "user",
                content: Some(Content::Items(std::mem::take(&mut self.moved))),
                ..Message::default()
            });
        }
    }
}
