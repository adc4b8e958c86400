//! One chat call, from the neutral request to the neutral answer.
//!
//! In: a request, the profile, and an HTTP request that has its address, headers and credential.
//! Out: the answer, whole or as a stream. Never: an address or a header of its own.

use llm_provider_sdk::http::{Request, Response};
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, Header, ModelInfo};
use llm_provider_sdk::{EventStream, embeddings};

use crate::profile::Profile;
use crate::request::{self, Asked, Options};
use crate::stream::Decoder;
use crate::{error, models, response};

/// Asks for a whole answer.
///
/// # Errors
/// Of the request's encoding, of the way, of the provider, and of its answer's decoding.
pub async fn complete(
    http: Request,
    req: &ChatRequest,
    profile: &'static Profile,
    pass: &[String],
) -> Result<ChatResponse, Error> {
    let options = Options { stream: false, pass };
    let (mut answer, asked) = send(http, req, profile, options).await?;
    let (status, headers) = (answer.status, answer.headers().to_vec());
    let body = answer.bytes().await?;
    response::decode(&body, asked, profile).map_err(|error| located(error, status, &headers))
}

/// The error with what the answer's head says. An error inside an answer of status 200 may have a
/// status of its own.
fn located(error: Error, status: u16, headers: &[Header]) -> Error {
    let own = error.http_status.unwrap_or(status);
    error.with_response(own, headers)
}

/// Asks for an answer piece by piece.
///
/// # Errors
/// As [`complete`], as far as the answer has not begun.
pub async fn stream(
    http: Request,
    req: &ChatRequest,
    profile: &'static Profile,
    pass: &[String],
) -> Result<EventStream, Error> {
    let options = Options { stream: true, pass };
    let http = http.header("accept", "text/event-stream");
    let (mut answer, asked) = send(http, req, profile, options).await?;
    let decoder = Decoder::new(profile, asked);
    let is_json = answer
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("application/json"));
    if is_json {
        // Some servers do not stream what they were asked to, and some fail with status 200.
        let body = answer.bytes().await?;
        return Ok(EventStream::from_events(decoder.whole(&body)));
    }
    Ok(EventStream::decode(answer, decoder))
}

/// Asks for the vectors of texts.
///
/// # Errors
/// As [`complete`].
pub async fn embed(http: Request, req: &embeddings::Request, profile: &Profile) -> Result<embeddings::Response, Error> {
    let (body, dropped) = crate::embeddings::encode(req, profile);
    let mut answer = http.json(&body).send().await?;
    if !answer.is_success() {
        return Err(error::from_response(&mut answer, profile).await);
    }
    let (status, headers) = (answer.status, answer.headers().to_vec());
    let body = answer.bytes().await?;
    crate::embeddings::decode(&body, req.inputs.len(), dropped, profile)
        .map_err(|error| located(error, status, &headers))
}

/// Asks for the list of models.
///
/// # Errors
/// Of the way, of the provider, and kind `upstream` when the answer is no list.
pub async fn list_models(http: Request, profile: &Profile) -> Result<Vec<ModelInfo>, Error> {
    let mut answer = http.send().await?;
    if !answer.is_success() {
        return Err(error::from_response(&mut answer, profile).await);
    }
    models::decode(&answer.bytes().await?, profile)
}

async fn send(
    http: Request,
    req: &ChatRequest,
    profile: &Profile,
    options: Options<'_>,
) -> Result<(Response, Asked), Error> {
    let (body, asked) = request::encode(req, profile, options)?;
    let mut answer = http.json(&body).send().await?;
    if answer.is_success() {
        Ok((answer, asked))
    } else {
        Err(error::from_response(&mut answer, profile).await)
    }
}
