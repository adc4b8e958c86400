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

/// What is written, and every error that is said of it: line, column, a piece of the message, a piece of the remedy.
type Case = (&'static str, &'static [(usize, usize, &'static str, &'static str)]);

const WRONG: &[Case] = &[
    (
        "[server]\nlisten = \"8080\"",
        &[(2, 10, "not an address", "127.0.0.1:8080")],
    ),
    (
        "[server]\nlisen = \"127.0.0.1:1\"",
        &[(2, 1, "no key `lisen` in [server]", "did you mean `listen`?")],
    ),
    (
        "[sever]\nlisten = \"127.0.0.1:1\"",
        &[(1, 2, "no key `sever` in the top of the file", "did you mean `server`?")],
    ),
    (
        "listen = \"127.0.0.1:1\"",
        &[(1, 1, "no key `listen`", "belongs into [server]")],
    ),
    (
        "[log]\nstate_dir = \"x\"",
        &[(2, 1, "no key `state_dir` in [log]", "at the top of the file")],
    ),
    (
        "[log]\nqwertz = 1",
        &[(2, 1, "no key `qwertz`", "known here: format, level")],
    ),
    (
        "server = 1",
        &[(1, 10, "`server` is an integer, not a table", "[server]")],
    ),
    (
        "[keys]\nname = \"x\"",
        &[(1, 1, "`keys` is a table, not a list of tables", "[[keys]]")],
    ),
    ("keys = [1]", &[(1, 9, "an entry of `keys` is an integer", "[[keys]]")]),
    (
        "[server]\nlisten = \"0.0.0.0:80\"\naccess = \"open\"",
        &[(3, 10, "would let anybody who reaches 0.0.0.0:80", "host key new")],
    ),
    (
        "[server]\naccess = \"opne\"",
        &[(2, 10, "\"opne\" is not known", "did you mean \"open\"?")],
    ),
    ("[server]\nrequest_timeout = 30", &[(2, 19, "needs a unit", "\"30s\"")]),
    (
        "[server]\nmax_body = \"32 megs\"",
        &[(2, 12, "not a size", "\"32MiB\"")],
    ),
    (
        "[server]\nmax_concurrent_requests = 0",
        &[(2, 27, "0 is not allowed", "count")],
    ),
    (
        "[server]\nmax_concurrent_requests = -3",
        &[(2, 27, "not a whole number", "count")],
    ),
    (
        "[server]\nmax_concurrent_requests = 1.5",
        &[(2, 27, "floating-point", "count")],
    ),
    (
        "[egress]\nidle_timeout = \"0s\"",
        &[(2, 16, "longer than nothing", "duration")],
    ),
    (
        "[egress]\nextra_ca = \"absent.pem\"",
        &[(2, 12, "there is no file /etc/llm-host/absent.pem", "PEM")],
    ),
    (
        "[plugins]\nrequire_signature = true",
        &[(2, 21, "nobody is trusted", "trusted_signers")],
    ),
    (
        "[plugins]\nrequire_signature = \"yes\"",
        &[(2, 21, "a string, not true or false", "boolean")],
    ),
    (
        "[plugins]\ntrusted_signers = [\"ab\"]",
        &[(2, 19, "not an Ed25519 public key", "keygen")],
    ),
    (
        "[plugins]\ndir = \"~/plugins\"",
        &[(2, 7, "`~` is not expanded", "path")],
    ),
    (
        "[[keys]]\nname = \"a\"",
        &[(1, 1, "`sha256` is missing from this entry of [[keys]]", "64 hex")],
    ),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"lh-oops\"\nmodels = [\"[\"]",
        &[
            (3, 10, "not the SHA-256", "host key new"),
            (4, 10, "'[' cannot stand in a pattern", "list"),
        ],
    ),
    (
        "[vault]\nunlock = \"keyring\"\npassphrase_file = \"p\"",
        &[(3, 19, "no effect with this `vault.unlock`", "unlock = \"passphrase\"")],
    ),
    (
        "[providers.\"Open AI\"]",
        &[(1, 12, "cannot be the name of a provider", "lower-case")],
    ),
    (
        "[providers.a]\nmax_uses = 3",
        &[(2, 12, "only with `isolation = \"pooled\"`", "take the key out")],
    ),
    (
        "[providers.a.limits]\nmemroy = \"1MiB\"",
        &[(2, 1, "no key `memroy` in [providers.a.limits]", "`memory`")],
    ),
    ("[providers.a.settings]\nx = nan", &[(2, 5, "no such number", "")]),
    (
        "[providers]\na = 3",
        &[(2, 5, "`providers.a` is an integer, not a table", "[providers.a]")],
    ),
    (
        "[models.aliases]\nfast = \"gpt-5\"",
        &[(2, 8, "not of the form \"provider/model\"", "openai/gpt")],
    ),
    (
        "[[models.patterns]]\nmatch = \"a\"\nto = \"x/{modle}\"",
        &[(3, 6, "braces that are not `{model}`", "anthropic/{model}")],
    ),
    ("[log]\nlevel = \"llm_host=loud\"", &[(2, 9, "not a filter", "warn")]),
    ("[server]\n\tlisten = \"é\"", &[(2, 11, "not an address", "")]),
    // Errors of syntax do not hide the others, and do not make echoes.
    (
        "[server]\nlisten = \n[log]\nformt = \"text\"",
        &[(2, 10, "this is not TOML", ""), (4, 1, "no key `formt`", "format")],
    ),
    // All at once, in the order of the file.
    (
        "sate_dir = \"x\"\n[server]\nlisten = \"x\"\naccess = 3\n[log]\nlevel = 1",
        &[
            (1, 1, "sate_dir", "state_dir"),
            (3, 10, "address", ""),
            (4, 10, "integer", ""),
            (6, 9, "integer", ""),
        ],
    ),
];

