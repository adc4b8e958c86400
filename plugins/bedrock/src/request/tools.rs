//! Tools, the choice among them, and the form of the answer.
//!
//! In: the neutral tools, choice and response format. Out: `toolConfig`, and `outputConfig` or a tool
//! that has to be called in its place. Never: words added to the prompt.

use aws_sdk_bedrockruntime::types::{
    AnyToolChoice, AutoToolChoice, JsonSchemaDefinition, OutputConfig, OutputFormat, OutputFormatStructure,
    OutputFormatType, SpecificToolChoice, SystemTool, Tool, ToolChoice, ToolConfiguration, ToolInputSchema,
    ToolSpecification,
};
use llm_anthropic_wire::model::Model;
use llm_anthropic_wire::request::{ANSWER_SCHEMA, input_schema};
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::openai::AllowedTools;
use llm_provider_sdk::types::{
    Annotated, ChatRequest, Error, ResponseFormat, SchemaFormat, Tool as Function, ToolChoice as Choice, ToolSpec,
};
use serde_json::Value;

use super::fields::Plan;
use super::{blocks, built, claude, names};
use crate::report::Report;
use crate::target::{Family, Target};
use crate::wire::Splice;

/// Name of the tool that stands for a response format.
const ANSWER_TOOL: &str = "structured_answer";

/// Claude models whose schemas of answers and strict tools Bedrock refuses, though Anthropic takes them.
const NOT_HELD: &[&str] = &[
    "claude-opus-4-1",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-fable-5",
    "claude-sonnet-5",
];

/// Mistral's and Google's models that Bedrock holds to a schema; it refuses one for the others.
const HELD_OF_MISTRAL: &[&str] = &["magistral-small", "ministral-3", "mistral-large-3", "voxtral"];
const HELD_OF_GOOGLE: &[&str] = &["gemma-3-12b", "gemma-3-27b"];

/// Models that cannot be made to call a tool.
const NOT_FORCED: &[&str] = &["claude-opus-5-5"];

/// A schema that takes any arguments.
const ANY_ARGUMENTS: &str = r#"{"type":"object"}"#;

/// How the answer gets its form.
#[derive(Debug, Default)]
pub(super) enum AnswerFormat {
    /// It has none.
    #[default]
    Free,
    /// By `outputConfig`.
    Native(SchemaFormat),
    /// By a tool that has to be called.
    Tool(Function),
}

impl AnswerFormat {
    /// The tool that stands for it.
    pub(super) fn tool(&self) -> Option<&Function> {
        match self {
            Self::Tool(tool) => Some(tool),
            _ => None,
        }
    }

    /// Fits the schema to what the service enforces: objects that hold nothing else, and no bounds.
    pub(super) fn fit(&mut self, target: &Target, report: &mut Report) {
        let Self::Native(format) = self else { return };
        if let Some(schema) = claude::held_schema(&format.schema, ANSWER_SCHEMA, target.family, report) {
            format.schema = schema;
        }
    }

    /// `outputConfig`.
    pub(super) fn output(self) -> Result<Option<OutputConfig>, Error> {
        let Self::Native(format) = self else { return Ok(None) };
        let schema = JsonSchemaDefinition::builder()
            .schema(format.schema)
            .name(format.name)
            .set_description(format.description);
        let format = OutputFormat::builder()
            .r#type(OutputFormatType::JsonSchema)
            .structure(OutputFormatStructure::JsonSchema(built(schema.build())?));
        Ok(Some(
            OutputConfig::builder().text_format(built(format.build())?).build(),
        ))
    }
}

/// Names that had to be fitted: what is sent, and the caller's.
pub(super) fn renamed(request: &ChatRequest, called: &[String]) -> Vec<(String, String)> {
    let declared = request.tools.iter().filter_map(|tool| match tool {
        ToolSpec::Function(function) => Some(&function.name),
        ToolSpec::Other(_) => None,
    });
    let pair = |own: &String| (names::tool(own).into_owned(), own.clone());
    let all = declared.chain(called).map(pair);
    all.filter(|(sent, own)| sent != own).collect()
}

/// Whether Bedrock can hold what a model writes to a schema.
fn is_held(target: &Target) -> bool {
    match target.family {
        Family::Claude => Model::named(&target.base).structured_output && !target.is_one_of(NOT_HELD),
        Family::Nova
        | Family::Titan
        | Family::Jurassic
        | Family::Command
        | Family::CommandR
        | Family::Jamba
        | Family::Llama => false,
        Family::Mistral => target.is_one_of(HELD_OF_MISTRAL),
        Family::OpenAi => !target.is_one_of(&["writer.", "google."]) || target.is_one_of(HELD_OF_GOOGLE),
        Family::Other => true,
    }
}

