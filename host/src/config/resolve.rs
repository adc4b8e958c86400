//! The second pass: what the document means.
//!
//! In: the document's tables. Out: a [`Config`], after the checks that need more than one key. Never:
//! defaults, names of keys' variables or positions; `keys` and `written` have those.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::env::{self, Env};
use super::error::ConfigErrors;
use super::findings::Findings;
use super::meant::*;
use super::quantity::{Count, Size};
use super::values::{IsolationKind, UnlockKind};
use super::written::Table;

/// Reads the text. `path` is absolute.
pub(super) fn resolve(text: &str, path: &Path, env: &Env) -> Result<Config, ConfigErrors> {
    let (findings, document) = Findings::parse(text, path, env);
    let config = whole(&Table::top(&findings, &document), env);
    let (overrides, places) = findings.finish()?;
    // Nothing is wrong, so nothing is missing; the error keeps a mistake in this module from going unseen.
    let mut config = config.ok_or_else(|| ConfigErrors::incomplete(path))?;
    let warnings = warnings(&config, env);
    config.source = ConfigSource {
        path: path.to_owned(),
        overrides,
        warnings,
        places: Arc::new(places),
    };
    Ok(config)
}

/// Where a host of this configuration is reached, whatever else is wrong with the text.
pub(super) fn contact(text: &str, path: &Path, env: &Env) -> Option<Contact> {
    let (findings, document) = Findings::parse(text, path, env);
    let top = Table::top(&findings, &document);
    let server = top.table("server");
    // A value that cannot be read counts as its default would.
    let written = |table: &Table<'_, '_>, key: &str| table.optional_path(key);
    let state_dir = written(&top, "state_dir").or_else(|| top.default_path("state_dir"))?;
    let socket = written(&top.table("admin"), "socket").unwrap_or_else(|| state_dir.join("admin.sock"));
    let listen = server.optional("listen").or_else(|| server.default("listen"))?;
    Some(Contact {
        socket,
        listen,
        model: top.table("models").optional("default"),
    })
}

/// Reads every section before it says whether all is there, so that all errors are found.
fn whole(top: &Table<'_, '_>, env: &Env) -> Option<Config> {
    let state_dir = top.path("state_dir");
    let in_state = |table: &Table<'_, '_>, key: &str, name: &str| match table.optional_path(key) {
        Some(path) => Some(path),
        None => state_dir.as_ref().map(|dir| dir.join(name)),
    };
    let limits = limits(&top.table("limits"), None);
    let server = server(&top.table("server"));
    let keys = client_keys(top);
    let admin = {
        let table = top.table("admin");
        let (socket, keys) = (in_state(&table, "socket", "admin.sock"), table.get("keys"));
        socket.zip(keys).map(|(socket, keys)| Admin { socket, keys })
    };
    let vault = {
        let table = top.table("vault");
        vault(&table, in_state(&table, "anchor", "vault.anchor"), env)
    };
    let plugins = {
        let table = top.table("plugins");
        plugins(&table, in_state(&table, "cache_dir", "cache"))
    };
    let providers = limits.as_ref().map(|limits| providers(top, limits));
    let models = models(&top.table("models"));
    let egress = egress(&top.table("egress"));
    let log = log(&top.table("log"));
    Some(Config {
        state_dir: state_dir?,
        server: server?,
        admin: admin?,
        keys,
        vault: vault?,
        plugins: plugins?,
        providers: providers?,
        limits: limits?,
        models,
        egress: egress?,
        log: log?,
        source: ConfigSource::default(),
    })
}

