use super::*;

const ASKED: Asked<'static> = Asked {
    permission: "bedrock:InvokeModelWithResponseStream",
    model: "anthropic.claude-sonnet-4-5",
    region: "eu-west-1",
};

fn answer(status: u16, kind: &str, message: &str) -> Error {
    let headers = [
        ("x-amzn-errortype".to_owned(), kind.as_bytes().to_vec()),
        ("x-amzn-requestid".to_owned(), b"id-1".to_vec()),
    ];
    let body = serde_json::json!({ "message": message }).to_string();
    from_answer(status, &headers, body.as_bytes(), &ASKED)
}

#[test]
fn types_become_kinds() {
    use ErrorKind::{
        Authentication, ContentFiltered, ContextLength, InvalidRequest, NotFound, Overloaded, Permission,
        QuotaExhausted, RateLimited, Timeout, Upstream,
    };
    #[rustfmt::skip]
    let cases = [
        (400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", "Malformed input request: #: required key [messages] not found", InvalidRequest, false, ""),
        (400, "ValidationException", "Input is too long for requested model.", ContextLength, false, ""),
        (400, "ValidationException", "The model returned the following errors: prompt is too long: 205000 tokens > 200000 maximum", ContextLength, false, ""),
        (400, "ValidationException", "Output blocked by content filtering policy", ContentFiltered, false, ""),
        (400, "ValidationException", "The provided model identifier is invalid.", NotFound, false, "eu-west-1"),
        (400, "ValidationException", "Invocation of model ID m with on-demand throughput isn\u{2019}t supported.", InvalidRequest, false, "`eu.anthropic.claude-sonnet-4-5`"),
        (400, "ValidationException", "Operation not allowed", Permission, false, "Model access"),
        (403, "AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: arn:x because no identity-based policy allows it", Permission, false, "Allow that action"),
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Permission, false, "Model access"),
        (403, "AccessDeniedException", "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe)", Permission, false, "aws-marketplace:Subscribe"),
        (403, "AccessDeniedException", "", Permission, false, "bedrock:InvokeModelWithResponseStream"),
        (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", Authentication, false, "API key in the vault"),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", Authentication, false, "access key"),
        (403, "ExpiredTokenException", "The security token included in the request is expired", Authentication, false, "renew"),
        (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)", Authentication, false, "clock"),
        (403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.", Authentication, false, "secret key"),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life. Please refer to the AWS documentation.", NotFound, false, "newer model"),
        (404, "ResourceNotFoundException", "Could not resolve the resource", NotFound, false, "eu-west-1"),
        (404, "UnknownOperationException", "", NotFound, false, "`endpoint`"),
        (400, "ValidationException", "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.", ContextLength, false, ""),
        (400, "ValidationException", "Malformed input request: #/texts/0: expected maxLength: 2048, actual: 5000, please reformat your input and try again.", ContextLength, false, ""),
        (400, "ValidationException", "This action doesn't support the model that you provided. Try again with a supported text or chat model.", InvalidRequest, false, "`bedrock: {\"operation\": \"invoke\"}`"),
        (400, "ValidationException", "The guardrail identifier or version provided in the request does not exist.", InvalidRequest, false, "`guardrail`"),
        (400, "ValidationException", "Access to Anthropic models is not allowed from unsupported countries, regions, or territories.", Permission, false, ""),
        (404, "ResourceNotFoundException", "Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you have already filled out the form, try again in 15 minutes.", Permission, false, "use-case form"),
        (403, "AccessDeniedException", "Your account is not authorized to invoke this API operation.", Permission, false, "AWS Support"),
        (424, "ModelErrorException", "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide.", Upstream, true, "`max_tokens`"),
        (404, "FTUFormNotFilled", "", Permission, false, "use-case form"),
        (404, "ResourceNotFoundException", "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 15 days. Please upgrade to an active model on Amazon Bedrock", NotFound, false, "newer model"),
        (403, "AccessDeniedException", "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided. Your AWS Marketplace subscription for this model cannot be completed at this time.", Permission, false, "billing console"),
        (403, "AccessDeniedException", "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information.", InvalidRequest, false, "`cache_control`"),
        (403, "AccessDeniedException", "Access to this model is not available for channel program accounts. Reach out to your AWS Solution Provider or AWS Distributor for more information.", Permission, false, ""),
        (403, "AccessDeniedException", "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: bedrock:InvokeModel on resource: arn:x because no VPC endpoint policy allows the bedrock:InvokeModel action", Permission, false, "PrivateLink"),
        (403, "AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:InvokeModel on resource: arn:x because no permissions boundary allows the bedrock:InvokeModel action", Permission, false, "boundary"),
        (403, "AccessDeniedException", "User: arn:aws:iam::1:user/BedrockAPIKey-x is not authorized to perform: bedrock:CallWithBearerToken", Permission, false, "CallWithBearerToken"),
        (403, "AccessDeniedException", "Bearer Token has expired", Authentication, false, "API key in the vault"),
        (403, "AccessDeniedException", "Authorization header is missing", Authentication, false, "API key in the vault"),
        (408, "ModelTimeoutException", "Model has timed out in processing the request.", Timeout, true, ""),
        (424, "ModelErrorException", "The system encountered an unexpected error during processing.", Upstream, true, ""),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited, true, ""),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", QuotaExhausted, false, "Service Quotas"),
        (429, "ModelNotReadyException", "The model is not ready for inference.", Overloaded, true, "few minutes"),
        (400, "ServiceQuotaExceededException", "You have exceeded your quota", QuotaExhausted, false, "Service Quotas"),
        (500, "InternalServerException", "The system encountered an unexpected error", Upstream, true, ""),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Overloaded, true, ""),
        (503, "", "", Overloaded, true, ""),
    ];
    for (status, code, message, kind, retryable, advice) in cases {
        let got = answer(status, code, message);
        assert_eq!(
            (got.kind, got.retryable),
            (kind, retryable),
            "{code} {message}: {got:?}"
        );
        assert!(got.message.starts_with(message), "{}", got.message);
        assert!(got.message.contains(advice), "{}", got.message);
        if advice.is_empty() && !message.is_empty() {
            assert_eq!(got.message, message);
        }
        assert_eq!(got.http_status, Some(status));
        assert_eq!(got.request_id.as_deref(), Some("id-1"));
        assert!(!got.provider_code.clone().unwrap_or_default().contains(':'), "{got:?}");
    }
}

