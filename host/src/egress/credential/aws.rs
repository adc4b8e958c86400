//! Kind `aws`: requests signed with an AWS identity, signature version 4.
//!
//! In: a request that is complete, the credential's secrets and attributes. Out: the same with
//! `authorization`, `x-amz-date` and, for keys that end, `x-amz-security-token`. Never: keys
//! fetched while a request is signed that could have been held, or a request changed after it was
//! signed: this is the innermost layer.
//!
//! [`source`] reads where the keys come from, [`fetch`] has them fetched by AWS's own library over
//! [`http`], [`region`] finds the region that the address names, [`sign`] signs.

mod fetch;
mod http;
pub mod region;
mod sign;
pub(super) mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;

use self::http::SmithyClient;
use self::sign::Scope;
pub use self::source::SourceError;
use self::source::{Settings, Source};
use super::attach::{Attach, AttachError, Outgoing};
use super::identity::Identity;
use super::store::CredentialFacts;
use super::token::{TokenCache, TokenKey};
use crate::clock::Clock;
use llm_host_vault::{Secret, Secrets};

/// The keys of every entry of kind `aws` that has to fetch them.
pub(super) struct Aws {
    client: SharedHttpClient,
    keys: TokenCache<Credentials>,
}

impl Aws {
    /// Nothing fetched yet. Keys are fetched over this client's connections.
    pub(super) fn new(client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: SharedHttpClient::new(SmithyClient::new(client)),
            keys: TokenCache::new(clock),
        }
    }

    /// The keys to sign with. `near` is the region that is asked, in which keys are asked for where the
    /// entry and its source say none.
    async fn keys(
        &self,
        facts: &CredentialFacts,
        settings: Settings,
        near: &str,
        secrets: &Secrets,
    ) -> Result<Credentials, AttachError> {
        if settings.source == Source::Static {
            return fetch::from_vault(secrets);
        }
        let key = TokenKey::new(facts, "");
        let fetch = || fetch::fetch(settings, near.to_owned(), secrets.clone(), self.client.clone());
        let keys = self.keys.get(&key, fetch).await?;
        Ok(Credentials::clone(&keys))
    }

    /// AWS has refused the keys of this credential.
    fn refused(&self, facts: &CredentialFacts) {
        self.keys.refused(&TokenKey::new(facts, ""));
    }
}

/// What AWS calls keys that it does not know, or not any more.
const REFUSALS: [&str; 4] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
];

/// Whether an entry with these attributes says all that its source needs. Nothing is asked.
///
/// # Errors
/// What is missing.
pub fn check(attributes: &BTreeMap<String, String>) -> Result<(), SourceError> {
    Settings::read(attributes).map(|_| ())
}

/// Signs requests for one service.
pub(super) struct SignV4 {
    service: Service,
    facts: Arc<CredentialFacts>,
    identity: Arc<Identity>,
}

impl SignV4 {
    /// Signs for `service`, with the keys of the credential.
    pub(super) fn new(service: Service, facts: Arc<CredentialFacts>, identity: Arc<Identity>) -> Self {
        Self {
            service,
            facts,
            identity,
        }
    }
}

#[async_trait]
impl Attach for SignV4 {
    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let settings = Settings::read(&self.facts.attributes)?;
        let host = outgoing.url.host_str().unwrap_or_default();
        let region = region::of_host(host)
            .map(str::to_owned)
            .or_else(|| settings.region.clone());
        let region = region.ok_or_else(|| SourceError::Region(self.facts.name.to_string()))?;
        let keys = self
            .identity
            .aws()
            .keys(&self.facts, settings, &region, secrets)
            .await?;
        let scope = Scope {
            service: &self.service.0,
            region: &region,
            time: self.identity.clock().now(),
        };
        let signature = sign::sign(outgoing, &keys, scope)?;
        let secret = Secret::new(keys.secret_access_key());
        let token = keys.session_token().map(Secret::new);
        outgoing.derived.extend([secret, signature].into_iter().chain(token));
        Ok(())
    }

    fn answered(&self, status: u16, headers: &[(String, Bytes)]) {
        let said = headers.iter().find(|(name, _)| name == "x-amzn-errortype");
        let said = said.and_then(|(_, value)| std::str::from_utf8(value).ok());
        let said = said.map(|said| said.split(':').next().unwrap_or(said));
        if matches!(status, 400 | 403) && said.is_some_and(|said| REFUSALS.contains(&said)) {
            self.identity.aws().refused(&self.facts);
        }
    }
}

/// The name of a service as a signature has it, e.g. `bedrock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service(String);

