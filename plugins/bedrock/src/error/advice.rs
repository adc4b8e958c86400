//! What to do about an error.
//!
//! In: its type, its text in small letters, and what was asked. Out: one or two sentences for the
//! person who reads it. Never: advice where the service's own words already say it.

use super::Asked;

/// Advice, where there is some.
pub(super) fn of(code: Option<&str>, text: &str, asked: &Asked<'_>) -> Option<String> {
    let Asked {
        permission,
        model,
        region,
    } = asked;
    let says = |word: &str| text.contains(word);
    match code? {
        "AccessDeniedException" if is_of_key(text) => {
            Some("Check the Bedrock API key in the vault: it may have expired, or been made for another account.".to_owned())
        }
        "AccessDeniedException" | "AccessDenied" | "OptInRequired" | "NotAuthorized" => Some(access(text, asked)),
        "ValidationException" if says("on-demand throughput") => Some(format!(
            "Ask an inference profile instead, e.g. `{}.{}`; `host models` lists those of this account.",
            geography(region),
            model.rsplit('/').next().unwrap_or(model)
        )),
        "ValidationException" if says("model identifier is invalid") && is_elsewhere(model, region) => Some(format!(
            "Profiles of another geography cannot be asked from {region}: there it is `{}.` or `global.`. `host models` lists those of this account.",
            geography(region)
        )),
        "ValidationException" if says("model identifier is invalid") => Some(format!(
            "Check the model's name, and whether {region} has it: `host models` lists what this account may ask there."
        )),
        "ValidationException" if says("action doesn't support the model") => Some(
            "Converse does not carry this model: give `bedrock: {\"operation\": \"invoke\"}` where it takes texts, or ask it for embeddings or pictures.".to_owned(),
        ),
        "ValidationException" if says("guardrail identifier or version") => Some(format!(
            "Check `guardrail`: its id or ARN, its version (a number, or `DRAFT`), and that it is in {region}."
        )),
        "ValidationException" if says("operation not allowed") => Some(format!(
            "The account may not use this model in {region}: ask for access in the Bedrock console, under Model access."
        )),
        "ResourceNotFoundException" if says("end of its life") => Some(
            "AWS has switched this version off: choose a newer model, and move aliases that name this one.".to_owned(),
        ),
        "ResourceNotFoundException" if says("marked by provider as legacy") => Some(
            "AWS keeps this version for those alone who use it all the time: choose a newer model, and move aliases that name this one.".to_owned(),
        ),
        "ResourceNotFoundException" | "FTUFormNotFilled" if says("use case details") => Some(use_case()),
        "FTUFormNotFilled" => Some(use_case()),
        "ResourceNotFoundException" if !model.is_empty() => Some(format!(
            "Nothing of that name is in {region}: check the model's id or ARN, and the region it belongs to."
        )),
        "UnknownOperationException" => Some(format!(
            "The endpoint does not know this call: check `endpoint`, and whether Bedrock is in {region}."
        )),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidToken" => Some(
            "AWS does not know this access key: check the credential in the vault, and that a temporary one came with its session token.".to_owned(),
        ),
        "ExpiredToken" | "ExpiredTokenException" => {
            Some("The temporary credential has expired: renew it, or give the vault a source that renews itself (sso, assume-role, default-chain).".to_owned())
        }
        "RequestExpired" => Some(clock()),
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if says("signature expired") || says("not yet current") || says("is now earlier") || says("is now later") =>
        {
            Some(clock())
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" | "IncompleteSignatureException" => Some(format!(
            "Check that the secret key belongs to the access key, and that the credential's region fits {region} (a PrivateLink endpoint takes the credential's)."
        )),
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" => {
            Some("The request arrived without a signature: check the grant of slot `aws` or `api-key`.".to_owned())
        }
        "ServiceQuotaExceededException" => {
            Some(format!("Ask for a higher quota in Service Quotas, for Amazon Bedrock in {region}."))
        }
        "ThrottlingException" | "TooManyRequestsException" if says("per day") => Some(format!(
            "The day's quota of this model in {region} is used up: ask for a higher one in Service Quotas, or spread the load with a cross-region inference profile."
        )),
        "ModelErrorException" | "ModelStreamErrorException" if says("as part of tooluse") => Some(
            "The model could not write the call: give it more `max_tokens`, `top_k` 1, or a simpler schema.".to_owned(),
        ),
        "ModelNotReadyException" => Some("The model is being started; try again in a few minutes.".to_owned()),
        _ => None,
    }
    .filter(|advice| !advice.is_empty() && !permission.is_empty())
}

