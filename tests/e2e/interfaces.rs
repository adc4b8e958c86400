//! Every interface in every isolation, and a plugin that has not the one that is asked for.

use llm_host_tests::host::{Host, Plan};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

async fn text_of(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.text().await.expect("a body"))
}

/// Asks each interface once.
async fn ask_all(host: &Host) {
    let model = "echo/echo";
    let vectors = host
        .post("/v1/embeddings", &json!({"model": model, "input": "a b"}))
        .await;
    let (status, vectors) = text_of(vectors).await;
    assert!(status == 200 && vectors.contains("\"prompt_tokens\":2"), "{vectors}");

    let asked = json!({"model": model, "prompt": "one two"});
    let (status, whole) = text_of(host.post("/v1/completions", &asked).await).await;
    assert!(status == 200 && whole.contains("\"text\":\"one two\""), "{whole}");

    let asked = json!({"model": model, "prompt": "one two", "stream": true});
    let (status, streamed) = text_of(host.post("/v1/completions", &asked).await).await;
    assert!(
        status == 200 && streamed.contains("\"text\":\" two\"") && streamed.ends_with("data: [DONE]\n\n"),
        "{streamed}"
    );

    let asked = json!({"model": model, "prompt": "a fox"});
    let (status, pictures) = text_of(host.post("/v1/images/generations", &asked).await).await;
    assert!(status == 200 && pictures.contains("b64_json"), "{pictures}");

    let asked = json!({"model": model, "input": "one two", "voice": "any"});
    let sound = host.post("/v1/audio/speech", &asked).await;
    assert_eq!(sound.status(), 200);
    assert_eq!(sound.bytes().await.expect("sound").len(), 844);

    let form = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n\
                --b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\necho/echo\r\n--b--\r\n";
    let heard = host
        .request(http::Method::POST, "/v1/audio/transcriptions")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(form)
        .send()
        .await
        .expect("an answer");
    let (status, heard) = text_of(heard).await;
    assert!(status == 200 && heard.contains("[a.wav, media, 4 bytes]"), "{heard}");
}

#[tokio::test]
async fn every_isolation_serves_every_interface() {
    for isolation in ["fresh", "pooled", "shared"] {
        let plan = Plan::new().plugin("echo");
        let host = plan
            .settings(&format!("[providers.echo]\nisolation = {isolation:?}\n"))
            .start()
            .await;
        // Twice, so that a kept instance serves another interface than the one before.
        ask_all(&host).await;
        ask_all(&host).await;
        // Each of the six is settled, and once.
        host.until("all is settled", |status| status["usage"][0]["complete"] == 12)
            .await;
        let (status, log) = host.stop().await;
        assert!(status.success(), "{isolation}: {log}");
    }
}

/// An instance that calls share is replaced after ten thousand of them.
#[tokio::test(flavor = "multi_thread")]
async fn load_no_call_is_lost_when_a_shared_instance_is_replaced() {
    let plan = Plan::new().plugin("echo");
    let host = plan
        .settings("[providers.echo]\nisolation = \"shared\"\n")
        .start()
        .await;
    let asked = json!({"model": "echo/echo", "input": "a b"});
    let callers = (0..16).map(|_| async {
        for _ in 0..640 {
            let (status, text) = text_of(host.post("/v1/embeddings", &asked).await).await;
            assert_eq!(status, 200, "{text}");
        }
    });
    futures::future::join_all(callers).await;
    let status = host
        .until("all is settled", |status| status["usage"][0]["complete"] == 10_240)
        .await;
    assert_eq!(status["usage"][0]["tokens"]["input"], 20_480, "{status}");
}

#[tokio::test]
async fn a_plugin_says_what_it_can_do_instead() {
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/abi/echo-0.1.0.wasm");
    let host = Plan::new().component("echo", old.into()).start().await;
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "echo/echo", "input": "a"})),
        ("/v1/completions", json!({"model": "echo/echo", "prompt": "a"})),
        (
            "/v1/completions",
            json!({"model": "echo/echo", "prompt": "a", "stream": true}),
        ),
        ("/v1/images/generations", json!({"model": "echo/echo", "prompt": "a"})),
        (
            "/v1/audio/speech",
            json!({"model": "echo/echo", "input": "a", "voice": "a"}),
        ),
    ] {
        let (status, text) = text_of(host.post(path, &body).await).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let error = &answer["error"];
        assert_eq!(
            (status, &error["code"]),
            (400, &json!("unsupported")),
            "{path}: {answer}"
        );
        assert_eq!(
            (&error["param"], &error["fault"]),
            (&json!("model"), &json!("client")),
            "{path}"
        );
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("it implements `chat`"), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_providers_own_api_needs_a_grant_too() {
    let granted = Granted::api_key("openai", "sk-elsewhere", "https://localhost:1");
    let host = Plan::new()
        .plugin("openai")
        .granted(granted)
        .settings("[providers.openai.settings]\nbase_url = \"https://api.example.com\"")
        .start()
        .await;
    let (status, text) = text_of(host.post("/providers/openai/v1/chat/completions", &json!({})).await).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("denied_by_host"), "{text}");
    let (status, text) = text_of(host.post("/providers/openai/other", &json!({})).await).await;
    assert_eq!(status, 404, "{text}");
    assert!(text.contains("its paths begin with `/v1/`"), "{text}");
}
