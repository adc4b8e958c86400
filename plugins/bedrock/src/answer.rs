//! An answer as it grows.
//!
//! In: what the service said, piece by piece or all at once: texts, reasoning, calls, counts, an end.
//! Out: neutral events that form a well-formed stream. Never: bytes or JSON forms; those are
//! `stream`'s, `response`'s and the families'. Both the whole answer and the stream go through here,
//! so that one folds to the other.

use std::collections::BTreeMap;

use llm_provider_sdk::types::{
    Annotated, ChatEvent, DeltaContent, DroppedField, Error, Extras, Finish, FinishReason, Media, PartDelta,
    ProviderState, ResponseStart, Usage,
};

/// What the request's encoder tells the answer's decoder.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The model that was asked; the service does not say which one answers.
    pub model: String,
    /// The service's id of the request, from the answer's head.
    pub id: String,
    /// What the request could not carry.
    pub dropped: Vec<DroppedField>,
    /// The tool that stands for a response format; calls of it are the answer's text.
    pub answer_tool: Option<String>,
    /// Tools whose names had to be fitted: what was sent, and the caller's name.
    pub renamed: Vec<(String, String)>,
    /// The format of this model's provider state.
    pub state_format: &'static str,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// It stands for the answer's text.
    AsText,
    /// It has no arguments yet.
    Bare,
    /// It has some.
    Written,
}

/// One answer under way.
#[derive(Debug)]
pub struct Answer {
    context: Context,
    started: bool,
    finished: bool,
    ended: bool,
    has_calls: bool,
    calls: BTreeMap<u32, Call>,
    out: Vec<ChatEvent>,
}

impl Answer {
    /// An answer to one request.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            started: false,
            finished: false,
            ended: false,
            has_calls: false,
            calls: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// The events since the last time.
    pub fn take(&mut self) -> Vec<ChatEvent> {
        std::mem::take(&mut self.out)
    }

