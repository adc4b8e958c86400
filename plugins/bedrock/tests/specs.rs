//! The adapter against AWS's own test cases: endpoints, and how errors are told.
//!
//! In: botocore's endpoint test cases of `bedrock-runtime` and `bedrock`, and the Smithy protocol tests
//! of REST-JSON, under `LLM_HOST_SPECS` (default: `../shared/specs` beside the workspace). The rest of
//! the protocol is the SDK's, which is held to the same tests by its makers. Without the files the
//! tests say so and pass.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use llm_plugin_bedrock::endpoint::{self, Variant};
use llm_plugin_bedrock::error::{self, Asked};
use llm_plugin_bedrock::settings::Settings;
use serde_json::{Value, json};

fn read(name: &str) -> Option<Value> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs");
    let path = std::env::var_os("LLM_HOST_SPECS")
        .map_or_else(beside, PathBuf::from)
        .join(name);
    let Ok(text) = std::fs::read(&path) else {
        println!("no {} (set LLM_HOST_SPECS): nothing was tried", path.display());
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

#[test]
fn endpoints_are_those_of_the_rule_sets() {
    for service in ["bedrock-runtime", "bedrock"] {
        let Some(tests) = read(&format!("botocore/{service}/endpoint-tests-1.json")) else {
            return;
        };
        let cases = tests["testCases"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let params = &case["params"];
            let region = params["Region"].as_str().unwrap_or_default();
            let variant = Variant {
                fips: params["UseFIPS"] == true,
                dual_stack: params["UseDualStack"] == true,
            };
            let mut settings = json!({"region": if region.is_empty() { "us-east-1" } else { region },
                "fips": variant.fips, "dual_stack": variant.dual_stack});
            if let Some(endpoint) = params["Endpoint"].as_str() {
                settings["endpoint"] = json!(endpoint);
            }
            if params.is_null() || region.is_empty() && params["Endpoint"].is_null() {
                // Settings without a region do not pass their check.
                settings["region"] = json!("");
            }
            let settings: Settings = serde_json::from_value(settings).unwrap();
            let got = settings.check().and_then(|()| match &settings.endpoint {
                Some(own) => Ok(own.clone()),
                None => endpoint::origin(service, region, variant),
            });
            match case["expect"]["endpoint"]["url"].as_str() {
                Some(url) => assert_eq!(got.as_deref(), Ok(url), "{service}: {}", case["documentation"]),
                None => assert!(got.is_err(), "{service}: {} gave {got:?}", case["documentation"]),
            }
        }
    }
}

#[test]
fn errors_are_named_as_the_protocol_says() {
    let Some(suites) = read("protocol-tests/output/rest-json.json") else {
        return;
    };
    let asked = Asked {
        permission: "bedrock:InvokeModel",
        model: "m",
        region: "us-east-1",
    };
    let mut tried = 0;
    for case in suites
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|suite| suite["cases"].as_array().unwrap())
    {
        let Some(code) = case["errorCode"].as_str() else {
            continue;
        };
        let response = &case["response"];
        let headers: Vec<(String, Vec<u8>)> = response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().as_bytes().to_vec()))
            .collect();
        let status = u16::try_from(response["status_code"].as_u64().unwrap()).unwrap();
        let body = response["body"].as_str().unwrap_or_default();
        let error = error::from_answer(status, &headers, body.as_bytes(), &asked);
        assert_eq!(error.provider_code.as_deref(), Some(code), "{}", case["id"]);
        assert_eq!(error.http_status, Some(status));
        tried += 1;
    }
    assert!(tried > 5, "{tried} cases of errors");
}
