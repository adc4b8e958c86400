//! A plugin that was compiled against an earlier state of the package goes on working.

use std::path::{Path, PathBuf};

use llm_host_tests::host::Plan;
use serde_json::{Value, json};

/// The component, by its name in `tests/abi`.
fn compiled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("abi").join(name)
}

async fn json_of(response: reqwest::Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn a_plugin_compiled_against_0_1_0_keeps_working() {
    let path = compiled("echo-0.1.0.wasm");
    let host = Plan::new().component("echo", path.clone()).start().await;

    // It loads and says what it is.
    let inspected = host
        .command(&["plugin", "inspect", &path.display().to_string(), "--json"])
        .await;
    let shown: Value =
        serde_json::from_slice(&inspected.stdout).unwrap_or_else(|error| panic!("{error}: {inspected:?}"));
    assert_eq!(shown["error"], Value::Null, "{shown}");
    assert_eq!(shown["manifest"]["id"], "echo", "{shown}");
    assert_eq!(shown["manifest"]["version"], "0.1.0", "{shown}");
    let models = host.request(http::Method::GET, "/v1/models").send().await;
    let models = json_of(models.expect("an answer")).await;
    assert_eq!(models["data"][0]["id"], "echo/echo", "{models}");

    // It answers whole and streamed.
    let mut body = json!({"model": "echo/echo", "messages": [{"role": "user", "content": "one two"}]});
    let whole = json_of(host.post("/v1/chat/completions", &body).await).await;
    assert_eq!(whole["choices"][0]["message"]["content"], "one two", "{whole}");
    assert_eq!(whole["usage"]["completion_tokens"], 2, "{whole}");
    body["stream"] = true.into();
    let streamed = host
        .post("/v1/chat/completions", &body)
        .await
        .text()
        .await
        .expect("a stream");
    let text: String = streamed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "one two", "{streamed}");
    assert!(streamed.trim_end().ends_with("data: [DONE]"), "{streamed}");
}
