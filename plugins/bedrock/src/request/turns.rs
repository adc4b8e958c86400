//! The order of turns that the service insists on.
//!
//! In: the system prompt and the turns as the conversation had them. Out: the same so that the service
//! takes them: there is a user's turn and it comes first, a document has a text beside it, the last text
//! does not end in white space, and results of tools stand alone where a model wants it. Never: a change
//! without an entry in `dropped`.

use aws_sdk_bedrockruntime::types::{ContentBlock, ConversationRole, SystemContentBlock};
use llm_provider_sdk::types::Error;

use crate::report::Report;
use crate::target::{Family, Target};

/// A turn that is not closed yet.
pub(super) struct OpenTurn {
    pub(super) role: ConversationRole,
    pub(super) content: Vec<ContentBlock>,
}

/// What stands for the user's turn that a conversation lacks at its front.
const BEGINNING: &str = "(The conversation begins.)";

/// What stands for the answer that is missing between two turns of the user.
const PAUSE: &str = ".";

/// Fits the turns.
///
/// Errors: `invalid-request` when there is nothing to answer.
pub(super) fn fit(
    system: &mut Vec<SystemContentBlock>,
    turns: &mut Vec<OpenTurn>,
    target: &Target,
    report: &mut Report,
) -> Result<(), Error> {
    if turns.is_empty() && system.is_empty() {
        // A prompt that is kept at Bedrock brings its own messages.
        return if target.is_prompt() {
            Ok(())
        } else {
            Err(
                Error::invalid_request("there is nothing to answer: no message has any content that Bedrock takes")
                    .with_param("messages"),
            )
        };
    }
    begin(system, turns, target, report);
    if !takes_system(target) {
        instruct(system, turns, report);
    }
    part_results(turns, target, report);
    for turn in turns.iter_mut().filter(|turn| turn.role == ConversationRole::User) {
        name_documents(turn, report);
    }
    // Anthropic's models alone mind.
    if matches!(target.family, Family::Claude | Family::Other) {
        end(turns, report);
    }
    Ok(())
}

/// Whether a model has a system prompt. The service refuses one for the others.
///
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html>.
fn takes_system(target: &Target) -> bool {
    let has = |name: &str| target.base.contains(name);
    match target.family {
        Family::Titan | Family::Jurassic | Family::Command => false,
        Family::Mistral => !(has("mistral-7b-") || has("mixtral-8x7b-")),
        _ => true,
    }
}

fn moved(block: SystemContentBlock) -> Option<ContentBlock> {
    match block {
        SystemContentBlock::Text(text) => Some(ContentBlock::Text(text)),
        SystemContentBlock::CachePoint(point) => Some(ContentBlock::CachePoint(point)),
        // The encoder makes no others.
        _ => None,
    }
}

/// Bedrock answers a conversation that the user begins. Where there are only instructions, they are it.
fn begin(system: &mut Vec<SystemContentBlock>, turns: &mut Vec<OpenTurn>, target: &Target, report: &mut Report) {
    // Anthropic's and Qwen's models let the assistant begin; of an unknown one the service judges.
    let may_lead = matches!(target.family, Family::Claude | Family::Other) || target.base.contains("qwen.");
    let content = match turns.first() {
        Some(first) if first.role == ConversationRole::User || may_lead => return,
        Some(_) => {
            report.add(
                "messages",
                format!(
                    "Bedrock takes only a conversation that the user begins; `{BEGINNING}` was put before the assistant's words"
                ),
            );
            vec![ContentBlock::Text(BEGINNING.to_owned())]
        }
        None => {
            report.add(
                "messages",
                "Bedrock answers only a user's turn, and there is none; the system messages were sent as one",
            );
            system.drain(..).filter_map(moved).collect()
        }
    };
    let role = ConversationRole::User;
    turns.insert(0, OpenTurn { role, content });
}

/// Puts the instructions before what the user says first.
fn instruct(system: &mut Vec<SystemContentBlock>, turns: &mut [OpenTurn], report: &mut Report) {
    let Some(first) = turns.first_mut().filter(|_| !system.is_empty()) else {
        return;
    };
    report.add(
        "messages",
        "this model has no system prompt; the instructions were sent at the front of the user's first turn",
    );
    let mut content: Vec<ContentBlock> = system.drain(..).filter_map(moved).collect();
    content.append(&mut first.content);
    first.content = content;
}

/// Some models take the results of tools only alone, or not beside documents. The service joins turns of
/// one role, so there has to be one of the other between them.
fn part_results(turns: &mut Vec<OpenTurn>, target: &Target, report: &mut Report) {
    let alone = matches!(target.family, Family::Llama | Family::Mistral) || target.base.contains("writer.");
    let disturbs = |block: &ContentBlock| match block {
        ContentBlock::ToolResult(_) | ContentBlock::CachePoint(_) => false,
        ContentBlock::Document(_) | ContentBlock::Video(_) => alone || target.family == Family::Claude,
        _ => alone,
    };
    let is_result = |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_));
    let mut out = Vec::with_capacity(turns.len());
    for mut turn in turns.drain(..) {
        if !turn.content.iter().any(is_result) || !turn.content.iter().any(disturbs) {
            out.push(turn);
            continue;
        }
        let of_results =
            |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_) | ContentBlock::CachePoint(_));
        let first = turn.content.iter().position(|block| !of_results(block));
        let content = turn.content.split_off(first.unwrap_or(turn.content.len()));
        report.add(
            "messages",
            format!(
                "this model takes the results of tools alone; an answer `{PAUSE}` was put between them and what follows"
            ),
        );
        out.push(turn);
        out.push(OpenTurn {
            role: ConversationRole::Assistant,
            content: vec![ContentBlock::Text(PAUSE.to_owned())],
        });
        let role = ConversationRole::User;
        out.push(OpenTurn { role, content });
    }
    *turns = out;
}

/// A document is taken only beside a text.
fn name_documents(turn: &mut OpenTurn, report: &mut Report) {
    let says = |block: &ContentBlock| matches!(block, ContentBlock::Text(_));
    if turn.content.iter().any(says) {
        return;
    }
    let names = turn.content.iter().filter_map(|block| match block {
        ContentBlock::Document(document) => Some(document.name.as_str()),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return;
    }
    report.add(
        "messages",
        "Bedrock takes a document only beside a text; the document's name was sent as one",
    );
    let text = names.join(", ");
    turn.content.push(ContentBlock::Text(text));
}

/// An answer that is to be continued may not end in white space.
fn end(turns: &mut [OpenTurn], report: &mut Report) {
    if let Some(last) = turns.last_mut().filter(|turn| turn.role == ConversationRole::Assistant)
        && let Some(ContentBlock::Text(text)) = last.content.last_mut()
        && text.trim_end().len() < text.len()
    {
        text.truncate(text.trim_end().len());
        report.add(
            "messages",
            "an answer that is to be continued may not end in white space; it was taken off",
        );
    }
}
