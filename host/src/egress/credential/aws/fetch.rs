//! Fetching keys, by AWS's own library.
//!
//! In: a source, the entry's secrets, a client. Out: keys with their end, or why there are none,
//! with what to do about it. Never: a secret in an error.
//!
//! The library reads the environment and AWS's files by itself, for the sources that are made of
//! them: that is what `profile`, `container`, `imds` and `default-chain` mean. It also follows
//! AWS's variables for other endpoints (`AWS_ENDPOINT_URL_STS` and the like).

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::{ProvideRegion as _, RegionProviderChain};
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::ErrorMetadata;

use super::super::attach::AttachError;
use super::super::token::{Fetched, TokenError};
use super::source::{AssumeRole, Settings, Source, Sso};
use crate::egress::leak::Needles;
use llm_host_vault::{Secret, Secrets};

/// The longest that one answer may take, and all attempts together.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
const OPERATION_LIMIT: Duration = Duration::from_secs(25);
/// How often a request for keys is sent before it has failed.
const ATTEMPTS: u32 = 2;
/// Keys without an end may be replaced in the file that they come from; it is read again after this.
const READ_AGAIN: Duration = Duration::from_secs(5 * 60);
/// The longest text of AWS's that an error repeats, in characters.
const LONGEST_TEXT: usize = 400;

/// The keys that are in the vault.
///
/// # Errors
/// When a field is missing.
pub(super) fn from_vault(secrets: &Secrets) -> Result<Credentials, AttachError> {
    let field = |name| secrets.get(name).map(Secret::expose);
    let id = field("access_key_id").ok_or(AttachError::Field("a secret field `access_key_id`"))?;
    let key = field("secret_access_key").ok_or(AttachError::Field("a secret field `secret_access_key`"))?;
    let token = field("session_token").map(str::to_owned);
    Ok(Credentials::new(id, key, token, None, "vault"))
}

/// Fetches the keys of a source.
///
/// # Errors
/// Why there are none, whether that may pass, and what to do.
pub(super) async fn fetch(
    settings: Settings,
    near: String,
    secrets: Secrets,
    client: SharedHttpClient,
) -> Result<Fetched<Credentials>, TokenError> {
    let Settings { source, region } = settings;
    let name = source.name();
    let fix = fix(&source);
    let fetching = Fetching {
        region,
        near,
        secrets,
        client,
    };
    let provided = match &source {
        Source::AssumeRole(role) => fetching.assume(role).await,
        other => fetching.provider(other).await?.provide_credentials().await,
    };
    match provided {
        Ok(token) => {
            let expires = token.expiry();
            let refresh = match expires {
                Some(_) => None,
                None => SystemTime::now().checked_add(READ_AGAIN),
            };
            let life = expires.and_then(|expires| expires.duration_since(SystemTime::now()).ok());
            tracing::info!(
                source = name,
                seconds = life.map(|life| life.as_secs()),
                "fetched AWS keys"
            );
            Ok(Fetched {
                token,
                expires,
                refresh,
            })
        }
        Err(error) => Err(fetching.failure(name, fix, &error)),
    }
}

struct Fetching {
    region: Option<String>,
    /// The region to ask in where neither the entry nor its source says one.
    near: String,
    secrets: Secrets,
    client: SharedHttpClient,
}

impl Fetching {
    fn config(&self) -> ProviderConfig {
        ProviderConfig::empty()
            .with_region(self.region.clone().map(Region::new))
            .with_http_client(self.client.clone())
            .with_sleep_impl(TokioSleep::new())
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .with_timeout_config(timeouts())
    }

