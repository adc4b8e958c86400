//! How a credential is attached: reading the rule, and the seam that every kind implements.
//!
//! In: the grant's rule or the plugin's wish as JSON, and the credential's kind. Out: an
//! [`Attach`] that puts the secret on a request. Never: a secret while the rule is read.
//!
//! A rule is a JSON object with one key that names the way: `{"bearer": true}`,
//! `{"header": "x-api-key"}` or `{"header": {"name": "authorization", "prefix": "Token "}}`,
//! `{"query": "key"}`, `{"basic": true}`, `{"entra": {"scope": "…/.default"}}`,
//! `{"sigv4": {"service": "bedrock"}}`. An admin's rule may be any that the secret's fields can
//! serve. A plugin's wish has to be the way that belongs to the credential's kind, so that a plugin
//! cannot have a bearer token put into an address, where logs pick it up.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;
use url::Url;

use super::aws::{Service, SignV4, SourceError};
use super::basic::Basic;
use super::bearer::Bearer;
use super::entra::{AttachEntra, Scope};
use super::header::Header;
use super::identity::Identity;
use super::query::Query;
use super::store::CredentialFacts;
use crate::egress::headers;
use llm_host_vault::{Secret, Secrets};

/// A request on its way out, complete but for the credential.
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: Url,
    /// The headers, without `host` and those of the connection.
    pub headers: HeaderMap,
    /// The whole body, so that a signature can cover it.
    pub body: Bytes,
    /// Secrets that came into being while attaching (tokens, encoded pairs) and that the answer
    /// must not repeat, besides the credential's own fields.
    pub derived: Vec<Secret>,
}

/// One way of attaching a credential.
#[async_trait]
pub trait Attach: Send + Sync + 'static {
    /// The header that this way sets, which the plugin may not set itself. The usual
    /// authentication headers are refused anyway.
    fn header(&self) -> Option<&HeaderName> {
        None
    }

    /// The query parameter that this way sets, which the plugin may not set itself.
    fn query_parameter(&self) -> Option<&str> {
        None
    }

    /// Attaches. Runs last: nothing may change the request afterwards.
    ///
    /// # Errors
    /// Why it cannot be attached, without a secret.
    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError>;

    /// Looks at the head of the answer to a request that this was attached to, for a token that was
    /// refused.
    fn answered(&self, _status: u16, _headers: &[(String, Bytes)]) {}
}

/// Why a credential cannot be attached. The texts are for the admin and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The rule is not one.
    #[error("the rule is not an object with one of `bearer`, `header`, `query`, `basic`, `entra`, `sigv4`")]
    Rule,
    /// The host does not have this way.
    #[error(
        "`{0}` is not a way of attaching that this host has; those are `bearer`, `header`, `query`, `basic`, `entra`, \
         `sigv4`"
    )]
    UnknownWay(String),
    /// The credential's kind is not one the host has, and no rule says how to attach it.
    #[error("credentials of kind `{0}` need a rule that says how to attach them")]
    UnknownKind(String),
    /// The plugin wishes for a way that is not that of the credential's kind.
    #[error("the plugin wants `{way}` and the credential is of kind `{kind}`")]
    Unfit {
        /// What the plugin wants.
        way: &'static str,
        /// What the credential is.
        kind: String,
    },
    /// The header's name is not one, or not the credential's to set.
    #[error("`{0}` is not a header that a credential can be put into")]
    Header(String),
    /// The query parameter's name is empty.
    #[error("the query parameter has no name")]
    Query,
    /// The scope is not one that an application's token can be for.
    #[error("`{0}` is not a scope that ends with `/.default`, as in `https://cognitiveservices.azure.com/.default`")]
    Scope(String),
    /// The plugin wishes for a token that an admin has to allow.
    #[error(
        "no plugin gets a token for `{0}` by its own wish; a grant's rule may allow it: --attach \
         '{{\"entra\":{{\"scope\":\"{0}\"}}}}'"
    )]
    ScopeNotGranted(Scope),
    /// The service's name is not one.
    #[error("`{0}` is not the name of a service to sign for, such as `bedrock`")]
    Service(String),
    /// The attributes of an AWS identity do not say where its keys come from.
    #[error("{0}")]
    Aws(SourceError),
    /// The credential lacks a secret field, or has several where one is needed.
    #[error("the credential does not have {0}")]
    Field(&'static str),
    /// The secret has characters that a header cannot carry.
    #[error("the secret has characters that cannot be sent")]
    Characters,
    /// The service that gives out tokens failed.
    #[error("{reason}")]
    Token {
        /// What happened.
        reason: String,
        /// Whether a later attempt may succeed.
        retryable: bool,
    },
}

