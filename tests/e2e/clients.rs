//! The official OpenAI packages for Python and Node.
//!
//! The scripts talk to `echo`, whose answers follow from what it is asked; those about leaving an
//! answer talk to `openai` and an upstream that never ends one.

use std::path::{Path, PathBuf};

use llm_host_tests::clients;
use llm_host_tests::host::{Host, PATIENCE, Plan};
use llm_host_tests::upstream::{End, Reply, Upstream};
use llm_host_tests::vault::Granted;

use crate::providers;

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e").join(path)
}

async fn echo() -> Host {
    Plan::new()
        .plugin("echo")
        .key("narrow", "llmh-test-key-narrow", &["echo/only-this"])
        .start()
        .await
}

/// A chunk of OpenAI's stream.
fn chunk(choices: &str) -> String {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x""#;
    format!("{{{head},\"choices\":[{choices}]}}")
}

/// The `openai` adapter before an upstream that begins every answer and never ends one.
async fn endless() -> (Host, Upstream) {
    let upstream = Upstream::answering(|_| {
        let role = chunk(r#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}"#);
        let text = chunk(r#"{"index":0,"delta":{"content":"one "},"finish_reason":null}"#);
        Reply::events([role.as_str(), &text]).ending(End::Never)
    })
    .await;
    let origin = upstream.origin();
    let host = Plan::new()
        .plugin("openai")
        .trusting(upstream.authority())
        .granted(Granted::api_key("openai", "sk-upstream", &origin))
        .settings(&format!("[providers.openai.settings]\nbase_url = {origin:?}"))
        .start()
        .await;
    (host, upstream)
}

/// Every request that the script began must have ended upstream, since the script has left them.
async fn ends_upstream(upstream: &Upstream) {
    let requests = upstream.received();
    assert!(!requests.is_empty(), "the script asked nothing");
    for request in &requests {
        assert_eq!(
            request.header("authorization"),
            Some("Bearer sk-upstream"),
            "the host's credential, not the caller's"
        );
    }
    let left = tokio::time::timeout(PATIENCE, upstream.left(requests.len())).await;
    left.expect("the calls to the provider end with those of the caller");
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        mod python {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    if llm_host_tests::places::python().is_some() {
                        let host = echo().await;
                        clients::python(&host, &script(concat!("python/", stringify!($name), ".py"))).await;
                    }
                }
            )*

            #[tokio::test]
            async fn native() {
                if llm_host_tests::places::python().is_some() {
                    let (host, upstream) = providers::both().await;
                    clients::python(&host, &script("python/native.py")).await;
                    providers::were_asked_with_their_keys(&host, &upstream).await;
                }
            }

            #[tokio::test]
            async fn leave() {
                if llm_host_tests::places::python().is_some() {
                    let (host, upstream) = endless().await;
                    clients::python(&host, &script("python/leave.py")).await;
                    ends_upstream(&upstream).await;
                }
            }
        }

        mod node {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    if llm_host_tests::places::node_modules().is_some() {
                        let host = echo().await;
                        clients::node(&host, &script(concat!("node/", stringify!($name), ".mjs"))).await;
                    }
                }
            )*

            #[tokio::test]
            async fn native() {
                if llm_host_tests::places::node_modules().is_some() {
                    let (host, upstream) = providers::both().await;
                    clients::node(&host, &script("node/native.mjs")).await;
                    providers::were_asked_with_their_keys(&host, &upstream).await;
                }
            }

            #[tokio::test]
            async fn leave() {
                if llm_host_tests::places::node_modules().is_some() {
                    let (host, upstream) = endless().await;
                    clients::node(&host, &script("node/leave.mjs")).await;
                    ends_upstream(&upstream).await;
                }
            }
        }
    };
}

scripts!(
    audio,
    chat,
    completions,
    embeddings,
    errors,
    history,
    images,
    models,
    stream,
    structured,
    tools
);
