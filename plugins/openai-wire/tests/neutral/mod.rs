//! What a neutral answer says, in the same terms as `recorded` says it of the provider's JSON.

use llm_provider_sdk::types::{ChatResponse, Choice, Extras, FinishReason, PartContent};
use serde_json::Value;

use crate::recorded::Said;

/// What the choices of an answer say.
pub(crate) fn said(answer: &ChatResponse) -> Vec<Said> {
    answer.choices.iter().map(choice_said).collect()
}

fn choice_said(choice: &Choice) -> Said {
    let mut said = Said {
        finish: word(&choice.finish),
        ..Said::default()
    };
    if let Some(detail) = &choice.finish_detail {
        said.finish.clone_from(detail);
    }
    said.logprobs = choice.logprobs.as_ref().map(|json| serde_json::from_str(json).unwrap());
    for part in &choice.message.parts {
        match &part.content {
            PartContent::Text(text) => said.text += text,
            PartContent::Refusal(text) => said.refusal += text,
            PartContent::Reasoning(reasoning) => said.reasoning += &reasoning.text,
            PartContent::ToolCall(call) => {
                said.calls
                    .push((call.id.clone(), call.name.clone(), call.arguments.clone()));
            }
            _ => {}
        }
    }
    said
}

fn word(finish: &FinishReason) -> String {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Refusal => "refusal",
        FinishReason::Other(word) => word,
    }
    .to_owned()
}

/// The same answer with every JSON text written in one way.
pub(crate) fn normal(mut answer: ChatResponse) -> ChatResponse {
    extras(&mut answer.extra);
    for choice in &mut answer.choices {
        // A stream has no place for a message's further members but its text. Where there is none,
        // an empty one carries them.
        if let Some(at) = choice
            .message
            .parts
            .iter()
            .position(|part| part.content == PartContent::Text(String::new()))
        {
            let carrier = choice.message.parts.remove(at);
            choice.message.extra.extend(carrier.extra);
        }
        // A chunk that leaves a member null says nothing with it.
        let parts = choice.message.parts.iter_mut().map(|part| &mut part.extra);
        for extra in parts.chain([&mut choice.message.extra]) {
            extra.retain(|(_, json)| json != "null");
        }
        extras(&mut choice.extra);
        extras(&mut choice.message.extra);
        if let Some(json) = &mut choice.logprobs {
            text(json);
        }
        for part in &mut choice.message.parts {
            extras(&mut part.extra);
            if let PartContent::Other(other) = &mut part.content {
                text(&mut other.value);
            }
        }
    }
    if let Some(usage) = &mut answer.usage {
        extras(&mut usage.extra);
    }
    answer
}

fn extras(extras: &mut Extras) {
    extras.iter_mut().for_each(|(_, json)| text(json));
    // A stream's late members stand behind its early ones.
    extras.sort();
}

fn text(json: &mut String) {
    *json = serde_json::from_str::<Value>(json).unwrap().to_string();
}
