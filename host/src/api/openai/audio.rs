//! `POST /v1/audio/speech`, `/v1/audio/transcriptions` and `/v1/audio/translations`: what is asked,
//! and the text of a sound.
//!
//! In: the body's bytes or a form, by OpenAI's API reference; later the typed transcript. Out: the
//! typed request and how the text is to be written; later its bytes. Never: a sound; its bytes go to
//! the caller as they come.

mod subtitles;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use crate::api::form::{self, Form};
use crate::api::json::write::Object;
use crate::api::json::{Node, Path};
use crate::api::{Front, body, headers};
use crate::context::RequestContext;
use crate::dispatch::speech::{SynthesisRequest, Transcript, TranscriptionRequest};
use crate::dispatch::{Ask, LlmAnswer, LlmResponse};
use crate::error::GatewayError;
use crate::llm;

use super::{answered, ask_model, other_answer, settled, usage};
use subtitles::Format;

/// `POST /v1/audio/speech`.
pub(super) async fn speak(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    settled(&context, answer_speech(&front, &context, request).await)
}

async fn answer_speech(front: &Front, context: &RequestContext, request: Request) -> Result<Response, GatewayError> {
    let bytes = body::json(request, context, context.snapshot.config.server.max_body).await?;
    let request = decode_speech(&bytes)?;
    let (model, ask) = (request.model.clone(), Ask::Synthesis(request));
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let LlmAnswer::Sound(sound) = answer else {
        return Err(other_answer());
    };
    let mut response = Response::new(Body::from_stream(sound.body));
    let media_type = headers::printable(&sound.media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(answered(context, &target, &sound.dropped, response))
}

/// `POST /v1/audio/transcriptions`.
pub(super) async fn transcribe(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    settled(&context, answer_text(&front, &context, request, Task::Transcribe).await)
}

/// `POST /v1/audio/translations`.
pub(super) async fn translate(
    State(front): State<Front>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    settled(&context, answer_text(&front, &context, request, Task::Translate).await)
}

async fn answer_text(
    front: &Front,
    context: &RequestContext,
    request: Request,
    task: Task,
) -> Result<Response, GatewayError> {
    let form = form::read(request, context, context.snapshot.config.server.max_body).await?;
    let (request, wanted) = decode(form, task)?;
    let (model, ask) = (request.model.clone(), Ask::Transcription(request));
    let LlmResponse { target, answer } = ask_model(front, context, model, ask).await?;
    let LlmAnswer::Transcript(transcript) = answer else {
        return Err(other_answer());
    };
    check(task, &transcript.dropped)?;
    let (body, content_type) = encode(&transcript, task, wanted)?;
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(answered(context, &target, &transcript.dropped, response))
}

/// Decodes the body of `speech`.
///
/// # Errors
/// `InvalidRequest` with the path of the field that is wrong.
fn decode_speech(body: &[u8]) -> Result<SynthesisRequest, GatewayError> {
    let root = Path::ROOT;
    let mut object = Node::parse(body)?.into_object(&root)?;
    Ok(SynthesisRequest {
        model: object.text("model")?.unwrap_or_default().into_owned(),
        input: object.required_text("input")?.into_owned(),
        voice: voice(object.required("voice", "the name of a voice")?, &root.field("voice"))?,
        format: object.text("response_format")?.map(Into::into),
        speed: object.number("speed")?,
        extra: object.rest(),
    })
}

/// A voice by its name, or by its id in an object.
fn voice(node: Node<'_>, path: &Path<'_>) -> Result<String, GatewayError> {
    match node {
        Node::Map(_) => Ok(node.into_object(path)?.required_text("id")?.into_owned()),
        node => Ok(node.into_text(path)?.into_owned()),
    }
}

/// What is wanted of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Its text.
    Transcribe,
    /// Its text in English.
    Translate,
}

/// How a transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// An object with the text.
    Json,
    /// An object with all there is.
    Verbose,
    /// The text alone.
    Text,
    /// Subtitles.
    Subtitles(Format),
}

