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
/// The field in which an adapter says of each picture what has no place of its own.
const DETAILS: &str = "image_details";

/// What is said of each picture, in their order; nothing where it cannot be told which it belongs to.
fn details(response: &Response) -> Option<Vec<llm::Extras>> {
    let (_, json) = response.extra.iter().find(|(name, _)| name == DETAILS)?;
    let items = Node::parse(json.as_bytes()).ok()?.into_list(&Path::ROOT).ok()?;
    let all: Result<Vec<_>, _> = items
        .into_iter()
        .map(|item| item.into_object(&Path::ROOT).map(|object| object.rest()))
        .collect();
    all.ok().filter(|all| all.len() == response.images.len())
}

fn encode(response: &Response, created: u64) -> Bytes {
    let details = details(response);
    let none = llm::Extras::new();
    let mut out = BytesMut::with_capacity(1024);
    let mut object = Object::begin(&mut out);
    if !response.extra.iter().any(|(name, _)| name == "created") {
        object.field("created", &created);
    }
    object.list("data", response.images.iter().enumerate(), |out, (at, image)| {
        let own = details.as_ref().and_then(|all| all.get(at)).unwrap_or(&none);
        let mut entry = Object::begin(out);
        match &image.source {
            llm::MediaSource::Inline(bytes) => entry.field("b64_json", &STANDARD.encode(bytes)),
            llm::MediaSource::Url(url) => entry.field("url", url),
            llm::MediaSource::File(id) => entry.field("file_id", id),
        }
        if !own.iter().any(|(name, _)| name == "revised_prompt") {
            entry.optional("revised_prompt", response.revised_prompt.as_ref());
        }
        entry.optional("media_type", Some(&image.media_type).filter(|kind| !kind.is_empty()));
        entry.extras(own, &["b64_json", "url", "file_id", "media_type"]);
        entry.end();
    });
    if let Some(used) = &response.usage {
        let mut inner = object.object("usage");
        usage::write_media(&mut inner, used, "input_tokens_details");
        inner.end();
    }
    let written = if details.is_some() { DETAILS } else { "data" };
    object.extras(&response.extra, &["data", "usage", written]);
    object.end();
    out.freeze()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(details: &str) -> Value {
        let image = |byte| llm::Media {
            media_type: String::new(),
            source: llm::MediaSource::Inline(vec![byte]),
            name: None,
            detail: None,
        };
        let response = Response {
            images: vec![image(0), image(1)],
            revised_prompt: Some("shared".into()),
            usage: None,
            dropped: vec![],
            extra: vec![
                ("image_details".into(), details.into()),
                ("size".into(), "\"s\"".into()),
            ],
        };
        serde_json::from_slice(&encode(&response, 5)).unwrap()
    }

    #[test]
    fn what_is_said_of_a_picture_stands_at_the_picture() {
        let seen = answer(r#"[{},{"revised_prompt":"own","b64_json":"no","content_filter_results":{}}]"#);
        let expected = json!({"created": 5, "size": "s", "data": [
            {"b64_json": "AA==", "revised_prompt": "shared"},
            {"b64_json": "AQ==", "revised_prompt": "own", "content_filter_results": {}},
        ]});
        assert_eq!(seen, expected);
        // Where it cannot be told whose it is, it stays as it came.
        for odd in ["[{}]", "{}", "[1,2]"] {
            assert_eq!(answer(odd)["image_details"].to_string(), odd);
        }
    }
}
