//! Signals: SIGHUP reloads, SIGINT and SIGTERM stop.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::reload::{Reloader, Trigger};

/// From now on SIGHUP does not end the process; those that come are kept for [`follow`]. Whoever sends
/// one while the host is starting wants a reload, too. The other signals do end a host that is starting.
pub(super) fn hang_ups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Follows signals until one says stop. A second SIGINT or SIGTERM ends the process at once, for
/// whoever does not want to wait for answers in progress. None waits for a reload.
pub(super) async fn follow(
    mut hang_ups: Signal,
    reloader: Arc<Reloader>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let reloads = async {
        while hang_ups.recv().await.is_some() {
            // What went wrong is in the log and in the status.
            drop(reloader.reload(Trigger::Signal).await);
        }
    };
    let ends = async {
        loop {
            tokio::select! {
                _ = interrupt.recv() => end(&stop),
                _ = terminate.recv() => end(&stop),
            }
        }
    };
    let ((), ()) = tokio::join!(reloads, ends);
    Ok(())
}

fn end(stop: &CancellationToken) {
    if stop.is_cancelled() {
        std::process::exit(1);
    }
    stop.cancel();
}