/// Why access was denied: no permission, no access to the model, a policy of the organisation.
fn access(text: &str, asked: &Asked<'_>) -> String {
    let Asked {
        permission,
        model,
        region,
    } = asked;
    if text.contains("prompt caching") {
        return "This model keeps no prompts: leave `cache_control` out.".to_owned();
    }
    if text.contains("payment_instrument") || text.contains("payment instrument") {
        return "The account needs a valid way to pay in AWS's billing console before it can use models from the Marketplace.".to_owned();
    }
    if text.contains("your account is not authorized") {
        return "AWS has not opened Bedrock to this account: ask AWS Support.".to_owned();
    }
    if text.contains("channel program") || text.contains("unsupported countries") {
        return String::new();
    }
    if text.contains("callwithbearertoken") {
        return "The API key's user needs the permission bedrock:CallWithBearerToken.".to_owned();
    }
    if text.contains("vpc endpoint policy") {
        return format!("The policy of the PrivateLink endpoint does not allow {permission}: its owner has to add it.");
    }
    if text.contains("permissions boundary") || text.contains("session policy") {
        return format!("A permissions boundary or a session policy of the identity leaves {permission} out.");
    }
    if text.contains("marketplace") {
        return "Someone with the permissions aws-marketplace:Subscribe and aws-marketplace:ViewSubscriptions has to ask the model once, which accepts its offer for the account.".to_owned();
    }
    if text.contains("don't have access to the model") || text.contains("model access") {
        return format!("Ask for access to {model} in the Bedrock console of {region}, under Model access.");
    }
    if text.contains("service control policy") {
        return format!("A policy of the organisation forbids {permission}: its administrators have to allow it.");
    }
    if text.contains("use case") {
        return use_case();
    }
    if text.contains("guardrail") {
        return "The identity needs the permission bedrock:ApplyGuardrail on the guardrail.".to_owned();
    }
    let named = ["bedrock:", "bedrock-mantle:"]
        .iter()
        .any(|service| text.contains(&format!("to perform: {service}")));
    let resource = if model.is_empty() {
        String::new()
    } else {
        format!(
            " on {model} (with an inference profile: on the profile and on the models behind it, in every region it leads to)"
        )
    };
    if named {
        return format!("Allow that action{resource} in the identity's policy.");
    }
    format!(
        "The identity needs the permission {permission}{resource}, and the account access to the model in {region}."
    )
}

/// Whether an answer is about a Bedrock API key that is not known, or not any more.
pub(super) fn is_of_key(text: &str) -> bool {
    [
        "authentication failed",
        "api key",
        "bearer token",
        "authorization header is missing",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn use_case() -> String {
    "Fill in the model provider's use-case form in the Bedrock console, under Model access; it counts after some minutes.".to_owned()
}

fn clock() -> String {
    "The signature's time is off: set this machine's clock (NTP).".to_owned()
}

/// Whether a model's name is that of a profile of a geography that the region is not in.
fn is_elsewhere(model: &str, region: &str) -> bool {
    let prefix = model.split('.').next().unwrap_or_default();
    ["us", "eu", "apac", "us-gov"].contains(&prefix) && prefix != geography(region)
}

/// What the names of a region's cross-region profiles begin with.
fn geography(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "us" if region.starts_with("us-gov") => "us-gov",
        "eu" => "eu",
        // Japan and Australia have profiles of their own for newer models.
        "ap" => "apac",
        _ => "us",
    }
}
