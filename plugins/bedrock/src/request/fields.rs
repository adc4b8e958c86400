//! Sampling, reasoning, and everything beside the conversation.
//!
//! In: the neutral fields, the further fields of the request, what it says under `bedrock`, and the
//! settings. Out: the members of the body that the SDK is not given, with numbers and orders as they
//! were written. Never: a field that the model would silently ignore.

use llm_provider_sdk::types::{ChatRequest, Error, Extras, ReasoningOptions, Sampling, Tool};
use serde_json::{Map, Value, json};

use super::renamed::{METADATA, TIER, TIERS, fitting};
use super::{Wish, claude};
use crate::report::Report;
use crate::settings::{Guardrail, Settings};
use crate::target::{Family, Target};
use crate::wire::Splice;

/// Members of Converse's request that a caller may write as they are, at the top or under `bedrock`.
pub(crate) const OWN: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
];

/// Fields that the host has acted on, and those with which OpenAI's clients ask for nothing.
const SERVED: &[&str] = &["stream", "stream_options"];
const SAYS_NOTHING: &[&str] = &["false", "0", "{}", "[]", "null", r#"["text"]"#];

/// What Nova 2 refuses while it thinks with most effort, with OpenAI's names.
const NOT_WITH_MOST_EFFORT: &[(&str, &str)] = &[
    ("maxTokens", "max_completion_tokens"),
    ("temperature", "temperature"),
    ("topP", "top_p"),
];

/// What is sent beside the conversation.
#[derive(Debug)]
pub(super) struct Plan {
    /// Whether a tool may be forced.
    pub(super) may_force: bool,
    /// `inferenceConfig`.
    pub(super) inference: Map<String, Value>,
    /// `additionalModelRequestFields`.
    pub(super) additional: Map<String, Value>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            may_force: true,
            inference: Map::new(),
            additional: Map::new(),
        }
    }
}

impl Plan {
    /// Sets a member of `inferenceConfig`, if there is a value.
    pub(super) fn inference(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.inference.insert(name.to_owned(), value);
        }
    }
}

/// Fits sampling and reasoning to the model.
pub(super) fn plan(request: &ChatRequest, target: &Target, answer_tool: Option<&Tool>, report: &mut Report) -> Plan {
    if target.family == Family::Claude {
        // What the Messages API's encoder refuses (several answers) has been refused before.
        return claude::plan(request, target, answer_tool, report).unwrap_or_default();
    }
    let mut plan = Plan::default();
    if target.is_gpt() {
        // The newest models of OpenAI are not sampled by the caller.
        plan.inference("maxTokens", request.sampling.max_output_tokens.map(Value::from));
        unsampled(&request.sampling, report);
        if let Some(options) = &request.reasoning {
            reasoning(options, target, &mut plan, report);
        }
        return plan;
    }
    let wish = &request.sampling;
    plan.inference("maxTokens", wish.max_output_tokens.map(Value::from));
    plan.inference("temperature", temperature(wish.temperature, report).map(Value::from));
    plan.inference("topP", wish.top_p.map(Value::from));
    let stops: Vec<&String> = wish.stop.iter().filter(|stop| !stop.is_empty()).collect();
    if !stops.is_empty() {
        plan.inference("stopSequences", Some(json!(stops)));
    }
    if let Some(top_k) = wish.top_k {
        match target.family {
            Family::Nova => {
                _ = plan
                    .additional
                    .insert("inferenceConfig".to_owned(), json!({ "topK": top_k }))
            }
            Family::CommandR => _ = plan.additional.insert("k".to_owned(), Value::from(top_k)),
            Family::Mistral | Family::OpenAi | Family::Other => {
                plan.additional.insert("top_k".to_owned(), Value::from(top_k));
            }
            _ => report.add("top_k", "this model has no such parameter"),
        }
    }
    let (penalties, seed) = match target.family {
        Family::CommandR | Family::OpenAi => (true, true),
        Family::Jamba => (true, false),
        _ => (false, false),
    };
    let more = [
        (
            "frequency_penalty",
            wish.frequency_penalty.filter(|value| *value != 0.0).map(Value::from),
            penalties,
        ),
        (
            "presence_penalty",
            wish.presence_penalty.filter(|value| *value != 0.0).map(Value::from),
            penalties,
        ),
        ("seed", wish.seed.map(Value::from), seed),
    ];
    for (name, value, known) in more {
        match value {
            Some(value) if known => _ = plan.additional.insert(name.to_owned(), value),
            Some(_) => report.add(name, "this model has no such parameter"),
            None => {}
        }
    }
    if let Some(options) = &request.reasoning {
        reasoning(options, target, &mut plan, report);
    }
    plan
}

