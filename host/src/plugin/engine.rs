//! The machine that runs components: one wasmtime engine, its clock, its cache and its linker.
//!
//! In: the directory for compiled code. Out: an [`Engine`] that compiles components and links
//! them to the host's imports. Never: state of a request or of a plugin.

use std::path::Path;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, Config};

use super::bindings::base;
use super::error::LoadError;
use super::state::GuestState;

/// How often a running guest is interrupted so that its limits can be looked at.
pub const TICK: Duration = Duration::from_millis(10);

/// The engine, shared by every plugin.
pub struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<GuestState>,
}

impl Engine {
    /// Makes the engine. Compiled code is kept under `cache_dir`, which must be writable by nobody
    /// but the host: whoever can change a file there decides what the host executes.
    ///
    /// # Errors
    /// When the cache directory cannot be made private, or the engine refuses its configuration.
    pub fn new(cache_dir: &Path) -> Result<Self, LoadError> {
        make_private(cache_dir)?;
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.wasm_component_model_async(true);
        config.epoch_interruption(true);
        config.memory_init_cow(true);
        let mut cache = CacheConfig::new();
        cache.with_directory(cache_dir);
        config.cache(Some(Cache::new(cache).map_err(LoadError::engine)?));
        let engine = wasmtime::Engine::new(&config).map_err(LoadError::engine)?;
        let linker = linker(&engine).map_err(LoadError::engine)?;
        tick(&engine)?;
        Ok(Self { engine, linker })
    }

    /// The wasmtime engine.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Compiles a component, or takes it from the cache. Takes up to seconds: not for a thread
    /// that serves requests.
    ///
    /// # Errors
    /// When the bytes are not a component.
    pub fn compile(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::from_binary(&self.engine, bytes).map_err(LoadError::invalid)
    }

    /// Links a component to the host's imports.
    ///
    /// # Errors
    /// When it imports something the host does not give.
    pub(super) fn link(&self, component: &Component) -> Result<InstancePre<GuestState>, LoadError> {
        self.linker.instantiate_pre(component).map_err(LoadError::imports)
    }
}

/// WASI 0.2 and 0.3 are linked because every language's runtime imports them; what stands behind
/// them is empty (see [`GuestState`]).
fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    base::Base::add_to_linker::<GuestState, HasSelf<GuestState>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Advances the epoch from a thread of its own: a guest that spins holds a runtime thread, so the
/// clock must not live on one. The thread ends with the engine.
fn tick(engine: &wasmtime::Engine) -> Result<(), LoadError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            loop {
                std::thread::sleep(TICK);
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        })
        .map_err(|error| LoadError::Io {
            what: "start the epoch thread".into(),
            error: error.into(),
        })?;
    Ok(())
}

fn make_private(dir: &Path) -> Result<(), LoadError> {
    let failed = |error: std::io::Error| LoadError::Io {
        what: format!("make the cache directory {} private", dir.display()),
        error: error.into(),
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}
