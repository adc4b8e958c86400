//! Where the keys of an AWS identity come from, as the attributes of an entry say.
//!
//! In: the attributes. Out: the [`Source`] with all that it needs. Never: a look at the source
//! itself, so that an entry can be read where its source is not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::attach::AttachError;

/// What CloudTrail calls a session whose entry does not say.
const SESSION_NAME: &str = "llm-host";

/// An entry of kind `aws`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::egress::credential) struct Settings {
    /// Where the keys come from.
    pub(super) source: Source,
    /// The region of what is asked for keys, and of signatures where the host's name holds none.
    pub(super) region: Option<String>,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The entry's own secret fields.
    Static,
    /// A profile of AWS's own files.
    Profile {
        name: Option<String>,
        config_file: Option<PathBuf>,
        credentials_file: Option<PathBuf>,
    },
    /// IAM Identity Center.
    Sso(Sso),
    /// A role that is assumed with the keys of another source.
    AssumeRole(Box<AssumeRole>),
    /// A role that is assumed with a token in a file.
    WebIdentity {
        role_arn: String,
        session_name: String,
        token_file: PathBuf,
    },
    /// The endpoint of an ECS task or an EKS pod.
    Container,
    /// The metadata service of an EC2 instance.
    Imds { instance_profile: Option<String> },
    /// What AWS's own tools would find.
    DefaultChain { profile: Option<String> },
}

/// A permission set of IAM Identity Center.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sso {
    pub(super) start_url: String,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) role_name: String,
    pub(super) session: Option<String>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AssumeRole {
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) base: Source,
}

/// Why an entry cannot be read. The entry's own words may be in it; none of them is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such source.
    #[error("`{0}` is not a source of AWS keys; `host vault set --help` and the documentation list them")]
    Unknown(String),
    /// An attribute is missing.
    #[error("attribute `{0}` of the credential is missing; `host vault set NAME --attribute {0}=…` adds it")]
    Missing(&'static str),
    /// An attribute means nothing.
    #[error("attribute `{0}` of the credential is not what it has to be")]
    Malformed(&'static str),
    /// Neither the address nor the entry tells the region.
    #[error(
        "neither the address nor the credential tells the region to sign for; set it: host vault set {0} --attribute region=…"
    )]
    Region(String),
}

impl From<SourceError> for AttachError {
    fn from(error: SourceError) -> Self {
        Self::Aws(error)
    }
}

impl Source {
    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Profile { .. } => "profile",
            Self::Sso(_) => "sso",
            Self::AssumeRole(_) => "assume-role",
            Self::WebIdentity { .. } => "web-identity",
            Self::Container => "container",
            Self::Imds { .. } => "imds",
            Self::DefaultChain { .. } => "default-chain",
        }
    }
}

impl Settings {
    /// Reads an entry's attributes.
    ///
    /// # Errors
    /// [`SourceError`]
    pub(in crate::egress::credential) fn read(attributes: &BTreeMap<String, String>) -> Result<Self, SourceError> {
        let read = Attributes(attributes);
        let source = read.required("source")?;
        let source = match read.source(&source) {
            Some(source) => source?,
            None if source == "assume-role" => Source::AssumeRole(Box::new(read.assume_role()?)),
            None => return Err(SourceError::Unknown(source)),
        };
        Ok(Self {
            source,
            region: read.optional("region"),
        })
    }
}

struct Attributes<'a>(&'a BTreeMap<String, String>);

