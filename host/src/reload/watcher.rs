//! Notices that a file the host serves from has changed.
//!
//! In: the directories of the configuration, the vault and the plugins. Out: a reload once they
//! have been quiet for a moment, so that a file still being copied is not read half. Never: a
//! look at what changed; `prepare` compares digests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Reloader, Trigger};
use crate::plugin::source::is_component;

/// Watches until `stop` is cancelled. Directories are watched, not files: editors and installers
/// replace a file by renaming another over it.
///
/// # Errors
/// When the operating system cannot watch a directory.
pub async fn watch(reloader: Arc<Reloader>, stop: CancellationToken) -> notify::Result<()> {
    let config = reloader.snapshot().config.clone();
    let interest = Interest {
        config: config.source.path.clone(),
        vault: config.vault.path.clone(),
        plugins: config.plugins.dir.clone(),
    };
    // One waiting notice is enough: a reload looks at everything.
    let (notice, mut noticed) = mpsc::channel::<()>(1);
    let filter = interest.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let relevant = match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => event.need_rescan() || event.paths.iter().any(|path| filter.concerns(path)),
            // The system lost events; looking is the only way to know.
            Err(_) => true,
        };
        if relevant {
            // A full channel already says it.
            let _ = notice.try_send(());
        }
    })?;
    for dir in interest.directories() {
        watcher.watch(&dir, RecursiveMode::NonRecursive)?;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(()) = noticed.recv() => {}
        }
        let quiet = reloader.snapshot().config.plugins.debounce;
        settle(&mut noticed, quiet).await;
        // A directory that was removed and made again is another one to the operating system.
        for dir in interest.directories() {
            if let Err(error) = watcher.watch(&dir, RecursiveMode::NonRecursive) {
                tracing::error!("changes in {} are not noticed: {error}", dir.display());
            }
        }
        // Why it failed is in the log and the status.
        let _ = reloader.reload(Trigger::Files).await;
    }
}

/// How many times the quiet that is waited for is waited at most: a file that never stops changing does not
/// keep a revocation in the vault from counting.
const MOST_WAITS: u32 = 20;

/// Waits until nothing was noticed for a moment.
async fn settle(noticed: &mut mpsc::Receiver<()>, quiet: Duration) {
    let quiet_again = async { while let Ok(Some(())) = tokio::time::timeout(quiet, noticed.recv()).await {} };
    // Past the limit, what is half written fails to load, and is looked at again when it changes.
    let _ = tokio::time::timeout(quiet.saturating_mul(MOST_WAITS), quiet_again).await;
}

#[derive(Clone)]
struct Interest {
    config: PathBuf,
    vault: PathBuf,
    plugins: PathBuf,
}

impl Interest {
    fn concerns(&self, path: &Path) -> bool {
        self.files().any(|file| is_or_leads_to(file, path))
            || path == self.plugins
            || (path.parent() == Some(&self.plugins)
                && (is_component(path)
                    || path.extension().is_some_and(|extension| extension == "sig")
                    // One that components may be reached through.
                    || path.is_symlink()))
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.config, &self.vault].into_iter()
    }

    fn directories(&self) -> Vec<PathBuf> {
        let real = self.files().filter_map(|file| file.canonicalize().ok());
        let files: Vec<_> = self.files().cloned().chain(real).collect();
        // The plugins directory itself may be removed and made again, or be a link that is swapped.
        let named = files.iter().chain([&self.plugins]);
        let parents = named.filter_map(|file| file.parent()).map(Path::to_path_buf);
        let mut all: Vec<_> = parents
            .chain([self.plugins.clone()])
            .filter(|dir| dir.is_dir())
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Whether a change at `path` may be one of `file`. A file that is a symbolic link changes when
/// what it leads to does, and when any link on the way is swapped: that is how Kubernetes updates
/// the files of a volume, all at once.
fn is_or_leads_to(file: &Path, path: &Path) -> bool {
    path == file
        || (file.is_symlink() && (path.parent() == file.parent() || file.canonicalize().is_ok_and(|real| real == path)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_reached_through_links_concerns_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for name in ["volume", "volume/one", "state", "opt", "opt/plugins"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("volume/one/host.toml"), "").unwrap();
        symlink("one", at("volume/data")).unwrap();
        symlink("data/host.toml", at("volume/host.toml")).unwrap();
        symlink(at("volume/data"), at("opt/plugins/data")).unwrap();
        let interest = Interest {
            config: at("volume/host.toml"),
            vault: at("state/vault"),
            plugins: at("opt/plugins"),
        };
        for (path, concerns) in [
            ("volume/host.toml", true),
            ("volume/data", true),
            ("volume/one/host.toml", true),
            ("volume/one/another.toml", false),
            ("state/vault", true),
            ("state/vault.new", false),
            ("opt/plugins", true),
            ("opt/plugins/echo.wasm", true),
            ("opt/plugins/echo.wasm.sig", true),
            ("opt/plugins/data", true),
            ("opt/plugins/notes.txt", false),
            ("opt/notes.wasm", false),
        ] {
            assert_eq!(interest.concerns(&at(path)), concerns, "{path}");
        }
        assert_eq!(
            interest.directories(),
            ["opt", "opt/plugins", "state", "volume", "volume/one"].map(at)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_stops_changing_is_not_waited_for_for_ever() {
        let quiet = Duration::from_millis(300);
        for (every, waited) in [(Duration::from_secs(3600), quiet), (quiet / 3, quiet * MOST_WAITS)] {
            let (notice, mut noticed) = mpsc::channel(1);
            let changes = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(every).await;
                    let _ = notice.try_send(());
                }
            });
            let began = tokio::time::Instant::now();
            settle(&mut noticed, quiet).await;
            assert!(
                began.elapsed() >= waited && began.elapsed() < waited + quiet,
                "{:?}",
                began.elapsed()
            );
            changes.abort();
        }
    }
}
