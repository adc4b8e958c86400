//! A neutral request as the body of `POST /chat/completions`.
//!
//! In: a [`ChatRequest`] and the provider's [`Profile`]. Out: the [`Body`], which borrows from the
//! request and is written once, and what the answer's decoder has to know ([`Asked`]), with all
//! that could not be carried. Never: a guess at what a model supports; a parameter that the
//! model refuses is the caller's to see.

mod content;
pub(crate) mod fields;
mod message;
mod result;
mod thought;
mod tool;

use llm_provider_sdk::types::{ChatRequest, DroppedField, Error, Extras, ReasoningOptions, ResponseFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use self::fields::{Member, Members};
use self::message::Message;
use crate::profile::{MaxTokens, Profile, ReasoningWish};
use crate::wire::Fields;
use crate::wire::media::sound_type;

/// How a request is to be encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Ask for a stream, with its usage.
    pub stream: bool,
    /// Names of further members to pass on, besides those of the profile: parameters that are
    /// newer than this crate.
    pub pass: &'a [String],
}

/// What the decoder of the answer has to know of the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// What could not be carried.
    pub dropped: Vec<DroppedField>,
    /// Media type of the sound that was asked for; empty when none was.
    pub sound_type: String,
}

impl Asked {
    /// Notes what could not be carried.
    pub(crate) fn drop(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.dropped.push(DroppedField::new(field, reason));
    }
}

/// The body of a request, ready to be written as JSON.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tool::Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tool::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Members<'a>>,
    #[serde(flatten)]
    extra: Members<'a>,
}

/// Members of the body that have a neutral form. One that arrives in `extra` all the same would
/// stand in the body twice.
const PLACED: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "top_k",
    "max_completion_tokens",
    "max_tokens",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "user",
    "stream",
];

/// `response_format`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Format<'a> {
    Plain {
        r#type: &'static str,
    },
    Schema {
        r#type: &'static str,
        json_schema: Schema<'a>,
    },
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// `reasoning`, as OpenRouter and gateways like this one take it.
#[derive(Debug, Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude: Option<bool>,
}

/// Encodes a request.
///
/// # Errors
/// Kind `invalid-request` when a member that has to be JSON is not.
pub fn encode<'a>(req: &'a ChatRequest, profile: &Profile, options: Options<'_>) -> Result<(Body<'a>, Asked), Error> {
    let mut asked = Asked {
        sound_type: asked_sound(&req.extra),
        ..Asked::default()
    };
    let sampling = &req.sampling;
    if sampling.top_k.is_some() && !profile.top_k {
        asked.drop("top_k", format!("{} has no such parameter", profile.name));
    }
    let (max_completion_tokens, max_tokens) = match profile.max_tokens {
        MaxTokens::MaxCompletionTokens => (sampling.max_output_tokens, None),
        MaxTokens::MaxTokens => (None, sampling.max_output_tokens),
    };
    let (reasoning_effort, reasoning) = reasoning(req.reasoning.as_ref(), profile, &mut asked);
    let (extra, stream_options) = further(&req.extra, profile, options, &mut asked)?;
    let body = Body {
        model: &req.model,
        messages: message::messages(&req.messages, profile, &mut asked)?,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k.filter(|_| profile.top_k),
        max_completion_tokens,
        max_tokens,
        stop: &sampling.stop,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        n: sampling.n,
        tools: tool::tools(&req.tools, profile, &mut asked)?,
        tool_choice: req.tool_choice.as_ref().map(tool::choice).transpose()?,
        parallel_tool_calls: req.parallel_tool_calls,
        response_format: req.response_format.as_ref().map(format).transpose()?,
        reasoning_effort,
        reasoning,
        user: req.user.as_deref(),
        stream: options.stream.then_some(true),
        stream_options,
        extra,
    };
    Ok((body, asked))
}

/// The media type of the sound that `audio.format` asks for.
fn asked_sound(extra: &Extras) -> String {
    extra
        .iter()
        .find(|(name, _)| name == "audio")
        .and_then(|(_, json)| Fields::parse(json).ok()?.take_text("format"))
        .map(|format| sound_type(&format))
        .unwrap_or_default()
}

fn format(format: &ResponseFormat) -> Result<Format<'_>, Error> {
    Ok(match format {
        ResponseFormat::Text => Format::Plain { r#type: "text" },
        ResponseFormat::JsonObject => Format::Plain { r#type: "json_object" },
        ResponseFormat::JsonSchema(schema) => Format::Schema {
            r#type: "json_schema",
            json_schema: Schema {
                name: &schema.name,
                description: schema.description.as_deref(),
                schema: fields::raw(&schema.schema, "response_format.json_schema.schema")?,
                strict: schema.strict,
            },
        },
        ResponseFormat::Other(json) => Format::Raw(fields::raw(json, "response_format")?),
    })
}

fn reasoning<'a>(
    wish: Option<&'a ReasoningOptions>,
    profile: &Profile,
    asked: &mut Asked,
) -> (Option<&'a str>, Option<Reasoning<'a>>) {
    let Some(wish) = wish else { return (None, None) };
    let effort = wish.effort.as_deref();
    match profile.reasoning_wish {
        ReasoningWish::Effort => {
            if wish.max_tokens.is_some() {
                asked.drop(
                    "reasoning.max_tokens",
                    format!("{} takes an effort in words, not a number of tokens", profile.name),
                );
            }
            if let Some(shown) = wish.include_text {
                let field = if shown {
                    "reasoning.summary"
                } else {
                    "reasoning.exclude"
                };
                asked.drop(field, format!("{} does not let the caller choose", profile.name));
            }
            (effort, None)
        }
        ReasoningWish::Object => {
            let exclude = wish.include_text.map(|shown| !shown);
            (
                None,
                Some(Reasoning {
                    effort,
                    max_tokens: wish.max_tokens,
                    exclude,
                }),
            )
        }
    }
}

/// The caller's further members, and the stream's options among them.
pub(crate) fn further<'a>(
    extra: &'a Extras,
    profile: &Profile,
    options: Options<'_>,
    asked: &mut Asked,
) -> Result<(Members<'a>, Option<Members<'a>>), Error> {
    let mut members = Members::default();
    let mut stream_options = Members::default();
    for (name, json) in extra {
        let value = fields::raw(json, name)?;
        // Another shape than an object has no neutral form, and is some provider's own.
        let own_reasoning = name == "reasoning" && profile.reasoning_wish == ReasoningWish::Effort;
        if PLACED.contains(&name.as_str()) && !own_reasoning {
            asked.drop(name, "its place is taken by the field's neutral form");
        } else if name == "stream_options" {
            if options.stream && profile.stream_usage {
                let given = serde_json::from_str(json).map_err(|_| fields::not_json(name))?;
                stream_options = Members::of(given);
            } else {
                asked.drop(name, "it has no meaning for this request");
            }
        } else if options.pass.contains(name) || profile.request_fields.has(name) && !name.contains('.') {
            members.push(name, Member::Raw(value));
        } else {
            asked.drop(name, format!("{} has no such parameter", profile.name));
        }
    }
    if !(options.stream && profile.stream_usage) {
        return Ok((members, None));
    }
    stream_options.set("include_usage", Member::Flag(true));
    Ok((members, Some(stream_options)))
}

#[cfg(test)]
mod tests;
