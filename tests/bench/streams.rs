//! What 1,000 streams at once hold in the host's memory.
//!
//! In: `host run` with `openai`, and a provider on this machine that stops in the middle of every
//! answer. Out: the process's resident memory before, while all answers are under way, and after. Never:
//! the caller's or the provider's memory; they are another process.

use futures::future::join_all;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use llm_host_bench::client::{CHAT, Connection, chat};
use llm_host_bench::process::{Server, Setup};
use llm_host_bench::summary::{row, wanted};
use llm_host_tests::upstream::{Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};
use tokio::sync::watch;

const STREAMS: usize = 1000;
/// Pieces of an answer, and how many of them have come when memory is looked at.
const PIECES: usize = 40;
const SEEN: usize = 20;

fn main() {
    if !wanted("streams") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let pace = watch::Sender::new(SEEN);
    let allowed = pace.subscribe();
    let upstream = Upstream::answering(move |_| answer().paced(allowed.clone())).await;
    let origin = upstream.origin();
    let setup = Setup {
        settings: format!(
            "[providers.openai]\nplugin = \"openai\"\nsettings = {{ base_url = \"{origin}\", base_path = \"/v1\" }}\n"
        ),
        granted: vec![Granted::api_key("openai", "sk-benchmark-0001", &origin)],
        authority: Some(upstream.authority().to_owned()),
    };
    let host = Server::host(&["openai"], &setup);
    let Some(idle) = host.resident() else {
        println!("SKIPPED: this system does not say what a process holds in memory");
        return;
    };
    let mut open = join_all((0..STREAMS).map(|_| begin(&host))).await;
    join_all(open.iter_mut().map(|(body, text)| read(body, text, SEEN))).await;
    let held = host.resident().expect("it was said before");
    pace.send_replace(usize::MAX);
    join_all(open.iter_mut().map(|(body, text)| read(body, text, usize::MAX))).await;
    assert!(
        open.iter().all(|(_, text)| text.ends_with("data: [DONE]\n\n")),
        "an answer was cut"
    );
    drop(open);
    let after = host.resident().expect("it was said before");
    let mega = |bytes: u64| bytes as f64 / 1e6;
    row("memory of the host, idle", format!("{:.0} MB", mega(idle)));
    row(
        &format!("memory of the host, {STREAMS} streams under way"),
        format!(
            "{:.0} MB ({:.0} KB each)",
            mega(held),
            held.saturating_sub(idle) as f64 / 1e3 / STREAMS as f64
        ),
    );
    row("memory of the host, after them", format!("{:.0} MB", mega(after)));
}

/// Opens a stream on a connection of its own.
async fn begin(host: &Server) -> (Incoming, String) {
    let mut connection = Connection::open(host.address).await;
    let body = chat("openai/model", "Go on and on.", true);
    (connection.begin(CHAT, body).await, String::new())
}

/// Reads until so many pieces have come, or the answer has ended.
async fn read(body: &mut Incoming, text: &mut String, pieces: usize) {
    while text.matches("\"content\":\"piece ").count() < pieces {
        let Some(frame) = body.frame().await else { return };
        let frame = frame.expect("the answer is not cut");
        let data = frame.data_ref().map_or(&[][..], |data| data);
        text.push_str(std::str::from_utf8(data).expect("the answer is ASCII"));
    }
}

fn answer() -> Reply {
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
        .to_string()
    };
    let mut events: Vec<String> = (0..PIECES)
        .map(|number| {
            chunk(
                json!({"role": "assistant", "content": format!("piece {number} ")}),
                None,
            )
        })
        .collect();
    events.push(chunk(json!({}), Some("stop")));
    events.push("[DONE]".to_owned());
    Reply::events(events.iter().map(String::as_str))
}