/// Which way the response format goes.
pub(super) fn answer_format(request: &ChatRequest, target: &Target, report: &mut Report) -> AnswerFormat {
    let format = match &request.response_format {
        None | Some(ResponseFormat::Text) => return AnswerFormat::Free,
        Some(ResponseFormat::JsonSchema(format)) => format,
        Some(ResponseFormat::JsonObject) => {
            report.add(
                "response_format",
                "Bedrock holds an answer to a schema, not to JSON in general: give a `json_schema`, or rely on the prompt",
            );
            return AnswerFormat::Free;
        }
        Some(ResponseFormat::Other(_)) => {
            report.add("response_format", "it is not a form that Bedrock knows");
            return AnswerFormat::Free;
        }
    };
    if is_held(target) {
        return AnswerFormat::Native(format.clone());
    }
    if !matches!(target.family, Family::Claude | Family::Nova) {
        report.add(
            "response_format",
            "Bedrock cannot hold this model to a schema; rely on the prompt",
        );
        return AnswerFormat::Free;
    }
    AnswerFormat::Tool(Function {
        name: ANSWER_TOOL.to_owned(),
        description: Some(
            format
                .description
                .clone()
                .unwrap_or_else(|| "Gives the answer in the form that was asked for.".to_owned()),
        ),
        input_schema: Some(format.schema.clone()),
        strict: None,
        cache: None,
        extra: Vec::new(),
    })
}

/// Writes `toolConfig`; `None` without tools.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target,
    format: &AnswerFormat,
    plan: &Plan,
    called: &[String],
    splice: &mut Splice,
    report: &mut Report,
) -> Result<Option<ToolConfiguration>, Error> {
    if request.tool_choice == Some(Choice::None) && called.is_empty() && format.tool().is_none() {
        // Without tools none can be called, and nothing of the conversation needs them.
        return Ok(None);
    }
    let allowed = AllowedTools::of(request.tool_choice.as_ref());
    // What may not be called need not be offered, unless the conversation holds a call of it.
    let offered = |name: &String| allowed.as_ref().is_none_or(|allowed| allowed.has(name)) || called.contains(name);
    let mut tools = Vec::new();
    let mut names = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        let at = format!("tools[{at}]");
        match tool {
            ToolSpec::Function(function) if !offered(&function.name) => {}
            ToolSpec::Function(function) => {
                names.push(function.name.as_str());
                self::function(function, target, &at, &mut tools, splice, report)?;
            }
            ToolSpec::Other(own) => tools.extend(self::own(own, target.family, &at, splice, report)?),
        }
    }
    if let Some(tool) = format.tool() {
        self::function(tool, target, "response_format", &mut tools, splice, report)?;
    }
    for name in called.iter().filter(|name| !names.contains(&name.as_str())) {
        report.add(
            "tools",
            format!("Bedrock wants the tools of earlier calls declared; `{name}` was, with any arguments"),
        );
        tools.push(specification(name, None, ANY_ARGUMENTS.to_owned(), None, splice)?);
    }
    if tools.is_empty() {
        return Ok(None);
    }
    let wanted = allowed.map_or_else(|| request.tool_choice.clone(), |allowed| Some(allowed.mode));
    let single = request.parallel_tool_calls == Some(false);
    // Claude takes the limit with its own choice, which then stands for Converse's.
    let limits = single && target.family == Family::Claude && wanted != Some(Choice::None);
    let mut choice = choice(
        wanted.as_ref(),
        single && !limits,
        format,
        plan,
        target,
        names.len(),
        report,
    )?;
    if limits {
        splice.limit_choice(choice.take().as_ref());
    }
    let config = ToolConfiguration::builder()
        .set_tools(Some(tools))
        .set_tool_choice(choice);
    built(config.build()).map(Some)
}

fn function(
    function: &Function,
    target: &Target,
    at: &str,
    tools: &mut Vec<Tool>,
    splice: &mut Splice,
    report: &mut Report,
) -> Result<(), Error> {
    let schema = match function.input_schema.as_deref() {
        None => ANY_ARGUMENTS.to_owned(),
        Some(text) if serde_json::from_str::<Value>(text).is_ok_and(|schema| schema.is_object()) => of_object(text),
        Some(_) => {
            report.add(
                format!("{at}.parameters"),
                "it is not a JSON object; the tool was sent as one with any arguments",
            );
            ANY_ARGUMENTS.to_owned()
        }
    };
    let description = function.description.as_deref().filter(|text| !text.is_empty());
    let strict = function.strict.filter(|_| is_held(target));
    let schema = match strict {
        Some(true) => {
            let own = function.input_schema.as_deref().map(|own| input_schema(Some(own)));
            own.and_then(|own| claude::held_schema(&own, &format!("{at}.parameters"), target.family, report))
                .unwrap_or(schema)
        }
        _ => schema,
    };
    if function.strict == Some(true) && strict.is_none() {
        report.add(
            format!("{at}.strict"),
            "Bedrock cannot hold this model to a schema; the tool was sent as one that is not strict",
        );
    }
    tools.push(specification(&function.name, description, schema, strict, splice)?);
    for (name, _) in &function.extra {
        report.add(format!("{at}.{name}"), "Bedrock's tools have no such member");
    }
    if let Some(hint) = &function.cache {
        let at = format!("{at}.cache_control");
        tools.extend(blocks::cache_point(hint, target, true, &at, report)?.map(Tool::CachePoint));
    }
    Ok(())
}

