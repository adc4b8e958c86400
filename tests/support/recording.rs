//! Recorded traffic of real providers.
//!
//! In: the files of a recordings directory. Out: requests and answers. Never: a change to what was
//! recorded.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// One exchange.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Where it comes from; for messages.
    pub path: PathBuf,
    /// All of the file.
    pub json: Value,
}

impl Recording {
    /// Reads one.
    ///
    /// # Panics
    /// When the file is not a recording.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            path: path.to_owned(),
            json,
        }
    }

    /// Reads those of a provider whose file's name begins with `prefix`, in the names' order.
    ///
    /// # Panics
    /// When the provider has none at all.
    pub fn all(recordings: &Path, provider: &str, prefix: &str) -> Vec<Self> {
        let dir = recordings.join(provider);
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".json")
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether it has a tag.
    pub fn is(&self, tag: &str) -> bool {
        self.json["tags"]
            .as_array()
            .is_some_and(|tags| tags.iter().any(|known| known == tag))
    }

    /// The request's body where it was JSON.
    pub fn request(&self) -> &Value {
        &self.json["request"]["body"]
    }

    /// The answer's status.
    pub fn status(&self) -> u16 {
        self.json["response"]["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or(200)
    }

    /// The answer's headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        let headers = self.json["response"]["headers"].as_object().into_iter().flatten();
        headers
            .filter_map(|(name, value)| {
                let value = value.as_str().or_else(|| value.get(0).and_then(Value::as_str))?;
                Some((name.clone(), value.to_owned()))
            })
            .collect()
    }

    /// The answer's body as it came.
    ///
    /// # Panics
    /// When the recording's base64 is none.
    pub fn body(&self) -> Vec<u8> {
        let response = &self.json["response"];
        if let Some(text) = response["body_text"].as_str() {
            return text.as_bytes().to_vec();
        }
        if let Some(data) = response["body_base64"].as_str() {
            return STANDARD
                .decode(data)
                .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        }
        match &response["body"] {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        }
    }
}