/// Reports every wish on how to choose tokens.
fn unsampled(wish: &Sampling, report: &mut Report) {
    let said = [
        ("temperature", wish.temperature.is_some_and(|value| value != 1.0)),
        ("top_p", wish.top_p.is_some_and(|value| value != 1.0)),
        ("top_k", wish.top_k.is_some()),
        ("stop", !wish.stop.is_empty()),
        ("seed", wish.seed.is_some()),
        (
            "frequency_penalty",
            wish.frequency_penalty.is_some_and(|value| value != 0.0),
        ),
        (
            "presence_penalty",
            wish.presence_penalty.is_some_and(|value| value != 0.0),
        ),
    ];
    for (name, _) in said.iter().filter(|(_, said)| *said) {
        report.add(*name, "this model has no such parameter");
    }
}

/// Converse's range ends where OpenAI's has its middle.
fn temperature(wish: Option<f64>, report: &mut Report) -> Option<f64> {
    let wish = wish?;
    if wish <= 1.0 {
        return Some(wish);
    }
    report.add(
        "temperature",
        format!("Bedrock's range is 0 to 1; 1 was sent instead of {wish}"),
    );
    Some(1.0)
}

/// How much to think, in each model's words.
fn reasoning(options: &ReasoningOptions, target: &Target, plan: &mut Plan, report: &mut Report) {
    let effort = match options.effort.as_deref() {
        Some("minimal") => Some("low"),
        Some("xhigh" | "max") => Some("high"),
        other => other,
    };
    if options.max_tokens.is_some() {
        report.add(
            "reasoning.max_tokens",
            "this model takes no number of tokens to think with",
        );
    }
    let Some(effort) = effort else { return };
    if target.is_gpt() {
        let own = options.effort.as_deref().filter(|effort| *effort != "minimal");
        plan.additional
            .insert("reasoning".to_owned(), json!({ "effort": own.unwrap_or(effort) }));
    } else if target.base.contains("qwen.") {
        let known = if effort == "low" { "low" } else { "high" };
        match effort {
            "none" => report.add(
                "reasoning_effort",
                "this model is not told to think, so it need not be told not to",
            ),
            _ => {
                _ = plan
                    .additional
                    .insert("reasoning_config".to_owned(), Value::from(known))
            }
        }
        if effort == "medium" {
            report.add("reasoning_effort", "this model knows `low` and `high`; `high` was sent");
        }
    } else if target.base.contains("nova-2") {
        let config = match effort {
            "none" => json!({"type": "disabled"}),
            effort => json!({"type": "enabled", "maxReasoningEffort": effort}),
        };
        if effort == "high" {
            for (name, field) in NOT_WITH_MOST_EFFORT {
                if plan.inference.shift_remove(*name).is_some() {
                    report.add(*field, "this model does not take it together with its most effort");
                }
            }
        }
        plan.additional.insert("reasoningConfig".to_owned(), config);
    } else if target.base.contains("gpt-oss") && effort == "none" {
        report.add(
            "reasoning_effort",
            "this model always thinks; its least effort is `low`",
        );
    } else if target.base.contains("gpt-") {
        plan.additional
            .insert("reasoning_effort".to_owned(), Value::from(effort));
    } else if effort != "none" {
        report.add(
            "reasoning_effort",
            "Bedrock has no common word for it; give this model's own parameter under `additionalModelRequestFields`",
        );
    }
}

