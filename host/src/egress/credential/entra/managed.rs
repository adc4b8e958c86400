//! The identity of the machine that the host runs on.
//!
//! In: which identity, for which resource, and what the platform has put into the environment. Out: a
//! request to the platform's token service, and its answer. Never: a credential of the vault.
//!
//! | platform | endpoint | what it wants |
//! |---|---|---|
//! | virtual machines, AKS nodes | `http://169.254.169.254/metadata/identity/oauth2/token`, 2018-02-01 | `Metadata: true` |
//! | App Service, Functions, Container Apps | `IDENTITY_ENDPOINT`, 2019-08-01 | `X-IDENTITY-HEADER` |
//! | Arc-enabled servers | `IDENTITY_ENDPOINT` with `IMDS_ENDPOINT`, or the agent's own where only its program is there, 2020-06-01 | `Metadata: true` and the content of a file that only the agent's group may read |
//!
//! Service Fabric, Cloud Shell and Azure Machine Learning have protocols of their own, which are not spoken here;
//! whoever is on one of them is told so.
//!
//! Sources: "How to use managed identities on an Azure VM to acquire an access token", "How to use managed
//! identities for App Service", "Authenticate against Azure resources with Azure Arc-enabled servers".

use std::path::{Path, PathBuf};

use http::HeaderName;
use http::header::AUTHORIZATION;
use llm_host_vault::Secret;
use url::Url;

use super::scope::Scope;
use super::source::Which;
use crate::config::Env;
use crate::config::env::azure;
use crate::egress::credential::token::TokenError;
use crate::egress::credential::token_client::{TokenAnswer, TokenClient, TokenRequest};

const METADATA_ORIGIN: &str = "http://169.254.169.254";
const METADATA_PATH: &str = "metadata/identity/oauth2/token";
/// The agent of an Arc-enabled server, and where it gives out tokens. It sets its variables for programs
/// that somebody starts, not for every service.
const ARC_AGENT: &str = "/opt/azcmagent/bin/himds";
const ARC_ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";
/// Where the agent of an Arc-enabled server writes the files that it demands to be shown.
const ARC_TOKENS: &str = "/var/opt/azcmagent/tokens";
/// The longest such file, as the documentation has it.
const ARC_TOKEN_LEN: u64 = 4096;

/// What the platform says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Platform {
    Machine { endpoint: Url },
    AppService { endpoint: Url },
    Arc { endpoint: Url },
}

/// Asks the platform for a token.
///
/// # Errors
/// When it cannot be asked, or wants something to be shown that cannot be had.
pub(super) async fn ask(
    client: &TokenClient,
    env: &Env,
    which: &Which,
    scope: &Scope,
) -> Result<TokenAnswer, TokenError> {
    let platform = Platform::of(env)?;
    let url = platform.url(which, scope)?;
    match platform {
        Platform::Machine { .. } => {
            let answer = client.send(TokenRequest::get(url).header("metadata", "true")).await;
            answer.map_err(|error| nobody(error, env))
        }
        Platform::AppService { .. } => {
            let shown = env
                .secret(azure::IDENTITY_HEADER)
                .map(|secret| Secret::new(secret.expose()));
            let shown = shown.ok_or_else(|| unreadable(azure::IDENTITY_HEADER))?;
            let header = HeaderName::from_static("x-identity-header");
            client
                .send(TokenRequest::get(url).secret_header(header, "", &shown)?)
                .await
        }
        Platform::Arc { .. } => {
            let request = || TokenRequest::get(url.clone()).header("metadata", "true");
            let answer = client.send(request()).await?;
            let (401, Some(challenge)) = (answer.status, &answer.challenge) else {
                return Ok(answer);
            };
            let shown = read_arc_token(challenge, Path::new(ARC_TOKENS)).await?;
            client
                .send(request().secret_header(AUTHORIZATION, "Basic ", &shown)?)
                .await
        }
    }
}