/// The ways of attaching, as a rule names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of the provider's own.
    Header {
        /// The header.
        name: HeaderName,
        /// What stands in front of the secret.
        prefix: String,
    },
    /// A query parameter.
    Query {
        /// The parameter.
        name: String,
    },
    /// `Authorization: Basic …`.
    Basic,
    /// `Authorization: Bearer …` with a token of Microsoft Entra.
    Entra {
        /// What the token is for.
        scope: Scope,
    },
    /// AWS's signature version 4.
    SigV4 {
        /// The service it is for.
        service: Service,
    },
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query",
            Self::Basic => "basic",
            Self::Entra { .. } => "entra",
            Self::SigV4 { .. } => "sigv4",
        }
    }

    /// Whether a plugin may wish for this way for a credential of this kind. `api-key` is a
    /// single opaque text whose provider decides which header it goes into.
    fn fits(&self, kind: &str) -> bool {
        match self {
            Self::Bearer | Self::Header { .. } if kind == "api-key" => true,
            Self::SigV4 { .. } => kind == "aws",
            way => way.name() == kind,
        }
    }

    /// What attaches the credential so.
    pub fn attach(self, facts: &Arc<CredentialFacts>, identity: &Arc<Identity>) -> Arc<dyn Attach> {
        match self {
            Self::Bearer => Arc::new(Bearer),
            Self::Header { name, prefix } => Arc::new(Header::new(name, prefix)),
            Self::Query { name } => Arc::new(Query::new(name)),
            Self::Basic => Arc::new(Basic::new(facts.attributes.get("username").cloned())),
            Self::Entra { scope } => Arc::new(AttachEntra::new(scope, Arc::clone(facts), Arc::clone(identity))),
            Self::SigV4 { service } => Arc::new(SignV4::new(service, Arc::clone(facts), Arc::clone(identity))),
        }
    }
}

/// Decides how a credential is attached: by the grant's rule, else by the plugin's wish, else as
/// its kind says by itself. Nothing is fetched and no secret is needed for it.
///
/// # Errors
/// Why none of them can be followed.
pub fn plan(rule: Option<&str>, wish: Option<&str>, facts: &CredentialFacts) -> Result<Way, AttachError> {
    if let Some(rule) = rule {
        return read(rule);
    }
    if let Some(wish) = wish {
        let way = read(wish)?;
        if !way.fits(&facts.kind) {
            return Err(AttachError::Unfit {
                way: way.name(),
                kind: facts.kind.to_string(),
            });
        }
        if let Way::Entra { scope } = &way
            && !scope.may_be_wished()
        {
            return Err(AttachError::ScopeNotGranted(scope.clone()));
        }
        return Ok(way);
    }
    match &*facts.kind {
        "bearer" => Ok(Way::Bearer),
        "basic" => Ok(Way::Basic),
        kind => Err(AttachError::UnknownKind(kind.to_owned())),
    }
}

/// Whether a credential of this kind fits a slot that takes these kinds. `api-key` fits a slot
/// for `bearer` or `header`.
pub fn kind_fits(kind: &str, slot_kinds: &[String]) -> bool {
    slot_kinds
        .iter()
        .any(|wanted| wanted == kind || (kind == "api-key" && (wanted == "bearer" || wanted == "header")))
}