impl Service {
    /// Reads a name: small letters, digits and hyphens.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = !name.is_empty() && name.len() <= 64 && name.bytes().all(fits);
        named.then(|| Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_types::{AUTHORIZATION, HeaderName};

    use super::*;
    use crate::config::Env;
    use crate::egress::client::{Client, ClientOptions};
    use crate::egress::testing::{ManualClock, facts, identity, outgoing};

    mod http_types {
        pub(super) use ::http::HeaderName;
        pub(super) use ::http::header::AUTHORIZATION;
    }

    fn keys() -> Secrets {
        [
            ("access_key_id".to_owned(), Secret::new("AKIDEXAMPLE")),
            ("secret_access_key".to_owned(), Secret::new("canary-secret-key-0001")),
            ("session_token".to_owned(), Secret::new("canary-session-token-0001")),
        ]
        .into_iter()
        .collect()
    }

    async fn signed(attributes: &[(&str, &str)], url: &str) -> Result<Outgoing, AttachError> {
        let mut facts = facts("aws");
        facts.attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut outgoing = Outgoing {
            url: url.parse().unwrap(),
            ..outgoing()
        };
        let service = Service::parse("bedrock").unwrap();
        let way = SignV4::new(service, Arc::new(facts), identity());
        way.attach(&keys(), &mut outgoing).await?;
        Ok(outgoing)
    }

    #[tokio::test]
    async fn the_hosts_region_wins_over_the_credentials() {
        for (region, url, scope) in [
            (
                Some("eu-west-1"),
                "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
                Ok("/us-east-1/bedrock/aws4_request"),
            ),
            (
                Some("eu-west-1"),
                "https://bedrock.internal.example/model/m/converse",
                Ok("/eu-west-1/bedrock/aws4_request"),
            ),
            (
                None,
                "https://bedrock.internal.example/model/m/converse",
                Err("set it: host vault set demo/key --attribute region="),
            ),
        ] {
            let mut attributes = vec![("source", "static")];
            attributes.extend(region.map(|region| ("region", region)));
            match (signed(&attributes, url).await, scope) {
                (Ok(outgoing), Ok(scope)) => {
                    let authorization = outgoing.headers[AUTHORIZATION].to_str().unwrap();
                    assert!(authorization.contains(scope), "{authorization}");
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (got, _) => panic!("{:?}", got.map(|_| ())),
            }
        }
    }

    #[tokio::test]
    async fn what_was_attached_is_marked_and_known_as_secret() {
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse";
        let outgoing = signed(&[("source", "static")], url).await.unwrap();
        for name in [AUTHORIZATION, HeaderName::from_static("x-amz-security-token")] {
            assert!(outgoing.headers[&name].is_sensitive(), "{name}");
        }
        let derived: Vec<&str> = outgoing.derived.iter().map(Secret::expose).collect();
        assert!(derived.contains(&"canary-secret-key-0001") && derived.contains(&"canary-session-token-0001"));
        let authorization = outgoing.headers[AUTHORIZATION].to_str().unwrap();
        let signature = authorization.rsplit_once("Signature=").unwrap().1;
        assert!(derived.contains(&signature));
    }

    /// The id of the key that a request was signed with.
    async fn key_id(way: &SignV4) -> String {
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse";
        let mut outgoing = Outgoing {
            url: url.parse().unwrap(),
            ..outgoing()
        };
        way.attach(&Secrets::default(), &mut outgoing).await.unwrap();
        let authorization = outgoing.headers[AUTHORIZATION].to_str().unwrap();
        let after = authorization.split_once("Credential=").unwrap().1;
        after.split('/').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn keys_that_aws_does_not_know_are_fetched_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let write = |id: &str| {
            let keys = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = canary-secret-key-0001\n");
            std::fs::write(&file, keys).unwrap();
        };
        write("AKIDFIRST");
        let mut facts = facts("aws");
        let attributes = [
            ("source", "profile"),
            ("credentials_file", file.to_str().unwrap()),
            ("config_file", "/dev/null"),
        ];
        facts.attributes = attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let clock = Arc::new(ManualClock::default());
        let client = Client::new(ClientOptions::default()).unwrap();
        let identity = Identity::new(Arc::clone(&clock) as Arc<dyn Clock>, &Env::default(), &client).unwrap();
        let way = SignV4::new(Service::parse("bedrock").unwrap(), Arc::new(facts), Arc::new(identity));
        assert_eq!(key_id(&way).await, "AKIDFIRST");
        write("AKIDSECOND");
        clock.advance(Duration::from_secs(61));
        let said = |kind: &'static str| vec![("x-amzn-errortype".to_owned(), Bytes::from_static(kind.as_bytes()))];
        way.answered(403, &said("AccessDeniedException:http://internal.amazon.com/"));
        way.answered(200, &said("ExpiredTokenException"));
        assert_eq!(key_id(&way).await, "AKIDFIRST");
        way.answered(403, &said("UnrecognizedClientException:http://internal.amazon.com/"));
        let mut seen = key_id(&way).await;
        for _ in 0..10_000 {
            if seen == "AKIDSECOND" {
                break;
            }
            tokio::task::yield_now().await;
            seen = key_id(&way).await;
        }
        assert_eq!(seen, "AKIDSECOND");
    }

    #[test]
    fn services_have_plain_names() {
        for (name, taken) in [
            ("bedrock", true),
            ("bedrock-runtime", true),
            ("s3", true),
            ("", false),
            ("Bedrock", false),
            ("a/b", false),
        ] {
            assert_eq!(Service::parse(name).is_some(), taken, "{name}");
        }
    }
}
