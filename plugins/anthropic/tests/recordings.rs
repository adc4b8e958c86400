//! The adapter against recorded traffic of the Messages API.
//!
//! In: the recordings under `LLM_HOST_RECORDINGS` (default: `../shared/recordings` beside the
//! workspace). Each is run through the adapter whole: its request is checked against the recorded
//! one, and what it makes of the recorded answer against an expectation that `plain` derives from the
//! recording with plain JSON. Answers of the same API by way of another provider (Bedrock, Vertex) are
//! checked too. Never: an expectation that the adapter's own code had a part in.
//!
//! Without recordings the tests say so and pass.

// The functions of a test's own files are not seen as tests by these lints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::result_large_err)]

#[path = "recordings/plain.rs"]
mod plain;
#[path = "recordings/request.rs"]
mod request;

use std::path::{Path, PathBuf};

use llm_anthropic_wire::{Context, Decoder, response};
use llm_plugin_anthropic::Anthropic;
use llm_provider_sdk::Chat;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on, decode, every_split};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, ErrorKind, Message, Role};
use serde_json::Value;

/// Streams up to this length are cut in two at every byte, longer ones in many pieces at once.
const CUT_IN_TWO: usize = 6_000;

/// Length of the pieces of longer streams. Every byte is a cut in one of as many runs.
const PIECE: usize = 997;

/// One recorded exchange whose answer is of the Messages API.
struct Exchange {
    name: String,
    /// The body that was sent to `POST /v1/messages`; `None` for other endpoints.
    request: Option<Value>,
    status: u16,
    headers: Vec<(String, String)>,
    /// The answer as text.
    body: String,
    is_stream: bool,
}

impl Exchange {
    fn read(path: &Path) -> Option<Self> {
        let file: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let url = file["request"]["url"].as_str().unwrap_or_default();
        let is_native = file["provider"] == "anthropic"
            && file["operation"] == "messages"
            && url.split('?').next().unwrap_or_default().ends_with("/v1/messages");
        let answer = &file["response"];
        let is_message = answer["body"]["type"] == "message"
            || answer["body_text"]
                .as_str()
                .is_some_and(|text| text.contains("\"message_start\""));
        // A fixture of an answer alone has no address.
        if !is_native && !is_message {
            return None;
        }
        let body = match &answer["body"] {
            Value::Null => answer["body_text"].as_str()?.to_owned(),
            body => body.to_string(),
        };
        Some(Self {
            name: path.file_stem()?.to_string_lossy().into_owned(),
            request: Some(file["request"]["body"].clone()).filter(|body| is_native && body.is_object()),
            status: u16::try_from(answer["status"].as_u64()?).ok()?,
            headers: headers(&answer["headers"]),
            is_stream: answer["body"].is_null() && body.contains("data:"),
            body,
        })
    }

    /// Runs the adapter with the recorded answer.
    fn run(&self, asked: ChatRequest) -> (Option<SentRequest>, Result<ChatResponse, Error>) {
        let mut reply = Reply::new(self.status, self.body.clone());
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        let recording = Recording::new().reply(reply).install();
        let streams = self.is_stream || self.request.as_ref().is_some_and(|body| body["stream"] == true);
        let result = block_on(async {
            if streams {
                fold(Anthropic::stream(asked).await?.collect().await)
            } else {
                Anthropic::complete(asked).await
            }
        });
        (recording.requests().first().cloned(), result)
    }

    /// The neutral request that the recorded one stands for, or a simple one.
    fn asked(&self) -> ChatRequest {
        let recorded = self.request.as_ref();
        recorded
            .and_then(|body| request::neutral(body, self.status < 400))
            .unwrap_or_else(|| ChatRequest::new("claude-x", vec![Message::text(Role::User, "Hello")]))
    }
}

fn headers(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Array(items) => items.first().and_then(Value::as_str).map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let members = value.as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.to_lowercase(), text(value)?)))
        .collect()
}

/// All exchanges, by name; `None` when there are no recordings on this machine.
fn exchanges() -> Option<Vec<Exchange>> {
    let root = std::env::var_os("LLM_HOST_RECORDINGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings"),
        PathBuf::from,
    );
    let mut paths = Vec::new();
    for folder in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        let files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        paths.extend(files.map(|file| file.path()));
    }
    if paths.is_empty() {
        println!(
            "no recordings under {} (set LLM_HOST_RECORDINGS): nothing was replayed",
            root.display()
        );
        return None;
    }
    paths.sort();
    let exchanges: Vec<Exchange> = paths.iter().filter_map(|path| Exchange::read(path)).collect();
    assert!(
        !exchanges.is_empty(),
        "{} holds no answer of the Messages API",
        root.display()
    );
    println!("{} exchanges under {}", exchanges.len(), root.display());
    Some(exchanges)
}

