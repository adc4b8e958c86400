//! Conversations by InvokeModel and InvokeModelWithResponseStream, in the model's own form.
//!
//! In: a neutral request and its target. Out: the answer, whole or as a stream. Never: a family's form;
//! each has a module of its own, which this one chooses by the target.

mod claude;
mod nova;
mod older;
pub(crate) mod openai;
mod prompt;
mod riders;
mod stream;
mod text;

use aws_sdk_bedrockruntime::operation::invoke_model::{InvokeModel, InvokeModelInput, InvokeModelOutput};
use aws_sdk_bedrockruntime::operation::invoke_model_with_response_stream::{
    InvokeModelWithResponseStream, InvokeModelWithResponseStreamInput,
};
use aws_smithy_types::Blob;
use bytes::Bytes;
use llm_provider_sdk::EventStream;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, DroppedField, Error, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::riders::Riders;
use crate::answer::Context;
use crate::converse::{asked, is_event_stream, located};
use crate::request::{BEDROCK_STATE, Wish, built};
use crate::settings::Settings;
use crate::target::{Family, Target};
use crate::transport::{self, Answered, Operation};

const JSON: &str = "application/json";

/// A request in a family's own form.
#[derive(Debug)]
struct Encoded {
    body: Vec<u8>,
    form: Form,
}

/// How the answer is read.
#[derive(Debug)]
enum Form {
    Claude(llm_anthropic_wire::response::Context),
    OpenAi(llm_openai_wire::Asked),
    Nova(Context),
    Text(text::Shape, Context),
}

impl Form {
    /// What the reader of a continuation needs, where one may come instead.
    fn older(&self, target: &str) -> Option<Context> {
        let dropped = match self {
            Self::Claude(context) => context.dropped.clone(),
            Self::OpenAi(asked) => asked.dropped.clone(),
            Self::Nova(_) | Self::Text(..) => return None,
        };
        Some(Context {
            model: target.to_owned(),
            dropped,
            state_format: BEDROCK_STATE,
            ..Context::default()
        })
    }

    /// Reads a whole answer.
    fn whole(self, target: &str, head: &Answered, body: &[u8]) -> Result<ChatResponse, Error> {
        let told = std::str::from_utf8(body).unwrap_or_default();
        if let Some((context, shape)) = self.older(target).zip(older::shape(told)) {
            return text::decode(shape, head, body, context);
        }
        match self {
            Self::Claude(context) => llm_anthropic_wire::response::decode(body, context),
            Self::OpenAi(asked) => openai::decode(head, body, asked),
            Self::Nova(context) => nova::decode(head, body, context),
            Self::Text(shape, context) => text::decode(shape, head, body, context),
        }
    }

    /// Reads the pieces of a streamed answer.
    fn pieces(self, target: &str, head: &Answered) -> Result<Box<dyn stream::Pieces>, Error> {
        let older = self.older(target).map(|context| Context {
            id: head.request_id(),
            ..context
        });
        let newer: Box<dyn stream::Pieces> = match self {
            Self::Claude(context) => Box::new(claude::Chunks::new(context)),
            Self::OpenAi(asked) => Box::new(openai::Chunks::new(asked)),
            Self::Nova(context) => Box::new(nova::Chunks::new(context)?),
            Self::Text(shape, context) => Box::new(text::Chunks::new(shape, context)),
        };
        Ok(match older {
            Some(context) => Box::new(older::Either::new(newer, context)),
            None => newer,
        })
    }
}

fn encode(req: ChatRequest, target: &Target, wish: &Wish, stream: bool) -> Result<Encoded, Error> {
    match target.family {
        Family::Claude => claude::encode(req, target, wish),
        Family::Nova => nova::encode(req, target, wish),
        Family::Titan | Family::Llama | Family::Command | Family::CommandR | Family::Jurassic => {
            text::encode(req, target, wish, stream)
        }
        Family::Mistral | Family::OpenAi if prompt::takes_prompt(&target.base) => {
            text::encode(req, target, wish, stream)
        }
        Family::Mistral | Family::Jamba | Family::OpenAi | Family::Other => openai::encode(req, wish),
    }
}

/// Members that the caller wants in the body, whatever it says otherwise.
fn additional(wish: &Wish) -> Map<String, Value> {
    match wish.fields.get("additionalModelRequestFields") {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    }
}

/// The request in the family's form, and what rides in headers.
fn encoded(
    mut req: ChatRequest,
    target: &Target,
    mut wish: Wish,
    settings: &Settings,
    stream: bool,
) -> Result<(Encoded, Riders), Error> {
    let mut riders = Riders::take(&mut req, &mut wish, target.family, settings)?;
    let mut encoded = encode(req, target, &wish, stream)?;
    encoded.form.note(std::mem::take(&mut riders.dropped));
    Ok((encoded, riders))
}