/// There is no metadata service: says where there is one, and what to do elsewhere.
fn nobody(mut error: TokenError, env: &Env) -> TokenError {
    if !error.retryable {
        return error;
    }
    error.reason.push_str(if env.get(azure::MSI_ENDPOINT).is_some() {
        "; this platform gives out tokens at its `MSI_ENDPOINT` (Cloud Shell, Azure Machine Learning), which the host cannot \
         ask: take a credential with the source `client-secret` or `client-certificate`"
    } else {
        "; only machines in Azure have this service, and App Service and Container Apps have theirs once an identity is \
         assigned"
    });
    error
}

/// What the service is called in messages, and the statuses with which it says that it will be back ("How to
/// use managed identities …", "error handling": not found while the endpoint is updated, and gone
/// for up to 70 seconds).
pub(super) fn service(env: &Env) -> (&'static str, &'static [u16]) {
    match Platform::of(env) {
        Ok(Platform::Machine { .. }) | Err(_) => ("the machine's metadata service", &[404, 410]),
        Ok(Platform::AppService { .. }) => ("the platform's identity endpoint", &[]),
        Ok(Platform::Arc { .. }) => ("the Arc agent's identity endpoint", &[404, 410]),
    }
}

impl Platform {
    fn of(env: &Env) -> Result<Self, TokenError> {
        Self::with(env, Path::new(ARC_AGENT))
    }

    /// `arc_agent` is the program that tells an Arc-enabled server.
    fn with(env: &Env, arc_agent: &Path) -> Result<Self, TokenError> {
        let url = |variable: &'static str| {
            let text = env.get(variable)?;
            Some(Url::parse(text).map_err(|_| unreadable(variable)))
        };
        let origin = url(azure::POD_IDENTITY_AUTHORITY_HOST);
        match (
            url(azure::IDENTITY_ENDPOINT),
            env.get(azure::IDENTITY_HEADER),
            env.get(azure::IMDS_ENDPOINT),
        ) {
            (Some(_), Some(_), _) if env.get(azure::IDENTITY_SERVER_THUMBPRINT).is_some() => {
                origin.map_or_else(|| Err(service_fabric()), Self::machine)
            }
            (Some(endpoint), Some(_), _) => Ok(Self::AppService { endpoint: endpoint? }),
            (Some(endpoint), None, Some(_)) => Ok(Self::Arc { endpoint: endpoint? }),
            _ => match origin {
                Some(origin) => Self::machine(origin),
                None if arc_agent.exists() => Ok(Self::Arc {
                    endpoint: Url::parse(ARC_ENDPOINT).map_err(|_| unreadable(azure::IDENTITY_ENDPOINT))?,
                }),
                None => Self::machine(Url::parse(METADATA_ORIGIN).map_err(|_| unreadable(azure::IDENTITY_ENDPOINT))),
            },
        }
    }

    /// A machine whose metadata service is at this origin.
    fn machine(origin: Result<Url, TokenError>) -> Result<Self, TokenError> {
        let endpoint = origin?.join(METADATA_PATH);
        endpoint
            .map(|endpoint| Self::Machine { endpoint })
            .map_err(|_| unreadable(azure::POD_IDENTITY_AUTHORITY_HOST))
    }

    fn url(&self, which: &Which, scope: &Scope) -> Result<Url, TokenError> {
        // The services call the same identity's resource id differently.
        let (endpoint, version, resource_id) = match self {
            Self::Machine { endpoint } => (endpoint, "2018-02-01", "msi_res_id"),
            Self::AppService { endpoint } => (endpoint, "2019-08-01", "mi_res_id"),
            Self::Arc { endpoint } if *which == Which::System => (endpoint, "2020-06-01", ""),
            Self::Arc { .. } => {
                return Err(TokenError::lasting(
                    "an Arc-enabled server has only the identity of its own; take the attributes `client_id`, \
                     `object_id` and `resource_id` out of the credential",
                ));
            }
        };
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", scope.resource());
        let (name, value) = match which {
            Which::System => return Ok(url),
            Which::Client(id) => ("client_id", id),
            Which::Object(id) => ("object_id", id),
            Which::Resource(id) => (resource_id, id),
        };
        url.query_pairs_mut().append_pair(name, value);
        Ok(url)
    }
}

