use super::*;
use serde_json::{Value, json};

#[test]
fn settings_are_checked_and_the_reason_names_the_setting() {
    let endpoint = "https://r.openai.azure.com";
    for (config, fault) in [
        (json!({}), None),
        (json!({"endpoint": endpoint, "deployments": ["gpt-4o"]}), None),
        (json!({"endpoint": "https://gateway.example.com/azure/"}), None),
        (
            json!({"endpoint": endpoint, "api": "v1", "api_version": "preview"}),
            None,
        ),
        (
            json!({"endpoint": endpoint, "api_version": "2025-04-01-preview",
                   "deployments": {"new": {"api": "v1"}, "old": {"api_version": "2023-05-15", "token_limit": "max_tokens"}},
                   "resources": {"west": {"endpoint": "https://w.openai.azure.com", "api": "v1", "deployments": ["x"]}},
                   "models": {"fast": "x@west", "best": "new"}}),
            None,
        ),
        (
            json!({"endpoint": endpoint, "api": "v1", "deployments": ["openai/gpt-4o"], "models": {"m": "a b"}}),
            None,
        ),
        (
            json!({"endpoint": endpoint, "deployments": {"a/b": {"api": "v1"}}, "models": {"m": "a/b"}}),
            None,
        ),
        (
            json!({"endpoint": endpoint, "api": "v1", "deployments": [""]}),
            Some("deployments"),
        ),
        (
            json!({"endpoint": "https://r.services.ai.azure.com/models/"}),
            Some("without the path"),
        ),
        (
            json!({"endpoint": "https://r.services.ai.azure.com/models/chat/completions"}),
            Some("without the path"),
        ),
        (
            json!({"endpoint": "https://r.services.ai.azure.com/api/projects/p"}),
            None,
        ),
        (json!({"endpoint": "r.openai.azure.com"}), Some("endpoint")),
        (json!({"endpoint": "https://"}), Some("endpoint")),
        (json!({"endpoint": "https://key@r.openai.azure.com"}), Some("endpoint")),
        (
            json!({"endpoint": "https://r.openai.azure.com/openai/v1/"}),
            Some("without the path"),
        ),
        (
            json!({"endpoint": "https://r.example.com/x?api-version=1"}),
            Some("endpoint"),
        ),
        (
            json!({"endpoint": endpoint, "api_version": "latest"}),
            Some("api_version"),
        ),
        (
            json!({"endpoint": endpoint, "api_version": "2024-1-1"}),
            Some("api_version"),
        ),
        (
            json!({"endpoint": endpoint, "api": "v1", "api_version": "2024-10-21"}),
            Some("api_version"),
        ),
        (json!({"deployments": ["gpt-4o"]}), Some("endpoint")),
        (json!({"endpoint": endpoint, "deployments": ["a/b"]}), Some("a/b")),
        (json!({"endpoint": endpoint, "deployments": [".."]}), Some("..")),
        (
            json!({"endpoint": endpoint, "deployments": {"d": {"api": "v1", "api_version": "2024-10-21"}}}),
            Some("deployments.d.api_version"),
        ),
        (
            json!({"resources": {"a@b": {"endpoint": endpoint}}}),
            Some("resources.a@b"),
        ),
        (
            json!({"resources": {"a": {"endpoint": "x"}}}),
            Some("resources.a.endpoint"),
        ),
        (json!({"models": {"m": "d@nowhere"}}), Some("resources.nowhere")),
        (json!({"models": {"m": "a b"}}), Some("models.m")),
        (json!({"api_key": "secret"}), Some("api_key")),
    ] {
        let checked = Settings::check(&config.to_string());
        match fault {
            None => assert_eq!(checked, Ok(()), "{config}"),
            Some(name) => {
                let reason = checked.unwrap_err();
                assert!(reason.contains(name), "{config}: {reason}");
            }
        }
    }
}

#[test]
fn the_schema_names_the_same_settings() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    // Each property of the schema is a field of the settings, with a value that both take.
    let sample = |name: &str| match name {
        "endpoint" => json!("https://r.openai.azure.com"),
        "api" => json!("v1"),
        "api_version" => json!("preview"),
        "sign_in" => json!("entra"),
        "token_limit" => json!("max_tokens"),
        "deployments" => json!(["d"]),
        "resources" | "models" => json!({}),
        "discover" => json!("off"),
        _ => json!("text"),
    };
    let of = |schema: &Value| -> Value {
        let names = schema["properties"].as_object().unwrap().keys();
        names.map(|name| (name.clone(), sample(name))).collect()
    };
    let mut config = of(&schema);
    config["resources"] = json!({"x": of(&schema["properties"]["resources"]["additionalProperties"])});
    let table = &schema["$defs"]["deployments"]["anyOf"][1]["additionalProperties"];
    config["deployments"] = json!({"d": of(table)});
    assert_eq!(Settings::check(&config.to_string()), Ok(()));
    assert_eq!(config.as_object().unwrap().len(), 10);
    assert_eq!(config["resources"]["x"].as_object().unwrap().len(), 7);
}
