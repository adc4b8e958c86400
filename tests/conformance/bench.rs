//! The host between a client and a provider that answers as it is told.
//!
//! In: a request in OpenAI's dialect and the provider's reply. Out: what the client got, and what
//! the provider was asked. Never: two exchanges at once, so that each belongs to its request.

use std::sync::{Arc, Mutex};

use llm_host_tests::host::{Host, KEY, Plan};
use llm_host_tests::upstream::{Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::Value;

use crate::answer::{Answer, Head};
use crate::azure::{self, Place};
use crate::case::{Api, Case, Operation};
use crate::passing;

/// The credentials, which only the provider may see.
const OPENAI_KEY: &str = "sk-canary-openai-7f3a9d";
const ANTHROPIC_KEY: &str = "sk-ant-canary-51c08e";
const AZURE_KEY: &str = "canary-azure-0c77b1e2";

/// Which provider's sections of the configuration serve an API, with the credential.
fn provider(api: Api) -> (&'static str, &'static str) {
    match api {
        Api::OpenAi => ("openai", OPENAI_KEY),
        Api::Anthropic => ("anthropic", ANTHROPIC_KEY),
        Api::AnthropicCompatible => ("claude-compatible", OPENAI_KEY),
        Api::Azure => ("azure-openai", AZURE_KEY),
    }
}

/// The body with the model under the name that a caller has for it.
fn named(case: &Case, body: &Value) -> Value {
    let mut body = body.clone();
    let model = match case.api {
        Api::Azure => Place::of(case).model(),
        _ => body["model"].as_str().unwrap_or("any").to_owned(),
    };
    body["model"] = format!("{}/{model}", provider(case.api).0).into();
    body
}

/// The host's address for what a case asks for.
fn path(case: &Case) -> &'static str {
    match case.operation() {
        Operation::Embeddings => "/v1/embeddings",
        Operation::Completions => "/v1/completions",
        Operation::Pictures => "/v1/images/generations",
        Operation::Speech => "/v1/audio/speech",
        Operation::Chat | Operation::Native => "/v1/chat/completions",
    }
}

/// A running host with all providers.
pub(crate) struct Bench {
    host: Host,
    upstream: Upstream,
    reply: Arc<Mutex<Option<Reply>>>,
}

/// One exchange, from both ends.
pub(crate) struct Exchange {
    pub(crate) answer: Answer,
    /// Nothing when the host asked no provider.
    pub(crate) received: Option<Received>,
}

impl Bench {
    pub(crate) async fn start(cases: &[Case]) -> Self {
        let reply: Arc<Mutex<Option<Reply>>> = Arc::default();
        let ready = Arc::clone(&reply);
        let upstream = Upstream::answering(move |_| {
            let reply = ready.lock().expect("nobody panicked").take();
            reply.unwrap_or_else(|| Reply::of(599, "text/plain", "no reply is ready"))
        })
        .await;
        let origin = upstream.origin();
        let settings = format!(
            // Thousands of single bytes are much work for a program that was built without optimization.
            "[limits]\ncpu_time = \"60s\"\n\
             [providers.openai.settings]\nbase_url = \"{origin}\"\n\
             [providers.anthropic.settings]\nbase_url = \"{origin}\"\n\
             [providers.claude-compatible]\nplugin = \"openai\"\n\
             [providers.claude-compatible.settings]\nbase_url = \"{origin}\"\n{}",
            azure::settings(cases, &origin)
        );
        let plan = Plan::new()
            .plugin("openai")
            .plugin("anthropic")
            .plugin("azure-openai")
            .granted(Granted::api_key("openai", OPENAI_KEY, &origin))
            .granted(Granted::api_key("anthropic", ANTHROPIC_KEY, &origin))
            .granted(Granted::api_key("azure-openai", AZURE_KEY, &origin))
            .trusting(upstream.authority())
            .settings(&settings);
        Self {
            host: plan.start().await,
            upstream,
            reply,
        }
    }

    /// Asks for an exchange. `body` is in OpenAI's dialect, with the provider's name of the model.
    pub(crate) async fn ask(&self, case: &Case, body: &Value, reply: Reply) -> Exchange {
        let before = self.upstream.received().len();
        *self.reply.lock().expect("nobody panicked") = Some(reply);
        let response = self.host.post(path(case), &named(case, body)).await;
        let answer = Answer::read(response).await;
        let received = self.upstream.received().get(before).cloned();
        Exchange { answer, received }
    }

