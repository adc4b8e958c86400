//! Providers whose own APIs are called through the host.

use bytes::Bytes;
use llm_host_tests::host::{Host, Plan};
use llm_host_tests::upstream::{Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

/// A host with the adapters of both APIs, before an upstream that speaks both.
pub(crate) async fn both() -> (Host, Upstream) {
    let upstream = Upstream::answering(answer).await;
    let origin = upstream.origin();
    let host = Plan::new()
        .plugin("echo")
        .plugin("openai")
        .plugin("anthropic")
        .key("narrow", "llmh-test-key-narrow", &["openai/gpt-only-this"])
        .trusting(upstream.authority())
        .granted(Granted::api_key("openai", "sk-upstream", &origin))
        .granted(Granted::api_key("anthropic", "sk-other", &origin))
        .settings(&format!(
            "[providers.openai.settings]\nbase_url = {origin:?}\n[providers.anthropic.settings]\nbase_url = {origin:?}"
        ))
        .start()
        .await;
    (host, upstream)
}

/// No request had the caller's key or the caller's other headers, each had its provider's key, and
/// the usage of the answers was found.
pub(crate) async fn were_asked_with_their_keys(host: &Host, upstream: &Upstream) {
    let requests = upstream.received();
    assert!(requests.len() > 3, "the script asked little");
    for request in requests {
        let (authorization, key) = (request.header("authorization"), request.header("x-api-key"));
        if request.target.starts_with("/v1/messages") {
            assert_eq!((authorization, key), (None, Some("sk-other")));
            assert!(request.header("anthropic-version").is_some());
        } else {
            assert_eq!((authorization, key), (Some("Bearer sk-upstream"), None));
        }
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    let line = host.log().line("operation=\"native\" outcome=\"complete\" input").await;
    assert!(line.contains("output=2"), "{line}");
}

fn answer(request: &Received) -> Reply {
    let (path, _) = request.target.split_once('?').unwrap_or((&request.target, ""));
    match (request.method.as_str(), path) {
        ("POST", "/v1/chat/completions" | "/chat/completions") => chat(&request.json()),
        ("POST", "/v1/messages") => messages(&request.json()),
        ("GET", "/v1/models" | "/models") => Reply::json(
            200,
            &json!({"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "x"}]}),
        ),
        ("POST", "/v1/files" | "/files") => {
            let form = request.header("content-type").unwrap_or_default();
            assert!(form.starts_with("multipart/form-data; boundary="), "{form}");
            Reply::json(200, &json!({"id": "file-1", "object": "file"}))
        }
        ("GET", "/v1/files/file-1/content" | "/files/file-1/content") => {
            let bytes: Vec<u8> = (0..=255).collect();
            Reply::of(200, "application/octet-stream", Bytes::from(bytes))
        }
        ("DELETE", "/v1/files/file-1" | "/files/file-1") => Reply::json(200, &json!({"id": "file-1", "deleted": true})),
        (method, path) => Reply::json(404, &json!({"error": {"message": format!("{method} {path}")}})),
    }
}

fn chat(body: &Value) -> Reply {
    if body["model"] == "limited" {
        let error = json!({"error": {"message": "slower", "type": "x", "code": "theirs", "param": null}});
        return Reply::json(429, &error).header("retry-after", "7");
    }
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    if body["stream"] == true {
        let chunk = |delta: Value, usage: Value| {
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "usage": usage,
                "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
            .to_string()
        };
        let events = [
            chunk(json!({"content": "one "}), Value::Null),
            chunk(json!({"content": "two"}), usage),
            "[DONE]".to_owned(),
        ];
        return Reply::events(events.iter().map(String::as_str));
    }
    let message = json!({"role": "assistant", "content": "hi"});
    Reply::json(
        200,
        &json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-x", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}),
    )
    .header("x-request-id", "req-upstream")
    .header("x-own", "kept")
    .header("access-control-allow-origin", "*")
}

fn messages(body: &Value) -> Reply {
    let message = |content: Value| {
        json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}})
    };
    if body["stream"] != true {
        return Reply::json(200, &message(json!([{"type": "text", "text": "hi"}])));
    }
    let text =
        |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let events = [
        json!({"type": "message_start", "message": message(json!([]))}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        text("one "),
        text("two"),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    // Anthropic's package goes by the event's name.
    let pieces = events.iter().map(|event| {
        let name = event["type"].as_str().unwrap_or_default();
        Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
    });
    Reply {
        pieces: pieces.collect(),
        ..Reply::of(200, "text/event-stream", "")
    }
}
