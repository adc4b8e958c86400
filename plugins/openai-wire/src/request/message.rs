//! The conversation: one neutral message becomes one wire message, or several for tool results.
//!
//! In: neutral messages. Out: `messages`. Never: a message that says less than it was given
//! without a note of what is missing.

use std::borrow::Cow;

use llm_provider_sdk::types::{
    Error, Media, MediaSource, Message as Neutral, Part, PartContent, ResultContent, Role, ToolResult,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Asked;
use super::content::{self, Content, Item};
use super::fields::{self, Member, Members};
use super::thought;
use crate::profile::Profile;
use crate::wire::state;

/// One of `messages`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Sound<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(flatten)]
    extra: Members<'a>,
}

/// One of `tool_calls`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Call<'a> {
    Function {
        id: &'a str,
        r#type: &'static str,
        function: Function<'a>,
        #[serde(flatten)]
        extra: Members<'a>,
    },
    /// A custom tool's call, as the provider gave it out.
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// An earlier answer's sound, which the provider still has.
#[derive(Debug, Serialize)]
struct Sound<'a> {
    id: Cow<'a, str>,
}

/// `messages`.
pub(crate) fn messages<'a>(
    messages: &'a [Neutral],
    profile: &Profile,
    asked: &mut Asked,
) -> Result<Vec<Message<'a>>, Error> {
    let mut encoder = Encoder {
        profile,
        asked,
        done: Vec::with_capacity(messages.len()),
        moved: Vec::new(),
    };
    for (i, message) in messages.iter().enumerate() {
        encoder.message(message, &format!("messages[{i}]"))?;
    }
    encoder.place_moved();
    Ok(encoder.done)
}

struct Encoder<'a, 'p> {
    profile: &'p Profile,
    asked: &'p mut Asked,
    done: Vec<Message<'a>>,
    /// Media of tool results, on their way into a user message.
    moved: Vec<Item<'a>>,
}

