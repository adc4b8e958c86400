//! The adapter against replies of the test's own: what it sends, and what it makes of the answers.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::result_large_err)]

use llm_plugin_azure_openai::AzureOpenAi;
use llm_provider_sdk::bindings::llm_host::provider::credentials::CredentialError;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{
    ChatEvent, ChatRequest, ErrorKind, FinishReason, Media, MediaSource, Message, PartContent, ReasoningOptions, Role,
};
use llm_provider_sdk::{Chat, Images, Provider, Speech, images, speech};
use serde_json::{Value, json};

fn two_resources() -> Value {
    json!({
        "endpoint": "https://first.openai.azure.com",
        "region": "eastus2",
        "deployments": {"gpt": {"model": "gpt-4o"}},
        "resources": {"sweden": {"endpoint": "https://second.openai.azure.com", "api": "v1", "deployments": ["o4", "gpt"]}},
        "models": {"fast": "gpt", "think": "o4@sweden"}
    })
}

fn host() -> Recording {
    Recording::new()
        .config(&two_resources())
        .refuse("entra", CredentialError::NotGranted)
}

fn request(model: &str) -> ChatRequest {
    ChatRequest::new(model, vec![Message::text(Role::User, "hi")])
}

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-4o-2024-11-20",
    "prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}],
    "choices":[{"index":0,"message":{"role":"assistant","content":"Hello!","refusal":null},"finish_reason":"stop",
        "content_filter_results":{},"content_filter_result":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}}}],
    "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

