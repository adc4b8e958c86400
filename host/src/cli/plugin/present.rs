//! Components on disk, and what they say of themselves.
//!
//! In: the plugins directory, or one file. Out: [`LoadedPlugin`]s. Never: a call beyond `describe`,
//! which has neither settings nor credentials nor network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::cli::client::block_on;
use crate::config::Config;
use crate::config::keys::nearest;
use crate::plugin::{Engine, LoadedPlugin, TrustPolicy};

/// A file of the plugins directory: the plugin in it, or why there is none.
pub(in crate::cli) struct Present {
    /// The file.
    pub(in crate::cli) path: PathBuf,
    /// What is in it.
    pub(in crate::cli) plugin: anyhow::Result<LoadedPlugin>,
}

/// Loads components as the running host would.
pub(in crate::cli) struct Loader<'c> {
    engine: Arc<Engine>,
    trust: TrustPolicy,
    config: &'c Config,
}

impl<'c> Loader<'c> {
    pub(in crate::cli) fn new(config: &'c Config) -> anyhow::Result<Self> {
        let signers = config.plugins.trusted_signers.iter().map(|signer| signer.0).collect();
        let trust = TrustPolicy {
            signers,
            required: config.plugins.require_signature,
        };
        Ok(Self {
            engine: Arc::new(Engine::new(&config.plugins.cache_dir)?),
            trust,
            config,
        })
    }

    /// The plugin in a file.
    pub(in crate::cli) fn load(&self, path: &Path) -> anyhow::Result<LoadedPlugin> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        block_on(async {
            let loaded = LoadedPlugin::load(&self.engine, path, bytes, &self.trust, &self.config.limits).await;
            loaded.with_context(|| format!("{} is no plugin for this host", path.display()))
        })
    }

    /// Every component of the plugins directory, by file name.
    pub(in crate::cli) fn all(&self) -> anyhow::Result<Vec<Present>> {
        let mut present = Vec::new();
        for path in components(&self.config.plugins.dir)? {
            present.push(Present {
                plugin: self.load(&path),
                path,
            });
        }
        Ok(present)
    }

    /// The plugin of this id in the plugins directory.
    pub(in crate::cli) fn find(&self, id: &str) -> anyhow::Result<LoadedPlugin> {
        let dir = self.config.plugins.dir.display();
        let (mut ids, mut broken) = (Vec::new(), Vec::new());
        for Present { path, plugin } in self.all()? {
            match plugin {
                Ok(plugin) if plugin.manifest.id == id => return Ok(plugin),
                Ok(plugin) => ids.push(plugin.manifest.id.clone()),
                // A broken file may be the very one that was meant.
                Err(error) if path.file_stem().is_some_and(|stem| stem == id) => return Err(error),
                Err(_) => broken.push(path.display().to_string()),
            }
        }
        let mut message = format!("there is no plugin {id:?} in {dir}");
        match nearest(id, ids.iter().map(String::as_str)) {
            Some(near) => message.push_str(&format!("; did you mean {near:?}?")),
            None if ids.is_empty() => message.push_str("; put its .wasm there, or name the file with --file"),
            None => message.push_str(&format!("; there are {}", ids.join(", "))),
        }
        if !broken.is_empty() {
            message.push_str(&format!("; not loadable: {}", broken.join(", ")));
        }
        bail!(message)
    }
}

/// The `.wasm` files of a directory, by name. Files that are being put in place begin with a dot.
pub(in crate::cli) fn components(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| {
        format!(
            "cannot read the plugins directory {}; `host init` makes it",
            dir.display()
        )
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
