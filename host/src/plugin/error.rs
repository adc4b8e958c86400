//! Why a plugin could not be loaded, and why a call into one failed.
//!
//! In: failures of wasmtime, of the file system and of the guest's contract. Out: two typed
//! errors whose texts say what to do. Never: a wasm backtrace in a text that a caller sees.

use std::sync::Arc;
use std::time::Duration;

use crate::error::GatewayError;

/// Why a component was not taken. The generation that serves goes on serving.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The engine itself could not be made.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    /// The file system refused.
    #[error("could not {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        error: Arc<std::io::Error>,
    },
    /// Not a component.
    #[error("not a WebAssembly component: {0}; build it with `host plugin build`")]
    Invalid(String),
    /// It imports what the host does not give.
    #[error("the component imports what the host does not give: {0}; `host plugin inspect` lists its imports")]
    Imports(String),
    /// It does not export `provider`, or exports it with other types.
    #[error("the component does not export `llm-host:provider/provider@0.1.0` as this host knows it: {0}")]
    Exports(String),
    /// `describe` trapped, took too long or said nonsense.
    #[error("`describe` failed: {0}")]
    Describe(String),
    /// The manifest breaks a rule.
    #[error("the manifest is not valid: {0}")]
    Manifest(String),
    /// The provider's settings do not fit the plugin.
    #[error(
        "the settings of provider `{provider}` do not fit plugin `{plugin}`: {message}; they stand in \
         [providers.{provider}.settings], and `host plugin inspect {plugin}` shows which there are"
    )]
    Settings {
        /// The provider's name in the configuration.
        provider: String,
        /// The plugin's id.
        plugin: String,
        /// What does not fit.
        message: String,
    },
    /// The signature is missing or wrong where one is required.
    #[error("{0}")]
    Signature(String),
    /// Two files are the same plugin.
    #[error("plugin `{id}` is in two files, {first} and {second}; remove one of them")]
    Duplicate {
        /// The plugin's id.
        id: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
}

impl LoadError {
    pub(super) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(one_line(&error))
    }

    pub(super) fn invalid(error: wasmtime::Error) -> Self {
        Self::Invalid(one_line(&error))
    }

    pub(super) fn imports(error: wasmtime::Error) -> Self {
        Self::Imports(one_line(&error))
    }

    pub(super) fn exports(error: wasmtime::Error) -> Self {
        Self::Exports(one_line(&error))
    }
}

/// Which limit a call met. The names are those of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `limits.memory`
    Memory(u64),
    /// `limits.cpu_time`
    Cpu(Duration),
    /// `limits.copy_bytes`
    Copy(u64),
    /// `limits.handles`
    Handles(usize),
    /// `limits.first_event_time`
    FirstEvent(Duration),
    /// `limits.idle_time`
    Idle(Duration),
    /// `limits.total_time`
    Total(Duration),
    /// `server.request_timeout`
    Request,
}

/// Why a call into a plugin failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// It executed an illegal instruction, ran out of stack or panicked.
    #[error("it trapped: {0}")]
    Trapped(String),
    /// It met a limit.
    #[error("{}", describe_limit(.0))]
    Limit(Limit),
    /// It broke the contract of the interface, e.g. its stream closed without a last event.
    #[error("it broke its contract: {0}")]
    Contract(String),
    /// It does not export the interface.
    #[error("it does not implement `{interface}`; it implements {}", list(offered))]
    Unsupported {
        /// The interface that was asked for.
        interface: &'static str,
        /// Those that it has.
        offered: Vec<String>,
    },
    /// It failed again and again and is left alone for a while.
    #[error("it failed {failures} times in a row and is left alone for another {} ms", .wait.as_millis())]
    BackOff {
        /// How often in a row.
        failures: u32,
        /// How much longer.
        wait: Duration,
    },
    /// Every place for an instance is taken.
    #[error("the host has no place for another instance")]
    Full,
    /// Its generation was drained and the time for that is over, or the host is stopping.
    #[error("its generation was replaced and the time to drain is over")]
    Drained,
}

fn describe_limit(limit: &Limit) -> String {
    let seconds = |d: &Duration| format!("{} ms", d.as_millis());
    match limit {
        Limit::Memory(bytes) => {
            format!("it needed more than {bytes} bytes of memory (`limits.memory`)")
        }
        Limit::Cpu(d) => format!("it computed for more than {} (`limits.cpu_time`)", seconds(d)),
        Limit::Copy(bytes) => {
            format!("it handed over more than {bytes} bytes at once (`limits.copy_bytes`)")
        }
        Limit::Handles(count) => {
            format!("it held more than {count} resources, streams and futures (`limits.handles`)")
        }
        Limit::FirstEvent(d) => {
            format!("it gave no answer within {} (`limits.first_event_time`)", seconds(d))
        }
        Limit::Idle(d) => format!("it was silent for more than {} (`limits.idle_time`)", seconds(d)),
        Limit::Total(d) => format!("it took longer than {} (`limits.total_time`)", seconds(d)),
        Limit::Request => "the request took longer than the host allows (`server.request_timeout`)".to_owned(),
    }
}

impl CallError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "plugin_trapped",
            Self::Limit(Limit::Memory(_)) => "plugin_memory_limit",
            Self::Limit(Limit::Cpu(_)) => "plugin_cpu_limit",
            Self::Limit(Limit::Copy(_)) => "plugin_copy_limit",
            Self::Limit(Limit::Handles(_)) => "plugin_handle_limit",
            Self::Limit(_) => "plugin_timeout",
            Self::Contract(_) => "plugin_contract",
            Self::Unsupported { .. } => "unsupported",
            Self::BackOff { .. } => "plugin_backoff",
            Self::Full => "host_full",
            Self::Drained => "plugin_drained",
        }
    }

    /// Whether it counts towards the back-off: the plugin broke, rather than the way to it.
    pub fn is_crash(&self) -> bool {
        matches!(
            self,
            Self::Trapped(_)
                | Self::Contract(_)
                | Self::Limit(Limit::Memory(_) | Limit::Cpu(_) | Limit::Copy(_) | Limit::Handles(_))
        )
    }

    /// The error as a request's failure.
    pub fn into_gateway(self, plugin: &str) -> GatewayError {
        match &self {
            Self::Limit(Limit::FirstEvent(_) | Limit::Idle(_) | Limit::Total(_) | Limit::Request) => {
                GatewayError::DeadlineExceeded {
                    message: format!("plugin `{plugin}`: {self}"),
                }
            }
            // Another model, or another address, would do: the caller's choice was wrong.
            Self::Unsupported { interface, .. } => GatewayError::InvalidRequest {
                message: format!("plugin `{plugin}` cannot answer this: {self}"),
                param: (*interface != "native").then(|| "model".to_owned()),
                code: Some(self.code()),
            },
            Self::Full => GatewayError::Overloaded,
            _ => GatewayError::Plugin {
                plugin: plugin.to_owned(),
                message: self.to_string(),
                code: self.code(),
                retryable: matches!(self, Self::BackOff { .. } | Self::Drained),
            },
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing that can be asked".to_owned();
    }
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The causes of an error in one line, without the wasm backtrace that is the first context.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if text.starts_with("error while executing at wasm backtrace") {
            continue;
        }
        let first = text.lines().next().unwrap_or_default().trim();
        if first.is_empty() || out.contains(first) {
            continue;
        }
        if !out.is_empty() {
            out.push_str(": ");
        }
        out.push_str(first);
    }
    out
}
