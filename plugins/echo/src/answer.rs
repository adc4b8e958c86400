//! What to answer.
//!
//! In: a request. Out: the events of the answer, all of them. Never: an answer that differs from
//! one call to the next.

use llm_provider_sdk::types::{
    ChatEvent, ChatRequest, DeltaContent, Error, Finish, FinishReason, PartContent, PartDelta, ProviderState,
    ReasoningOptions, ResponseFormat, ResponseStart, Tool, ToolChoice, ToolSpec, Usage,
};
use serde_json::json;

use crate::command::{self, Failure};
use crate::{conversation, dropped, schema, words};

/// Format of the state beside a thought.
pub(crate) const STATE: &str = "echo";

/// Most answers to one request.
const MOST_CHOICES: u32 = 128;

/// The events of the answer.
///
/// # Errors
/// The error that the conversation asks for; kind `invalid-request` for a request that contradicts
/// itself, or that brings back a thought which has been changed.
pub(crate) fn events(req: &ChatRequest) -> Result<Vec<ChatEvent>, Error> {
    check(req)?;
    let asked = conversation::last_request(&req.messages).unwrap_or_default();
    let failure = command::failure(&asked);
    if let Some(Failure { after: None, error }) = failure {
        return Err(error);
    }
    let answer = Answer::to(req, &asked)?;
    let mut events = vec![ChatEvent::Start(ResponseStart {
        dropped: dropped::fields(req),
        ..ResponseStart::new(id(req), req.model.clone())
    })];
    let choices = req.sampling.n.unwrap_or(1);
    let mut usage = conversation::prompt_usage(&req.messages);
    for choice in 0..choices {
        answer.say(choice, &mut events, &mut usage);
    }
    if let Some(Failure {
        after: Some(after),
        error,
    }) = failure
    {
        // The start is not a word.
        events.truncate(after.saturating_add(1));
        events.push(ChatEvent::Error(error));
        return Ok(events);
    }
    events.extend([ChatEvent::Usage(usage), ChatEvent::Done]);
    Ok(events)
}

/// What every choice says.
struct Answer {
    thought: Option<Thought>,
    text: String,
    calls: Vec<(String, String)>,
    finish: FinishReason,
    /// Where the numbers of the calls go on.
    first_call: usize,
}

struct Thought {
    text: String,
    hidden: bool,
}

impl Answer {
    fn to(req: &ChatRequest, asked: &str) -> Result<Self, Error> {
        let calls = calls(req, asked)?;
        let text = if calls.is_empty() { text(req) } else { String::new() };
        let finish = if calls.is_empty() {
            FinishReason::Stop
        } else {
            FinishReason::ToolCalls
        };
        let thought = thought(req, &text, &calls);
        let first_call = conversation::calls_made(&req.messages) + 1;
        let mut answer = Self {
            thought,
            text,
            calls,
            finish,
            first_call,
        };
        answer.limit(req);
        Ok(answer)
    }

    /// Ends the answer at a stop text and at the most tokens, of which thinking takes its share.
    fn limit(&mut self, req: &ChatRequest) {
        let stopped = words::before_stop(&self.text, &req.sampling.stop).len();
        self.text.truncate(stopped);
        let Some(limit) = req.sampling.max_output_tokens.map(u64::from) else {
            return;
        };
        let mut left = limit;
        if let Some(thought) = &mut self.thought {
            let (kept, cut) = words::first(&thought.text, left);
            left -= words::count(kept);
            let kept = kept.len();
            thought.text.truncate(kept);
            if cut {
                self.calls.clear();
                self.text.clear();
                self.finish = FinishReason::Length;
                return;
            }
        }
        let (kept, cut) = words::first(&self.text, left);
        let kept = kept.len();
        self.text.truncate(kept);
        if cut {
            self.finish = FinishReason::Length;
        }
    }

    /// The events of one choice.
    fn say(&self, choice: u32, events: &mut Vec<ChatEvent>, usage: &mut Usage) {
        let mut part = 0;
        if let Some(thought) = &self.thought {
            thought.say(choice, events);
            usage.reasoning += words::count(&thought.text);
            part += 1;
        }
        for piece in words::pieces(&self.text) {
            events.push(ChatEvent::Delta(PartDelta::text(choice, part, piece)));
        }
        usage.output += words::count(&self.text);
        if !self.text.is_empty() {
            part += 1;
        }
        for (n, (tool, arguments)) in self.calls.iter().enumerate() {
            let id = format!("call_{choice}_{}", self.first_call + n);
            events.push(ChatEvent::Delta(PartDelta::tool_call(choice, part, id, tool)));
            for piece in words::pieces(arguments) {
                events.push(ChatEvent::Delta(PartDelta::arguments(choice, part, piece)));
            }
            // The tool's name is a word too.
            usage.output += 1 + words::count(arguments);
            part += 1;
        }
        events.push(ChatEvent::Finish(Finish::new(choice, self.finish.clone())));
    }
}

