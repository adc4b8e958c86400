//! Continuations of texts: `POST /completions`.
//!
//! In: a neutral request, and the answer, whole or streamed. Out: the body, and the neutral answer,
//! whose every choice is one part of text. Never: prompts of texts and of tokens in one request,
//! which the API has no form for.

use std::collections::BTreeSet;

use llm_provider_sdk::completions::{Prompt, Request};
use llm_provider_sdk::types::{ChatEvent, ChatResponse, Error, Part, PartDelta};
use llm_provider_sdk::{HttpError, StreamDecoder};
use serde::Serialize;

use crate::profile::Profile;
use crate::request::fields::Members;
use crate::request::{Asked, Options, further};
use crate::response;
use crate::sniff::Either;
use crate::stream::Decoder;

/// The body of a request.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    model: &'a str,
    prompt: Prompts<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    echo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_of: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Members<'a>>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Prompts<'a> {
    Text(&'a str),
    Texts(Vec<&'a str>),
    Tokens(&'a [u32]),
    TokenLists(Vec<&'a [u32]>),
}

/// Encodes a request.
///
/// # Errors
/// Kind `invalid-request` for prompts of both kinds, and for a field that has to be JSON and is not.
pub fn encode<'a>(req: &'a Request, profile: &Profile, options: Options<'_>) -> Result<(Body<'a>, Asked), Error> {
    let mut asked = Asked::default();
    let sampling = &req.sampling;
    if sampling.top_k.is_some() && !profile.top_k {
        asked.drop("top_k", format!("{} has no such parameter", profile.name));
    }
    let (extra, stream_options) = further(&req.extra, profile, options, &mut asked)?;
    let body = Body {
        model: &req.model,
        prompt: prompts(&req.prompts)?,
        suffix: req.suffix.as_deref(),
        max_tokens: sampling.max_output_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k.filter(|_| profile.top_k),
        n: sampling.n,
        stop: &sampling.stop,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        echo: req.echo,
        logprobs: req.logprobs,
        best_of: req.best_of,
        user: req.user.as_deref(),
        stream: options.stream.then_some(true),
        stream_options,
        extra,
    };
    Ok((body, asked))
}

fn prompts(prompts: &[Prompt]) -> Result<Prompts<'_>, Error> {
    match prompts {
        [Prompt::Text(text)] => return Ok(Prompts::Text(text)),
        [Prompt::Tokens(tokens)] => return Ok(Prompts::Tokens(tokens)),
        _ => {}
    }
    let texts = prompts.iter().map(|prompt| match prompt {
        Prompt::Text(text) => Some(text.as_str()),
        Prompt::Tokens(_) => None,
    });
    let lists = prompts.iter().map(|prompt| match prompt {
        Prompt::Tokens(tokens) => Some(tokens.as_slice()),
        Prompt::Text(_) => None,
    });
    let (texts, lists): (Option<Vec<_>>, Option<Vec<_>>) = (texts.collect(), lists.collect());
    match (texts, lists) {
        (Some(texts), _) => Ok(Prompts::Texts(texts)),
        (None, Some(lists)) => Ok(Prompts::TokenLists(lists)),
        (None, None) => {
            let message = "prompts are all texts or all tokens; one request cannot hold both";
            Err(Error::invalid_request(message).with_param("prompt"))
        }
    }
}

/// Decodes an answer.
///
/// # Errors
/// As [`response::decode`].
pub fn decode(body: &[u8], asked: Asked, profile: &Profile) -> Result<ChatResponse, Error> {
    let mut answer = response::decode(body, asked, profile)?;
    for choice in &mut answer.choices {
        if choice.message.parts.is_empty() {
            choice.message.parts.push(Part::text(""));
        }
    }
    Ok(answer)
}

/// Decodes one streamed answer.
#[derive(Debug)]
pub struct Continuations {
    inner: Decoder,
    /// Choices that have a text, be it empty.
    begun: BTreeSet<u32>,
}

impl Continuations {
    /// A decoder for the answer to a request.
    #[must_use]
    pub fn new(profile: &Profile, asked: Asked) -> Self {
        Self {
            inner: Decoder::new(profile, asked),
            begun: BTreeSet::new(),
        }
    }
}

impl Either for Continuations {
    fn whole(self, body: &[u8]) -> Vec<ChatEvent> {
        let Self { inner, mut begun } = self;
        let mut out = Vec::new();
        texts(inner.whole(body), &mut begun, &mut out);
        out
    }
}

/// The events with each choice's text as its only part.
fn texts(events: Vec<ChatEvent>, begun: &mut BTreeSet<u32>, out: &mut Vec<ChatEvent>) {
    for mut event in events {
        match &mut event {
            ChatEvent::Delta(delta) => {
                delta.part = 0;
                begun.insert(delta.choice);
            }
            ChatEvent::Finish(finish) if begun.insert(finish.choice) => {
                out.push(ChatEvent::Delta(PartDelta::text(finish.choice, 0, "")));
            }
            _ => {}
        }
        out.push(event);
    }
}

impl StreamDecoder for Continuations {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        let mut events = Vec::new();
        self.inner.feed(bytes, &mut events);
        texts(events, &mut self.begun, out);
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        let mut events = Vec::new();
        self.inner.close(end, &mut events);
        texts(events, &mut self.begun, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::fold::fold;
    use llm_provider_sdk::testing::{decode as events_of, every_split};
    use llm_provider_sdk::types::{Choice, ErrorKind, FinishReason};
    use serde_json::json;

    #[test]
    fn prompts_in_each_form() {
        let text = |text: &str| Prompt::Text(text.into());
        let tokens = |tokens: &[u32]| Prompt::Tokens(tokens.to_vec());
        for (list, wire) in [
            (vec![text("a")], json!("a")),
            (vec![text("a"), text("b")], json!(["a", "b"])),
            (vec![tokens(&[1, 2])], json!([1, 2])),
            (vec![tokens(&[1]), tokens(&[2])], json!([[1], [2]])),
        ] {
            assert_eq!(serde_json::to_value(prompts(&list).unwrap()).unwrap(), wire);
        }
        let error = prompts(&[text("a"), tokens(&[1])]).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (ErrorKind::InvalidRequest, Some("prompt"))
        );
    }

    #[test]
    fn requests() {
        let mut req = Request::new("m", "def f():");
        req.suffix = Some("end".into());
        req.sampling.max_output_tokens = Some(5);
        req.sampling.top_k = Some(1);
        req.sampling.stop = vec!["x".into()];
        req.echo = true;
        req.logprobs = Some(0);
        req.best_of = Some(2);
        req.extra = vec![("logit_bias".into(), "{}".into()), ("odd".into(), "1".into())];
        let (body, asked) = encode(
            &req,
            &Profile::OPENAI,
            Options {
                stream: true,
                pass: &[],
            },
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(body).unwrap(),
            json!({"model": "m", "prompt": "def f():", "suffix": "end", "max_tokens": 5, "stop": ["x"], "echo": true,
                "logprobs": 0, "best_of": 2, "stream": true, "stream_options": {"include_usage": true}, "logit_bias": {}})
        );
        let dropped: Vec<_> = asked.dropped.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(dropped, ["top_k", "odd"]);
    }

    #[test]
    fn a_stream_adds_up_to_the_whole_answer() {
        let chunk = |choice: &str| {
            format!(
                "data: {{\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{choice}],\"usage\":null}}\n\n"
            )
        };
        let body = [
            chunk(r#"{"text":"Hel","index":0,"logprobs":{"tokens":["Hel"],"text_offset":[0]},"finish_reason":null}"#),
            chunk(r#"{"text":"","index":1,"logprobs":null,"finish_reason":"stop"}"#),
            chunk(r#"{"text":"lo","index":0,"logprobs":{"tokens":["lo"],"text_offset":[3]},"finish_reason":"length"}"#),
            "data: {\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2}}\n\n".to_owned(),
            "data: [DONE]\n\n".to_owned(),
        ]
        .concat();
        let whole = r#"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[
            {"text":"Hello","index":0,"logprobs":{"tokens":["Hel","lo"],"text_offset":[0,3]},"finish_reason":"length"},
            {"text":"","index":1,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":2}}"#;
        let expected = decode(whole.as_bytes(), Asked::default(), &Profile::OPENAI).unwrap();
        assert_eq!(
            expected.choices,
            [
                Choice {
                    logprobs: Some(r#"{"tokens":["Hel","lo"],"text_offset":[0,3]}"#.into()),
                    ..Choice::text(0, "Hello", FinishReason::Length)
                },
                Choice::text(1, "", FinishReason::Stop)
            ]
        );
        every_split(body.as_bytes(), |pieces| {
            let events = events_of(Continuations::new(&Profile::OPENAI, Asked::default()), pieces, Ok(()));
            let only_part = |event: &ChatEvent| !matches!(event, ChatEvent::Delta(delta) if delta.part != 0);
            assert!(events.iter().all(only_part));
            assert_eq!(fold(events).unwrap(), expected);
        });
        let events = Continuations::new(&Profile::OPENAI, Asked::default()).whole(whole.as_bytes());
        assert_eq!(fold(events).unwrap(), expected);
    }

    #[test]
    fn a_stream_that_stops_short_is_no_success() {
        let body = b"data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"text\":\"Hel\",\"index\":0}]}\n\n";
        let events = events_of(Continuations::new(&Profile::OPENAI, Asked::default()), &[body], Ok(()));
        assert!(matches!(events.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::StreamTruncated));
    }
}
