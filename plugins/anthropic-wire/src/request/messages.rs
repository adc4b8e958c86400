//! The conversation.
//!
//! In: neutral messages in any order of roles. Out: `system` and turns that alternate between user
//! and assistant. Never: an instruction that changes its place without an entry in `dropped`.
//!
//! System and developer messages at the beginning become `system`. Later ones stay in their place
//! where the model takes the role `system` there; Anthropic wants such a turn right after the user's
//! and before the assistant's, so one that stands before a user turn moves behind it. For other
//! models they move to `system`, as in Anthropic's own OpenAI-compatible endpoint.
//!
//! Source: https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages.

use llm_provider_sdk::types::{Error, MediaSource, Message, Part, PartContent, ResultContent, Role};

use super::blocks::{self, Speaker};
use super::turn::{SYSTEM_FIELDS, Turn, kind_of};
use crate::report::Report;
use crate::wire::Object;

/// The conversation in Anthropic's form.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Object>,
    pub(super) turns: Vec<Turn>,
    /// Some block refers to a file of the Files API.
    pub(super) needs_files: bool,
}

impl Conversation {
    /// Whether the model goes on after results of tools and has not thought since the user spoke:
    /// then it cannot begin to think with a budget now. To the API an assistant's turns with results
    /// between them are one, and only its beginning has to be thinking.
    pub(super) fn continues_without_thinking(&self) -> bool {
        let open = self.open_turns();
        let has_results = self.turns.last().is_some_and(Turn::is_of_results);
        let asked = open.iter().any(|turn| turn.role == "assistant");
        has_results && asked && !open.iter().any(Turn::begins_with_thinking)
    }

    /// Takes out what the model thought in the turn that it goes on with: the API refuses that while
    /// thinking is off, and passes over thoughts of earlier turns.
    pub(super) fn forget_open_thinking(&mut self, report: &mut Report) {
        let begin = self.turns.len() - self.open_turns().len();
        for turn in self.turns.iter_mut().skip(begin) {
            if turn.forget_thinking() {
                report.add(
                    format!("messages[{}].reasoning_details", turn.at),
                    "Anthropic takes no thoughts in the turn it goes on with while thinking is off",
                );
            }
        }
        self.turns
            .retain(|turn| !turn.content.is_empty() || !turn.fields.is_empty());
    }

    /// The turns since the user last said something: those of the assistant and of tools' results.
    fn open_turns(&self) -> &[Turn] {
        let said = |turn: &Turn| turn.role == "user" && !turn.is_of_results();
        let begin = self.turns.iter().rposition(said).map_or(0, |at| at + 1);
        self.turns.get(begin..).unwrap_or_default()
    }

    /// The `type`s of the blocks in all turns.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.turns.iter().flat_map(Turn::kinds).collect()
    }

    /// The members that some turn has beside its content.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let has = |name: &&'static str| self.turns.iter().any(|turn| turn.fields.has(name));
        SYSTEM_FIELDS.iter().copied().filter(has).collect()
    }

    pub(super) fn write(self, body: &mut Object) {
        if !self.system.is_empty() {
            body.put_list("system", self.system);
        }
        body.put_list("messages", self.turns.into_iter().map(Turn::write).collect());
    }
}

/// A system message that waits for its place.
struct Waiting {
    at: usize,
    blocks: Vec<Object>,
    fields: Object,
    /// A user message came in between.
    passed: bool,
}

struct Writer<'a> {
    out: Conversation,
    in_place: bool,
    waiting: Vec<Waiting>,
    /// Where the last message of the assistant stands.
    answered_at: usize,
    report: &'a mut Report,
}

pub(super) fn encode(messages: Vec<Message>, in_place: bool, report: &mut Report) -> Result<Conversation, Error> {
    let mut writer = Writer {
        out: Conversation::default(),
        in_place,
        waiting: Vec::new(),
        answered_at: 0,
        report,
    };
    for (at, message) in messages.into_iter().enumerate() {
        writer.message(at, message)?;
    }
    writer.place_waiting();
    writer.begin();
    writer.end();
    writer.out.turns.iter_mut().for_each(Turn::results_first);
    Ok(writer.out)
}

