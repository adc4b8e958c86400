//! `POST /v1/embeddings`: what is asked, and its answer.
//!
//! In: the body's bytes, by OpenAI's API reference; later the typed answer. Out: the typed request
//! and the form in which the numbers are wanted; later JSON. Never: a number that the adapter did
//! not give.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::api::json::write::Object;
use crate::api::json::{Node, Path};
use crate::dispatch::embeddings::{Input, Request, Response};
use crate::error::GatewayError;

use super::texts::{self, TextOrTokens};
use super::usage;

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As JSON numbers.
    Float,
    /// As base64 of 32-bit little-endian floats.
    Base64,
}

/// Decodes a body.
///
/// # Errors
/// `InvalidRequest` with the path of the field that is wrong.
pub(super) fn decode(body: &[u8]) -> Result<(Request, Encoding), GatewayError> {
    let root = Path::ROOT;
    let mut object = Node::parse(body)?.into_object(&root)?;
    let model = object.text("model")?.unwrap_or_default().into_owned();
    let inputs = object.required("input", "a string or an array of strings")?;
    let inputs = texts::decode(inputs, &root.field("input"))?;
    let input = |text| match text {
        TextOrTokens::Text(text) => Input::Text(text),
        TextOrTokens::Tokens(tokens) => Input::Tokens(tokens),
    };
    let encoding = match object.text("encoding_format")?.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => {
            let path = root.field("encoding_format");
            return Err(path.invalid(format_args!("expected `float` or `base64`, got `{other}`")));
        }
    };
    let request = Request {
        model,
        inputs: inputs.into_iter().map(input).collect(),
        dimensions: object.integer("dimensions")?,
        user: object.text("user")?.map(Into::into),
        extra: object.rest(),
    };
    Ok((request, encoding))
}

/// Encodes an answer.
pub(super) fn encode(response: &Response, encoding: Encoding) -> Bytes {
    let numbers: usize = response.vectors.iter().map(Vec::len).sum();
    let mut out = BytesMut::with_capacity(256 + 64 * response.vectors.len() + 12 * numbers);
    let mut object = Object::begin(&mut out);
    object.field("object", "list");
    object.list("data", response.vectors.iter().enumerate(), |out, (index, vector)| {
        let mut entry = Object::begin(out);
        entry.field("object", "embedding");
        entry.field("index", &index);
        match encoding {
            Encoding::Float => entry.field("embedding", vector),
            Encoding::Base64 => entry.field("embedding", &base64(vector)),
        }
        entry.end();
    });
    object.field("model", &response.model);
    if let Some(used) = &response.usage {
        let mut inner = object.object("usage");
        usage::write_prompt(&mut inner, used);
        inner.end();
    }
    object.extras(&response.extra, &["object", "data", "model", "usage"]);
    object.end();
    out.freeze()
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
