//! Says how to use a host as soon as it is ready.
//!
//! In: the host's address and process id. Out: on standard output, a curl line and a Python
//! snippet that work at once. Never: outlives the host by more than a moment, and never sends it
//! anything but `GET /readyz`.
//!
//! It is a process of its own, since the one that built the host becomes the host.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

/// Where a host listens that was told nothing else.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// What tells it otherwise, before its configuration does.
const LISTEN: &str = "LLM_HOST_SERVER_LISTEN";

/// Longest wait for a host to become ready. A first start compiles the plugins.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Args)]
pub(crate) struct Announce {
    /// Base address of the host.
    #[arg(long)]
    url: String,
    /// The host's process.
    #[arg(long)]
    pid: u32,
    /// Do the waiting in this process, instead of in one that outlives it.
    #[arg(long)]
    wait: bool,
}

/// Starts the process that waits. It is no child of this one, so the host that this process becomes
/// has none that it does not know of.
pub(crate) fn announce_later(url: &str) -> Result<()> {
    let pid = std::process::id();
    let status = itself(url, pid)?.status()?;
    if !status.success() {
        anyhow::bail!("cannot start the process that waits for the host ({status})");
    }
    Ok(())
}

fn itself(url: &str, pid: u32) -> Result<Command> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command
        .args(["announce", "--url", url, "--pid", &pid.to_string()])
        .stdin(Stdio::null());
    Ok(command)
}

impl Announce {
    pub(crate) fn start(self) -> Result<ExitCode> {
        if !self.wait {
            // The one that waits is left behind by the one that started it.
            itself(&self.url, self.pid)?.arg("--wait").spawn()?;
            return Ok(ExitCode::SUCCESS);
        }
        let Some(address) = self.url.strip_prefix("http://") else {
            return Ok(ExitCode::FAILURE);
        };
        let begun = Instant::now();
        while is_running(self.pid) && begun.elapsed() < PATIENCE {
            if is_ready(address) {
                println!("{}", usage(&self.url));
                return Ok(ExitCode::SUCCESS);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(ExitCode::FAILURE)
    }
}

/// The address at which the host will be.
pub(crate) fn url(config: &Path) -> String {
    url_of(std::env::var(LISTEN).ok().filter(|listen| !listen.is_empty()), config)
}

/// Whether something answers at the address of a host that has not been started yet.
pub(crate) fn is_taken(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|address| ask(address).is_ok())
}

fn url_of(told: Option<String>, config: &Path) -> String {
    let listen = told
        .or_else(|| listen_setting(config))
        .unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    // A host that listens on every address is reached on the loopback one.
    let listen = listen
        .replacen("0.0.0.0:", "127.0.0.1:", 1)
        .replacen("[::]:", "[::1]:", 1);
    format!("http://{listen}")
}

fn listen_setting(config: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let listen = table.get("server")?.get("listen")?;
    listen.as_str().map(str::to_owned)
}

fn is_ready(address: &str) -> bool {
    ask(address).is_ok_and(|status| status.contains(" 200 "))
}

/// The status line of `GET /readyz`.
fn ask(address: &str) -> std::io::Result<String> {
    let limit = Duration::from_secs(2);
    let Some(socket) = address.to_socket_addrs()?.next() else {
        return Ok(String::new());
    };
    let mut stream = TcpStream::connect_timeout(&socket, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    stream.take(1024).read_to_end(&mut head)?;
    let text = String::from_utf8_lossy(&head);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Whether the process is there. Where that cannot be seen, only patience ends the wait.
fn is_running(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

fn usage(url: &str) -> String {
    format!(
        r#"
The host is ready at {url}. Try it:

  curl -sS {url}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model":"echo/echo","messages":[{{"role":"user","content":"Hello"}}]}}'

or, after `pip install openai`, from Python:

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="unused")
  answer = client.chat.completions.create(
      model="echo/echo", messages=[{{"role": "user", "content": "Hello"}}]
  )
  print(answer.choices[0].message.content)

Ctrl-C stops it.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_address_is_found_where_it_was_said_last() {
        let config = std::env::temp_dir().join(format!("xtask-ready-{}.toml", std::process::id()));
        assert_eq!(url_of(None, &config), "http://127.0.0.1:8080");
        std::fs::write(&config, "[server]\nlisten = \"0.0.0.0:9000\"\n").unwrap();
        assert_eq!(url_of(None, &config), "http://127.0.0.1:9000");
        assert_eq!(url_of(Some("[::]:2".to_owned()), &config), "http://[::1]:2");
        std::fs::remove_file(&config).unwrap();
    }

    #[test]
    fn only_a_200_is_ready() {
        for (answer, ready) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                // All of it: closing with bytes unread would reset the connection.
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                assert!(head.starts_with(b"GET /readyz HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(is_ready(&address), ready, "{answer:?}");
            server.join().unwrap();
            assert!(!is_taken(&format!("http://{address}")), "nobody is there any more");
        }
    }

    #[test]
    fn a_process_that_has_gone_is_not_waited_for() {
        assert!(is_running(std::process::id()));
        let announce = Announce {
            url: "http://127.0.0.1:9".to_owned(),
            // Above the largest process id that Linux gives.
            pid: 4_194_305,
            wait: true,
        };
        if Path::new("/proc/self").exists() {
            assert!(announce.start().is_ok());
        }
    }
}
