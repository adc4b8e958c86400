//! OpenAI's dialect: conversations, texts, vectors, pictures, sound and models.
//!
//! In: HTTP requests in OpenAI's form. Out: answers in OpenAI's form, whole or as an event
//! stream. Never: the name of a provider, and no decision about who answers.
//!
//! What the neutral types hold and OpenAI's form does not travels in fields of its own, given out
//! and accepted back: see `docs/openai-api.md`.

mod assistant;
mod audio;
mod carriers;
mod completions;
mod embeddings;
pub(crate) mod error;
mod images;
mod media;
mod message;
mod models;
mod part;
mod request;
mod response;
mod state;
mod stream;
mod texts;
mod tool;
mod usage;

#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::auth;
use crate::context::RequestContext;
use crate::dispatch::{Ask, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, Target};
use crate::error::GatewayError;
use crate::llm;
use crate::plain;

use super::error::{Dialect, respond};
use super::{Front, body, headers, sse};
use request::Decoded;
use response::Defaults;

impl Front {
    /// What the host adds where a provider is silent; `kind` is how OpenAI's ids of such an answer
    /// begin.
    fn defaults(&self, context: &RequestContext, kind: &str) -> Defaults {
        Defaults {
            id: format!("{kind}-{}", context.id),
            created: self.now(),
        }
    }
}

/// This dialect's addresses.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(complete))
        .route("/v1/embeddings", post(embed))
        .route("/v1/images/generations", post(images::generate))
        .route("/v1/images/edits", post(images::edit))
        .route("/v1/images/variations", post(images::vary))
        .route("/v1/audio/speech", post(audio::speak))
        .route("/v1/audio/transcriptions", post(audio::transcribe))
        .route("/v1/audio/translations", post(audio::translate))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{*id}", get(one_model))
}

/// `POST /v1/chat/completions`.
async fn chat(State(front): State<Front>, Extension(context): Extension<RequestContext>, request: Request) -> Response {
    settled(&context, answer_chat(&front, &context, request).await)
}

async fn answer_chat(front: &Front, context: &RequestContext, request: Request) -> Result<Response, GatewayError> {
    let bytes = body::json(request, context, context.snapshot.config.server.max_body).await?;
    let Decoded { request, stream, form } = request::decode(&bytes)?;
    // The typed request holds copies; the bytes may be many megabytes.
    drop(bytes);
    let (model, ask) = (request.model.clone(), Ask::Chat { request, stream });
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let defaults = front.defaults(context, "chatcmpl");
    let (dropped, response) = match answer {
        LlmAnswer::Whole(whole) => {
            let body = response::encode(&whole, form, &defaults);
            (whole.dropped, json(body))
        }
        LlmAnswer::Stream { start, events } => {
            let encoder = stream::Encoder::new(form, defaults, &target.provider);
            let body = sse::Body::new(&start, events, encoder);
            (start.dropped, event_stream(body))
        }
        _ => return Err(other_answer()),
    };
    Ok(answered(context, &target, &dropped, response))
}

/// `POST /v1/completions`.
async fn complete(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    settled(&context, answer_complete(&front, &context, request).await)
}

async fn answer_complete(front: &Front, context: &RequestContext, request: Request) -> Result<Response, GatewayError> {
    let bytes = body::json(request, context, context.snapshot.config.server.max_body).await?;
    let decoded = completions::decode(&bytes)?;
    drop(bytes);
    let completions::Decoded {
        request,
        stream,
        include_usage,
    } = decoded;
    let (model, ask) = (request.model.clone(), Ask::Completion { request, stream });
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let defaults = front.defaults(context, "cmpl");
    let (dropped, response) = match answer {
        LlmAnswer::Whole(whole) => {
            let body = completions::encode(&whole, &defaults);
            (whole.dropped, json(body))
        }
        LlmAnswer::Stream { start, events } => {
            let encoder = completions::Encoder::new(include_usage, defaults, &target.provider);
            let body = sse::Body::new(&start, events, encoder);
            (start.dropped, event_stream(body))
        }
        _ => return Err(other_answer()),
    };
    Ok(answered(context, &target, &dropped, response))
}

