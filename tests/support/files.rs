//! Files that a host watches, changed as people and their tools change them.
//!
//! In: a path and what is to stand there. Out: the file. Never: a file that is read half, but
//! where that is what a test is about.

use std::path::Path;

/// Puts a file in its place as installers do: written beside it, then renamed over it.
///
/// # Panics
/// When the file system refuses.
pub fn put(path: &Path, bytes: &[u8]) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    std::fs::write(&aside, bytes).expect("a file");
    std::fs::rename(&aside, path).expect("a renamed file");
}

/// The same component built once more: a custom section more, so other bytes and another digest.
///
/// # Panics
/// When the mark is longer than a section's size in one byte.
pub fn built_again(component: &[u8], mark: &str) -> Vec<u8> {
    let name = b"build";
    let size = 1 + name.len() + mark.len();
    assert!(size < 128, "{mark:?} is too long");
    let mut bytes = component.to_vec();
    bytes.extend([
        0,
        u8::try_from(size).expect("below 128"),
        u8::try_from(name.len()).expect("five"),
    ]);
    bytes.extend(name);
    bytes.extend(mark.bytes());
    bytes
}

/// Replaces a text in a file.
///
/// # Panics
/// When it is not there.
pub fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{from:?} is not in {}", path.display());
    put(path, text.replace(from, to).as_bytes());
}