    /// The provider of a source that stands on no other.
    async fn provider(&self, source: &Source) -> Result<SharedCredentialsProvider, TokenError> {
        let config = self.config();
        Ok(match source {
            Source::Static => {
                let keys = from_vault(&self.secrets).map_err(|error| TokenError::lasting(error.to_string()))?;
                SharedCredentialsProvider::new(keys)
            }
            Source::Profile {
                name,
                config_file,
                credentials_file,
            } => {
                let mut files = EnvConfigFiles::builder()
                    .include_default_config_file(config_file.is_none())
                    .include_default_credentials_file(credentials_file.is_none());
                if let Some(file) = config_file {
                    files = files.with_file(EnvConfigFileKind::Config, file);
                }
                if let Some(file) = credentials_file {
                    files = files.with_file(EnvConfigFileKind::Credentials, file);
                }
                self.profile(name.as_deref(), files.build()).await
            }
            Source::Sso(sso) => SharedCredentialsProvider::new(sso_provider(sso, &config)),
            Source::WebIdentity {
                role_arn,
                session_name,
                token_file,
            } => SharedCredentialsProvider::new(
                WebIdentityTokenCredentialsProvider::builder()
                    .configure(&config)
                    .static_configuration(StaticConfiguration {
                        web_identity_token_file: token_file.clone(),
                        role_arn: role_arn.clone(),
                        session_name: session_name.clone(),
                    })
                    .build(),
            ),
            Source::Container => {
                SharedCredentialsProvider::new(EcsCredentialsProvider::builder().configure(&config).build())
            }
            Source::Imds { instance_profile } => {
                let mut imds = ImdsCredentialsProvider::builder().configure(&config);
                if let Some(profile) = instance_profile {
                    imds = imds.profile(profile);
                }
                SharedCredentialsProvider::new(imds.build())
            }
            Source::DefaultChain { profile } => {
                let region = self.usual_region(profile.as_deref());
                let mut chain = DefaultCredentialsChain::builder().configure(config).region(region);
                if let Some(profile) = profile {
                    chain = chain.profile_name(profile);
                }
                SharedCredentialsProvider::new(chain.build().await)
            }
            Source::AssumeRole(_) => {
                return Err(TokenError::lasting(
                    "a role that is assumed cannot be the base of another",
                ));
            }
        })
    }

    /// The region that AWS's own tools would find, else the one that is asked.
    fn usual_region(&self, profile: Option<&str>) -> RegionProviderChain {
        let config = self.config();
        let mut of_profile = ProfileFileRegionProvider::builder().configure(&config);
        if let Some(profile) = profile {
            of_profile = of_profile.profile_name(profile);
        }
        RegionProviderChain::first_try(self.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(of_profile.build())
            .or_else(ImdsRegionProvider::builder().configure(&config).build())
            .or_else(Region::new(self.near.clone()))
    }

    async fn profile(&self, name: Option<&str>, files: EnvConfigFiles) -> SharedCredentialsProvider {
        let mut config = self.config();
        if self.region.is_none() {
            let mut region = ProfileFileRegionProvider::builder()
                .configure(&config)
                .profile_files(files.clone());
            if let Some(name) = name {
                region = region.profile_name(name);
            }
            let region = region.build().region().await;
            config = config.with_region(region.or_else(|| Some(Region::new(self.near.clone()))));
        }
        let mut profile = ProfileFileCredentialsProvider::builder()
            .configure(&config)
            .profile_files(files);
        if let Some(name) = name {
            profile = profile.profile_name(name);
        }
        SharedCredentialsProvider::new(profile.build())
    }

    async fn assume(&self, role: &AssumeRole) -> Result<Credentials, CredentialsError> {
        let base = self.provider(&role.base).await;
        let base = base.map_err(|error| CredentialsError::invalid_configuration(error.to_string()))?;
        let mut config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.client.clone())
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts())
            .no_credentials();
        if let Some(region) = &self.region {
            config = config.region(Region::new(region.clone()));
        }
        let mut provider = AssumeRoleProvider::builder(&role.role_arn)
            .session_name(&role.session_name)
            .configure(&config.load().await);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        if let Some(duration) = role.duration {
            provider = provider.session_length(duration);
        }
        provider.build_from_provider(base).await.provide_credentials().await
    }

    fn failure(&self, source: &str, fix: String, error: &CredentialsError) -> TokenError {
        let (text, retryable) = read_failure(error);
        let fix = fix_of(&text).map_or(fix, str::to_owned);
        let needles = Needles::of(self.secrets.iter().map(|(_, secret)| secret.expose()));
        let text: String = needles.redact(&text).chars().take(LONGEST_TEXT).collect();
        let reason = format!("AWS source `{source}` gave no keys: {text}; {fix}");
        if retryable {
            TokenError::passing(reason)
        } else {
            TokenError::lasting(reason)
        }
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_LIMIT)
        .operation_timeout(OPERATION_LIMIT)
        .build()
}