/// The content of the file that the agent names. Only one that the agent itself can have written is
/// read: whoever answers in its place must not have the host's files shown to it.
async fn read_arc_token(challenge: &str, directory: &Path) -> Result<Secret, TokenError> {
    let refused = |why: &str| TokenError::lasting(format!("the Arc agent wants a file to be shown that {why}"));
    let path = challenge
        .trim()
        .strip_prefix("Basic realm=")
        .map(|path| PathBuf::from(path.trim_matches('"')))
        .ok_or_else(|| refused("it does not name"))?;
    let own = path.parent() == Some(directory) && path.extension().is_some_and(|extension| extension == "key");
    if !own {
        return Err(refused("is not one of its own"));
    }
    let read = async {
        let metadata = tokio::fs::symlink_metadata(&path).await?;
        let fits = metadata.is_file() && metadata.len() <= ARC_TOKEN_LEN;
        Ok::<_, std::io::Error>(if fits {
            Some(tokio::fs::read_to_string(&path).await?)
        } else {
            None
        })
    };
    match read.await {
        Ok(Some(text)) => Ok(Secret::new(text)),
        Ok(None) => Err(refused("is not one of its own")),
        Err(_) => Err(refused(
            "the host cannot read; add the host's user to the group `himds`",
        )),
    }
}

/// The platform has a protocol of its own, with a certificate that is known by its thumbprint alone.
fn service_fabric() -> TokenError {
    TokenError::lasting(
        "this platform gives out tokens by Service Fabric's protocol (`IDENTITY_SERVER_THUMBPRINT`), which the host does not \
         speak: take a credential with the source `client-secret`, `client-certificate` or `workload-identity`; where the \
         machine's metadata service answers, too, set AZURE_POD_IDENTITY_AUTHORITY_HOST=http://169.254.169.254",
    )
}

