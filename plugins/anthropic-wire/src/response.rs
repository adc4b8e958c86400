//! Whole answers.
//!
//! In: the JSON body of a good answer. Out: the neutral answer; a block without a neutral form is
//! carried as it is. Never: a failure over something unknown inside an answer.

use llm_provider_sdk::fold::fold;
use llm_provider_sdk::types::{ChatResponse, DroppedField, Error, Extras, FinishReason, ProviderState};
use serde_json::value::RawValue;

use crate::wire::Object;
use crate::{error, stream};

/// The format that this adapter's provider states carry.
pub const STATE_FORMAT: &str = "anthropic";

/// What the request's encoder tells the answer's decoder.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The model that was asked, for an answer that does not name one.
    pub model: String,
    /// What the request could not carry.
    pub dropped: Vec<DroppedField>,
    /// The tool that stands for a response format; calls of it are the answer's text.
    pub answer_tool: Option<String>,
}

/// Reads a whole answer: it is what a stream of its blocks adds up to.
///
/// Members of the message without a place of their own (`container`, `context_management`) become
/// extra fields of the choice: in a stream most of them come with its end.
///
/// Errors: `upstream` when the body is not an object of the Messages API, and the provider's own
/// error when the body holds one in spite of its status.
pub fn decode(body: &[u8], context: Context) -> Result<ChatResponse, Error> {
    fold(stream::events(body, context)?)
}

/// The message in the body of a good answer. Errors as in [`decode`].
pub(crate) fn message(body: &[u8]) -> Result<Object, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let Some(message) = Object::parse(text) else {
        return Err(error::not_the_api("an answer that is not a JSON object"));
    };
    if message.read::<String>("type").as_deref() == Some("error") {
        return Err(error::from_event(text));
    }
    if !message.has("content") {
        return Err(error::not_the_api("an answer without `content`"));
    }
    Ok(message)
}

/// What is left of a block: without its `type` and without empty citations.
pub(crate) fn block_extras(mut fields: Object) -> Extras {
    fields.take("type");
    if fields.get("citations").is_some_and(is_empty_array) {
        fields.take("citations");
    }
    fields.into_extras()
}

fn is_empty_array(value: &RawValue) -> bool {
    serde_json::from_str::<Vec<Box<RawValue>>>(value.get()).is_ok_and(|items| items.is_empty())
}

/// A signature or an encrypted block of thinking, byte for byte.
pub(crate) fn state(data: String) -> ProviderState {
    ProviderState {
        format: STATE_FORMAT.to_owned(),
        data: data.into_bytes(),
    }
}

/// Why the answer ended, with what the provider says about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finish {
    /// `stop_reason`.
    pub(crate) word: Option<String>,
    /// `stop_sequence` and `stop_details`, where they are not `null`.
    pub(crate) extra: Extras,
}

impl Finish {
    /// Takes the members that say why out of a message, or out of the `delta` of `message_delta`.
    pub(crate) fn take(message: &mut Object) -> Self {
        let word = message.take_as("stop_reason");
        let mut extra = Vec::new();
        for name in ["stop_sequence", "stop_details"] {
            if let Some(value) = message.take(name) {
                extra.push((name.to_owned(), value.get().to_owned()));
            }
        }
        Self { word, extra }
    }

    /// The neutral reason. `has_answer_tool`: calls of the answer's tool are text, so `tool_use`
    /// is a normal end unless there are other calls.
    pub(crate) fn reason(&self, has_answer_tool: bool, has_calls: bool) -> FinishReason {
        match self.word.as_deref() {
            Some("end_turn" | "stop_sequence") => FinishReason::Stop,
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
            Some("tool_use") if has_answer_tool && !has_calls => FinishReason::Stop,
            Some("tool_use") => FinishReason::ToolCalls,
            Some("refusal") => FinishReason::Refusal,
            Some(word) => FinishReason::Other(word.to_owned()),
            None => FinishReason::Other("unknown".to_owned()),
        }
    }

    /// The provider's word, where the neutral reason says less.
    pub(crate) fn detail(&self) -> Option<String> {
        self.word
            .clone()
            .filter(|word| matches!(word.as_str(), "stop_sequence" | "model_context_window_exceeded"))
    }
}
