//! The adapter against replies of the test's own: what it sends, and what it makes of the answers.

use llm_plugin_openai::OpenAi;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ErrorKind, Message, Part, PartContent, Reasoning, Role};
use llm_provider_sdk::{Chat, Embeddings, HttpError, Provider, embeddings};
use serde_json::json;

fn request() -> ChatRequest {
    ChatRequest::new("gpt-test", vec![Message::text(Role::User, "hi")])
}

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-test-1",
    "choices":[{"index":0,"message":{"role":"assistant","content":"Hello!","refusal":null},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

#[test]
fn the_manifest_names_origin_slot_and_settings() {
    let manifest = OpenAi::describe();
    assert_eq!(manifest.id, "openai");
    assert_eq!(manifest.egress, ["https://api.openai.com", "{config.base_url*}"]);
    assert_eq!(manifest.credentials[0].name, "api-key");
    assert!(manifest.credentials[0].required);
    let schema: serde_json::Value = serde_json::from_str(&manifest.config_schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(OpenAi::check_config("{}"), Ok(()));
}

#[test]
fn a_whole_answer() {
    let recording = Recording::new().reply(Reply::json(200, ANSWER)).install();
    let mut req = request();
    req.sampling.top_k = Some(3);
    let answer = block_on(OpenAi::complete(req)).unwrap();
    assert_eq!(
        answer.choices[0].message.parts[0].content,
        PartContent::Text("Hello!".into())
    );
    assert_eq!(answer.dropped[0].field, "top_k");

    let sent = &recording.requests()[0];
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("POST", "https://api.openai.com/v1/chat/completions")
    );
    assert_eq!(sent.credential.as_deref(), Some("api-key"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(
        sent.json(),
        json!({"model": "gpt-test", "messages": [{"role": "user", "content": "hi"}]})
    );
}

#[test]
fn another_makers_server_is_asked_by_the_older_names_and_for_all_that_was_wished() {
    let config = json!({"base_url": "http://127.0.0.1:8000", "compatible": true});
    let answer = r#"{"id":"c1","model":"qwen","choices":[{"index":0,"finish_reason":"stop",
        "message":{"role":"assistant","content":"4","reasoning":"2 and 2"}}]}"#;
    let recording = Recording::new()
        .config(&config)
        .reply(Reply::json(200, answer))
        .install();
    let mut req = request();
    let thought = Part::new(PartContent::Reasoning(Reasoning {
        text: "hm".into(),
        redacted: false,
    }));
    req.messages.push(Message {
        parts: vec![thought, Part::text("yes")],
        ..Message::text(Role::Assistant, "")
    });
    req.sampling.max_output_tokens = Some(9);
    req.sampling.top_k = Some(3);
    req.extra = vec![
        ("min_p".to_owned(), "0.1".to_owned()),
        (
            "chat_template_kwargs".to_owned(),
            r#"{"enable_thinking":false}"#.to_owned(),
        ),
    ];
    let answer = block_on(OpenAi::complete(req)).unwrap();
    assert_eq!(answer.dropped, []);
    assert!(
        matches!(&answer.choices[0].message.parts[0].content, PartContent::Reasoning(thought) if thought.text == "2 and 2")
    );
    let sent = &recording.requests()[0];
    assert_eq!(sent.url, "http://127.0.0.1:8000/v1/chat/completions");
    assert_eq!(
        sent.json(),
        json!({
            "model": "gpt-test", "max_tokens": 9, "top_k": 3, "min_p": 0.1,
            "chat_template_kwargs": {"enable_thinking": false},
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
            ]
        })
    );
}

#[test]
fn settings_shape_the_request() {
    let config = json!({
        "base_url": "https://eu.api.openai.com", "base_path": "/x/v1",
        "organization": "org-1", "project": "proj_1", "pass": ["brand_new"]
    });
    let recording = Recording::new()
        .config(&config)
        .reply(Reply::json(200, ANSWER))
        .install();
    let mut req = request();
    req.extra = vec![("brand_new".into(), "true".into())];
    block_on(OpenAi::complete(req)).unwrap();
    let sent = &recording.requests()[0];
    assert_eq!(sent.url, "https://eu.api.openai.com/x/v1/chat/completions");
    assert_eq!(sent.header("openai-organization"), Some("org-1"));
    assert_eq!(sent.header("openai-project"), Some("proj_1"));
    assert_eq!(sent.json()["brand_new"], true);
}

