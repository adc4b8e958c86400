//! Where an Entra credential's tokens come from, as the vault's entry says it.
//!
//! In: the entry's attributes, and what the machine says of itself in its environment. Out: a
//! [`Source`]. Never: a secret, a request.
//!
//! Attribute names and their meaning are those of Azure's own libraries, in lower case: `tenant_id`,
//! `client_id`, `authority` (its host), `token_file`. A `source` that needs none of them (a managed
//! identity) is an entry all the same, so that a plugin has to be granted it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use crate::config::Env;
use crate::config::env::azure;
use crate::egress::credential::token::TokenError;

/// Entra of the public cloud. The sovereign ones: `https://login.microsoftonline.us`,
/// `https://login.partner.microsoftonline.cn` (Microsoft identity platform, "national clouds").
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// Whether the attributes of an entry can be followed, as far as that can be told apart from the machine
/// that the host will run on.
///
/// # Errors
/// What is wrong with them.
pub fn check_entra(attributes: &BTreeMap<String, String>) -> Result<(), String> {
    let anywhere = [azure::TENANT_ID, azure::CLIENT_ID, azure::FEDERATED_TOKEN_FILE];
    let env = Env::from_pairs(anywhere.map(|variable| (variable, "there")));
    Source::read(attributes, &env).map(drop).map_err(|error| error.reason)
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// An application proves itself by a password.
    ClientSecret(Application),
    /// An application proves itself by a key whose certificate Entra knows.
    ClientCertificate {
        application: Application,
        algorithm: Algorithm,
        /// Whether the certificate goes along, so that Entra can trust its issuer and subject.
        send_chain: bool,
    },
    /// The machine is the identity.
    ManagedIdentity(Which),
    /// An application proves itself by a token that its platform wrote into a file.
    WorkloadIdentity {
        application: Application,
        token_file: PathBuf,
    },
}

/// An application and the tenant it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Application {
    /// `https://login.microsoftonline.com` or another cloud's.
    pub(super) authority: Url,
    pub(super) tenant: String,
    pub(super) client: String,
}

impl Application {
    /// Where it asks for tokens. It is also whom an assertion is for.
    pub(super) fn endpoint(&self) -> Url {
        let mut url = self.authority.clone();
        url.set_path(&format!("{}/oauth2/v2.0/token", self.tenant));
        url
    }
}

/// How an assertion is signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Ps256,
    Rs256,
}

/// Which of a machine's identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    System,
    Client(String),
    Object(String),
    Resource(String),
}

impl Source {
    /// Reads an entry's attributes; what they leave out is taken from the environment where a
    /// platform puts it there.
    ///
    /// # Errors
    /// What is missing or wrong, for the admin.
    pub(super) fn read(attributes: &BTreeMap<String, String>, env: &Env) -> Result<Self, TokenError> {
        let attributes = Attributes { attributes, env };
        let source = attributes.get("source").ok_or_else(|| missing("source", SOURCES))?;
        match source {
            "client-secret" => Ok(Self::ClientSecret(attributes.application(false)?)),
            "client-certificate" => Ok(Self::ClientCertificate {
                application: attributes.application(false)?,
                algorithm: match attributes.get("algorithm") {
                    None | Some("PS256") => Algorithm::Ps256,
                    Some("RS256") => Algorithm::Rs256,
                    Some(other) => return Err(unknown("algorithm", other, "PS256, RS256")),
                },
                send_chain: match attributes.get("send_certificate_chain") {
                    None | Some("false") => false,
                    Some("true") => true,
                    Some(other) => return Err(unknown("send_certificate_chain", other, "true, false")),
                },
            }),
            "managed-identity" => Ok(Self::ManagedIdentity(attributes.which()?)),
            "workload-identity" => Ok(Self::WorkloadIdentity {
                application: attributes.application(true)?,
                token_file: attributes
                    .get_or("token_file", azure::FEDERATED_TOKEN_FILE)
                    .ok_or_else(|| missing_or("token_file", azure::FEDERATED_TOKEN_FILE))?
                    .into(),
            }),
            other => Err(unknown("source", other, SOURCES)),
        }
    }
}

const SOURCES: &str = "client-secret, client-certificate, managed-identity, workload-identity";

struct Attributes<'a> {
    attributes: &'a BTreeMap<String, String>,
    env: &'a Env,
}

impl<'a> Attributes<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn get_or(&self, name: &str, variable: &str) -> Option<&'a str> {
        self.get(name).or_else(|| self.env.get(variable))
    }

    /// The application. `ambient` says whether the environment may name it: only where the platform
    /// that writes the token also writes the variables.
    fn application(&self, ambient: bool) -> Result<Application, TokenError> {
        let value = |name, variable| {
            if ambient {
                self.get_or(name, variable).ok_or_else(|| missing_or(name, variable))
            } else {
                self.get(name)
                    .ok_or_else(|| missing(name, "its value is in Entra's \"App registrations\""))
            }
        };
        let tenant = value("tenant_id", azure::TENANT_ID)?;
        let named = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if !tenant.chars().all(named) {
            return Err(unknown("tenant_id", tenant, "the tenant's id or domain"));
        }
        let authority = match ambient {
            true => self.get_or("authority", azure::AUTHORITY_HOST),
            false => self.get("authority"),
        };
        let authority = authority.unwrap_or(PUBLIC_AUTHORITY);
        let parsed = Url::parse(authority).ok().filter(|url| {
            let bare = matches!(url.path(), "/") && url.query().is_none() && url.fragment().is_none();
            url.has_host() && bare && url.username().is_empty() && url.password().is_none()
        });
        Ok(Application {
            authority: parsed
                .ok_or_else(|| unknown("authority", authority, "as `https://login.microsoftonline.us`"))?,
            tenant: tenant.to_owned(),
            client: value("client_id", azure::CLIENT_ID)?.to_owned(),
        })
    }

    fn which(&self) -> Result<Which, TokenError> {
        let owned = |name| self.get(name).map(str::to_owned);
        match (owned("client_id"), owned("object_id"), owned("resource_id")) {
            (None, None, None) => Ok(Which::System),
            (Some(client), None, None) => Ok(Which::Client(client)),
            (None, Some(object), None) => Ok(Which::Object(object)),
            (None, None, Some(resource)) => Ok(Which::Resource(resource)),
            _ => Err(TokenError::lasting(
                "the credential has more than one of the attributes `client_id`, `object_id`, `resource_id`; one names \
                 the identity, none means the machine's own",
            )),
        }
    }
}

