//! A strict Entra, the metadata services, and a resource that takes only their tokens.
//!
//! In: what is registered. Out: tokens for those who ask in the right form, the errors of the real
//! services for all others. Never: leniency; a field too many is refused as one too few.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use llm_host_tests::upstream::{Received, Reply};
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::world::ManualClock;
use llm_host::clock::Clock as _;

pub(super) const TENANT: &str = "contoso.onmicrosoft.com";
pub(super) const CLIENT: &str = "00000000-aaaa-bbbb-cccc-000000000001";
pub(super) const SECRET: &str = "canary~client-secret-0123456789";
pub(super) const FEDERATED: &str = "canary.federated-token.0123456789";
pub(super) const IDENTITY_HEADER: &str = "canary-identity-header-0123456789";
pub(super) const RESOURCE: &str = "https://cognitiveservices.azure.com";
pub(super) const APPLICATION: &str = include_str!("application.pem");
pub(super) const STRANGER: &str = include_str!("stranger.pem");

/// What Entra knows, and what it has given out.
pub(super) struct Entra {
    clock: Arc<ManualClock>,
    state: Mutex<State>,
}

struct State {
    secret: String,
    secret_expired: bool,
    life: Duration,
    /// Statuses to answer with before anything is looked at, with `retry-after`.
    troubles: Vec<(u16, Option<u64>)>,
    issued: BTreeMap<String, Issued>,
    assertions: BTreeSet<String>,
    asked: usize,
}

struct Issued {
    resource: String,
    expires: SystemTime,
}

