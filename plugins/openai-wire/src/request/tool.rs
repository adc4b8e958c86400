//! Tools on offer, and which of them to use.
//!
//! In: neutral tools. Out: `tools` and `tool_choice`. Never: a change to a schema.

use llm_provider_sdk::types::{Error, Tool as Neutral, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::value::RawValue;

use super::fields::Members;
use super::{Asked, fields};
use crate::profile::Profile;

/// One of `tools`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    Function {
        r#type: &'static str,
        function: Function<'a>,
        /// The cache mark stands beside the function, not in it.
        #[serde(flatten)]
        beside: Members<'a>,
    },
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
pub(crate) struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(flatten)]
    extra: Members<'a>,
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Choice<'a> {
    Word(&'static str),
    Named { r#type: &'static str, function: Name<'a> },
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
pub(crate) struct Name<'a> {
    name: &'a str,
}

/// `tools`.
pub(crate) fn tools<'a>(specs: &'a [ToolSpec], profile: &Profile, asked: &mut Asked) -> Result<Vec<Tool<'a>>, Error> {
    let mut tools = Vec::with_capacity(specs.len());
    for (i, spec) in specs.iter().enumerate() {
        let at = format!("tools[{i}]");
        match spec {
            ToolSpec::Function(tool) => tools.push(function(tool, &at, profile, asked)?),
            ToolSpec::Other(tool) if profile.tool_kinds.has(&tool.kind) => {
                tools.push(Tool::Raw(fields::raw(&tool.value, &at)?));
            }
            ToolSpec::Other(tool) => asked.drop(
                at,
                format!("{} has no tool of type `{}` in this API", profile.name, tool.kind),
            ),
        }
    }
    Ok(tools)
}

fn function<'a>(tool: &'a Neutral, at: &str, profile: &Profile, asked: &mut Asked) -> Result<Tool<'a>, Error> {
    let inside = format!("{at}.function");
    let parameters = match &tool.input_schema {
        Some(schema) => Some(fields::raw(schema, &format!("{inside}.parameters"))?),
        None => None,
    };
    let mut extra = Members::default();
    extra.extend_known(&tool.extra, profile.function_fields, &inside, asked)?;
    let mut beside = Members::default();
    beside.cache(tool.cache.as_ref(), at, profile, asked);
    Ok(Tool::Function {
        r#type: "function",
        function: Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters,
            strict: tool.strict,
            extra,
        },
        beside,
    })
}

/// `tool_choice`.
pub(crate) fn choice(choice: &ToolChoice) -> Result<Choice<'_>, Error> {
    Ok(match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => Choice::Named {
            r#type: "function",
            function: Name { name },
        },
        ToolChoice::Other(json) => Choice::Raw(fields::raw(json, "tool_choice")?),
    })
}
