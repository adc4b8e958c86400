//! What the documentation tells people to paste.

use std::process::{Output, Stdio};

use llm_host_tests::host::{Host, KEY, Plan};
use serde_json::{Value, json};
use tokio::process::Command;

async fn curl(arguments: &[&str]) -> Option<Output> {
    let output = Command::new("curl")
        .args(["-s", "-S"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await;
    match output {
        Ok(output) => Some(output),
        Err(_) => {
            println!("SKIPPED: there is no curl on this machine");
            None
        }
    }
}

fn body(text: &str, stream: bool) -> String {
    json!({"model": "echo/echo", "stream": stream, "messages": [{"role": "user", "content": text}]}).to_string()
}

async fn echo() -> (Host, String, String) {
    let host = Plan::new().plugin("echo").start().await;
    let url = format!("{}/chat/completions", host.base_url());
    (host, url, format!("authorization: Bearer {KEY}"))
}

/// Without a content type, as people type it.
#[tokio::test]
async fn a_whole_answer() {
    let (_host, url, key) = echo().await;
    let Some(output) = curl(&[&url, "-H", &key, "-d", &body("Hello!", false)]).await else {
        return;
    };
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello!");
}

#[tokio::test]
async fn a_streamed_answer() {
    let (_host, url, key) = echo().await;
    let Some(output) = curl(&["-N", "-i", &url, "-H", &key, "-d", &body("one two", true)]).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, events) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said}"));
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("x-llm-host-provider: echo"), "{head}");
    let events: Vec<&str> = events.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.last(), Some(&"data: [DONE]"));
    let text: String = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "one two");
}

#[tokio::test]
async fn without_a_key() {
    let (_host, url, _) = echo().await;
    let Some(output) = curl(&["-i", &url, "-d", &body("Hello!", false)]).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    assert!(
        said.contains("authorization: Bearer <key>"),
        "it says how to send one: {said}"
    );
}
