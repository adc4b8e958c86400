//! What an adapter's own work costs: the AWS SDK inside `bedrock`, beside `anthropic` without one.
//!
//! In: the same answer of Claude in three forms on the wire, which are there at once: Anthropic's
//! server-sent events, Converse's frames, and InvokeModel's frames around Anthropic's events. Out:
//! medians of a whole answer and of each event of a stream, with an instance that is new and with one
//! that has served before. Never: a network, a signature, or an answer that says another thing.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use llm_host::config::Isolation;
use llm_host::plugin::Generation;
use llm_host_bench::sandbox::{self, Canned, Double, Sandbox, conversation};
use llm_host_bench::summary::{Measured, Shown, row};
use llm_host_tests::event_stream;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{LONG, SHORT, timed};

const MODES: [(&str, Isolation); 2] = [
    ("fresh", Isolation::Fresh),
    (
        "pooled",
        Isolation::Pooled {
            max_instances: 4,
            max_uses: 128,
        },
    ),
];

const WORD: &str = "word ";
const SAID: &str = "Say hello to the world.";

/// Criterion's names of the groups.
const WHOLE: &str = "adapter";
const STREAM: &str = "adapter-stream";

/// An adapter, and the form in which the service answers it.
struct Way {
    name: &'static str,
    plugin: &'static str,
    slot: &'static str,
    model: &'static str,
    settings: fn() -> Value,
    whole: fn(&str) -> Canned,
    streamed: fn(usize) -> Canned,
}

const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

const WAYS: [Way; 3] = [
    Way {
        name: "anthropic",
        plugin: "anthropic",
        slot: "api-key",
        model: "claude-sonnet-4-5",
        settings: || json!({}),
        whole: |text| canned("application/json", vec![message(text)]),
        streamed: |words| {
            let events = events(words);
            let pieces = events.iter().map(|event| {
                let kind = event["type"].as_str().unwrap_or_default();
                format!("event: {kind}\ndata: {event}\n\n")
            });
            canned("text/event-stream", pieces.collect())
        },
    },
    Way {
        name: "converse",
        plugin: "bedrock",
        slot: "aws",
        model: CLAUDE,
        settings: || json!({"region": "us-east-1", "sign_in": "aws"}),
        whole: |text| {
            let body = json!({"metrics": {"latencyMs": 900}, "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
                "stopReason": "end_turn", "usage": {"inputTokens": 21, "outputTokens": 9, "totalTokens": 30}});
            canned("application/json", vec![body.to_string()])
        },
        streamed: |words| canned(EVENT_STREAM, converse(words)),
    },
    Way {
        name: "invoke",
        plugin: "bedrock",
        slot: "aws",
        model: CLAUDE,
        settings: || json!({"region": "us-east-1", "sign_in": "aws", "models": [{"match": "*", "operation": "invoke"}]}),
        whole: |text| canned("application/json", vec![message(text)]),
        streamed: |words| {
            let events = events(words);
            let frames = events.iter().map(|event| {
                let bytes = STANDARD.encode(event.to_string());
                frame("chunk", &json!({"bytes": bytes, "p": "abcdefghijkl"}))
            });
            canned(EVENT_STREAM, frames.collect())
        },
    },
];

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

fn canned(content_type: &'static str, pieces: Vec<impl Into<Bytes>>) -> Canned {
    Canned {
        content_type,
        pieces: pieces.into_iter().map(Into::into).collect(),
    }
}

/// Anthropic's whole answer.
fn message(text: &str) -> String {
    json!({"id": "msg_0123456789abcdef", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 21, "output_tokens": 9}})
    .to_string()
}

