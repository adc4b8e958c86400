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
use crate::dispatch::{
    Ask, Dispatch, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, NativeAnswer, NativeRequest, NativeResponse, Sound,
    Target, embeddings, images, speech,
};
use crate::error::GatewayError;
use crate::llm::{self, ChatEvent};
use crate::reload::Snapshot;

type Batches = mpsc::Receiver<Vec<ChatEvent>>;

/// What was asked, and what is to be answered.
#[derive(Default)]
struct Script {
    asked: Mutex<Vec<(RequestContext, LlmRequest)>>,
    passed: Mutex<Vec<NativeRequest>>,
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
        let answer = if let Some(other) = other(&ask, &dropped) {
            other
        } else if let Ask::Chat { stream: true, .. } | Ask::Completion { stream: true, .. } = ask {
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

    async fn native(
        &self,
        _: &RequestContext,
        provider: &str,
        request: NativeRequest,
    ) -> Result<NativeResponse, GatewayError> {
        let target = Target {
            provider: provider.into(),
            model: String::new(),
            generation: 3,
        };
        self.passed.lock().unwrap().push(request);
        let pieces = [Ok(Bytes::from_static(b"one ")), Ok(Bytes::from_static(b"two"))];
        let answer = NativeAnswer {
            status: 418,
            headers: vec![
                ("content-type".into(), Bytes::from_static(b"text/tea")),
                ("x-request-id".into(), Bytes::from_static(b"theirs")),
                ("access-control-allow-origin".into(), Bytes::from_static(b"*")),
            ],
            body: Box::pin(futures::stream::iter(pieces)),
            usage: None,
        };
        Ok(NativeResponse { target, answer })
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

/// Answers that are no conversation.
fn other(ask: &Ask, dropped: &[llm::DroppedField]) -> Option<LlmAnswer> {
    let dropped = dropped.to_vec();
    Some(match ask {
        Ask::Chat { .. } | Ask::Completion { .. } => return None,
        Ask::Embeddings(request) => LlmAnswer::Embeddings(embeddings::Response {
            model: "x-1".into(),
            vectors: request.inputs.iter().map(|_| vec![0.5, -2.0]).collect(),
            usage: None,
            dropped,
            extra: vec![],
        }),
        Ask::Images(request) => LlmAnswer::Images(images::Response {
            images: request.references.clone(),
            revised_prompt: Some(request.prompt.clone()),
            usage: None,
            dropped,
            extra: vec![],
        }),
        Ask::Synthesis(_) => LlmAnswer::Sound(Sound {
            media_type: "audio/x".into(),
            dropped,
            body: Box::pin(futures::stream::iter([Ok(Bytes::from_static(b"la la"))])),
        }),
        Ask::Transcription(request) => LlmAnswer::Transcript(Box::new(speech::Transcript {
            text: "one two".into(),
            language: request.language.clone(),
            duration_ms: Some(1500),
            segments: Some(r#"[{"start":0,"end":1.5,"text":"one two"}]"#.into()),
            usage: None,
            dropped,
            extra: vec![("words".into(), "[]".into())],
        })),
    })
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
async fn texts_are_continued_whole_and_as_a_stream() {
    let mut running = running().await;
    let body = json!({"model": "fast", "prompt": ["a", "b"], "max_tokens": 5, "echo": true, "odd": 1});
    let (_, answer) = running
        .json(request(Method::POST, "/v1/completions", body.to_string()))
        .await;
    assert_eq!(
        answer,
        json!({"id": "a-1", "object": "text_completion", "created": 1, "model": "x-1",
            "choices": [{"text": "hi", "index": 0, "logprobs": null, "finish_reason": "stop"}]})
    );
    {
        let asked = running.script.asked.lock().unwrap();
        let Ask::Completion { request, stream: false } = &asked[0].1.ask else {
            panic!("{:?}", asked[0].1)
        };
        assert_eq!((request.prompts.len(), request.echo), (2, true));
        assert_eq!(request.sampling.max_output_tokens, Some(5));
        assert_eq!(request.extra, [("odd".to_owned(), "1".to_owned())]);
    }
    let (sender, receiver) = mpsc::channel(4);
    *running.script.stream.lock().unwrap() = Some(receiver);
    let said = llm::PartDelta {
        choice: 0,
        part: 0,
        content: llm::DeltaContent::Text("hi".into()),
        state: None,
        redacted: false,
        logprobs: Some("{}".into()),
        extra: vec![],
    };
    let finish = llm::Finish {
        choice: 0,
        reason: llm::FinishReason::Length,
        detail: None,
        extra: vec![],
    };
    sender
        .send(vec![ChatEvent::Delta(said), ChatEvent::Finish(finish), ChatEvent::Done])
        .await
        .unwrap();
    let body = r#"{"model": "fast", "prompt": "a", "stream": true}"#;
    let response = running.send(request(Method::POST, "/v1/completions", body)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let head = r#"data: {"id":"a-1","object":"text_completion","created":1,"model":"x-1","choices":[{"text":"#;
    let expected = format!(
        "{head}\"hi\",\"index\":0,\"logprobs\":{{}},\"finish_reason\":null}}]}}\n\n\
         {head}\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}}]}}\n\ndata: [DONE]\n\n"
    );
    assert_eq!(String::from_utf8_lossy(&body), expected);
}

/// A form of these fields; those whose value begins with `@` are files.
fn form(path: &str, fields: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut body = String::new();
    for (name, value) in fields {
        let (file, value) = match value.strip_prefix('@') {
            Some(bytes) => ("; filename=\"f.bin\"\r\ncontent-type: application/x", bytes),
            None => ("", *value),
        };
        body.push_str(&format!(
            "--b\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        ));
    }
    let mut request = request(Method::POST, path, body + "--b--\r\n");
    let content_type = HeaderValue::from_static("multipart/form-data; boundary=b");
    request.headers_mut().insert("content-type", content_type);
    request
}

#[tokio::test]
async fn pictures_from_forms() {
    let mut running = running().await;
    let fields = [
        ("model", "fast"),
        ("prompt", "more red"),
        ("image[]", "@one"),
        ("image[]", "@two"),
        ("mask", "@mask"),
        ("n", "2"),
        ("quality", "high"),
    ];
    let (head, answer) = running.json(form("/v1/images/edits", &fields)).await;
    assert_eq!(head.status, 200, "{answer}");
    assert_eq!(head.headers["x-llm-host-dropped"], "logit_bias");
    assert_eq!(answer["data"][1]["b64_json"], "dHdv");
    assert_eq!(answer["data"][0]["revised_prompt"], "more red");
    assert_eq!(answer["data"][0]["media_type"], "application/x");
    {
        let asked = running.script.asked.lock().unwrap();
        let Ask::Images(request) = &asked[0].1.ask else {
            panic!("{:?}", asked[0].1)
        };
        assert_eq!(
            (request.references.len(), request.mask.is_some(), request.n),
            (2, true, Some(2))
        );
        assert_eq!(request.references[0].name.as_deref(), Some("f.bin"));
        assert_eq!(request.extra, [("quality".to_owned(), "\"high\"".to_owned())]);
    }
    let (head, _) = running
        .json(form("/v1/images/variations", &[("model", "fast"), ("image", "@one")]))
        .await;
    assert_eq!(head.status, 200);
    for (path, fields, param) in [
        ("/v1/images/edits", &[("image", "@one")][..], "prompt"),
        ("/v1/images/edits", &[("prompt", "x")], "image"),
        ("/v1/images/variations", &[("image", "@one"), ("n", "x")], "n"),
        (
            "/v1/images/variations",
            &[("image", "@one"), ("stream", "true")],
            "stream",
        ),
        (
            "/v1/images/variations",
            &[("image", "@one"), ("other", "@two")],
            "other",
        ),
    ] {
        let (head, answer) = running.json(form(path, fields)).await;
        assert_eq!(
            (head.status.as_u16(), &answer["error"]["param"]),
            (400, &json!(param)),
            "{answer}"
        );
    }
    let mut plain = form("/v1/images/edits", &[]);
    plain
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    let (head, answer) = running.json(plain).await;
    assert_eq!(
        (head.status.as_u16(), &answer["error"]["code"]),
        (415, &json!("unsupported_media_type"))
    );
}

#[tokio::test]
async fn sound_both_ways() {
    let mut running = running().await;
    let body = r#"{"model": "fast", "input": "la", "voice": {"id": "v-1"}, "response_format": "flac", "speed": 1.5}"#;
    let response = running.send(request(Method::POST, "/v1/audio/speech", body)).await;
    assert_eq!(response.headers()["content-type"], "audio/x");
    assert_eq!(response.headers()["x-llm-host-provider"], "acme");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "la la");
    {
        let asked = running.script.asked.lock().unwrap();
        let Ask::Synthesis(request) = &asked[0].1.ask else {
            panic!("{:?}", asked[0].1)
        };
        assert_eq!(
            (request.voice.as_str(), request.format.as_deref()),
            ("v-1", Some("flac"))
        );
    }
    let srt = "1\n00:00:00,000 --> 00:00:01,500\none two\n\n";
    let verbose = r#"{"task":"transcribe","language":"de","duration":1.5,"text":"one two","#.to_owned()
        + r#""segments":[{"start":0,"end":1.5,"text":"one two"}],"words":[]}"#;
    for (format, content_type, expected) in [
        ("", "application/json", r#"{"text":"one two","words":[]}"#),
        ("json", "application/json", r#"{"text":"one two","words":[]}"#),
        ("verbose_json", "application/json", verbose.as_str()),
        ("text", "text/plain; charset=utf-8", "one two\n"),
        ("srt", "text/plain; charset=utf-8", srt),
    ] {
        let fields = [
            ("model", "fast"),
            ("file", "@RIFF"),
            ("language", "de"),
            ("response_format", format),
            ("temperature", "0.2"),
            ("timestamp_granularities[]", "word"),
        ];
        let response = running.send(form("/v1/audio/transcriptions", &fields)).await;
        assert_eq!(response.headers()["content-type"], content_type, "{format}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(String::from_utf8_lossy(&body), expected, "{format}");
    }
    let asked = std::mem::take(&mut *running.script.asked.lock().unwrap());
    let Ask::Transcription(request) = &asked.last().unwrap().1.ask else {
        panic!("{:?}", asked.last().unwrap().1)
    };
    let extra: Vec<_> = request
        .extra
        .iter()
        .map(|(name, json)| (name.as_str(), json.as_str()))
        .collect();
    assert_eq!(
        extra,
        [
            ("temperature", "0.2"),
            ("timestamp_granularities", "[\"word\"]"),
            ("response_format", "\"srt\"")
        ]
    );
    let response = running
        .send(form("/v1/audio/translations", &[("model", "fast"), ("file", "@RIFF")]))
        .await;
    assert_eq!(response.status(), 200);
    drop(response.into_body().collect().await);
    let asked = running.script.asked.lock().unwrap();
    let Ask::Transcription(request) = &asked[0].1.ask else {
        panic!("{:?}", asked[0].1)
    };
    assert_eq!(request.extra, [("task".to_owned(), "\"translate\"".to_owned())]);
}

#[tokio::test]
async fn a_providers_own_api() {
    let mut running = running().await;
    let mut asked = request(Method::DELETE, "/providers/acme/v1/a%2Fb?x=1", "body");
    asked.headers_mut().insert("x-own", HeaderValue::from_static("1"));
    let response = running.send(asked).await;
    assert_eq!(response.status(), 418);
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type").as_deref(), Some("text/tea"));
    assert_eq!(header("x-llm-host-provider").as_deref(), Some("acme"));
    assert_eq!(header("x-llm-host-provider-request-id").as_deref(), Some("theirs"));
    assert_ne!(header("x-request-id").as_deref(), Some("theirs"));
    assert_eq!(header("x-llm-host-model"), None);
    assert_eq!(header("access-control-allow-origin"), None);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "one two");
    {
        let passed = running.script.passed.lock().unwrap();
        let NativeRequest { head, body } = &passed[0];
        assert_eq!((head.method.as_str(), head.path.as_str()), ("DELETE", "/v1/a%2Fb"));
        assert_eq!((head.query.as_deref(), &body[..]), (Some("x=1"), &b"body"[..]));
        assert!(head.headers.iter().any(|(name, _)| name == "x-own"));
        assert!(
            !head.headers.iter().any(|(name, _)| name == "authorization"),
            "the caller's key stays here"
        );
    }
    for (path, status) in [("/providers/other/v1/x", 403), ("/providers/acme", 404)] {
        let (head, answer) = running.json(request(Method::GET, path, "")).await;
        assert_eq!(head.status.as_u16(), status, "{path}: {answer}");
    }
    let (head, answer) = running
        .json(request(Method::POST, "/providers/acme/x", vec![0; 3000]))
        .await;
    assert_eq!(
        (head.status.as_u16(), &answer["error"]["code"]),
        (413, &json!("request_too_large"))
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
async fn an_address_that_leads_nowhere_says_where_to_go() {
    let mut running = running().await;
    for (path, advice) in [
        ("/chat/completions", "base URL must end in `/v1`"),
        ("/", "base URL must end in `/v1`"),
        ("/v1/v1/chat/completions", "must not end in it"),
        ("/v1/responses", "`POST /v1/chat/completions`"),
        ("/v1/responses/r1/cancel", "`/providers/NAME/v1/responses/r1/cancel`"),
        ("/v1/messages", "`POST /v1/chat/completions`"),
        ("/v1/messages_of_another", "`/providers/NAME/v1/messages_of_another`"),
        ("/v1/files", "`/providers/NAME/v1/files`"),
    ] {
        let (head, body) = running.json(request(Method::POST, path, "{}")).await;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(head.status, StatusCode::NOT_FOUND, "{path}");
        assert!(message.contains(advice) && message.contains(path), "{path}: {message}");
    }
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
