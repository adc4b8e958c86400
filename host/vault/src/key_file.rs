//! Key files: 32 random bytes that only their owner may read.
//!
//! In: a path. Out: the key, or why it is refused. Never reads a key that others could have read (on Unix), and never
//! replaces a file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::crypto::{self, KEY_LEN};
use crate::error::VaultError;

/// Makes a new key file of 32 random bytes, readable by its owner alone.
///
/// # Errors
/// [`VaultError::AlreadyExists`] when there is a file; [`VaultError::Io`] when it cannot be written.
pub fn generate_key_file(path: &Path) -> Result<(), VaultError> {
    let key = Zeroizing::new(crypto::random::<KEY_LEN>()?);
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => VaultError::AlreadyExists { path: path.to_owned() },
        _ => VaultError::Io {
            action: "write the key file",
            path: path.to_owned(),
            source,
        },
    };
    let mut file = private(OpenOptions::new().write(true).create_new(true))
        .open(path)
        .map_err(failed)?;
    let written = file.write_all(key.as_ref()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is of no use, and would be in the way of the next attempt.
        let _ = std::fs::remove_file(path);
    }
    written.map_err(failed)
}

pub(crate) fn read(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
    let failed = |source| VaultError::Io {
        action: "read the key file",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that the file that is checked is the file that is read.
    check_mode(&file, path)?;
    // One byte more than a key, reserved at once so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
    file.take(KEY_LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let key = bytes
        .as_slice()
        .try_into()
        .map_err(|_| VaultError::KeyFileLength { path: path.to_owned() })?;
    Ok(Zeroizing::new(key))
}

/// Creates files with mode 0600 where there are modes.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata();
    let metadata = metadata.map_err(|source| VaultError::Io {
        action: "read the mode of",
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(VaultError::KeyFilePermissions {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &File, _: &Path) -> Result<(), VaultError> {
    Ok(())
}