#[test]
fn the_manifest_asks_for_what_the_settings_name() {
    let manifest = AzureOpenAi::describe();
    assert_eq!(manifest.id, "azure-openai");
    assert_eq!(
        manifest.egress,
        ["{config.endpoint*}", "{config.resources.*.endpoint*}"]
    );
    let slots: Vec<_> = manifest
        .credentials
        .iter()
        .map(|slot| {
            (
                slot.name.as_str(),
                slot.kinds.join(" "),
                slot.attach.as_str(),
                slot.required,
            )
        })
        .collect();
    assert_eq!(
        slots,
        [
            ("api-key", "api-key".to_owned(), r#"{"header":"api-key"}"#, false),
            (
                "entra",
                "entra".to_owned(),
                r#"{"entra":{"scope":"https://cognitiveservices.azure.com/.default"}}"#,
                false
            ),
        ]
    );
    let schema: Value = serde_json::from_str(&manifest.config_schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(AzureOpenAi::check_config(&two_resources().to_string()), Ok(()));
}

#[test]
fn a_model_leads_to_its_resource_and_the_filter_is_heard() {
    let host = host()
        .reply(Reply::json(200, ANSWER))
        .reply(Reply::json(200, ANSWER))
        .install();
    let mut req = request("fast");
    req.extra = vec![("data_sources".into(), r#"[{"type":"azure_search"}]"#.into())];
    req.reasoning = Some(ReasoningOptions {
        effort: Some("low".into()),
        ..ReasoningOptions::default()
    });
    req.sampling.max_output_tokens = Some(5);
    let answer = block_on(<AzureOpenAi as Chat>::complete(req)).unwrap();
    assert_eq!(answer.dropped, []);
    assert_eq!(answer.extra[0].0, "prompt_filter_results");
    let of_choice: Vec<_> = answer.choices[0].extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(of_choice, ["content_filter_results", "content_filter_result"]);
    block_on(<AzureOpenAi as Chat>::complete(request("think"))).unwrap();

    let sent = host.requests();
    assert_eq!(
        sent[0].url,
        "https://first.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(
        sent[0].json(),
        json!({"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 5,
            "reasoning_effort": "low", "data_sources": [{"type": "azure_search"}]})
    );
    assert_eq!(sent[0].credential.as_deref(), Some("api-key"));
    assert_eq!(
        sent[1].url,
        "https://second.openai.azure.com/openai/v1/chat/completions"
    );
    assert_eq!(sent[1].json()["model"], "o4");
}

#[test]
fn parameters_of_model_inference_go_on() {
    let config = json!({"endpoint": "https://f.services.ai.azure.com", "api": "inference"});
    let host = Recording::new()
        .config(&config)
        .reply(Reply::json(200, ANSWER))
        .install();
    block_on(<AzureOpenAi as Chat>::complete(request("DeepSeek-R1"))).unwrap();
    let sent = host.requests().remove(0);
    assert_eq!(
        sent.url,
        "https://f.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview"
    );
    assert_eq!(sent.header("extra-parameters"), Some("pass-through"));
}

#[test]
fn without_a_resource_or_a_grant_nothing_is_sent() {
    let bare = Recording::new().install();
    let error = block_on(<AzureOpenAi as Chat>::complete(request("gpt"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(bare.requests().is_empty());
    drop(bare);
    let ungranted = host().refuse("api-key", CredentialError::NotGranted).install();
    let error = block_on(<AzureOpenAi as Chat>::complete(request("gpt"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(ungranted.requests().is_empty());
}

/// A refusal of the filter, as a status and inside a stream of status 200.
#[test]
fn the_filter_refuses() {
    let refusal = r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":{"filtered":true,"severity":"medium"}}}}}"#;
    let replies = [
        Reply::json(400, refusal),
        Reply::json(200, refusal),
        Reply::sse(format!("data: {refusal}\n\n")),
    ];
    for reply in replies {
        let _host = host().reply(reply).install();
        let error = block_on(<AzureOpenAi as Chat>::stream(request("gpt"))).unwrap_err();
        assert_eq!((error.kind, error.http_status), (ErrorKind::ContentFiltered, Some(400)));
        assert!(
            error.message.ends_with("The filter found: violence (medium)."),
            "{}",
            error.message
        );
        assert_eq!(error.raw.as_deref(), Some(refusal));
    }
}

#[test]
fn the_filter_cuts_an_answer_off() {
    let chunk = |choice: &str| {
        format!(r#"data: {{"id":"c","model":"m","created":1,"choices":[{{"index":0,{choice}}}]}}"#) + "\n\n"
    };
    let body = [
        r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#.to_owned() + "\n\n",
        chunk(r#""delta":{"content":"Once"},"finish_reason":null,"content_filter_results":{"violence":{"filtered":false,"severity":"safe"}}"#),
        chunk(r#""delta":{},"finish_reason":"content_filter","content_filter_results":{"violence":{"filtered":true,"severity":"high"}}"#),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let _host = host().reply(Reply::sse(body)).install();
    let events = block_on(async {
        <AzureOpenAi as Chat>::stream(request("gpt"))
            .await
            .unwrap()
            .collect()
            .await
    });
    let Some(ChatEvent::Start(start)) = events.first() else {
        panic!("{events:?}")
    };
    assert_eq!(
        (start.id.as_str(), start.extra[0].0.as_str()),
        ("c", "prompt_filter_results")
    );
    let finish = events.iter().find_map(|event| match event {
        ChatEvent::Finish(finish) => Some(finish),
        _ => None,
    });
    let finish = finish.unwrap();
    assert_eq!(finish.reason, FinishReason::ContentFilter);
    assert!(finish.extra[0].1.contains(r#""filtered":true"#));
    assert_eq!(events.last(), Some(&ChatEvent::Done));
}

#[test]
fn pictures_and_what_the_filter_says_of_them() {
    let body = r#"{"created":1,"data":[{"url":"https://x/i.png","revised_prompt":"a cat","content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"prompt_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#;
    let refusal = r#"{"error":{"code":"content_policy_violation","inner_error":{"code":"ResponsibleAIPolicyViolation","content_filter_results":{"sexual":{"filtered":true,"severity":"low"}},"revised_prompt":"x"},"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error"}}"#;
    let host = host()
        .reply(Reply::json(200, body))
        .reply(Reply::json(
            200,
            r#"{"created":1,"data":[{"b64_json":"AAEC"}],"output_format":"jpeg"}"#,
        ))
        .reply(Reply::json(400, refusal))
        .install();
    let mut req = images::Request {
        model: "dalle@sweden".into(),
        prompt: "a cat".into(),
        references: Vec::new(),
        mask: None,
        n: Some(1),
        size: Some("1024x1024".into()),
        extra: vec![("style".into(), "\"vivid\"".into())],
    };
    let answer = block_on(AzureOpenAi::generate(req.clone())).unwrap();
    assert_eq!(answer.images[0].source, MediaSource::Url("https://x/i.png".into()));
    assert_eq!(answer.revised_prompt.as_deref(), Some("a cat"));
    let details = answer.extra.iter().find(|(name, _)| name == "image_details").unwrap();
    assert!(details.1.contains("prompt_filter_results"));

    req.model = "gpt-image".into();
    req.references = vec![Media::new("image/png", MediaSource::Inline(b"\x89PNG".to_vec()))];
    let answer = block_on(AzureOpenAi::generate(req.clone())).unwrap();
    assert_eq!(
        answer.images[0],
        Media::new("image/jpeg", MediaSource::Inline(vec![0, 1, 2]))
    );
    let error = block_on(AzureOpenAi::generate(req)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContentFiltered);
    assert!(error.message.contains("sexual (low)"));

    let sent = host.requests();
    assert_eq!(
        sent[0].url,
        "https://second.openai.azure.com/openai/v1/images/generations"
    );
    assert_eq!(
        sent[0].json(),
        json!({"model": "dalle", "prompt": "a cat", "n": 1, "size": "1024x1024", "style": "vivid"})
    );
    assert_eq!(
        sent[1].url,
        "https://first.openai.azure.com/openai/deployments/gpt-image/images/edits?api-version=2024-10-21"
    );
    assert!(
        sent[1]
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data")
    );
}

#[test]
fn sound_in_both_directions() {
    let host = host()
        .reply(Reply::new(200, b"ID3".to_vec()).header("content-type", "audio/mpeg; x=1"))
        .reply(Reply::json(
            200,
            r#"{"text":"Hello.","task":"transcribe","language":"english","duration":1.5,"segments":[{"id":0}]}"#,
        ))
        .reply(Reply::json(
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"It does not exist."}}"#,
        ))
        .install();
    let speak = speech::SynthesisRequest {
        model: "tts".into(),
        input: "hi".into(),
        voice: "alloy".into(),
        format: Some("mp3".into()),
        speed: None,
        extra: Vec::new(),
    };
    let bytes = block_on(async {
        let mut sound = AzureOpenAi::synthesize(speak).await.unwrap();
        assert_eq!(sound.media_type, "audio/mpeg");
        sound.body.bytes().await.unwrap()
    });
    assert_eq!(bytes, b"ID3");
    let hear = speech::TranscriptionRequest {
        model: "whisper".into(),
        audio: Media::new("audio/wav", MediaSource::Inline(vec![1, 2])),
        language: None,
        prompt: None,
        extra: vec![("response_format".into(), "\"srt\"".into())],
    };
    let answer = block_on(AzureOpenAi::transcribe(hear.clone())).unwrap();
    assert_eq!((answer.text.as_str(), answer.duration_ms), ("Hello.", Some(1500)));
    assert_eq!(answer.segments.as_deref(), Some(r#"[{"id":0}]"#));
    let error = block_on(AzureOpenAi::transcribe(hear)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("no deployment `whisper`"), "{}", error.message);
    let urls: Vec<_> = host.requests().into_iter().map(|sent| sent.url).collect();
    let first = "https://first.openai.azure.com/openai/deployments";
    assert_eq!(urls[0], format!("{first}/tts/audio/speech?api-version=2024-10-21"));
    assert_eq!(
        urls[1],
        format!("{first}/whisper/audio/transcriptions?api-version=2024-10-21")
    );
}

#[test]
fn the_list_holds_what_the_settings_name_and_what_the_resources_tell() {
    let deployments = r#"{"data":[
        {"scale_settings":{"scale_type":"standard"},"model":"gpt-4o","owner":"organization-owner","id":"gpt","status":"succeeded","created_at":1700000000,"updated_at":1,"object":"deployment"},
        {"model":"text-embedding-3-large","id":"embed","status":"succeeded","created_at":1700000001,"object":"deployment"},
        {"model":"x","id":"broken","status":"failed","object":"deployment"}],"object":"list"}"#;
    let denied =
        r#"{"error":{"code":"PermissionDenied","message":"Principal does not have access to API/Operation."}}"#;
    let host = host()
        .reply(Reply::json(200, deployments))
        .reply(Reply::json(401, denied))
        .install();
    let models = block_on(AzureOpenAi::list_models()).unwrap();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["fast", "think", "gpt", "o4", "gpt@sweden", "embed"]);
    let embed = models.last().unwrap();
    assert_eq!(embed.created, Some(1_700_000_001));
    let fact = |name: &str| {
        embed
            .extra
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, json)| json.as_str())
    };
    assert_eq!(fact("owned_by"), Some("\"first\""));
    assert_eq!(fact("region"), Some("\"eastus2\""));
    assert_eq!(fact("base_model"), Some("\"text-embedding-3-large\""));
    assert_eq!(fact("created_at"), None);
    assert_eq!(
        host.requests()[0].url,
        "https://first.openai.azure.com/openai/deployments?api-version=2022-12-01"
    );
    assert!(host.log()[0].1.contains("Cognitive Services OpenAI User"));
}

#[test]
fn a_list_of_nothing_is_its_error() {
    let config = json!({"endpoint": "https://r.openai.azure.com"});
    let denied = r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key."}}"#;
    let _host = Recording::new()
        .config(&config)
        .reply(Reply::json(401, denied))
        .install();
    let error = block_on(AzureOpenAi::list_models()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Authentication);

    let off = json!({"endpoint": "https://r.openai.azure.com", "discover": "off"});
    let quiet = Recording::new().config(&off).install();
    assert_eq!(block_on(AzureOpenAi::list_models()), Ok(Vec::new()));
    assert!(quiet.requests().is_empty());

    let models = json!({"endpoint": "https://r.openai.azure.com", "discover": "models"});
    let list =
        r#"{"data":[{"id":"gpt-4o","status":"succeeded","created_at":5,"capabilities":{"chat_completion":true}}]}"#;
    let asked = Recording::new().config(&models).reply(Reply::json(200, list)).install();
    assert_eq!(block_on(AzureOpenAi::list_models()).unwrap()[0].id, "gpt-4o");
    assert_eq!(asked.requests()[0].url, "https://r.openai.azure.com/openai/v1/models");
}

#[test]
fn texts_come_as_they_are() {
    let _host = host().reply(Reply::json(200, ANSWER)).install();
    let answer = block_on(async { <AzureOpenAi as Chat>::stream(request("gpt")).await?.fold().await }).unwrap();
    assert_eq!(
        answer.choices[0].message.parts[0].content,
        PartContent::Text("Hello!".into())
    );
}
