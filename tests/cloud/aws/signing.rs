//! Signatures over what arrives: paths with `:` and `%2F`, queries, bodies; and what AWS refuses.

use llm_host_tests::fake_aws::{Canned, FakeAws};
use llm_host_tests::vault::Granted;
use serde_json::json;

use super::world::{CONVERSE, KEY_ID, KEYS, SECRET, STATIC, granted, plan, send};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_models_name_is_signed_as_it_arrives() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let host = plan(&fake, STATIC, KEYS).start().await;
    let arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fab12cd34ef56";
    for path in [
        CONVERSE,
        "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse",
        "/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0/converse-stream",
        &format!("/model/{arn}/converse"),
        &format!("/model/{}/invoke", arn.replace("%3A", ":")),
        "/inference-profiles?type=SYSTEM_DEFINED&maxResults=10&nextToken=a%2Bb%2F%3D",
        "/foundation-models?b=2&a=1&a=0&empty=",
        "/",
    ] {
        let told = send(&host, &fake, path).await;
        assert_eq!(told.status(), 200, "{path}: {}", told.text());
        let body = told.body();
        let arrived = [&body["path"], &body["query"]].map(|text| text.as_str().expect("a text"));
        let (sent_path, sent_query) = path.split_once('?').unwrap_or((path, ""));
        assert_eq!(arrived, [sent_path, sent_query]);
        assert_eq!(body["body"], "{\"messages\":[]}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_a_session_token_sign_with_it() {
    let Some(fake) = FakeAws::start().await else { return };
    let token = "canary/session+token/0000000000000000000000000001";
    fake.keys(KEY_ID, SECRET, Some(token)).await;
    let secrets = [KEYS, &[("session_token", token)]].concat();
    let host = plan(&fake, STATIC, &secrets).start().await;
    assert_eq!(send(&host, &fake, CONVERSE).await.status(), 200);
    let doctor = host.command(&["doctor", "hostile", "--no-call"]).await;
    let found = String::from_utf8(doctor.stdout).expect("text");
    let who = "access key …0001, region us-east-1, service bedrock";
    assert!(found.contains(who) && !found.contains(KEY_ID), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_or_region_is_refused_in_awss_own_words() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let wrong_secret = [
        KEYS[0],
        ("secret_access_key", "canary/aws+Secret/Key00000000000000000002"),
    ];
    let unknown = [("access_key_id", "AKIACANARY0000000002"), KEYS[1]];
    let elsewhere = [("source", "static"), ("region", "eu-west-1")];
    for (attributes, secrets, code, words) in [
        (STATIC, &wrong_secret[..], "InvalidSignatureException", "does not match"),
        (
            &elsewhere[..],
            KEYS,
            "InvalidSignatureException",
            "valid region. Not eu-west-1",
        ),
        (
            STATIC,
            &unknown[..],
            "UnrecognizedClientException",
            "token included in the request is invalid",
        ),
    ] {
        let host = plan(&fake, attributes, secrets).start().await;
        let told = send(&host, &fake, CONVERSE).await;
        assert_eq!(
            (told.status(), told.header("x-amzn-errortype")),
            (403, Some(code)),
            "{}",
            told.text()
        );
        assert!(told.text().contains(words), "{}", told.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_region_nothing_is_sent() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = plan(&fake, &[("source", "static")], KEYS).start().await;
    let told = send(&host, &fake, CONVERSE).await;
    told.assert_failed(
        "credential",
        &[
            "neither the address nor the credential tells the region",
            "host vault set hostile-api-key --attribute region=",
        ],
    );
    assert!(fake.log().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bedrock_api_key_goes_as_a_bearer_token() {
    let Some(fake) = FakeAws::start().await else { return };
    let key = "ABSKcanaryBedrockApiKey0000000000000000001";
    fake.bearer(key).await;
    let credential = Granted {
        kind: "bearer".to_owned(),
        ..Granted::api_key("hostile", key, fake.origin())
    };
    let host = granted(&fake, credential).start().await;
    let told = send(&host, &fake, CONVERSE).await;
    assert_eq!((told.status(), &told.body()["source"]), (200, &json!("bearer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_repeats_what_was_attached_does_not_reach_the_plugin() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = plan(&fake, &[("source", "imds"), ("region", "us-east-1")], &[])
        .start()
        .await;
    let told = send(&host, &fake, "/model/m/echo-headers").await;
    for secret in fake.secrets().await {
        assert!(!told.text().contains(&secret));
    }
    assert!(
        told.text().contains("secret") || told.text().contains("credential"),
        "{}",
        told.text()
    );
    assert!(!told.text().contains("Signature="), "{}", told.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn canned_answers_arrive_as_they_were_given() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let host = plan(&fake, STATIC, KEYS).start().await;
    let pieces = [&b"one "[..], b"two ", b"three"].map(<[u8]>::to_vec).to_vec();
    fake.answer(Canned::event_stream("/model/.*/converse-stream", pieces).times(1))
        .await;
    let throttled = Canned::json("/model/.*/converse", 429, &json!({"message": "slow down"}));
    fake.answer(throttled.header("x-amzn-errortype", "ThrottlingException"))
        .await;
    let told = send(&host, &fake, "/model/m/converse-stream").await;
    assert_eq!(told.status(), 200);
    assert!(told.text().contains("one two three"), "{}", told.text());
    assert_eq!(told.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let told = send(&host, &fake, "/model/m/converse").await;
    assert_eq!(
        (told.status(), told.header("x-amzn-errortype")),
        (429, Some("ThrottlingException"))
    );
    let again = send(&host, &fake, "/model/m/converse-stream").await.body();
    assert_eq!(again["path"], "/model/m/converse-stream", "the answer was for once");
}