fn unreadable(variable: &str) -> TokenError {
    TokenError::lasting(format!(
        "the variable `{variable}` in the host's environment cannot be used"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(env: &[(&str, &str)], which: &Which) -> Result<String, String> {
        let scope = Scope::parse("https://cognitiveservices.azure.com/.default").unwrap();
        let platform = Platform::of(&Env::from_pairs(env.iter().copied())).map_err(|error| error.reason)?;
        platform
            .url(which, &scope)
            .map(String::from)
            .map_err(|error| error.reason)
    }

    const APP_SERVICE: [(&str, &str); 2] = [
        (azure::IDENTITY_ENDPOINT, "http://127.0.0.1:41155/msi/token"),
        (azure::IDENTITY_HEADER, "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"),
    ];
    const ARC: [(&str, &str); 2] = [
        (
            azure::IDENTITY_ENDPOINT,
            "http://localhost:40342/metadata/identity/oauth2/token",
        ),
        (azure::IMDS_ENDPOINT, "http://localhost:40342"),
    ];

    #[test]
    fn each_platform_is_asked_in_its_own_form() {
        let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
        let machine =
            format!("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}");
        let service = format!("http://127.0.0.1:41155/msi/token?api-version=2019-08-01&{resource}");
        let arc = format!("http://localhost:40342/metadata/identity/oauth2/token?api-version=2020-06-01&{resource}");
        let id = || "1-2".to_owned();
        for (env, which, expected) in [
            (&[][..], Which::System, machine.clone()),
            (&[], Which::Client(id()), format!("{machine}&client_id=1-2")),
            (&[], Which::Object(id()), format!("{machine}&object_id=1-2")),
            (
                &[],
                Which::Resource("/s/1".to_owned()),
                format!("{machine}&msi_res_id=%2Fs%2F1"),
            ),
            (&APP_SERVICE, Which::System, service.clone()),
            (&APP_SERVICE, Which::Client(id()), format!("{service}&client_id=1-2")),
            (
                &APP_SERVICE,
                Which::Resource("/s/1".to_owned()),
                format!("{service}&mi_res_id=%2Fs%2F1"),
            ),
            (&ARC, Which::System, arc),
        ] {
            assert_eq!(url(env, &which), Ok(expected));
        }
        assert!(url(&ARC, &Which::Client(id())).unwrap_err().contains("Arc"));
        assert!(
            url(&[(azure::IDENTITY_ENDPOINT, "x"), APP_SERVICE[1]], &Which::System)
                .unwrap_err()
                .contains("IDENTITY_ENDPOINT")
        );
    }

    #[test]
    fn a_platform_is_known_by_what_it_leaves_and_one_that_cannot_be_asked_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (agent, none) = (directory.path().join("himds"), directory.path().join("none"));
        std::fs::write(&agent, "").unwrap();
        let fabric = [APP_SERVICE.as_slice(), &[(azure::IDENTITY_SERVER_THUMBPRINT, "ab")]].concat();
        let elsewhere = [(azure::POD_IDENTITY_AUTHORITY_HOST, "http://169.254.169.254")];
        let redirected = [fabric.as_slice(), &elsewhere].concat();
        for (env, agent, endpoint) in [
            (
                &[][..],
                &none,
                Ok("http://169.254.169.254/metadata/identity/oauth2/token"),
            ),
            (&[], &agent, Ok(ARC_ENDPOINT)),
            (
                &elsewhere,
                &agent,
                Ok("http://169.254.169.254/metadata/identity/oauth2/token"),
            ),
            (&APP_SERVICE, &agent, Ok(APP_SERVICE[0].1)),
            (&fabric, &none, Err("Service Fabric")),
            (
                &redirected,
                &none,
                Ok("http://169.254.169.254/metadata/identity/oauth2/token"),
            ),
        ] {
            let platform = Platform::with(&Env::from_pairs(env.iter().copied()), agent);
            let found = platform.map(|platform| match platform {
                Platform::Machine { endpoint } | Platform::AppService { endpoint } | Platform::Arc { endpoint } => {
                    endpoint
                }
            });
            match (found, endpoint) {
                (Ok(found), Ok(endpoint)) => assert_eq!(found.as_str(), endpoint, "{env:?}"),
                (Err(error), Err(named)) => assert!(error.reason.contains(named) && !error.retryable, "{error}"),
                (found, _) => panic!("{env:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn who_is_not_in_azure_is_told_where_tokens_are() {
        let absent = || TokenError::passing("no answer from `169.254.169.254`");
        for (env, named) in [
            (&[][..], "only machines in Azure"),
            (
                &[(azure::MSI_ENDPOINT, "http://localhost:50342/oauth2/token")],
                "Cloud Shell",
            ),
        ] {
            let error = nobody(absent(), &Env::from_pairs(env.iter().copied()));
            assert!(error.reason.contains(named) && error.retryable, "{error}");
        }
        let refused = nobody(TokenError::lasting("refused"), &Env::from_pairs([("a", "b")]));
        assert_eq!(refused.reason, "refused");
    }

    #[tokio::test]
    async fn only_a_file_of_the_agents_own_is_shown_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("a.key");
        std::fs::write(&own, "shown").unwrap();
        std::fs::write(directory.path().join("a.txt"), "secret").unwrap();
        std::fs::write(directory.path().join("long.key"), vec![b'a'; 4097]).unwrap();
        std::os::unix::fs::symlink(directory.path().join("a.txt"), directory.path().join("link.key")).unwrap();
        std::fs::create_dir(directory.path().join("below")).unwrap();
        std::fs::write(directory.path().join("below/a.key"), "secret").unwrap();
        let challenge = |path: &Path| format!("Basic realm={}", path.display());
        let shown = read_arc_token(&challenge(&own), directory.path()).await.unwrap();
        assert_eq!(shown.expose(), "shown");
        for path in [
            "a.txt",
            "long.key",
            "link.key",
            "below/a.key",
            "below/../a.txt",
            "none.key",
        ] {
            let refused = read_arc_token(&challenge(&directory.path().join(path)), directory.path()).await;
            assert!(refused.is_err(), "{path}");
        }
        assert!(read_arc_token("Bearer x", directory.path()).await.is_err());
    }
}
