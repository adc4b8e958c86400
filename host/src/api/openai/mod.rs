//! OpenAI's dialect: chat completions and models.
//!
//! In: HTTP requests in OpenAI's form. Out: answers in OpenAI's form, whole or as an event
//! stream. Never: the name of a provider, and no decision about who answers.
//!
//! What the neutral types hold and OpenAI's form does not travels in fields of its own, given out
//! and accepted back: see `docs/openai-api.md`.

mod assistant;
mod carriers;
pub(crate) mod error;
mod media;
mod message;
mod models;
mod part;
mod request;
mod response;
mod state;
mod stream;
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
use crate::dispatch::{LlmAnswer, LlmResponse, ModelEntry};
use crate::error::GatewayError;
use crate::llm;

use super::error::{Dialect, respond};
use super::{Front, body, headers, sse};
use request::AnswerForm;
use response::Defaults;

/// This dialect's addresses.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{*id}", get(one_model))
}

/// `POST /v1/chat/completions`.
async fn chat(State(front): State<Front>, Extension(context): Extension<RequestContext>, request: Request) -> Response {
    answer_chat(&front, &context, request).await.unwrap_or_else(|error| {
        tracing::info!(request = %context.id, fault = ?error.fault(), %error, "chat request failed");
        respond(&error, Dialect::OpenAi)
    })
}

async fn answer_chat(front: &Front, context: &RequestContext, request: Request) -> Result<Response, GatewayError> {
    let bytes = body::json(request, context, context.snapshot.config.server.max_body).await?;
    let decoded = request::decode(&bytes)?;
    // The typed request holds copies; the bytes may be many megabytes.
    drop(bytes);
    auth::require_model(&context.principal, &decoded.request.model)?;
    let answer = front.dispatch.chat(context, decoded.request).await?;
    let defaults = Defaults {
        id: format!("chatcmpl-{}", context.id),
        created: front.now(),
    };
    Ok(chat_response(context, answer, decoded.form, defaults))
}

fn chat_response(context: &RequestContext, answer: LlmResponse, form: AnswerForm, defaults: Defaults) -> Response {
    let LlmResponse { target, answer } = answer;
    let (dropped, mut response) = match answer {
        LlmAnswer::Whole(whole) => {
            let body = response::encode(&whole, form, &defaults);
            (whole.dropped, json(body))
        }
        LlmAnswer::Stream { start, events } => {
            let encoder = stream::Encoder::new(form, defaults, &target.provider);
            let mut response = Response::new(Body::new(sse::Body::new(&start, events, encoder)));
            let map = response.headers_mut();
            map.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream; charset=utf-8"),
            );
            map.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            (start.dropped, response)
        }
    };
    headers::set_answer(response.headers_mut(), &target, &dropped);
    log_dropped(context, &target.provider, &dropped);
    response
}

/// Names what did not reach the provider, with the reasons that the header has no room for.
fn log_dropped(context: &RequestContext, provider: &str, dropped: &[llm::DroppedField]) {
    for field in dropped {
        tracing::info!(
            request = %context.id, provider, field = field.field, reason = field.reason,
            "a field of the request did not reach the provider"
        );
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
