//! Servers in processes of their own, so that what they cost can be told from what a caller costs.
//!
//! In: what is to be served. Out: an address, and what the process holds in memory. Never: a pipe
//! to the server; its log goes to a file, as a service's does.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use llm_host_tests::host::{KEY, PATIENCE};
use llm_host_tests::vault::{self, Granted};
use llm_host_tests::{built, places};
use tempfile::TempDir;

use crate::servers::Role;

/// How often a server that is starting is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A running server. It is killed when this is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    dir: TempDir,
}

/// What a host of the benchmarks has beside plugins.
#[derive(Default)]
pub struct Setup {
    /// Further sections of its configuration.
    pub settings: String,
    /// What its plugins may use.
    pub granted: Vec<Granted>,
    /// An authority that it trusts towards providers, in PEM.
    pub authority: Option<String>,
}

impl Server {
    /// Starts `host run` with plugins, as it is when nobody has configured more than what it needs.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub fn host(plugins: &[&str], setup: &Setup) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        lay_out(dir.path(), plugins, setup);
        let mut command = Command::new(built::host().expect("the host is built"));
        command.arg("run").arg("--config").arg(dir.path().join("host.toml"));
        Self::start(command, dir)
    }

    /// Starts this very program in another role.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub fn role(role: &Role) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        lay_out(dir.path(), &[], &Setup::default());
        let mut command = Command::new(std::env::current_exe().expect("a benchmark knows its own path"));
        role.hand_to(&mut command, dir.path());
        Self::start(command, dir)
    }

    fn start(mut command: Command, dir: TempDir) -> Self {
        let log = dir.path().join("log");
        let file = File::create(&log).expect("a file for the log");
        let inherited = ["PATH", "LLM_HOST_BENCH_ROLE", "LLM_HOST_BENCH_ANSWER"];
        let given: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .filter(|(name, _)| inherited.iter().any(|other| name == other))
            .collect();
        command.env_clear().env("HOME", dir.path()).envs(given);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let mut child = command.spawn().expect("the server can be run");
        let begun = Instant::now();
        let address = loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = said.lines().find_map(|line| line.strip_prefix("listening on http://")) {
                break address.trim().parse().expect("an address");
            }
            let ended = child.try_wait().expect("a child can be waited for");
            let late = begun.elapsed() > PATIENCE;
            assert!(
                ended.is_none() && !late,
                "the server did not start ({ended:?}):\n{said}"
            );
            std::thread::sleep(LOOK);
        };
        Self { address, child, dir }
    }

    /// Its directory: `host.toml`, `vault.bin`, `plugins`, `state`, `log`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The time on the processor that its threads have had. Nothing where the system does not say.
    pub fn computed(&self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            // Nanoseconds on the processor, nanoseconds of waiting for it, turns.
            text.split_whitespace().next()?.parse().ok()
        };
        Some(Duration::from_nanos(tasks.filter_map(of_task).sum()))
    }

    /// What it holds in memory now, in bytes. Nothing where the system does not say.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lay_out(dir: &Path, plugins: &[&str], setup: &Setup) {
    use std::fmt::Write as _;
    let into = dir.join("plugins");
    std::fs::create_dir_all(&into).expect("a plugins directory");
    for name in plugins {
        let component = built::plugin(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        std::fs::copy(component, into.join(name).with_extension("wasm")).expect("a copy of the plugin");
    }
    vault::make(dir, &setup.granted, |plugin| {
        std::fs::read(into.join(plugin).with_extension("wasm")).expect("a granted plugin is there")
    });
    let hash: String = hash(KEY);
    let mut toml = String::from("[server]\nlisten = \"127.0.0.1:0\"\naccess = \"keys\"\n");
    let _ = write!(
        toml,
        "[[keys]]\nname = \"bench\"\nsha256 = \"{hash}\"\n[admin]\nkeys = [\"{hash}\"]\n\
         [plugins]\ncache_dir = {:?}\ndebounce = \"1h\"\n",
        places::compiled().display().to_string()
    );
    if let Some(authority) = &setup.authority {
        std::fs::write(dir.join("authority.pem"), authority).expect("a file");
        toml.push_str("[egress]\nextra_ca = \"authority.pem\"\n");
    }
    std::fs::write(dir.join("host.toml"), toml + &setup.settings).expect("a file");
}

/// SHA-256 as lower-case hexadecimal digits.
fn hash(text: &str) -> String {
    llm_host::plugin::component::hex(&llm_host::plugin::component::digest(text.as_bytes()))
}
