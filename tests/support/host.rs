//! The real program, running with a directory of its own.
//!
//! In: plugins, client keys, credentials, configuration. Out: a host that takes requests, its
//! address and its log. Never: anything shared with another test but compiled plugins; when the
//! test ends, by whatever way, so does the host.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::vault::{self, Granted};
use crate::{built, places};

/// Longest that anything here is waited for. Far beyond what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A client key that every host of the tests knows.
pub const KEY: &str = "llmh-test-key-0001";

/// What a host is to be.
#[derive(Debug, Default)]
pub struct Plan {
    plugins: Vec<(String, PathBuf)>,
    keys: Vec<(String, String, Vec<String>)>,
    granted: Vec<Granted>,
    authority: Option<String>,
    settings: String,
    environment: Vec<(String, String)>,
}

impl Plan {
    /// A host without a plugin, which [`KEY`] may call.
    pub fn new() -> Self {
        Self::default().key("test", KEY, &[])
    }

    /// Serves a plugin that ships.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn plugin(self, name: &str) -> Self {
        let path = built::plugin(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        self.component(name, path)
    }

    /// Serves a component under a name.
    #[must_use]
    pub fn component(mut self, name: &str, path: PathBuf) -> Self {
        self.plugins.push((name.to_owned(), path));
        self
    }

    /// Knows a client key that may ask for models of these patterns; of all, if there are none.
    #[must_use]
    pub fn key(mut self, name: &str, secret: &str, models: &[&str]) -> Self {
        let models = models.iter().map(|&model| model.to_owned()).collect();
        self.keys.push((name.to_owned(), secret.to_owned(), models));
        self
    }

    /// Has a credential in its vault, granted to a plugin.
    #[must_use]
    pub fn granted(mut self, granted: Granted) -> Self {
        self.granted.push(granted);
        self
    }

    /// Trusts an authority towards providers, in PEM.
    #[must_use]
    pub fn trusting(mut self, authority: &str) -> Self {
        self.authority = Some(authority.to_owned());
        self
    }

    /// Further sections of the configuration.
    #[must_use]
    pub fn settings(mut self, toml: &str) -> Self {
        self.settings.push_str(toml);
        self.settings.push('\n');
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, and waits until it takes requests.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub async fn start(self) -> Host {
        self.begin().ready().await
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn begin(self) -> Starting {
        let dir = tempfile::tempdir().expect("a temporary directory");
        self.lay_out(dir.path());
        let mut command = Command::new(built::host().expect("the host is built"));
        command.arg("run").arg("--config").arg(dir.path().join("host.toml"));
        command.env_clear().env("HOME", dir.path());
        command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the host can be run");
        let log = Log::default();
        log.follow(child.stdout.take().expect("it is piped"));
        log.follow(child.stderr.take().expect("it is piped"));
        Starting { log, child, dir }
    }

    fn lay_out(&self, dir: &Path) {
        let plugins = dir.join("plugins");
        std::fs::create_dir_all(&plugins).expect("a plugins directory");
        for (name, path) in &self.plugins {
            let to = plugins.join(name).with_extension("wasm");
            std::fs::copy(path, &to).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        if let Some(authority) = &self.authority {
            std::fs::write(dir.join("authority.pem"), authority).expect("a file");
        }
        std::fs::write(dir.join("host.toml"), self.configuration()).expect("a file");
        vault::make(dir, &self.granted, |plugin| {
            std::fs::read(plugins.join(plugin).with_extension("wasm")).expect("a granted plugin is there")
        });
    }

    fn configuration(&self) -> String {
        use std::fmt::Write as _;
        let mut toml = String::from("[server]\nlisten = \"127.0.0.1:0\"\naccess = \"keys\"\n");
        let compiled = places::compiled();
        let _ = writeln!(toml, "[plugins]\ncache_dir = {:?}", compiled.display().to_string());
        if self.authority.is_some() {
            toml.push_str("[egress]\nextra_ca = \"authority.pem\"\n");
        }
        for (name, secret, models) in &self.keys {
            let hash = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
            let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(
                toml,
                "[[keys]]\nname = {name:?}\nsha256 = \"{hash}\"\nmodels = {models:?}"
            );
        }
        toml + &self.settings
    }
}

/// A running host.
pub struct Host {
    url: String,
    client: reqwest::Client,
    log: Log,
    child: Child,
    dir: TempDir,
}

impl Host {
    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What OpenAI's clients take as their base URL.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url)
    }

    /// Its directory: `host.toml`, `vault.bin`, `plugins`, `state`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A request with [`KEY`].
    pub fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {KEY}"))
    }

    /// Posts JSON with [`KEY`].
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self
            .request(http::Method::POST, path)
            .header("content-type", "application/json");
        request.body(body.to_string()).send().await.expect("an answer")
    }

    /// Runs a command of the command line against this host.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(built::host().expect("the host is built"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.dir().join("host.toml"));
        command
            .stdin(Stdio::null())
            .output()
            .await
            .expect("the host can be run")
    }

    /// Sends a signal, e.g. `HUP`.
    ///
    /// # Panics
    /// When the host has gone.
    pub async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// When it does not; with its log.
    pub async fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM").await;
        self.ended().await
    }

    /// Waits until it has stopped.
    ///
    /// # Panics
    /// When it does not; with its log.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("the host does not stop:\n{}", self.log.text()));
        (status.expect("a child can be waited for"), self.log.text())
    }
}

/// A host that may not take requests yet.
#[derive(Debug)]
pub struct Starting {
    log: Log,
    child: Child,
    dir: TempDir,
}

impl Starting {
    /// What it has written so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Sends a signal, e.g. `HUP`.
    ///
    /// # Panics
    /// When it has gone.
    pub async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }

    /// Waits until it takes requests.
    ///
    /// # Panics
    /// When it does not; with its log.
    pub async fn ready(self) -> Host {
        let Self { log, mut child, dir } = self;
        let line = tokio::select! {
            line = log.line("listening on http://") => line,
            status = child.wait() => panic!("the host ended ({status:?}):\n{}", log.text()),
        };
        let url = line
            .split_whitespace()
            .last()
            .expect("the line ends in an address")
            .to_owned();
        // The client wants one even for plain http; another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Host {
            url,
            client,
            log,
            child,
            dir,
        }
    }
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("the host runs").to_string();
    let status = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .expect("kill can be run");
    assert!(status.success(), "kill -s {name} {id}: {status}");
}

/// What a host has written so far, to standard output and error alike.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Log {
    fn follow(&self, from: impl AsyncRead + Send + Unpin + 'static) {
        let log = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log.lines.lock().expect("nobody panicked").push(line);
                log.count.send_modify(|count| *count += 1);
            }
        });
    }

    /// All of it.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn text(&self) -> String {
        self.lines.lock().expect("nobody panicked").join("\n")
    }

    /// Waits for a line that has this in it.
    ///
    /// # Panics
    /// When none comes; with all that came.
    pub async fn line(&self, part: &str) -> String {
        let find = || {
            let lines = self.lines.lock().expect("nobody panicked");
            lines.iter().find(|line| line.contains(part)).cloned()
        };
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                if let Some(line) = find() {
                    return line;
                }
                count.changed().await.expect("the log is there");
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("the host never wrote {part:?}:\n{}", self.text()))
    }
}