#[test]
fn every_mistake_is_named_with_its_place_and_a_remedy() {
    for (text, expected) in WRONG {
        let errors = match parse(text) {
            Err(errors) => errors,
            Ok(_) => panic!("accepted:\n{text}"),
        };
        assert_eq!(errors.errors.len(), expected.len(), "of\n{text}\nwas said\n{errors}");
        for (error, (line, column, message, help)) in errors.errors.iter().zip(*expected) {
            let Place::File {
                line: at,
                column: within,
                ..
            } = &error.place
            else {
                panic!("no place: {error}")
            };
            assert_eq!((at, within), (line, column), "{error}");
            assert!(error.message.contains(message), "{error}\nlacks {message:?}");
            assert!(
                error.help.as_deref().unwrap_or_default().contains(help),
                "{error}\nlacks {help:?}"
            );
        }
    }
}

#[test]
fn an_error_is_printed_with_its_line() {
    let errors = parse("\n[server]\nlisen = \"x\" # here").unwrap_err();
    let expected = "/etc/llm-host/host.toml:3:1: there is no key `lisen` in [server]\n     3 | lisen = …\n       \
                    | ^^^^^\n       = did you mean `listen`?";
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    const SECRET: &str = "sk-proj-0123456789abcdef";
    for (text, shown) in [
        ("[providers.a]\napi_key = \"SECRET\"", "api_key = …"),
        (
            "providers.a = { plugin = \"a\", api_key = \"SECRET\" }",
            "{ plugin = \"a\", api_key = …",
        ),
        ("[[keys]]\nname = \"a\"\nsha256 = \"SECRET\"", "sha256 = …"),
        ("keys = [{ name = \"a\", sha256 = \"SECRET\" }]", "sha256 = …"),
        ("[admin]\nkeys = [\"SECRET\"]", "keys = …"),
        ("[plugins]\ntrusted_signers = [\n\"SECRET\"\n]", "trusted_signers = …"),
        ("[providers.a]\napi_key = SECRET", "api_key = sk-p********************"),
        (
            "[providers.a]\napi_key = \"SECRET # é",
            "api_key = \"sk-p******************** # é",
        ),
        ("[server]\nmax_body = \"12 parsecs\"", "max_body = \"12 parsecs\""),
    ] {
        let errors = parse(&text.replace("SECRET", SECRET)).unwrap_err().to_string();
        assert!(!errors.contains(SECRET), "{errors}");
        assert!(errors.contains(shown), "{errors}\nlacks {shown}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let env = Env::from_pairs([
        ("LLM_HOST_SERVER_LISTEN", "127.0.0.1:1"),
        ("LLM_HOST_STATE_DIR", "elsewhere"),
        ("LLM_HOST_LIMITS_MEMORY", "1GiB"),
        ("LLM_HOST_MODELS_DEFAULT", "a/b"),
        ("LLM_HOST_PLUGINS_REQUIRE_SIGNATURE", "false"),
        ("LLM_HOST_LOG_LEVEL", ""),
        ("RUST_LOG", "trace"),
        ("LLM_HOST_SERVER_LISTN", "x"),
    ]);
    let config = parse_with("[server]\nlisten = \"127.0.0.1:9\"\n[log]\nlevel = \"error\"", &env).unwrap();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.state_dir, Path::new("/etc/llm-host/elsewhere"));
    assert_eq!(config.limits.memory, 1 << 30);
    assert_eq!(config.models.default, Some(ModelRef::new("a/b").unwrap()));
    assert_eq!(config.log.level, "trace");
    assert!(config.source.overrides.contains(&"LLM_HOST_SERVER_LISTEN".to_owned()));
    assert!(config.source.overrides.contains(&"RUST_LOG".to_owned()));
    let warning = "the environment variable LLM_HOST_SERVER_LISTN has no effect; did you mean LLM_HOST_SERVER_LISTEN?";
    assert!(
        config.source.warnings.iter().any(|w| w == warning),
        "{:?}",
        config.source.warnings
    );
}

