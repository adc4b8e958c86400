//! The load: long answers that are held in the middle, and short ones without a pause.
//!
//! In: a host. Out: answers, each checked for being whole and of one generation. Never: a failure
//! that is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::BoxStream;
use llm_host_tests::host::{Host, KEY, PATIENCE, Plan};
use llm_host_tests::upstream::{Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Content pieces of a long answer.
pub(crate) const PIECES: usize = 24;
/// Long answers from each of the two providers. Together they are more than 200; apart they are
/// fewer than an HTTP/2 server commonly takes on one connection.
pub(crate) const HELD: usize = 110;
/// The two providers behind the upstream.
pub(crate) const SLOW: [&str; 2] = ["slow-a", "slow-b"];
/// The credential they use.
pub(crate) const SECRET: &str = "sk-upstream-0001";

/// A host with `echo`, and with two providers whose answers take as long as the test wants.
pub(crate) struct Stage {
    pub(crate) host: Arc<Host>,
    pub(crate) upstream: Upstream,
    pace: watch::Sender<usize>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::of(Plan::new()).await
    }

    pub(crate) async fn of(plan: Plan) -> Self {
        let pace = watch::Sender::new(1);
        let allowed = pace.subscribe();
        let upstream = Upstream::answering(move |request| long_answer(request).paced(allowed.clone())).await;
        let origin = upstream.origin();
        let mut plan = plan.plugin("echo").plugin("openai").trusting(upstream.authority());
        plan = plan.granted(Granted::api_key("openai", SECRET, &origin));
        for name in SLOW {
            plan = plan.settings(&format!(
                "[providers.{name}]\nplugin = \"openai\"\nsettings = {{ base_url = \"{origin}\", base_path = \"/g1\" }}\n"
            ));
        }
        Self {
            host: Arc::new(plan.start().await),
            upstream,
            pace,
        }
    }

    /// Opens the long answers, and waits until the first piece of each has come.
    pub(crate) async fn hold(&self) -> Vec<Open> {
        let opening = SLOW.iter().flat_map(|provider| (0..HELD).map(move |_| provider));
        let caller = Caller::of(&self.host);
        let mut held = join_all(opening.map(|provider| caller.open(provider))).await;
        self.all_at_pace(&mut held).await;
        held
    }

    /// Lets one more piece of every long answer come, and waits until all are there.
    pub(crate) async fn step(&self, held: &mut [Open]) {
        self.pace.send_modify(|pace| *pace += 1);
        self.all_at_pace(held).await;
    }

    async fn all_at_pace(&self, held: &mut [Open]) {
        let pace = *self.pace.borrow();
        assert!(pace < PIECES, "the long answers are too short for this test");
        join_all(held.iter_mut().map(|open| open.until(pace))).await;
    }

    /// Lets the long answers come to their end, and checks them.
    pub(crate) async fn finish(&self, held: Vec<Open>) {
        self.let_go();
        for open in join_all(held.into_iter().map(Open::rest)).await {
            assert_eq!(open.said.len(), PIECES, "{open:?}");
            assert!(
                open.said.iter().all(|tag| *tag == open.said[0]),
                "an answer of two generations: {open:?}"
            );
        }
    }

    /// Lets the long answers come to their end.
    pub(crate) fn let_go(&self) {
        self.pace.send_replace(usize::MAX);
    }
}

/// An answer that says in each piece under which path it was asked for.
fn long_answer(request: &Received) -> Reply {
    let tag = request.target.split('/').nth(1).unwrap_or_default();
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
        .to_string()
    };
    let mut events: Vec<String> = (0..PIECES)
        .map(|_| chunk(json!({"role": "assistant", "content": tag}), None))
        .collect();
    events.push(chunk(json!({}), Some("stop")));
    events.push("[DONE]".to_owned());
    Reply::events(events.iter().map(String::as_str))
}

/// Calls a host from any task.
#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    url: String,
}

impl Caller {
    pub(crate) fn of(host: &Host) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self {
            client,
            url: format!("{}/v1/chat/completions", host.url()),
        }
    }

    pub(crate) async fn chat(&self, model: &str, text: &str, stream: bool) -> reqwest::Response {
        let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]});
        let request = self
            .client
            .post(&self.url)
            .header("authorization", format!("Bearer {KEY}"));
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        tokio::time::timeout(PATIENCE, request.send())
            .await
            .expect("an answer in time")
            .expect("an answer")
    }

    /// Begins a long answer of a provider.
    pub(crate) async fn open(&self, provider: &str) -> Open {
        Open::new(self.chat(&format!("{provider}/m"), "go on", true).await).await
    }
}