/// Writes the members of the body that the SDK is not given.
///
/// Errors: `invalid-request` when a member is not of its form.
#[allow(clippy::too_many_arguments)]
pub(super) fn write(
    request: &mut ChatRequest,
    plan: &Plan,
    target: &Target,
    wish: Wish,
    settings: &Settings,
    stream: bool,
    splice: &mut Splice,
    report: &mut Report,
) -> Result<(), Error> {
    if target.is_prompt() {
        for name in plan.inference.keys() {
            report.add(
                name,
                "a prompt that is kept at Bedrock brings its own parameters, and takes no others",
            );
        }
    } else if !plan.inference.is_empty() {
        splice.member("inferenceConfig", Value::Object(plan.inference.clone()));
    }
    let mut additional = plan.additional.clone();
    let model_tools = splice.take_model_tools();
    if !model_tools.is_empty() {
        additional.insert("tools".to_owned(), Value::from(model_tools));
    }
    if let Some(choice) = splice.take_model_choice() {
        additional.insert("tool_choice".to_owned(), choice);
    }
    if request.user.is_some() {
        report.add(
            "user",
            "Bedrock has no name of the end user; `requestMetadata` goes into its log of invocations",
        );
    }
    let named = std::mem::take(&mut request.extra);
    let mut own = take_own(named, target.family, wish.fields, splice, report)?;
    if let Some(given) = own.remove("additionalModelRequestFields") {
        merge(&mut additional, given);
    }
    if !additional.is_empty() {
        splice.member("additionalModelRequestFields", Value::Object(additional));
    }
    if !own.contains_key("guardrailConfig")
        && let Some(guardrail) = wish.guardrail.as_ref().or(settings.guardrail.as_ref())
    {
        splice.member("guardrailConfig", guardrail_config(guardrail, stream));
    }
    for (name, value) in own {
        splice.member(&name, value);
    }
    Ok(())
}

/// Takes the members of Converse's own out of what a request says at the top and under `bedrock`; the
/// latter counts more. What is neither is reported.
fn take_own(
    extra: Extras,
    family: Family,
    under: Map<String, Value>,
    splice: &mut Splice,
    report: &mut Report,
) -> Result<Map<String, Value>, Error> {
    let mut own = Map::new();
    for (name, text) in extra {
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            report.add(name, "it is not JSON");
            continue;
        };
        match name.as_str() {
            known if OWN.contains(&known) => _ = own.insert(name, value),
            known if SERVED.contains(&known) || SAYS_NOTHING.contains(&text.trim()) => {}
            known if family == Family::Claude && claude::FIELDS.contains(&known) => {}
            TIER => match value.as_str() {
                Some("auto") => {}
                Some(tier) if TIERS.contains(&tier) => {
                    own.insert("serviceTier".to_owned(), json!({ "type": tier }));
                }
                _ => report.add(name, "Bedrock's tiers are `default`, `flex`, `priority` and `reserved`"),
            },
            METADATA => {
                let pairs = fitting(value, report);
                if !pairs.is_empty() {
                    own.insert("requestMetadata".to_owned(), Value::Object(pairs));
                }
            }
            _ => report.add(
                name,
                "Converse has no such field; give a parameter of the model's own under `additionalModelRequestFields`",
            ),
        }
    }
    for (name, value) in under {
        if OWN.contains(&name.as_str()) {
            own.insert(name, value);
        } else {
            // Newer than this adapter: the service judges.
            splice.member(&name, value);
        }
    }
    Ok(own)
}

/// Adds what the caller gave: objects are joined, all else counts more than what is there.
fn merge(into: &mut Map<String, Value>, given: Value) {
    let Value::Object(given) = given else { return };
    for (name, value) in given {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(inner)), value @ Value::Object(_)) => merge(inner, value),
            (_, value) => _ = into.insert(name, value),
        }
    }
}

fn guardrail_config(guardrail: &Guardrail, stream: bool) -> Value {
    let mut out = Map::new();
    out.insert(
        "guardrailIdentifier".to_owned(),
        Value::from(guardrail.identifier.as_str()),
    );
    out.insert("guardrailVersion".to_owned(), Value::from(guardrail.version.as_str()));
    if let Some(trace) = &guardrail.trace {
        out.insert("trace".to_owned(), Value::from(trace.as_str()));
    }
    if let Some(mode) = guardrail.stream_processing_mode.as_deref().filter(|_| stream) {
        out.insert("streamProcessingMode".to_owned(), Value::from(mode));
    }
    Value::Object(out)
}
