//! `host doctor` against a provider that answers.

use llm_host_tests::host::Plan;
use llm_host_tests::upstream::{Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

const CANARY: &str = "sk-canary-0123456789abcdef";

/// An OpenAI that knows one key and one model.
fn provider(request: &Received) -> Reply {
    if request.header("authorization") != Some(&format!("Bearer {CANARY}")) {
        let error = json!({ "message": "Incorrect API key provided.", "type": "invalid_request_error", "param": null, "code": "invalid_api_key" });
        return Reply::json(401, &json!({ "error": error }));
    }
    if request.target.ends_with("/models") {
        let model = json!({ "id": "gpt-5-mini", "object": "model", "created": 1, "owned_by": "openai" });
        return Reply::json(200, &json!({ "object": "list", "data": [model] }));
    }
    if request.json()["model"] != "gpt-5-mini" {
        let error = json!({ "message": "The model does not exist.", "type": "invalid_request_error", "param": "model", "code": "model_not_found" });
        return Reply::json(404, &json!({ "error": error }));
    }
    let message = json!({ "role": "assistant", "content": "ok" });
    Reply::json(
        200,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini-2025-08-07",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": message }],
            "usage": { "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 }
        }),
    )
}

/// The exit code, the document, and what was said beside it.
async fn doctor(secret: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let upstream = Upstream::answering(provider).await;
    let origin = upstream.origin();
    let host = Plan::new()
        .plugin("openai")
        .trusting(upstream.authority())
        .settings(&format!(
            "[providers.openai]\nplugin = \"openai\"\nsettings = {{ base_url = {origin:?} }}"
        ))
        .granted(Granted::api_key("openai", secret, &origin))
        .start()
        .await;
    let output = host
        .command(&[&["doctor", "openai", "--json"], arguments].concat())
        .await;
    let (out, error) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(!out.contains(secret) && !error.contains(secret), "{out}{error}");
    let document = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    (output.status.code(), document, error)
}

/// One finding of a step about the provider.
fn step<'d>(document: &'d Value, name: &str) -> &'d Value {
    let steps = document["examined"][1]["steps"].as_array().expect("steps");
    steps
        .iter()
        .find(|step| step["step"] == name)
        .unwrap_or_else(|| panic!("no {name}: {document:#}"))
}

#[tokio::test]
async fn a_provider_that_works_is_tried_to_the_end() {
    let (code, document, error) = doctor(CANARY, &["--yes"]).await;
    assert_eq!((code, &document["ok"]), (Some(0), &json!(true)), "{document:#}{error}");
    for (name, part) in [
        ("grant", "credential openai-api-key"),
        ("identity", "api-key can be attached"),
        ("models", "1 model: gpt-5-mini"),
        ("call", "gpt-5-mini-2025-08-07 answered, tokens: 12 in, 3 out"),
    ] {
        let step = step(&document, name);
        assert_eq!(step["status"], "ok", "{step}");
        assert!(step["detail"].as_str().unwrap().contains(part), "{step}");
    }
    let egress = document["examined"][1]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["step"] == "egress");
    assert!(
        egress
            .clone()
            .any(|step| step["status"] == "ok" && step["detail"].as_str().unwrap().contains("TLS 1.3"))
    );
    assert!(egress.clone().all(|step| step["status"] != "failed"), "{document:#}");
}

#[tokio::test]
async fn a_provider_that_refuses_the_key_says_which_to_replace() {
    let (code, document, error) = doctor("sk-wrong-0123456789abcdef", &["--yes"]).await;
    assert_eq!((code, &document["ok"]), (Some(1), &json!(false)));
    let models = step(&document, "models");
    assert_eq!(
        (&models["status"], &models["fix"]),
        (&json!("failed"), &json!("host vault rotate openai-api-key")),
        "{models}"
    );
    assert!(
        models["detail"].as_str().unwrap().contains("Incorrect API key"),
        "{models}"
    );
    assert!(error.contains("openai models"), "{error}");
}

#[tokio::test]
async fn a_model_that_the_account_lacks_is_told_apart() {
    let (code, document, _) = doctor(CANARY, &["--yes", "--model", "gpt-0"]).await;
    assert_eq!(code, Some(1));
    let call = step(&document, "call");
    assert_eq!(call["status"], "failed", "{call}");
    assert!(
        call["detail"]
            .as_str()
            .unwrap()
            .contains("gpt-0: The model does not exist"),
        "{call}"
    );
    assert!(call["fix"].as_str().unwrap().contains("--model"), "{call}");
}
