//! `host run`: the service itself.
//!
//! In: the configuration and what opens the vault. Out: a host that runs until it is told to stop.
//! Never: anything a running host does; that is `server`'s.

use std::path::Path;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Session, log, vault};
use crate::server;

/// Arguments of `host run`.
#[derive(Debug, Args)]
#[command(after_help = "\
It listens where `server.listen` says and serves every plugin of `plugins.dir`. Files are watched: a changed \
configuration, vault or plugin is taken up without a restart; so it is at SIGHUP and at `host reload`. \
SIGTERM and Ctrl-C let answers in progress come to their end; a second one ends the host at once.

Examples:
  host run
  host run --config /etc/llm-host/host.toml")]
pub(super) struct Run {}

/// Runs the host.
pub(super) fn run(session: &Session, _arguments: &Run) -> anyhow::Result<()> {
    let config = session.config()?;
    log::to_stderr(&config.log)?;
    for warning in &config.source.warnings {
        tracing::warn!("{warning}");
    }
    if config.vault.path.try_exists().is_ok_and(|there| !there) {
        tracing::warn!(
            "there is no vault at {}, so nothing is granted: `host vault init` makes one",
            config.vault.path.display()
        );
    }
    if let Some(what) = vault::unfinished_rekey(&config.vault) {
        tracing::warn!("{what}");
    }
    for dir in [&config.state_dir, &config.plugins.dir] {
        if is_open_to_others(dir) {
            tracing::warn!(
                "others may write to {0}, and so decide what the host runs: chmod go-w {0}",
                dir.display()
            );
        }
    }
    // Before the first secret is read.
    server::memory::keep_private();
    let access = vault::access(&config.vault)?;
    let output = session.output;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async move {
            let admin = config.admin.socket.display().to_string();
            let ready = move |address| {
                tracing::info!(%address, admin, "the host takes requests");
                output.note(&format!("listening on http://{address}"));
            };
            server::run(config, session.env.clone(), access, CancellationToken::new(), ready).await
        })?;
    Ok(())
}

/// Whether others than its owner may put files into a directory and take them away.
#[cfg(unix)]
fn is_open_to_others(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    dir.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}
