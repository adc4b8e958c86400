//! What becomes of calls that a plugin rewrites, refuses, breaks off, or never ends.

use bytes::Bytes;
use llm_host_tests::built;
use llm_host_tests::host::{Host, PATIENCE, Plan};
use llm_host_tests::upstream::{End, Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Pieces of an answer that is longer than any queue of the host.
const PIECES: usize = 300;
const PIECE: usize = 20_000;

/// `pace` says how much goes out of the answers that break off.
fn answer(request: &Received, pace: &watch::Receiver<usize>) -> Reply {
    match request.target.as_str() {
        "/never" => Reply::of(200, "text/plain", "").ending(End::Never),
        "/speak" | "/cut" => {
            let reply = Reply::of(200, "audio/x", "la la").in_pieces(3);
            reply.ending(End::Broken).paced(pace.clone())
        }
        "/mute" => Reply::of(200, "text/plain", "short").header("x-deaf", "yes"),
        "/deaf" => {
            let reply = Reply::of(200, "text/plain", vec![b'x'; PIECES * PIECE]).in_pieces(PIECE);
            reply.header("x-deaf", "yes")
        }
        _ => Reply::of(200, "text/plain", Bytes::from([b"got: ", &request.body[..]].concat())),
    }
}

async fn start() -> (Host, Upstream) {
    start_paced(watch::channel(usize::MAX).1).await
}

async fn start_paced(pace: watch::Receiver<usize>) -> (Host, Upstream) {
    let upstream = Upstream::answering(move |request| answer(request, &pace)).await;
    let origin = upstream.origin();
    let host = Plan::new()
        .component("unruly", built::guest("unruly").expect("a guest"))
        .trusting(upstream.authority())
        .granted(Granted::api_key("unruly", "sk-upstream", &origin))
        .settings(&format!(
            "[limits]\ncpu_time = \"500ms\"\nidle_time = \"1s\"\n[providers.unruly.settings]\nupstream = {origin:?}"
        ))
        .start()
        .await;
    (host, upstream)
}

async fn post(host: &Host, path: &str, body: &'static str) -> reqwest::Response {
    let request = host.request(http::Method::POST, path).body(body);
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_body_passes_or_is_rewritten() {
    let (host, upstream) = start().await;
    for (path, expected) in [
        ("pass", "got: body"),
        ("rewrite", "got: rewritten: body"),
        ("copy", "got: body"),
    ] {
        let response = post(&host, &format!("/providers/unruly/{path}"), "body").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.expect("a body"), expected, "{path}");
    }
    for request in upstream.received() {
        assert_eq!(request.header("authorization"), Some("Bearer sk-upstream"));
    }
    let line = host.log().line("operation=\"native\" outcome=\"complete\" input").await;
    assert!(line.contains("output=9"), "{line}");
}

#[tokio::test]
async fn a_plugin_that_does_not_read_its_copy_keeps_nobody_waiting() {
    let (host, _upstream) = start().await;
    let response = post(&host, "/providers/unruly/deaf", "").await;
    let body = tokio::time::timeout(PATIENCE, response.bytes()).await;
    assert_eq!(body.expect("it ends").expect("a whole body").len(), PIECES * PIECE);
    host.log().line("its usage is not known").await;
    // One that could keep up, and does not come to an end.
    let response = post(&host, "/providers/unruly/mute", "").await;
    assert_eq!(response.text().await.expect("a body"), "short");
    host.until("nothing is left of it", |status| status["plugins"][0]["in_flight"] == 0)
        .await;
    let (status, log) = host.stop().await;
    assert!(status.success(), "{log}");
}

#[tokio::test]
async fn each_failure_says_what_happened() {
    let (host, upstream) = start().await;
    for (path, status, code, message) in [
        ("refuse", 403, "provider_permission", "this path is not for you"),
        ("undeclared", 502, "plugin_contract", "`nobody`"),
        ("authorization", 403, "denied_by_host", "authorization"),
        ("elsewhere", 403, "denied_by_host", ""),
        ("spin", 502, "plugin_cpu_limit", "`limits.cpu_time`"),
    ] {
        let response = post(&host, &format!("/providers/unruly/{path}"), "").await;
        let got = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let error = &answer["error"];
        assert_eq!((got, error["code"].as_str()), (status, Some(code)), "{path}: {text}");
        assert!(
            error["message"].as_str().is_some_and(|said| said.contains(message)),
            "{path}: {text}"
        );
    }
    assert!(upstream.received().is_empty(), "none of them went out");
    let asked = json!({"model": "unruly/x", "input": ["a", "b"]});
    let response = host.post("/v1/embeddings", &asked).await;
    let text = response.text().await.expect("a body");
    assert!(
        text.contains("plugin_contract") && text.contains("1 vectors for 2 texts"),
        "{text}"
    );
}

#[tokio::test]
async fn bytes_that_break_off_never_look_complete() {
    let (pace, receiver) = watch::channel(1);
    let (host, _upstream) = start_paced(receiver).await;
    let asked = json!({"model": "unruly/x", "input": "la", "voice": "v"});
    let mut sound = host.post("/v1/audio/speech", &asked).await;
    let mut native = post(&host, "/providers/unruly/cut", "").await;
    for answer in [&mut sound, &mut native] {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.chunk().await.expect("bytes").as_deref(), Some(&b"la "[..]));
    }
    pace.send(2).expect("the upstream runs");
    assert!(sound.bytes().await.is_err(), "a sound");
    assert!(native.bytes().await.is_err(), "a provider's own answer");
}