fn read(rule: &str) -> Result<Way, AttachError> {
    let Ok(Value::Object(object)) = serde_json::from_str(rule) else {
        return Err(AttachError::Rule);
    };
    let mut entries = object.into_iter();
    let (Some((way, how)), None) = (entries.next(), entries.next()) else {
        return Err(AttachError::Rule);
    };
    match (way.as_str(), how) {
        ("bearer", Value::Bool(true)) => Ok(Way::Bearer),
        ("basic", Value::Bool(true)) => Ok(Way::Basic),
        ("header", Value::String(name)) => header(&name, String::new()),
        ("header", Value::Object(mut how)) => {
            let prefix = match how.remove("prefix") {
                None => String::new(),
                Some(Value::String(prefix)) => prefix,
                Some(_) => return Err(AttachError::Rule),
            };
            match (how.remove("name"), how.is_empty()) {
                (Some(Value::String(name)), true) => header(&name, prefix),
                _ => Err(AttachError::Rule),
            }
        }
        ("query", Value::String(name)) => query(name),
        ("query", Value::Object(mut how)) => match (how.remove("name"), how.is_empty()) {
            (Some(Value::String(name)), true) => query(name),
            _ => Err(AttachError::Rule),
        },
        ("entra", Value::Object(mut how)) => match (how.remove("scope"), how.is_empty()) {
            (Some(Value::String(scope)), true) => Scope::parse(&scope)
                .map(|scope| Way::Entra { scope })
                .ok_or_else(|| AttachError::Scope(scope.chars().filter(|c| !c.is_control()).take(64).collect())),
            _ => Err(AttachError::Rule),
        },
        ("sigv4", Value::Object(mut how)) => match (how.remove("service"), how.is_empty()) {
            (Some(Value::String(service)), true) => Service::parse(&service)
                .map(|service| Way::SigV4 { service })
                .ok_or_else(|| AttachError::Service(service.chars().filter(|c| !c.is_control()).take(64).collect())),
            _ => Err(AttachError::Rule),
        },
        ("bearer" | "basic" | "header" | "query" | "entra" | "sigv4", _) => Err(AttachError::Rule),
        (other, _) => Err(AttachError::UnknownWay(other.chars().take(64).collect())),
    }
}

fn header(name: &str, prefix: String) -> Result<Way, AttachError> {
    let refused = || AttachError::Header(name.chars().take(64).collect());
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    if headers::always_owned(&parsed) || !prefix.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(refused());
    }
    Ok(Way::Header { name: parsed, prefix })
}

fn query(name: String) -> Result<Way, AttachError> {
    if name.is_empty() {
        Err(AttachError::Query)
    } else {
        Ok(Way::Query { name })
    }
}

