//! The one question that the doctor asks.
//!
//! In: what is known of the provider's models. Out: the model to ask, a request of a few tokens, and what
//! its answer says. Never: the answer's text, which is of no use here.

use crate::config::Models;
use crate::llm::{self, ModelInfo};

/// The most tokens of the answer. Some providers take no fewer.
const TOKENS: u32 = 16;

/// The model to ask: the one that was named, the configuration's default or first alias of this
/// provider, else the first of the provider's list that can converse.
pub(super) fn model(named: Option<&str>, provider: &str, names: &Models, list: &[ModelInfo]) -> Option<String> {
    if let Some(named) = named {
        let own = named.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/'));
        return Some(own.unwrap_or(named).to_owned());
    }
    let configured = names.default.iter().chain(names.aliases.values());
    let mut configured = configured.filter(|target| target.provider == provider);
    let converses = |model: &&ModelInfo| {
        model.capabilities.is_empty() || model.capabilities.iter().any(|capability| capability == "chat")
    };
    configured
        .next()
        .map(|target| target.model.clone())
        .or_else(|| list.iter().find(converses).map(|model| model.id.clone()))
}

/// A question that is cheap to answer.
pub(super) fn short(model: &str) -> llm::ChatRequest {
    let text = llm::Part {
        content: llm::PartContent::Text("Reply with the word ok.".to_owned()),
        state: None,
        cache: None,
        extra: Vec::new(),
    };
    llm::ChatRequest {
        model: model.to_owned(),
        messages: vec![llm::Message {
            role: llm::Role::User,
            name: None,
            parts: vec![text],
            extra: Vec::new(),
        }],
        sampling: llm::Sampling {
            temperature: None,
            top_p: None,
            top_k: None,
            max_output_tokens: Some(TOKENS),
            stop: Vec::new(),
            seed: None,
            frequency_penalty: None,
            presence_penalty: None,
            n: None,
        },
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        reasoning: None,
        user: None,
        extra: Vec::new(),
    }
}

/// Who answered, and what it used.
pub(super) fn told(answer: &llm::ChatResponse) -> String {
    let used = answer.usage.as_ref().map(|usage| {
        let read = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_long;
        format!(", tokens: {read} in, {} out", usage.output + usage.reasoning)
    });
    format!("{} answered{}", answer.model, used.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelRef;

    fn info(id: &str, capabilities: &[&str]) -> ModelInfo {
        ModelInfo {
            id: id.to_owned(),
            name: None,
            created: None,
            capabilities: capabilities.iter().map(|word| (*word).to_owned()).collect(),
            context_window: None,
            max_output_tokens: None,
            extra: Vec::new(),
        }
    }

    #[test]
    fn the_model_is_the_nearest_that_is_known() {
        let names = |default: Option<&str>, aliases: &[(&str, &str)]| Models {
            default: default.map(|text| ModelRef::new(text).unwrap()),
            aliases: aliases
                .iter()
                .map(|(alias, text)| ((*alias).to_owned(), ModelRef::new(text).unwrap()))
                .collect(),
            patterns: Vec::new(),
        };
        let list = [info("embed", &["embeddings"]), info("talk", &["chat"])];
        for (named, names, list, expected) in [
            (Some("m"), names(Some("p/d"), &[]), &list[..], Some("m")),
            (Some("p/m/1"), names(None, &[]), &list, Some("m/1")),
            (Some("q/m"), names(None, &[]), &list, Some("q/m")),
            (None, names(Some("p/d"), &[]), &list, Some("d")),
            (None, names(Some("q/d"), &[("fast", "p/f")]), &list, Some("f")),
            (None, names(Some("q/d"), &[]), &list, Some("talk")),
            (None, names(None, &[]), &list[..1], None),
            (None, names(None, &[]), &[], None),
        ] {
            assert_eq!(model(named, "p", &names, list).as_deref(), expected, "{named:?}");
        }
    }
}
