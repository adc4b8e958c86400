//! A configuration written out again, complete.
//!
//! In: a [`Config`]. Out: TOML that loads back to the same meaning. Never: the vault's passphrase.

use toml::{Table, Value};

use super::meant::*;
use super::quantity::{show_duration, show_size};

/// Writes every key, defaults included.
pub(super) fn to_toml(config: &Config) -> String {
    let mut top = Table::new();
    top.insert("state_dir".to_owned(), path(&config.state_dir));
    top.insert("server".to_owned(), server(&config.server));
    top.insert(
        "admin".to_owned(),
        table([
            ("socket", path(&config.admin.socket)),
            ("keys", list(&config.admin.keys)),
        ]),
    );
    if !config.keys.is_empty() {
        let keys = config.keys.iter().map(|key| {
            let name = Value::String(key.name.clone());
            table([
                ("name", name),
                ("sha256", text(key.sha256)),
                ("models", list(&key.models)),
            ])
        });
        top.insert("keys".to_owned(), Value::Array(keys.collect()));
    }
    top.insert("vault".to_owned(), vault(&config.vault));
    top.insert("plugins".to_owned(), plugins(&config.plugins));
    top.insert("limits".to_owned(), limits(&config.limits));
    let providers = config.providers.iter().filter(|(_, provider)| !provider.implicit);
    let providers: Table = providers.map(|(name, shown)| (name.clone(), provider(shown))).collect();
    top.insert("providers".to_owned(), Value::Table(providers));
    top.insert("models".to_owned(), models(&config.models));
    top.insert("egress".to_owned(), egress(&config.egress));
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    top.insert(
        "log".to_owned(),
        table([("format", text(format)), ("level", text(&config.log.level))]),
    );
    // `Display` of a table writes it as a document.
    top.to_string()
}

fn server(server: &Server) -> Value {
    let access = match server.access {
        Access::Open => "open",
        Access::Keys => "keys",
    };
    table([
        ("listen", text(server.listen)),
        ("access", text(access)),
        ("max_body", size(server.max_body)),
        ("max_concurrent_requests", count(server.max_concurrent_requests)),
        ("request_timeout", time(server.request_timeout)),
        ("drain_timeout", time(server.drain_timeout)),
    ])
}

fn vault(vault: &VaultConfig) -> Value {
    let mut shown = vec![("path", path(&vault.path)), ("anchor", path(&vault.anchor))];
    match &vault.unlock {
        UnlockWith::KeyFile(file) => shown.extend([("unlock", text("key-file")), ("key_file", path(file))]),
        UnlockWith::Keyring => shown.push(("unlock", text("keyring"))),
        UnlockWith::Passphrase(from) => {
            shown.push(("unlock", text("passphrase")));
            if let PassphraseFrom::File(file) = from {
                shown.push(("passphrase_file", path(file)));
            }
        }
    }
    table(shown)
}

fn plugins(plugins: &Plugins) -> Value {
    table([
        ("dir", path(&plugins.dir)),
        ("cache_dir", path(&plugins.cache_dir)),
        ("debounce", time(plugins.debounce)),
        ("trusted_signers", list(&plugins.trusted_signers)),
        ("require_signature", Value::Boolean(plugins.require_signature)),
    ])
}

fn provider(provider: &ProviderConfig) -> Value {
    let mut shown = vec![("plugin", text(&provider.plugin))];
    match provider.isolation {
        Isolation::Fresh => shown.push(("isolation", text("fresh"))),
        Isolation::Pooled {
            max_instances,
            max_uses,
        } => shown.extend([
            ("isolation", text("pooled")),
            ("max_instances", count(max_instances)),
            ("max_uses", Value::Integer(max_uses.into())),
        ]),
        Isolation::Shared { max_concurrency } => {
            shown.extend([
                ("isolation", text("shared")),
                ("max_concurrency", count(max_concurrency)),
            ]);
        }
    }
    let settings = provider
        .settings
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), from_json(value)?)));
    shown.push(("settings", Value::Table(settings.collect())));
    shown.push(("limits", limits(&provider.limits)));
    table(shown)
}

fn limits(limits: &Limits) -> Value {
    table([
        ("memory", size(limits.memory)),
        ("cpu_time", time(limits.cpu_time)),
        ("describe_time", time(limits.describe_time)),
        ("first_event_time", time(limits.first_event_time)),
        ("idle_time", time(limits.idle_time)),
        ("total_time", time(limits.total_time)),
        ("response_bytes", size(limits.response_bytes)),
        ("request_bytes", size(limits.request_bytes)),
        ("copy_bytes", size(limits.copy_bytes)),
        ("exchanges", count(limits.exchanges)),
        ("concurrent_exchanges", count(limits.concurrent_exchanges)),
        ("handles", count(limits.handles)),
        ("table_elements", count(limits.table_elements)),
        ("log_lines", count(limits.log_lines)),
        ("log_line_bytes", size(limits.log_line_bytes)),
    ])
}

fn models(models: &Models) -> Value {
    let aliases: Table = models
        .aliases
        .iter()
        .map(|(name, to)| (name.clone(), text(to)))
        .collect();
    let patterns = models
        .patterns
        .iter()
        .map(|rule| table([("match", text(&rule.matches)), ("to", text(&rule.to))]));
    let mut shown = vec![
        ("aliases", Value::Table(aliases)),
        ("patterns", Value::Array(patterns.collect())),
    ];
    shown.extend(models.default.iter().map(|to| ("default", text(to))));
    table(shown)
}

fn egress(egress: &EgressDefaults) -> Value {
    let mut shown = vec![
        ("connect_timeout", time(egress.connect_timeout)),
        ("first_byte_timeout", time(egress.first_byte_timeout)),
        ("idle_timeout", time(egress.idle_timeout)),
        ("total_timeout", time(egress.total_timeout)),
    ];
    shown.extend(egress.extra_ca.iter().map(|file| ("extra_ca", path(file))));
    table(shown)
}

fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Table(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

fn list<T: std::fmt::Display>(values: &[T]) -> Value {
    Value::Array(values.iter().map(text).collect())
}

/// A path that is not UTF-8 cannot be written in TOML and so cannot have been read from it.
fn path(path: &std::path::Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

fn time(duration: std::time::Duration) -> Value {
    Value::String(show_duration(duration))
}

fn size(bytes: u64) -> Value {
    Value::String(show_size(bytes))
}

fn count(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Settings came from TOML, which has no null.
fn from_json(value: &serde_json::Value) -> Option<Value> {
    Value::try_from(value).ok()
}