fn sso_provider(sso: &Sso, config: &ProviderConfig) -> SsoCredentialsProvider {
    let builder = SsoCredentialsProvider::builder()
        .configure(config)
        .start_url(&sso.start_url)
        .region(Region::new(sso.region.clone()))
        .account_id(&sso.account_id)
        .role_name(&sso.role_name);
    match &sso.session {
        Some(session) => builder.session_name(session).build(),
        None => builder.build(),
    }
}

/// What an admin can do about some words of AWS's, whatever the source.
fn fix_of(text: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["DurationSeconds"]) {
        Some(
            "attribute `duration` is longer than the role allows; a role that a role assumes lives for 3600 seconds at most",
        )
    } else if says(&["RegionDisabledException", "STS is not activated"]) {
        Some("activate STS for that region in the account settings of IAM, or set another `region`")
    } else if says(&["Signature expired", "Signature not yet current"]) {
        Some("this machine's clock is off: set it (NTP)")
    } else if says(&["MultiFactorAuthentication"]) {
        Some(
            "the role wants a code, and nobody is there to give one: let its trust policy do without for the host's identity",
        )
    } else {
        None
    }
}

/// What an admin can do about a source that gives no keys.
fn fix(source: &Source) -> String {
    match source {
        Source::Static => "`host vault rotate` sets new ones".to_owned(),
        Source::Profile { name, .. } => format!(
            "as the user that the host runs as, `aws sts get-caller-identity --profile {}` shows what is wrong with the profile. \
             One that wants a code (`mfa_serial`) or that `aws login` made (`login_session`) is used by another with \
             `credential_process = aws configure export-credentials --profile NAME`",
            name.as_deref().unwrap_or("default")
        ),
        Source::Sso(_) => {
            "`aws sso login`, as the user that the host runs as, signs in again; then check account and permission set"
                .to_owned()
        }
        Source::AssumeRole(role) => {
            let with = match role.external_id {
                Some(_) => " with this external id",
                None => "",
            };
            format!(
                "the trust policy of {} has to allow `sts:AssumeRole`{with} to the identity of `{}`, and that identity's own policy, too",
                role.role_arn,
                role.base.name()
            )
        }
        Source::WebIdentity {
            role_arn, token_file, ..
        } => format!(
            "check that {} is there and new, and that the trust policy of {role_arn} allows `sts:AssumeRoleWithWebIdentity` to its issuer and subject",
            token_file.display()
        ),
        Source::Container => {
            "the host has to run in an ECS task with a task role, or in an EKS pod with Pod Identity".to_owned()
        }
        Source::Imds { .. } => {
            "the host has to run on an EC2 instance with an instance profile; from inside a container, \
             the instance's metadata hop limit has to be 2"
                .to_owned()
        }
        Source::DefaultChain { .. } => {
            "none of the places where AWS's tools look had keys; an entry with a source of its own says which one fails"
                .to_owned()
        }
    }
}

/// What AWS said, and whether it may pass by itself. Only what errors say for people is read: their
/// debug texts hold whole answers.
fn read_failure(error: &CredentialsError) -> (String, bool) {
    let mut texts: Vec<String> = Vec::new();
    let mut refusal = None;
    let mut connection = None;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(said) = error.downcast_ref::<ErrorMetadata>() {
            refusal = said.code();
            let said = [said.code(), said.message()].into_iter().flatten().collect::<Vec<_>>();
            texts.push(said.join(": "));
        } else {
            connection = connection.or(error.downcast_ref::<ConnectorError>());
            texts.push(error.to_string());
        }
        cause = error.source();
    }
    // The outer words say only that there was an error.
    let mut telling: Vec<&String> = texts.iter().skip(1).collect();
    telling.dedup();
    let last = telling.iter().rev().take(2).rev();
    let mut text = last.map(|text| text.as_str()).collect::<Vec<_>>().join(": ");
    if text.is_empty() {
        text = error.to_string();
    }
    let passing = match (error, refusal) {
        // A request that the host refuses to send is the entry's or the environment's fault.
        _ if connection.is_some() => connection.is_some_and(|error| !error.is_user()),
        (_, Some(code)) => PASSING_CODES.contains(&code),
        (CredentialsError::ProviderError(_) | CredentialsError::ProviderTimedOut(_), None) => true,
        _ => false,
    };
    (text, passing)
}

