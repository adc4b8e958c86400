//! Models whose own form is one text in and one text out: Titan, Llama, Cohere's command, AI21's j2,
//! the older Mistral, DeepSeek R1; and Cohere's command-r, which takes the last text apart from the earlier ones.
//!
//! In: the neutral request, and the answer or its pieces. Out: the body, and the answer. Never: tools or
//! media; Converse carries those for the models that have them.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

use llm_anthropic_wire::wire::Object;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, FinishReason, Usage};
use serde_json::{Map, Value, json};

use super::stream::Pieces;
use super::{Encoded, Form, Metrics, additional, prompt};
use crate::answer::{Answer, Context};
use crate::error;
use crate::report::Report;
use crate::request::{Wish, state_format};
use crate::target::{Family, Target};
use crate::transport::Answered;
use crate::wire::set;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Titan,
    Llama,
    Command,
    CommandR,
    Jurassic,
    Mistral,
    DeepSeek,
    /// Claude's text before its messages. It is not asked for.
    Completion,
}

/// The names of a family's parameters; empty where there is none.
struct Names {
    max_tokens: &'static str,
    top_p: &'static str,
    top_k: &'static str,
    stop: &'static str,
}

impl Shape {
    fn of(family: Family) -> Self {
        match family {
            Family::Titan => Self::Titan,
            Family::Llama => Self::Llama,
            Family::Command => Self::Command,
            Family::CommandR => Self::CommandR,
            Family::Mistral => Self::Mistral,
            Family::OpenAi => Self::DeepSeek,
            _ => Self::Jurassic,
        }
    }

    fn names(self) -> Names {
        let (max_tokens, top_p, top_k, stop) = match self {
            Self::Titan => ("maxTokenCount", "topP", "", "stopSequences"),
            Self::Llama => ("max_gen_len", "top_p", "", ""),
            Self::Command | Self::CommandR => ("max_tokens", "p", "k", "stop_sequences"),
            Self::Jurassic => ("maxTokens", "topP", "", "stopSequences"),
            Self::Mistral => ("max_tokens", "top_p", "top_k", "stop"),
            Self::DeepSeek => ("max_tokens", "top_p", "", "stop"),
            Self::Completion => ("max_tokens_to_sample", "top_p", "top_k", "stop_sequences"),
        };
        Names {
            max_tokens,
            top_p,
            top_k,
            stop,
        }
    }
}

/// Writes the body.
///
/// Errors: `unsupported` for tools, media and several answers, and for streams of a family without.
pub(super) fn encode(req: ChatRequest, target: &Target, wish: &Wish, stream: bool) -> Result<Encoded, Error> {
    let shape = Shape::of(target.family);
    if !req.tools.is_empty() {
        return Err(error::unsupported(
            "tools",
            "this model takes no tools by InvokeModel; ask it by Converse",
        ));
    }
    if req.sampling.n.is_some_and(|n| n > 1) {
        return Err(error::unsupported(
            "n",
            "Bedrock makes one answer per request; ask several times",
        ));
    }
    if stream && shape == Shape::Jurassic {
        return Err(error::unsupported("stream", "AI21's j2 models do not stream"));
    }
    let mut report = Report::default();
    let parameters = parameters(&req, shape, &mut report);
    let mut body = match shape {
        Shape::CommandR => command_r(&req)?,
        Shape::Titan => json!({"inputText": prompt::write(&req.messages, target.family, &target.base, &mut report)?}),
        _ => json!({"prompt": prompt::write(&req.messages, target.family, &target.base, &mut report)?}),
    };
    if let Value::Object(body) = &mut body {
        match shape {
            Shape::Titan if parameters.is_empty() => {}
            Shape::Titan => _ = body.insert("textGenerationConfig".to_owned(), Value::Object(parameters)),
            _ => body.extend(parameters),
        }
        if stream && shape == Shape::Command {
            body.insert("stream".to_owned(), Value::Bool(true));
        }
        body.extend(additional(wish));
    }
    unsaid(&req, &mut report);
    Ok(Encoded {
        body: body.to_string().into_bytes(),
        form: Form::Text(
            shape,
            Context {
                model: target.id.clone(),
                dropped: report.into_dropped(),
                state_format: state_format(target.family),
                ..Context::default()
            },
        ),
    })
}

