//! Continuations of texts.
//!
//! In: texts. Out: each said again, word by word, with the log probability of a word that could
//! have been no other. Never: an answer that differs from one call to the next.

use llm_provider_sdk::completions::{Prompt, Request};
use llm_provider_sdk::types::{ChatEvent, DroppedField, Error, Finish, FinishReason, PartDelta, ResponseStart, Usage};
use llm_provider_sdk::{Completions, EventStream};
use serde_json::json;

use crate::command::{self, Failure};
use crate::{Echo, conversation, words};

/// Most answers to one text.
const MOST_CHOICES: u32 = 128;

impl Completions for Echo {
    /// One batch for each word, as in a conversation.
    async fn stream(req: Request) -> Result<EventStream, Error> {
        let events = events(&req)?;
        Ok(EventStream::from_batches(events.into_iter().map(|event| vec![event])))
    }
}

fn events(req: &Request) -> Result<Vec<ChatEvent>, Error> {
    let n = req.sampling.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&n) {
        let what = format!("`n` is {n} and has to be from 1 to {MOST_CHOICES}");
        return Err(Error::invalid_request(what).with_param("n"));
    }
    let prompts: Vec<String> = req.prompts.iter().map(text).collect();
    let failure = prompts.last().and_then(|prompt| command::failure(prompt));
    if let Some(Failure { after: None, error }) = failure {
        return Err(error);
    }
    let id = conversation::fingerprint(std::iter::once(&req.model).chain(&prompts));
    let mut events = vec![ChatEvent::Start(ResponseStart {
        dropped: dropped(req),
        ..ResponseStart::new(format!("echo-{id:016x}"), req.model.clone())
    })];
    let mut usage = Usage::default();
    let mut choice = 0;
    for prompt in &prompts {
        usage.input += words::count(prompt);
        for _ in 0..n {
            usage.output += say(req, prompt, choice, &mut events);
            choice += 1;
        }
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

/// A text; of tokens, their numbers.
fn text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Tokens(tokens) => {
            let numbers: Vec<String> = tokens.iter().map(u32::to_string).collect();
            numbers.join(" ")
        }
    }
}

/// The events of one choice. Gives how many words were written anew.
fn say(req: &Request, prompt: &str, choice: u32, events: &mut Vec<ChatEvent>) -> u64 {
    let limit = req.sampling.max_output_tokens.map_or(u64::MAX, u64::from);
    let (written, cut) = words::first(words::before_stop(prompt, &req.sampling.stop), limit);
    let whole = if req.echo {
        format!("{prompt}{written}")
    } else {
        written.to_owned()
    };
    let mut offset = 0;
    for piece in words::pieces(&whole) {
        let mut delta = PartDelta::text(choice, 0, piece);
        delta.logprobs = req.logprobs.map(|top| logprobs(piece, offset, top));
        events.push(ChatEvent::Delta(delta));
        offset += piece.chars().count();
    }
    let reason = if cut { FinishReason::Length } else { FinishReason::Stop };
    events.push(ChatEvent::Finish(Finish::new(choice, reason)));
    words::count(written)
}

/// What is said again is certain.
fn logprobs(piece: &str, offset: usize, top: u32) -> String {
    let likeliest = if top == 0 { json!(null) } else { json!([{ piece: 0.0 }]) };
    json!({"tokens": [piece], "token_logprobs": [0.0], "top_logprobs": likeliest, "text_offset": [offset]}).to_string()
}

fn dropped(req: &Request) -> Vec<DroppedField> {
    let sampling = &req.sampling;
    let unused = [
        ("suffix", req.suffix.is_some()),
        ("best_of", req.best_of.is_some()),
        ("temperature", sampling.temperature.is_some()),
        ("top_p", sampling.top_p.is_some()),
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
    ];
    let unused = unused.iter().filter(|(_, is_set)| *is_set);
    let unused = unused.map(|(field, _)| DroppedField::new(*field, "echo chooses no words"));
    let unknown = req.extra.iter();
    unused
        .chain(unknown.map(|(name, _)| DroppedField::new(name, "echo has no such parameter")))
        .collect()
}
