//! What is written against what it means, and what is said of mistakes.

use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    parse_with(text, &Env::default())
}

fn parse_with(text: &str, env: &Env) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/etc/llm-host/host.toml"), env)
}

/// Every key there is, with values that are no defaults.
const FULL: &str = r#"
state_dir = "var"
[server]
listen = "127.0.0.1:9000"
access = "open"
max_body = "1MiB"
max_concurrent_requests = 10
request_timeout = "5min"
drain_timeout = "1min"
[admin]
socket = "/run/host.sock"
keys = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
[[keys]]
name = "app"
sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
models = ["openai/*", "fast"]
[vault]
path = "secrets.bin"
anchor = "anchor"
unlock = "passphrase"
key_file = "unused.key"
passphrase_file = "pass"
[plugins]
dir = "adapters"
cache_dir = "compiled"
debounce = "100ms"
trusted_signers = ["cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"]
require_signature = true
[providers.work]
plugin = "openai"
isolation = "pooled"
max_instances = 2
max_uses = 9
[providers.work.settings]
base = "https://example.com"
depth = 3
ratio = 0.5
on = true
tags = ["a", "b"]
nested = { deep = { er = 1 } }
[providers.work.limits]
memory = "256MiB"
[providers.local]
isolation = "shared"
max_concurrency = 3
[limits]
memory = "32MiB"
cpu_time = "1s"
describe_time = "1s"
first_event_time = "60s"
idle_time = "60s"
total_time = "10min"
response_bytes = "1MiB"
request_bytes = "1MiB"
copy_bytes = "1MiB"
exchanges = 4
concurrent_exchanges = 2
handles = 100
table_elements = 1000
log_lines = 10
log_line_bytes = 100
[models]
default = "work/gpt-5"
[models.aliases]
fast = "work/gpt-5-mini"
"odd.name" = "local/a/b"
[[models.patterns]]
match = "gpt-*"
to = "work/{model}"
[egress]
connect_timeout = "1s"
first_byte_timeout = "2s"
idle_timeout = "3s"
total_timeout = "4s"
[log]
format = "json"
level = "llm_host=debug,warn"
"#;

#[test]
fn an_empty_file_means_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.access, Access::Keys);
    assert_eq!(config.plugins.dir, Path::new("/etc/llm-host/plugins"));
    assert_eq!(config.admin.socket, Path::new("/etc/llm-host/state/admin.sock"));
    assert_eq!(
        config.vault.unlock,
        UnlockWith::KeyFile("/etc/llm-host/vault.key".into())
    );
    assert_eq!(config.limits.memory, 64 << 20);
    assert_eq!(config.limits.total_time.as_secs(), 1800);
    assert!(
        config.source.warnings.iter().any(|w| w.contains("nobody can call")),
        "{:?}",
        config.source.warnings
    );
}

#[test]
fn what_is_shown_loads_back_equal() {
    for text in ["", FULL] {
        let config = parse(text).unwrap();
        let mut again = parse(&config.to_toml()).unwrap_or_else(|errors| panic!("{errors}\n{}", config.to_toml()));
        again.source = config.source.clone();
        assert_eq!(config, again);
    }
}
