use super::*;
use crate::settings::{Settings, SignIn};
use llm_provider_sdk::testing::Recording;
use serde_json::json;

fn target(sign_in: Option<SignIn>) -> Target {
    let settings: Settings = serde_json::from_value(json!({
        "endpoint": "https://my-res.openai.azure.com",
        "region": "westeurope",
        "sign_in": sign_in.map(|way| if way == SignIn::Entra { "entra" } else { "api-key" })
    }))
    .unwrap();
    settings.target("my-gpt").unwrap()
}

fn fail(status: u16, body: &str, sign_in: SignIn) -> Error {
    let _host = Recording::new().install();
    let target = target(Some(sign_in));
    let error = llm_openai_wire::error::from_status(status, &[], body.as_bytes(), &target.profile());
    explain(error, &target)
}

/// Errors as the service words them, with what a person is told beside that.
#[test]
fn each_error_says_what_to_do() {
    use ErrorKind as K;
    use SignIn::{ApiKey, Entra};
    for (status, sign_in, body, kind, hint) in [
        (
            401,
            ApiKey,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}"#,
            K::Authentication,
            "one of resource `my-res` at https://my-res.openai.azure.com",
        ),
        (
            401,
            Entra,
            r#"{"statusCode":401,"message":"Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."}"#,
            K::Authentication,
            "its scope has to fit",
        ),
        (
            401,
            Entra,
            r#"{"error":{"code":"PermissionDenied","message":"The principal `0-0` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform `POST /openai/deployments/{deployment-id}/chat/completions` operation."}}"#,
            K::Permission,
            "`Cognitive Services OpenAI User`",
        ),
        (
            401,
            Entra,
            r#"{"error":{"code":"PermissionDenied","message":"Principal does not have access to API/Operation."}}"#,
            K::Permission,
            "`Cognitive Services OpenAI User`",
        ),
        (
            400,
            Entra,
            r#"{"error":{"code":"Tenant provided in token does not match resource token","message":"Token tenant x does not match resource tenant."}}"#,
            K::Authentication,
            "of the tenant",
        ),
        (
            403,
            ApiKey,
            r#"{"error":{"code":"AuthenticationTypeDisabled","message":"Key based authentication is disabled for this resource."}}"#,
            K::Permission,
            "slot `entra`",
        ),
        (
            403,
            ApiKey,
            r#"{"error":{"code":"AccessDenied","message":"Public access is disabled. Please configure private endpoint."}}"#,
            K::Permission,
            "--private-origin https://my-res.openai.azure.com",
        ),
        (
            403,
            ApiKey,
            r#"{"error":{"code":"AccessDenied","message":"Access denied due to Virtual Network/Firewall rules."}}"#,
            K::Permission,
            "closed to this network",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"code":"unknown_model","message":"Unknown model: my-gpt","details":"Unknown model: my-gpt"}}"#,
            K::InvalidRequest,
            "has no deployment `my-gpt`",
        ),
        (
            404,
            ApiKey,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}"#,
            K::NotFound,
            "`my-res` has no deployment `my-gpt`",
        ),
        (
            404,
            ApiKey,
            r#"{"error":{"code":"404","message":"Resource not found"}}"#,
            K::NotFound,
            "check `endpoint` and `api` of resource `my-res`. `api_version` is `2024-10-21`",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"code":"BadRequest","message":"Unsupported API version. Please use a supported API version."}}"#,
            K::InvalidRequest,
            "`api_version` is `2024-10-21`",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"code":"BadRequest","message":"Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later"}}"#,
            K::InvalidRequest,
            "`api_version` is `2024-10-21`",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            K::InvalidRequest,
            "`token_limit = \"max_completion_tokens\"` for deployment `my-gpt`",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens","type":"invalid_request_error","param":null,"code":null}}"#,
            K::InvalidRequest,
            "`token_limit = \"max_tokens\"`",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model, gpt-35-turbo-instruct. Please choose different model and try again."}}"#,
            K::InvalidRequest,
            "not for this operation",
        ),
        (
            429,
            ApiKey,
            r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}}"#,
            K::RateLimited,
            "tokens a minute of deployment `my-gpt` of resource `my-res` in westeurope",
        ),
        (
            429,
            ApiKey,
            r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}}"#,
            K::RateLimited,
            "requests a minute of deployment",
        ),
        (
            429,
            ApiKey,
            r#"{"error":{"code":"NoCapacity","message":"The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. Retry after 26 seconds."}}"#,
            K::Overloaded,
            "no room at resource `my-res` in westeurope",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"},"jailbreak":{"detected":true,"filtered":true},"sexual":{"filtered":false,"severity":"safe"}}}}}"#,
            K::ContentFiltered,
            "The filter found: hate (high), jailbreak.",
        ),
        (
            400,
            ApiKey,
            r#"{"error":{"code":"content_policy_violation","inner_error":{"code":"ResponsibleAIPolicyViolation","content_filter_results":{"violence":{"filtered":true,"severity":"low"}}},"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error"}}"#,
            K::ContentFiltered,
            "The filter found: violence (low).",
        ),
    ] {
        let error = fail(status, body, sign_in);
        assert_eq!(error.kind, kind, "{body}");
        assert!(error.message.contains(hint), "{}", error.message);
        assert_eq!(error.raw.as_deref(), Some(body));
        assert_eq!(error.http_status, Some(status));
        assert_eq!(error.retryable, status == 429, "{body}");
        if status == 429 {
            assert_eq!(error.retry_after_ms, Some(26_000));
        }
        // Azure's own words come first, whole.
        let own: Value = serde_json::from_str(body).unwrap();
        let own = own["error"]["message"].as_str().or(own["message"].as_str()).unwrap();
        assert!(error.message.starts_with(own), "{}", error.message);
    }
}

#[test]
fn what_needs_no_word_more_is_left_as_it_is() {
    for (status, body) in [
        (
            400,
            r#"{"error":{"code":"BadRequest","message":"Invalid image (base64) data.","param":null,"type":null}}"#,
        ),
        (
            500,
            r#"{"error":{"code":"InternalServerError","message":"Backend returned unexpected response."}}"#,
        ),
        (
            404,
            r#"{"error":{"code":"model_not_found","message":"The model `x` does not exist"}}"#,
        ),
    ] {
        let own: Value = serde_json::from_str(body).unwrap();
        let error = fail(status, body, SignIn::ApiKey);
        assert_eq!(Some(error.message.as_str()), own["error"]["message"].as_str());
    }
    let way = explain(Error::new(ErrorKind::Transport, "no connection"), &target(None));
    assert_eq!(way.message, "no connection");
}
