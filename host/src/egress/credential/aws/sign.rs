//! Signature version 4 over a request as it will be sent.
//!
//! In: the request, the keys, what the signature is for. Out: the request with the headers of the
//! signature, and the signature. Never: a header signed that the HTTP client or a proxy on the way
//! may add or change.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as calculate};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue};

use super::super::attach::{AttachError, Outgoing};
use llm_host_vault::Secret;

/// Headers that are not signed besides those the library leaves out itself (`user-agent`,
/// `transfer-encoding`, `x-amzn-trace-id`): the client adds or rewrites them, and proxies do.
const UNSIGNED: [&str; 3] = ["accept", "accept-encoding", "content-length"];

/// What a signature is for.
pub(super) struct Scope<'a> {
    /// The service, e.g. `bedrock`.
    pub(super) service: &'a str,
    /// The region, e.g. `us-east-1`.
    pub(super) region: &'a str,
    /// When.
    pub(super) time: SystemTime,
}

/// Signs a request. The settings are those of every service but S3: the path is encoded a second
/// time, so that `:` and `%2F` of a model's name are signed as AWS reads them.
///
/// # Errors
/// When the keys have characters that cannot be sent.
pub(super) fn sign(outgoing: &mut Outgoing, keys: &Credentials, scope: Scope<'_>) -> Result<Secret, AttachError> {
    let identity: Identity = keys.clone().into();
    let mut settings = SigningSettings::default();
    let excluded = settings.excluded_headers.get_or_insert_default();
    excluded.extend(UNSIGNED.map(Into::into));
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(settings)
        .build()
        .map_err(|_| AttachError::Characters)?
        .into();
    // A header whose value is not text stays unsigned; AWS asks for none of those.
    let headers = outgoing
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(&outgoing.body);
    let request = SignableRequest::new(outgoing.method.as_str(), outgoing.url.as_str(), headers, body)
        .map_err(|_| AttachError::Characters)?;
    let (instructions, signature) = calculate(request, &params)
        .map_err(|_| AttachError::Characters)?
        .into_parts();
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| AttachError::Characters)?;
        value.set_sensitive(header.name() != "x-amz-date");
        outgoing.headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(Secret::new(signature))
}

#[cfg(test)]
mod tests;
