//! What this provider has no use for.
//!
//! In: a request. Out: the fields that change nothing, by name. Never: a field that does.

use llm_provider_sdk::types::{
    ChatRequest, DroppedField, Message, PartContent, ResponseFormat, Role, ToolChoice, ToolSpec,
};

use crate::answer::STATE;

/// The fields that were not carried.
pub(crate) fn fields(req: &ChatRequest) -> Vec<DroppedField> {
    let mut dropped = Vec::new();
    let mut note = |field: String, reason: &str| dropped.push(DroppedField::new(field, reason));
    let sampling = &req.sampling;
    for (field, is_set) in [
        ("temperature", sampling.temperature.is_some()),
        ("top_p", sampling.top_p.is_some()),
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
    ] {
        if is_set {
            note(field.to_owned(), "echo chooses no words");
        }
    }
    for (i, tool) in req.tools.iter().enumerate() {
        match tool {
            ToolSpec::Other(_) => note(format!("tools[{i}]"), "echo runs no tools"),
            ToolSpec::Function(tool) if tool.cache.is_some() => note(format!("tools[{i}].cache_control"), NO_CACHE),
            ToolSpec::Function(_) => {}
        }
    }
    if let Some(ToolChoice::Other(_)) = req.tool_choice {
        note("tool_choice".to_owned(), "echo does not know this form");
    }
    if let Some(ResponseFormat::Other(_)) = req.response_format {
        note("response_format".to_owned(), "echo does not know this form");
    }
    for (i, message) in req.messages.iter().enumerate() {
        of_message(message, &format!("messages[{i}]"), &mut note);
    }
    for (name, _) in &req.extra {
        note(name.clone(), "echo has no such parameter");
    }
    dropped
}

const NO_CACHE: &str = "echo keeps no cache";

fn of_message(message: &Message, at: &str, note: &mut impl FnMut(String, &str)) {
    for (name, _) in &message.extra {
        note(format!("{at}.{name}"), "echo has no such field");
    }
    for (j, part) in message.parts.iter().enumerate() {
        let at = format!("{at}.content[{j}]");
        if part.cache.is_some() {
            note(format!("{at}.cache_control"), NO_CACHE);
        }
        if let Some(state) = part.state.as_ref().filter(|state| state.format != STATE) {
            note(
                format!("{at}.provider_state"),
                &format!("echo does not know state of format `{}`", state.format),
            );
        }
        // An answer's own fields, e.g. a sound's id, come back with it.
        let own = message.role == Role::Assistant && !matches!(part.content, PartContent::Text(_));
        for (name, _) in part.extra.iter().filter(|_| !own) {
            note(format!("{at}.{name}"), "echo has no such field");
        }
    }
}