fn parameters(req: &ChatRequest, shape: Shape, report: &mut Report) -> Map<String, Value> {
    let wish = &req.sampling;
    let names = shape.names();
    let stop = (!wish.stop.is_empty()).then(|| Value::from(wish.stop.clone()));
    let is_cohere = shape == Shape::CommandR;
    let more = |name: &'static str| if is_cohere { name } else { "" };
    let all = [
        ("max_tokens", names.max_tokens, wish.max_output_tokens.map(Value::from)),
        ("temperature", "temperature", wish.temperature.map(Value::from)),
        ("top_p", names.top_p, wish.top_p.map(Value::from)),
        ("top_k", names.top_k, wish.top_k.map(Value::from)),
        ("stop", names.stop, stop),
        ("seed", more("seed"), wish.seed.map(Value::from)),
        (
            "frequency_penalty",
            more("frequency_penalty"),
            wish.frequency_penalty.filter(|value| *value != 0.0).map(Value::from),
        ),
        (
            "presence_penalty",
            more("presence_penalty"),
            wish.presence_penalty.filter(|value| *value != 0.0).map(Value::from),
        ),
    ];
    let mut out = Map::new();
    for (field, name, value) in all {
        match value {
            Some(_) if name.is_empty() => report.add(field, "this model has no such parameter by InvokeModel"),
            Some(value) => _ = out.insert(name.to_owned(), value),
            None => {}
        }
    }
    out
}

/// Reports what these forms have no place for.
fn unsaid(req: &ChatRequest, report: &mut Report) {
    let said = [
        ("response_format", req.response_format.is_some()),
        ("reasoning_effort", req.reasoning.is_some()),
        ("user", req.user.is_some()),
    ];
    for (field, _) in said.iter().filter(|(_, said)| *said) {
        report.add(*field, "this model has no such field by InvokeModel");
    }
    for (name, _) in req.extra.iter().filter(|(name, _)| !name.starts_with("stream")) {
        report.add(
            name,
            "this model has no such field by InvokeModel; give its own under `bedrock.additionalModelRequestFields`",
        );
    }
}

/// The last text is the message, the earlier ones the history.
fn command_r(req: &ChatRequest) -> Result<Value, Error> {
    let (system, mut turns) = prompt::turns(&req.messages)?;
    let message = turns.pop().map(|turn| turn.text).unwrap_or_default();
    let mut out = json!({ "message": message });
    if !turns.is_empty() {
        let said = turns.into_iter().map(|turn| {
            let role = if turn.of_assistant { "CHATBOT" } else { "USER" };
            json!({"role": role, "message": turn.text})
        });
        set(&mut out, "chat_history", said.collect::<Value>());
    }
    if !system.is_empty() {
        set(&mut out, "preamble", Value::from(system));
    }
    Ok(out)
}

/// What one body, or one piece of a stream, says.
#[derive(Debug, Default)]
struct Said {
    text: String,
    /// The family's word for why it ended.
    end: Option<String>,
    input: Option<f64>,
    output: Option<f64>,
}

