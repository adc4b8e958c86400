//! What the check of a component finds.
//!
//! In: nothing of its own. Out: the types of the answer, and its words. Never: decides anything.

use serde::{Serialize, Serializer};

use super::shape::Difference;
use crate::wit::{NAMESPACE, PACKAGE, REQUIRED, WitError};

/// Where an import comes from, or what an export is to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The export that every plugin must have.
    Required,
    /// An export that the host calls where it is there.
    Optional,
    /// An import that the host provides.
    Host,
    /// An import of WASI that the host links with nothing in it.
    Wasi,
    /// An export that the host does not know and leaves alone, or an import that it refuses.
    Unknown,
}

/// One import or export of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extern {
    /// Its full name, e.g. `llm-host:provider/chat@0.1.0`.
    pub name: String,
    /// The interface's own name (`chat`) where it is one of the host's package.
    pub interface: Option<String>,
    /// What it is to the host.
    pub role: Role,
    /// Functions of the interface that the component uses or offers.
    pub functions: Vec<String>,
}

/// Why the host would not take the component. The plugin's fault in each case; a retry with the
/// same bytes does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no `provider` export.
    #[error(
        "does not export `{NAMESPACE}:{PACKAGE}/{REQUIRED}`, which every plugin must; in Rust, call \
         `llm_provider_sdk::export!` and build a `cdylib`"
    )]
    MissingProvider,
    /// Built for another version of the package.
    #[error(
        "`{name}` is of another version than the {supported} that this host speaks; build the \
         plugin with a matching SDK"
    )]
    Version {
        /// The import or export.
        name: String,
        /// Versions that would do, e.g. `0.1.x`.
        supported: String,
    },
    /// An import of the host's package that the host does not provide.
    #[error("imports `{name}`, which this host does not provide; a newer host may")]
    UnknownInterface {
        /// The import.
        name: String,
    },
    /// An imported function that the host's interface does not have.
    #[error("imports `{function}` of `{interface}`, which this host does not have; a newer host may")]
    UnknownFunction {
        /// The import.
        interface: String,
        /// The function.
        function: String,
    },
    /// A known interface is exported without one of its functions.
    #[error("exports `{interface}` without its function `{function}`")]
    MissingFunction {
        /// The export.
        interface: String,
        /// The function.
        function: String,
    },
    /// A function's type is not what the WIT says.
    #[error("`{function}` of `{interface}` does not have the type of the WIT: {difference}")]
    WrongType {
        /// The import or export.
        interface: String,
        /// The function.
        function: String,
        /// The first difference.
        difference: Difference,
    },
    /// An import that no plugin may have.
    #[error("imports `{name}`, which no plugin may: {reason}")]
    ForbiddenImport {
        /// The import.
        name: String,
        /// Why, and what to do instead.
        reason: String,
    },
}

/// What a component imports and exports, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Exports in the component's order, those that the host does not know among them.
    pub exports: Vec<Extern>,
    /// Imports in the component's order.
    pub imports: Vec<Extern>,
    /// What keeps the host from taking it; empty when nothing does.
    #[serde(serialize_with = "in_words")]
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether the host can take the component as a plugin.
    #[must_use]
    pub fn is_plugin(&self) -> bool {
        self.problems.is_empty()
    }

    /// Names of the exported interfaces that the host knows, e.g. `provider`, `chat`.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.exports
            .iter()
            .filter(|export| matches!(export.role, Role::Required | Role::Optional))
            .filter_map(|export| export.interface.as_deref())
    }
}

fn in_words<S: Serializer>(problems: &[Problem], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(problems.iter().map(ToString::to_string))
}

/// Why nothing can be said about the bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A core module, as `wasm32-wasip1` or `wasm32-unknown-unknown` give it. The plugin's fault.
    #[error(
        "this is a core WebAssembly module, not a component; build it for wasm32-wasip2, or wrap \
         it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Some other file. The plugin's fault.
    #[error("this is not a WebAssembly file: it does not begin with `\\0asm`")]
    NotWasm,
    /// The bytes break off or are damaged. The plugin's fault, and a new copy may help.
    #[error("not a valid component (at byte {offset}: {message}); it may be a partial copy")]
    Malformed {
        /// Where it was noticed.
        offset: u64,
        /// What is wrong there.
        message: String,
    },
    /// A valid component whose imports and exports cannot be written in WIT (such as one that
    /// imports a module), or a WIT package in binary form. The plugin's fault.
    #[error("not a component that a host can instantiate: {0}")]
    NoWorld(String),
    /// The program's own copy of the WIT is broken. The host's fault.
    #[error(transparent)]
    Wit(#[from] WitError),
}
