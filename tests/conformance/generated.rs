//! Traffic that nobody has recorded: whatever the providers' definitions of their APIs allow.
//!
//! In: the definitions, and chance. Out: nothing, or the first differences. Never: an expectation that
//! the program had a part in. What a caller asks for reaches the provider, or is named as dropped;
//! what a provider answers, whole or streamed and in whatever pieces, reaches the caller.

mod asked;
mod completion;
mod definition;
mod message;
mod others;
mod random;
mod schema;

use llm_host_tests::upstream::Reply;
use serde_json::{Value, json};

use crate::bench::{Bench, Exchange};
use crate::plain;
use crate::{claude, gpt};
use definition::Definition;
use random::Random;

/// How many of each kind are tried; `LLM_HOST_GENERATED` says another number.
const COUNT: u64 = 150;

/// As many differences as anybody reads.
const SHOWN: usize = 12;

fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("LLM_HOST_GENERATED").ok();
    0..asked.and_then(|count| count.parse().ok()).unwrap_or(COUNT)
}

/// What did not hold, each with the number that makes it again.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, seed: u64, outcome: Result<(), String>) {
        if let Err(fault) = outcome {
            self.0.push(format!("[{seed}] {fault}"));
        }
    }

    fn none(self) {
        let shown: Vec<&str> = self.0.iter().take(SHOWN).map(String::as_str).collect();
        assert!(self.0.is_empty(), "{} faults:\n{}", self.0.len(), shown.join("\n\n"));
    }
}

fn answer() -> Reply {
    let message = json!({"role": "assistant", "content": "yes", "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    Reply::json(
        200,
        &json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}),
    )
}