#[test]
fn a_wrong_override_is_told_by_its_variable() {
    let env = Env::from_pairs([
        ("LLM_HOST_SERVER_ACCESS", "open"),
        ("LLM_HOST_SERVER_LISTEN", "0.0.0.0:1"),
    ]);
    let errors = parse_with("", &env).unwrap_err();
    assert_eq!(
        errors.errors[0].place,
        Place::Variable("LLM_HOST_SERVER_ACCESS".to_owned())
    );
    let env = Env::from_pairs([("LLM_HOST_EGRESS_IDLE_TIMEOUT", "soon")]);
    let text = parse_with("", &env).unwrap_err().to_string();
    assert!(
        text.starts_with("environment variable LLM_HOST_EGRESS_IDLE_TIMEOUT: "),
        "{text}"
    );
}

#[test]
fn the_passphrase_is_found_and_never_shown() {
    let text = "[vault]\nunlock = \"passphrase\"";
    let env = Env::from_pairs([("LLM_HOST_VAULT_PASSPHRASE", "canary-passphrase")]);
    let config = parse_with(text, &env).unwrap();
    let UnlockWith::Passphrase(PassphraseFrom::Environment(found)) = &config.vault.unlock else {
        panic!()
    };
    assert_eq!(found.expose(), "canary-passphrase");
    for shown in [format!("{config:?}"), format!("{env:?}"), config.to_toml()] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(
        parse(text).unwrap().vault.unlock,
        UnlockWith::Passphrase(PassphraseFrom::Prompt)
    );

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("llm-host-vault-passphrase");
    std::fs::write(&file, "x\n").unwrap();
    let env = Env::from_pairs([("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]);
    assert_eq!(
        parse_with(text, &env).unwrap().vault.unlock,
        UnlockWith::Passphrase(PassphraseFrom::File(file))
    );
}

#[test]
fn limits_of_a_provider_start_from_the_general_ones() {
    let config = parse("[limits]\nexchanges = 7\n[providers.a.limits]\nmemory = \"1GiB\"").unwrap();
    let limits = &config.providers["a"].limits;
    assert_eq!((limits.memory, limits.exchanges), (1 << 30, 7));
}

#[test]
fn a_plugin_nobody_wrote_about_is_a_provider_of_its_name() {
    let config = parse("[providers.work]\nplugin = \"openai\"\n[providers.echo]\nplugin = \"other\"").unwrap();
    let all = config.providers_with(["openai", "echo", "anthropic"]);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["anthropic", "echo", "work"]);
    assert!(all["anthropic"].implicit && !all["echo"].implicit);
    assert_eq!(all["echo"].plugin, "other");
}

#[test]
fn models_must_lead_to_providers() {
    let text = "[models]\ndefault = \"nobody/x\"\n[models.aliases]\nfast = \"opneai/gpt-5-mini\"\n\"openai/x\" = \"openai/y\"\n\
                [[models.patterns]]\nmatch = \"*\"\nto = \"openai/{model}\"\n";
    let config = parse(text).unwrap();
    let errors = config.check_against(["openai", "echo"]).unwrap_err();
    let said: Vec<String> = errors.errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{errors}");
    assert!(
        said[0].contains(":2:11: `models.default`: there is no provider \"nobody\""),
        "{}",
        said[0]
    );
    assert!(said[0].contains("there are: echo, openai"), "{}", said[0]);
    assert!(said[1].contains("did you mean \"openai/gpt-5-mini\"?"), "{}", said[1]);
    assert!(said[2].contains("can never be asked for"), "{}", said[2]);
    assert_eq!(config.models.patterns[0].to.fill("gpt-5").to_string(), "openai/gpt-5");
    parse("[models.aliases]\nfast = \"echo/x\"")
        .unwrap()
        .check_against(["echo"])
        .unwrap();
}

#[test]
fn a_file_that_is_not_there_says_how_to_make_one() {
    let errors = Config::load(Path::new("/nowhere/host.toml"), &Env::default()).unwrap_err();
    assert!(errors.to_string().contains("host init"), "{errors}");
}

#[test]
fn a_host_is_reached_although_its_file_is_being_broken() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("host.toml");
    std::fs::write(
        &file,
        "state_dir = \"/var/x\"\n[server]\nlisten = \"127.0.0.1:7\"\n[log]\nfoo = 1\n[modls\n",
    )
    .unwrap();
    let contact = Config::contact(&file, &Env::default()).unwrap();
    assert_eq!(contact.socket, Path::new("/var/x/admin.sock"));
    assert_eq!(contact.listen.port(), 7);
    std::fs::write(&file, "[server]\nlisten = 3\n[admin]\nsocket = \"a.sock\"").unwrap();
    let contact = Config::contact(&file, &Env::default()).unwrap();
    assert_eq!(contact.listen.port(), 8080);
    assert_eq!(contact.socket, std::path::absolute(dir.path().join("a.sock")).unwrap());
    assert!(Config::contact(&dir.path().join("absent"), &Env::default()).is_err());
}

#[test]
fn every_key_with_a_default_is_shown() {
    let shown: toml::Table = parse("[providers.a]").unwrap().to_toml().parse().unwrap();
    for section in keys::SECTIONS.iter().filter(|section| !section.path.contains("[]")) {
        let path = section.path.replace('*', "a");
        let table = path
            .split('.')
            .filter(|part| !part.is_empty())
            .try_fold(&shown, |table, part| table[part].as_table());
        for key in section
            .keys
            .iter()
            .filter(|key| matches!(key.default, keys::Default::Is(_)))
        {
            // These three hang on the kind of isolation.
            let optional = ["max_instances", "max_uses", "max_concurrency"].contains(&key.name);
            assert!(optional || table.unwrap().contains_key(key.name), "{path}.{}", key.name);
        }
    }
}

#[test]
fn every_key_has_one_variable_and_every_default_is_valid() {
    let mut variables: Vec<String> = keys::variables().collect();
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count, "two keys share a variable");
    // Sections there may be many of have their defaults read only when one is written.
    parse("[providers.a]").unwrap();
}

