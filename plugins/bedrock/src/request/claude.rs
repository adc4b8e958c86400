//! What Claude models take, by what is known of them.
//!
//! In: the neutral request. Out: how to sample, how to think, and whether a tool may be forced, as the
//! Messages API's own encoder fits them to the model. Never: a second copy of those rules.
//!
//! That encoder is given a skeleton of the request: the shape of the conversation, without its
//! contents.

use llm_anthropic_wire::{Options, request as messages_api};
use llm_provider_sdk::types::{
    ChatRequest, Error, Message, Part, PartContent, Role, Tool, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use serde_json::{Map, Value};

use super::CLAUDE_STATE;
use super::fields::Plan;
use crate::report::Report;
use crate::target::{Family, Target};

/// Further fields of a request that are Anthropic's.
pub(super) const FIELDS: &[&str] = &[
    "anthropic-beta",
    "anthropic_beta",
    "betas",
    "context_management",
    "output_config",
    "thinking",
];

/// Members of the Messages API that Converse has a place of its own for, or none.
const PLACED: &[&str] = &[
    "max_tokens",
    "messages",
    "model",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

/// Fits the request to the model.
pub(super) fn plan(
    request: &ChatRequest,
    target: &Target,
    answer_tool: Option<&Tool>,
    report: &mut Report,
) -> Result<Plan, Error> {
    let options = Options {
        keeps_thinking: true,
        ..Options::default()
    };
    let encoded = messages_api::encode(skeleton(request, target, answer_tool), options, false)?;
    report.extend(encoded.context.dropped);
    let body: Map<String, Value> = serde_json::from_slice(&encoded.body.to_bytes()).unwrap_or_default();
    let choice = body.get("tool_choice").and_then(|choice| choice.get("type"));
    let mut plan = Plan {
        may_force: choice != Some(&Value::from("auto")),
        ..Plan::default()
    };
    if request.sampling.max_output_tokens.is_some() {
        plan.inference("maxTokens", body.get("max_tokens").cloned());
    }
    plan.inference("temperature", body.get("temperature").cloned());
    plan.inference("topP", body.get("top_p").cloned());
    plan.inference("stopSequences", body.get("stop_sequences").cloned());
    let more = body.into_iter().filter(|(name, _)| !PLACED.contains(&name.as_str()));
    plan.additional.extend(more);
    if !encoded.betas.is_empty() {
        plan.additional
            .insert("anthropic_beta".to_owned(), Value::from(encoded.betas));
    }
    Ok(plan)
}

fn skeleton(request: &ChatRequest, target: &Target, answer_tool: Option<&Tool>) -> ChatRequest {
    let messages = request.messages.iter().filter_map(message).collect();
    let mut out = ChatRequest::new(&target.base, messages);
    out.sampling = request.sampling.clone();
    out.reasoning = request.reasoning.clone();
    let functions = request.tools.iter().filter_map(|tool| match tool {
        ToolSpec::Function(tool) => Some(tool.name.as_str()),
        ToolSpec::Other(_) => None,
    });
    out.tools = functions
        .chain(answer_tool.map(|tool| tool.name.as_str()))
        .map(bare)
        .collect();
    // Those in Anthropic's own form bring their betas.
    let own = request.tools.iter().filter_map(|tool| match tool {
        ToolSpec::Other(own) if super::tools::is_anthropics(own) => Some(tool.clone()),
        _ => None,
    });
    out.tools.extend(own);
    out.tool_choice = match (&request.tool_choice, answer_tool) {
        (_, Some(tool)) => Some(ToolChoice::Named(tool.name.clone())),
        (Some(choice @ (ToolChoice::Required | ToolChoice::Named(_))), None) => Some(choice.clone()),
        _ => None,
    };
    let own = request.extra.iter().filter(|(name, _)| FIELDS.contains(&name.as_str()));
    out.extra = own.cloned().collect();
    out
}

/// A schema as structured outputs and strict tools take it; Bedrock's rules are the same for all models.
/// `at` is where it stands. `None` when it is no object.
pub(super) fn held_schema(schema: &str, at: &str, family: Family, report: &mut Report) -> Option<String> {
    let mut found = llm_anthropic_wire::report::Report::default();
    let fitted = messages_api::fit_schema(schema, at, &mut found);
    for mut found in found.into_dropped() {
        if family != Family::Claude {
            found.reason = found.reason.replace("Anthropic", "Bedrock");
        }
        report.add(found.field, found.reason);
    }
    fitted.is_object().then(|| fitted.to_string())
}

fn bare(name: &str) -> ToolSpec {
    ToolSpec::Function(Tool {
        name: name.to_owned(),
        description: None,
        input_schema: None,
        strict: None,
        cache: None,
        extra: Vec::new(),
    })
}

/// A message's shape: thinking that proves itself, calls, results, and that there is more.
fn message(message: &Message) -> Option<Message> {
    if matches!(message.role, Role::System | Role::Developer) {
        return None;
    }
    let parts = message.parts.iter().filter_map(|part| match &part.content {
        PartContent::Reasoning(thought) => {
            let state = part.state.as_ref().filter(|state| state.format == CLAUDE_STATE)?;
            let mut out = Part::new(PartContent::Reasoning(thought.clone()));
            out.state = Some(state.clone());
            Some(out)
        }
        PartContent::ToolCall(call) => Some(Part::new(PartContent::ToolCall(ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: "{}".to_owned(),
        }))),
        PartContent::ToolResult(result) => Some(Part::new(PartContent::ToolResult(ToolResult {
            call_id: result.call_id.clone(),
            name: None,
            is_error: false,
            content: Vec::new(),
        }))),
        _ => Some(Part::text("-")),
    });
    Some(Message::new(message.role, parts.collect()))
}
