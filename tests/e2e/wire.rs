//! Callers that speak HTTP in their own way, byte by byte.

use llm_host_tests::host::{Host, KEY, Plan};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = r#"{"model":"echo/echo","messages":[{"role":"user","content":"Hello!"}]}"#;
const STREAM: &str = r#"{"model":"echo/echo","stream":true,"messages":[{"role":"user","content":"one two"}]}"#;

async fn connect(host: &Host) -> TcpStream {
    let address = host.url().trim_start_matches("http://");
    TcpStream::connect(address).await.expect("the host listens")
}

/// All that the host says until it closes the connection.
async fn said(host: &Host, bytes: &[u8]) -> String {
    let mut stream = connect(host).await;
    // A host that has refused need not read on.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(version: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/{version}\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_first_version_of_http_is_answered_and_its_connection_closed() {
    let host = Plan::new().plugin("echo").start().await;
    let whole = said(&host, request("1.0", "", CHAT).as_bytes()).await;
    assert!(whole.starts_with("HTTP/1.0 200") && whole.contains("Hello!"), "{whole}");
    let stream = said(&host, request("1.0", "", STREAM).as_bytes()).await;
    assert!(!stream.contains("transfer-encoding"), "{stream}");
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let host = Plan::new().plugin("echo").start().await;
    let last = request("1.1", "connection: close\r\n", &CHAT.replace("Hello!", "Third"));
    let ahead = request("1.1", "", &CHAT.replace("Hello!", "First")) + &request("1.1", "", STREAM) + &last;
    let answers = said(&host, ahead.as_bytes()).await;
    let places = ["\"First\"", "[DONE]", "\"Third\""]
        .map(|text| answers.find(text).unwrap_or_else(|| panic!("{text}: {answers}")));
    assert!(places.is_sorted(), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_reason() {
    let host = Plan::new().plugin("echo").start().await;
    let close = "connection: close\r\n";
    let long = format!("{{\"model\":\"{}\"}}", "x".repeat(100));
    for (name, sent, status, code) in [
        ("cut JSON", request("1.1", close, &CHAT[..20]), "400", "invalid_json"),
        ("no JSON", request("1.1", close, "model=echo"), "400", "invalid_json"),
        ("nothing", request("1.1", close, ""), "400", "invalid_json"),
        (
            "half a letter",
            request("1.1", close, r#"{"model":"\ud83d"}"#),
            "400",
            "invalid_json",
        ),
        ("a list", request("1.1", close, "[]"), "400", "invalid_type"),
        (
            "a bottomless pit",
            request("1.1", close, &"[".repeat(100_000)),
            "400",
            "invalid_json",
        ),
        (
            "a number beyond all",
            request("1.1", close, r#"{"model":"echo/echo","n":1e999}"#),
            "400",
            "invalid_json",
        ),
        (
            "no messages",
            request("1.1", close, &long),
            "400",
            "missing_required_parameter",
        ),
        (
            "compressed",
            request("1.1", "connection: close\r\ncontent-encoding: gzip\r\n", CHAT),
            "415",
            "unsupported_media_type",
        ),
        (
            "another method",
            request("1.1", close, CHAT).replacen("POST", "PUT", 1),
            "405",
            "method_not_allowed",
        ),
        (
            "another address",
            request("1.1", close, CHAT).replacen("/v1/chat", "/chat", 1),
            "404",
            "unknown_url",
        ),
        (
            "announced too large",
            request("1.1", close, CHAT).replacen("content-length: ", "content-length: 9999999999", 1),
            "413",
            "request_too_large",
        ),
    ] {
        let answer = said(&host, sent.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{name}: {answer}");
        assert!(answer.contains("\"fault\":\"client\""), "{name}: {answer}");
    }
    // A mark before the text, as some editors write it, changes nothing.
    let marked = request("1.1", close, &format!("\u{feff}{CHAT}"));
    let answer = said(&host, marked.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("Hello!"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_the_callers_fault() {
    let host = Plan::new().plugin("echo").start().await;
    let mut stream = connect(&host).await;
    let sent = request("1.1", "", CHAT);
    stream
        .write_all(&sent.as_bytes()[..sent.len() - 9])
        .await
        .expect("it listens");
    stream.shutdown().await.expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("\"incomplete_body\""),
        "{answer}"
    );
}
