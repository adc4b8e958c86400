//! The adapter against recorded traffic of Bedrock.
//!
//! In: the recordings under `LLM_HOST_RECORDINGS` (default: `../shared/recordings` beside the
//! workspace). Each is run through the adapter whole: its request is checked against the recorded one,
//! and what it makes of the recorded answer against an expectation that `plain` derives from the
//! recording with plain JSON. Never: an expectation that the adapter's own code had a part in.
//!
//! Without recordings the tests say so and pass.

// The functions of a test's own files are not seen as tests by these lints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::result_large_err)]

#[path = "recordings/exchange.rs"]
mod exchange;
#[path = "recordings/invoke.rs"]
mod invoke;
#[path = "../../anthropic/tests/recordings/request.rs"]
mod messages_request;
#[path = "recordings/own_form.rs"]
mod own_form;
#[path = "recordings/plain.rs"]
mod plain;
#[path = "recordings/request.rs"]
mod request;

use exchange::{Exchange, Kind};
use llm_plugin_bedrock::Bedrock;
use llm_provider_sdk::Chat;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ChatEvent, ErrorKind};

/// Streams up to this length are cut in two at every byte, longer ones in many pieces at once.
const CUT_IN_TWO: usize = 3_000;

/// Length of the pieces of longer streams. Every byte is a cut in one of as many runs.
const PIECE: usize = 499;

fn conversations() -> Vec<Exchange> {
    let all = exchange::all().unwrap_or_default();
    all.into_iter()
        .filter(|exchange| matches!(exchange.kind, Kind::Converse | Kind::ConverseStream))
        .collect()
}

#[test]
fn answers_are_what_the_recording_says() {
    for exchange in conversations() {
        if exchange.status >= 400 || exchange.breaks_off() {
            continue;
        }
        let (_, result) = exchange.run(exchange.asked());
        let answer = result.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.name));
        assert_eq!(
            plain::of_answer(&answer),
            plain::of_recording(&exchange),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn any_cut_of_a_stream_gives_the_same_events() {
    for exchange in conversations() {
        if exchange.kind != Kind::ConverseStream || exchange.status >= 400 || exchange.breaks_off() {
            continue;
        }
        let stream = |reply: Reply| {
            let _host = Recording::new()
                .config(&exchange::SETTINGS.clone())
                .reply(reply)
                .install();
            block_on(async { Bedrock::stream(exchange.asked()).await.unwrap().collect().await })
        };
        let reply = || exchange.reply();
        let whole = stream(reply());
        assert_eq!(whole.last(), Some(&ChatEvent::Done), "{}", exchange.name);
        assert_eq!(stream(reply().in_pieces_of(1)), whole, "{}", exchange.name);
        let length = exchange.body.len();
        if length <= CUT_IN_TWO {
            for at in 1..length {
                assert_eq!(stream(reply().split_at(at)), whole, "{} cut at {at}", exchange.name);
            }
        } else {
            for size in (PIECE - 20..=PIECE).chain([length / 2, length - 1]) {
                assert_eq!(stream(reply().in_pieces_of(size)), whole, "{} by {size}", exchange.name);
            }
        }
    }
}

#[test]
fn a_stream_that_is_cut_off_is_an_error() {
    for exchange in conversations() {
        if exchange.kind != Kind::ConverseStream || exchange.status >= 400 || exchange.breaks_off() {
            continue;
        }
        // The last frame is the metadata: all before it may be cut anywhere.
        let stop = plain::frames(&exchange.body)
            .iter()
            .rev()
            .find(|frame| frame.kind == "messageStop")
            .unwrap()
            .start;
        for at in [0, stop / 3, stop / 2, stop, stop + 20, exchange.body.len() - 1] {
            let reply = exchange.reply().closes_at(at);
            let _host = Recording::new()
                .config(&exchange::SETTINGS.clone())
                .reply(reply)
                .install();
            let result = block_on(async { fold(Bedrock::stream(exchange.asked()).await?.collect().await) });
            let error = result.expect_err(&exchange.name);
            assert_eq!(error.kind, ErrorKind::StreamTruncated, "{} cut at {at}", exchange.name);
        }
    }
}

#[test]
fn a_damaged_stream_is_an_error() {
    let broken = conversations().into_iter().filter(Exchange::breaks_off);
    for exchange in broken {
        let (_, result) = exchange.run(exchange.asked());
        let error = result.expect_err(&exchange.name);
        assert!(
            !exchange.is_damaged() || matches!(error.kind, ErrorKind::Upstream | ErrorKind::StreamTruncated),
            "{error:?}"
        );
    }
}

#[test]
fn errors_have_their_kind() {
    for exchange in conversations() {
        if exchange.status < 400 {
            continue;
        }
        let (_, result) = exchange.run(exchange.asked());
        let error = result.expect_err(&exchange.name);
        assert_eq!(error.http_status, Some(exchange.status), "{}", exchange.name);
        let message = exchange.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(
            error.message.starts_with(message.trim_end()),
            "{}: {}",
            exchange.name,
            error.message
        );
        assert_eq!(
            error.kind,
            plain::kind(&exchange),
            "{}: {}",
            exchange.name,
            error.message
        );
        let asks_again = matches!(
            error.kind,
            ErrorKind::RateLimited | ErrorKind::Overloaded | ErrorKind::Timeout | ErrorKind::Upstream
        );
        assert!(asks_again || !error.retryable, "{}", exchange.name);
    }
}

#[test]
fn requests_mean_what_was_recorded() {
    let mut skipped = Vec::new();
    for exchange in conversations() {
        let Some(recorded) = exchange.request.clone() else {
            skipped.push(exchange.name.clone());
            continue;
        };
        let Some(asked) = request::neutral(&exchange.model, &recorded) else {
            skipped.push(exchange.name.clone());
            continue;
        };
        let (sent, result) = exchange.run(asked);
        let sent = sent.unwrap_or_else(|| panic!("{}: nothing was sent: {result:?}", exchange.name));
        assert_eq!(sent.url, exchange.expected_url(), "{}", exchange.name);
        assert_eq!(sent.method, "POST");
        assert_eq!(sent.credential.as_deref(), Some("aws"));
        assert_eq!(sent.header("content-type"), Some("application/json"));
        for (name, _) in &sent.headers {
            let owned = name.starts_with("x-amz-") || name == "authorization" || name == "content-length";
            assert!(!owned, "{}: {name} is the host's", exchange.name);
        }
        assert_eq!(
            request::meaning(&sent.json()),
            request::meaning(&recorded),
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