fn server(table: &Table<'_, '_>) -> Option<Server> {
    let (listen, access) = (table.get::<SocketAddr>("listen"), table.get("access"));
    if let (Some(listen), Some(Access::Open)) = (listen, access)
        && !listen.ip().is_loopback()
    {
        table.refuse(
            "access",
            format!("`server.access = \"open\"` would let anybody who reaches {listen} use every credential"),
            "listen on 127.0.0.1 or [::1], or write `access = \"keys\"` and make a key with `host key new NAME`",
        );
    }
    let max_body = table.get::<Size>("max_body");
    let max_concurrent_requests = count(table, "max_concurrent_requests");
    let (request_timeout, drain_timeout) = (table.get("request_timeout"), table.get("drain_timeout"));
    Some(Server {
        listen: listen?,
        access: access?,
        max_body: max_body?.0,
        max_concurrent_requests: max_concurrent_requests?,
        request_timeout: request_timeout?,
        drain_timeout: drain_timeout?,
    })
}

fn client_keys(top: &Table<'_, '_>) -> Vec<ClientKey> {
    let mut keys: Vec<ClientKey> = Vec::new();
    for table in top.tables("keys") {
        let (name, sha256, models) = (table.get::<String>("name"), table.get("sha256"), table.get("models"));
        let (Some(name), Some(sha256), Some(models)) = (name, sha256, models) else {
            continue;
        };
        if keys.iter().any(|key| key.name == name) {
            table.refuse(
                "name",
                format!("there are two keys called {name:?}"),
                "give each key a name of its own",
            );
        }
        if let Some(twin) = keys.iter().find(|key| key.sha256 == sha256) {
            let message = format!("this is the key of {:?} again", twin.name);
            table.refuse("sha256", message, "make another with `host key new NAME`");
        }
        keys.push(ClientKey { name, sha256, models });
    }
    keys
}

fn vault(table: &Table<'_, '_>, anchor: Option<PathBuf>, env: &Env) -> Option<VaultConfig> {
    let path = table.path("path");
    let kind = table.get("unlock");
    let key_file = table.path("key_file");
    let passphrase_file = table.optional_path("passphrase_file");
    if passphrase_file.is_some() && kind.is_some_and(|kind| kind != UnlockKind::Passphrase) {
        table.refuse(
            "passphrase_file",
            "`vault.passphrase_file` has no effect with this `vault.unlock`",
            "write `unlock = \"passphrase\"`, or take the key out",
        );
    }
    let unlock = match kind? {
        UnlockKind::KeyFile => UnlockWith::KeyFile(key_file?),
        UnlockKind::Keyring => UnlockWith::Keyring,
        UnlockKind::Passphrase => UnlockWith::Passphrase(match (passphrase_file, env.secret(env::VAULT_PASSPHRASE)) {
            (_, Some(passphrase)) => PassphraseFrom::Environment(passphrase),
            (Some(file), None) => PassphraseFrom::File(file),
            (None, None) => match env
                .path(env::CREDENTIALS_DIRECTORY)
                .map(|dir| dir.join(env::PASSPHRASE_CREDENTIAL))
            {
                Some(file) if file.is_file() => PassphraseFrom::File(file),
                _ => PassphraseFrom::Prompt,
            },
        }),
    };
    Some(VaultConfig {
        path: path?,
        anchor: anchor?,
        unlock,
    })
}

fn plugins(table: &Table<'_, '_>, cache_dir: Option<PathBuf>) -> Option<Plugins> {
    let (dir, debounce) = (table.path("dir"), table.get("debounce"));
    let signers = table.get::<Vec<SignerKey>>("trusted_signers");
    let required = table.get("require_signature");
    if required == Some(true) && signers.as_ref().is_some_and(Vec::is_empty) {
        table.refuse(
            "require_signature",
            "no plugin could be loaded: a signature is required and nobody is trusted to sign",
            "name at least one key in `plugins.trusted_signers`; `host plugin keygen FILE` makes a pair",
        );
    }
    Some(Plugins {
        dir: dir?,
        cache_dir: cache_dir?,
        debounce: debounce?,
        trusted_signers: signers?,
        require_signature: required?,
    })
}

