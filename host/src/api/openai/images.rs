//! `POST /v1/images/generations`, `/v1/images/edits` and `/v1/images/variations`: what is asked,
//! and the pictures.
//!
//! In: the body's bytes or a form, by OpenAI's API reference; later the typed answer. Out: the typed
//! request; later JSON. Never: fetching a picture; an address that the provider gave goes on as it
//! is.

use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response as HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::api::form::{self, Form};
use crate::api::json::write::Object;
use crate::api::json::{Node, Path};
use crate::api::{Front, body};
use crate::context::RequestContext;
use crate::dispatch::images::{Request, Response};
use crate::dispatch::{Ask, LlmAnswer, LlmResponse};
use crate::error::GatewayError;
use crate::llm;

use super::{answered, ask_model, json, other_answer, settled, usage};

/// `POST /v1/images/generations`.
pub(super) async fn generate(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: HttpRequest,
) -> HttpResponse {
    let decoded = body::json(request, &context, context.snapshot.config.server.max_body).await;
    let decoded = decoded.and_then(|bytes| decode(&bytes));
    settled(&context, answer(&front, &context, decoded).await)
}

/// `POST /v1/images/edits`.
pub(super) async fn edit(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: HttpRequest,
) -> HttpResponse {
    let form = form::read(request, &context, context.snapshot.config.server.max_body).await;
    settled(&context, answer(&front, &context, form.and_then(decode_edit)).await)
}

/// `POST /v1/images/variations`.
pub(super) async fn vary(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: HttpRequest,
) -> HttpResponse {
    let form = form::read(request, &context, context.snapshot.config.server.max_body).await;
    settled(
        &context,
        answer(&front, &context, form.and_then(decode_variation)).await,
    )
}

async fn answer(
    front: &Front,
    context: &RequestContext,
    decoded: Result<Request, GatewayError>,
) -> Result<HttpResponse, GatewayError> {
    let request = decoded?;
    let (model, ask) = (request.model.clone(), Ask::Images(request));
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let LlmAnswer::Images(images) = answer else {
        return Err(other_answer());
    };
    let response = json(encode(&images, front.now()));
    Ok(answered(context, &target, &images.dropped, response))
}

/// Decodes the body of `generations`.
///
/// # Errors
/// `InvalidRequest` with the path of the field that is wrong.
fn decode(body: &[u8]) -> Result<Request, GatewayError> {
    let root = Path::ROOT;
    let mut object = Node::parse(body)?.into_object(&root)?;
    if object.boolean("stream")? == Some(true) {
        return Err(no_stream());
    }
    Ok(Request {
        model: object.text("model")?.unwrap_or_default().into_owned(),
        prompt: object.required_text("prompt")?.into_owned(),
        references: Vec::new(),
        mask: None,
        n: object.integer("n")?,
        size: object.text("size")?.map(Into::into),
        extra: object.rest(),
    })
}

/// Decodes the form of `edits`.
///
/// # Errors
/// `InvalidRequest` with the name of the field that is wrong.
fn decode_edit(mut form: Form) -> Result<Request, GatewayError> {
    let prompt = form.required_text("prompt")?;
    from_form(form, prompt)
}

/// Decodes the form of `variations`, which have no prompt.
///
/// # Errors
/// `InvalidRequest` with the name of the field that is wrong.
fn decode_variation(form: Form) -> Result<Request, GatewayError> {
    from_form(form, String::new())
}

fn from_form(mut form: Form, prompt: String) -> Result<Request, GatewayError> {
    if form.boolean("stream")? == Some(true) {
        return Err(no_stream());
    }
    let mut references = form.files(&["image", "image[]"]);
    if references.is_empty() {
        references.push(form.required_file("image")?);
    }
    Ok(Request {
        model: form.text("model").unwrap_or_default(),
        prompt,
        references,
        mask: form.files(&["mask"]).pop(),
        n: form.number("n")?,
        size: form.text("size"),
        extra: form.rest()?,
    })
}

fn no_stream() -> GatewayError {
    GatewayError::InvalidRequest {
        message: "`stream` is not supported for pictures: leave it out, and they come when they are complete"
            .to_owned(),
        param: Some("stream".to_owned()),
        code: Some("unsupported"),
    }
}

/// Encodes an answer. `created` is when, in seconds since 1970.
fn encode(response: &Response, created: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    let mut object = Object::begin(&mut out);
    if !response.extra.iter().any(|(name, _)| name == "created") {
        object.field("created", &created);
    }
    object.list("data", &response.images, |out, image| {
        let mut entry = Object::begin(out);
        match &image.source {
            llm::MediaSource::Inline(bytes) => entry.field("b64_json", &STANDARD.encode(bytes)),
            llm::MediaSource::Url(url) => entry.field("url", url),
            llm::MediaSource::File(id) => entry.field("file_id", id),
        }
        entry.optional("revised_prompt", response.revised_prompt.as_ref());
        entry.optional("media_type", Some(&image.media_type).filter(|kind| !kind.is_empty()));
        entry.end();
    });
    if let Some(used) = &response.usage {
        let mut inner = object.object("usage");
        usage::write_media(&mut inner, used, "input_tokens_details");
        inner.end();
    }
    object.extras(&response.extra, &["data", "usage"]);
    object.end();
    out.freeze()
}
