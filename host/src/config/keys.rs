//! The one table of the configuration's keys.
//!
//! In: nothing. Out: every key with its type, default and meaning, from which come the defaults
//! themselves, the suggestions for misspelt keys, the names of the variables that override, and
//! `docs/configuration.md`. Never: reading a value.

use super::env::PREFIX;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in its section.
    pub name: &'static str,
    /// What a value looks like, for people.
    pub form: &'static str,
    /// What holds when it is absent.
    pub default: Default,
    /// What it does.
    pub doc: &'static str,
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value, as it would be written.
    Is(&'static str),
    /// Nothing, or what another key says: this explains it.
    Unset(&'static str),
    /// An error.
    Required,
}

/// A table of the file.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its path: `server`; `providers.*` for one of many by name; `keys[]` for one of a list; empty
    /// for the top of the file.
    pub path: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

const fn is(name: &'static str, form: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        form,
        default: Default::Is(default),
        doc,
    }
}

const fn unset(name: &'static str, form: &'static str, otherwise: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        form,
        default: Default::Unset(otherwise),
        doc,
    }
}

const fn required(name: &'static str, form: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        form,
        default: Default::Required,
        doc,
    }
}

const LIMITS: &[Key] = &[
    is(
        "memory",
        "size",
        "64MiB",
        "Memory of an instance. Python and JavaScript plugins need about 256MiB.",
    ),
    is("cpu_time", "duration", "2s", "Time on the processor of one call."),
    is(
        "describe_time",
        "duration",
        "2s",
        "Time for a plugin to say what it is and to check its settings.",
    ),
    is(
        "first_event_time",
        "duration",
        "120s",
        "Time of a call until its first event.",
    ),
    is(
        "idle_time",
        "duration",
        "120s",
        "Time between two events of a streamed answer.",
    ),
    is("total_time", "duration", "30min", "Time of a call in total."),
    is(
        "response_bytes",
        "size",
        "256MiB",
        "What all upstream answers of one call may hold together.",
    ),
    is("request_bytes", "size", "32MiB", "What one upstream request may hold."),
    is(
        "copy_bytes",
        "size",
        "32MiB",
        "What a plugin may hand to the host in one function call.",
    ),
    is("exchanges", "count", "64", "Upstream requests of one call in total."),
    is(
        "concurrent_exchanges",
        "count",
        "64",
        "Upstream requests of one call at once.",
    ),
    is(
        "handles",
        "count",
        "1000",
        "Resources, streams and futures an instance may hold.",
    ),
    is("table_elements", "count", "100000", "Elements of an instance's tables."),
    is(
        "log_lines",
        "count",
        "1000",
        "Lines one call may log; further ones are counted and dropped.",
    ),
    is(
        "log_line_bytes",
        "size",
        "4KiB",
        "Length of a logged line; the rest is cut.",
    ),
];

/// The top of the file.
pub(super) const TOP: Section = Section {
    path: "",
    doc: "Keys that stand before the first section.",
    keys: &[is(
        "state_dir",
        "path",
        "state",
        "What the host writes for itself: compiled code, the admin socket, the vault's anchor. Nobody else may \
         write here.",
    )],
};