impl Attributes<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn required(&self, name: &'static str) -> Result<String, SourceError> {
        self.optional(name).ok_or(SourceError::Missing(name))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(PathBuf::from)
    }

    /// A source that stands on no other; nothing for a name that is none.
    fn source(&self, name: &str) -> Option<Result<Source, SourceError>> {
        Some(Ok(match name {
            "static" => Source::Static,
            "profile" => Source::Profile {
                name: self.optional("profile"),
                config_file: self.path("config_file"),
                credentials_file: self.path("credentials_file"),
            },
            "sso" => return Some(self.sso().map(Source::Sso)),
            "web-identity" => return Some(self.web_identity()),
            "container" => Source::Container,
            "imds" => Source::Imds {
                instance_profile: self.optional("instance_profile"),
            },
            "default-chain" => Source::DefaultChain {
                profile: self.optional("profile"),
            },
            _ => return None,
        }))
    }

    fn sso(&self) -> Result<Sso, SourceError> {
        Ok(Sso {
            start_url: self.required("start_url")?,
            region: self.required("sso_region")?,
            account_id: self.required("account_id")?,
            role_name: self.required("role_name")?,
            session: self.optional("sso_session"),
        })
    }

    fn web_identity(&self) -> Result<Source, SourceError> {
        // STS is asked in this region.
        self.required("region")?;
        Ok(Source::WebIdentity {
            role_arn: self.required("role_arn")?,
            session_name: self.session_name(),
            token_file: self.required("token_file")?.into(),
        })
    }

    fn assume_role(&self) -> Result<AssumeRole, SourceError> {
        self.required("region")?;
        let duration = self
            .optional("duration")
            .map(|text| text.parse().map(Duration::from_secs));
        let base = self.optional("base").unwrap_or_else(|| "static".to_owned());
        Ok(AssumeRole {
            role_arn: self.required("role_arn")?,
            session_name: self.session_name(),
            external_id: self.optional("external_id"),
            duration: duration.transpose().map_err(|_| SourceError::Malformed("duration"))?,
            base: self.source(&base).ok_or(SourceError::Unknown(base))??,
        })
    }

    fn session_name(&self) -> String {
        self.optional("session_name").unwrap_or_else(|| SESSION_NAME.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SourceError> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&pairs.collect())
    }

    #[test]
    fn a_role_stands_on_another_source() {
        let role = [
            ("source", "assume-role"),
            ("role_arn", "arn:aws:iam::1:role/r"),
            ("region", "us-east-1"),
            ("external_id", "x-1"),
            ("duration", "900"),
        ];
        for (more, base) in [
            (&[][..], Source::Static),
            (&[("base", "imds")], Source::Imds { instance_profile: None }),
            (
                &[("base", "profile"), ("profile", "work"), ("config_file", "/etc/aws")],
                Source::Profile {
                    name: Some("work".to_owned()),
                    config_file: Some("/etc/aws".into()),
                    credentials_file: None,
                },
            ),
        ] {
            let all: Vec<_> = role.iter().chain(more).copied().collect();
            let expected = AssumeRole {
                role_arn: "arn:aws:iam::1:role/r".to_owned(),
                session_name: "llm-host".to_owned(),
                external_id: Some("x-1".to_owned()),
                duration: Some(Duration::from_secs(900)),
                base,
            };
            let settings = read(&all).unwrap();
            assert_eq!(settings.source, Source::AssumeRole(Box::new(expected)));
            assert_eq!(settings.region.as_deref(), Some("us-east-1"));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (pairs, error) in [
            (&[][..], SourceError::Missing("source")),
            (&[("source", "sts")], SourceError::Unknown("sts".to_owned())),
            (
                &[("source", "sso"), ("start_url", "https://a.awsapps.com/start")],
                SourceError::Missing("sso_region"),
            ),
            (&[("source", "web-identity")], SourceError::Missing("region")),
            (
                &[("source", "web-identity"), ("region", "us-east-1"), ("role_arn", "")],
                SourceError::Missing("role_arn"),
            ),
            (
                &[
                    ("source", "assume-role"),
                    ("region", "us-east-1"),
                    ("role_arn", "r"),
                    ("base", "assume-role"),
                ],
                SourceError::Unknown("assume-role".to_owned()),
            ),
            (
                &[
                    ("source", "assume-role"),
                    ("region", "us-east-1"),
                    ("role_arn", "r"),
                    ("duration", "an hour"),
                ],
                SourceError::Malformed("duration"),
            ),
        ] {
            assert_eq!(read(pairs), Err(error), "{pairs:?}");
        }
    }
}
