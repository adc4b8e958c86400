//! What a reload takes, and what requests see of it.
//!
//! In: `host run` with `echo`, asked to reload over HTTP after something has changed on disk. Out: the time from
//! the order to the swapped snapshot, and how long chats take that arrive meanwhile. Never: a
//! request that fails; then there is no figure but a panic.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_host_bench::client::{CHAT, Connection, chat};
use llm_host_bench::process::{Server, Setup};
use llm_host_bench::summary::{Measured, Shown, Times, row, wanted};
use tokio::runtime::Runtime;

const RELOAD: &str = "/admin/reload";
/// Reloads while requests are measured, and the pause between them.
const RELOADS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// A change on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    /// A limit of every plugin: a new generation of the same compiled code.
    Settings,
    /// Bytes that the cache of compiled code knows.
    KnownBytes,
    /// Bytes that have to be compiled.
    NewBytes,
}

const CHANGES: [(&str, Change); 4] = [
    ("nothing", Change::Nothing),
    ("settings", Change::Settings),
    ("known-bytes", Change::KnownBytes),
    ("new-bytes", Change::NewBytes),
];

fn main() {
    let (mut criterion, measured) = Measured::with_criterion();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let host = Server::host(&["echo"], &Setup::default());
    let mut disk = Disk::new(&host);
    let mut admin = runtime.block_on(Connection::open(host.address));
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(10);
    for (name, change) in CHANGES {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        disk.make(change);
                        runtime.block_on(admin.ask(RELOAD, Bytes::new())).whole
                    })
                    .sum()
            });
        });
    }
    group.finish();
    criterion.final_summary();
    for (name, _) in CHANGES {
        if let Some(median) = measured.median("reload", name) {
            row(&format!("reload, {}", name.replace('-', " ")), Shown(median));
        }
    }
    if wanted("reload/meanwhile") {
        meanwhile(&runtime, &host, disk);
    }
}

/// Chats one after the other: in peace, and while reloads swap generations.
fn meanwhile(runtime: &Runtime, host: &Server, mut disk: Disk) {
    for change in [None, Some(Change::Settings), Some(Change::NewBytes)] {
        let over = Arc::new(AtomicBool::new(false));
        let (address, ended) = (host.address, Arc::clone(&over));
        let chats = runtime.spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut times = Times::default();
            while !ended.load(Ordering::Relaxed) {
                let body = chat("echo/echo", "Say hello to the world.", false);
                times.push(connection.ask(CHAT, body).await.whole);
            }
            times
        });
        runtime.block_on(async {
            let mut admin = Connection::open(address).await;
            for _ in 0..RELOADS {
                let begun = Instant::now();
                if let Some(change) = change {
                    disk.make(change);
                    admin.ask(RELOAD, Bytes::new()).await;
                }
                tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
            }
        });
        over.store(true, Ordering::Relaxed);
        let times = runtime.block_on(chats).expect("no chat failed");
        let what = match change {
            None => "without reloads",
            Some(Change::Settings) => "while settings are reloaded",
            Some(_) => "while new bytes are compiled",
        };
        row(
            &format!("chats {what}: median / 99th percentile / longest"),
            format!(
                "{} / {} / {} of {}",
                Shown(times.median()),
                Shown(times.quantile(0.99)),
                Shown(times.longest()),
                times.len()
            ),
        );
    }
}

/// The host's files.
struct Disk {
    config: PathBuf,
    written: String,
    plugin: PathBuf,
    component: Vec<u8>,
    count: u64,
    /// Different in every run: the cache of compiled code outlives them.
    run: u128,
}

impl Disk {
    fn new(host: &Server) -> Self {
        let config = host.dir().join("host.toml");
        let plugin = host.dir().join("plugins").join("echo.wasm");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            written: std::fs::read_to_string(&config).expect("the configuration can be read"),
            component: std::fs::read(&plugin).expect("the plugin can be read"),
            config,
            plugin,
            count: 0,
            run: now.expect("a time after 1970").as_nanos(),
        }
    }

    fn make(&mut self, change: Change) {
        self.count += 1;
        match change {
            Change::Nothing => {}
            Change::Settings => {
                let text = format!("{}\n[limits]\nlog_lines = {}\n", self.written, 100 + self.count % 2);
                std::fs::write(&self.config, text).expect("the configuration can be written");
            }
            Change::KnownBytes => self.place(&(self.count % 2).to_le_bytes()),
            Change::NewBytes => self.place(&[&self.run.to_le_bytes()[..], &self.count.to_le_bytes()].concat()),
        }
    }

    /// The component with a custom section at its end, which makes other bytes of the same code.
    fn place(&self, mark: &[u8]) {
        let name = b"bench";
        let mut bytes = self.component.clone();
        let length = u8::try_from(1 + name.len() + mark.len()).expect("a short section");
        assert!(length < 0x80, "the length has to fit one byte of LEB128");
        bytes.extend([0, length, u8::try_from(name.len()).expect("a short name")]);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(mark);
        let aside = self.plugin.with_extension("new");
        std::fs::write(&aside, bytes).expect("the plugin can be written");
        std::fs::rename(&aside, &self.plugin).expect("the plugin can be replaced");
    }
}
