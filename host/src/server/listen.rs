//! Listeners: where requests come in.
//!
//! In: an address or a path. Out: a listener. Never: what a caller asks.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::RunError;

pub(super) async fn tcp(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Listen {
        address: address.to_string(),
        error,
    })
}

/// The admin socket, which only the host's own user may open: that is its whole authentication.
pub(super) fn unix(path: &Path) -> Result<UnixListener, RunError> {
    let shown = || path.display().to_string();
    let failed = |error| RunError::Socket { path: shown(), error };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(RunError::Twin { path: shown() });
    }
    // Left over from a host that was killed.
    remove(path);
    // Made under a private name first: between binding and changing its mode anybody could open it.
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = Path::new(&aside);
    remove(aside);
    let listener = UnixListener::bind(aside).map_err(failed)?;
    std::fs::set_permissions(aside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(aside, path).map_err(failed)?;
    Ok(listener)
}

/// Removes a socket's file; one that is not there is as good.
pub(super) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Serves the admin socket until `stop`, then until every connection has ended.
pub(super) async fn serve_unix(listener: UnixListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Certificate authorities of a PEM file.
pub(super) fn extra_roots(path: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(path) = path else { return Ok(Vec::new()) };
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| {
            format!(
                "`egress.extra_ca`: cannot read certificates from {}: {error}",
                path.display()
            )
        })
}
