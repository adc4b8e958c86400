//! The machine that runs components: one wasmtime engine, its clock, its cache and its linker.
//!
//! In: the directory for compiled code, and how many calls it is for. Out: an [`Engine`] that
//! compiles components and links them to the host's imports. Never: state of a request or of a
//! plugin.

use std::path::Path;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, Enabled, PoolingAllocationConfig};

use super::bindings::base;
use super::error::{LoadError, one_line};
use super::state::GuestState;
use crate::config::Config;

/// How often a running guest is interrupted so that its limits can be looked at.
pub const TICK: Duration = Duration::from_millis(10);

/// Instances beyond those of calls: kept ones, and those that are asked to describe themselves.
const SPARE: u32 = 256;
/// What one component may be made of. A component from Python is some twenty core instances around one memory.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;
/// How much of an instance's memory and tables stays with its place when it is gone, in bytes. It is
/// set back by copying, which is quicker than to give pages back and be given them again. An
/// adapter in Rust touches about this much.
const MEMORY_KEPT: usize = 128 << 10;
const TABLES_KEPT: usize = 16 << 10;

/// What an engine sets aside at its start, so that making an instance takes no mapping of memory.
/// It costs addresses, not memory: 8 GiB of them for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Calls at once.
    pub calls: usize,
    /// Elements of a table, the most that any plugin is allowed.
    pub table_elements: usize,
}

impl Capacity {
    /// What a configuration may need: a request in work has one instance at a time.
    pub fn of(config: &Config) -> Self {
        let of_providers = config.providers.values().map(|provider| &provider.limits);
        let tables = of_providers.chain([&config.limits]).map(|limits| limits.table_elements);
        Self {
            calls: config.server.max_concurrent_requests,
            table_elements: tables.max().unwrap_or_default(),
        }
    }
}

/// The engine, shared by every plugin.
pub struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<GuestState>,
}

impl Engine {
    /// Makes an engine that sets nothing aside, for a few calls. Compiled code is kept under
    /// `cache_dir`, which must be writable by nobody but the host: whoever can change a file there
    /// decides what the host executes.
    ///
    /// # Errors
    /// When the cache directory cannot be made private, or the engine refuses its configuration.
    pub fn new(cache_dir: &Path) -> Result<Self, LoadError> {
        let config = config(cache_dir)?;
        Self::of(wasmtime::Engine::new(&config).map_err(LoadError::engine)?)
    }

    /// Makes an engine with places for instances. Where the system does not give that many addresses,
    /// it is as good as [`new`](Self::new)'s, and the log says so.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_capacity(cache_dir: &Path, capacity: Capacity) -> Result<Self, LoadError> {
        let mut config = config(cache_dir)?;
        config.allocation_strategy(pool(capacity));
        match wasmtime::Engine::new(&config) {
            Ok(engine) => Self::of(engine),
            Err(error) => {
                tracing::warn!(
                    calls = capacity.calls,
                    "addresses for instances cannot be set aside, so that calls take longer: {}; \
                     a lower `server.max_concurrent_requests` needs fewer",
                    one_line(&error)
                );
                Self::new(cache_dir)
            }
        }
    }

    fn of(engine: wasmtime::Engine) -> Result<Self, LoadError> {
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

fn config(cache_dir: &Path) -> Result<wasmtime::Config, LoadError> {
    make_private(cache_dir)?;
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    let mut cache = CacheConfig::new();
    cache.with_directory(cache_dir);
    config.cache(Some(Cache::new(cache).map_err(LoadError::engine)?));
    Ok(config)
}

/// Every call finds a place whatever the others do: no component may take more than its share.
fn pool(capacity: Capacity) -> PoolingAllocationConfig {
    let instances = u32::try_from(capacity.calls).unwrap_or(u32::MAX).saturating_add(SPARE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    // Only counted; what they take is allocated when they are made.
    pool.total_core_instances(instances.saturating_mul(CORE_INSTANCES));
    pool.max_core_instances_per_component(CORE_INSTANCES);
    pool.total_memories(instances.saturating_mul(MEMORIES));
    pool.max_memories_per_component(MEMORIES);
    pool.total_tables(instances.saturating_mul(TABLES));
    pool.max_tables_per_component(TABLES);
    pool.table_elements(capacity.table_elements);
    pool.total_stacks(instances);
    pool.linear_memory_keep_resident(MEMORY_KEPT);
    pool.table_keep_resident(TABLES_KEPT);
    pool.pagemap_scan(Enabled::Auto);
    pool
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `(component (core module $m (table 10 funcref) (memory 1)) (core instance (instantiate $m)))`
    const SMALL: &[u8] =
        b"\0asm\x0d\0\x01\0\x01\x13\0asm\x01\0\0\0\x04\x04\x01\x70\0\x0a\x05\x03\x01\0\x01\x02\x04\x01\0\0\0";

    async fn instances(engine: &Engine, most: usize) -> usize {
        let component = Component::new(engine.wasmtime(), SMALL).unwrap();
        let linker = Linker::<()>::new(engine.wasmtime());
        let mut held = Vec::new();
        for _ in 0..most {
            let mut store = wasmtime::Store::new(engine.wasmtime(), ());
            store.set_epoch_deadline(u64::MAX / 2);
            match linker.instantiate_async(&mut store, &component).await {
                Ok(_) => held.push(store),
                Err(error) => {
                    assert!(error.is::<wasmtime::PoolConcurrencyLimitError>(), "{error:?}");
                    break;
                }
            }
        }
        held.len()
    }

    #[tokio::test]
    async fn there_is_a_place_for_every_call() {
        let dir = tempfile::tempdir().unwrap();
        let capacity = Capacity {
            calls: 3,
            table_elements: 1000,
        };
        let engine = Engine::with_capacity(dir.path(), capacity).unwrap();
        let expected = capacity.calls + SPARE as usize;
        assert_eq!(instances(&engine, expected + 1).await, expected);
        // They are all free again.
        assert_eq!(instances(&engine, expected + 1).await, expected);
    }

    #[tokio::test]
    async fn too_many_places_are_none_and_calls_work_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let capacity = Capacity {
            calls: usize::MAX,
            table_elements: 100_000,
        };
        let engine = Engine::with_capacity(dir.path(), capacity).unwrap();
        assert_eq!(instances(&engine, 10).await, 10);
    }
}