/// Every section, in the order of the documentation.
pub const SECTIONS: &[Section] = &[
    TOP,
    Section {
        path: "server",
        doc: "The HTTP listener that applications talk to.",
        keys: &[
            is("listen", "address", "127.0.0.1:8080", "IP address and port."),
            is(
                "access",
                "\"keys\" or \"open\"",
                "keys",
                "Who may call: holders of a key in `[[keys]]`, or anybody. `open` is refused unless `listen` is a \
                 loopback address.",
            ),
            is("max_body", "size", "32MiB", "Largest request body."),
            is(
                "max_concurrent_requests",
                "count",
                "4096",
                "Most requests in work at once; more are answered with 503.",
            ),
            is(
                "request_timeout",
                "duration",
                "30min",
                "Most time from a request's head to the last byte of its answer.",
            ),
            is(
                "drain_timeout",
                "duration",
                "10min",
                "How long running answers may go on after a stop or a reload.",
            ),
        ],
    },
    Section {
        path: "admin",
        doc: "Administration of the running host. The command line uses the socket, whose file permissions say who may.",
        keys: &[
            unset(
                "socket",
                "path",
                "`<state_dir>/admin.sock`",
                "The Unix socket for `host status`, `models` and `reload`.",
            ),
            is(
                "keys",
                "list of SHA-256",
                "",
                "Hashes of keys that may also call `/admin` over HTTP. Empty: nobody may.",
            ),
        ],
    },
    Section {
        path: "keys[]",
        doc: "A key that a client may call with. `host key new NAME` makes one and prints what belongs here.",
        keys: &[
            required("name", "text", "What the log and limits call its holder."),
            required(
                "sha256",
                "SHA-256",
                "The key's hash, 64 hexadecimal digits. The key itself is nowhere in the host.",
            ),
            is(
                "models",
                "list of patterns",
                "",
                "Names of models it may ask for. Empty: all.",
            ),
        ],
    },
    Section {
        path: "vault",
        doc: "The encrypted file with credentials and grants. Its contents are changed with `host vault` and `host grant`.",
        keys: &[
            is("path", "path", "vault.bin", "The file."),
            unset(
                "anchor",
                "path",
                "`<state_dir>/vault.anchor`",
                "Where the newest revision is noted, so that an older file put in its place is noticed. Keep it apart \
                 from backups of the vault.",
            ),
            is(
                "unlock",
                "\"key-file\", \"passphrase\" or \"keyring\"",
                "key-file",
                "What opens it.",
            ),
            is(
                "key_file",
                "path",
                "vault.key",
                "With `unlock = \"key-file\"`: the key. Readable for the host's user alone.",
            ),
            unset(
                "passphrase_file",
                "path",
                "environment, then a prompt",
                "With `unlock = \"passphrase\"`: a file whose first line it is.",
            ),
        ],
    },
    Section {
        path: "plugins",
        doc: "The provider adapters. Every plugin in the directory is served as a provider of its own name, unless a \
              section `[providers.NAME]` says otherwise.",
        keys: &[
            is(
                "dir",
                "path",
                "plugins",
                "The directory that is watched for `.wasm` files.",
            ),
            unset(
                "cache_dir",
                "path",
                "`<state_dir>/cache`",
                "Compiled plugins. Whoever can write here can run code in the host.",
            ),
            is(
                "debounce",
                "duration",
                "300ms",
                "How long a file must be quiet before a change counts.",
            ),
            is(
                "trusted_signers",
                "list of Ed25519 keys",
                "",
                "Public keys whose signatures count, 64 hexadecimal digits each. `host plugin keygen` makes a pair.",
            ),
            is(
                "require_signature",
                "boolean",
                "false",
                "Refuse plugins that none of `trusted_signers` has signed.",
            ),
        ],
    },
    Section {
        path: "providers.*",
        doc: "A provider: a plugin with settings, under the name that callers use before the slash of \
              `provider/model`. Two providers may be served by one plugin.",
        keys: &[
            unset(
                "plugin",
                "text",
                "the provider's name",
                "The id of the plugin that serves it.",
            ),
            is(
                "isolation",
                "\"fresh\", \"pooled\" or \"shared\"",
                "fresh",
                "How calls share instances: a new one for each call; kept ones that serve one call at a time; one for \
                 several calls at once, all of which end when it traps.",
            ),
            is("max_instances", "count", "4", "With `pooled`: most instances."),
            is(
                "max_uses",
                "count",
                "128",
                "With `pooled`: calls an instance serves before it is replaced.",
            ),
            is("max_concurrency", "count", "16", "With `shared`: most calls at once."),
            unset(
                "settings",
                "table",
                "empty",
                "The plugin's own settings; `host plugin inspect` shows which there are. Never a secret: those are \
                 granted from the vault.",
            ),
        ],
    },
    Section {
        path: "providers.*.limits",
        doc: "Limits of this provider's plugin, where they differ from `[limits]`.",
        keys: LIMITS,
    },
    Section {
        path: "limits",
        doc: "What one call of a plugin may use. A call that goes beyond fails alone, with an error that names the limit.",
        keys: LIMITS,
    },
    Section {
        path: "models",
        doc: "Names of models. `provider/model` always works; a name without a slash is looked up here, aliases first.",
        keys: &[
            unset(
                "aliases",
                "table of \"provider/model\"",
                "none",
                "Names that stand for one model: `fast = \"openai/gpt-5-mini\"`.",
            ),
            unset(
                "default",
                "\"provider/model\"",
                "such requests are refused",
                "The model of a request whose model is absent, empty or `default`.",
            ),
        ],
    },
    Section {
        path: "models.patterns[]",
        doc: "A rule for names that are no alias. The first that matches counts.",
        keys: &[
            required(
                "match",
                "pattern",
                "Names it is for. `*` is any text, `?` is one character.",
            ),
            required(
                "to",
                "\"provider/model\"",
                "What serves them. `{model}` stands for the name that was asked for.",
            ),
        ],
    },
    Section {
        path: "egress",
        doc: "Connections to providers.",
        keys: &[
            is("connect_timeout", "duration", "10s", "Time to connect, TLS included."),
            is(
                "first_byte_timeout",
                "duration",
                "120s",
                "Time until the head of an answer.",
            ),
            is(
                "idle_timeout",
                "duration",
                "120s",
                "Time between two pieces of an answer.",
            ),
            is("total_timeout", "duration", "30min", "Time of an exchange in total."),
            unset(
                "extra_ca",
                "path",
                "none",
                "Certificate authorities in PEM, trusted beside the operating system's.",
            ),
        ],
    },
    Section {
        path: "log",
        doc: "The host's own log, on standard error.",
        keys: &[
            is(
                "format",
                "\"text\" or \"json\"",
                "text",
                "Lines for people or for machines.",
            ),
            is(
                "level",
                "filter",
                "info",
                "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `llm_host=debug,warn`.",
            ),
        ],
    },
];