/// The service refuses a schema whose root does not say that it is an object's.
fn of_object(schema: &str) -> String {
    let members: Object = Object::parse(schema).unwrap_or_default();
    if members.has("type") {
        return schema.to_owned();
    }
    let rest = schema.trim_start().strip_prefix('{').unwrap_or_default().trim_start();
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"type":"object"{comma}{rest}"#)
}

fn specification(
    name: &str,
    description: Option<&str>,
    schema: String,
    strict: Option<bool>,
    splice: &mut Splice,
) -> Result<Tool, Error> {
    let tool = ToolSpecification::builder()
        .name(names::tool(name))
        .set_description(description.map(str::to_owned))
        .input_schema(ToolInputSchema::Json(splice.document(schema)))
        .set_strict(strict);
    Ok(Tool::ToolSpec(built(tool.build())?))
}

/// Whether a tool is in one of Converse's forms.
fn is_converses(value: &Value) -> bool {
    ["systemTool", "toolSpec", "cachePoint"]
        .iter()
        .any(|name| value.get(name).is_some())
}

/// Whether a tool is in Anthropic's form: it has a type and a name.
pub(super) fn is_anthropics(own: &Annotated) -> bool {
    let value: Value = serde_json::from_str(&own.value).unwrap_or_default();
    !is_converses(&value) && value.get("type").is_some() && value.get("name").is_some()
}

/// A tool of the provider's own: one of Converse's forms, or, for Claude, one of Anthropic's.
fn own(
    own: &Annotated,
    family: Family,
    at: &str,
    splice: &mut Splice,
    report: &mut Report,
) -> Result<Option<Tool>, Error> {
    let value: Value = serde_json::from_str(&own.value).unwrap_or_default();
    if is_converses(&value) {
        let tool = SystemTool::builder().name(splice.tool(own.value.clone()));
        return Ok(Some(Tool::SystemTool(built(tool.build())?)));
    }
    if family == Family::Claude && is_anthropics(own) {
        splice.model_tool(value);
        return Ok(None);
    }
    report.add(at, format!("Bedrock has no tool of type `{}` for this model", own.kind));
    Ok(None)
}

fn choice(
    wanted: Option<&Choice>,
    single: bool,
    format: &AnswerFormat,
    plan: &Plan,
    target: &Target,
    own_tools: usize,
    report: &mut Report,
) -> Result<Option<ToolChoice>, Error> {
    if single {
        report.add(
            "parallel_tool_calls",
            "Converse cannot limit an answer to one call; ask with `bedrock: {\"operation\": \"invoke\"}` for models that can",
        );
    }
    let any = || ToolChoice::Any(AnyToolChoice::builder().build());
    let named = |name: &str| {
        let choice = SpecificToolChoice::builder().name(names::tool(name)).build();
        built(choice).map(ToolChoice::Tool)
    };
    // Meta's models are always left to decide.
    let may_force = plan.may_force && target.family != Family::Llama && !target.is_one_of(NOT_FORCED);
    if !may_force && !matches!(wanted, Some(Choice::None | Choice::Auto)) {
        let forced = matches!(wanted, Some(Choice::Required | Choice::Named(_)));
        if forced || format.tool().is_some() {
            report.add(
                "tool_choice",
                "the model cannot be forced to call a tool here; it was left to decide",
            );
        }
        return Ok(None);
    }
    if let Some(tool) = format.tool() {
        // With tools of the caller's the model may call one of them first.
        return if own_tools > 0 {
            Ok(Some(any()))
        } else {
            named(&tool.name).map(Some)
        };
    }
    match wanted {
        None => Ok(None),
        Some(Choice::Auto) => Ok(Some(ToolChoice::Auto(AutoToolChoice::builder().build()))),
        Some(Choice::Required) => Ok(Some(any())),
        Some(Choice::Named(name)) if target.family == Family::Mistral => {
            if own_tools > 1 {
                report.add(
                    "tool_choice",
                    format!("this model can be made to call a tool, but not a certain one; `{name}` was left to it"),
                );
            }
            Ok(Some(any()))
        }
        Some(Choice::Named(name)) => named(name).map(Some),
        Some(Choice::None) => {
            report.add(
                "tool_choice",
                "Bedrock cannot forbid calls while the conversation holds some; the model was left to decide",
            );
            Ok(None)
        }
        Some(Choice::Other(_)) => {
            report.add("tool_choice", "it is not a choice that Bedrock knows");
            Ok(None)
        }
    }
}
