//! Files: read whole, replaced whole, one writer at a time.
//!
//! In: a path and bytes. Out: a file that is the old one or the new one, whatever happens in between. Never leaves a
//! half-written file under the real name; a temporary one that is not needed any more is removed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::crypto;
use crate::error::VaultError;
use crate::header::MAX_FILE_LEN;
use crate::hex;
use crate::key_file::private;

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    move |source| VaultError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The file's bytes, or `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_LEN + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("read", path))?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(VaultError::TooLarge {
            what: "the file",
            limit: MAX_FILE_LEN,
        });
    }
    Ok(Some(bytes))
}

/// The same file, by a path that neither a change of directory nor a symbolic link at its end redirects.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, VaultError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => absolute(path),
        Err(error) => Err(failed("find", path)(error)),
    }
}

/// The same path, which a change of directory does not redirect.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, VaultError> {
    std::path::absolute(path).map_err(failed("find", path))
}

/// `path` with something appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// How often a lock that another process has is asked for. There is no way to wait for one with a limit.
const PAUSE: Duration = Duration::from_millis(10);

/// Held while a file is written; released when dropped, or when the process ends in any way.
#[derive(Debug)]
pub(crate) struct WriteLock(#[allow(dead_code, reason = "held, not read")] File);

impl WriteLock {
    /// The lock on `path`, or `None` when another process has it and keeps it for longer than `patience`.
    pub(crate) fn within(path: &Path, patience: Duration) -> Result<Option<Self>, VaultError> {
        let (file, lock_path) = Self::file(path)?;
        let asked = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(TryLockError::WouldBlock) if asked.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
            }
        }
    }

    /// The lock on `path`, waiting for it. Only for files that are written in milliseconds.
    pub(crate) fn wait(path: &Path) -> Result<Self, VaultError> {
        let (file, lock_path) = Self::file(path)?;
        file.lock().map_err(failed("lock", &lock_path))?;
        Ok(Self(file))
    }

    /// A file of its own: the one that is locked must not be the one that is replaced. It stays where it is, since removing
    /// it would let two processes lock two files of the same name.
    fn file(path: &Path) -> Result<(File, PathBuf), VaultError> {
        let path = beside(path, ".lock");
        let mut options = OpenOptions::new();
        let file = private(options.write(true).create(true).truncate(false)).open(&path);
        Ok((file.map_err(failed("open the lock file", &path))?, path))
    }
}

/// New contents of a file, on disk but not under its name yet.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: PathBuf,
    temporary: Option<PathBuf>,
}

impl Replacement {
    /// Writes and syncs the bytes to a temporary file (mode 0600) in the same directory.
    pub(crate) fn prepare(target: &Path, bytes: &[u8]) -> Result<Self, VaultError> {
        let temporary = beside(target, &format!(".{}.tmp", hex::encode(&crypto::random::<8>()?)));
        let mut options = OpenOptions::new();
        let file = private(options.write(true).create_new(true)).open(&temporary);
        let mut file = file.map_err(failed("create", &temporary))?;
        let replacement = Self {
            target: target.to_owned(),
            temporary: Some(temporary.clone()),
        };
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &temporary))?;
        Ok(replacement)
    }

    /// Puts the new file in place of the old one. It stays there for certain once the directory is synced.
    pub(crate) fn rename(mut self) -> Result<Directory, VaultError> {
        let directory = Directory::of(&self.target)?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.target).map_err(failed("replace", &self.target))?;
            self.temporary = None;
        }
        Ok(directory)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Left over, it would be no more than litter; there is nobody to tell.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// An open directory, to be synced after a rename in it.
pub(crate) struct Directory(#[cfg(unix)] File);

impl Directory {
    #[cfg(unix)]
    fn of(path: &Path) -> Result<Self, VaultError> {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(directory).map(Self).map_err(failed("open", directory))
    }

    #[cfg(unix)]
    pub(crate) fn sync(&self) -> Result<(), io::Error> {
        match self.0.sync_all() {
            // Some network file systems cannot; the rename stands all the same.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            result => result,
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Path) -> Result<Self, VaultError> {
        Ok(Self())
    }

    #[cfg(not(unix))]
    pub(crate) fn sync(&self) -> Result<(), io::Error> {
        Ok(())
    }
}