#[test]
fn a_stream_in_pieces() {
    let body = "data: {\"id\":\"c1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n\
        data: {\"id\":\"c1\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";
    let recording = Recording::new().reply(Reply::sse(body).in_pieces_of(7)).install();
    let answer = block_on(async { OpenAi::stream(request()).await?.fold().await }).unwrap();
    assert_eq!(
        answer.choices[0].message.parts[0].content,
        PartContent::Text("Hi".into())
    );
    let sent = &recording.requests()[0];
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(sent.json()["stream_options"]["include_usage"], true);
}

#[test]
fn a_stream_that_stops_short_is_no_success() {
    let body = "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    for (reply, kind) in [
        (Reply::sse(body), ErrorKind::StreamTruncated),
        (
            Reply::sse(body).breaks_at(body.len(), HttpError::Timeout("idle".into())),
            ErrorKind::Timeout,
        ),
    ] {
        let _recording = Recording::new().reply(reply).install();
        let events = block_on(async { OpenAi::stream(request()).await.unwrap().collect().await });
        let Some(ChatEvent::Error(error)) = events.last() else {
            panic!("{events:?}")
        };
        assert_eq!(error.kind, kind);
    }
}

#[test]
fn an_answer_that_was_not_streamed_is_still_an_answer() {
    let _recording = Recording::new().reply(Reply::json(200, ANSWER)).install();
    let answer = block_on(async { OpenAi::stream(request()).await?.fold().await }).unwrap();
    assert_eq!(
        answer.choices[0].message.parts[0].content,
        PartContent::Text("Hello!".into())
    );
}

#[test]
fn failures_keep_what_the_provider_said() {
    let body = r#"{"error":{"message":"Slow down.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    for stream in [false, true] {
        let reply = Reply::json(429, body)
            .header("retry-after-ms", "1500")
            .header("x-request-id", "req_1");
        let _recording = Recording::new().reply(reply).install();
        let error = if stream {
            block_on(OpenAi::stream(request())).unwrap_err()
        } else {
            block_on(OpenAi::complete(request())).unwrap_err()
        };
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert!(error.retryable);
        assert_eq!(error.retry_after_ms, Some(1500));
        assert_eq!(error.request_id.as_deref(), Some("req_1"));
        assert_eq!(error.provider_code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(error.raw.as_deref(), Some(body));
    }
}

#[test]
fn an_answer_that_is_none_is_the_providers_fault() {
    for body in ["<html>", "{}", r#"{"choices":[]}"#, "[]"] {
        let _recording = Recording::new()
            .reply(Reply::new(200, body).header("x-request-id", "r"))
            .install();
        let error = block_on(OpenAi::complete(request())).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{body}");
        assert_eq!((error.http_status, error.request_id.as_deref()), (Some(200), Some("r")));
    }
}

#[test]
fn vectors() {
    let body = r#"{"object":"list","model":"e-1","data":[{"index":0,"embedding":"AACAPw=="}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let recording = Recording::new()
        .reply(Reply::json(200, body))
        .reply(Reply::json(404, "{}"))
        .install();
    let req = embeddings::Request {
        model: "e".into(),
        inputs: vec![embeddings::Input::Text("hi".into())],
        dimensions: None,
        user: None,
        extra: Vec::new(),
    };
    let answer = block_on(OpenAi::embed(req.clone())).unwrap();
    assert_eq!((answer.model.as_str(), answer.vectors), ("e-1", vec![vec![1.0]]));
    let sent = &recording.requests()[0];
    assert_eq!(sent.url, "https://api.openai.com/v1/embeddings");
    assert_eq!(sent.credential.as_deref(), Some("api-key"));
    assert_eq!(block_on(OpenAi::embed(req)).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn models() {
    let body = r#"{"object":"list","data":[{"id":"gpt-test","object":"model","created":5,"owned_by":"openai"}]}"#;
    let recording = Recording::new()
        .reply(Reply::json(200, body))
        .reply(Reply::json(401, "{}"))
        .install();
    let models = block_on(OpenAi::list_models()).unwrap();
    assert_eq!((models[0].id.as_str(), models[0].created), ("gpt-test", Some(5)));
    assert_eq!(recording.requests()[0].url, "https://api.openai.com/v1/models");
    assert_eq!(
        block_on(OpenAi::list_models()).unwrap_err().kind,
        ErrorKind::Authentication
    );
}
