//! The adapter as the host calls it, with a recorded provider.

#![allow(clippy::result_large_err)]
// The functions that tests share are not seen as tests by this lint.
#![allow(clippy::unwrap_used)]

use llm_plugin_anthropic::Anthropic;
use llm_provider_sdk::bindings::llm_host::provider::credentials::CredentialError;
use llm_provider_sdk::native::{BodyMode, RequestHead};
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ErrorKind, Message, PartContent, Role};
use llm_provider_sdk::{Chat, HttpError, Native, Provider, http};
use serde_json::{Value, json};

fn ask() -> ChatRequest {
    ChatRequest::new("claude-sonnet-4-5", vec![Message::text(Role::User, "Hello")])
}

fn answer() -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 8, "output_tokens": 2}})
}

const STREAM: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":8,\"output_tokens\":1}}}\n\n\
event: content_block_start\n\
data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n\
event: content_block_stop\n\
data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\n\
data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
event: message_stop\n\
data: {\"type\":\"message_stop\"}\n\n";

#[test]
fn the_settings_decide_where_and_how() {
    let host = Recording::new()
        .config(&json!({"base_url": "https://gw.example.com", "base_path": "/anthropic", "version": "2099-01-01", "betas": ["a-1", "b-2"], "default_max_tokens": 77}))
        .reply(Reply::json(200, answer().to_string()))
        .install();
    let mut request = ask();
    request.extra = vec![
        ("anthropic_beta".to_owned(), r#"["b-2","c-3"]"#.to_owned()),
        ("logit_bias".to_owned(), r#"{"5":1}"#.to_owned()),
        ("user_profile_id".to_owned(), r#""uprof_1""#.to_owned()),
    ];
    let got = block_on(Anthropic::complete(request)).unwrap();
    assert_eq!(
        got.choices[0].message.parts[0].content,
        PartContent::Text("Hi".to_owned())
    );
    assert_eq!(got.dropped.len(), 1);
    let sent = &host.requests()[0];
    assert_eq!(sent.url, "https://gw.example.com/anthropic/v1/messages");
    assert_eq!(sent.header("anthropic-version"), Some("2099-01-01"));
    assert_eq!(sent.header("anthropic-beta"), Some("a-1,b-2,c-3"));
    assert_eq!(sent.header("anthropic-user-profile-id"), Some("uprof_1"));
    assert_eq!(sent.credential.as_deref(), Some("api-key"));
    assert_eq!(sent.json()["max_tokens"], 77);
    assert_eq!(sent.json().get("stream"), None);
    // The host owns these; a guest that set them would be refused.
    for name in ["x-api-key", "authorization", "host"] {
        assert_eq!(sent.header(name), None);
    }
}

#[test]
fn a_stream_begins_with_what_was_dropped() {
    let host = Recording::new().reply(Reply::sse(STREAM).in_pieces_of(7)).install();
    let mut request = ask();
    request.sampling.seed = Some(1);
    let events = block_on(async { Anthropic::stream(request).await.unwrap().collect().await });
    let Some(ChatEvent::Start(start)) = events.first() else {
        panic!("the start: {events:?}");
    };
    assert_eq!(start.dropped[0].field, "seed");
    assert_eq!(events.last(), Some(&ChatEvent::Done));
    assert_eq!(host.requests()[0].json()["stream"], true);
}

#[test]
fn a_whole_answer_to_a_stream_is_streamed() {
    let _host = Recording::new().reply(Reply::json(200, answer().to_string())).install();
    let whole = block_on(async { Anthropic::stream(ask()).await.unwrap().fold().await }).unwrap();
    let _host = Recording::new().reply(Reply::json(200, answer().to_string())).install();
    assert_eq!(block_on(Anthropic::complete(ask())).unwrap(), whole);
}

#[test]
fn a_failure_before_the_first_piece_is_the_calls_error() {
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}"#;
    let cases = [
        Reply::json(529, overloaded),
        Reply::sse(format!("event: error\ndata: {overloaded}\n\n")),
    ];
    for reply in cases {
        let _host = Recording::new().reply(reply).install();
        let error = block_on(Anthropic::stream(ask())).unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::Overloaded, true));
        assert_eq!(error.request_id.as_deref(), Some("req_9"));
    }
}

#[test]
fn a_failure_on_the_way_keeps_its_kind() {
    let cases = [
        (
            Reply::failure(HttpError::Timeout("first byte".to_owned())),
            ErrorKind::Timeout,
        ),
        (
            Reply::failure(HttpError::Denied("egress".to_owned())),
            ErrorKind::Denied,
        ),
        (
            Reply::json(200, answer().to_string()).breaks_at(20, HttpError::Connect("reset".to_owned())),
            ErrorKind::Transport,
        ),
        (Reply::new(200, "<html>"), ErrorKind::Upstream),
        (Reply::json(200, r#"{"id":"x"}"#), ErrorKind::Upstream),
        (
            Reply::json(200, r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#),
            ErrorKind::Upstream,
        ),
    ];
    for (reply, kind) in cases {
        let name = format!("{reply:?}");
        let _host = Recording::new().reply(reply).install();
        assert_eq!(block_on(Anthropic::complete(ask())).unwrap_err().kind, kind, "{name}");
    }
    let _host = Recording::new()
        .refuse("api-key", CredentialError::NotGranted)
        .install();
    assert_eq!(
        block_on(Anthropic::complete(ask())).unwrap_err().kind,
        ErrorKind::Denied
    );
}

#[test]
fn a_request_that_cannot_be_is_not_sent() {
    let host = Recording::new().install();
    let mut request = ask();
    request.sampling.n = Some(3);
    let error = block_on(Anthropic::stream(request)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!(host.requests(), vec![]);
}

#[test]
fn models_come_in_pages() {
    let page = |id: &str, more: bool| json!({"data": [{"type": "model", "id": id, "display_name": id, "created_at": "2025-09-29T00:00:00Z"}], "has_more": more, "first_id": id, "last_id": id});
    let host = Recording::new()
        .reply(Reply::json(200, page("a", true).to_string()))
        .reply(Reply::json(200, page("b", false).to_string()))
        .install();
    let models = block_on(Anthropic::list_models()).unwrap();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let urls: Vec<String> = host.requests().into_iter().map(|sent| sent.url).collect();
    assert_eq!(
        urls,
        [
            "https://api.anthropic.com/v1/models?limit=1000",
            "https://api.anthropic.com/v1/models?limit=1000&after_id=a"
        ]
    );

    // A service that turns in a circle is left.
    let circle = Recording::new()
        .reply(Reply::json(200, page("a", true).to_string()))
        .reply(Reply::json(200, page("a", true).to_string()))
        .install();
    assert_eq!(block_on(Anthropic::list_models()).unwrap().len(), 2);
    assert_eq!(circle.replies_left(), 0);

    let _host = Recording::new()
        .reply(Reply::json(
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
        ))
        .install();
    assert_eq!(
        block_on(Anthropic::list_models()).unwrap_err().kind,
        ErrorKind::Authentication
    );
}

fn head(method: &str, path: &str, query: Option<&str>) -> RequestHead {
    let headers = [
        ("content-type", "application/json"),
        ("anthropic-beta", "c-3, b-2"),
        ("accept-encoding", "gzip"),
        ("x-stainless-lang", "python"),
    ];
    RequestHead {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec(),
    }
}

#[test]
fn native_calls_are_routed() {
    let _host = Recording::new()
        .config(&json!({"base_url": "https://gw.example.com", "base_path": "/a", "betas": ["a-1", "b-2"]}))
        .install();
    let forward = Anthropic::route(head("POST", "/v1/messages", Some("beta=true"))).unwrap();
    assert_eq!(forward.url, "https://gw.example.com/a/v1/messages?beta=true");
    assert_eq!(forward.credential.as_deref(), Some("api-key"));
    assert_eq!(
        (forward.request_body, forward.response_body),
        (BodyMode::Pass, BodyMode::Copy)
    );
    let headers: Vec<(&str, &str)> = forward
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a-1,b-2,c-3"),
        ]
    );
    for (method, path) in [
        ("GET", "/v1/models"),
        ("POST", "/v1/messages/count_tokens"),
        ("GET", "/v1/messages/batches/b/results"),
    ] {
        assert_eq!(
            Anthropic::route(head(method, path, None)).unwrap().response_body,
            BodyMode::Pass
        );
    }
    for path in ["/", "/v2/messages", "/v1", "/admin/v1/keys", "/v1/../admin"] {
        assert_eq!(
            Anthropic::route(head("GET", path, None)).unwrap_err().kind,
            ErrorKind::NotFound,
            "{path}"
        );
    }
}

/// The usage that is found in an answer.
fn usage_of(reply: Reply) -> Option<(u64, u64)> {
    let _host = Recording::new().reply(reply).install();
    block_on(async {
        let answer = http::Request::get("https://api.anthropic.com/v1/messages")
            .send()
            .await
            .unwrap();
        let (status, headers) = (answer.status, answer.headers().to_vec());
        let usage = Anthropic::read_usage(status, headers, answer.into_body())
            .await
            .unwrap();
        usage.map(|usage| (usage.input, usage.output))
    })
}

#[test]
fn usage_is_found_in_native_answers() {
    assert_eq!(usage_of(Reply::sse(STREAM).in_pieces_of(5)), Some((8, 2)));
    assert_eq!(
        usage_of(Reply::sse(STREAM).closes_at(200)),
        Some((8, 1)),
        "as far as it got"
    );
    assert_eq!(usage_of(Reply::json(200, answer().to_string())), Some((8, 2)));
    assert_eq!(usage_of(Reply::json(200, "{}")), None);
    assert_eq!(usage_of(Reply::json(429, r#"{"type":"error"}"#)), None);
}

#[test]
fn the_manifest_says_what_it_needs() {
    let manifest = Anthropic::describe();
    assert_eq!(manifest.id, "anthropic");
    assert_eq!(manifest.egress, ["https://api.anthropic.com", "{config.base_url*}"]);
    let [slot] = manifest.credentials.as_slice() else {
        panic!("one slot: {:?}", manifest.credentials);
    };
    assert_eq!((slot.name.as_str(), slot.required), ("api-key", true));
    assert_eq!(slot.attach, r#"{"header":"x-api-key"}"#);
    assert_eq!(slot.kinds, ["header", "bearer"]);
    let schema: Value = serde_json::from_str(&manifest.config_schema).unwrap();
    assert_eq!(schema["type"], "object");
    assert_eq!(Anthropic::check_config("{}"), Ok(()));
    assert!(
        Anthropic::check_config(r#"{"base_url":"nonsense"}"#)
            .unwrap_err()
            .contains("base_url")
    );
}
