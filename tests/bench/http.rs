//! What the host adds to an HTTP request, against a server that answers at once.
//!
//! In: `host run` with `echo`; axum alone, answering with the very bytes that the host gave; the
//! host's layers around an answer that needs no plugin. Each runs in a process of its own. Out: the
//! difference at the median, and the ratio. The servers are asked each by itself, as a caller asks,
//! and then in turn, so that whatever else the machine does falls on all of them alike; over
//! connections that are kept. Never: figures of
//! different runs set against each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::Criterion;
use llm_host_bench::client::{CHAT, Connection, chat};
use llm_host_bench::process::{Server, Setup};
use llm_host_bench::servers::{self, Role};
use llm_host_bench::summary::{Measured, Shown, Times, row, wanted};
use tokio::runtime::Runtime;

/// Requests to each server before anything is measured, and then those that are.
const WARM: usize = 500;
const ROUNDS: usize = 6000;
/// Connections of the measurement of throughput, and how long it takes for each server.
const CALLERS: usize = 16;
const BUSY: Duration = Duration::from_secs(3);
/// How often the servers take turns there.
const TURNS: u32 = 3;

const SAID: &str = "Say hello to the world.";

fn main() {
    servers::take_role();
    let (mut criterion, measured) = Measured::with_criterion();
    // The caller's own thread; what it costs is in every figure alike.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let host = Server::host(&["echo"], &Setup::default());
    let layers = Server::role(&Role::Layers);
    for (what, stream) in [("whole", false), ("streamed", true)] {
        let name = format!("http/{what}");
        if !wanted(&name) {
            continue;
        }
        let body = chat("echo/echo", SAID, stream);
        let answer = runtime.block_on(async { Connection::open(host.address).await.ask(CHAT, body.clone()).await });
        let file = host.dir().join(what);
        std::fs::write(&file, &answer.body).expect("the answer can be kept");
        let direct = Server::role(&Role::Direct { answer: file });
        let servers = [
            ("direct", direct.address),
            ("layers", layers.address),
            ("host", host.address),
        ];
        alone(&mut criterion, &runtime, &name, &servers, &body);
        report_alone(&measured, what, &name);
        let computed = || [&direct, &layers, &host].map(Server::computed);
        let before = computed();
        runtime.block_on(in_turn(what, &servers, &body));
        processor_time(what, before, computed());
        runtime.block_on(busy(what, &servers, &body));
    }
    criterion.final_summary();
}

/// Each server by itself, for criterion's own report and its comparison with the run before.
fn alone(criterion: &mut Criterion, runtime: &Runtime, name: &str, servers: &[(&str, SocketAddr)], body: &Bytes) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(40).measurement_time(Duration::from_secs(3));
    for (server, address) in servers {
        let mut connection = runtime.block_on(Connection::open(*address));
        group.bench_function(*server, |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        connection.ask(CHAT, body.clone()).await;
                    }
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn report_alone(measured: &Measured, what: &str, name: &str) {
    // Criterion's name of the directory.
    let group = name.replace('/', "_");
    let of = |server| measured.median(&group, server);
    let (Some(direct), Some(layers), Some(host)) = (of("direct"), of("layers"), of("host")) else {
        return;
    };
    row(
        &format!("HTTP chat, {what}, each asked alone: axum alone / host without plugin / host"),
        format!(
            "{} / {} / {}: the host adds {}",
            Shown(direct),
            Shown(layers),
            Shown(host),
            Shown(host.saturating_sub(direct))
        ),
    );
}

/// One request to each server after the other, again and again.
async fn in_turn(what: &str, servers: &[(&str, SocketAddr); 3], body: &Bytes) {
    let mut connections = Vec::new();
    for (_, address) in servers {
        connections.push(Connection::open(*address).await);
    }
    let mut times = [(); 3].map(|()| (Times::default(), Times::default()));
    for round in 0..WARM + ROUNDS {
        for (connection, (first, all)) in connections.iter_mut().zip(&mut times) {
            let answer = connection.ask(CHAT, body.clone()).await;
            if round >= WARM {
                first.push(answer.first);
                all.push(answer.whole);
            }
        }
    }
    let [direct, layers, host] = times;
    for (part, direct, layers, host) in [
        ("first byte", &direct.0, &layers.0, &host.0),
        ("whole answer", &direct.1, &layers.1, &host.1),
    ] {
        let name = format!("HTTP chat, {what}, {part}");
        let median = Times::median;
        row(&format!("{name}: axum alone"), Shown(median(direct)));
        row(&format!("{name}: host without plugin"), Shown(median(layers)));
        row(&format!("{name}: host"), Shown(median(host)));
        let added = median(host).saturating_sub(median(direct));
        let ratio = median(host).as_secs_f64() / median(direct).as_secs_f64();
        row(
            &format!("{name}: the host adds"),
            format!(
                "{} ({ratio:.2} times; {} of it the sandbox)",
                Shown(added),
                Shown(median(host).saturating_sub(median(layers)))
            ),
        );
        let late = |times: &Times| times.quantile(0.99);
        row(
            &format!("{name}: 99th percentile, axum alone / host"),
            format!("{} / {}", Shown(late(direct)), Shown(late(host))),
        );
    }
}

/// What each request of [`in_turn`] took of the processor. Unlike its time it has no part of what the
/// machine takes to wake a thread.
fn processor_time(what: &str, before: [Option<Duration>; 3], after: [Option<Duration>; 3]) {
    let requests = u32::try_from(WARM + ROUNDS).unwrap_or(u32::MAX);
    let of = |server: usize| Some((after[server]?.checked_sub(before[server]?)?) / requests);
    let (Some(direct), Some(layers), Some(host)) = (of(0), of(1), of(2)) else {
        return;
    };
    row(
        &format!("HTTP chat, {what}, processor time: axum alone / host without plugin / host"),
        format!("{} / {} / {}", Shown(direct), Shown(layers), Shown(host)),
    );
}

/// Requests per second with many connections.
async fn busy(what: &str, servers: &[(&str, SocketAddr); 3], body: &Bytes) {
    let mut answered = [0; 3];
    for _ in 0..TURNS {
        for ((_, address), answered) in servers.iter().zip(&mut answered) {
            let end = Instant::now() + BUSY / TURNS;
            let callers = (0..CALLERS).map(|_| async {
                let mut connection = Connection::open(*address).await;
                let mut count = 0_u64;
                while Instant::now() < end {
                    connection.ask(CHAT, body.clone()).await;
                    count += 1;
                }
                count
            });
            *answered += futures::future::join_all(callers).await.iter().sum::<u64>();
        }
    }
    let per_second = answered.map(|count| count as f64 / BUSY.as_secs_f64());
    row(
        &format!("HTTP chat, {what}, {CALLERS} connections: axum alone / host without plugin / host"),
        format!(
            "{:.0} / {:.0} / {:.0} requests a second",
            per_second[0], per_second[1], per_second[2]
        ),
    );
}