/// Asks for a whole answer.
pub async fn complete(
    req: ChatRequest,
    target: &Target,
    wish: Wish,
    settings: &Settings,
) -> Result<ChatResponse, Error> {
    let (Encoded { body, form }, riders) = encoded(req, target, wish, settings, false)?;
    let (head, body) = invoke(&target.id, body, &riders, target, settings).await?;
    form.whole(&target.id, &head, &body)
        .map_err(|error| located(error, &head))
}

/// The input of either call; their builders have the same members and no type in common.
macro_rules! input {
    ($input:ident, $model:expr, $body:expr, $riders:expr) => {
        $input::builder()
            .model_id($model)
            .content_type(JSON)
            .accept(JSON)
            .body(Blob::new($body))
            .set_guardrail_identifier($riders.guardrail_identifier())
            .set_guardrail_version($riders.guardrail_version())
            .set_trace($riders.trace())
            .set_performance_config_latency($riders.latency())
            .set_service_tier($riders.tier())
            .set_request_metadata($riders.metadata())
            .build()
    };
}

/// One InvokeModel.
pub(crate) async fn invoke(
    model: &str,
    body: Vec<u8>,
    riders: &Riders,
    target: &Target,
    settings: &Settings,
) -> Result<(Answered, Vec<u8>), Error> {
    let input = input!(InvokeModelInput, model, body, riders);
    let mut operation = Operation::of(&InvokeModel::new());
    // What the model gets is the caller's bytes already: nothing is spliced in.
    let written = operation.write_blob(built(input)?)?;
    let asked = asked("bedrock:InvokeModel", target);
    let answer = transport::send(&target.origin(settings)?, written, transport::slot(settings), &asked).await?;
    let head = transport::head(&answer);
    let body = Bytes::from(transport::body(answer).await?);
    let output: InvokeModelOutput = operation.read(&head, body)?;
    Ok((head, output.body.into_inner()))
}

/// Asks for an answer piece by piece.
pub async fn stream(req: ChatRequest, target: &Target, wish: Wish, settings: &Settings) -> Result<EventStream, Error> {
    let (Encoded { body, form }, riders) = encoded(req, target, wish, settings, true)?;
    let input = input!(InvokeModelWithResponseStreamInput, &target.id, body, riders);
    let mut operation = Operation::of(&InvokeModelWithResponseStream::new());
    let written = operation.write_blob(built(input)?)?;
    let asked = asked("bedrock:InvokeModelWithResponseStream", target);
    let answer = transport::send(&target.origin(settings)?, written, transport::slot(settings), &asked).await?;
    let head = transport::head(&answer);
    is_event_stream(&answer).map_err(|error| located(error, &head))?;
    let pieces = form.named(&head).pieces(&target.id, &head)?;
    let decoder = stream::Decoder::new(&operation, &head, pieces, asked.keep())?;
    EventStream::decode(answer, decoder).begin().await
}

impl Form {
    /// Notes what could not be carried.
    fn note(&mut self, more: Vec<DroppedField>) {
        match self {
            Self::Claude(context) => context.dropped.extend(more),
            Self::OpenAi(asked) => asked.dropped.extend(more),
            Self::Nova(context) | Self::Text(_, context) => context.dropped.extend(more),
        }
    }

    /// With the service's id of the request.
    fn named(mut self, head: &Answered) -> Self {
        if let Self::Nova(context) | Self::Text(_, context) = &mut self {
            context.id = head.request_id();
        }
        self
    }
}

/// What a call used.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Metrics {
    #[serde(rename = "inputTokenCount", default)]
    input: f64,
    #[serde(rename = "outputTokenCount", default)]
    output: f64,
    #[serde(rename = "cacheReadInputTokenCount", default)]
    read: f64,
    #[serde(rename = "cacheWriteInputTokenCount", default)]
    write: f64,
}

impl Metrics {
    /// What the head of a whole answer says.
    fn of(head: &Answered) -> Option<Self> {
        let count = |name: &str| {
            let value = head.header(&format!("x-amzn-bedrock-{name}-token-count"))?;
            value.parse::<f64>().ok()
        };
        Some(Self {
            input: count("input")?,
            output: count("output").unwrap_or(0.0),
            read: count("cache-read-input").unwrap_or(0.0),
            write: count("cache-write-input").unwrap_or(0.0),
        })
    }

    /// The buckets. Some models count in fractions of zero: `28.0`.
    pub(crate) fn usage(self) -> Usage {
        // Counts are not negative; the cast of one that is would be 0.
        Usage {
            input: self.input as u64,
            cache_read: self.read as u64,
            cache_write: self.write as u64,
            output: self.output as u64,
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests;
