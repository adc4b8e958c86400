//! Where providers' own tools keep their credentials in the environment.
//!
//! In: the environment, read for this purpose. Out: the credentials that are in it, ready for the
//! vault, or what is still missing of one. Never: a secret in a message.

use llm_host_vault::{NewEntry, Secret, Secrets};
use url::Url;

use super::{Attributes, aws, azure, find, unsound};
use crate::config::Env;
use crate::egress::origin::OriginPattern;

/// A credential as a provider's own tools keep it.
#[derive(Debug)]
pub(in crate::cli::vault) struct Import {
    /// What it is called in the vault.
    pub(in crate::cli::vault) credential: &'static str,
    /// Its kind.
    pub(super) kind: &'static str,
    /// The variables it is made of.
    pub(super) variables: &'static [Variable],
    /// Attributes it has in any case.
    pub(super) attributes: &'static [(&'static str, &'static str)],
    /// Where it may be sent.
    pub(super) hosts: Hosts,
}

/// A variable and what becomes of its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    name: &'static str,
    to: To,
    needed: bool,
}

impl Variable {
    /// Without it there is no such credential.
    pub(super) const fn needed(name: &'static str, to: To) -> Self {
        Self { name, to, needed: true }
    }

    /// It adds to the credential. Of several to the same place the first counts.
    pub(super) const fn optional(name: &'static str, to: To) -> Self {
        Self {
            name,
            to,
            needed: false,
        }
    }
}

/// What a variable becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    /// A secret field.
    Field(&'static str),
    /// The path of a text file whose content is a secret field.
    FieldOfFile(&'static str),
    /// An attribute.
    Attribute(&'static str),
    /// An address, whose origin is where the credential may be sent.
    Host,
    /// Nothing: that it is set is enough.
    Nothing,
}

/// Where a credential may be sent, besides the hosts that its variables name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hosts {
    /// There.
    Fixed(&'static [&'static str]),
    /// Where its attributes say; and the variable that says it.
    Of(fn(&Attributes) -> Vec<String>, &'static str),
}

const fn api_key(variable: &'static [Variable], credential: &'static str, hosts: &'static [&'static str]) -> Import {
    Import {
        credential,
        kind: "api-key",
        variables: variable,
        attributes: &[],
        hosts: Hosts::Fixed(hosts),
    }
}

const KEYS: &[Import] = &[
    api_key(
        &[Variable::needed("OPENAI_API_KEY", To::Field("api_key"))],
        "openai",
        &["https://api.openai.com"],
    ),
    api_key(
        &[Variable::needed("ANTHROPIC_API_KEY", To::Field("api_key"))],
        "anthropic",
        &["https://api.anthropic.com"],
    ),
];

/// Every credential that `host vault import-env` knows. Of several with one name the first that is
/// there counts.
fn imports() -> impl Iterator<Item = &'static Import> {
    [KEYS, aws::IMPORTS, azure::IMPORTS].into_iter().flatten()
}

/// Every variable that is read.
pub(in crate::cli::vault) fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for variable in imports().flat_map(|import| import.variables) {
        if !names.contains(&variable.name) {
            names.push(variable.name);
        }
    }
    names
}

/// A credential that is in the environment.
#[derive(Debug)]
pub(in crate::cli::vault) struct Found {
    /// What it is called in the vault.
    pub(in crate::cli::vault) credential: &'static str,
    /// The variables that it was made of.
    pub(in crate::cli::vault) variables: Vec<&'static str>,
    /// The credential, or what is missing of it.
    pub(in crate::cli::vault) entry: Result<NewEntry, String>,
}

/// The credentials that are in the environment.
pub(in crate::cli::vault) fn find_all(env: &Env) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for import in imports() {
        let known = found.iter().any(|found| found.credential == import.credential);
        let missing = import.missing(env);
        if known || !missing.is_empty() && !import.is_begun(env) {
            continue;
        }
        let set = import
            .variables
            .iter()
            .filter(|variable| env.get(variable.name).is_some());
        found.push(Found {
            credential: import.credential,
            variables: set.map(|variable| variable.name).collect(),
            entry: match missing.as_slice() {
                [] => import.read(env),
                missing => Err(format!("set {}, too", missing.join(" and "))),
            },
        });
    }
    found
}