impl Entra {
    pub(super) fn new(clock: Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::new(State {
                secret: SECRET.to_owned(),
                secret_expired: false,
                life: Duration::from_secs(3599),
                troubles: Vec::new(),
                issued: BTreeMap::new(),
                assertions: BTreeSet::new(),
                asked: 0,
            }),
        })
    }

    /// How often a token was asked for, whatever came of it.
    pub(super) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// The application has another secret from now on.
    pub(super) fn rotate(&self, secret: &str) {
        self.state.lock().unwrap().secret = secret.to_owned();
    }

    /// The application's secret has expired.
    pub(super) fn expire_secret(&self) {
        self.state.lock().unwrap().secret_expired = true;
    }

    /// Answers the next requests with these statuses.
    pub(super) fn trouble(&self, statuses: &[(u16, Option<u64>)]) {
        self.state.lock().unwrap().troubles = statuses.to_vec();
    }

    /// `POST /{tenant}/oauth2/v2.0/token`.
    pub(super) fn token_endpoint(&self, origin: &str, request: &Received) -> Reply {
        if let Some(trouble) = self.begin() {
            return trouble;
        }
        let Some(tenant) = request
            .target
            .strip_prefix('/')
            .and_then(|path| path.strip_suffix("/oauth2/v2.0/token"))
        else {
            return Reply::of(404, "text/html", "<html>no such page</html>");
        };
        if tenant != TENANT {
            return refusal(400, "invalid_request", 90_002);
        }
        if request.method != "POST" || request.header("content-type") != Some("application/x-www-form-urlencoded") {
            return refusal(400, "invalid_request", 900_144);
        }
        let mut form: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&request.body) {
            if form.insert(name.into_owned(), value.into_owned()).is_some() {
                return refusal(400, "invalid_request", 900_145);
            }
        }
        let mut take = |name: &str| form.remove(name).unwrap_or_default();
        if take("grant_type") != "client_credentials" {
            return refusal(400, "unsupported_grant_type", 70_003);
        }
        if take("client_id") != CLIENT {
            return refusal(400, "unauthorized_client", 700_016);
        }
        let scope = take("scope");
        let Some(resource) = scope.strip_suffix("/.default") else {
            return refusal(400, "invalid_scope", 1_002_012);
        };
        let (secret, kind, assertion) = (
            take("client_secret"),
            take("client_assertion_type"),
            take("client_assertion"),
        );
        if !form.is_empty() {
            return refusal(400, "invalid_request", 9_000_411);
        }
        let proved = match (secret.as_str(), kind.as_str(), assertion.as_str()) {
            (secret, "", "") if !secret.is_empty() => self.prove_by_secret(secret),
            ("", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", FEDERATED) => Ok(()),
            ("", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", assertion) => {
                self.prove_by_assertion(&format!("{origin}{}", request.target), assertion)
            }
            _ => Err(7_000_218),
        };
        match proved {
            Ok(()) => {
                let (token, life) = self.issue(resource);
                let body = json!({ "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token });
                Reply::json(200, &body)
            }
            Err(code) => refusal(401, "invalid_client", code),
        }
    }

    fn prove_by_secret(&self, secret: &str) -> Result<(), u64> {
        let state = self.state.lock().unwrap();
        match () {
            () if secret != state.secret => Err(7_000_215),
            () if state.secret_expired => Err(7_000_222),
            () => Ok(()),
        }
    }

    fn prove_by_assertion(&self, endpoint: &str, assertion: &str) -> Result<(), u64> {
        let [header, claims, signature] = assertion
            .split('.')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| 50_027_u64)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| 50_027_u64);
        let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).map_err(|_| 50_027_u64);
        let (head, said) = (json(header)?, json(claims)?);
        let certificate = CertificateDer::from_pem_slice(APPLICATION.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
        if head["typ"] != "JWT" || head["x5t#S256"] != thumbprint.as_str() {
            // A token of another issuer, or a certificate that nobody has registered.
            return Err(if head.get("x5t#S256").is_some() {
                700_027
            } else {
                70_021
            });
        }
        if let Some(chain) = head.get("x5c") {
            let leaf = chain[0].as_str().and_then(|leaf| STANDARD.decode(leaf).ok());
            if leaf.as_deref() != Some(certificate.as_ref()) {
                return Err(700_027);
            }
        }
        let key = RsaKeyPair::from_pkcs8(
            PrivatePkcs8KeyDer::from_pem_slice(APPLICATION.as_bytes())
                .unwrap()
                .secret_pkcs8_der(),
        );
        let algorithm: &dyn ring::signature::VerificationAlgorithm = match head["alg"].as_str() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(700_027),
        };
        let signed = &assertion.as_bytes()[..header.len() + 1 + claims.len()];
        UnparsedPublicKey::new(algorithm, key.unwrap().public().as_ref())
            .verify(signed, &decode(signature)?)
            .map_err(|_| 700_027_u64)?;
        if said["aud"] != endpoint || said["iss"] != CLIENT || said["sub"] != CLIENT {
            return Err(700_023);
        }
        let now = self
            .clock
            .now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let (from, to) = (
            said["nbf"].as_u64().ok_or(50_027_u64)?,
            said["exp"].as_u64().ok_or(50_027_u64)?,
        );
        // Entra allows five minutes of skew, and a life of at most a day.
        if from > now + 300 || to + 300 < now || to.saturating_sub(from) > 86_400 {
            return Err(700_024);
        }
        let id = said["jti"].as_str().filter(|id| !id.is_empty()).ok_or(50_027_u64)?;
        match self.state.lock().unwrap().assertions.insert(id.to_owned()) {
            true => Ok(()),
            false => Err(50_027),
        }
    }

    /// `GET` of a machine's metadata service or of App Service's identity endpoint.
    pub(super) fn metadata(&self, request: &Received) -> Reply {
        if let Some(trouble) = self.begin() {
            return trouble;
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let (version, resource_id) = match path {
            "/metadata/identity/oauth2/token" => {
                if request.header("metadata") != Some("true") || request.header("x-identity-header").is_some() {
                    return plain_refusal("bad_request_102", "Required metadata header not specified");
                }
                ("2018-02-01", "msi_res_id")
            }
            "/msi/token" => {
                if request.header("x-identity-header") != Some(IDENTITY_HEADER) {
                    return Reply::json(401, &json!({ "message": "the header is wrong" }));
                }
                ("2019-08-01", "mi_res_id")
            }
            _ => return Reply::of(404, "text/plain", ""),
        };
        let mut asked: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if request.method != "GET" || asked.remove("api-version").as_deref() != Some(version) {
            return plain_refusal("invalid_request", "api-version is not supported");
        }
        let Some(resource) = asked
            .remove("resource")
            .filter(|resource| !resource.ends_with("/.default"))
        else {
            return plain_refusal("invalid_resource", "AADSTS500011: The resource principal was not found");
        };
        let known = [
            ("client_id", CLIENT),
            ("object_id", "object-1"),
            (resource_id, "/subscriptions/s/identities/i"),
        ];
        let named = |(name, value): (&String, &String)| known.contains(&(name.as_str(), value.as_str()));
        if asked.len() > 1 || !asked.iter().all(named) {
            return plain_refusal("invalid_request", "Identity not found");
        }
        let (token, life) = self.issue(&resource);
        let on = self
            .clock
            .now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
            + life;
        let mut body = json!({ "access_token": token, "expires_on": on.to_string(), "resource": resource, "token_type": "Bearer" });
        if path != "/msi/token" {
            body["expires_in"] = json!(life.to_string());
        }
        Reply::json(200, &body)
    }

    fn begin(&self) -> Option<Reply> {
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        let (status, retry_after) = if state.troubles.is_empty() {
            None
        } else {
            Some(state.troubles.remove(0))
        }?;
        let reply = Reply::json(status, &json!({ "error": "temporarily_unavailable" }));
        Some(match retry_after {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        })
    }

    fn issue(&self, resource: &str) -> (String, u64) {
        let mut state = self.state.lock().unwrap();
        let claims = json!({ "aud": resource, "appid": CLIENT, "tid": TENANT, "oid": "object-1" });
        let token = format!(
            "{}.{}.canary-token-{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            state.issued.len()
        );
        let issued = Issued {
            resource: resource.to_owned(),
            expires: self.clock.now() + state.life,
        };
        state.issued.insert(token.clone(), issued);
        (token, state.life.as_secs())
    }

    /// A resource of Azure OpenAI: who comes without a good token is told so in its words.
    pub(super) fn resource(&self, request: &Received) -> Reply {
        let refused = |message: &str| Reply::json(401, &json!({ "error": { "code": "401", "message": message } }));
        let Some(token) = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
        else {
            return refused("Access denied due to missing credentials.");
        };
        match self.state.lock().unwrap().issued.get(token) {
            None => refused("Unauthorized. Access token is invalid."),
            Some(issued) if issued.expires <= self.clock.now() => refused("Unauthorized. Access token is expired."),
            Some(issued) if issued.resource != RESOURCE => refused(
                "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired.",
            ),
            Some(_) => Reply::json(200, &answer()),
        }
    }
}

fn answer() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "hello" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 }
    })
}

/// An error as Entra words it.
fn refusal(status: u16, error: &str, code: u64) -> Reply {
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: It is refused. Trace ID: 0\r\nCorrelation ID: 1"),
        "error_codes": [code],
        "timestamp": "2026-01-01 00:00:00Z",
        "trace_id": "00000000-1111-2222-3333-444444444444",
        "correlation_id": "00000000-1111-2222-3333-555555555555"
    });
    Reply::json(status, &body)
}

/// An error as metadata services word it.
fn plain_refusal(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({ "error": error, "error_description": description }))
}
