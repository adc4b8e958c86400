//! The Bedrock adapter with an AWS identity, before the strict fake AWS.
//!
//! In: chat requests in OpenAI's dialect. Out: what the caller gets; each request is signed by the host
//! and checked with botocore over the bytes that arrived. Where there is no Python with botocore each
//! test says so and passes.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_host_tests::clients;
use llm_host_tests::event_stream::encode;
use llm_host_tests::fake_aws::{Canned, FakeAws};
use llm_host_tests::host::{Host, Plan};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

const KEY_ID: &str = "AKIACANARY0000000007";
const SECRET: &str = "canary/aws+Secret/Key00000000000000000007";
const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56";

async fn start(fake: &FakeAws) -> Host {
    fake.keys(KEY_ID, SECRET, None).await;
    let origin = fake.origin();
    let settings = format!(
        "[providers.bedrock.settings]\nregion = \"us-east-1\"\nendpoint = \"{origin}\"\ncontrol_endpoint = \"{origin}\"\n"
    );
    let identity = Granted::aws(
        "bedrock",
        origin,
        &[("source", "static"), ("region", "us-east-1")],
        &[("access_key_id", KEY_ID), ("secret_access_key", SECRET)],
    );
    let plan = Plan::new().plugin("bedrock").granted(identity).settings(&settings);
    let variables = fake.environment();
    let plan = variables
        .iter()
        .fold(plan, |plan, (name, value)| plan.variable(name, value));
    plan.start().await
}

async fn ask(host: &Host, model: &str, stream: bool) -> (u16, String) {
    let body = json!({"model": format!("bedrock/{model}"), "stream": stream,
        "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "Hello"}]});
    let response = host.post("/v1/chat/completions", &body).await;
    let status = response.status().as_u16();
    let text = response.text().await.expect("an answer ends well");
    assert!(!text.contains(SECRET) && !text.contains(KEY_ID), "{text}");
    (status, text)
}

fn whole() -> Value {
    json!({"output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 8, "outputTokens": 2, "totalTokens": 10}})
}

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", kind), (":message-type", "event")];
    encode(&headers, payload.to_string().as_bytes())
}

fn exception(kind: &str, message: &str) -> Vec<u8> {
    let headers = [(":exception-type", kind), (":message-type", "exception")];
    encode(&headers, json!({"message": message}).to_string().as_bytes())
}

fn frames() -> Vec<Vec<u8>> {
    let text = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}});
    vec![
        event("messageStart", &json!({"role": "assistant"})),
        event("contentBlockDelta", &text("Hello")),
        event("contentBlockDelta", &text(" there")),
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event(
            "metadata",
            &json!({"usage": {"inputTokens": 8, "outputTokens": 2, "totalTokens": 10}}),
        ),
    ]
}

/// A frame of InvokeModel's stream around a piece in the model's own form.
fn chunk(piece: &Value) -> Vec<u8> {
    event(
        "chunk",
        &json!({"bytes": STANDARD.encode(piece.to_string()), "p": "abc"}),
    )
}

