//! One call, from the neutral request to the neutral answer.
//!
//! In: a request, the profile, and an HTTP request that has its address, headers and credential.
//! Out: the answer, whole or as a stream. Never: an address or a header of its own.

use llm_provider_sdk::http::{Request, Response};
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, ModelInfo};
use llm_provider_sdk::{EventStream, Synthesis, completions, embeddings, images, speech};

use crate::completions::Continuations;
use crate::error::located;
use crate::profile::Profile;
use crate::request::{self, Asked, Options};
use crate::sniff::{Either, Sniffing};
use crate::stream::Decoder;
use crate::{error, models, response};

/// An HTTP request to one of the API's operations, e.g. `/images/edits`: address, headers, credential.
pub type Operation<'a> = &'a dyn Fn(&'static str) -> Result<Request, Error>;

/// Asks for a whole answer.
///
/// # Errors
/// Of the request's encoding, of the way, of the provider, and of its answer's decoding.
pub async fn complete(
    http: Request,
    req: &ChatRequest,
    profile: &Profile,
    pass: &[String],
) -> Result<ChatResponse, Error> {
    let options = Options { stream: false, pass };
    let (answer, asked) = send(http, req, profile, options).await?;
    whole(answer, |body| response::decode(body, asked, profile)).await
}

/// Asks for an answer piece by piece.
///
/// # Errors
/// As [`complete`], as far as the answer has not begun.
pub async fn stream(
    http: Request,
    req: &ChatRequest,
    profile: &Profile,
    pass: &[String],
) -> Result<EventStream, Error> {
    let options = Options { stream: true, pass };
    let http = http.header("accept", "text/event-stream");
    let (answer, asked) = send(http, req, profile, options).await?;
    Ok(events(answer, Decoder::new(profile, asked)))
}

/// The events of an answer. Some servers do not stream what they were asked to, and some fail with
/// status 200: such an answer is taken as a whole.
fn events<D: Either + 'static>(answer: Response, decoder: D) -> EventStream {
    let sniffing = Sniffing::new(decoder, answer.status, answer.headers());
    EventStream::decode(answer, sniffing)
}

/// Asks for continuations of texts.
///
/// # Errors
/// As [`complete`].
pub async fn continuation(
    http: Request,
    req: &completions::Request,
    profile: &Profile,
    pass: &[String],
) -> Result<ChatResponse, Error> {
    let options = Options { stream: false, pass };
    let (body, asked) = crate::completions::encode(req, profile, options)?;
    let answer = good(http.json(&body), profile).await?;
    whole(answer, |body| crate::completions::decode(body, asked, profile)).await
}

/// Asks for continuations of texts piece by piece.
///
/// # Errors
/// As [`complete`], as far as the answer has not begun.
pub async fn continuation_stream(
    http: Request,
    req: &completions::Request,
    profile: &Profile,
    pass: &[String],
) -> Result<EventStream, Error> {
    let options = Options { stream: true, pass };
    let (body, asked) = crate::completions::encode(req, profile, options)?;
    let http = http.header("accept", "text/event-stream").json(&body);
    let answer = good(http, profile).await?;
    Ok(events(answer, Continuations::new(profile, asked)))
}

/// Asks for the vectors of texts.
///
/// # Errors
/// As [`complete`].
pub async fn embed(http: Request, req: &embeddings::Request, profile: &Profile) -> Result<embeddings::Response, Error> {
    let (body, dropped) = crate::embeddings::encode(req, profile)?;
    let answer = good(http.json(&body), profile).await?;
    whole(answer, |body| {
        crate::embeddings::decode(body, req.inputs.len(), dropped, profile)
    })
    .await
}

/// Asks for pictures: new ones, or changes or variations of those given.
///
/// # Errors
/// As [`complete`].
pub async fn generate(
    operation: Operation<'_>,
    req: &images::Request,
    profile: &Profile,
) -> Result<images::Response, Error> {
    let http = operation(crate::images::operation(req))?;
    let (http, dropped) = crate::images::encode(http, req, profile)?;
    let answer = good(http, profile).await?;
    whole(answer, |body| crate::images::decode(body, dropped, profile)).await
}

/// Asks for a text to be spoken. The sound is given on as it comes.
///
/// # Errors
/// As [`complete`], as far as the sound has not begun.
pub async fn synthesize(http: Request, req: &speech::SynthesisRequest, profile: &Profile) -> Result<Synthesis, Error> {
    let http = http.json(&crate::speech::encode(req)?);
    Ok(Synthesis::from_response(good(http, profile).await?))
}

/// Asks for sound to be written down, or translated.
///
/// # Errors
/// As [`complete`].
pub async fn transcribe(
    operation: Operation<'_>,
    req: &speech::TranscriptionRequest,
    profile: &Profile,
) -> Result<speech::Transcript, Error> {
    let http = operation(crate::speech::operation(req))?;
    let (http, dropped) = crate::speech::encode_sound(http, req, profile)?;
    let answer = good(http, profile).await?;
    whole(answer, |body| crate::speech::decode(body, dropped, profile)).await
}

/// Asks for the list of models.
///
/// # Errors
/// Of the way, of the provider, and kind `upstream` when the answer is no list.
pub async fn list_models(http: Request, profile: &Profile) -> Result<Vec<ModelInfo>, Error> {
    let mut answer = good(http, profile).await?;
    models::decode(&answer.bytes().await?, profile)
}

async fn send(
    http: Request,
    req: &ChatRequest,
    profile: &Profile,
    options: Options<'_>,
) -> Result<(Response, Asked), Error> {
    let (body, asked) = request::encode(req, profile, options)?;
    Ok((good(http.json(&body), profile).await?, asked))
}

/// Sends a request; an answer that is a failure is an error.
async fn good(http: Request, profile: &Profile) -> Result<Response, Error> {
    let mut answer = http.send().await?;
    if answer.is_success() {
        Ok(answer)
    } else {
        Err(error::from_response(&mut answer, profile).await)
    }
}

/// Reads and decodes a whole answer.
async fn whole<T>(mut answer: Response, decode: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    let (status, headers) = (answer.status, answer.headers().to_vec());
    let body = answer.bytes().await?;
    decode(&body).map_err(|error| located(error, status, &headers))
}