/// `POST /v1/embeddings`.
async fn embed(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    settled(&context, answer_embed(&front, &context, request).await)
}

async fn answer_embed(front: &Front, context: &RequestContext, request: Request) -> Result<Response, GatewayError> {
    let bytes = body::json(request, context, context.snapshot.config.server.max_body).await?;
    let (request, encoding) = embeddings::decode(&bytes)?;
    drop(bytes);
    let (model, ask) = (request.model.clone(), Ask::Embeddings(request));
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let LlmAnswer::Embeddings(vectors) = answer else {
        return Err(other_answer());
    };
    let response = json(embeddings::encode(&vectors, encoding));
    Ok(answered(context, &target, &vectors.dropped, response))
}

/// Asks the model that a request names, if this caller may.
async fn ask_model(
    front: &Front,
    context: &RequestContext,
    model: String,
    ask: Ask,
) -> Result<LlmResponse, GatewayError> {
    auth::require_model(&context.principal, &model)?;
    front.dispatch.ask(context, LlmRequest { model, ask }).await
}

/// The response, or the failure in this dialect.
fn settled(context: &RequestContext, outcome: Result<Response, GatewayError>) -> Response {
    outcome.unwrap_or_else(|error| {
        let told = error.to_string();
        tracing::info!(request = %context.id, fault = ?error.fault(), error = %plain::brief(&told), "a request failed");
        respond(&error, Dialect::OpenAi)
    })
}

/// A response with who gave it, and what did not reach them.
fn answered(
    context: &RequestContext,
    target: &Target,
    dropped: &[llm::DroppedField],
    mut response: Response,
) -> Response {
    headers::set_answer(response.headers_mut(), target, dropped);
    log_dropped(context, &target.provider, dropped);
    response
}

/// The dispatch stack gave another kind of answer than was asked for.
fn other_answer() -> GatewayError {
    GatewayError::Internal {
        message: "the answer is of another kind than was asked for".to_owned(),
    }
}

fn event_stream<E: sse::Encoder>(body: sse::Body<E>) -> Response {
    let mut response = Response::new(Body::new(body));
    let map = response.headers_mut();
    map.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    map.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Most fields of one request that are logged. A plugin may name as many as it likes.
const MOST_LOGGED: usize = 100;

/// Names what did not reach the provider, with the reasons that the header has no room for.
fn log_dropped(context: &RequestContext, provider: &str, dropped: &[llm::DroppedField]) {
    for llm::DroppedField { field, reason } in dropped.iter().take(MOST_LOGGED) {
        tracing::info!(
            request = %context.id, provider, field = &*plain::brief(field), reason = &*plain::brief(reason),
            "a field of the request did not reach the provider"
        );
    }
    if let Some(more) = dropped.len().checked_sub(MOST_LOGGED).filter(|more| *more > 0) {
        tracing::info!(request = %context.id, provider, more, "further fields did not reach the provider");
    }
}

/// `GET /v1/models`.
async fn list_models(State(front): State<Front>, Extension(context): Extension<RequestContext>) -> Response {
    match allowed_models(&front, &context).await {
        Ok(entries) => json(models::encode_list(&entries)),
        Err(error) => respond(&error, Dialect::OpenAi),
    }
}

/// `GET /v1/models/{id}`; an id may hold `/`.
async fn one_model(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
) -> Response {
    let found = allowed_models(&front, &context).await;
    match found.and_then(|entries| models::encode_one(&entries, &id)) {
        Ok(body) => json(body),
        Err(error) => respond(&error, Dialect::OpenAi),
    }
}

/// The models that this caller may ask for.
async fn allowed_models(front: &Front, context: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError> {
    let mut entries = front.dispatch.models(context).await?;
    entries.retain(|entry| auth::allows(&context.principal, &entry.name));
    Ok(entries)
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