fn missing(name: &str, hint: &str) -> TokenError {
    TokenError::lasting(format!(
        "the credential has no attribute `{name}` ({hint}); `host vault set … --attribute {name}=…` adds it"
    ))
}

fn missing_or(name: &str, variable: &str) -> TokenError {
    TokenError::lasting(format!(
        "the credential has no attribute `{name}` and the host's environment no `{variable}`; `host vault set … \
         --attribute {name}=…` adds it, and on Kubernetes the workload identity webhook sets the variable for pods with \
         the label `azure.workload.identity/use: \"true\"`"
    ))
}

fn unknown(name: &str, value: &str, known: &str) -> TokenError {
    let value: String = value.chars().filter(|c| !c.is_control()).take(64).collect();
    TokenError::lasting(format!(
        "the credential's attribute `{name}` is `{value}`; it may be: {known}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Source, String> {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env = Env::from_pairs(env.iter().copied());
        Source::read(&attributes.collect(), &env).map_err(|error| error.reason)
    }

    fn application(authority: &str) -> Application {
        Application {
            authority: Url::parse(authority).unwrap(),
            tenant: "contoso.onmicrosoft.com".to_owned(),
            client: "app".to_owned(),
        }
    }

    const APP: [(&str, &str); 2] = [("tenant_id", "contoso.onmicrosoft.com"), ("client_id", "app")];

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        APP.iter().chain(more).copied().collect()
    }

    #[test]
    fn each_source_is_read() {
        let public = application(PUBLIC_AUTHORITY);
        assert_eq!(
            public.endpoint().as_str(),
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"
        );
        assert_eq!(
            read(&with(&[("source", "client-secret")]), &[]),
            Ok(Source::ClientSecret(public.clone()))
        );
        assert_eq!(
            read(
                &with(&[
                    ("source", "client-certificate"),
                    ("authority", "https://login.microsoftonline.us"),
                    ("algorithm", "RS256"),
                    ("send_certificate_chain", "true")
                ]),
                &[]
            ),
            Ok(Source::ClientCertificate {
                application: application("https://login.microsoftonline.us/"),
                algorithm: Algorithm::Rs256,
                send_chain: true,
            })
        );
        let azure = [
            (azure::TENANT_ID, "contoso.onmicrosoft.com"),
            (azure::CLIENT_ID, "app"),
            (
                azure::FEDERATED_TOKEN_FILE,
                "/var/run/secrets/azure/tokens/azure-identity-token",
            ),
            (azure::AUTHORITY_HOST, "https://login.microsoftonline.com/"),
        ];
        assert_eq!(
            read(&[("source", "workload-identity")], &azure),
            Ok(Source::WorkloadIdentity {
                application: public,
                token_file: "/var/run/secrets/azure/tokens/azure-identity-token".into(),
            })
        );
        for (attributes, which) in [
            (vec![], Which::System),
            (vec![("client_id", "a")], Which::Client("a".to_owned())),
            (vec![("object_id", "a")], Which::Object("a".to_owned())),
            (
                vec![("resource_id", "/subscriptions/a")],
                Which::Resource("/subscriptions/a".to_owned()),
            ),
        ] {
            let mut attributes = attributes;
            attributes.push(("source", "managed-identity"));
            // The identity that the environment names is another source's.
            assert_eq!(read(&attributes, &azure), Ok(Source::ManagedIdentity(which)));
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let azure = [(azure::TENANT_ID, "contoso.onmicrosoft.com"), (azure::CLIENT_ID, "app")];
        for (attributes, named) in [
            (vec![], "`source`"),
            (vec![("source", "password")], "`password`"),
            (vec![("source", "client-secret")], "`tenant_id`"),
            (vec![("source", "client-secret"), ("tenant_id", "t")], "`client_id`"),
            (
                vec![
                    ("source", "client-secret"),
                    ("tenant_id", "a/../b"),
                    ("client_id", "app"),
                ],
                "`tenant_id`",
            ),
            (
                with(&[("source", "client-secret"), ("authority", "login.microsoftonline.us")]),
                "`authority`",
            ),
            (
                with(&[("source", "client-secret"), ("authority", "https://a.example/adfs")]),
                "`authority`",
            ),
            (
                with(&[("source", "client-certificate"), ("algorithm", "HS256")]),
                "`algorithm`",
            ),
            (
                with(&[("source", "client-certificate"), ("send_certificate_chain", "yes")]),
                "`send_certificate_chain`",
            ),
            (vec![("source", "workload-identity")], "`token_file`"),
            (
                vec![("source", "managed-identity"), ("client_id", "a"), ("object_id", "b")],
                "more than one",
            ),
        ] {
            let error = read(&attributes, &azure).unwrap_err();
            assert!(error.contains(named), "{attributes:?}: {error}");
        }
    }
}
