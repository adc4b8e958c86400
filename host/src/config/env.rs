//! The process's environment: the one place that reads it.
//!
//! In: the variables the process was started with. Out: an [`Env`] that the configuration and the
//! command line ask by name. Every key of the configuration that stands in a fixed section can be
//! overridden by `LLM_HOST_<SECTION>_<KEY>`; [`OTHERS`] lists the variables beside those. Never:
//! any other module calling `std::env`, and no value in a `Debug` output.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::keys;

/// What every variable of the host begins with.
pub const PREFIX: &str = "LLM_HOST_";

/// The configuration file, where `--config` is not given.
pub const CONFIG: &str = "LLM_HOST_CONFIG";
/// The passphrase of the vault.
pub const VAULT_PASSPHRASE: &str = "LLM_HOST_VAULT_PASSPHRASE";
/// The client key for `host ask` and `host models`.
pub const KEY: &str = "LLM_HOST_KEY";
/// The customary name for a log filter; stands in for `LLM_HOST_LOG_LEVEL`.
pub const RUST_LOG: &str = "RUST_LOG";
/// Where services are given their credentials as files (systemd's `LoadCredential=`).
pub const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The file of that directory which holds the vault's passphrase.
pub const PASSPHRASE_CREDENTIAL: &str = "llm-host-vault-passphrase";
/// Variables of the project's own tests and builds, which the host ignores.
const DEVELOPMENT: &[&str] = &[
    "LLM_HOST_BIN",
    "LLM_HOST_GENERATED",
    "LLM_HOST_GUESTS",
    "LLM_HOST_NODE_MODULES",
    "LLM_HOST_PLUGINS",
    "LLM_HOST_PYTHON",
    "LLM_HOST_RECORDINGS",
    "LLM_HOST_SPECS",
    "LLM_HOST_WASM_TOOLCHAIN",
];

/// Where a user's programs are configured; by default `~/.config`.
const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
const HOME: &str = "HOME";

/// What Azure's platforms put into the environment of a workload, and its libraries read. They are for
/// credentials whose entry in the vault says so; none of them makes a credential by itself.
pub mod azure {
    /// The tenant of a federated workload.
    pub const TENANT_ID: &str = "AZURE_TENANT_ID";
    /// The application of a federated workload.
    pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";
    /// The file with a federated workload's token.
    pub const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
    /// Entra of the cloud that a federated workload is in.
    pub const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
    /// Another origin for the metadata service of a machine.
    pub const POD_IDENTITY_AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    /// Where App Service, Container Apps and the Arc agent give out tokens.
    pub const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
    /// What App Service and Container Apps want to be shown; a secret.
    pub const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
    /// Set beside `IDENTITY_ENDPOINT` by the Arc agent.
    pub const IMDS_ENDPOINT: &str = "IMDS_ENDPOINT";
    /// Set beside `IDENTITY_ENDPOINT` by Service Fabric, whose protocol is another.
    pub const IDENTITY_SERVER_THUMBPRINT: &str = "IDENTITY_SERVER_THUMBPRINT";
    /// Where Cloud Shell and Azure Machine Learning give out tokens, in protocols of their own.
    pub const MSI_ENDPOINT: &str = "MSI_ENDPOINT";

    /// All of them.
    pub const VARIABLES: &[&str] = &[
        TENANT_ID,
        CLIENT_ID,
        FEDERATED_TOKEN_FILE,
        AUTHORITY_HOST,
        POD_IDENTITY_AUTHORITY_HOST,
        IDENTITY_ENDPOINT,
        IDENTITY_HEADER,
        IMDS_ENDPOINT,
        IDENTITY_SERVER_THUMBPRINT,
        MSI_ENDPOINT,
    ];
}

/// Variables that are not the override of a key, with what they do.
pub const OTHERS: &[(&str, &str)] = &[
    (CONFIG, "The configuration file, where `--config` is not given."),
    (
        VAULT_PASSPHRASE,
        "The vault's passphrase, for `vault.unlock = \"passphrase\"`.",
    ),
    (
        CREDENTIALS_DIRECTORY,
        "Set by systemd. With `vault.unlock = \"passphrase\"`, its file `llm-host-vault-passphrase` is read \
         when there is no `vault.passphrase_file` and no passphrase in the environment.",
    ),
    (KEY, "The client key that `host ask` and `host models` send."),
    (
        RUST_LOG,
        "Log filter, as `log.level`; `LLM_HOST_LOG_LEVEL` wins over it.",
    ),
];

/// Customary names for a key's override, beside the regular one.
const SYNONYMS: &[(&str, &str)] = &[("LLM_HOST_LOG_LEVEL", RUST_LOG)];

/// A secret text that is wiped from memory and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Wraps a secret.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself, for the vault alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The variables that concern the host, as they were when they were read.
#[derive(Clone, Default)]
pub struct Env {
    variables: BTreeMap<String, Zeroizing<String>>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Env {
    /// Reads the process's environment. Variables that do not concern the host are not kept.
    pub fn from_process() -> Self {
        Self::from_pairs(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let customary = [XDG_CONFIG_HOME, HOME].contains(&name.as_str());
            let customary = customary || azure::VARIABLES.contains(&name.as_str());
            let ours = customary || name.starts_with(PREFIX) || OTHERS.iter().any(|(other, _)| *other == name);
            if ours {
                Some((name, value.into_string().ok()?))
            } else {
                None
            }
        }))
    }

    /// An environment of one's own.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self {
            variables: pairs
                .into_iter()
                .map(|(n, v)| (n.into(), Zeroizing::new(v.into())))
                .collect(),
        }
    }

    /// These variables alone, for a part of the host that no others concern.
    pub fn only(&self, names: &[&str]) -> Self {
        let variables = self.variables.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Self {
            variables: variables.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The secret in a variable.
    pub fn secret(&self, name: &str) -> Option<Passphrase> {
        self.get(name).map(|value| Passphrase::new(value.to_owned()))
    }

    /// A path in a variable.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The configuration file in the user's own configuration directory, whether it exists or not.
    pub fn user_config(&self) -> Option<PathBuf> {
        let base = self
            .path(XDG_CONFIG_HOME)
            .or_else(|| Some(self.path(HOME)?.join(".config")));
        base.map(|base| base.join("llm-host/host.toml"))
    }

    /// Reads further variables, which a command was told to take secrets from.
    pub fn import(names: &[&str]) -> Self {
        Self::from_pairs(
            names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))),
        )
    }

    /// The override of a key: the variable that gives it, and its text.
    pub(super) fn override_of(&self, variable: &str) -> Option<(String, &str)> {
        let synonyms = SYNONYMS
            .iter()
            .filter(|(regular, _)| *regular == variable)
            .map(|(_, synonym)| *synonym);
        std::iter::once(variable)
            .chain(synonyms)
            .find_map(|name| Some((name.to_owned(), self.get(name)?)))
    }

    /// Variables that look like the host's and are none, each with the nearest that exists. Not an
    /// error: Kubernetes sets `LLM_HOST_…` variables of its own beside a service of this name.
    pub(super) fn unknown(&self) -> Vec<(String, Option<String>)> {
        let known: Vec<String> = keys::variables()
            .chain(OTHERS.iter().map(|(name, _)| (*name).to_owned()))
            .collect();
        let ours = |name: &&String| known.contains(name) || DEVELOPMENT.contains(&name.as_str());
        let strangers = self
            .variables
            .keys()
            .filter(|name| name.starts_with(PREFIX) && !ours(name));
        strangers
            .map(|name| (name.clone(), keys::nearest(name, known.iter().map(String::as_str))))
            .collect()
    }
}