    /// Asks a provider of the configuration, with a body in OpenAI's dialect.
    pub(crate) async fn send(&self, provider: &str, path: &str, body: &Value, reply: Reply) -> Exchange {
        let before = self.upstream.received().len();
        *self.reply.lock().expect("nobody panicked") = Some(reply);
        let mut body = body.clone();
        body["model"] = format!("{provider}/{}", body["model"].as_str().unwrap_or("any")).into();
        let answer = Answer::read(self.host.post(path, &body).await).await;
        let received = self.upstream.received().get(before).cloned();
        Exchange { answer, received }
    }

    /// Asks for an exchange whose answer need not be text.
    pub(crate) async fn fetch(&self, case: &Case, body: &Value, reply: Reply) -> (Head, Vec<u8>, Option<Received>) {
        let before = self.upstream.received().len();
        *self.reply.lock().expect("nobody panicked") = Some(reply);
        let response = self.host.post(path(case), &named(case, body)).await;
        let head = Head::of(&response);
        let bytes = response.bytes().await.expect("the host's answer ends well").to_vec();
        (head, bytes, self.upstream.received().get(before).cloned())
    }

    /// Asks for an exchange in the provider's own API.
    pub(crate) async fn pass(&self, path: &str, body: &str, reply: Reply) -> Exchange {
        let before = self.upstream.received().len();
        *self.reply.lock().expect("nobody panicked") = Some(reply);
        let request = self.host.request(http::Method::POST, path);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = Answer::read(request.send().await.expect("an answer")).await;
        let received = self.upstream.received().get(before).cloned();
        Exchange { answer, received }
    }

    /// Checks address and headers of what the provider was asked.
    pub(crate) fn check_head(case: &Case, received: &Received) -> Result<(), String> {
        let api = case.api;
        let path = match api {
            Api::OpenAi if case.operation() != Operation::Chat => passing::target(case)?,
            Api::OpenAi | Api::AnthropicCompatible => "/v1/chat/completions".to_owned(),
            Api::Anthropic => "/v1/messages".to_owned(),
            Api::Azure => Place::of(case).target,
        };
        if received.method != "POST" || received.target != path {
            return Err(format!(
                "{} {} instead of POST {path}",
                received.method, received.target
            ));
        }
        let key = provider(api).1;
        let bearer = format!("Bearer {key}");
        let wanted = match api {
            Api::OpenAi | Api::AnthropicCompatible => [
                ("authorization", Some(bearer.as_str())),
                ("x-api-key", None),
                ("anthropic-version", None),
                ("api-key", None),
            ],
            Api::Azure => [
                ("authorization", None),
                ("x-api-key", None),
                ("anthropic-version", None),
                ("api-key", Some(key)),
            ],
            Api::Anthropic => [
                ("authorization", None),
                ("x-api-key", Some(key)),
                ("anthropic-version", Some("2023-06-01")),
                ("api-key", None),
            ],
        };
        for (name, value) in wanted {
            let count = received.headers.get_all(name).iter().count();
            if received.header(name) != value || count > 1 {
                return Err(format!(
                    "upstream header {name}: {:?}, expected {value:?}",
                    received.header(name)
                ));
            }
        }
        if received.header("content-type") != Some("application/json") {
            return Err(format!("upstream content-type: {:?}", received.header("content-type")));
        }
        let shown = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let leaked = received.headers.values().map(shown).any(|value| value.contains(KEY));
        if leaked || String::from_utf8_lossy(&received.body).contains(KEY) {
            return Err("the caller's own key went to the provider".to_owned());
        }
        Ok(())
    }

    /// Checks that no credential is in what a caller got.
    pub(crate) fn check_secrecy(answer: &Answer) -> Result<(), String> {
        let keys = [OPENAI_KEY, ANTHROPIC_KEY, AZURE_KEY];
        let seen = keys.iter().any(|key| answer.raw.contains(key));
        if seen {
            Err("a credential is in the caller's answer".to_owned())
        } else {
            Ok(())
        }
    }
}