/// The secret of a credential that has exactly one.
///
/// # Errors
/// When it has none or several.
pub(super) fn only_secret(secrets: &Secrets) -> Result<&Secret, AttachError> {
    let mut fields = secrets.iter();
    match (fields.next(), fields.next()) {
        (Some((_, secret)), None) => Ok(secret),
        _ => Err(AttachError::Field("exactly one secret field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::{facts, identity};

    fn attached(way: Way, kind: &str) -> Arc<dyn Attach> {
        way.attach(&Arc::new(facts(kind)), &identity())
    }

    #[test]
    fn a_wish_has_to_be_that_of_the_kind() {
        for (kind, wish, expected) in [
            ("bearer", r#"{"bearer":true}"#, Ok(None)),
            ("header", r#"{"header":"X-Api-Key"}"#, Ok(Some("x-api-key"))),
            (
                "header",
                r#"{"header":{"name":"authorization","prefix":"Token "}}"#,
                Ok(Some("authorization")),
            ),
            ("api-key", r#"{"bearer":true}"#, Ok(None)),
            ("api-key", r#"{"header":"x-api-key"}"#, Ok(Some("x-api-key"))),
            (
                "api-key",
                r#"{"query":"key"}"#,
                Err(AttachError::Unfit {
                    way: "query",
                    kind: "api-key".to_owned(),
                }),
            ),
            (
                "bearer",
                r#"{"query":"key"}"#,
                Err(AttachError::Unfit {
                    way: "query",
                    kind: "bearer".to_owned(),
                }),
            ),
            (
                "bearer",
                r#"{"header":"x-key"}"#,
                Err(AttachError::Unfit {
                    way: "header",
                    kind: "bearer".to_owned(),
                }),
            ),
            (
                "header",
                r#"{"header":"Host"}"#,
                Err(AttachError::Header("Host".to_owned())),
            ),
            (
                "header",
                r#"{"header":"a b"}"#,
                Err(AttachError::Header("a b".to_owned())),
            ),
            (
                "header",
                r#"{"header":{"name":"x-k","prefix":"a\nb"}}"#,
                Err(AttachError::Header("x-k".to_owned())),
            ),
            (
                "header",
                r#"{"header":{"name":"x-k","suffix":"a"}}"#,
                Err(AttachError::Rule),
            ),
            ("query", r#"{"query":""}"#, Err(AttachError::Query)),
            ("bearer", r#"{"bearer":false}"#, Err(AttachError::Rule)),
            ("bearer", r#"{"bearer":true,"query":"key"}"#, Err(AttachError::Rule)),
            ("bearer", r#"{}"#, Err(AttachError::Rule)),
            ("bearer", r#"true"#, Err(AttachError::Rule)),
            ("bearer", r#"{"#, Err(AttachError::Rule)),
            (
                "entra",
                r#"{"entra":{"scope":"https://ai.azure.com/.default"}}"#,
                Ok(None),
            ),
            (
                "entra",
                r#"{"entra":{"scope":"https://management.azure.com/.default"}}"#,
                Err(AttachError::ScopeNotGranted(
                    Scope::parse("https://management.azure.com/.default").unwrap(),
                )),
            ),
            (
                "bearer",
                r#"{"entra":{"scope":"https://ai.azure.com/.default"}}"#,
                Err(AttachError::Unfit {
                    way: "entra",
                    kind: "bearer".to_owned(),
                }),
            ),
            (
                "entra",
                r#"{"entra":{"scope":"https://ai.azure.com"}}"#,
                Err(AttachError::Scope("https://ai.azure.com".to_owned())),
            ),
            ("entra", r#"{"entra":true}"#, Err(AttachError::Rule)),
            ("aws", r#"{"sigv4":{"service":"bedrock"}}"#, Ok(None)),
            (
                "api-key",
                r#"{"sigv4":{"service":"bedrock"}}"#,
                Err(AttachError::Unfit {
                    way: "sigv4",
                    kind: "api-key".to_owned(),
                }),
            ),
            (
                "aws",
                r#"{"bearer":true}"#,
                Err(AttachError::Unfit {
                    way: "bearer",
                    kind: "aws".to_owned(),
                }),
            ),
            (
                "aws",
                r#"{"sigv4":{"service":"bed rock"}}"#,
                Err(AttachError::Service("bed rock".to_owned())),
            ),
            ("aws", r#"{"sigv4":{}}"#, Err(AttachError::Rule)),
            (
                "aws",
                r#"{"sigv4":{"service":"bedrock","region":"us-east-1"}}"#,
                Err(AttachError::Rule),
            ),
            (
                "bearer",
                r#"{"hmac":{}}"#,
                Err(AttachError::UnknownWay("hmac".to_owned())),
            ),
        ] {
            let planned = plan(None, Some(wish), &facts(kind));
            let got = planned.map(|way| attached(way, kind).header().map(|name| name.as_str().to_owned()));
            let expected = expected.map(|header| header.filter(|name| *name != "authorization").map(str::to_owned));
            // `authorization` is refused to the plugin whatever the way.
            let got = got.map(|header| header.filter(|name| name != "authorization"));
            assert_eq!(got, expected, "{kind} {wish}");
        }
    }

    #[test]
    fn a_grants_rule_wins_and_may_be_any_way() {
        let planned = plan(Some(r#"{"query":"key"}"#), Some(r#"{"bearer":true}"#), &facts("bearer")).unwrap();
        assert_eq!(attached(planned, "bearer").query_parameter(), Some("key"));
        let rule = r#"{"entra":{"scope":"https://management.azure.com/.default"}}"#;
        assert!(plan(Some(rule), None, &facts("entra")).is_ok());
    }

    #[test]
    fn without_rule_and_wish_the_kind_decides() {
        assert!(plan(None, None, &facts("bearer")).is_ok());
        assert!(plan(None, None, &facts("basic")).is_ok());
        for kind in ["header", "query", "api-key", "aws"] {
            assert_eq!(
                plan(None, None, &facts(kind)).err(),
                Some(AttachError::UnknownKind(kind.to_owned()))
            );
        }
    }

    #[test]
    fn kinds_fit_slots() {
        let slot = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
        for (kind, kinds, fits) in [
            ("bearer", &["bearer"][..], true),
            ("api-key", &["bearer"], true),
            ("api-key", &["header"], true),
            ("api-key", &["aws"], false),
            ("aws", &["aws"], true),
            ("bearer", &["header"], false),
            ("header", &["bearer", "header"], true),
            ("bearer", &[], false),
        ] {
            assert_eq!(kind_fits(kind, &slot(kinds)), fits, "{kind} into {kinds:?}");
        }
    }
}