/// The generation that gave an answer.
pub(crate) fn generation(response: &reqwest::Response) -> u64 {
    let header = response
        .headers()
        .get("x-llm-host-generation")
        .and_then(|value| value.to_str().ok());
    header
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no generation in {response:?}"))
}

/// A streamed answer under way.
pub(crate) struct Open {
    pub(crate) generation: u64,
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    unread: String,
    /// The texts of its pieces so far.
    pub(crate) said: Vec<String>,
    done: bool,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "generation {}, done {}, said {:?}, unread {:?}",
            self.generation, self.done, self.said, self.unread
        )
    }
}

impl Open {
    async fn new(response: reqwest::Response) -> Self {
        if response.status() != 200 {
            panic!("{}: {}", response.status(), response.text().await.unwrap_or_default());
        }
        let generation = generation(&response);
        Self {
            generation,
            body: response.bytes_stream().boxed(),
            unread: String::new(),
            said: Vec::new(),
            done: false,
        }
    }

    /// Reads until so many pieces have come.
    pub(crate) async fn until(&mut self, pieces: usize) {
        while self.said.len() < pieces {
            assert!(self.more().await, "the answer ended early: {self:?}");
        }
    }

    /// Reads to the end.
    pub(crate) async fn rest(mut self) -> Self {
        while self.more().await {}
        assert!(self.done, "the answer was cut: {self:?}");
        self
    }

    async fn more(&mut self) -> bool {
        let next = tokio::time::timeout(PATIENCE, self.body.next()).await;
        let Some(bytes) = next.unwrap_or_else(|_| panic!("no more of the answer comes: {self:?}")) else {
            return false;
        };
        let bytes = bytes.unwrap_or_else(|error| panic!("the answer was cut ({error}): {self:?}"));
        self.unread
            .push_str(std::str::from_utf8(&bytes).expect("the test's answers are ASCII"));
        while let Some((event, rest)) = self.unread.split_once("\n\n") {
            let data = event.strip_prefix("data: ").map(str::to_owned);
            self.unread = rest.to_owned();
            match data.as_deref() {
                Some("[DONE]") => self.done = true,
                Some(data) => self.chunk(data),
                None => {}
            }
        }
        true
    }

    fn chunk(&mut self, data: &str) {
        let chunk: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        assert!(chunk.get("error").is_none(), "{chunk}");
        if let Some(text) = chunk["choices"][0]["delta"]["content"]
            .as_str()
            .filter(|text| !text.is_empty())
        {
            self.said.push(text.to_owned());
        }
    }
}

/// Short answers of `echo`, whole and streamed, one after the other in several tasks.
pub(crate) struct Busy {
    workers: Vec<JoinHandle<Vec<u64>>>,
    stop: Arc<AtomicBool>,
}

impl Busy {
    pub(crate) fn start(host: &Host, workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..workers).map(|worker| {
            let (caller, stop) = (Caller::of(host), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut generations = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("worker {worker} asks for the {}th time", generations.len());
                    generations.push(short_answer(&caller, &text, generations.len() % 2 == 0).await);
                }
                generations
            })
        });
        Self {
            workers: workers.collect(),
            stop,
        }
    }

    /// Ends the work. Gives the generations that answered; no caller met an older one after a newer.
    pub(crate) async fn end(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for worker in self.workers {
            let generations = worker.await.expect("no short answer failed");
            assert!(generations.is_sorted(), "back to an older generation: {generations:?}");
            all.extend(generations);
        }
        all.sort_unstable();
        all
    }
}

async fn short_answer(caller: &Caller, text: &str, stream: bool) -> u64 {
    let response = caller.chat("echo/echo", text, stream).await;
    if stream {
        let open = Open::new(response).await.rest().await;
        assert_eq!(open.said.concat(), text);
        return open.generation;
    }
    assert_eq!(response.status(), 200);
    let generation = generation(&response);
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(body["choices"][0]["message"]["content"], text);
    generation
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let come = tokio::time::timeout(PATIENCE + Duration::from_secs(1), coming).await;
    come.unwrap_or_else(|_| panic!("{what} never came"))
}