impl Writer<'_> {
    fn message(&mut self, at: usize, mut message: Message) -> Result<(), Error> {
        let speaker = match message.role {
            Role::System | Role::Developer => Speaker::System,
            Role::User | Role::Tool => Speaker::User,
            Role::Assistant => Speaker::Assistant,
        };
        return_citations(&mut message);
        let fields = self.whole_message(at, &message, speaker);
        let mut blocks = Vec::with_capacity(message.parts.len());
        // To a caller, a tool's message is its one result.
        let is_result = message.role == Role::Tool && message.parts.len() == 1;
        let mut calls = 0..;
        for (index, part) in message.parts.into_iter().enumerate() {
            self.out.needs_files |= refers_to_file(&part);
            let path = match &part.content {
                _ if is_result => format!("messages[{at}]"),
                content if is_call(content) => format!("messages[{at}].tool_calls[{}]", calls.next().unwrap_or(0)),
                _ => format!("messages[{at}].content[{index}]"),
            };
            blocks.extend(blocks::encode(part, speaker, &path, self.report)?);
        }
        if blocks.is_empty() && fields.is_empty() {
            return Ok(());
        }
        match speaker {
            Speaker::System if self.out.turns.is_empty() => self.extend_system(at, blocks, &fields),
            Speaker::System => self.waiting.push(Waiting {
                at,
                blocks,
                fields,
                passed: false,
            }),
            Speaker::User => {
                self.waiting.iter_mut().for_each(|waiting| waiting.passed = true);
                self.turn("user", at, blocks);
            }
            Speaker::Assistant => {
                self.place_waiting();
                self.answered_at = at;
                self.turn("assistant", at, blocks);
            }
        }
        Ok(())
    }

    /// Gives what stands on a message as a whole and has a place in its turn, and reports the rest.
    fn whole_message(&mut self, at: usize, message: &Message, speaker: Speaker) -> Object {
        if message.name.is_some() && message.role != Role::Tool {
            self.report.add(
                format!("messages[{at}].name"),
                "Anthropic knows no names of participants",
            );
        }
        let known = if speaker == Speaker::System { SYSTEM_FIELDS } else { &[] };
        let mut fields = Object::new();
        blocks::take_known(
            &message.extra,
            known,
            &format!("messages[{at}]"),
            &mut fields,
            self.report,
        );
        fields
    }

    /// Adds to the system prompt, which is text alone.
    fn extend_system(&mut self, at: usize, blocks: Vec<Object>, fields: &Object) {
        let (texts, others): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .partition(|block| kind_of(block).as_deref() == Some("text"));
        self.out.system.extend(texts);
        let names = fields.members().map(|(name, _)| format!("messages[{at}].{name}"));
        let parts = others.iter().map(|_| format!("messages[{at}].content"));
        for lost in names.chain(parts) {
            self.report.add(
                lost,
                "the system prompt cannot hold it, only a system message that stays in its place",
            );
        }
    }

    /// Adds to the last turn when it has the same role: they have to alternate.
    fn turn(&mut self, role: &'static str, at: usize, mut blocks: Vec<Object>) {
        match self.out.turns.last_mut() {
            Some(last) if last.role == role && last.fields.is_empty() => last.content.append(&mut blocks),
            _ => self.out.turns.push(Turn::new(role, at, blocks)),
        }
    }

    /// Finds a place for the system messages that came since the last assistant turn.
    fn place_waiting(&mut self) {
        let fits = self.in_place
            && self
                .out
                .turns
                .last()
                .is_some_and(|turn| turn.role == "user" || turn.ends_in_server_tool());
        for waiting in std::mem::take(&mut self.waiting) {
            let field = format!("messages[{}]", waiting.at);
            if !fits {
                self.report.add(
                    field,
                    "Anthropic takes no system message in this place; it was moved to the system prompt",
                );
                self.extend_system(waiting.at, waiting.blocks, &waiting.fields);
                continue;
            }
            if waiting.passed {
                self.report.add(
                    field,
                    "Anthropic takes a system message only after the user's turn; it was moved behind it",
                );
            }
            if waiting.fields.is_empty() {
                self.turn("system", waiting.at, waiting.blocks);
            } else {
                let turn = Turn::new("system", waiting.at, waiting.blocks);
                let fields = waiting.fields;
                self.out.turns.push(Turn { fields, ..turn });
            }
        }
    }

    /// Anthropic needs something to answer. Where there are only instructions, they are it.
    fn begin(&mut self) {
        if self.out.turns.is_empty() && !self.out.system.is_empty() {
            self.report.add(
                "messages",
                "Anthropic answers only a user's turn, and there is none; the system messages were sent as one",
            );
            let blocks = std::mem::take(&mut self.out.system);
            self.turn("user", 0, blocks);
        }
    }

    /// An answer that the model is to go on with may not end in white space.
    fn end(&mut self) {
        if self.out.turns.last_mut().is_some_and(Turn::trim_end) {
            self.report.add(
                format!("messages[{}].content", self.answered_at),
                "Anthropic refuses an answer to go on with that ends in white space; the white space was left out",
            );
        }
    }
}

/// On the OpenAI wire an answer has one text, and its citations stand on the message. They belong to
/// that text.
fn return_citations(message: &mut Message) {
    let is_text = |part: &&mut Part| matches!(part.content, PartContent::Text(_));
    let mut texts = message.parts.iter_mut().filter(is_text);
    if let (Some(text), None) = (texts.next(), texts.next())
        && let Some(at) = message.extra.iter().position(|(name, _)| name == "citations")
    {
        text.extra.push(message.extra.remove(at));
    }
}

/// Whether a caller has a part among a message's `tool_calls`.
fn is_call(content: &PartContent) -> bool {
    match content {
        PartContent::ToolCall(_) => true,
        PartContent::Other(other) => other.kind == "custom",
        _ => false,
    }
}

fn refers_to_file(part: &Part) -> bool {
    let is_file = |source: &MediaSource| matches!(source, MediaSource::File(_));
    match &part.content {
        PartContent::Media(media) => is_file(&media.source),
        PartContent::ToolResult(result) => result.content.iter().any(|piece| match piece {
            ResultContent::Media(media) => is_file(&media.source),
            ResultContent::Other(other) => is_of_file(&other.value),
            ResultContent::Text(_) => false,
        }),
        PartContent::Other(other) => other.kind == "container_upload" || is_of_file(&other.value),
        _ => false,
    }
}

/// Longest block that is looked into for a file: one that holds its data itself can fill a plugin's memory.
const LONGEST_REFERENCE: usize = 64 << 10;

/// Whether a block in Anthropic's own form has a file for its source.
fn is_of_file(block: &str) -> bool {
    if block.len() > LONGEST_REFERENCE {
        return false;
    }
    let source = Object::parse(block).and_then(|block| block.read::<Object>("source"));
    source.is_some_and(|source| source.read::<String>("type").as_deref() == Some("file"))
}
