//! What the host is compared with: the same server with less in it.
//!
//! In: a role, handed to this program by its environment. Out: a server that runs until it is
//! killed. `Direct` is axum alone, answering at once with bytes that it was given; `Layers` is the host's
//! own stack around a dispatch that answers without a plugin. Never: another server, runtime or
//! socket option than the host's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures::StreamExt as _;
use llm_host::api::Front;
use llm_host::clock::SystemClock;
use llm_host::config::{Config, Env};
use llm_host::context::RequestContext;
use llm_host::dispatch::{
    Ask, Dispatch, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, NativeRequest, NativeResponse, Target,
};
use llm_host::egress::client::{Client, ClientOptions};
use llm_host::egress::credential::{Credentials, MemoryStore, VaultAccess, VaultKeeper};
use llm_host::error::GatewayError;
use llm_host::llm::{
    ChatEvent, ChatResponse, Choice, DeltaContent, Finish, FinishReason, Message, Part, PartContent, PartDelta,
    ResponseStart, Role as Speaker, Usage,
};
use llm_host::pipeline;
use llm_host::plugin::Engine;
use llm_host::reload::{Foundations, Reloader};
use llm_host::server::Places;
use llm_host_vault::{Anchor, Unlock};

use crate::client::CHAT;
use crate::sandbox;

const ROLE: &str = "LLM_HOST_BENCH_ROLE";
const ANSWER: &str = "LLM_HOST_BENCH_ANSWER";

/// What this program is to be, when it is not a benchmark.
#[derive(Debug, Clone)]
pub enum Role {
    /// Axum alone. Answers with the bytes of this file, of this content type.
    Direct {
        /// The bytes.
        answer: PathBuf,
    },
    /// The host's own layers, its JSON and its log, around an answer that needs no plugin.
    Layers,
}

impl Role {
    pub(crate) fn hand_to(&self, command: &mut Command, dir: &Path) {
        command.current_dir(dir);
        match self {
            Self::Direct { answer } => command.env(ROLE, "direct").env(ANSWER, answer),
            Self::Layers => command.env(ROLE, "layers"),
        };
    }
}

/// Takes the role that the environment names, and never comes back; or comes back at once. The
/// first thing that a benchmark does.
///
/// # Panics
/// When it cannot serve.
pub fn take_role() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    // As `host run` does.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("info"))
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let app = match role.to_str() {
            Some("direct") => direct(),
            _ => layers().await,
        };
        serve(app).await;
    });
    std::process::exit(0);
}

async fn serve(app: Router) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    eprintln!("listening on http://{address}");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).await.expect("it serves");
}

fn direct() -> Router {
    let path = std::env::var_os(ANSWER).expect("the role comes with an answer");
    let answer: Bytes = std::fs::read(path).expect("the answer can be read").into();
    let stream = answer.starts_with(b"data:");
    let kind = if stream {
        "text/event-stream; charset=utf-8"
    } else {
        "application/json"
    };
    let handler = move |request: Request| async move {
        // A server that leaves the body unread would have to close the connection.
        axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .expect("a whole body");
        let mut response = Response::new(Body::from(answer));
        response
            .headers_mut()
            .insert("content-type", http::HeaderValue::from_static(kind));
        response
    };
    Router::new().route(CHAT, post(handler))
}

async fn layers() -> Router {
    let dir = std::env::current_dir().expect("a directory");
    let config = Config::load(&dir.join("host.toml"), &Env::default()).expect("a sound configuration");
    let access = VaultAccess {
        path: dir.join("vault.bin"),
        unlock: Unlock::key_file(dir.join("vault.key")),
        anchor: Anchor::at(dir.join("state").join("vault.anchor")),
    };
    let credentials = Arc::new(Credentials::new(MemoryStore::new()));
    let keeper = Arc::new(VaultKeeper::new(access, Arc::clone(&credentials)));
    let vault = keeper.prepare().await.expect("the vault opens");
    keeper.commit(vault, Duration::ZERO);
    let engine = Engine::new(&config.plugins.cache_dir).expect("an engine");
    let client = Client::new(ClientOptions::default()).expect("a client");
    let egress = sandbox::no_way_out();
    let foundations = Foundations::new(Arc::new(engine), egress, Arc::new(client));
    let places = Places::new(config.server.max_concurrent_requests);
    let reloader = Reloader::start(Arc::new(config), Env::default(), foundations, keeper)
        .await
        .expect("a first snapshot");
    pipeline::downstream(Front::new(Arc::new(Native), Arc::new(SystemClock)), reloader, places)
}

/// What `echo` answers, without a sandbox.
struct Native;

#[async_trait]
impl Dispatch for Native {
    async fn ask(&self, _: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError> {
        let Ask::Chat { request, stream } = request.ask else {
            let message = "it only converses".to_owned();
            return Err(GatewayError::Internal { message });
        };
        let said = request.messages.last().and_then(|message| message.parts.first());
        let text = match said.map(|part| &part.content) {
            Some(PartContent::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let words = text.split_whitespace().count() as u64;
        let usage = Usage {
            input: words,
            cache_read: 0,
            cache_write: 0,
            cache_write_long: 0,
            input_audio: 0,
            input_image: 0,
            output: words,
            reasoning: 0,
            output_audio: 0,
            output_image: 0,
            extra: vec![],
        };
        let answer = if stream {
            piece_by_piece(&text, usage)
        } else {
            whole(text, usage)
        };
        let target = Target {
            provider: "echo".into(),
            model: "echo".to_owned(),
            generation: 1,
        };
        Ok(LlmResponse { target, answer })
    }

    async fn native(&self, _: &RequestContext, _: &str, _: NativeRequest) -> Result<NativeResponse, GatewayError> {
        let message = "it only converses".to_owned();
        Err(GatewayError::Internal { message })
    }

    async fn models(&self, _: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError> {
        Ok(vec![])
    }
}

fn whole(text: String, usage: Usage) -> LlmAnswer {
    let part = Part {
        content: PartContent::Text(text),
        state: None,
        cache: None,
        extra: vec![],
    };
    let message = Message {
        role: Speaker::Assistant,
        name: None,
        parts: vec![part],
        extra: vec![],
    };
    let choice = Choice {
        index: 0,
        message,
        finish: FinishReason::Stop,
        finish_detail: None,
        logprobs: None,
        extra: vec![],
    };
    LlmAnswer::Whole(Box::new(ChatResponse {
        id: "echo-0123456789abcdef".to_owned(),
        model: "echo".to_owned(),
        created: None,
        choices: vec![choice],
        usage: Some(usage),
        dropped: vec![],
        extra: vec![],
    }))
}

fn piece_by_piece(text: &str, usage: Usage) -> LlmAnswer {
    let delta = |word: &str| {
        ChatEvent::Delta(PartDelta {
            choice: 0,
            part: 0,
            content: DeltaContent::Text(word.to_owned()),
            state: None,
            redacted: false,
            logprobs: None,
            extra: vec![],
        })
    };
    let mut batches: Vec<_> = text.split_inclusive(' ').map(|word| vec![delta(word)]).collect();
    let finish = Finish {
        choice: 0,
        reason: FinishReason::Stop,
        detail: None,
        extra: vec![],
    };
    batches.extend([ChatEvent::Finish(finish), ChatEvent::Usage(usage), ChatEvent::Done].map(|event| vec![event]));
    LlmAnswer::Stream {
        start: ResponseStart {
            id: "echo-0123456789abcdef".to_owned(),
            model: "echo".to_owned(),
            created: None,
            dropped: vec![],
            extra: vec![],
        },
        events: futures::stream::iter(batches).boxed(),
    }
}