    /// Whether the last event has been given.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the service has said why the answer ended.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The answer begins. What follows begins it too.
    pub fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.out.push(ChatEvent::Start(ResponseStart {
            dropped: std::mem::take(&mut self.context.dropped),
            ..ResponseStart::new(&self.context.id, &self.context.model)
        }));
    }

    fn push(&mut self, delta: PartDelta) {
        self.start();
        self.out.push(ChatEvent::Delta(delta));
    }

    /// More text. None says nothing.
    pub fn text(&mut self, at: u32, text: &str) {
        if !text.is_empty() {
            self.push(PartDelta::text(0, at, text));
        }
    }

    /// Further fields of a text.
    pub fn text_extra(&mut self, at: u32, extra: Extras) {
        let mut delta = PartDelta::text(0, at, "");
        delta.extra = extra;
        self.push(delta);
    }

    /// More reasoning.
    pub fn reasoning(&mut self, at: u32, text: &str) {
        if !text.is_empty() {
            self.push(PartDelta::reasoning(0, at, text));
        }
    }

    /// Further fields of reasoning.
    pub fn reasoning_extra(&mut self, at: u32, extra: Extras) {
        if !extra.is_empty() {
            let mut delta = PartDelta::reasoning(0, at, "");
            delta.extra = extra;
            self.push(delta);
        }
    }

    /// What proves the reasoning to the provider.
    pub fn signature(&mut self, at: u32, signature: &str) {
        if signature.is_empty() {
            return;
        }
        let mut delta = PartDelta::reasoning(0, at, "");
        delta.state = Some(self.state(signature));
        self.push(delta);
    }

    /// Reasoning that only the provider can read.
    pub fn redacted(&mut self, at: u32, data: &str) {
        let mut delta = PartDelta::reasoning(0, at, "");
        delta.redacted = true;
        delta.state = Some(self.state(data));
        self.push(delta);
    }

    fn state(&self, data: &str) -> ProviderState {
        ProviderState {
            format: self.context.state_format.to_owned(),
            data: data.as_bytes().to_vec(),
        }
    }

    /// A call begins.
    pub fn call(&mut self, at: u32, id: &str, name: &str) {
        // gpt-oss lets its own marks run into the name: `f<|channel|>commentary`.
        let name = name.split("<|").next().map_or(name, str::trim_end);
        if self.context.answer_tool.as_deref() == Some(name) {
            self.calls.insert(at, Call::AsText);
            return;
        }
        self.has_calls = true;
        self.calls.insert(at, Call::Bare);
        // A call without an id could not be answered.
        let made = format!("call_{at}");
        let id = if id.is_empty() { &made } else { id };
        let of_caller = self.context.renamed.iter().find(|(sent, _)| sent == name);
        let delta = PartDelta::tool_call(0, at, id, of_caller.map_or(name, |(_, own)| own));
        self.push(delta);
    }

    /// More of a call's arguments.
    pub fn arguments(&mut self, at: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.calls.get_mut(&at) {
            Some(Call::AsText) => self.text(at, text),
            Some(call) => {
                *call = Call::Written;
                self.push(PartDelta::arguments(0, at, text));
            }
            None => {}
        }
    }

    /// Further fields of a call. They are told beside the message: clients take a call's pieces for
    /// pieces of its function.
    pub fn call_extra(&mut self, id: &str, extra: Extras) {
        if extra.is_empty() {
            return;
        }
        let id = serde_json::Value::from(id);
        let members: String = extra
            .iter()
            .map(|(name, json)| format!(",{}:{json}", serde_json::Value::from(name.as_str())))
            .collect();
        self.field("toolUse", format!("[{{\"toolUseId\":{id}{members}}}]"));
    }

    /// A block is complete. A call that came without arguments gets those of none.
    pub fn block_end(&mut self, at: u32) {
        if self.calls.remove(&at) == Some(Call::Bare) {
            self.push(PartDelta::arguments(0, at, "{}"));
        }
    }

    /// A picture, a document or a sound.
    pub fn media(&mut self, at: u32, media: Media) {
        self.push(PartDelta::new(0, at, DeltaContent::Media(media)));
    }

    /// A block of the provider's own, as its JSON.
    pub fn other(&mut self, at: u32, kind: &str, json: String) {
        let value = Annotated {
            kind: kind.to_owned(),
            value: json,
        };
        self.push(PartDelta::new(0, at, DeltaContent::Other(value)));
    }

    /// A field of the answer, or an event of the provider's own.
    pub fn field(&mut self, kind: &str, json: String) {
        self.start();
        self.out.push(ChatEvent::Other(Annotated {
            kind: kind.to_owned(),
            value: json,
        }));
    }

    /// Tokens used so far.
    pub fn usage(&mut self, usage: Usage) {
        self.start();
        self.out.push(ChatEvent::Usage(usage));
    }

    /// Why it ended, in Converse's words.
    pub fn finish(&mut self, word: &str, extra: Extras) {
        let only_text = self.context.answer_tool.is_some() && !self.has_calls;
        let (reason, detail) = match word {
            // Some models end their turn with calls, or say they call and do not.
            "end_turn" if self.has_calls => (FinishReason::ToolCalls, Some(word)),
            "end_turn" => (FinishReason::Stop, None),
            "stop_sequence" => (FinishReason::Stop, Some(word)),
            "tool_use" if only_text => (FinishReason::Stop, None),
            "tool_use" if !self.has_calls => (FinishReason::Stop, Some(word)),
            "tool_use" => (FinishReason::ToolCalls, None),
            "max_tokens" => (FinishReason::Length, None),
            "model_context_window_exceeded" => (FinishReason::Length, Some(word)),
            "guardrail_intervened" | "content_filtered" => (FinishReason::ContentFilter, Some(word)),
            "refusal" => (FinishReason::Refusal, None),
            other => (FinishReason::Other(other.to_owned()), None),
        };
        self.finish_as(reason, detail.map(str::to_owned), extra);
    }

    /// Why it ended. A second reason says nothing new.
    pub fn finish_as(&mut self, reason: FinishReason, detail: Option<String>, extra: Extras) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.start();
        let open: Vec<u32> = self.calls.keys().copied().collect();
        for at in open {
            self.block_end(at);
        }
        self.out.push(ChatEvent::Finish(Finish {
            choice: 0,
            reason,
            detail,
            extra,
        }));
    }

    /// The answer is complete.
    pub fn done(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.out.push(ChatEvent::Done);
        }
    }

    /// The answer failed.
    pub fn fail(&mut self, mut error: Error) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if error.request_id.is_none() && !self.context.id.is_empty() {
            error.request_id = Some(self.context.id.clone());
        }
        self.out.push(ChatEvent::Error(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::fold::fold;
    use llm_provider_sdk::types::PartContent;

    fn answer(tool: Option<&str>) -> Answer {
        Answer::new(Context {
            model: "m".to_owned(),
            id: "r1".to_owned(),
            answer_tool: tool.map(str::to_owned),
            state_format: "bedrock",
            ..Context::default()
        })
    }

    #[test]
    fn marks_of_the_model_are_no_part_of_a_tools_name() {
        let mut answer = answer(None);
        answer.call(0, "t1", "json<|channel|>commentary");
        answer.finish("tool_use", Vec::new());
        answer.done();
        let whole = fold(answer.take()).unwrap();
        let PartContent::ToolCall(call) = &whole.choices[0].message.parts[0].content else {
            panic!("{whole:?}");
        };
        assert_eq!(call.name, "json");
    }

    #[test]
    fn a_call_without_arguments_has_those_of_none() {
        let mut answer = answer(None);
        answer.call(0, "t1", "now");
        answer.arguments(0, "");
        answer.block_end(0);
        answer.finish("tool_use", Vec::new());
        answer.done();
        let whole = fold(answer.take()).unwrap();
        let PartContent::ToolCall(call) = &whole.choices[0].message.parts[0].content else {
            panic!("{whole:?}");
        };
        assert_eq!((call.id.as_str(), call.arguments.as_str()), ("t1", "{}"));
        assert_eq!(whole.choices[0].finish, FinishReason::ToolCalls);
    }

    #[test]
    fn a_tool_that_was_sent_under_another_name_is_called_by_its_own() {
        let mut answer = answer(None);
        answer.context.renamed = vec![("a_b-01234567".to_owned(), "a.b".to_owned())];
        answer.call(0, "t1", "a_b-01234567");
        answer.block_end(0);
        answer.call(1, "t2", "other");
        answer.finish("tool_use", Vec::new());
        answer.done();
        let whole = fold(answer.take()).unwrap();
        let names = whole.choices[0].message.parts.iter().map(|part| match &part.content {
            PartContent::ToolCall(call) => call.name.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), ["a.b", "other"]);
    }

    #[test]
    fn an_answer_ends_for_its_calls_or_without() {
        for (calls, word, reason) in [
            (true, "end_turn", FinishReason::ToolCalls),
            (false, "end_turn", FinishReason::Stop),
            (false, "tool_use", FinishReason::Stop),
            (true, "max_tokens", FinishReason::Length),
            (
                true,
                "malformed_tool_use",
                FinishReason::Other("malformed_tool_use".to_owned()),
            ),
        ] {
            let mut answer = answer(None);
            answer.text(0, "x");
            if calls {
                answer.call(1, "t1", "f");
            }
            answer.finish(word, Vec::new());
            answer.done();
            let whole = fold(answer.take()).unwrap();
            assert_eq!(whole.choices[0].finish, reason, "{word}");
        }
    }

    #[test]
    fn a_call_of_the_answers_tool_is_text() {
        let mut answer = answer(Some("structured_answer"));
        answer.call(0, "t1", "structured_answer");
        answer.arguments(0, "{\"a\":1}");
        answer.block_end(0);
        answer.finish("tool_use", Vec::new());
        answer.done();
        let whole = fold(answer.take()).unwrap();
        assert_eq!(
            whole.choices[0].message.parts[0].content,
            PartContent::Text("{\"a\":1}".to_owned())
        );
        assert_eq!(whole.choices[0].finish, FinishReason::Stop);
    }

    #[test]
    fn a_failure_names_the_request_and_ends() {
        let mut answer = answer(None);
        answer.fail(Error::truncated());
        answer.done();
        let events = answer.take();
        let [ChatEvent::Error(error)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(error.request_id.as_deref(), Some("r1"));
    }
}
