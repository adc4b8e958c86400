//! Recorded answers of many providers that speak the OpenAI wire, through one tolerant profile.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod neutral;
mod recorded;

use llm_openai_wire::{Asked, Decoder, Profile, error, response};
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::decode;
use llm_provider_sdk::types::{ChatEvent, ErrorKind};

use recorded::{Exchange, Said, chats, collapse};

const PROVIDERS: [&str; 20] = [
    "azure",
    "cerebras",
    "cloudflare",
    "databricks",
    "deepseek",
    "groq",
    "huggingface",
    "llamacpp",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "perplexity",
    "snowflake",
    "together",
    "venice",
    "vercel-ai-gateway",
    "writer",
    "xai",
    "zai",
];

static PROFILE: Profile = Profile::COMPATIBLE;

fn events(body: &str, piece: usize) -> Vec<ChatEvent> {
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(piece).collect();
    decode(Decoder::new(&PROFILE, Asked::default()), &pieces, Ok(()))
}

fn all(wanted: impl Fn(&Exchange) -> bool, mut check: impl FnMut(&str, &Exchange)) {
    for provider in PROVIDERS {
        for exchange in chats(provider).into_iter().filter(&wanted) {
            check(&format!("{provider}/{}", exchange.file), &exchange);
        }
    }
}

/// Some providers leave out why an answer ended.
fn with_reasons(mut said: Vec<Said>) -> Vec<Said> {
    for choice in said.iter_mut().filter(|choice| choice.finish.is_empty()) {
        choice.finish = if choice.calls.is_empty() { "stop" } else { "tool_calls" }.to_owned();
    }
    said
}

#[test]
fn whole_answers_say_what_was_recorded() {
    all(
        |exchange| exchange.status == 200 && !exchange.is_stream(),
        |name, exchange| {
            let whole: serde_json::Value = serde_json::from_str(&exchange.body).unwrap();
            let answer = response::decode(exchange.body.as_bytes(), Asked::default(), &PROFILE);
            if whole["error"].is_object() {
                let error = answer.unwrap_err();
                assert_eq!(
                    Some(error.message.as_str()),
                    whole["error"]["message"].as_str(),
                    "{name}"
                );
                return;
            }
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(neutral::said(&answer), with_reasons(recorded::said(&whole)), "{name}");
            assert_eq!(answer.usage.is_some(), whole["usage"].is_object(), "{name}");
            for (field, json) in &answer.extra {
                assert_eq!(whole[field].to_string(), *json, "{name}: {field}");
            }
        },
    );
}

#[test]
fn streams_add_up_to_the_whole_answer() {
    all(Exchange::is_stream, |name, exchange| {
        let whole = events(&exchange.body, usize::MAX);
        for piece in [1, 7, 1000] {
            assert_eq!(events(&exchange.body, piece), whole, "{name} in pieces of {piece}");
        }
        if exchange.tags.iter().any(|tag| tag == "error-in-stream") {
            let Some(ChatEvent::Error(error)) = whole.last() else {
                panic!("{name}: {:?}", whole.last())
            };
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{name}");
            return;
        }
        let folded = fold(whole).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let collapsed = collapse(&exchange.body);
        assert_eq!(
            neutral::said(&folded),
            with_reasons(recorded::said(&collapsed)),
            "{name}"
        );
        let decoded = response::decode(collapsed.to_string().as_bytes(), Asked::default(), &PROFILE).unwrap();
        assert_eq!(neutral::normal(folded), neutral::normal(decoded), "{name}");
    });
}

#[test]
fn errors_have_the_kind_of_their_status_or_better() {
    all(
        |exchange| exchange.status >= 400,
        |name, exchange| {
            let error = error::from_status(exchange.status, &[], exchange.body.as_bytes(), &PROFILE);
            let kinds: &[ErrorKind] = match exchange.status {
                400 => &[
                    ErrorKind::InvalidRequest,
                    ErrorKind::NotFound,
                    ErrorKind::ContextLength,
                    ErrorKind::Authentication,
                ],
                401 => &[ErrorKind::Authentication],
                404 => &[ErrorKind::NotFound],
                422 => &[ErrorKind::InvalidRequest],
                504 => &[ErrorKind::Timeout],
                other => panic!("{name}: no expectation for status {other}"),
            };
            assert!(kinds.contains(&error.kind), "{name}: {error:?}");
            assert!(
                !error.message.is_empty() && !error.message.starts_with("the provider answered"),
                "{name}"
            );
            assert_eq!(error.raw.as_deref(), Some(exchange.body.as_str()), "{name}");
        },
    );
}