#[test]
fn the_documentation_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == docs::markdown(),
        "docs/configuration.md is stale: run `host config docs > docs/configuration.md`"
    );
}

#[test]
fn only_env_reads_the_environment() {
    fn search(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            // Tests are told by the environment where recordings are.
            let of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !of_tests {
                search(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !of_tests && !path.ends_with("config/env.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let uses = ["env::var", "use std::env", "env::set_var", "env::remove_var"];
                if uses.iter().any(|needle| text.contains(needle)) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    let mut found = Vec::new();
    search(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(
        found,
        Vec::<String>::new(),
        "read the environment through `config::Env`"
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn quantity(units: &'static [&'static str]) -> impl Strategy<Value = String> {
        (1u32..5000, proptest::sample::select(units)).prop_map(|(n, unit)| format!("{n}{unit}"))
    }

    fn time() -> impl Strategy<Value = String> {
        quantity(&["ms", "s", "min", "h"])
    }

    fn size() -> impl Strategy<Value = String> {
        quantity(&["B", "KiB", "MiB", "kB", "MB"])
    }

    proptest! {
        #[test]
        fn any_configuration_that_is_shown_loads_back_equal(
            port in 1u16..,
            times in [time(), time(), time()],
            sizes in [size(), size(), size()],
            names in proptest::collection::btree_set("[a-z0-9][a-z0-9._-]{0,8}", 0..4),
            aliases in proptest::collection::btree_map("[^\\s\\p{C}]{1,8}", "[a-z]{1,4}/[a-z/:.-]{1,8}", 0..4),
            setting in "[^\\p{C}]{0,12}",
            isolation in proptest::sample::select(vec!["fresh", "pooled", "shared"]),
        ) {
            let mut written = toml::Table::new();
            let quoted = |text: &str| toml::Value::String(text.to_owned());
            written.insert("server".into(), toml::Table::from_iter([
                ("listen".to_owned(), quoted(&format!("[::1]:{port}"))),
                ("request_timeout".to_owned(), quoted(&times[0])),
                ("drain_timeout".to_owned(), quoted(&times[1])),
                ("max_body".to_owned(), quoted(&sizes[0])),
            ]).into());
            written.insert("limits".into(), toml::Table::from_iter([
                ("memory".to_owned(), quoted(&sizes[1])),
                ("cpu_time".to_owned(), quoted(&times[2])),
            ]).into());
            let provider = toml::Table::from_iter([
                ("isolation".to_owned(), quoted(isolation)),
                ("settings".to_owned(), toml::Table::from_iter([("text".to_owned(), quoted(&setting))]).into()),
                ("limits".to_owned(), toml::Table::from_iter([("copy_bytes".to_owned(), quoted(&sizes[2]))]).into()),
            ]);
            let providers = names.iter().map(|name| (name.clone(), provider.clone().into()));
            written.insert("providers".into(), toml::Table::from_iter(providers).into());
            let aliases = aliases.iter().map(|(name, to)| (name.clone(), quoted(to)));
            let aliases = toml::Table::from_iter([("aliases".to_owned(), toml::Table::from_iter(aliases).into())]);
            written.insert("models".into(), aliases.into());

            let config = parse(&written.to_string()).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
            let again = parse(&config.to_toml()).map_err(|errors| TestCaseError::fail(errors.to_string()))?;
            prop_assert_eq!(Config { source: config.source.clone(), ..again }, config);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a-z.=\"' \n{}#0-9é\\\\]{0,80}") {
            if let Err(errors) = parse(&text) {
                prop_assert!(!errors.errors.is_empty());
                prop_assert!(!errors.to_string().is_empty());
            }
        }
    }
}

#[test]
fn a_wrong_limit_hides_no_other_error() {
    let text = "[limits]\nmemory = 1.5\n[providers.x]\nisolation = \"pool\"\n[providers.x.limits]\ncpu_time = \"2\"\n";
    let errors = parse(text).unwrap_err();
    let found: Vec<_> = errors.errors.iter().map(|error| error.message.as_str()).collect();
    for part in [
        "`limits.memory`",
        "`providers.x.isolation`",
        "`providers.x.limits.cpu_time`",
    ] {
        assert!(found.iter().any(|message| message.contains(part)), "{part}: {found:?}");
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn of_a_long_line_the_place_is_shown() {
    let long = "a".repeat(1_000_000);
    for text in [
        format!("{long}\n"),
        format!("[server]\nmax_body = {{ {long} = 1 }} # {long}\n"),
        format!("\tx = [ # {long}\n"),
    ] {
        let shown = parse(&text).unwrap_err().to_string();
        assert!(shown.lines().all(|line| line.chars().count() < 300), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        let quoted = lines.iter().position(|line| line.contains(" | ")).unwrap();
        let marks = lines[quoted + 1].chars().count();
        assert!(
            marks <= lines[quoted].chars().count() + 1,
            "the marks are below the text:\n{shown}"
        );
    }
}
