//! The providers' own APIs, passed through.
//!
//! In: a recorded exchange of an operation that the host has no dialect for. Out: the checks that
//! held, or what was different. Never: a byte that differs, on either way.

use llm_host_tests::upstream::Reply;
use serde_json::Value;

use crate::azure::Place;
use crate::bench::Bench;
use crate::case::{Api, Case};

/// Lengths of the pieces in which a stream is sent.
const PIECES: [usize; 2] = [13, 4099];

/// Tries a case.
pub(crate) async fn try_case(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    let path = match case.api {
        Api::Azure => Place::of(case).native(),
        _ => format!("/providers/openai{}", target(case)?),
    };
    let asked = match case.recording.request() {
        Value::Null => "{\"model\":\"any\"}".to_owned(),
        body => body.to_string(),
    };
    let recorded = Reply::recorded(&case.recording);
    let mut replies = vec![recorded.clone()];
    if case.is_stream() {
        replies.extend(PIECES.map(|size| recorded.clone().in_pieces(size)));
    }
    for reply in replies {
        let exchange = bench.pass(&path, &asked, reply).await;
        let answer = exchange.answer;
        Bench::check_secrecy(&answer)?;
        let received = exchange
            .received
            .ok_or_else(|| format!("no provider was asked: {}", answer.raw))?;
        Bench::check_head(case, &received)?;
        if received.body != asked.as_bytes() {
            return Err("the body that arrived is not the one that was sent".to_owned());
        }
        if answer.status != case.recording.status() {
            return Err(format!(
                "status {}, not {}: {}",
                answer.status,
                case.recording.status(),
                answer.raw
            ));
        }
        if answer.raw != case.body() {
            return Err("the answer that came is not the one that was recorded".to_owned());
        }
    }
    Ok(vec!["request as it is".to_owned(), "answer as it is".to_owned()])
}

/// Path and query that were asked.
pub(crate) fn target(case: &Case) -> Result<String, String> {
    let url = case.recording.json["request"]["url"].as_str().unwrap_or_default();
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    path.map(|(_, path)| format!("/{path}"))
        .ok_or_else(|| format!("{url} has no path"))
}
