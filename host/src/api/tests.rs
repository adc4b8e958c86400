//! The front over a real socket: arrival, auth and router before a dispatch stack of the test's
//! own.

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::middleware::{from_fn, from_fn_with_state};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{Front, arrival, router};
use crate::auth;
use crate::clock::SystemClock;
use crate::config::{Config, Env};
use crate::context::{Principal, RequestContext};
use crate::dispatch::{Ask, Dispatch, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, Target, embeddings};
use crate::error::GatewayError;
use crate::llm::{self, ChatEvent};
use crate::reload::Snapshot;

type Batches = mpsc::Receiver<Vec<ChatEvent>>;

/// What was asked, and what is to be answered.
#[derive(Default)]
struct Script {
    asked: Mutex<Vec<(RequestContext, LlmRequest)>>,
    stream: Mutex<Option<Batches>>,
    fail: Mutex<Option<GatewayError>>,
    /// Never answers, and drops this when it is dropped itself.
    hang: Mutex<Option<oneshot::Sender<()>>>,
}

#[async_trait]
impl Dispatch for Script {
    async fn ask(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError> {
        let ask = request.ask.clone();
        self.asked.lock().unwrap().push((context.clone(), request));
        if let Some(error) = self.fail.lock().unwrap().take() {
            return Err(error);
        }
        let hang = self.hang.lock().unwrap().take();
        if let Some(_held) = hang {
            std::future::pending::<()>().await;
        }
        let dropped = vec![llm::DroppedField {
            field: "logit_bias".into(),
            reason: "no place".into(),
        }];
        let answer = if let Ask::Embeddings(request) = ask {
            LlmAnswer::Embeddings(embeddings::Response {
                model: "x-1".into(),
                vectors: request.inputs.iter().map(|_| vec![0.5, -2.0]).collect(),
                usage: None,
                dropped,
                extra: vec![],
            })
        } else if let Ask::Chat { stream: true, .. } = ask {
            let events = self.stream.lock().unwrap().take().expect("a stream is scripted");
            let start = llm::ResponseStart {
                id: "a-1".into(),
                model: "x-1".into(),
                created: Some(1),
                dropped,
                extra: vec![],
            };
            LlmAnswer::Stream {
                start,
                events: Box::pin(ReceiverStream::new(events)),
            }
        } else {
            let part = llm::Part {
                content: llm::PartContent::Text("hi".into()),
                state: None,
                cache: None,
                extra: vec![],
            };
            let message = llm::Message {
                role: llm::Role::Assistant,
                name: None,
                parts: vec![part],
                extra: vec![],
            };
            let finish = llm::FinishReason::Stop;
            LlmAnswer::Whole(Box::new(llm::ChatResponse {
                id: "a-1".into(),
                model: "x-1".into(),
                created: Some(1),
                choices: vec![llm::Choice {
                    index: 0,
                    message,
                    finish,
                    finish_detail: None,
                    logprobs: None,
                    extra: vec![],
                }],
                usage: None,
                dropped,
                extra: vec![],
            }))
        };
        let target = Target {
            provider: "acme".into(),
            model: "x-1".into(),
            generation: 3,
        };
        Ok(LlmResponse { target, answer })
    }

    async fn models(&self, _: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError> {
        let entry = |name: &str, created| ModelEntry {
            name: name.into(),
            provider: "acme".into(),
            info: llm::ModelInfo {
                id: "x-1".into(),
                name: None,
                created,
                capabilities: vec!["chat".into()],
                context_window: Some(1000),
                max_output_tokens: None,
                extra: vec![("odd".into(), "1".into())],
            },
        };
        Ok(vec![
            entry("fast", None),
            entry("slow", None),
            entry("acme/org/x-1", Some(9)),
        ])
    }
}

fn key(models: &[&str]) -> Principal {
    Principal::Key {
        name: "app".into(),
        models: models.iter().map(ToString::to_string).collect(),
    }
}

/// A host that takes bodies of 2000 bytes and knows one key, `open sesame`.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let text = "
        [server]
        max_body = 2000
        [[keys]]
        name = \"app\"
        models = [\"fast\", \"acme/*\"]
        sha256 = \"41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb\"
    ";
    let env = Env::from_pairs([("", ""); 0]);
    let config = Config::parse(text, Path::new("/host.toml"), &env).unwrap_or_else(|errors| panic!("{errors}"));
    Snapshot::without_plugins(config)
});

/// A running front and a connection to it.
struct Running {
    script: Arc<Script>,
    client: SendRequest<Full<Bytes>>,
}

async fn running() -> Running {
    let script = Arc::new(Script::default());
    let front = Front::new(Arc::clone(&script) as Arc<dyn Dispatch>, Arc::new(SystemClock));
    let arrivals = arrival::Arrivals::new(|| Arc::clone(&SNAPSHOT));
    let service = router(front)
        .layer(from_fn(auth::require))
        .layer(from_fn_with_state(arrivals, arrival::arrive));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let (client, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await.unwrap()))
        .await
        .unwrap();
    tokio::spawn(connection);
    Running { script, client }
}

fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", "Bearer open sesame")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

fn chat(fields: &Value) -> Request<Full<Bytes>> {
    let mut body = json!({"model": "fast", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    request(Method::POST, "/v1/chat/completions", body.to_string())
}

impl Running {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.client.ready().await.unwrap();
        self.client.send_request(request).await.unwrap()
    }

    async fn json(&mut self, request: Request<Full<Bytes>>) -> (http::response::Parts, Value) {
        let (head, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, serde_json::from_slice(&body).unwrap())
    }
}

#[tokio::test]
async fn a_whole_answer() {
    let mut running = running().await;
    let (head, body) = running.json(chat(&json!({"logit_bias": {}}))).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(body["choices"][0]["message"]["content"], "hi");
    let header = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-llm-host-provider"), "acme");
    assert_eq!(header("x-llm-host-model"), "x-1");
    assert_eq!(header("x-llm-host-generation"), "3");
    assert_eq!(header("x-llm-host-dropped"), "logit_bias");
    let asked = running.script.asked.lock().unwrap();
    let (context, asked) = &asked[0];
    assert_eq!(context.principal, key(&["fast", "acme/*"]));
    assert_eq!(header("x-request-id"), context.id.as_str());
    assert!(
        context.id.as_str().starts_with("req_") && context.id.as_str().len() == 28,
        "{}",
        context.id
    );
    assert_eq!(asked.model, "fast");
    assert!(matches!(asked.ask, Ask::Chat { stream: false, .. }), "{asked:?}");
}

#[tokio::test]
async fn vectors() {
    let mut running = running().await;
    let body = json!({"model": "fast", "input": ["a", "b"], "encoding_format": "base64"});
    let (head, answer) = running
        .json(request(Method::POST, "/v1/embeddings", body.to_string()))
        .await;
    assert_eq!(head.headers["x-llm-host-provider"], "acme");
    assert_eq!(head.headers["x-llm-host-dropped"], "logit_bias");
    assert_eq!(answer["data"][1]["embedding"], "AAAAPwAAAMA=");
    let (head, answer) = running
        .json(request(
            Method::POST,
            "/v1/embeddings",
            r#"{"model": "slow", "input": "a"}"#,
        ))
        .await;
    assert_eq!(
        (head.status.as_u16(), &answer["error"]["code"]),
        (403, &json!("forbidden"))
    );
}

#[tokio::test]
async fn a_request_may_bring_its_id() {
    let mut running = running().await;
    for (given, kept) in [
        ("trace-1.a:b_c", true),
        ("with space", false),
        (&"x".repeat(200), false),
    ] {
        let mut request = chat(&json!({}));
        request.headers_mut().insert("x-request-id", given.parse().unwrap());
        let (head, _) = running.json(request).await;
        assert_eq!(head.headers["x-request-id"] == given, kept, "{given}");
    }
}

#[tokio::test]
async fn a_streamed_answer() {
    let mut running = running().await;
    let (sender, receiver) = mpsc::channel(4);
    *running.script.stream.lock().unwrap() = Some(receiver);
    let response = running.send(chat(&json!({"stream": true}))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(response.headers()["x-llm-host-dropped"], "logit_bias");
    let mut body = response.into_body();
    // The head and the first chunk are there before the model has said anything.
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(
        first.starts_with(b"data: {\"id\":\"a-1\"") && first.ends_with(b"\n\n"),
        "{first:?}"
    );
    let said = llm::PartDelta {
        choice: 0,
        part: 0,
        content: llm::DeltaContent::Text("hi".into()),
        state: None,
        redacted: false,
        logprobs: None,
        extra: vec![],
    };
    let finish = llm::Finish {
        choice: 0,
        reason: llm::FinishReason::Stop,
        detail: None,
        extra: vec![],
    };
    sender
        .send(vec![ChatEvent::Delta(said), ChatEvent::Finish(finish), ChatEvent::Done])
        .await
        .unwrap();
    let rest = body.collect().await.unwrap().to_bytes();
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert!(
        rest.contains(r#""delta":{"content":"hi"}"#) && rest.ends_with("data: [DONE]\n\n"),
        "{rest}"
    );
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_stream() {
    let mut running = running().await;
    let (sender, receiver) = mpsc::channel(4);
    *running.script.stream.lock().unwrap() = Some(receiver);
    let mut response = running.send(chat(&json!({"stream": true}))).await;
    response.body_mut().frame().await.unwrap().unwrap();
    assert!(!sender.is_closed());
    drop(response);
    drop(running.client);
    tokio::time::timeout(Duration::from_secs(10), sender.closed())
        .await
        .expect("the events are dropped");
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_wait() {
    let Running { script, mut client } = running().await;
    let (held, dropped) = oneshot::channel();
    *script.hang.lock().unwrap() = Some(held);
    let answer = tokio::spawn(async move { client.send_request(chat(&json!({}))).await });
    while script.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    answer.abort();
    let ended = tokio::time::timeout(Duration::from_secs(10), dropped)
        .await
        .expect("the call is dropped");
    assert!(ended.is_err());
}

#[tokio::test]
async fn refusals_are_in_openais_form() {
    let mut running = running().await;
    let without = |name: &'static str, mut request: Request<Full<Bytes>>| {
        request.headers_mut().remove(name);
        request
    };
    let from_a_page = |mut request: Request<Full<Bytes>>| {
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static("https://evil.example"));
        request
    };
    let post = |body: &'static str| request(Method::POST, "/v1/chat/completions", body);
    let cases = [
        (without("authorization", chat(&json!({}))), 401, "invalid_api_key", None),
        (
            from_a_page(without("content-type", chat(&json!({})))),
            415,
            "unsupported_media_type",
            None,
        ),
        (post("{\"model\""), 400, "invalid_json", None),
        (post("{\"model\":1}"), 400, "invalid_type", Some("model")),
        (chat(&json!({"user": "x".repeat(3000)})), 413, "request_too_large", None),
        (
            request(Method::GET, "/v1/chat/completions", ""),
            405,
            "method_not_allowed",
            None,
        ),
        (request(Method::GET, "/v1/nothing", ""), 404, "unknown_url", None),
        (
            request(Method::GET, "/v1/models/none", ""),
            404,
            "model_not_found",
            Some("model"),
        ),
    ];
    for (request, status, code, param) in cases {
        let place = format!("{} {}", request.method(), request.uri());
        let (head, body) = running.json(request).await;
        let error = &body["error"];
        assert_eq!(
            (head.status.as_u16(), error["code"].as_str()),
            (status, Some(code)),
            "{place}: {body}"
        );
        assert_eq!(error["param"].as_str(), param, "{place}");
        assert!(head.headers.contains_key("x-request-id"));
        assert_eq!(
            head.headers.get("allow").map(|allow| allow == "POST"),
            (status == 405).then_some(true)
        );
    }
    assert!(running.script.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_behind_the_front() {
    let mut running = running().await;
    *running.script.fail.lock().unwrap() = Some(GatewayError::Overloaded);
    let (head, body) = running.json(chat(&json!({}))).await;
    assert_eq!(
        (head.status, &body["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("host_overloaded"))
    );
    assert_eq!(head.headers["retry-after"], "1");
    assert_eq!(head.headers.get("x-should-retry"), None);
}

#[tokio::test]
async fn models() {
    let mut running = running().await;
    let (_, list) = running.json(request(Method::GET, "/v1/models", "")).await;
    let fast = json!({
        "id": "fast", "object": "model", "created": 0, "owned_by": "acme", "provider": "acme",
        "context_window": 1000, "capabilities": ["chat"], "odd": 1,
    });
    assert_eq!((&list["object"], &list["data"][0]), (&json!("list"), &fast));
    let names: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(names, ["fast", "acme/org/x-1"], "those that the key may ask for");
    let (head, _) = running.json(request(Method::GET, "/v1/models/slow", "")).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
    for id in ["acme/org/x-1", "acme%2Forg%2Fx-1"] {
        let (_, one) = running
            .json(request(Method::GET, &format!("/v1/models/{id}"), ""))
            .await;
        assert_eq!((&one["id"], &one["created"]), (&json!("acme/org/x-1"), &json!(9)));
    }
}
