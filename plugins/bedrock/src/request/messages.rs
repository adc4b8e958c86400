//! The conversation.
//!
//! In: neutral messages in any order of roles. Out: `system` and turns that alternate between user and
//! assistant; tool results ride in a user turn, before all else in it. Never: an instruction that
//! changes its place without an entry in `dropped`.

use aws_sdk_bedrockruntime::types::{ContentBlock, ConversationRole, Message as Turn, SystemContentBlock};
use llm_provider_sdk::openai;
use llm_provider_sdk::types::{Error, Message, Part, PartContent, Role};

use super::blocks::Encoder;
use super::built;
use super::turns::{self, OpenTurn};
use crate::target::Target;

/// The conversation in Converse's form.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<SystemContentBlock>,
    pub(super) turns: Vec<Turn>,
    /// Names of the tools that were called: they have to be declared.
    pub(super) called: Vec<String>,
}

pub(super) fn encode(
    messages: Vec<Message>,
    target: &Target,
    encoder: &mut Encoder<'_>,
) -> Result<Conversation, Error> {
    let mut system = Vec::new();
    let mut turns: Vec<OpenTurn> = Vec::new();
    let mut called = Vec::new();
    for (at, mut message) in messages.into_iter().enumerate() {
        let field = format!("messages[{at}]");
        return_citations(&mut message);
        whole_message(&field, &message, encoder);
        let role = match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    encoder.report.add(
                        &field,
                        "Bedrock takes instructions only before the conversation; it was moved to the system prompt",
                    );
                }
                for (index, part) in message.parts.into_iter().enumerate() {
                    encoder.system(part, &format!("{field}.content[{index}]"), &mut system)?;
                }
                continue;
            }
            Role::User | Role::Tool => ConversationRole::User,
            Role::Assistant => ConversationRole::Assistant,
        };
        let mut content = Vec::with_capacity(message.parts.len());
        for (index, mut part) in message.parts.into_iter().enumerate() {
            if role == ConversationRole::Assistant
                && let PartContent::Other(own) = &part.content
                && let Some(call) = openai::custom_call(own)
            {
                // The result that answers it needs it.
                encoder.report.add(
                    format!("{field}.content[{index}]"),
                    "Bedrock has no calls with free text; it was sent as a function's, with the text as `input`",
                );
                part.content = PartContent::ToolCall(call);
            }
            if let PartContent::ToolCall(call) = &part.content
                && !called.contains(&call.name)
            {
                called.push(call.name.clone());
            }
            encoder.part(part, &role, &format!("{field}.content[{index}]"), &mut content)?;
        }
        if content.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some(last) if last.role == role => last.content.append(&mut content),
            _ => turns.push(OpenTurn { role, content }),
        }
    }
    for turn in &mut turns {
        turn.content = results_first(std::mem::take(&mut turn.content));
    }
    turns::fit(&mut system, &mut turns, target, encoder.report)?;
    let close = |turn: OpenTurn| {
        let OpenTurn { role, content } = turn;
        built(Turn::builder().role(role).set_content(Some(content)).build())
    };
    Ok(Conversation {
        system,
        turns: turns.into_iter().map(close).collect::<Result<_, _>>()?,
        called,
    })
}

/// Reports what stands on a message as a whole and has no place in a turn.
fn whole_message(field: &str, message: &Message, encoder: &mut Encoder<'_>) {
    if message.name.is_some() && message.role != Role::Tool {
        encoder
            .report
            .add(format!("{field}.name"), "Bedrock knows no names of participants");
    }
    for (name, _) in &message.extra {
        encoder
            .report
            .add(format!("{field}.{name}"), "Bedrock's messages have no such member");
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

/// Tool results come first, each with the cache point behind it. The order among them, and among the
/// rest, stays.
fn results_first(content: Vec<ContentBlock>) -> Vec<ContentBlock> {
    let mut results = Vec::with_capacity(content.len());
    let mut rest = Vec::new();
    let mut of_result = false;
    for block in content {
        of_result = match &block {
            ContentBlock::ToolResult(_) => true,
            ContentBlock::CachePoint(_) => of_result,
            _ => false,
        };
        if of_result {
            results.push(block);
        } else {
            rest.push(block);
        }
    }
    results.append(&mut rest);
    results
}