fn context() -> Context {
    Context {
        model: "claude-x".to_owned(),
        ..Context::default()
    }
}

#[test]
fn answers_are_what_the_recording_says() {
    for exchange in exchanges().unwrap_or_default() {
        if exchange.status >= 400 {
            continue;
        }
        let (_, result) = exchange.run(exchange.asked());
        let answer = result.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.name));
        let recorded = if exchange.is_stream {
            plain::assemble(&exchange.body)
        } else {
            serde_json::from_str(&exchange.body).unwrap()
        };
        assert_eq!(
            plain::of_answer(&answer),
            plain::of_message(&recorded),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn a_stream_folds_to_the_whole_answer() {
    for exchange in exchanges().unwrap_or_default() {
        if !exchange.is_stream {
            continue;
        }
        let whole = response::decode(plain::assemble(&exchange.body).to_string().as_bytes(), context()).unwrap();
        let streamed = fold(decode(Decoder::new(context()), &[exchange.body.as_bytes()], Ok(()))).unwrap();
        assert_eq!(
            plain::of_answer(&streamed),
            plain::of_answer(&whole),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn any_cut_of_a_stream_gives_the_same_events() {
    for exchange in exchanges().unwrap_or_default() {
        if !exchange.is_stream {
            continue;
        }
        let bytes = exchange.body.as_bytes();
        let whole = decode(Decoder::new(context()), &[bytes], Ok(()));
        assert_eq!(whole.last(), Some(&ChatEvent::Done), "{}", exchange.name);
        let check = |pieces: &[&[u8]]| {
            assert_eq!(
                decode(Decoder::new(context()), pieces, Ok(())),
                whole,
                "{}",
                exchange.name
            );
        };
        if bytes.len() <= CUT_IN_TWO {
            every_split(bytes, check);
            continue;
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        check(&single);
        for offset in 1..=PIECE {
            let (head, tail) = bytes.split_at(offset);
            let pieces: Vec<&[u8]> = std::iter::once(head).chain(tail.chunks(PIECE)).collect();
            check(&pieces);
        }
    }
}

#[test]
fn a_stream_that_is_cut_off_is_an_error() {
    for exchange in exchanges().unwrap_or_default() {
        if !exchange.is_stream {
            continue;
        }
        let cut = exchange.body.find("event: message_stop").unwrap();
        for cut in [cut / 3, cut / 2, cut] {
            let events = decode(Decoder::new(context()), &[&exchange.body.as_bytes()[..cut]], Ok(()));
            let Some(ChatEvent::Error(error)) = events.last() else {
                panic!("{}: no error at {cut}", exchange.name);
            };
            assert_eq!(error.kind, ErrorKind::StreamTruncated, "{}", exchange.name);
        }
    }
}

#[test]
fn errors_have_their_kind() {
    for exchange in exchanges().unwrap_or_default() {
        if exchange.status < 400 {
            continue;
        }
        let (_, result) = exchange.run(exchange.asked());
        let error = result.expect_err(&exchange.name);
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let (kind, retryable) = plain::kind(exchange.status, &body);
        assert_eq!((error.kind, error.retryable), (kind, retryable), "{}", exchange.name);
        assert_eq!(error.http_status, Some(exchange.status));
        assert_eq!(Some(error.message.as_str()), body["error"]["message"].as_str());
        assert_eq!(error.provider_code.as_deref(), body["error"]["type"].as_str());
        let header = exchange.headers.iter().find(|(name, _)| name == "request-id");
        let id = header.map(|(_, value)| value.as_str()).or(body["request_id"].as_str());
        assert_eq!(error.request_id.as_deref(), id, "{}", exchange.name);
    }
}

#[test]
fn requests_mean_what_was_recorded() {
    let mut skipped = Vec::new();
    for exchange in exchanges().unwrap_or_default() {
        let Some(recorded) = &exchange.request else {
            skipped.push(exchange.name.clone());
            continue;
        };
        let Some(asked) = request::neutral(recorded, exchange.status < 400) else {
            skipped.push(exchange.name.clone());
            continue;
        };
        let (sent, result) = exchange.run(asked);
        let sent = sent.unwrap_or_else(|| panic!("{}: nothing was sent: {result:?}", exchange.name));
        assert_eq!(
            (sent.method.as_str(), sent.url.as_str()),
            ("POST", "https://api.anthropic.com/v1/messages")
        );
        assert_eq!(sent.credential.as_deref(), Some("api-key"));
        assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
        assert_eq!(sent.header("content-type"), Some("application/json"));
        assert_eq!(
            request::meaning(&sent.json()),
            request::meaning(recorded),
            "{}",
            exchange.name
        );
        if let Ok(answer) = result {
            assert_eq!(answer.dropped, vec![], "{}", exchange.name);
        }
    }
    if !skipped.is_empty() {
        println!("without a request that can be told neutrally: {}", skipped.join(", "));
    }
}
