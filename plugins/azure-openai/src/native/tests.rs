use super::*;
use llm_provider_sdk::testing::{Recording, block_on};
use serde_json::json;

fn config() -> serde_json::Value {
    json!({
        "endpoint": "https://first.openai.azure.com",
        "resources": {"sweden": {
            "endpoint": "https://second.openai.azure.com", "api": "v1", "sign_in": "api-key",
            "deployments": {"o4": {}, "old": {"api": "deployments", "api_version": "2025-04-01-preview"}}
        }},
        "models": {"think": "o4@sweden"}
    })
}

fn route(method: &str, path: &str, query: Option<&str>) -> Result<Forward, Error> {
    let _host = Recording::new().config(&config()).install();
    AzureOpenAi::route(RequestHead {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: vec![
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("x-ms-client-request-id".to_owned(), b"1".to_vec()),
            ("accept-encoding".to_owned(), b"gzip".to_vec()),
        ],
    })
}

#[test]
fn a_path_leads_to_its_resource() {
    let first = "https://first.openai.azure.com/openai";
    let second = "https://second.openai.azure.com/openai";
    for (path, query, url, slot) in [
        ("/openai/v1/responses", None, format!("{first}/v1/responses"), "entra"),
        (
            "/openai/v1/responses",
            Some("api-version=preview"),
            format!("{first}/v1/responses?api-version=preview"),
            "entra",
        ),
        (
            "/openai/files",
            Some("limit=2"),
            format!("{first}/files?limit=2&api-version=2024-10-21"),
            "entra",
        ),
        (
            "/openai/deployments/gpt-4o/chat/completions",
            Some("api-version=2025-01-01-preview"),
            format!("{first}/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview"),
            "entra",
        ),
        (
            "/openai/deployments/think/chat/completions",
            None,
            format!("{second}/deployments/o4/chat/completions?api-version=2024-10-21"),
            "api-key",
        ),
        (
            "/openai/deployments/old/embeddings",
            Some(""),
            format!("{second}/deployments/old/embeddings?api-version=2025-04-01-preview"),
            "api-key",
        ),
        (
            "/sweden/openai/v1/responses/resp_1",
            None,
            format!("{second}/v1/responses/resp_1"),
            "api-key",
        ),
        (
            "/models/chat/completions",
            None,
            "https://first.openai.azure.com/models/chat/completions?api-version=2024-05-01-preview".to_owned(),
            "entra",
        ),
    ] {
        let forward = route("POST", path, query).unwrap();
        assert_eq!(forward.url, url, "{path}");
        assert_eq!(forward.credential.as_deref(), Some(slot), "{path}");
        let names: Vec<_> = forward.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-ms-client-request-id"]);
        assert_eq!(forward.request_body, BodyMode::Pass);
    }
}

#[test]
fn only_what_makes_something_is_read() {
    for (method, path, mode) in [
        ("POST", "/openai/v1/responses", BodyMode::Copy),
        ("POST", "/openai/v1/chat/completions", BodyMode::Copy),
        ("POST", "/openai/v1/decisions", BodyMode::Copy),
        ("GET", "/openai/v1/responses", BodyMode::Pass),
        ("POST", "/openai/v1/files", BodyMode::Pass),
    ] {
        assert_eq!(
            route(method, path, None).unwrap().response_body,
            mode,
            "{method} {path}"
        );
    }
    let body = Body::from_bytes(br#"{"usage":{"input_tokens":3,"output_tokens":2}}"#.to_vec());
    let usage = block_on(AzureOpenAi::read_usage(200, Vec::new(), body))
        .unwrap()
        .unwrap();
    assert_eq!((usage.input, usage.output), (3, 2));
}

#[test]
fn other_paths_lead_nowhere() {
    for path in [
        "/v1/chat/completions",
        "/nowhere/openai/v1/responses",
        "/sweden/v1/responses",
        "/openai/../secret",
        "/sweden/openai/%2e%2E/x",
        "/openai/deployments/a%2Fb/chat/completions",
        "/openai/deployments/x@nowhere/chat/completions",
        "/",
    ] {
        let error = route("POST", path, None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{path}");
    }
}
