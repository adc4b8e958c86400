//! What a call into a plugin costs, without HTTP: the instance, the call, each event of a stream.
//!
//! In: the `echo` plugin, whose own work is small, and in [`adapters`] two whose own work is what is
//! measured. Out: medians for each way of sharing instances. The calls are made from a task of the
//! runtime, as the host makes them. Never: an instance that was warmed for the measurement where the
//! isolation would make a new one.

mod adapters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use llm_host::config::Isolation;
use llm_host::plugin::Generation;
use llm_host_bench::sandbox::{self, Sandbox, conversation};
use llm_host_bench::summary::{Measured, Shown, row};
use tokio::runtime::Runtime;

const MODES: [(&str, Isolation); 3] = [
    ("fresh", Isolation::Fresh),
    (
        "pooled",
        Isolation::Pooled {
            max_instances: 4,
            max_uses: 128,
        },
    ),
    ("shared", Isolation::Shared { max_concurrency: 64 }),
];

/// Words of the short and of the long stream. `echo` makes an event of each.
const SHORT: usize = 1;
const LONG: usize = 1025;

fn main() {
    let (mut criterion, measured) = Measured::with_criterion();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sandbox = Sandbox::new();
    let plugin = runtime.block_on(sandbox.load("echo"));
    let of = |isolation| {
        let made = sandbox.generation(&plugin, isolation, serde_json::json!({}), sandbox::no_way_out());
        runtime.block_on(made)
    };
    let generations: Vec<_> = MODES.map(|(name, isolation)| (name, of(isolation))).into();
    whole(&mut criterion, &runtime, &generations);
    streams(&mut criterion, &runtime, &generations);
    adapters::run(&mut criterion, &runtime, &sandbox);
    criterion.final_summary();
    report(&measured);
    adapters::report(&measured);
}

/// An instance and a call for a whole answer.
fn whole(criterion: &mut Criterion, runtime: &Runtime, generations: &[(&str, Arc<Generation>)]) {
    let mut group = criterion.benchmark_group("call");
    for (name, generation) in generations {
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|times| {
                let generation = Arc::clone(generation);
                timed(runtime, async move {
                    for _ in 0..times {
                        sandbox::whole(&generation, conversation("echo", "Say hello to the world.")).await;
                    }
                })
            });
        });
    }
    group.finish();
}

/// Streams of two lengths; the difference is what an event costs.
fn streams(criterion: &mut Criterion, runtime: &Runtime, generations: &[(&str, Arc<Generation>)]) {
    let mut group = criterion.benchmark_group("stream");
    for (name, generation) in generations {
        for words in [SHORT, LONG] {
            let said = vec!["word"; words].join(" ");
            group.throughput(Throughput::Elements(words as u64));
            group.bench_function(BenchmarkId::new(*name, words), |bencher| {
                bencher.iter_custom(|times| {
                    let (generation, said) = (Arc::clone(generation), said.clone());
                    timed(runtime, async move {
                        for _ in 0..times {
                            let events = sandbox::streamed(&generation, conversation("echo", &said)).await;
                            assert!(events > words, "{events}");
                        }
                    })
                });
            });
        }
    }
    group.finish();
}

/// How long some work takes in a task of the runtime: not on the thread that waits for it, where
/// every answer would have to wake another thread.
fn timed(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) -> Duration {
    let task = runtime.spawn(async {
        let start = Instant::now();
        work.await;
        start.elapsed()
    });
    runtime.block_on(task).expect("the work was done")
}

fn report(measured: &Measured) {
    for (name, _) in MODES {
        if let Some(median) = measured.median("call", name) {
            row(&format!("instance and call, {name}"), Shown(median));
        }
    }
    for (name, _) in MODES {
        let of = |words: usize| measured.median("stream", &format!("{name}/{words}"));
        if let (Some(short), Some(long)) = (of(SHORT), of(LONG)) {
            row(&format!("stream of one word, {name}"), Shown(short));
            let event = long.saturating_sub(short) / u32::try_from(LONG - SHORT).expect("a small number");
            row(&format!("each further event, {name}"), Shown(event));
        }
    }
}
