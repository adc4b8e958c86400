use super::*;
use serde_json::{Value, json};

fn settings(value: Value) -> Settings {
    Settings::check(&value.to_string()).unwrap();
    serde_json::from_value(value).unwrap()
}

fn several() -> Settings {
    settings(json!({
        "endpoint": "https://first.openai.azure.com/",
        "region": "eastus2",
        "api_version": "2025-01-01-preview",
        "deployments": ["gpt-4o"],
        "resources": {
            "sweden": {
                "endpoint": "https://second.openai.azure.com",
                "region": "swedencentral",
                "api": "v1",
                "sign_in": "entra",
                "deployments": {"o4": {}, "whisper": {"api": "deployments"}, "new": {"api_version": "preview"}}
            },
            "foundry": {"endpoint": "https://third.services.ai.azure.com", "api": "inference"}
        },
        "models": {"fast": "gpt-4o-mini", "think": "o4@sweden"}
    }))
}

#[test]
fn a_name_leads_to_one_deployment_and_its_address() {
    let settings = several();
    for (model, url) in [
        (
            "gpt-4o",
            "https://first.openai.azure.com/openai/deployments/gpt-4o/x?api-version=2025-01-01-preview",
        ),
        (
            "not-listed",
            "https://first.openai.azure.com/openai/deployments/not-listed/x?api-version=2025-01-01-preview",
        ),
        (
            "fast",
            "https://first.openai.azure.com/openai/deployments/gpt-4o-mini/x?api-version=2025-01-01-preview",
        ),
        ("o4", "https://second.openai.azure.com/openai/v1/x"),
        ("think", "https://second.openai.azure.com/openai/v1/x"),
        ("gpt-4o@sweden", "https://second.openai.azure.com/openai/v1/x"),
        ("new", "https://second.openai.azure.com/openai/v1/x?api-version=preview"),
        // Its form of the API is that of the top again, and so is the version.
        (
            "whisper",
            "https://second.openai.azure.com/openai/deployments/whisper/x?api-version=2025-01-01-preview",
        ),
        // In the body a name may be any.
        (
            "publisher/a model@foundry",
            "https://third.services.ai.azure.com/models/x?api-version=2024-05-01-preview",
        ),
        (
            "grok@foundry",
            "https://third.services.ai.azure.com/models/x?api-version=2024-05-01-preview",
        ),
    ] {
        assert_eq!(settings.target(model).unwrap().url("/x"), url, "{model}");
    }
    let target = settings.target("o4").unwrap();
    assert_eq!(target.sign_in, Some(SignIn::Entra));
    assert_eq!(
        (target.resource.as_str(), target.region.as_deref()),
        ("sweden", Some("swedencentral"))
    );
    assert_eq!(settings.target("gpt-4o").unwrap().resource, "first");
}

#[test]
fn what_leads_nowhere_says_what_there_is() {
    let only_named = settings(json!({"resources": {
        "a": {"endpoint": "https://a.example.com", "deployments": ["one"]},
        "b": {"endpoint": "https://b.example.com"}
    }}));
    assert_eq!(only_named.target("one").unwrap().resource, "a");
    for (settings, model, says) in [
        (&only_named, "two", "two@NAME"),
        (&only_named, "two@c", "a, b"),
        (&Settings::default(), "x", "endpoint"),
        (&several(), "a/b", "letters"),
        (&several(), "..", "letters"),
        (&several(), "@sweden", "letters"),
    ] {
        let error = settings.target(model).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(error.param.as_deref(), Some("model"));
        assert!(error.message.contains(says), "{model}: {}", error.message);
    }
    let one = settings(json!({"resources": {"a": {"endpoint": "https://a.example.com"}}}));
    assert_eq!(one.target("anything").unwrap().resource, "a", "there is no other");
}

#[test]
fn older_versions_are_asked_in_older_words() {
    let profile = |api: &str, version: Option<&str>, limit: Option<&str>| {
        settings(json!({"endpoint": "https://r.example.com", "deployments": {"d": {}}, "api": api}))
            .place_with(version, limit)
            .profile()
    };
    for (api, version, limit, max_tokens, usage, developer) in [
        ("deployments", None, None, MaxTokens::MaxCompletionTokens, true, false),
        (
            "deployments",
            Some("2023-05-15"),
            None,
            MaxTokens::MaxTokens,
            false,
            false,
        ),
        (
            "deployments",
            Some("2024-09-01-preview"),
            None,
            MaxTokens::MaxCompletionTokens,
            true,
            false,
        ),
        (
            "deployments",
            Some("2024-12-01-preview"),
            None,
            MaxTokens::MaxCompletionTokens,
            true,
            true,
        ),
        (
            "deployments",
            Some("2024-12-01-preview"),
            Some("max_tokens"),
            MaxTokens::MaxTokens,
            true,
            true,
        ),
        ("v1", None, None, MaxTokens::MaxCompletionTokens, true, true),
        ("inference", None, None, MaxTokens::MaxTokens, true, true),
        (
            "inference",
            None,
            Some("max_completion_tokens"),
            MaxTokens::MaxCompletionTokens,
            true,
            true,
        ),
    ] {
        let got = profile(api, version, limit);
        assert_eq!(
            (got.max_tokens, got.stream_usage, got.developer_role),
            (max_tokens, usage, developer),
            "{api} {version:?} {limit:?}"
        );
    }
}

impl Settings {
    /// The first deployment's target with this version and limit.
    fn place_with(mut self, version: Option<&str>, limit: Option<&str>) -> Target {
        self.api_version = version.map(str::to_owned);
        self.token_limit = limit.map(|limit| serde_json::from_value(json!(limit)).unwrap());
        self.target("d").unwrap()
    }
}