fn providers(top: &Table<'_, '_>, general: &Limits) -> BTreeMap<String, ProviderConfig> {
    let mut providers = BTreeMap::new();
    for (name, span, table) in top.named("providers") {
        if !is_provider_name(&name) {
            table.refuse_at(
                span,
                format!("{name:?} cannot be the name of a provider"),
                "use lower-case letters, digits, `-`, `_` and `.`; it stands before the slash of `provider/model`",
            );
        }
        let plugin = table.optional("plugin").unwrap_or_else(|| name.clone());
        let settings = table.json("settings");
        let isolation = isolation(&table);
        let limits = limits(&table.table("limits"), Some(general));
        if let (Some(isolation), Some(limits)) = (isolation, limits) {
            providers.insert(
                name,
                ProviderConfig {
                    plugin,
                    settings,
                    isolation,
                    limits,
                    implicit: false,
                },
            );
        }
    }
    providers
}

fn is_provider_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(letters)
}

fn isolation(table: &Table<'_, '_>) -> Option<Isolation> {
    let kind = table.get::<IsolationKind>("isolation");
    let max_instances = count(table, "max_instances");
    let max_uses = table.get::<Count>("max_uses");
    let max_concurrency = count(table, "max_concurrency");
    let kind = kind?;
    let needs = [
        ("max_instances", "pooled", IsolationKind::Pooled),
        ("max_uses", "pooled", IsolationKind::Pooled),
        ("max_concurrency", "shared", IsolationKind::Shared),
    ];
    for (key, word, needed) in needs {
        if table.has(key) && kind != needed {
            let help = format!("write `isolation = \"{word}\"`, or take the key out");
            table.refuse(
                key,
                format!("`{key}` has an effect only with `isolation = \"{word}\"`"),
                help,
            );
        }
    }
    Some(match kind {
        IsolationKind::Fresh => Isolation::Fresh,
        IsolationKind::Pooled => Isolation::Pooled {
            max_instances: max_instances?,
            max_uses: max_uses?.0,
        },
        IsolationKind::Shared => Isolation::Shared {
            max_concurrency: max_concurrency?,
        },
    })
}

/// Limits, where `general` stands in for what is absent. A general limit that cannot be read counts as its default
/// would, so that what stands on it is checked, too; that it is wrong has been noted.
fn limits(table: &Table<'_, '_>, general: Option<&Limits>) -> Option<Limits> {
    let size = |key: &str, of: fn(&Limits) -> u64| match general {
        Some(general) => Some(table.optional::<Size>(key).map_or(of(general), |size| size.0)),
        None => table.get::<Size>(key).or_else(|| table.default(key)).map(|size| size.0),
    };
    let time = |key: &str, of: fn(&Limits) -> Duration| match general {
        Some(general) => Some(table.optional(key).unwrap_or(of(general))),
        None => table.get(key).or_else(|| table.default(key)),
    };
    let number = |key: &str, of: fn(&Limits) -> usize| match general {
        Some(general) => Some(
            table
                .optional::<Count>(key)
                .map_or(of(general), |count| count.0 as usize),
        ),
        None => count(table, key).or_else(|| table.default::<Count>(key).map(|count| count.0 as usize)),
    };
    let memory = size("memory", |l| l.memory);
    let cpu_time = time("cpu_time", |l| l.cpu_time);
    let describe_time = time("describe_time", |l| l.describe_time);
    let first_event_time = time("first_event_time", |l| l.first_event_time);
    let idle_time = time("idle_time", |l| l.idle_time);
    let total_time = time("total_time", |l| l.total_time);
    let response_bytes = size("response_bytes", |l| l.response_bytes);
    let request_bytes = size("request_bytes", |l| l.request_bytes);
    let copy_bytes = size("copy_bytes", |l| l.copy_bytes);
    let exchanges = number("exchanges", |l| l.exchanges);
    let concurrent_exchanges = number("concurrent_exchanges", |l| l.concurrent_exchanges);
    let handles = number("handles", |l| l.handles);
    let table_elements = number("table_elements", |l| l.table_elements);
    let log_lines = number("log_lines", |l| l.log_lines);
    let log_line_bytes = size("log_line_bytes", |l| l.log_line_bytes);
    Some(Limits {
        memory: memory?,
        cpu_time: cpu_time?,
        describe_time: describe_time?,
        first_event_time: first_event_time?,
        idle_time: idle_time?,
        total_time: total_time?,
        response_bytes: response_bytes?,
        request_bytes: request_bytes?,
        copy_bytes: copy_bytes?,
        exchanges: exchanges?,
        concurrent_exchanges: concurrent_exchanges?,
        handles: handles?,
        table_elements: table_elements?,
        log_lines: log_lines?,
        log_line_bytes: log_line_bytes?,
    })
}