/// Answers of AWS's that ask for another attempt.
const PASSING_CODES: [&str; 9] = [
    "IDPCommunicationError",
    "InternalError",
    "InternalFailure",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

    use super::super::http::SmithyClient;
    use super::*;
    use crate::egress::client::{Client, ClientOptions};

    #[test]
    fn what_may_pass_is_told_from_what_may_not() {
        let said = |code: &str| ErrorMetadata::builder().code(code).message("in AWS's words").build();
        let gone = || ConnectorError::io("no answer from `sts.example`: connection refused".into());
        for (error, text, passing) in [
            (
                CredentialsError::provider_error(said("AccessDenied")),
                "AccessDenied: in AWS's words",
                false,
            ),
            (
                CredentialsError::provider_error(said("Throttling")),
                "Throttling: in AWS's words",
                true,
            ),
            (
                CredentialsError::provider_error(gone()),
                "io error: no answer from `sts.example`: connection refused",
                true,
            ),
            (
                CredentialsError::not_loaded(gone()),
                "io error: no answer from `sts.example`: connection refused",
                true,
            ),
            (
                CredentialsError::provider_error(ConnectorError::user("the address is malformed".into())),
                "user error: the address is malformed",
                false,
            ),
            (
                CredentialsError::invalid_configuration("no such profile"),
                "no such profile",
                false,
            ),
            (
                CredentialsError::not_loaded_no_source(),
                "the credential provider was not enabled",
                false,
            ),
            (
                CredentialsError::provider_timed_out(Duration::from_secs(5)),
                "credentials provider timed out after 5 seconds",
                true,
            ),
        ] {
            assert_eq!(read_failure(&error), (text.to_owned(), passing));
        }
    }

    /// Notes where it is asked to go, and goes nowhere.
    #[derive(Debug, Clone, Default)]
    struct Noting(Arc<Mutex<Vec<String>>>);

    impl HttpClient for Noting {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for Noting {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.0.lock().unwrap().push(request.uri().to_owned());
            HttpConnectorFuture::ready(Err(ConnectorError::user("nowhere".into())))
        }
    }

    #[tokio::test]
    async fn a_profile_without_a_region_asks_in_the_one_that_is_signed_for() {
        let dir = tempfile::tempdir().unwrap();
        let keys = "[keys]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = canary\n";
        let role = "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\n";
        for (more, region) in [("", "eu-west-1"), ("region = us-west-2\n", "us-west-2")] {
            let file = dir.path().join("credentials");
            std::fs::write(&file, format!("{role}{more}{keys}")).unwrap();
            let attributes = [
                ("source", "profile"),
                ("profile", "default"),
                ("credentials_file", file.to_str().unwrap()),
                ("config_file", "/dev/null"),
            ];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let settings = Settings::read(&attributes.into()).unwrap();
            let noting = Noting::default();
            let client = SharedHttpClient::new(noting.clone());
            let fetched = fetch(settings, "eu-west-1".to_owned(), Secrets::default(), client).await;
            assert!(fetched.is_err());
            let asked = noting.0.lock().unwrap().clone();
            assert!(asked[0].contains(&format!("sts.{region}.amazonaws.com")), "{asked:?}");
        }
    }

    #[test]
    fn some_words_have_a_fix_of_their_own() {
        for (text, words) in [
            (
                "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
                "3600 seconds",
            ),
            (
                "RegionDisabledException: STS is not activated in this region for account:1",
                "activate STS",
            ),
            (
                "SignatureDoesNotMatch: Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
                "clock",
            ),
            (
                "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.",
                "wants a code",
            ),
        ] {
            assert!(fix_of(text).is_some_and(|fix| fix.contains(words)), "{text}");
        }
        assert_eq!(
            fix_of("AccessDenied: User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole"),
            None
        );
    }

    #[test]
    fn a_failure_does_not_repeat_the_entrys_own_secrets() {
        let secrets = Secrets::one("secret_access_key", Secret::new("canary-secret-key-0001"));
        let client = Client::new(ClientOptions::default()).unwrap().for_tokens().unwrap();
        let fetching = Fetching {
            region: None,
            near: "us-east-1".to_owned(),
            secrets,
            client: SharedHttpClient::new(SmithyClient::new(client)),
        };
        let error = CredentialsError::invalid_configuration("it was canary-secret-key-0001 that failed");
        let told = fetching.failure("assume-role", "the fix".to_owned(), &error);
        assert_eq!(
            told.reason,
            "AWS source `assume-role` gave no keys: it was [secret] that failed; the fix"
        );
        assert!(!told.retryable);
    }
}
