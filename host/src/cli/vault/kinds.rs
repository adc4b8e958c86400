//! Kinds of credentials, and where providers' own tools keep them in the environment.
//!
//! In: nothing. Out: two tables. Never: a secret.

/// A kind of credential that the host knows how to attach.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name.
    pub(super) name: &'static str,
    /// Its secret fields, where `--field` does not name others.
    pub(super) fields: &'static [&'static str],
    /// Attributes it needs.
    pub(super) attributes: &'static [&'static str],
    /// What it is.
    pub(super) about: &'static str,
}

/// The kinds that the host attaches.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "api-key",
        fields: &["api_key"],
        attributes: &[],
        about: "one text, put where the plugin's provider wants it: a bearer token or a header",
    },
    Kind {
        name: "bearer",
        fields: &["token"],
        attributes: &[],
        about: "sent as `Authorization: Bearer …`",
    },
    Kind {
        name: "header",
        fields: &["value"],
        attributes: &[],
        about: "sent in a header of the provider's own",
    },
    Kind {
        name: "query",
        fields: &["value"],
        attributes: &[],
        about: "sent in the address; it ends up in logs",
    },
    Kind {
        name: "basic",
        fields: &["password"],
        attributes: &["username"],
        about: "user name and password, sent as `Authorization: Basic …`",
    },
];

/// A variable that a provider's own tools read a credential from.
#[derive(Debug)]
pub(super) struct Known {
    /// The variable.
    pub(super) variable: &'static str,
    /// What the credential is called in the vault.
    pub(super) name: &'static str,
    /// Its kind, which has one secret field.
    pub(super) kind: &'static str,
    /// Where it may be sent.
    pub(super) hosts: &'static [&'static str],
}

/// The variables that `host vault import-env` knows.
pub(super) const VARIABLES: &[Known] = &[
    Known {
        variable: "OPENAI_API_KEY",
        name: "openai",
        kind: "api-key",
        hosts: &["https://api.openai.com"],
    },
    Known {
        variable: "ANTHROPIC_API_KEY",
        name: "anthropic",
        kind: "api-key",
        hosts: &["https://api.anthropic.com"],
    },
];

/// The kind of a name.
pub(super) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_imported_is_of_a_kind_with_one_secret() {
        for known in VARIABLES {
            assert_eq!(find(known.kind).unwrap().fields.len(), 1, "{}", known.variable);
            assert!(!known.hosts.is_empty(), "{}", known.variable);
        }
    }
}