impl Thought {
    fn say(&self, choice: u32, events: &mut Vec<ChatEvent>) {
        if !self.hidden {
            for piece in words::pieces(&self.text) {
                events.push(ChatEvent::Delta(PartDelta::reasoning(choice, 0, piece)));
            }
        }
        let state = ProviderState {
            format: STATE.to_owned(),
            data: signature(&self.text).into_bytes(),
        };
        events.push(ChatEvent::Delta(PartDelta {
            state: Some(state),
            redacted: self.hidden,
            ..PartDelta::new(choice, 0, DeltaContent::Reasoning(String::new()))
        }));
    }
}

/// What a thought has to come back with.
fn signature(thought: &str) -> String {
    format!("{:016x}", conversation::fingerprint(["thought", thought]))
}

/// What contradicts itself.
fn check(req: &ChatRequest) -> Result<(), Error> {
    let invalid = |param: &str, text: String| Err(Error::invalid_request(text).with_param(param));
    let n = req.sampling.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&n) {
        return invalid("n", format!("`n` is {n} and has to be from 1 to {MOST_CHOICES}"));
    }
    for (i, message) in req.messages.iter().enumerate() {
        for part in &message.parts {
            if let (PartContent::Reasoning(thought), Some(state)) = (&part.content, &part.state)
                && state.format == STATE
                && !thought.redacted
                && state.data != signature(&thought.text).into_bytes()
            {
                let what = format!("messages[{i}] brings back a thought that is not the one that was signed");
                return invalid(&format!("messages[{i}]"), what);
            }
        }
    }
    Ok(())
}

/// The same for the same conversation.
fn id(req: &ChatRequest) -> String {
    let said = conversation::texts(&req.messages);
    format!(
        "echo-{:016x}",
        conversation::fingerprint(std::iter::once(req.model.clone()).chain(said))
    )
}

/// The calls to make: those the choice of tools forces, or those the last message asks for.
fn calls(req: &ChatRequest, asked: &str) -> Result<Vec<(String, String)>, Error> {
    let tools: Vec<&Tool> = req
        .tools
        .iter()
        .filter_map(|tool| match tool {
            ToolSpec::Function(tool) => Some(tool),
            ToolSpec::Other(_) => None,
        })
        .collect();
    let invalid = |text: String| Error::invalid_request(text).with_param("tool_choice");
    let find = |name: &str| tools.iter().find(|tool| tool.name == name).copied();
    let forced = match &req.tool_choice {
        Some(ToolChoice::None) => return Ok(Vec::new()),
        Some(ToolChoice::Required) => {
            let first = tools
                .first()
                .ok_or_else(|| invalid("a call is required, and no tool is on offer".into()))?;
            Some(*first)
        }
        Some(ToolChoice::Named(name)) => {
            Some(find(name).ok_or_else(|| invalid(format!("there is no tool `{name}` on offer")))?)
        }
        _ => None,
    };
    let mut calls: Vec<(String, String)> = command::calls(asked, |name| find(name).is_some())
        .into_iter()
        .filter(|call| !matches!(&req.tool_choice, Some(ToolChoice::Named(name)) if name != call.tool))
        .filter_map(|call| {
            let arguments = call
                .arguments
                .map(str::to_owned)
                .or_else(|| Some(minimal(find(call.tool)?)));
            Some((call.tool.to_owned(), arguments?))
        })
        .collect();
    if calls.is_empty() {
        calls.extend(forced.map(|tool| (tool.name.clone(), minimal(tool))));
    }
    if req.parallel_tool_calls == Some(false) {
        calls.truncate(1);
    }
    Ok(calls)
}

/// Arguments that satisfy the tool's schema.
fn minimal(tool: &Tool) -> String {
    schema::example(tool.input_schema.as_deref()).to_string()
}

/// The last words, or a value of the form that is wanted.
fn text(req: &ChatRequest) -> String {
    let said = conversation::last_words(&req.messages);
    match &req.response_format {
        Some(ResponseFormat::JsonObject) => json!({ "echo": said }).to_string(),
        Some(ResponseFormat::JsonSchema(format)) => schema::example(Some(&format.schema)).to_string(),
        Some(ResponseFormat::Text | ResponseFormat::Other(_)) | None => said,
    }
}

/// What to think first, where thinking is wanted: by the model's name or by the request.
fn thought(req: &ChatRequest, text: &str, calls: &[(String, String)]) -> Option<Thought> {
    let wish = req.reasoning.clone().unwrap_or(ReasoningOptions {
        effort: None,
        max_tokens: None,
        include_text: None,
    });
    let wanted = match (wish.effort.as_deref(), wish.max_tokens) {
        (Some("none"), _) | (_, Some(0)) => false,
        (None, None) => req.model.ends_with("-reasoning"),
        _ => true,
    };
    let thought = match calls {
        [] => format!("I will say {} words.", words::count(text)),
        calls => {
            let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
            format!("I will call {}.", names.join(", "))
        }
    };
    let budget = wish.max_tokens.map_or(u64::MAX, u64::from);
    wanted.then(|| Thought {
        text: words::first(&thought, budget).0.to_owned(),
        hidden: wish.include_text == Some(false),
    })
}