fn read(shape: Shape, mut body: Object) -> (Said, Object) {
    let mut said = Said::default();
    match shape {
        Shape::Titan => {
            said.input = body.take_as("inputTextTokenCount");
            let results: Vec<Object> = body.take_as("results").unwrap_or_default();
            let mut result = results.into_iter().next().unwrap_or_default();
            said.output = result
                .take_as("tokenCount")
                .or_else(|| body.take_as("totalOutputTextTokenCount"));
            said.end = result
                .take_as("completionReason")
                .or_else(|| body.take_as("completionReason"));
            said.text = result
                .take_as("outputText")
                .or_else(|| body.take_as("outputText"))
                .unwrap_or_default();
            body.take("index");
        }
        Shape::Llama => {
            said.text = body.take_as("generation").unwrap_or_default();
            said.end = body.take_as("stop_reason");
            said.input = body.take_as("prompt_token_count");
            said.output = body.take_as("generation_token_count");
        }
        Shape::Command => {
            let generations: Vec<Object> = body.take_as("generations").unwrap_or_default();
            let mut first = generations.into_iter().next().unwrap_or_default();
            said.text = first
                .take_as("text")
                .or_else(|| body.take_as("text"))
                .unwrap_or_default();
            said.end = first.take_as("finish_reason").or_else(|| body.take_as("finish_reason"));
            for name in ["prompt", "is_finished", "index"] {
                body.take(name);
            }
        }
        Shape::CommandR => {
            // The last event of a stream repeats the whole.
            let is_last = body.take_as::<bool>("is_finished") == Some(true);
            let text: Option<String> = body.take_as("text");
            said.text = text.filter(|_| !is_last).unwrap_or_default();
            said.end = body.take_as("finish_reason");
            for name in ["chat_history", "event_type", "response"] {
                body.take(name);
            }
        }
        Shape::Jurassic => {
            let completions: Vec<Object> = body.take_as("completions").unwrap_or_default();
            let mut first = completions.into_iter().next().unwrap_or_default();
            let data: Object = first.take_as("data").unwrap_or_default();
            said.text = data.read("text").unwrap_or_default();
            let reason: Option<Object> = first.take_as("finishReason");
            said.end = reason.and_then(|reason| reason.read("reason"));
            said.output = tokens(&data);
            said.input = body.take_as::<Object>("prompt").as_ref().and_then(tokens);
        }
        Shape::DeepSeek => {
            let choices: Vec<Object> = body.take_as("choices").unwrap_or_default();
            let mut first = choices.into_iter().next().unwrap_or_default();
            said.text = first.take_as("text").unwrap_or_default();
            said.end = first.take_as("stop_reason").or_else(|| first.take_as("finish_reason"));
            let usage: Object = body.take_as("usage").unwrap_or_default();
            said.input = usage.read("prompt_tokens");
            said.output = usage.read("completion_tokens");
        }
        Shape::Completion => {
            said.text = body.take_as("completion").unwrap_or_default();
            said.end = body.take_as("stop_reason");
            for name in ["type", "stop"] {
                body.take(name);
            }
        }
        Shape::Mistral => {
            let outputs: Vec<Object> = body.take_as("outputs").unwrap_or_default();
            let mut first = outputs.into_iter().next().unwrap_or_default();
            said.text = first.take_as("text").unwrap_or_default();
            said.end = first.take_as("stop_reason");
        }
    }
    (said, body)
}

/// How many tokens a text of AI21's is.
fn tokens(text: &Object) -> Option<f64> {
    let list: Vec<serde::de::IgnoredAny> = text.read("tokens")?;
    Some(list.len() as f64)
}

/// The neutral reason for a family's word.
fn reason(word: &str) -> (FinishReason, Option<String>) {
    match word.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" => (FinishReason::Length, None),
        "content_filtered" | "error_toxic" | "guardrail_intervened" => {
            (FinishReason::ContentFilter, Some(word.to_owned()))
        }
        "stop_sequence" | "stop_criteria_met" => (FinishReason::Stop, Some("stop_sequence".to_owned())),
        "finish" | "finished" | "complete" | "stop" | "endoftext" | "end_turn" => (FinishReason::Stop, None),
        _ => (FinishReason::Other(word.to_owned()), None),
    }
}

