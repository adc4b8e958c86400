//! What a guest writes, in the host's log: bounded, without secrets, and marked as the guest's.
//!
//! In: lines from `host.log`, bytes from standard output and error. Out: tracing events with
//! target `guest`. Never: more lines or longer lines than the limits allow, and no secret that
//! this plugin's credentials hold.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::bindings::base::llm_host::provider::host::Level;
use super::state::Identity;
use crate::config::Limits;
use crate::egress::leak::Needles;
use crate::plain;

/// Most bytes of standard output or error that are taken at once.
const PERMIT: usize = 8 << 10;

/// The log of one store.
pub(super) struct GuestLog {
    identity: Arc<Identity>,
    call: Mutex<LoggedCall>,
    max_lines: u32,
    max_line_bytes: usize,
    lines: AtomicU32,
}

/// What one call's lines have in common.
struct LoggedCall {
    request_id: Arc<str>,
    /// Made for the first line that is written; it holds secrets until the call's log goes.
    redactor: Option<Arc<Needles>>,
}

impl GuestLog {
    pub(super) fn new(identity: Arc<Identity>, limits: &Limits, request_id: Arc<str>) -> Self {
        Self {
            identity,
            call: Mutex::new(LoggedCall {
                request_id,
                redactor: None,
            }),
            max_lines: u32::try_from(limits.log_lines).unwrap_or(u32::MAX - 1),
            max_line_bytes: usize::try_from(limits.log_line_bytes).unwrap_or(usize::MAX),
            lines: AtomicU32::new(0),
        }
    }

    pub(super) fn begin_call(&self, request_id: Arc<str>) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = LoggedCall {
            request_id,
            redactor: None,
        };
        self.lines.store(0, Ordering::Relaxed);
    }

    /// Writes one line. Lines past the limit are counted and not written; the first of them says so.
    pub(super) fn line(&self, level: Level, text: &str) {
        let written = self.lines.fetch_add(1, Ordering::Relaxed);
        if written > self.max_lines {
            self.lines.store(self.max_lines.saturating_add(1), Ordering::Relaxed);
            return;
        }
        if !wanted(level) {
            return;
        }
        let identity = &*self.identity;
        let (plugin, provider) = (identity.manifest.id.as_str(), &*identity.holder.provider);
        let generation = identity.generation;
        let (request, redactor) = self.call();
        if written == self.max_lines {
            tracing::warn!(target: "guest", plugin, provider, generation, request_id = &*request,
                "the plugin logs more than {} lines in one call (`limits.log_lines`); the rest is left out", self.max_lines);
            return;
        }
        let text = clean(text, redactor.as_deref(), self.max_line_bytes);
        match level {
            Level::Trace => {
                tracing::trace!(target: "guest", plugin, provider, generation, request_id = &*request, "{text}");
            }
            Level::Debug => {
                tracing::debug!(target: "guest", plugin, provider, generation, request_id = &*request, "{text}");
            }
            Level::Info => {
                tracing::info!(target: "guest", plugin, provider, generation, request_id = &*request, "{text}");
            }
            Level::Warn => {
                tracing::warn!(target: "guest", plugin, provider, generation, request_id = &*request, "{text}");
            }
            Level::Error => {
                tracing::error!(target: "guest", plugin, provider, generation, request_id = &*request, "{text}");
            }
        }
    }

    /// Whether the host may write one line more about what the call does; it counts as one of the call's own.
    pub(super) fn has_room(&self) -> bool {
        let written = self.lines.fetch_add(1, Ordering::Relaxed);
        if written > self.max_lines {
            self.lines.store(self.max_lines.saturating_add(1), Ordering::Relaxed);
        }
        written < self.max_lines
    }

    /// The request that the present call is for, and what takes secrets out of its lines.
    fn call(&self) -> (Arc<str>, Option<Arc<Needles>>) {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(egress)) = (&call.redactor, &self.identity.egress) {
            call.redactor = Some(Arc::new(egress.redactor(&self.identity.holder)));
        }
        (call.request_id.clone(), call.redactor.clone())
    }
}

/// Cuts a line, escapes what could forge another or steer a terminal, and takes out secrets.
fn clean(text: &str, redactor: Option<&Needles>, most: usize) -> String {
    // Only as much is searched as can be shown, and no part of a secret that stands at the cut is.
    let longest = redactor.map_or(0, Needles::longest);
    let head = text
        .get(..text.floor_char_boundary(most.saturating_add(longest)))
        .unwrap_or(text);
    let cut = head.len() < text.len();
    let scrubbed = redactor.map_or(Cow::Borrowed(head), |redactor| redactor.redact(head));
    let end = scrubbed.len().saturating_sub(if cut { longest } else { 0 });
    let shown = scrubbed.get(..scrubbed.floor_char_boundary(end)).unwrap_or_default();
    let mut out = String::with_capacity(shown.len().min(most));
    for c in shown.chars().chain(cut.then_some('…')) {
        if out.len() + c.len_utf8() > most {
            out.push('…');
            break;
        }
        if plain::steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether anybody reads lines of this level; others cost nothing more.
fn wanted(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "guest", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "guest", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "guest", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "guest", tracing::Level::WARN),
        Level::Error => tracing::enabled!(target: "guest", tracing::Level::ERROR),
    }
}

/// Standard output or error of a guest, as lines of its log.
#[derive(Clone)]
pub(super) struct LogStream {
    log: Arc<GuestLog>,
    partial: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(super) fn new(log: Arc<GuestLog>) -> Self {
        Self {
            log,
            partial: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.split_inclusive(|b| *b == b'\n') {
            let room = self.log.max_line_bytes.saturating_sub(partial.len());
            let complete = chunk.last() == Some(&b'\n');
            let text = chunk.strip_suffix(b"\n").unwrap_or(chunk);
            partial.extend(text.iter().take(room));
            if complete {
                self.log.line(Level::Info, &String::from_utf8_lossy(&partial));
                partial.clear();
            }
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        if Arc::strong_count(&self.partial) > 1 {
            return;
        }
        let rest = std::mem::take(&mut *self.partial.lock().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            self.log.line(Level::Info, &String::from_utf8_lossy(&rest));
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // Not the default, which puts every byte into the log of wasmtime-wasi as it came.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_escaped_and_without_secrets_wherever_they_stand() {
        const SECRET: &str = "sk-canary-0123456789";
        let needles = Needles::of([SECRET]);
        for before in 0..60 {
            for after in [0, 100] {
                let text = format!("{}{SECRET}{}", "a".repeat(before), "é".repeat(after));
                let line = clean(&text, Some(&needles), 40);
                assert!(!line.contains("sk-"), "{before} {after} {line}");
                assert!(line.len() <= 40 + '…'.len_utf8(), "{line}");
                assert_eq!(line.ends_with('…'), after > 0 || before > 32, "{before} {after} {line}");
            }
        }
        assert_eq!(clean("a\nb\u{202e}", None, 40), "a\\nb\\u{202e}");
        assert_eq!(clean("short", None, 5), "short");
        assert_eq!(clean("longer", None, 5), "longe…");
    }
}
