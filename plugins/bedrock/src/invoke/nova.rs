//! Nova in its own form, which is Converse's with other names for a few members.
//!
//! In: the neutral request, and the pieces of an answer. Out: the body, and events. Never: a second
//! reading of Converse's answers.

use aws_sdk_bedrockruntime::operation::converse::Converse;
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStream;
use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::StreamDecoder;
use llm_provider_sdk::framer::event_stream;
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error};
use serde_json::{Map, Value};

use super::stream::Pieces;
use super::{Encoded, Form};
use crate::answer::Context;
use crate::error::Asked;
use crate::request::{self, Wish};
use crate::settings::Settings;
use crate::target::Target;
use crate::transport::{Answered, Operation};
use crate::{response, stream};

/// The version of the form.
const SCHEMA: &str = "messages-v1";

/// Members of Converse that are headers of InvokeModel, or that Nova's form does not have.
const ELSEWHERE: &[&str] = &[
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "requestMetadata",
];

/// Writes the body: Converse's, with the model's own fields among its members.
pub(super) fn encode(req: ChatRequest, target: &Target, wish: &Wish) -> Result<Encoded, Error> {
    let encoded = request::encode(req, target, wish.clone(), &Settings::default(), false)?;
    let (input, splice, context) = encoded.converse()?;
    let written = Operation::of(&Converse::new()).write(input, &splice)?;
    let fault = |fault: serde_json::Error| Error::internal(format!("the SDK wrote no JSON: {fault}"));
    let mut body: Map<String, Value> = serde_json::from_slice(&written.body).map_err(fault)?;
    if let Some(Value::Object(more)) = body.shift_remove("additionalModelRequestFields") {
        for (name, value) in more {
            match (body.get_mut(&name), value) {
                (Some(Value::Object(inner)), Value::Object(value)) => inner.extend(value),
                (_, value) => _ = body.insert(name, value),
            }
        }
    }
    for name in ELSEWHERE {
        body.shift_remove(*name);
    }
    body.insert("schemaVersion".to_owned(), Value::from(SCHEMA));
    Ok(Encoded {
        body: Value::Object(body).to_string().into_bytes(),
        form: Form::Nova(context),
    })
}

/// Reads a whole answer.
pub(super) fn decode(head: &Answered, body: &[u8], context: Context) -> Result<ChatResponse, Error> {
    let context = Context {
        id: head.request_id(),
        ..context
    };
    response::decode(&Operation::of(&Converse::new()), head, body.to_vec(), context)
}

/// The chunks of an answer: ConverseStream's events, each in an object under its name.
#[derive(Debug)]
pub(super) struct Chunks {
    decoder: stream::Decoder,
}

impl Chunks {
    /// The chunks of the answer to one request.
    pub(super) fn new(context: Context) -> Result<Self, Error> {
        let head = Answered {
            status: 200,
            headers: Vec::new(),
        };
        let nothing = Asked {
            permission: "",
            model: "",
            region: "",
        };
        let operation = Operation::of(&ConverseStream::new());
        let decoder = stream::Decoder::new(operation, head, context, nothing.keep())?;
        Ok(Self { decoder })
    }
}

impl Pieces for Chunks {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        let Some(chunk) = Object::parse(json) else {
            return Err(crate::error::not_the_api("a piece is not a JSON object"));
        };
        // Bedrock's own members say what the guardrail and the meter said; the rest is one event.
        for (name, value) in chunk.members().filter(|(name, _)| !name.starts_with("amazon-bedrock-")) {
            let headers = [(":message-type", "event"), (":event-type", name)];
            self.decoder
                .feed(&event_stream::encode(&headers, value.get().as_bytes()), out);
        }
        for name in ["amazon-bedrock-guardrailAction", "amazon-bedrock-trace"] {
            if let Some(value) = chunk.get(name) {
                self.decoder.field(name, value.get().to_owned(), out);
            }
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        self.decoder.close(Ok(()), out);
    }

    // The counts are given as they come.
    fn broken(&mut self, _: &mut Vec<ChatEvent>) {}
}