#[test]
fn the_type_may_stand_in_the_body() {
    let body = br#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#;
    let error = from_answer(403, &[], body, &ASKED);
    assert_eq!(error.provider_code.as_deref(), Some("AccessDeniedException"));
    assert!(error.message.starts_with("no. "), "{}", error.message);
}

#[test]
fn advice_fits_the_name_and_the_place() {
    let told = |model: &str, region: &str, message: &str| {
        let asked = Asked {
            permission: "bedrock:InvokeModel",
            model,
            region,
        };
        let body = serde_json::json!({ "message": message }).to_string();
        from_answer(400, &[], body.as_bytes(), &asked).message
    };
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/meta.llama4-scout-17b-instruct-v1:0";
    let on_demand = "Invocation of model ID x with on-demand throughput isn\u{2019}t supported.";
    assert!(told(arn, "us-east-1", on_demand).contains("`us.meta.llama4-scout-17b-instruct-v1:0`"));
    let invalid = "The provided model identifier is invalid.";
    assert!(told("us.amazon.nova-lite-v1:0", "eu-west-1", invalid).contains("`eu.`"));
    assert!(told("eu.amazon.nova-lite-v1:0", "eu-west-1", invalid).contains("Check the model's name"));
    assert!(told("amazon.nova-lite-v1:0", "eu-west-1", invalid).contains("Check the model's name"));
}

#[test]
fn without_its_type_an_error_is_known_by_its_words() {
    use ErrorKind::{Authentication, ContextLength, NotFound, Permission, QuotaExhausted, RateLimited, Upstream};
    #[rustfmt::skip]
    let cases = [
        (400, "The provided model identifier is invalid.", NotFound, "eu-west-1"),
        (400, "Input is too long for requested model.", ContextLength, ""),
        (400, "Invocation of model ID m with on-demand throughput isn\u{2019}t supported.", ErrorKind::InvalidRequest, "inference profile"),
        (403, "The security token included in the request is expired", Authentication, "renew"),
        (403, "The security token included in the request is invalid.", Authentication, "access key"),
        (403, "The request signature we calculated does not match the signature you provided.", Authentication, "secret key"),
        (403, "You don't have access to the model with the specified model ID.", Permission, "Model access"),
        (404, "This model version has reached the end of its life.", NotFound, "newer model"),
        (429, "Too many tokens per day, please wait before trying again.", QuotaExhausted, "Service Quotas"),
        (429, "Too many requests", RateLimited, ""),
        (424, "The system encountered an unexpected error", Upstream, ""),
    ];
    for (status, message, kind, advice) in cases {
        for body in [
            serde_json::json!({ "message": message }),
            serde_json::json!({ "message": null, "Message": message }),
        ] {
            let got = from_answer(status, &[], body.to_string().as_bytes(), &ASKED);
            assert_eq!(got.kind, kind, "{message}");
            assert!(
                got.message.starts_with(message) && got.message.contains(advice),
                "{}",
                got.message
            );
            assert_eq!(got.provider_code, None, "{message}");
        }
    }
    let proxy = from_answer(403, &[], b"<html>no</html>", &ASKED);
    assert!(
        !proxy.message.contains("permission bedrock"),
        "it is not Bedrock's: {}",
        proxy.message
    );
    let unknown = br#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
    let unknown = from_answer(404, &[], unknown, &ASKED);
    assert_eq!(unknown.provider_code.as_deref(), Some("UnknownOperationException"));
    assert!(unknown.message.contains("`endpoint`"), "{}", unknown.message);
}

#[test]
fn a_models_own_refusal_is_not_tried_again() {
    let body = br#"{"message":"The model failed","originalStatusCode":400,"originalMessage":"bad prompt"}"#;
    let headers = [("x-amzn-errortype".to_owned(), b"ModelErrorException".to_vec())];
    let error = from_answer(424, &headers, body, &ASKED);
    assert!(!error.retryable);
    assert!(error.message.contains("bad prompt"));
}

#[test]
fn exceptions_inside_a_stream() {
    use ErrorKind::{InvalidRequest, Overloaded, RateLimited, Timeout, Upstream};
    let cases = [
        ("throttlingException", RateLimited, true),
        ("modelStreamErrorException", Upstream, true),
        ("internalServerException", Upstream, true),
        ("validationException", InvalidRequest, false),
        ("serviceUnavailableException", Overloaded, true),
        ("modelTimeoutException", Timeout, true),
        ("newException", Upstream, true),
    ];
    for (name, kind, retryable) in cases {
        let error = from_exception(name, br#"{"message":"m","p":"abc"}"#, &ASKED);
        assert_eq!(
            (error.kind, error.retryable, error.message.as_str()),
            (kind, retryable, "m"),
            "{name}"
        );
        let code = error.provider_code.unwrap();
        assert!(code.ends_with("Exception") && code.starts_with(char::is_uppercase));
        assert_eq!(error.http_status, None);
    }
    let bare = from_exception("internalServerException", b"", &ASKED);
    assert!(bare.message.contains("InternalServerException"), "{}", bare.message);
}
