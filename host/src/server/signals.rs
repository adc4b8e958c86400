//! Signals: SIGHUP reloads, SIGINT and SIGTERM stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::reload::{Reloader, Trigger};

/// Follows signals until one says stop. A second SIGINT or SIGTERM ends the process at once, for
/// whoever does not want to wait for answers in progress.
pub(super) async fn follow(reloader: Arc<Reloader>, stop: CancellationToken) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = hang_up.recv() => drop(reloader.reload(Trigger::Signal).await),
            _ = interrupt.recv() => end(&stop),
            _ = terminate.recv() => end(&stop),
        }
    }
}

fn end(stop: &CancellationToken) {
    if stop.is_cancelled() {
        std::process::exit(1);
    }
    stop.cancel();
}
