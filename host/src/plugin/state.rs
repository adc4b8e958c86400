//! What a store holds besides the guest: its empty WASI world, its limits, and whose call it is.
//!
//! In: a generation's identity and limits. Out: the data behind every host import. Never: an
//! environment, a directory, a socket, a secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::engine::Engine;
use super::guest_log::{GuestLog, LogStream};
use super::manifest::Manifest;
use super::meter::CpuMeter;
use crate::config::Limits;
use crate::egress::{Egress, EgressRequest, Holder};

/// Who a guest is, for everything it asks of the host. One per generation.
pub(super) struct Identity {
    /// Matched against grants.
    pub holder: Arc<Holder>,
    /// The generation's number.
    pub generation: u64,
    /// The plugin's manifest.
    pub manifest: Arc<Manifest>,
    /// Origins the manifest asks for, with the provider's settings filled in.
    pub origins: Arc<[String]>,
    /// The provider's settings as JSON text.
    pub settings: String,
    /// The way out; absent while a component is only asked to describe itself.
    pub egress: Option<Arc<Egress>>,
}

impl Identity {
    /// A request of this guest with nothing in it yet.
    pub(super) fn outgoing(&self, request_id: Arc<str>, slot: Option<Arc<str>>) -> EgressRequest {
        let wish = slot.as_deref().and_then(|slot| self.manifest.slot(slot));
        EgressRequest {
            holder: self.holder.clone(),
            request_id,
            generation: self.generation,
            method: String::new(),
            url: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            wish_attach: wish.map(|slot| slot.attach.clone()),
            slot,
            first_byte_timeout: None,
            idle_timeout: None,
            max_response_bytes: 0,
            manifest_origins: self.origins.clone(),
        }
    }
}

/// What one call may still use of what its limits allow.
pub(super) struct Budget {
    /// Requests it may still send.
    pub exchanges: usize,
    /// Requests it may have open at once.
    pub concurrent: Arc<Semaphore>,
    /// Bytes of answers it may still receive.
    pub response_bytes: Arc<AtomicU64>,
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        Self {
            exchanges: limits.exchanges,
            concurrent: Arc::new(Semaphore::new(limits.concurrent_exchanges)),
            response_bytes: Arc::new(AtomicU64::new(limits.response_bytes)),
        }
    }
}

/// The data of a store.
pub(super) struct GuestState {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    memory: MemoryLimit,
    pub(super) identity: Arc<Identity>,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
    pub(super) request_id: Arc<str>,
    pub(super) log: Arc<GuestLog>,
    pub(super) meter: CpuMeter,
}

impl GuestState {
    /// Makes a store with nothing in it but the guest's limits.
    pub(super) fn store(
        engine: &Engine,
        identity: Arc<Identity>,
        limits: &Limits,
        request_id: Arc<str>,
    ) -> Store<GuestState> {
        let log = Arc::new(GuestLog::new(identity.clone(), limits, request_id.clone()));
        let wasi = WasiCtxBuilder::new()
            .stdout(LogStream::new(log.clone()))
            .stderr(LogStream::new(log.clone()))
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let meter = CpuMeter::new(limits.cpu_time);
        let state = Self {
            wasi,
            table,
            memory: MemoryLimit::new(limits),
            identity,
            limits: limits.clone(),
            budget: Budget::new(limits),
            request_id,
            log,
            meter: meter.clone(),
        };
        let mut store = Store::new(engine.wasmtime(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(usize::try_from(limits.copy_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if meter.check() {
                return Err(wasmtime::Error::msg("the limit on computing time was reached"));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Gives the next call of a kept instance its own budget.
    pub(super) fn begin_call(&mut self, request_id: Arc<str>) {
        self.budget = Budget::new(&self.limits);
        self.log.begin_call(request_id.clone());
        self.request_id = request_id;
        self.meter.reset();
    }

    /// Whether the guest was refused memory at some time.
    pub(super) fn memory_refused(&self) -> Arc<AtomicBool> {
        self.memory.refused.clone()
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Holds all memories and tables of a store together under one limit.
struct MemoryLimit {
    limit: usize,
    table_elements: usize,
    used: usize,
    refused: Arc<AtomicBool>,
}

impl MemoryLimit {
    fn new(limits: &Limits) -> Self {
        Self {
            limit: usize::try_from(limits.memory).unwrap_or(usize::MAX),
            table_elements: limits.table_elements,
            used: 0,
            refused: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.refused.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements)
    }
}