impl<'a> Encoder<'a, '_> {
    fn message(&mut self, message: &'a Neutral, at: &str) -> Result<(), Error> {
        let mut extra = Members::default();
        extra.extend_known(&message.extra, self.profile.message_fields, at, self.asked)?;
        let before = self.done.len();
        for (j, part) in message.parts.iter().enumerate() {
            if let PartContent::ToolResult(result) = &part.content {
                self.tool_result(part, result, at, &format!("{at}.content[{j}]"))?;
            }
        }
        let results_only = message.role == Role::Tool || self.done.len() > before;
        let rest_is_empty = message
            .parts
            .iter()
            .all(|p| matches!(p.content, PartContent::ToolResult(_)));
        if results_only && rest_is_empty {
            if let Some(first) = self.done.get_mut(before) {
                first.extra.append(extra);
            }
            return Ok(());
        }
        self.place_moved();
        let wire = match message.role {
            Role::Assistant => self.assistant(message, at, extra)?,
            _ => self.prompt(message, at, extra)?,
        };
        self.done.push(wire);
        Ok(())
    }

    /// A message of the application or of the person.
    fn prompt(&mut self, message: &'a Neutral, at: &str, extra: Members<'a>) -> Result<Message<'a>, Error> {
        let role = match message.role {
            Role::System => "system",
            Role::Developer if self.profile.developer_role => "developer",
            Role::Developer => "system",
            _ => "user",
        };
        let with_media = role == "user" || self.profile.media_anywhere;
        let mut items = Vec::with_capacity(message.parts.len());
        for (j, part) in message.parts.iter().enumerate() {
            let at = format!("{at}.content[{j}]");
            match &part.content {
                PartContent::ToolResult(_) => {}
                PartContent::Media(_) if !with_media => self.misplaced(&at),
                PartContent::Text(_) | PartContent::Media(_) | PartContent::Other(_) => {
                    items.extend(self.item(part, &at)?);
                }
                _ => self.misplaced(&at),
            }
        }
        Ok(Message {
            role,
            content: Some(content::content(items)),
            name: message.name.as_deref(),
            extra,
            ..Message::default()
        })
    }

    /// A part that has a content part's form; nothing when it could not be carried.
    fn item(&mut self, part: &'a Part, at: &str) -> Result<Option<Item<'a>>, Error> {
        let kind = match &part.content {
            PartContent::Text(text) => Some(content::Kind::Text { text }),
            PartContent::Media(media) => content::media(media, at, self.profile, self.asked),
            PartContent::Other(other) => {
                self.leftovers(part, at);
                return content::other(&other.kind, &other.value, at, self.profile, self.asked);
            }
            _ => None,
        };
        let Some(kind) = kind else { return Ok(None) };
        let mut members = content::members(&part.extra, part.cache.as_ref(), at, self.profile, self.asked)?;
        if let Some(state) = self.state(part, at)? {
            members.push("provider_state", state);
        }
        Ok(Some(Item::with(kind, members)))
    }

    /// An earlier answer.
    fn assistant(&mut self, message: &'a Neutral, at: &str, extra: Members<'a>) -> Result<Message<'a>, Error> {
        let mut wire = Message {
            role: "assistant",
            name: message.name.as_deref(),
            extra,
            ..Message::default()
        };
        let mut items = Vec::new();
        for (j, part) in message.parts.iter().enumerate() {
            let path = format!("{at}.content[{j}]");
            match &part.content {
                PartContent::Text(text) => {
                    // Its extras are the message's, since an answer's text has no members.
                    let known = self.profile.message_fields;
                    wire.extra.extend_known(&part.extra, known, at, self.asked)?;
                    let mut members = Members::default();
                    members.cache(part.cache.as_ref(), &path, self.profile, self.asked);
                    items.push(Item::with(content::Kind::Text { text }, members));
                    if let Some(state) = self.state(part, at)? {
                        wire.extra.set("provider_state", state);
                    }
                }
                PartContent::Refusal(text) => {
                    self.leftovers(part, &path);
                    append(&mut wire.refusal, text);
                }
                PartContent::ToolCall(_) | PartContent::Other(_) => {
                    self.call_or_other(part, at, &mut wire, &mut items)?;
                }
                PartContent::Media(media) => match sound_id(part, media) {
                    // The caller's own reference counts more.
                    Some(_) if wire.extra.has("audio") => {}
                    Some(id) => wire.audio = Some(Sound { id }),
                    None if self.profile.media_anywhere => items.extend(self.item(part, &path)?),
                    None => self.misplaced(&path),
                },
                PartContent::Reasoning(_) | PartContent::ToolResult(_) => {}
            }
        }
        thought::reasoning(&message.parts, at, self.profile, self.asked, &mut wire.extra)?;
        wire.content = Some(if items.is_empty() && wire.says_something() {
            Content::Null(())
        } else {
            content::content(items)
        });
        Ok(wire)
    }

    fn call_or_other(
        &mut self,
        part: &'a Part,
        at: &str,
        wire: &mut Message<'a>,
        items: &mut Vec<Item<'a>>,
    ) -> Result<(), Error> {
        let path = format!("{at}.tool_calls[{}]", wire.tool_calls.len());
        match &part.content {
            PartContent::ToolCall(call) => {
                let mut extra = Members::default();
                let known = self.profile.function_fields;
                extra.extend_known(&part.extra, known, &path, self.asked)?;
                extra.cache(part.cache.as_ref(), &path, self.profile, self.asked);
                if let Some(state) = self.state(part, &path)? {
                    extra.push("provider_state", state);
                }
                wire.tool_calls.push(Call::Function {
                    id: &call.id,
                    r#type: "function",
                    function: Function {
                        name: &call.name,
                        arguments: &call.arguments,
                    },
                    extra,
                });
            }
            PartContent::Other(other) if other.kind == "custom" && self.profile.tool_kinds.has("custom") => {
                self.leftovers(part, &path);
                wire.tool_calls.push(Call::Raw(fields::raw(&other.value, &path)?));
            }
            PartContent::Other(other) => {
                self.leftovers(part, at);
                let (kind, value) = (&other.kind, &other.value);
                items.extend(content::other(kind, value, at, self.profile, self.asked)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// A tool's result, as a message of its own.
    fn tool_result(&mut self, part: &'a Part, result: &'a ToolResult, at: &str, part_at: &str) -> Result<(), Error> {
        let mut extra = Members::default();
        extra.extend_known(&part.extra, self.profile.message_fields, at, self.asked)?;
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
            let at = if result.content.len() == 1 {
                part_at.to_owned()
            } else {
                format!("{part_at}.content[{k}]")
            };
            match piece {
                ResultContent::Text(text) => items.push(Item::text(text)),
                ResultContent::Media(media) => self.result_media(media, &at, &mut items),
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

    /// An image or a document that a tool gave back. Where tool messages hold only text, it goes
    /// into a user message behind them: the model sees it, and the caller is told.
    fn result_media(&mut self, media: &'a Media, at: &str, items: &mut Vec<Item<'a>>) {
        let Some(kind) = content::media(media, at, self.profile, self.asked) else {
            return;
        };
        let item = Item::with(kind, Members::default());
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

    fn place_moved(&mut self) {
        if !self.moved.is_empty() {
            self.done.push(Message {
                role: "user",
                content: Some(Content::Items(std::mem::take(&mut self.moved))),
                ..Message::default()
            });
        }
    }

    /// The state of a part, where the provider knows its format.
    fn state(&mut self, part: &'a Part, at: &str) -> Result<Option<Member<'a>>, Error> {
        let Some(state) = &part.state else { return Ok(None) };
        if self.profile.state_formats.has(&state.format) {
            let json = RawValue::from_string(state::json(state)).map_err(|_| fields::not_json(at))?;
            return Ok(Some(Member::Owned(json)));
        }
        self.asked.drop(
            format!("{at}.provider_state"),
            format!("{} does not know state of format `{}`", self.profile.name, state.format),
        );
        Ok(None)
    }

    /// Notes what a part has besides its content, where its form on the wire has no room for it.
    fn leftovers(&mut self, part: &Part, at: &str) {
        let state = part.state.iter().map(|_| "provider_state");
        let cache = part.cache.iter().map(|_| "cache_control");
        let extra = part.extra.iter().map(|(name, _)| name.as_str());
        for name in state.chain(cache).chain(extra) {
            self.asked
                .drop(format!("{at}.{name}"), "a part of this kind has no room for it");
        }
    }

    fn misplaced(&mut self, at: &str) {
        let reason = format!("{} has no place for it in a message of this role", self.profile.name);
        self.asked.drop(at, reason);
    }
}

impl Message<'_> {
    /// Whether it says anything besides `content`.
    fn says_something(&self) -> bool {
        !self.tool_calls.is_empty() || self.refusal.is_some() || self.audio.is_some() || self.extra.has("audio")
    }
}

/// The id by which the provider knows an earlier answer's sound.
fn sound_id<'a>(part: &'a Part, media: &'a Media) -> Option<Cow<'a, str>> {
    if !media.media_type.is_empty() && !media.media_type.starts_with("audio/") {
        return None;
    }
    if let MediaSource::File(id) = &media.source {
        return Some(Cow::Borrowed(id));
    }
    let (_, id) = part.extra.iter().find(|(name, _)| name == "id")?;
    serde_json::from_str::<String>(id).ok().map(Cow::Owned)
}

fn append<'a>(text: &mut Option<Cow<'a, str>>, more: &'a str) {
    match text {
        Some(text) => text.to_mut().push_str(more),
        None => *text = Some(Cow::Borrowed(more)),
    }
}