impl Section {
    /// The section of a path.
    pub fn find(path: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.path == path)
    }

    /// The key of a name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Names of the tables directly in this one.
    pub fn children(&self) -> impl Iterator<Item = &'static str> {
        let parent = self.path;
        SECTIONS.iter().filter_map(move |section| {
            let name = match parent {
                "" => section.path,
                _ => section.path.strip_prefix(parent)?.strip_prefix('.')?,
            };
            let name = name.split('.').next().unwrap_or(name);
            let name = name.strip_suffix("[]").unwrap_or(name);
            (!name.is_empty() && name != "*").then_some(name)
        })
    }

    /// The variable that overrides a key; none for keys of sections there may be many of, and for
    /// tables.
    pub fn variable(&self, key: &Key) -> Option<String> {
        if self.path.contains(['*', '[']) || key.form.starts_with("table") {
            return None;
        }
        let path = if self.path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{}_{}", self.path, key.name)
        };
        Some(format!("{PREFIX}{}", path.replace('.', "_").to_uppercase()))
    }
}

/// Every variable that overrides a key.
pub fn variables() -> impl Iterator<Item = String> {
    SECTIONS
        .iter()
        .flat_map(|section| section.keys.iter().filter_map(|key| section.variable(key)))
}

/// The nearest of some names to one that is not among them, when it is near enough to be meant.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let wrong = wrong.to_lowercase().replace('-', "_");
    let far = (wrong.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&wrong, &name.to_lowercase().replace('-', "_")),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= far || (wrong.len() > 3 && name.starts_with(&wrong)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

/// Where else a key of this name stands.
pub(super) fn elsewhere(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.key(name).is_some())
}
