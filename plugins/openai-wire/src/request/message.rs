//! The conversation: one neutral message becomes one wire message, or several for tool results.
//!
//! In: neutral messages. Out: `messages`. Never: a message that says less than it was given
//! without a note of what is missing.

use std::borrow::Cow;

use llm_provider_sdk::types::{Error, Media, MediaSource, Message as Neutral, Part, PartContent, Role};
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
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<Sound<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<&'a str>,
    #[serde(flatten)]
    pub(super) extra: Members<'a>,
}

/// One of `tool_calls`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Call<'a> {
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
pub(super) struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// An earlier answer's sound, which the provider still has.
#[derive(Debug, Serialize)]
pub(super) struct Sound<'a> {
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

pub(super) struct Encoder<'a, 'p> {
    pub(super) profile: &'p Profile,
    pub(super) asked: &'p mut Asked,
    pub(super) done: Vec<Message<'a>>,
    /// Media of tool results, on their way into a user message.
    pub(super) moved: Vec<Item<'a>>,
}

impl<'a> Encoder<'a, '_> {
    fn message(&mut self, message: &'a Neutral, at: &str) -> Result<(), Error> {
        let mut extra = Members::default();
        extra.extend_known(&message.extra, self.profile.message_fields, at, self.asked)?;
        let before = self.done.len();
        for (j, part) in message.parts.iter().enumerate() {
            if let PartContent::ToolResult(result) = &part.content {
                // To a caller, a tool's message is its one result.
                let content_at = match message.parts.len() {
                    1 => format!("{at}.content"),
                    _ => format!("{at}.content[{j}].content"),
                };
                self.tool_result(part, result, at, &content_at)?;
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
        let mut members = self.members(&part.extra, part, at)?;
        if let Some(state) = self.state(part, at)? {
            members.push("provider_state", state);
        }
        Ok(Some(Item::with(kind, members)))
    }

    /// Whether a field may stand at a content part; `annotations` always are the message's.
    fn is_of_a_part(&self, name: &str) -> bool {
        name != "annotations" && self.profile.part_fields.has(name)
    }

    /// A content part's members beside its content: these fields and its cache mark.
    fn members(
        &mut self,
        extra: impl IntoIterator<Item = &'a (String, String)>,
        part: &Part,
        at: &str,
    ) -> Result<Members<'a>, Error> {
        let mut members = Members::default();
        members.extend_known(extra, self.profile.part_fields, at, self.asked)?;
        members.cache(part.cache.as_ref(), at, self.profile, self.asked);
        Ok(members)
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
                    // What an answer's text has besides stands in the message.
                    let (own, answers): (Vec<_>, Vec<_>) =
                        part.extra.iter().partition(|(name, _)| self.is_of_a_part(name));
                    let known = self.profile.message_fields;
                    wire.extra.extend_known(answers, known, at, self.asked)?;
                    let members = self.members(own, part, &path)?;
                    items.push(Item::with(content::Kind::Text { text }, members));
                    if let Some(state) = self.state(part, at)? {
                        wire.extra.set("provider_state", state);
                    }
                }
                PartContent::Refusal(text) if part.extra.iter().any(|(name, _)| self.is_of_a_part(name)) => {
                    let members = self.members(&part.extra, part, &path)?;
                    items.push(Item::with(content::Kind::Refusal { refusal: text }, members));
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

    /// The state of a part, where the provider knows its format.
    pub(super) fn state(&mut self, part: &'a Part, at: &str) -> Result<Option<Member<'a>>, Error> {
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