fn dropped(exchange: &Exchange) -> Vec<String> {
    let header = exchange.answer.header("x-llm-host-dropped").unwrap_or_default();
    header
        .split(", ")
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a place is named as dropped, or lies in one that is, or is one whose members are.
fn is_named(dropped: &[String], path: &str) -> bool {
    let within = |name: &String| {
        path.strip_prefix(name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let whole = |name: &String| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    dropped
        .iter()
        .any(|name| within(name) || whole(name) || name.starts_with('+'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_reach_a_provider_of_the_same_form() {
    let definition = Definition::openai("CreateChatCompletionRequest");
    let bench = Bench::start(&[]).await;
    let mut faults = Faults::default();
    for seed in seeds() {
        let request = asked::request(&definition, seed);
        faults.note(seed, same_request(&bench, &request).await);
    }
    faults.none();
}

async fn same_request(bench: &Bench, request: &Value) -> Result<(), String> {
    let exchange = bench.send("openai", "/v1/chat/completions", request, answer()).await;
    let Some(received) = &exchange.received else {
        return Err(format!(
            "{} {}\n  {request}",
            exchange.answer.status, exchange.answer.raw
        ));
    };
    let mut wanted = asked::written_anew(request);
    wanted["model"] = request["model"].clone();
    let (got, wanted) = (
        asked::without_ids(&gpt::meaning(&received.json())),
        asked::without_ids(&gpt::meaning(&wanted)),
    );
    plain::same("sent", &got, "asked", &wanted).map_err(|fault| format!("{fault}\n  dropped {:?}", dropped(&exchange)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_the_same_form_reach_the_caller() {
    let definition = Definition::openai("CreateChatCompletionResponse");
    let bench = Bench::start(&[]).await;
    let mut faults = Faults::default();
    for seed in seeds() {
        faults.note(seed, same_answer(&bench, &definition, seed).await);
    }
    faults.none();
}

async fn same_answer(bench: &Bench, definition: &Definition, seed: u64) -> Result<(), String> {
    let mut random = Random::new(!seed);
    let mut whole = completion::completion(definition, seed);
    if random.chance(30) {
        whole[completion::FILTER] =
            json!([{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false}}}]);
    }
    let wanted = gpt::visible(&whole);
    let got = ask(bench, "openai", Reply::json(200, &whole), false).await?;
    plain::same("caller's", &gpt::visible(&got), "whole", &wanted)?;
    let stream = completion::as_stream(&whole, &mut random);
    let size = 1 + random.below(200);
    let reply = Reply::of(200, "text/event-stream", stream).in_pieces(size);
    let got = ask(bench, "openai", reply, true).await?;
    plain::same("caller's", &gpt::visible(&got), "streamed", &wanted)
}

/// The completion that a caller has for a provider's reply.
async fn ask(bench: &Bench, provider: &str, reply: Reply, stream: bool) -> Result<Value, String> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    let exchange = bench.send(provider, "/v1/chat/completions", &body, reply).await;
    let mut whole = exchange.answer.completion()?;
    // In a stream the first that says something is the first.
    if let Some(choices) = whole["choices"].as_array_mut() {
        choices.sort_by_key(|choice| choice["index"].as_u64());
    }
    Ok(whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_another_form_reach_the_caller() {
    let definition = Definition::anthropic("Message");
    let bench = Bench::start(&[]).await;
    let mut faults = Faults::default();
    for seed in seeds() {
        faults.note(seed, same_message(&bench, &definition, seed).await);
    }
    faults.none();
}

async fn same_message(bench: &Bench, definition: &Definition, seed: u64) -> Result<(), String> {
    let mut random = Random::new(!seed);
    let whole = message::message(definition, seed);
    let wanted = claude::visible(&claude::completion(&whole));
    let got = ask(bench, "anthropic", Reply::json(200, &whole), false).await?;
    plain::same("caller's", &claude::visible(&got), "whole", &wanted).map_err(|fault| format!("{fault}\n{whole}"))?;
    let stream = message::as_stream(&whole, &mut random);
    let size = 1 + random.below(200);
    let got = ask(
        bench,
        "anthropic",
        Reply::of(200, "text/event-stream", stream).in_pieces(size),
        true,
    )
    .await?;
    plain::same("caller's", &claude::visible(&got), "streamed", &wanted).map_err(|fault| format!("{fault}\n{whole}"))
}

/// The fields of a request that Anthropic's API has a form for.
const CARRIED: [&str; 17] = [
    "function_call",
    "functions",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "service_tier",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "user",
];

/// What a caller asks of a provider of another form arrives there, or is named as dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_a_provider_of_another_form_lose_nothing_silently() {
    let definition = Definition::openai("CreateChatCompletionRequest");
    let bench = Bench::start(&[]).await;
    let reply = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let mut faults = Faults::default();
    for seed in seeds() {
        let mut request = asked::request(&definition, seed);
        request["model"] = json!(Random::new(seed).pick(&["claude-sonnet-4-5", "claude-opus-5", "other"]));
        faults.note(seed, accounted(&bench, &request, Reply::json(200, &reply)).await);
    }
    faults.none();
}

/// Whether something is told in another way than by its text.
fn is_told_otherwise(request: &Value, path: &str) -> bool {
    // A result says by its id which call it belongs to, and the call has the name.
    let of_result = |at: usize| {
        ["tool", "function"]
            .iter()
            .any(|role| request["messages"][at]["role"] == *role)
    };
    let name = path
        .strip_prefix("messages[")
        .and_then(|rest| rest.strip_suffix("].name"));
    let is_name = name.and_then(|at| at.parse().ok()).is_some_and(of_result);
    // Tools that may not be called are not offered, and those that are not on offer cannot be.
    let is_among = request["tool_choice"]["type"] == "allowed_tools" && path.starts_with("tool");
    // A label that changes no answer.
    is_name || is_among || path == "response_format.json_schema.name"
}

async fn accounted(bench: &Bench, request: &Value, reply: Reply) -> Result<(), String> {
    let exchange = bench.send("anthropic", "/v1/chat/completions", request, reply).await;
    let Some(received) = &exchange.received else {
        let answer = &exchange.answer;
        return match (answer.status, answer.json()?["error"]["fault"].as_str()) {
            (400, Some("client")) => Ok(()),
            _ => Err(format!("{} {}\n  {request}", answer.status, answer.raw)),
        };
    };
    if exchange.answer.status != 200 {
        return Err(format!("{} {}", exchange.answer.status, exchange.answer.raw));
    }
    let dropped = dropped(&exchange);
    let arrived = String::from_utf8_lossy(&received.body);
    let lost_words = asked::words(request).into_iter().filter(|(path, word)| {
        !arrived.contains(word) && !is_named(&dropped, path) && !is_told_otherwise(request, path)
    });
    let lost_names = asked::names(request).into_iter();
    let lost_names = lost_names.filter(|name| !CARRIED.contains(&name.as_str()) && !is_named(&dropped, name));
    let lost: Vec<String> = lost_words.map(|(path, _)| path).chain(lost_names).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(format!(
        "lost without a word: {lost:?}\n  asked {request}\n  sent {arrived}\n  dropped {dropped:?}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_vectors_and_pictures_go_both_ways() {
    let bench = Bench::start(&[]).await;
    let mut faults = Faults::default();
    for operation in others::OPERATIONS {
        let Some((asked, answered)) = operation.definitions() else {
            return;
        };
        for seed in seeds() {
            let request = operation.request(&asked, seed);
            let answer = operation.answer(&answered, &request, seed);
            let outcome = both_ways(&bench, operation.path, &request, &answer).await;
            faults.note(seed, outcome.map_err(|fault| format!("{}: {fault}", operation.path)));
        }
    }
    faults.none();
}

async fn both_ways(bench: &Bench, path: &str, request: &Value, answer: &Value) -> Result<(), String> {
    let exchange = bench.send("openai", path, request, Reply::json(200, answer)).await;
    let Some(received) = &exchange.received else {
        return Err(format!(
            "{} {}\n  {request}",
            exchange.answer.status, exchange.answer.raw
        ));
    };
    let (sent, asked) = (others::meaning(&received.json()), others::meaning(request));
    plain::same("sent", &sent, "asked", &asked)
        .map_err(|fault| format!("{fault}\n  dropped {:?}", dropped(&exchange)))?;
    if exchange.answer.status != 200 {
        return Err(format!(
            "{} {}\n  {answer}",
            exchange.answer.status, exchange.answer.raw
        ));
    }
    let mut got = exchange.answer.json()?;
    for picture in got["data"].as_array_mut().into_iter().flatten() {
        // What the bytes are, where that is known.
        picture["media_type"] = Value::Null;
    }
    plain::same("caller's", &gpt::visible(&got), "whole", &gpt::visible(answer))
}
