//! The tools on offer and the choice among them.
//!
//! In: neutral tools and the choice. Out: `tools` and `tool_choice`. Never: a look into a schema
//! beyond its top level, unless the caller wants the arguments held to it.

use llm_provider_sdk::openai::AllowedTools;
use llm_provider_sdk::types::{ChatRequest, Tool, ToolChoice, ToolSpec};

use super::blocks::{cache_control, take_known};
use super::format::schema;
use crate::model::Model;
use crate::report::Report;
use crate::wire::Object;

/// Members of a function that the API knows beside those with a neutral place.
const TOOL_FIELDS: &[&str] = &[
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
];

/// `type`s of tools that other providers define and Anthropic refuses.
const FOREIGN_TOOLS: &[&str] = &[
    "apply_patch",
    "code_interpreter",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "shell",
    "web_search",
    "web_search_preview",
];

/// What is offered to the model.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) tools: Vec<Object>,
    pub(super) choice: Option<Object>,
}

impl Offer {
    /// Whether the model has to call a tool.
    pub(super) fn forces_tool(&self) -> bool {
        let kind = self.choice.as_ref().and_then(kind);
        matches!(kind.as_deref(), Some("any" | "tool"))
    }

    /// The `type`s of the tools that have one.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.tools.iter().filter_map(kind).collect()
    }

    pub(super) fn write(self, body: &mut Object) {
        if !self.tools.is_empty() {
            body.put_list("tools", self.tools);
        }
        if let Some(choice) = self.choice {
            body.put_object("tool_choice", choice);
        }
    }
}

pub(super) fn encode(request: &ChatRequest, model: &Model, report: &mut Report) -> Offer {
    let mut tools = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        let at = format!("tools[{at}]");
        match tool {
            ToolSpec::Function(tool) => tools.push(function(tool, model, &at, report)),
            ToolSpec::Other(tool) => match Object::parse(&tool.value) {
                Some(value) if !is_foreign(&tool.kind, &value) => tools.push(value),
                _ => report.add(at, format!("Anthropic has no tool of type `{}`", tool.kind)),
            },
        }
    }
    let wanted = match AllowedTools::of(request.tool_choice.as_ref()) {
        Some(allowed) => {
            // What may not be called need not be offered.
            tools.retain(|tool| tool.read::<String>("name").is_some_and(|name| allowed.has(&name)));
            Some(allowed.mode)
        }
        None => request.tool_choice.clone(),
    };
    if tools.is_empty() && !request.tools.is_empty() {
        if let Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Other(_)) = wanted {
            report.add("tool_choice", "none of the tools it is among reached Anthropic");
        }
        return Offer::default();
    }
    let single = request.parallel_tool_calls == Some(false);
    let choice = choice(wanted.as_ref(), single, model, !tools.is_empty(), report);
    Offer { tools, choice }
}

fn kind(choice: &Object) -> Option<String> {
    choice.read("type")
}

/// `type`s of a choice that Anthropic knows.
const CHOICES: &[&str] = &["any", "auto", "none", "tool"];

/// `custom` is Anthropic's own word for a function with `input_schema`, and OpenAI's for a tool
/// with free text.
fn is_foreign(kind: &str, tool: &Object) -> bool {
    FOREIGN_TOOLS.contains(&kind) || kind == "custom" && !tool.has("input_schema")
}

fn function(tool: &Tool, model: &Model, at: &str, report: &mut Report) -> Object {
    let mut out = Object::new().with("name", &tool.name);
    if let Some(description) = &tool.description {
        out.put("description", description);
    }
    let strict = strict(tool, model, at, report);
    let mut schema = input_schema(tool.input_schema.as_deref());
    if strict == Some(true) {
        schema = schema::fit(&schema, &format!("{at}.parameters"), report).to_string();
    }
    if !out.put_json("input_schema", &schema) {
        report.add(
            format!("{at}.parameters"),
            "it is not JSON; the tool was sent as one without arguments",
        );
        out.put_object("input_schema", Object::of_type("object"));
    }
    if let Some(strict) = strict {
        out.put("strict", strict);
    }
    if let Some(hint) = &tool.cache {
        out.put_object("cache_control", cache_control(hint, at, report));
    }
    take_known(&tool.extra, TOOL_FIELDS, at, &mut out, report);
    out
}

/// Whether the arguments are to be held to the schema. A model that has no structured outputs refuses
/// every request with a strict tool.
fn strict(tool: &Tool, model: &Model, at: &str, report: &mut Report) -> Option<bool> {
    if model.structured_output {
        return tool.strict;
    }
    if tool.strict == Some(true) {
        report.add(
            format!("{at}.strict"),
            "this model cannot be held to a schema; the tool was sent as one that is not strict",
        );
    }
    None
}

/// Anthropic needs a schema, and in it `type`. Where a caller wrote no form at all, an object is
/// meant; a schema with a form of its own (`anyOf`, `$ref`) is the caller's to change.
pub fn input_schema(schema: Option<&str>) -> String {
    let Some(text) = schema else {
        return Object::of_type("object").to_json();
    };
    match Object::parse(text) {
        Some(fields) if FORMS.iter().all(|form| !fields.has(form)) => {
            let mut out = Object::of_type("object");
            for (name, value) in fields.members() {
                out.put(name, value);
            }
            out.to_json()
        }
        _ => text.to_owned(),
    }
}

/// Members that give a schema its form.
const FORMS: &[&str] = &["type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const", "not"];

fn choice(
    wanted: Option<&ToolChoice>,
    single: bool,
    model: &Model,
    has_tools: bool,
    report: &mut Report,
) -> Option<Object> {
    let mut out = match wanted {
        // Anthropic refuses a choice without tools, and these two say nothing then.
        None | Some(ToolChoice::Auto | ToolChoice::None) if !has_tools => return None,
        None if single => Object::of_type("auto"),
        None => return None,
        Some(ToolChoice::Auto) => Object::of_type("auto"),
        Some(ToolChoice::None) => return Some(Object::of_type("none")),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !model.forced_tools => {
            report.add(
                "tool_choice",
                "this model cannot be forced to call a tool; it was sent as `auto`",
            );
            Object::of_type("auto")
        }
        Some(ToolChoice::Required) => Object::of_type("any"),
        Some(ToolChoice::Named(name)) => Object::of_type("tool").with("name", name),
        Some(ToolChoice::Other(json)) => match Object::parse(json) {
            Some(own) if kind(&own).is_some_and(|kind| CHOICES.contains(&kind.as_str())) => own,
            _ => {
                report.add("tool_choice", "it is not a choice that Anthropic knows");
                return None;
            }
        },
    };
    if single && !out.has("disable_parallel_tool_use") {
        out.set("disable_parallel_tool_use", true);
    }
    Some(out)
}
