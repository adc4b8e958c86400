//! Where components come from: a directory that people copy files into.
//!
//! In: the directory's path. Out: the components in it, read whole. Never: a judgement on what
//! is in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::LoadError;

/// A `.wasm` file and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, or why it could not be read.
    pub bytes: Result<Vec<u8>, String>,
}

/// Lists the components that are there now.
pub trait PluginSource: Send + Sync + 'static {
    /// All of them, by path.
    ///
    /// # Errors
    /// When the place itself cannot be read.
    fn list(&self) -> Result<Vec<Candidate>, LoadError>;
}

/// The plugins directory.
#[derive(Debug, Clone)]
pub struct PluginDirectory(pub PathBuf);

impl PluginSource for PluginDirectory {
    fn list(&self) -> Result<Vec<Candidate>, LoadError> {
        let failed = |error: std::io::Error| LoadError::Io {
            what: format!(
                "read the plugins directory {}, which `plugins.dir` names and `host init` makes",
                self.0.display()
            ),
            error: Arc::new(error),
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if is_component(&path) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found
            .into_iter()
            .filter_map(|path| match std::fs::read(&path) {
                Ok(bytes) => Some(Candidate { path, bytes: Ok(bytes) }),
                // It vanished between the listing and the reading, unless it is a link that leads nowhere.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !path.is_symlink() => None,
                Err(error) => Some(Candidate {
                    path,
                    bytes: Err(format!("cannot be read: {error}")),
                }),
            })
            .collect())
    }
}

/// Whether a file is meant as a plugin: editors' and copying tools' temporary names are not.
pub fn is_component(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let named = name.ends_with(".wasm") && !name.starts_with('.') && !name.starts_with('~');
    // Neither a directory nor a pipe, which would never end; a link that leads nowhere is told of.
    named && std::fs::metadata(path).map_or(true, |found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_what_is_meant_as_a_plugin_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a.wasm", ".hidden.wasm", "~b.wasm", "a.wasm.sig"] {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::create_dir(at("dir.wasm")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.wasm")).unwrap();
        std::os::unix::fs::symlink(at("a.wasm"), at("link.wasm")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("nowhere.wasm")).unwrap();
        let list = PluginDirectory(dir.path().to_owned()).list().unwrap();
        let names: Vec<_> = list.iter().map(|found| found.path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.wasm", "link.wasm", "nowhere.wasm"]);
        assert_eq!(list[1].bytes.as_deref(), Ok(&b"a.wasm"[..]));
        assert!(
            list[2]
                .bytes
                .as_ref()
                .is_err_and(|message| message.starts_with("cannot be read"))
        );
    }
}
