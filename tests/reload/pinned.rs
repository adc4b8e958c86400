//! A request sees one state of the host from its arrival on, however long its body takes to come.

use llm_host_tests::admin::generation;
use llm_host_tests::files;
use llm_host_tests::host::{Host, KEY, Plan};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BODY: &str = r#"{"model":"echo/echo","messages":[{"role":"user","content":"late"}]}"#;

/// A request of which the body is yet to come.
struct Begun(TcpStream);

impl Begun {
    /// Sends the head, and waits until the host has asked for the body: the request has arrived.
    async fn new(host: &Host) -> Self {
        let address = host.url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n\r\n",
            BODY.len()
        );
        stream.write_all(head.as_bytes()).await.expect("a sent head");
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    /// Sends the body; gives the answer's head and body.
    async fn rest(mut self) -> String {
        self.0.write_all(BODY.as_bytes()).await.expect("a sent body");
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.expect("an answer");
        answer
    }
}

#[tokio::test]
async fn a_late_body_is_answered_by_the_state_of_its_arrival() {
    let plan = Plan::new()
        .plugin("echo")
        .settings("[providers.echo]\nisolation = \"fresh\"\n");
    let host = plan.start().await;
    let config = host.dir().join("host.toml");
    let number = |status: &Value| status["generation"].as_u64().unwrap_or_default();
    let old = generation(&host.status().await, "echo").expect("served");

    // The first state; a second with the same provider; a third with another generation of it.
    let first = Begun::new(&host).await;
    files::change(
        &config,
        "[providers.echo]",
        "[models]\ndefault = \"echo/echo\"\n[providers.echo]",
    );
    host.until("the second state", |status| number(status) == 2).await;
    let second = Begun::new(&host).await;
    files::change(&config, "isolation = \"fresh\"", "isolation = \"pooled\"");
    let status = host.until("the third state", |status| number(status) == 3).await;
    let new = generation(&status, "echo").expect("served");
    assert!(new > old);

    // The first state's last request must not take the generation from the second's.
    for (request, which) in [(first, "first"), (second, "second")] {
        let answer = request.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "the {which}: {answer}");
        assert!(
            answer.contains(&format!("x-llm-host-generation: {old}\r\n")),
            "the {which}: {answer}"
        );
        if which == "first" {
            assert_eq!(
                host.status().await["replaced"].as_array().map(Vec::len),
                Some(1),
                "it waits for the second"
            );
        }
    }
    host.until("the old generation is gone", |status| {
        status["replaced"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    let answer = Begun::new(&host).await.rest().await;
    assert!(
        answer.contains(&format!("x-llm-host-generation: {new}\r\n")),
        "{answer}"
    );
}
