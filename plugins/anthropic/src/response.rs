//! Whole answers.
//!
//! In: the JSON body of a good answer. Out: the neutral answer; a block without a neutral form is
//! carried as it is. Never: a failure over something unknown inside an answer.

use llm_provider_sdk::types::{
    Annotated, ChatResponse, Choice, DroppedField, Error, Extras, FinishReason, Message, Part, PartContent,
    ProviderState, Reasoning, Role, ToolCall,
};
use serde_json::value::RawValue;

use crate::error;
use crate::usage;
use crate::wire::Object;

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

/// Reads a whole answer.
///
/// Members of the message without a place of their own (`container`, `context_management`) become
/// extra fields of the choice: in a stream most of them come with its end.
///
/// Errors: `upstream` when the body is not an object of the Messages API, and the provider's own
/// error when the body holds one in spite of its status.
pub fn decode(body: &[u8], context: Context) -> Result<ChatResponse, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let Some(mut answer) = Object::parse(text) else {
        return Err(error::not_the_api("an answer that is not a JSON object"));
    };
    if answer.read::<String>("type").as_deref() == Some("error") {
        return Err(error::from_event(text));
    }
    let Some(blocks) = answer.take_as::<Vec<Box<RawValue>>>("content") else {
        return Err(error::not_the_api("an answer without `content`"));
    };
    let parts: Vec<Part> = blocks
        .iter()
        .map(|block| part(block, context.answer_tool.as_deref()))
        .collect();
    let usage = answer.take_as::<Object>("usage").map(usage::decode);
    let has_calls = parts.iter().any(is_call);
    let finish = Finish::take(&mut answer);
    let id = answer.take_as("id").unwrap_or_default();
    let model = answer.take_as("model").unwrap_or(context.model);
    leave_out_constants(&mut answer);
    let mut extra = finish.extra.clone();
    extra.extend(answer.into_extras());
    Ok(ChatResponse {
        id,
        model,
        created: None,
        choices: vec![Choice {
            index: 0,
            finish: finish.reason(context.answer_tool.is_some(), has_calls),
            finish_detail: finish.detail(),
            message: Message::new(Role::Assistant, parts),
            logprobs: None,
            extra,
        }],
        usage,
        dropped: context.dropped,
        extra: Vec::new(),
    })
}

/// Members of a message that are the same in every answer.
pub(crate) fn leave_out_constants(answer: &mut Object) {
    answer.take("type");
    answer.take("role");
}

/// Whether the part asks the caller to run a tool.
fn is_call(part: &Part) -> bool {
    matches!(part.content, PartContent::ToolCall(_))
}

/// Reads one content block.
pub(crate) fn part(block: &RawValue, answer_tool: Option<&str>) -> Part {
    let Some(mut fields) = Object::parse(block.get()) else {
        return other("unknown", block.get());
    };
    let kind: String = fields.read("type").unwrap_or_default();
    match kind.as_str() {
        "text" => text(&mut fields).map(|text| plain(PartContent::Text(text), fields)),
        "thinking" => thinking(fields),
        "redacted_thinking" => redacted(fields),
        "tool_use" => tool_use(fields, answer_tool),
        _ => None,
    }
    .unwrap_or_else(|| other(&kind, block.get()))
}

fn text(fields: &mut Object) -> Option<String> {
    fields.take_as("text")
}

/// A part whose further members are its extra fields.
fn plain(content: PartContent, fields: Object) -> Part {
    Part {
        extra: block_extras(fields),
        ..Part::new(content)
    }
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

fn thinking(mut fields: Object) -> Option<Part> {
    let text = fields.take_as("thinking")?;
    let signature: Option<String> = fields.take_as("signature");
    Some(Part {
        content: PartContent::Reasoning(Reasoning { text, redacted: false }),
        state: signature.filter(|signature| !signature.is_empty()).map(state),
        cache: None,
        extra: block_extras(fields),
    })
}

fn redacted(mut fields: Object) -> Option<Part> {
    let data = fields.take_as("data")?;
    Some(Part {
        content: PartContent::Reasoning(Reasoning {
            text: String::new(),
            redacted: true,
        }),
        state: Some(state(data)),
        cache: None,
        extra: block_extras(fields),
    })
}

/// A signature or an encrypted block of thinking, byte for byte.
pub(crate) fn state(data: String) -> ProviderState {
    ProviderState {
        format: STATE_FORMAT.to_owned(),
        data: data.into_bytes(),
    }
}

fn tool_use(mut fields: Object, answer_tool: Option<&str>) -> Option<Part> {
    let id: String = fields.take_as("id")?;
    let name: String = fields.take_as("name")?;
    let arguments = fields
        .take("input")
        .map_or_else(|| "{}".to_owned(), |input| input.get().to_owned());
    if answer_tool == Some(name.as_str()) {
        return Some(plain(PartContent::Text(arguments), Object::new()));
    }
    Some(plain(PartContent::ToolCall(ToolCall { id, name, arguments }), fields))
}

/// A block that is carried as it is.
pub(crate) fn other(kind: &str, json: &str) -> Part {
    Part::new(PartContent::Other(Annotated {
        kind: kind.to_owned(),
        value: json.to_owned(),
    }))
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