/// The text of a stream, and how it ended.
fn read(stream: &str) -> (String, Value) {
    let mut text = String::new();
    let mut end = Value::Null;
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            end = json!("done");
            continue;
        }
        let chunk: Value = serde_json::from_str(data).expect("events are JSON");
        if chunk["error"].is_object() {
            end = chunk["error"].clone();
        }
        text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    (text, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_by_name_and_by_arn() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    fake.answer(Canned::json("/model/.*/converse", 200, &whole())).await;
    for model in [MODEL, "us.anthropic.claude-sonnet-4-20250514-v1:0", ARN] {
        let (status, text) = ask(&host, model, false).await;
        assert_eq!(status, 200, "{model}: {text}\n{}", host.log().text());
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello there");
        assert_eq!(answer["usage"]["total_tokens"], 10);
    }
    let seen = fake.seen("bedrock").await;
    let paths: Vec<&str> = seen.iter().map(|one| one.path.as_str()).collect();
    assert!(
        paths[2]
            .contains("arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fab12cd34ef56"),
        "{paths:?}"
    );
    assert!(seen.iter().all(|one| one.access_key_id.as_deref() == Some(KEY_ID)));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whole_cut_damaged_and_failing() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    let path = "/model/.*/converse-stream";
    let all = frames();
    let begun = || all[..2].to_vec();
    let mut cut = all.concat();
    cut.truncate(cut.len() / 2);
    let mut damaged = all.clone();
    let length = damaged[2].len();
    damaged[2][length - 6] ^= 1;
    let mut failing = begun();
    failing.push(exception("throttlingException", "Too many tokens, please wait."));
    let mut stopped = begun();
    stopped.push(exception("modelStreamErrorException", "The model stopped."));
    let cases = [
        (all.clone(), "Hello there", "done"),
        (vec![cut], "Hello", "stream_truncated"),
        (begun(), "Hello", "stream_truncated"),
        (damaged, "Hello", "provider_error"),
        (failing, "Hello", "rate_limit_exceeded"),
        (stopped, "Hello", "provider_error"),
    ];
    for (pieces, said, how) in cases {
        fake.answer(Canned::event_stream(path, pieces)).await;
        let (status, stream) = ask(&host, MODEL, true).await;
        assert_eq!(status, 200, "{how}: {stream}");
        let (text, end) = read(&stream);
        assert!(text.starts_with(said), "{how}: {stream}");
        let end = if end.is_object() { end["code"].clone() } else { end };
        assert_eq!(end, how, "{stream}");
    }
    // A failure before the first piece is an answer of its own, with its status.
    let pieces = vec![exception("throttlingException", "Too many requests.")];
    fake.answer(Canned::event_stream(path, pieces)).await;
    let (status, text) = ask(&host, MODEL, true).await;
    assert_eq!(status, 429, "{text}");
    let settled = host
        .until("each is settled", |status| status["usage"][0]["failed"] == 6)
        .await;
    assert_eq!(settled["usage"][0]["complete"], 1, "{settled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_answer_used_is_settled() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    let begun = |tokens: u64| {
        [
            chunk(
                &json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "model": "claude",
            "content": [], "usage": {"input_tokens": tokens, "output_tokens": 1}}}),
            ),
            chunk(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
            chunk(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half"}})),
        ]
    };
    let broken = exception("modelStreamErrorException", "The model stopped.");
    let mut damaged = broken.clone();
    let length = damaged.len();
    damaged[length - 6] ^= 1;
    let cut = broken[..20].to_vec();
    for (tokens, last) in [(4711, broken), (4712, damaged), (4713, cut)] {
        let pieces = begun(tokens).into_iter().chain([last]).collect();
        let path = "/model/.*/invoke-with-response-stream";
        fake.answer(Canned::event_stream(path, pieces)).await;
        let body = json!({"model": format!("bedrock/{MODEL}"), "stream": true, "bedrock": {"operation": "invoke"},
            "messages": [{"role": "user", "content": "Hello"}]});
        let response = host.post("/v1/chat/completions", &body).await;
        let stream = response.text().await.expect("an answer ends well");
        let (text, end) = read(&stream);
        assert_eq!(text, "Half", "{stream}");
        assert!(end["code"].is_string(), "{stream}");
        let settled = host.log().line(&format!("input={tokens} ")).await;
        assert!(settled.contains("settled"), "{settled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn awss_own_client_reaches_bedrock_through_the_host() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    fake.answer(Canned::json("/model/.*/converse", 200, &whole())).await;
    let mut stream = frames();
    let counts = json!({"inputTokens": 8, "outputTokens": 3, "totalTokens": 11});
    stream.pop();
    stream.push(event(
        "metadata",
        &json!({"usage": counts, "metrics": {"latencyMs": 9}}),
    ));
    fake.answer(Canned::event_stream("/model/.*/converse-stream", stream))
        .await;
    let end = chunk(&json!({"type": "message_stop"}));
    fake.answer(Canned::event_stream("/model/.*/invoke-with-response-stream", vec![end]))
        .await;
    let models = json!({"modelSummaries": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a", "modelId": "amazon.nova-lite-v1:0"}]});
    fake.answer(Canned::json("/foundation-models", 200, &models)).await;
    let broken = vec![frames()[0].clone(), exception("throttlingException", "slow down")];
    fake.answer(Canned::event_stream("/model/broken.model/converse-stream", broken))
        .await;
    let refused = Canned::json(
        "/model/refused.model/converse",
        429,
        &json!({"message": "Too many requests"}),
    )
    .header(
        "x-amzn-errortype",
        "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
    );
    fake.answer(refused).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cloud/bedrock_client.py");
    clients::python(&host, Path::new(script)).await;
    // What a caller of the native routes used is settled as well.
    for counts in ["input=8 output=2", "input=8 output=3"] {
        let settled = host.log().line(counts).await;
        assert!(settled.contains("settled"), "{settled}");
    }
    let seen = fake.seen("bedrock").await;
    assert!(seen.iter().all(|one| one.access_key_id.as_deref() == Some(KEY_ID)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_stream_name_its_own_permission() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    let canned = Canned::json("/model/.*", 403, &json!({"message": ""}))
        .header("x-amzn-errortype", "AccessDeniedException:http://x/");
    fake.answer(canned).await;
    let (status, text) = ask(&host, MODEL, true).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("bedrock:InvokeModelWithResponseStream"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    let cases = [
        (429, "ThrottlingException", "Too many requests, please wait.", 429, ""),
        (403, "AccessDeniedException", "", 403, "bedrock:InvokeModel"),
        (
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life.",
            404,
            "newer model",
        ),
        (
            429,
            "ModelNotReadyException",
            "The model is not ready.",
            503,
            "few minutes",
        ),
        (
            400,
            "ServiceQuotaExceededException",
            "Your account has reached its quota.",
            429,
            "Service Quotas",
        ),
        (
            403,
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
            502,
            "region",
        ),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            404,
            "us-east-1",
        ),
    ];
    for (status, kind, message, wanted, advice) in cases {
        let suffix = format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        let canned =
            Canned::json("/model/.*", status, &json!({"message": message})).header("x-amzn-errortype", &suffix);
        fake.answer(canned).await;
        let (got, text) = ask(&host, MODEL, false).await;
        assert_eq!(got, wanted, "{kind}: {text}");
        assert!(
            text.contains(message) && text.contains(advice) && text.contains(kind),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_as_the_providers_authentication() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, "canary/aws+Secret/Key00000000000000000008", None)
        .await;
    let host = start_without_keys(&fake).await;
    let (status, text) = ask(&host, MODEL, false).await;
    assert_eq!(status, 502, "{text}");
    assert!(
        text.contains("provider_authentication") && text.contains("InvalidSignatureException"),
        "{text}"
    );
}

/// A host whose identity the fake knows with another secret.
async fn start_without_keys(fake: &FakeAws) -> Host {
    let origin = fake.origin();
    let identity = Granted::aws(
        "bedrock",
        origin,
        &[("source", "static"), ("region", "us-east-1")],
        &[("access_key_id", KEY_ID), ("secret_access_key", SECRET)],
    );
    let settings = format!("[providers.bedrock.settings]\nregion = \"us-east-1\"\nendpoint = \"{origin}\"\n");
    Plan::new()
        .plugin("bedrock")
        .granted(identity)
        .settings(&settings)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_models_is_signed_too() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = start(&fake).await;
    let models = json!({"modelSummaries": [{"modelId": "amazon.nova-lite-v1:0", "modelName": "Nova Lite", "providerName": "Amazon",
        "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]}]});
    let profiles = json!({"inferenceProfileSummaries": [{"inferenceProfileId": "us.amazon.nova-lite-v1:0", "type": "SYSTEM_DEFINED", "status": "ACTIVE",
        "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0", "models": []}]});
    fake.answer(Canned::json("/foundation-models", 200, &models)).await;
    fake.answer(Canned::json("/inference-profiles.*", 200, &profiles)).await;
    let response = host
        .request(http::Method::GET, "/v1/models")
        .send()
        .await
        .expect("an answer");
    let text = response.text().await.expect("a body");
    assert!(
        text.contains("bedrock/amazon.nova-lite-v1:0"),
        "{text}\n{}",
        host.log().text()
    );
    assert!(text.contains("bedrock/us.amazon.nova-lite-v1:0"), "{text}");
}
