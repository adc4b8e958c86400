//! The form of the answer.
//!
//! In: the neutral response format. Out: `output_config.format` with a schema that Anthropic takes,
//! or, on models without it, a tool that has to be called. Never: words added to the prompt.

pub(super) mod schema;

use llm_provider_sdk::types::{ChatRequest, ResponseFormat, SchemaFormat};

use super::tools::{Offer, input_schema};
use crate::model::Model;
use crate::report::Report;
use crate::wire::{self, Object};

/// Where the schema stands in the caller's request.
pub const SCHEMA: &str = "response_format.json_schema.schema";

/// Name of the tool that stands for a response format.
const ANSWER_TOOL: &str = "structured_answer";

/// Writes the format into `output_config`, or adds a tool to the offer and gives its name.
pub(super) fn apply(
    request: &ChatRequest,
    model: &Model,
    offer: &mut Offer,
    config: &mut Object,
    report: &mut Report,
) -> Option<String> {
    let format = request.response_format.as_ref()?;
    if config.has("format") {
        report.add("response_format", "`output_config.format` was given too, and counts");
        return None;
    }
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => {
            report.add(
                "response_format",
                "Anthropic holds an answer to a schema, not to JSON in general: give a `json_schema`, or rely on the prompt",
            );
            None
        }
        ResponseFormat::JsonSchema(format) if model.structured_output => {
            let mut schema = schema::fit(&format.schema, SCHEMA, report);
            // What the answer is for has no other place there.
            if let (Some(fields), Some(said)) = (schema.as_object_mut(), &format.description) {
                fields.entry("description").or_insert_with(|| said.as_str().into());
            }
            config.set("format", Object::of_type("json_schema").with("schema", schema));
            None
        }
        ResponseFormat::JsonSchema(format) => as_tool(format, offer, report),
        ResponseFormat::Other(json) => {
            match wire::raw(json) {
                Some(own) => config.set("format", own),
                None => report.add("response_format", "it is not JSON"),
            }
            None
        }
    }
}

/// On models without structured outputs, a tool with the schema has to be called; its arguments
/// come back as the answer's text. Beside the caller's own tools the model may choose among all.
fn as_tool(format: &SchemaFormat, offer: &mut Offer, report: &mut Report) -> Option<String> {
    let kind: Option<String> = offer.choice.as_ref().and_then(|choice| choice.read("type"));
    if kind.as_deref() == Some("tool") {
        report.add(
            "response_format",
            "this model has no structured outputs, and calls the tool that `tool_choice` names instead of answering",
        );
        return None;
    }
    let mut name = ANSWER_TOOL.to_owned();
    while offer
        .tools
        .iter()
        .any(|tool| tool.read::<String>("name").as_ref() == Some(&name))
    {
        name.push('_');
    }
    let description = format
        .description
        .as_deref()
        .unwrap_or("Gives the final answer. Call it once, with the whole answer.");
    let mut tool = Object::new().with("name", &name).with("description", description);
    if !tool.put_json("input_schema", &input_schema(Some(&format.schema))) {
        report.add("response_format", "its schema is not JSON");
        return None;
    }
    let may_call_others = !offer.tools.is_empty() && kind.as_deref() != Some("none");
    offer.choice = Some(if may_call_others {
        Object::of_type("any")
    } else {
        Object::of_type("tool")
            .with("name", &name)
            .with("disable_parallel_tool_use", true)
    });
    offer.tools.push(tool);
    report.add(
        "response_format",
        format!("this model has no structured outputs; the schema was sent as the tool `{name}`, whose arguments are the answer"),
    );
    Some(name)
}
