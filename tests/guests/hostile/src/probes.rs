//! What it looks for inside the sandbox.

use std::hint::black_box;

use llm_provider_sdk::bindings::llm_host::provider::credentials::{self, CredentialError};
use serde_json::{Value, json};

/// Tries every way into the machine that WASI has a name for, and says what it got.
pub(crate) fn wasi() -> String {
    let environment: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{name:?}={value:?}"))
        .collect();
    let arguments: Vec<String> = std::env::args_os().map(|argument| format!("{argument:?}")).collect();
    let mut read = Vec::new();
    for path in [
        "/",
        ".",
        "..",
        "/etc/passwd",
        "/proc/self/environ",
        "host.toml",
        "vault.bin",
        "/tmp",
    ] {
        if std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok() || std::fs::metadata(path).is_ok() {
            read.push(path);
        }
    }
    let written = ["/tmp/hostile", "hostile", "../hostile"].map(|path| std::fs::write(path, "x").is_ok());
    let mut connected = Vec::new();
    for address in ["127.0.0.1:80", "169.254.169.254:80", "[::1]:80"] {
        if std::net::TcpStream::connect(address).is_ok() {
            connected.push(address);
        }
    }
    let listened = std::net::TcpListener::bind("127.0.0.1:0").is_ok();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").is_ok();
    let resolved = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
    let mut line = String::new();
    let standard_input = std::io::stdin().read_line(&mut line).unwrap_or_default();
    json!({
        "environment": environment,
        "arguments": arguments,
        "read": read,
        "written": written.contains(&true),
        "connected": connected,
        "listened": listened,
        "datagrams": datagrams,
        "resolved": resolved,
        "standard_input": standard_input,
        "program": std::env::current_exe().is_ok(),
    })
    .to_string()
}

/// Looks through all of its memory for texts. They are given backwards, one a line, so that
/// asking for them does not put them there.
pub(crate) fn scan(backwards: &str) -> String {
    let pages = core::arch::wasm32::memory_size(0);
    // A little above the null pointer, which may not be read as a slice.
    let (from, to) = (16_usize, pages << 16);
    // SAFETY: linear memory is readable from its beginning to its present end.
    let memory = unsafe { std::slice::from_raw_parts(black_box(from as *const u8), to - from) };
    let found: Vec<Value> = backwards
        .lines()
        .map(|needle| json!(occurrences(memory, needle.as_bytes())))
        .collect();
    json!({"bytes": to, "found": found}).to_string()
}

fn occurrences(memory: &[u8], backwards: &[u8]) -> usize {
    let Some(last) = backwards.len().checked_sub(1) else {
        return 0;
    };
    let reads_so = |at: usize| (0..=last).all(|i| memory.get(at + i) == backwards.get(last - i));
    (0..memory.len().saturating_sub(last))
        .filter(|at| reads_so(*at))
        .count()
}

/// Asks for slots by name, one a line.
pub(crate) fn slots(asked: &str) -> String {
    let answers = asked.lines().map(|slot| match credentials::acquire(slot) {
        Ok(handle) => json!({"kind": handle.kind(), "attributes": handle.attributes()}),
        Err(error) => json!(refusal(&error)),
    });
    Value::from_iter(answers).to_string()
}

fn refusal(error: &CredentialError) -> &str {
    match error {
        CredentialError::NotGranted => "not-granted",
        CredentialError::NotConfigured => "not-configured",
        CredentialError::Expired => "expired",
        CredentialError::Other(text) => text,
    }
}

/// Takes handles and never gives one back.
pub(crate) fn handles() -> String {
    let mut held = Vec::new();
    while let Ok(handle) = credentials::acquire("api-key") {
        held.push(handle);
    }
    held.len().to_string()
}
