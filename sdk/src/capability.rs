//! What an adapter implements: one trait for each interface of the WIT package.
//!
//! In: neutral requests. Out: neutral answers. A type implements [`Provider`] and the traits of
//! what it can do, and names those in [`export!`](crate::export). Never: state between calls; by
//! default each call runs in an instance of its own.

use std::future::Future;

use crate::fold;
use crate::http::{Body, Response};
use crate::types::{ChatRequest, ChatResponse, DroppedField, Error, Header, ModelInfo, Usage};
use crate::{EventStream, Manifest, completions, embeddings, images, native, speech};

/// What every adapter is.
pub trait Provider {
    /// Says what the adapter is and what it asks for. Pure: settings are `{}`, there are no
    /// credentials and no network. The host waits 2 s at most.
    fn describe() -> Manifest;

    /// Checks settings (a JSON object that already fits `config-schema`) for what a JSON Schema
    /// cannot say. Without network. The error is for the admin: what is wrong and how it should be.
    fn check_config(config: &str) -> Result<(), String> {
        let _ = config;
        Ok(())
    }

    /// Models that may be asked. The default is an error of kind `unsupported`.
    fn list_models() -> impl Future<Output = Result<Vec<ModelInfo>, Error>> {
        async { Err(Error::unsupported("the provider has no list of models")) }
    }
}

/// Conversation.
pub trait Chat {
    /// Answers as a whole. The default folds what [`Chat::stream`] gives.
    fn complete(req: ChatRequest) -> impl Future<Output = Result<ChatResponse, Error>> {
        async { fold::fold(Self::stream(req).await?.collect().await) }
    }

    /// Answers piece by piece. An error here, and an error event before the first other event, is
    /// a failure before the answer began; a later failure is the stream's last event.
    fn stream(req: ChatRequest) -> impl Future<Output = Result<EventStream, Error>>;
}

/// Continuations of texts.
///
/// The answers are those of [`Chat`]: each choice is one part of text, from the assistant, and each
/// delta is text of part 0, as [`Choice::text`](crate::types::Choice::text) and
/// [`PartDelta::text`](crate::types::PartDelta::text) make them.
pub trait Completions {
    /// Continues as a whole. The default folds what [`Completions::stream`] gives.
    fn complete(req: completions::Request) -> impl Future<Output = Result<ChatResponse, Error>> {
        async { fold::fold(Self::stream(req).await?.collect().await) }
    }

    /// Continues piece by piece. An error here, and an error event before the first other event,
    /// is a failure before the answer began; a later failure is the stream's last event.
    fn stream(req: completions::Request) -> impl Future<Output = Result<EventStream, Error>>;
}

/// Vectors of texts.
pub trait Embeddings {
    /// Embeds texts.
    fn embed(req: embeddings::Request) -> impl Future<Output = Result<embeddings::Response, Error>>;
}

/// Pictures.
pub trait Images {
    /// Makes pictures.
    fn generate(req: images::Request) -> impl Future<Output = Result<images::Response, Error>>;
}

/// Sound from text and text from sound. Each method's default is an error of kind `unsupported`.
pub trait Speech {
    /// Speaks a text.
    fn synthesize(req: speech::SynthesisRequest) -> impl Future<Output = Result<Synthesis, Error>> {
        let _ = req;
        async { Err(Error::unsupported("the provider does not speak texts")) }
    }

    /// Writes sound down.
    fn transcribe(req: speech::TranscriptionRequest) -> impl Future<Output = Result<speech::Transcript, Error>> {
        let _ = req;
        async { Err(Error::unsupported("the provider does not write sound down")) }
    }
}

/// Sound that was made.
#[derive(Debug)]
pub struct Synthesis {
    /// IANA media type.
    pub media_type: String,
    /// The bytes.
    pub body: Body,
    /// What the adapter could not carry.
    pub dropped: Vec<DroppedField>,
}

impl Synthesis {
    /// The sound, of this IANA media type.
    pub fn new(media_type: impl Into<String>, body: Body) -> Self {
        Self {
            media_type: media_type.into(),
            body,
            dropped: Vec::new(),
        }
    }

    /// The sound as the provider's answer brings it. The media type is the answer's
    /// `content-type` without parameters, or `application/octet-stream`.
    pub fn from_response(response: Response) -> Self {
        let media_type = response
            .header("content-type")
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase())
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| "application/octet-stream".to_owned());
        Self::new(media_type, response.into_body())
    }
}

/// The provider's own API behind the host's credentials.
pub trait Native {
    /// Maps a head. Pure.
    fn route(head: native::RequestHead) -> Result<native::Forward, Error>;

    /// Gives the body to send instead. Only called after `request-body` was `rewrite`. The default
    /// leaves it as it is.
    fn rewrite_body(head: native::RequestHead, body: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Error>> {
        let _ = head;
        async { Ok(body) }
    }

    /// Finds the usage in a copy of the answer. Only called after `response-body` was `copy`. The
    /// default finds none.
    fn read_usage(status: u16, headers: Vec<Header>, body: Body) -> impl Future<Output = Result<Option<Usage>, Error>> {
        let _ = (status, headers, body);
        async { Ok(None) }
    }
}
