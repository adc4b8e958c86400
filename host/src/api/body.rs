//! Reading a request's body.
//!
//! In: the body as it arrives. Out: all of its bytes. Never: more than the limit in memory, or a
//! wait beyond the request's deadline.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::context::RequestContext;
use crate::error::GatewayError;

/// Reads a JSON body.
///
/// The content type is required: it keeps a page in somebody's browser from sending requests to a
/// host on their machine, since a cross-origin form cannot send JSON without asking first.
///
/// # Errors
/// `UnsupportedMediaType`, `BodyTooLarge`, `DeadlineExceeded`; `InvalidRequest` for a body that
/// broke off.
pub(super) async fn json(request: Request, context: &RequestContext, limit: u64) -> Result<Bytes, GatewayError> {
    let (head, body) = request.into_parts();
    require_json(&head.headers)?;
    if declared_length(&head.headers).is_some_and(|length| length > limit) {
        return Err(GatewayError::BodyTooLarge { limit });
    }
    match tokio::time::timeout_at(context.deadline.into(), all(body, limit)).await {
        Ok(result) => result,
        Err(_) => Err(GatewayError::DeadlineExceeded {
            message: "the request's body did not arrive within `server.request_timeout`".to_owned(),
        }),
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
    let given = headers
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let media_type = given
        .as_deref()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let subtype = media_type.to_ascii_lowercase();
    if subtype == "application/json" || (subtype.starts_with("application/") && subtype.ends_with("+json")) {
        return Ok(());
    }
    let got = given.map_or_else(|| "none was sent".to_owned(), |given| format!("got `{given}`"));
    Err(GatewayError::UnsupportedMediaType {
        message: format!("the request needs the header `content-type: application/json`; {got}"),
    })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
