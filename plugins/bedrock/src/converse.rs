//! Conversations by Converse and ConverseStream.
//!
//! In: a neutral request and its target. Out: the answer, whole or as a stream. Never: a form on the
//! wire; those are `request`'s, `response`'s and `stream`'s.

use aws_sdk_bedrockruntime::operation::converse::Converse;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStream;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error};
use llm_provider_sdk::{EventStream, http};

use crate::error::Asked;
use crate::request::{self, Wish};
use crate::settings::Settings;
use crate::stream::Decoder;
use crate::target::Target;
use crate::transport::{self, Operation};
use crate::{response, transport::Answered};

/// The media type of an AWS event stream.
pub const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Asks for a whole answer.
pub async fn complete(
    req: ChatRequest,
    target: &Target,
    wish: Wish,
    settings: &Settings,
) -> Result<ChatResponse, Error> {
    let encoded = request::encode(req, target, wish, settings, false)?;
    let (input, splice, mut context) = encoded.converse()?;
    let mut operation = Operation::of(&Converse::new());
    let written = operation.write(input, &splice)?;
    let asked = asked("bedrock:InvokeModel", target);
    let origin = target.origin(settings)?;
    let answer = transport::send(&origin, written, transport::slot(settings), &asked).await?;
    let head = transport::head(&answer);
    context.id = head.request_id();
    let body = transport::body(answer).await?;
    response::decode(&operation, &head, body, context).map_err(|error| located(error, &head))
}

/// Asks for an answer piece by piece.
pub async fn stream(req: ChatRequest, target: &Target, wish: Wish, settings: &Settings) -> Result<EventStream, Error> {
    let encoded = request::encode(req, target, wish, settings, true)?;
    let (input, splice, mut context) = encoded.converse_stream()?;
    let mut operation = Operation::of(&ConverseStream::new());
    let written = operation.write(input, &splice)?;
    let asked = asked("bedrock:InvokeModelWithResponseStream", target);
    let origin = target.origin(settings)?;
    let answer = transport::send(&origin, written, transport::slot(settings), &asked).await?;
    let head = transport::head(&answer);
    is_event_stream(&answer).map_err(|error| located(error, &head))?;
    context.id = head.request_id();
    let decoder = Decoder::new(operation, head, context, asked.keep())?;
    // A service that is throttled may say so in the first event, with a good status.
    EventStream::decode(answer, decoder).begin().await
}

/// What is asked, for advice on errors.
pub fn asked<'t>(permission: &'static str, target: &'t Target) -> Asked<'t> {
    Asked {
        permission,
        model: &target.id,
        region: &target.region,
    }
}

/// An error of an answer with what its head says.
pub fn located(error: Error, head: &Answered) -> Error {
    error.with_response(head.status, &head.headers)
}

/// A proxy that answers for the service does so in another form.
pub fn is_event_stream(answer: &http::Response) -> Result<(), Error> {
    match answer.header("content-type") {
        Some(kind) if !kind.starts_with(EVENT_STREAM) => Err(crate::error::not_the_api(&format!(
            "a stream was asked for, and `{kind}` came"
        ))),
        _ => Ok(()),
    }
}
