//! A host that runs while the commands of a case talk to it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// Compiling a plugin that no cache has takes seconds on a small machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Served {
    child: Option<Child>,
    log: Option<JoinHandle<String>>,
}

impl Served {
    /// Starts it and waits until it takes requests.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (ready, waiting) = mpsc::channel();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("listening on http://") {
                    let _ = ready.send(());
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        let served = Self {
            child: Some(child),
            log: Some(log),
        };
        served.wait(&waiting)
    }

    fn wait(mut self, ready: &Receiver<()>) -> Result<Self> {
        match ready.recv_timeout(PATIENCE) {
            Ok(()) => Ok(self),
            Err(_) => bail!("the host does not take requests; its log:\n{}", self.kill()),
        }
    }

    /// Tells it to stop, and gives its log.
    pub(crate) fn stop(mut self) -> Result<String> {
        let mut child = self.child.take().context("stopped already")?;
        ensure!(
            Command::new("kill").arg(child.id().to_string()).status()?.success(),
            "it cannot be told to stop"
        );
        let status = child.wait()?;
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        ensure!(status.success(), "the host ended with {status}; its log:\n{log}");
        Ok(log)
    }

    fn kill(&mut self) -> String {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