impl Import {
    /// Variables without which there is no such credential, and that are not set.
    fn missing(&self, env: &Env) -> Vec<&'static str> {
        let needed = self.variables.iter().filter(|variable| variable.needed);
        let names = needed.map(|variable| variable.name);
        names.filter(|name| env.get(name).is_none()).collect()
    }

    /// Whether a variable is set that belongs to this credential alone: the first of its list, or a secret.
    fn is_begun(&self, env: &Env) -> bool {
        let secret = |variable: &Variable| variable.needed && matches!(variable.to, To::Field(_) | To::FieldOfFile(_));
        let set = |variable: &Variable| env.get(variable.name).is_some();
        let first = self.variables.first().is_some_and(set);
        first || self.variables.iter().any(|variable| secret(variable) && set(variable))
    }

    fn read(&self, env: &Env) -> Result<NewEntry, String> {
        let mut secrets = Secrets::new();
        let mut attributes = Attributes::new();
        let mut hosts = Vec::new();
        let constant = self.attributes.iter();
        attributes.extend(constant.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        for variable in self.variables {
            let Some(value) = env.secret(variable.name) else {
                continue;
            };
            match variable.to {
                To::Field(field) => {
                    if secrets.get(field).is_none() {
                        sound(variable.name, field, value.expose())?;
                        secrets.insert(field, Secret::new(value.expose()));
                    }
                }
                To::FieldOfFile(field) => {
                    let text = std::fs::read_to_string(value.expose());
                    let text = text.map_err(|error| format!("{} cannot be read: {error}", variable.name))?;
                    sound(variable.name, field, &text)?;
                    secrets.insert(field, Secret::new(text));
                }
                To::Attribute(name) => {
                    attributes
                        .entry(name.to_owned())
                        .or_insert_with(|| value.expose().to_owned());
                }
                To::Host => hosts.push(origin(variable.name, value.expose())?),
                To::Nothing => {}
            }
        }
        match self.hosts {
            Hosts::Fixed(fixed) => hosts.extend(fixed.iter().map(|host| (*host).to_owned())),
            Hosts::Of(of, variable) => {
                hosts.extend(of(&attributes));
                if hosts.is_empty() {
                    return Err(format!("set {variable}, which says where it may be sent"));
                }
            }
        }
        if let Some(kind) = find(self.kind) {
            kind.fields(&attributes, &[])?;
        }
        Ok(NewEntry {
            kind: self.kind.to_owned(),
            secrets,
            attributes,
            hosts,
        })
    }
}

fn sound(variable: &str, field: &str, secret: &str) -> Result<(), String> {
    match unsound(field, secret) {
        Some(why) => Err(format!("{variable} {why}")),
        None => Ok(()),
    }
}

/// The origin of an address.
fn origin(variable: &str, address: &str) -> Result<String, String> {
    let url = Url::parse(address);
    let url = url.map_err(|_| format!("{variable} is not an address such as https://api.example.com"))?;
    let origin = url.origin().ascii_serialization();
    OriginPattern::parse(&origin).map_err(|error| format!("{variable}: {error}"))?;
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<Found> {
        find_all(&Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn every_import_is_of_a_kind_and_fills_its_fields() {
        for import in imports() {
            let pairs: Vec<(&str, &str)> = import
                .variables
                .iter()
                .map(|variable| {
                    let value = match variable.to {
                        To::Attribute("region") => "us-east-1",
                        To::Attribute("role_arn") => "arn:aws:iam::123456789012:role/llm",
                        To::Attribute("session_name") => "llm-host",
                        To::Attribute("authority") => "https://login.microsoftonline.us",
                        To::FieldOfFile(_) => {
                            concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cloud/entra/application.pem")
                        }
                        To::Host => "https://one.example.com/path",
                        _ => "x",
                    };
                    (variable.name, value)
                })
                .collect();
            let entry = import
                .read(&Env::from_pairs(pairs))
                .unwrap_or_else(|error| panic!("{}: {error}", import.credential));
            assert!(!entry.hosts.is_empty(), "{}", import.credential);
            let fields = find(import.kind).unwrap().fields(&entry.attributes, &[]).unwrap();
            for field in &fields.needed {
                assert!(
                    entry.secrets.get(field).is_some(),
                    "{} lacks {field}",
                    import.credential
                );
            }
        }
    }

    #[test]
    fn several_variables_make_one_credential() {
        let found = found(&[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "canary"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]);
        let [found] = found.as_slice() else { panic!("{found:?}") };
        let entry = found.entry.as_ref().unwrap();
        assert_eq!(
            found.variables,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_REGION",
                "AWS_DEFAULT_REGION"
            ]
        );
        assert_eq!((found.credential, entry.kind.as_str()), ("aws", "aws"));
        assert_eq!(entry.attributes["region"], "eu-west-1");
        assert_eq!(
            entry.secrets.fields().collect::<Vec<_>>(),
            ["access_key_id", "secret_access_key"]
        );
        assert_eq!(
            entry.hosts,
            [
                "https://bedrock-runtime.eu-west-1.amazonaws.com",
                "https://bedrock.eu-west-1.amazonaws.com"
            ]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "canary"),
        ];
        let without_region = found(&keys);
        assert_eq!(
            without_region[0].entry.as_ref().unwrap_err(),
            "set AWS_REGION, which says where it may be sent"
        );
        for (half, expected) in [
            (&keys[..1], "set AWS_SECRET_ACCESS_KEY, too"),
            (&keys[1..], "set AWS_ACCESS_KEY_ID, too"),
            (
                &[("AZURE_CLIENT_SECRET", "canary")],
                "set AZURE_TENANT_ID and AZURE_CLIENT_ID, too",
            ),
        ] {
            assert_eq!(found(half)[0].entry.as_ref().unwrap_err(), expected);
        }
        let shared = [
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AWS_REGION", "us-east-1"),
        ];
        assert!(found(&shared).is_empty(), "what several share begins none of them");
        let strange = found(&[("AWS_PROFILE", "work"), ("AWS_REGION", "somewhere")]);
        assert!(strange[0].entry.as_ref().unwrap_err().contains("not an AWS region"));
    }
}
