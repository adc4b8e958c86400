//! Conversations by Converse and ConverseStream.
//!
//! In: a neutral request and its target. Out: the answer, whole or as a stream. Never: a form on the
//! wire; those are `request`'s, `response`'s and `stream`'s.

use aws_sdk_bedrockruntime::operation::converse::Converse;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStream;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, DroppedField, Error};
use llm_provider_sdk::{EventStream, http};

use crate::error::Asked;
use crate::request::{self, Wish};
use crate::settings::Settings;
use crate::stream::Decoder;
use crate::target::{Family, Target};
use crate::transport::{self, Operation};
use crate::{response, transport::Answered};

/// The media type of an AWS event stream.
pub const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// What the service says of models that stream nothing, or no tools.
const NOT_STREAMED: &[&str] = &["support tool use in streaming mode", "unsupported for streaming"];

/// Asks for a whole answer.
pub async fn complete(
    req: ChatRequest,
    target: &Target,
    wish: Wish,
    settings: &Settings,
) -> Result<ChatResponse, Error> {
    fold(whole(req, target, wish, settings).await?)
}

/// Asks for a whole answer, and gives the events that it is the sum of.
async fn whole(req: ChatRequest, target: &Target, wish: Wish, settings: &Settings) -> Result<Vec<ChatEvent>, Error> {
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
    response::events(&operation, &head, body, context).map_err(|error| located(error, &head))
}

/// Asks for an answer piece by piece. Some models give one with tools, or any, only as a whole; that is
/// then asked for.
pub async fn stream(req: ChatRequest, target: &Target, wish: Wish, settings: &Settings) -> Result<EventStream, Error> {
    // Those of Anthropic and Amazon stream everything.
    let again = (!matches!(target.family, Family::Claude | Family::Nova)).then(|| (req.clone(), wish.clone()));
    let refused = match streamed(req, target, wish, settings).await {
        Err(refused) => refused,
        streamed => return streamed,
    };
    let Some((req, wish)) = again.filter(|_| NOT_STREAMED.iter().any(|words| refused.message.contains(words))) else {
        return Err(refused);
    };
    match whole(req, target, wish, settings).await {
        Ok(mut events) => {
            if let Some(ChatEvent::Start(start)) = events.first_mut() {
                let reason = "the model gives this answer only as a whole, and it was asked for so";
                start.dropped.push(DroppedField::new("stream", reason));
            }
            Ok(EventStream::from_events(events))
        }
        // What does not come from Bedrock says less than its first word.
        Err(error) if error.provider_code.is_none() => Err(refused),
        Err(error) => Err(error),
    }
}

async fn streamed(req: ChatRequest, target: &Target, wish: Wish, settings: &Settings) -> Result<EventStream, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::{Recording, Reply, block_on};
    use llm_provider_sdk::types::{ErrorKind, Message, Role};
    use serde_json::json;

    const LLAMA: &str = "us.meta.llama4-maverick-17b-instruct-v1:0";

    fn refusal(status: u16, kind: &str, message: &str) -> Reply {
        Reply::json(status, json!({ "message": message }).to_string()).header("x-amzn-errortype", kind)
    }

    fn not_streamed() -> Reply {
        let message = "This model doesn't support tool use in streaming mode.";
        refusal(400, "ValidationException", message)
    }

    fn ask(model: &str) -> Result<EventStream, Error> {
        let settings = serde_json::from_value(json!({"region": "us-east-1"})).unwrap();
        let target = Target::resolve(model, &Wish::default(), &settings).unwrap();
        let req = ChatRequest::new(model, vec![Message::text(Role::User, "Hi")]);
        block_on(super::stream(req, &target, Wish::default(), &settings))
    }

    #[test]
    fn a_model_that_streams_no_tools_is_asked_for_the_whole() {
        let said = json!({"output": {"message": {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}]}}, "stopReason": "tool_use",
            "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
        let host = Recording::new()
            .reply(not_streamed())
            .reply(Reply::json(200, said.to_string()))
            .install();
        let events = block_on(ask(LLAMA).unwrap().collect());
        let urls: Vec<String> = host.requests().iter().map(|sent| sent.url.clone()).collect();
        assert!(
            urls[0].ends_with("/converse-stream") && urls[1].ends_with("/converse"),
            "{urls:?}"
        );
        let answer = fold(events).unwrap();
        assert_eq!(answer.usage.unwrap().output, 2);
        assert_eq!(answer.dropped[0].field, "stream");
    }

    #[test]
    fn of_two_refusals_the_services_own_counts() {
        let cases = [
            (
                LLAMA,
                Some(refusal(429, "ThrottlingException", "Too many requests")),
                ErrorKind::RateLimited,
                2,
            ),
            (LLAMA, Some(Reply::json(502, "{}")), ErrorKind::InvalidRequest, 2),
            ("amazon.nova-lite-v1:0", None, ErrorKind::InvalidRequest, 1),
        ];
        for (model, second, kind, sent) in cases {
            let mut host = Recording::new().reply(not_streamed());
            if let Some(second) = second {
                host = host.reply(second);
            }
            let host = host.install();
            let error = ask(model).map(|_| ()).unwrap_err();
            assert_eq!((error.kind, host.requests().len()), (kind, sent), "{error:?}");
        }
    }
}
