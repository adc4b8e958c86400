//! Listeners: where requests come in.
//!
//! In: an address or a path. Out: a listener. Never: what a caller asks.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

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
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(RunError::Twin { path: shown() });
    }
    // Left over from a host that was killed.
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed(std::io::Error::other(
                "there is a file of that name that is no socket",
            )));
        }
        _ => remove(path),
    }
    // Made where nobody else may enter: between binding it and changing its mode anybody could open it, and a
    // connection that was made then stays.
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = Aside(PathBuf::from(aside));
    let inside = aside.0.join("s");
    remove(&inside);
    let _ = std::fs::remove_dir(&aside.0);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&aside.0)
        .map_err(failed)?;
    let listener = UnixListener::bind(&inside).map_err(failed)?;
    std::fs::set_permissions(&inside, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&inside, path).map_err(failed)?;
    Ok(listener)
}

/// The directory that a socket is made in; it goes when the socket has moved out.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_admin_socket_is_for_its_owner_alone_and_replaces_only_a_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/admin.sock");
        let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        let listener = unix(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(unix(&path), Err(RunError::Twin { .. })));
        // What a host that was killed leaves behind.
        drop(listener);
        std::fs::create_dir(dir.path().join("state/admin.sock.new")).unwrap();
        let listener = unix(&path).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(listener);
        let names: Vec<_> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["admin.sock"]);

        let file = dir.path().join("notes.txt");
        std::fs::write(&file, "mine").unwrap();
        let error = unix(&file).unwrap_err().to_string();
        assert!(error.contains("no socket") && error.contains("admin.socket"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }
}