/// Reads a whole answer.
///
/// Errors: `upstream` when the body is not of the family's form.
pub(super) fn decode(shape: Shape, head: &Answered, body: &[u8], context: Context) -> Result<ChatResponse, Error> {
    let body = std::str::from_utf8(body).ok().and_then(Object::parse);
    let body = body.ok_or_else(|| error::not_the_api("it is not a JSON object"))?;
    let mut answer = Answer::new(Context {
        id: head.request_id(),
        ..context
    });
    let count = |name: &str| head.header(name).and_then(|value| value.parse::<f64>().ok());
    let (mut said, rest) = read(shape, body);
    said.input = said.input.or_else(|| count("x-amzn-bedrock-input-token-count"));
    said.output = said.output.or_else(|| count("x-amzn-bedrock-output-token-count"));
    let mut last = Growing::default();
    answer.start();
    last.piece(said, rest, &mut answer);
    last.close(&mut answer);
    fold(answer.take())
}

/// What is kept until the end.
#[derive(Debug, Default)]
struct Growing {
    end: Option<String>,
    intervened: bool,
    input: Option<f64>,
    output: Option<f64>,
    counted: Option<Metrics>,
}

impl Growing {
    fn piece(&mut self, said: Said, mut rest: Object, answer: &mut Answer) {
        answer.text(0, &said.text);
        self.end = said.end.or(self.end.take());
        self.input = said.input.or(self.input);
        self.output = said.output.or(self.output);
        self.counted = rest.take_as("amazon-bedrock-invocationMetrics").or(self.counted);
        let action: Option<String> = rest.take_as("amazon-bedrock-guardrailAction");
        self.intervened |= action.as_deref() == Some("INTERVENED");
        for (name, value) in rest.into_extras() {
            answer.field(&name, value);
        }
    }

    fn close(self, answer: &mut Answer) {
        let end = self.end.clone();
        let Some(word) = end.or_else(|| self.intervened.then(|| "guardrail_intervened".to_owned())) else {
            self.usage().into_iter().for_each(|usage| answer.usage(usage));
            answer.fail(Error::truncated());
            return;
        };
        if self.intervened {
            let detail = Some("guardrail_intervened".to_owned());
            answer.finish_as(FinishReason::ContentFilter, detail, Vec::new());
        } else {
            let (reason, detail) = reason(&word);
            answer.finish_as(reason, detail, Vec::new());
        }
        if let Some(usage) = self.usage() {
            answer.usage(usage);
        }
        answer.done();
    }

    /// What was counted, by Bedrock or by the model.
    fn usage(&self) -> Option<Usage> {
        let own = || {
            (self.input.is_some() || self.output.is_some()).then(|| Usage {
                input: self.input.unwrap_or(0.0) as u64,
                output: self.output.unwrap_or(0.0) as u64,
                ..Usage::default()
            })
        };
        self.counted.map(Metrics::usage).or_else(own)
    }
}

/// The chunks of an answer.
#[derive(Debug)]
pub(super) struct Chunks {
    shape: Shape,
    answer: Answer,
    growing: Growing,
}

impl Chunks {
    /// The chunks of the answer to one request.
    pub(super) fn new(shape: Shape, context: Context) -> Self {
        Self {
            shape,
            answer: Answer::new(context),
            growing: Growing::default(),
        }
    }
}

impl Pieces for Chunks {
    fn piece(&mut self, json: &str, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        let body = Object::parse(json).ok_or_else(|| error::not_the_api("a piece is not a JSON object"))?;
        let (said, rest) = read(self.shape, body);
        self.answer.start();
        self.growing.piece(said, rest, &mut self.answer);
        out.append(&mut self.answer.take());
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<ChatEvent>) {
        std::mem::take(&mut self.growing).close(&mut self.answer);
        out.append(&mut self.answer.take());
    }

    fn broken(&mut self, out: &mut Vec<ChatEvent>) {
        if let Some(usage) = self.growing.usage() {
            self.answer.usage(usage);
            out.append(&mut self.answer.take());
        }
    }
}