/// Decodes the form of `transcriptions` or `translations`.
///
/// # Errors
/// `InvalidRequest` with the name of the field that is wrong.
fn decode(mut form: Form, task: Task) -> Result<(TranscriptionRequest, Wanted), GatewayError> {
    if form.boolean("stream")? == Some(true) {
        return Err(GatewayError::InvalidRequest {
            message: "`stream` is not supported for transcripts: leave it out, and the text comes when it is complete"
                .to_owned(),
            param: Some("stream".to_owned()),
            code: Some("unsupported"),
        });
    }
    let format = form.text("response_format");
    let wanted = match format.as_deref() {
        None | Some("json") => Wanted::Json,
        Some("text") => Wanted::Text,
        Some("srt") => Wanted::Subtitles(Format::Srt),
        Some("vtt") => Wanted::Subtitles(Format::Vtt),
        // A newer form is an object too; what the provider says in it is carried.
        Some(_) => Wanted::Verbose,
    };
    let mut request = TranscriptionRequest {
        model: form.text("model").unwrap_or_default(),
        audio: form.required_file("file")?,
        language: form.text("language"),
        prompt: form.text("prompt"),
        extra: form.rest()?,
    };
    let mut add = |name: &str, text: &str| request.extra.push((name.to_owned(), Node::Text(text.into()).to_json()));
    // The other forms say nothing to an adapter: the host writes them.
    if let Some(format) = format.filter(|_| !matches!(wanted, Wanted::Json | Wanted::Text)) {
        add("response_format", &format);
    }
    if task == Task::Translate {
        add("task", "translate");
    }
    Ok((request, wanted))
}

/// Checks that a translation is one: an adapter that did not know the task gives the text in the
/// language that was spoken.
///
/// # Errors
/// `InvalidRequest` when the adapter names the task among what it could not carry.
fn check(task: Task, dropped: &[llm::DroppedField]) -> Result<(), GatewayError> {
    if task == Task::Translate && dropped.iter().any(|field| field.field == "task") {
        return Err(GatewayError::InvalidRequest {
            message: "the provider of this model does not translate; `/v1/audio/transcriptions` gives the text in the \
                      language that was spoken"
                .to_owned(),
            param: Some("model".to_owned()),
            code: Some("unsupported"),
        });
    }
    Ok(())
}

/// Encodes a transcript, and says of which type.
///
/// # Errors
/// `InvalidRequest` when subtitles are wanted and the provider gave no times.
fn encode(transcript: &Transcript, task: Task, wanted: Wanted) -> Result<(Bytes, HeaderValue), GatewayError> {
    let (json, plain) = ("application/json", "text/plain; charset=utf-8");
    let (body, content_type) = match wanted {
        Wanted::Json => (object(transcript, task, false), json),
        Wanted::Verbose => (object(transcript, task, true), json),
        Wanted::Text => (format!("{}\n", transcript.text.trim_end()).into(), plain),
        Wanted::Subtitles(format) => {
            let segments = transcript.segments.as_deref();
            let written = segments.and_then(|segments| subtitles::write(segments, format));
            let written = written.ok_or_else(|| GatewayError::InvalidRequest {
                message:
                    "the provider of this model gave no timed segments, so there are no subtitles; ask for `json` \
                          or `text`"
                        .to_owned(),
                param: Some("response_format".to_owned()),
                code: Some("unsupported"),
            })?;
            (written.into(), format.content_type())
        }
    };
    Ok((body, HeaderValue::from_static(content_type)))
}

fn object(transcript: &Transcript, task: Task, verbose: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    let mut object = Object::begin(&mut out);
    let mut taken = vec!["text"];
    if verbose {
        let task = match task {
            Task::Transcribe => "transcribe",
            Task::Translate => "translate",
        };
        object.field("task", task);
        object.optional("language", transcript.language.as_ref());
        #[allow(clippy::cast_precision_loss)] // Exact for sounds of up to 285 000 years.
        object.optional("duration", transcript.duration_ms.map(|ms| ms as f64 / 1000.0));
        taken.extend(["task", "language", "duration", "segments"]);
    }
    object.field("text", &transcript.text);
    if verbose && let Some(segments) = &transcript.segments {
        object.raw("segments", segments);
    }
    if let Some(used) = &transcript.usage {
        let mut inner = object.object("usage");
        inner.field("type", "tokens");
        usage::write_media(&mut inner, used, "input_token_details");
        inner.end();
        taken.push("usage");
    }
    object.extras(&transcript.extra, &taken);
    object.end();
    out.freeze()
}
