//! From the neutral request to Converse's.
//!
//! In: a neutral request, the model it is for, what the request says under `bedrock`, and the settings.
//! Out: the SDK's typed input, the texts to splice into the body it writes, and what the decoder of
//! the answer has to know. Never: a wish of the caller that is lost without an entry in `dropped` or
//! an error.

mod blocks;
mod claude;
mod fields;
mod media;
mod messages;
mod names;
mod renamed;
mod tools;
mod turns;

pub(crate) use fields::OWN;
pub(crate) use renamed::{metadata, tier};

use aws_sdk_bedrockruntime::operation::converse::ConverseInput;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamInput;
use aws_sdk_bedrockruntime::types::{Message, OutputConfig, SystemContentBlock, ToolConfiguration};
use llm_provider_sdk::json;
use llm_provider_sdk::types::{ChatRequest, Error, Extras};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::Context;
use crate::error;
use crate::report::Report;
use crate::settings::{Guardrail, Operation, Settings};
use crate::target::{Family, Target};
use crate::wire::Splice;

/// The format of provider state of Claude models: their signatures are the same at Anthropic.
pub const CLAUDE_STATE: &str = "anthropic";
/// The format of provider state of all other models.
pub const BEDROCK_STATE: &str = "bedrock";

/// The member of a request that holds what is Bedrock's own.
pub const WISH: &str = "bedrock";

/// What a request says under `bedrock`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// How the model is asked.
    pub operation: Option<Operation>,
    /// Where.
    pub region: Option<String>,
    /// The guardrail, instead of that of the settings.
    pub guardrail: Option<Guardrail>,
    /// Members of Converse's own request, by their names.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Wish {
    /// Takes it out of the further fields of a request.
    ///
    /// Errors: `invalid-request` when it is not of this form.
    pub fn take(extra: &mut Extras) -> Result<Self, Error> {
        Ok(json::take_extra(extra, WISH)?.unwrap_or_default())
    }
}

/// A request, ready to be written.
#[derive(Debug)]
pub struct Encoded {
    model: String,
    messages: Vec<Message>,
    system: Vec<SystemContentBlock>,
    tools: Option<ToolConfiguration>,
    output: Option<OutputConfig>,
    /// What stands in the body beside what the SDK writes.
    pub splice: Splice,
    /// For the decoder of the answer; its id is still to come.
    pub context: Context,
}

impl Encoded {
    /// The input of Converse, and the texts to splice into it.
    ///
    /// Errors: `invalid-request` when the SDK misses something.
    pub fn converse(self) -> Result<(ConverseInput, Splice, Context), Error> {
        let input = ConverseInput::builder()
            .model_id(self.model)
            .set_messages(Some(self.messages))
            .set_system(Some(self.system).filter(|system| !system.is_empty()))
            .set_tool_config(self.tools)
            .set_output_config(self.output)
            .build();
        Ok((built(input)?, self.splice, self.context))
    }

    /// The input of ConverseStream. Errors as in [`converse`](Self::converse).
    pub fn converse_stream(self) -> Result<(ConverseStreamInput, Splice, Context), Error> {
        let input = ConverseStreamInput::builder()
            .model_id(self.model)
            .set_messages(Some(self.messages))
            .set_system(Some(self.system).filter(|system| !system.is_empty()))
            .set_tool_config(self.tools)
            .set_output_config(self.output)
            .build();
        Ok((built(input)?, self.splice, self.context))
    }
}

/// What the SDK built, or what it misses.
pub(crate) fn built<T, E: std::error::Error + 'static>(value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|fault| Error::invalid_request(format!("the request cannot be built: {}", error::sources(&fault))))
}

/// Writes the request.
///
/// Errors: `unsupported` for what would make the answer another one if it were left out (several
/// answers, media by address).
pub fn encode(
    mut request: ChatRequest,
    target: &Target,
    wish: Wish,
    settings: &Settings,
    stream: bool,
) -> Result<Encoded, Error> {
    one_answer(&request)?;
    let mut report = Report::default();
    let mut splice = Splice::default();
    let mut format = tools::answer_format(&request, target, &mut report);
    format.fit(target, &mut report);
    let plan = fields::plan(&request, target, format.tool(), &mut report);
    let mut encoder = blocks::Encoder {
        target,
        family: target.family,
        splice: &mut splice,
        report: &mut report,
        documents: Vec::new(),
    };
    let conversation = messages::encode(std::mem::take(&mut request.messages), target, &mut encoder)?;
    let called = conversation.called;
    let renamed = tools::renamed(&request, &called);
    let tools = tools::encode(&request, target, &format, &plan, &called, &mut splice, &mut report)?;
    fields::write(
        &mut request,
        &plan,
        target,
        wish,
        settings,
        stream,
        &mut splice,
        &mut report,
    )?;
    let answer_tool = format.tool().map(|tool| tool.name.clone());
    Ok(Encoded {
        model: target.id.clone(),
        messages: conversation.turns,
        system: conversation.system,
        tools,
        output: format.output()?,
        splice,
        context: Context {
            model: target.id.clone(),
            id: String::new(),
            dropped: report.into_dropped(),
            answer_tool,
            renamed,
            state_format: state_format(target.family),
        },
    })
}

/// The format of provider state that a family's answers carry.
pub fn state_format(family: Family) -> &'static str {
    match family {
        Family::Claude => CLAUDE_STATE,
        _ => BEDROCK_STATE,
    }
}

/// Fewer answers than asked for would look like a whole result, so they are an error.
fn one_answer(request: &ChatRequest) -> Result<(), Error> {
    match request.sampling.n {
        None | Some(1) => Ok(()),
        Some(n) => Err(error::unsupported(
            "n",
            format!("Bedrock makes one answer per request, not {n}. Leave `n` out and ask several times."),
        )),
    }
}

#[cfg(test)]
mod tests;