fn models(table: &Table<'_, '_>) -> Models {
    let aliases: BTreeMap<String, ModelRef> = table.map("aliases").into_iter().collect();
    let mut patterns = Vec::new();
    for rule in table.tables("patterns") {
        let (matches, to) = (rule.get("match"), rule.get::<ModelRef>("to"));
        if let Some(to) = &to
            && to.to_string().replace("{model}", "").contains(['{', '}'])
        {
            let help = "write it as `to = \"anthropic/{model}\"`, or without braces";
            rule.refuse("to", format!("\"{to}\" has braces that are not `{{model}}`"), help);
        }
        if let (Some(matches), Some(to)) = (matches, to) {
            patterns.push(Pattern { matches, to });
        }
    }
    Models {
        aliases,
        patterns,
        default: table.optional("default"),
    }
}

fn egress(table: &Table<'_, '_>) -> Option<EgressDefaults> {
    let connect_timeout = table.get("connect_timeout");
    let first_byte_timeout = table.get("first_byte_timeout");
    let idle_timeout = table.get("idle_timeout");
    let total_timeout = table.get("total_timeout");
    let extra_ca = table.optional_path("extra_ca");
    if let Some(path) = extra_ca.as_deref().filter(|path| !path.is_file()) {
        let message = format!("`egress.extra_ca`: there is no file {}", path.display());
        table.refuse(
            "extra_ca",
            message,
            "name a file of certificates in PEM, or take the key out",
        );
    }
    Some(EgressDefaults {
        connect_timeout: connect_timeout?,
        first_byte_timeout: first_byte_timeout?,
        idle_timeout: idle_timeout?,
        total_timeout: total_timeout?,
        extra_ca,
    })
}

fn log(table: &Table<'_, '_>) -> Option<Log> {
    let (format, level) = (table.get("format"), table.get::<String>("level"));
    if let Some(Err(error)) = level.as_ref().map(EnvFilter::try_new) {
        let message = format!("`log.level` is not a filter: {error}");
        table.refuse(
            "level",
            message,
            "write error, warn, info, debug, trace, or a filter such as \"llm_host=debug,warn\"",
        );
    }
    Some(Log {
        format: format?,
        level: level?,
    })
}

fn count(table: &Table<'_, '_>, key: &str) -> Option<usize> {
    table.get::<Count>(key).map(|count| count.0 as usize)
}

/// What is allowed and yet probably not meant so.
fn warnings(config: &Config, env: &Env) -> Vec<String> {
    let mut warnings: Vec<String> = env
        .unknown()
        .into_iter()
        .map(|(name, near)| match near {
            Some(near) => format!("the environment variable {name} has no effect; did you mean {near}?"),
            None => format!("the environment variable {name} has no effect"),
        })
        .collect();
    if config.server.access == Access::Keys && config.keys.is_empty() {
        warnings.push(
            "nobody can call: `server.access` is \"keys\" and there is no [[keys]]; `host key new NAME` makes one"
                .to_owned(),
        );
    }
    warnings
}
