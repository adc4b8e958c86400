//! Reading a request's body.
//!
//! In: the body as it arrives. Out: all of its bytes. Never: more than the limit in memory, or a
//! wait beyond the request's deadline.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::context::{Principal, RequestContext};
use crate::error::GatewayError;

/// Reads a JSON body.
///
/// A page in somebody's browser must say that it sends JSON: then the browser asks the host first,
/// which never says yes, and a stranger's page cannot use a host on their machine. Other callers
/// may leave the content type to `curl`.
///
/// # Errors
/// `UnsupportedMediaType`, `BodyTooLarge`, `BodyTooSlow`; `InvalidRequest` for a body that
/// broke off.
pub(super) async fn json(request: Request, context: &RequestContext, limit: u64) -> Result<Bytes, GatewayError> {
    require_json(request.headers())?;
    require_plain(request.headers())?;
    whole(request, context, limit).await
}

/// Reads a body of whatever type.
///
/// A page may send a form, or bytes without a type, to any address without the browser asking first.
/// So a caller who shows no key must not be a page that does.
///
/// # Errors
/// As [`json`].
pub(super) async fn any(request: Request, context: &RequestContext, limit: u64) -> Result<Bytes, GatewayError> {
    if matches!(context.principal, Principal::Anonymous) {
        require_json(request.headers())?;
    }
    whole(request, context, limit).await
}

async fn whole(request: Request, context: &RequestContext, limit: u64) -> Result<Bytes, GatewayError> {
    let (head, body) = request.into_parts();
    if declared_length(&head.headers).is_some_and(|length| length > limit) {
        return Err(GatewayError::BodyTooLarge { limit });
    }
    match tokio::time::timeout_at(context.deadline.into(), all(body, limit)).await {
        Ok(result) => result,
        Err(_) => Err(GatewayError::BodyTooSlow),
    }
}

async fn all(body: Body, limit: u64) -> Result<Bytes, GatewayError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(GatewayError::BodyTooLarge { limit }),
        Err(_) => Err(GatewayError::InvalidRequest {
            message: "the request's body broke off before it was complete".to_owned(),
            param: None,
            code: Some("incomplete_body"),
        }),
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), GatewayError> {
    let from_a_page = FROM_A_PAGE.iter().any(|name| headers.contains_key(name));
    let given = headers
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    if !from_a_page || given.as_deref().is_some_and(is_json) {
        return Ok(());
    }
    let got = given.map_or_else(|| "none was sent".to_owned(), |given| format!("got `{given}`"));
    Err(GatewayError::UnsupportedMediaType {
        message: format!("a request from a page needs the header `content-type: application/json`; {got}"),
    })
}

/// The host reads bodies as they come: a compressed one is as large as it likes to be once it is read.
pub(super) fn require_plain(headers: &HeaderMap) -> Result<(), GatewayError> {
    let given = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = given.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase());
    match codings.find(|coding| !matches!(coding.as_str(), "" | "identity")) {
        None => Ok(()),
        Some(coding) => Err(GatewayError::UnsupportedMediaType {
            message: format!("a body is taken as it is, without `content-encoding`; got `{coding}`"),
        }),
    }
}

/// Headers that a browser sets on every request across origins and no page can take off.
const FROM_A_PAGE: [HeaderName; 2] = [ORIGIN, HeaderName::from_static("sec-fetch-site")];

fn is_json(content_type: &str) -> bool {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_compressed_body_is_refused() {
        for (coding, expected) in [
            (None, true),
            (Some("identity"), true),
            (Some("gzip"), false),
            (Some("BR"), false),
        ] {
            let mut headers = HeaderMap::new();
            coding.map(|coding| headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding)));
            assert_eq!(require_plain(&headers).is_ok(), expected, "{coding:?}");
        }
    }

    #[test]
    fn a_page_must_say_that_it_sends_json() {
        let form = Some("application/x-www-form-urlencoded");
        for (origin, content_type, expected) in [
            (None, None, true),
            (None, form, true),
            (Some("https://evil.example"), None, false),
            (Some("https://evil.example"), form, false),
            (Some("null"), Some("text/plain"), false),
            (
                Some("https://app.example"),
                Some("application/json; charset=utf-8"),
                true,
            ),
            (Some("https://app.example"), Some("Application/Vnd.X+JSON"), true),
        ] {
            let mut headers = HeaderMap::new();
            let mut set = |name, value: Option<&'static str>| {
                value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
            };
            set(ORIGIN, origin);
            set(CONTENT_TYPE, content_type);
            assert_eq!(require_json(&headers).is_ok(), expected, "{origin:?} {content_type:?}");
        }
    }
}