/// Anthropic's events of so many words.
fn events(words: usize) -> Vec<Value> {
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORD}});
    let begin = json!({"type": "message_start", "message": {"id": "msg_0123456789abcdef", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5-20250929", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 21, "output_tokens": 1}}});
    let mut all = vec![
        begin,
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    all.extend(std::iter::repeat_n(delta, words));
    all.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    all
}

/// Converse's frames of so many words.
fn converse(words: usize) -> Vec<Vec<u8>> {
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": WORD}, "p": "abcdefghijkl"});
    let mut all = vec![frame("messageStart", &json!({"role": "assistant", "p": "abcd"}))];
    all.extend(std::iter::repeat_n(frame("contentBlockDelta", &delta), words));
    all.extend([
        frame("contentBlockStop", &json!({"contentBlockIndex": 0, "p": "ab"})),
        frame("messageStop", &json!({"stopReason": "end_turn", "p": "abcdefgh"})),
        frame(
            "metadata",
            &json!({"metrics": {"latencyMs": 900}, "usage": {"inputTokens": 21, "outputTokens": 9, "totalTokens": 30}}),
        ),
    ]);
    all
}

fn frame(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    event_stream::encode(&headers, payload.to_string().as_bytes())
}

/// A way, and what it is asked of in each mode: a whole answer, a short and a long stream.
type Ready = (Way, [(&'static str, Arc<Generation>, [(usize, Arc<Generation>); 2]); 2]);

/// Measures all of them.
pub(crate) fn run(criterion: &mut Criterion, runtime: &Runtime, sandbox: &Sandbox) {
    let ways = WAYS.map(|way| ready(way, runtime, sandbox));
    let mut group = criterion.benchmark_group(WHOLE);
    for (way, modes) in &ways {
        for (mode, generation, _) in modes {
            group.bench_function(BenchmarkId::new(way.name, mode), |bencher| {
                bencher.iter_custom(|times| {
                    let (generation, model) = (Arc::clone(generation), way.model);
                    timed(runtime, async move {
                        for _ in 0..times {
                            sandbox::whole(&generation, conversation(model, SAID)).await;
                        }
                    })
                });
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group(STREAM);
    for (way, modes) in &ways {
        for (mode, _, lengths) in modes {
            for (words, generation) in lengths {
                group.throughput(Throughput::Elements(*words as u64));
                let name = format!("{}-{mode}", way.name);
                group.bench_function(BenchmarkId::new(name, words), |bencher| {
                    bencher.iter_custom(|times| {
                        let (generation, model, words) = (Arc::clone(generation), way.model, *words);
                        timed(runtime, async move {
                            for _ in 0..times {
                                let events = sandbox::streamed(&generation, conversation(model, SAID)).await;
                                assert!(events > words, "{events}");
                            }
                        })
                    });
                });
            }
        }
    }
    group.finish();
}

fn ready(way: Way, runtime: &Runtime, sandbox: &Sandbox) -> Ready {
    let plugin = runtime.block_on(sandbox.load(way.plugin));
    let of = |isolation: Isolation, answer: Canned| {
        let double = Double(Box::new(move |_| Ok(answer.clone())));
        let egress = sandbox::egress(double, sandbox::granted(&plugin, way.slot));
        runtime.block_on(sandbox.generation(&plugin, isolation, (way.settings)(), egress))
    };
    let modes = MODES.map(|(mode, isolation)| {
        let lengths = [SHORT, LONG].map(|words| (words, of(isolation, (way.streamed)(words))));
        let whole = of(isolation, (way.whole)("Hello! What can I do for you today?"));
        (mode, whole, lengths)
    });
    (way, modes)
}

/// Rows of what was measured.
pub(crate) fn report(measured: &Measured) {
    for (mode, _) in MODES {
        let whole = |way: &Way| measured.median(WHOLE, &format!("{}/{mode}", way.name));
        beside(&format!("Claude's whole answer, {mode}"), WAYS.each_ref().map(whole));
        let event = |way: &Way| {
            let of = |words: usize| measured.median(STREAM, &format!("{}-{mode}/{words}", way.name));
            let more = u32::try_from(LONG - SHORT).expect("a small number");
            Some(of(LONG)?.saturating_sub(of(SHORT)?) / more)
        };
        beside(&format!("each event of Claude's, {mode}"), WAYS.each_ref().map(event));
    }
}

/// The adapters beside each other, and what the SDK's way costs more.
fn beside(what: &str, times: [Option<Duration>; 3]) {
    let [Some(anthropic), Some(converse), Some(invoke)] = times else {
        return;
    };
    row(
        &format!("{what}: anthropic / bedrock by Converse / by InvokeModel"),
        format!("{} / {} / {}", Shown(anthropic), Shown(converse), Shown(invoke)),
    );
    let ratio = converse.as_secs_f64() / anthropic.as_secs_f64();
    row(
        &format!("{what}: the AWS SDK adds by Converse"),
        format!("{} ({ratio:.2} times)", Shown(converse.saturating_sub(anthropic))),
    );
}
