//! Tests of the dialect: what is read, what is written, and that the two agree.

mod decode;
mod embeddings;
mod encode;
mod messages;
mod round_trip;
mod stream;

use serde_json::Value;

use crate::error::GatewayError;
use crate::llm;

use super::request::{self, Decoded};

fn decode(body: &Value) -> Result<Decoded, GatewayError> {
    request::decode(body.to_string().as_bytes())
}

fn decoded(body: &Value) -> llm::ChatRequest {
    decode(body).unwrap_or_else(|error| panic!("{error}: {body}")).request
}

/// The path, the code and the message of a refusal.
fn refused(body: &Value) -> (String, &'static str, String) {
    match decode(body) {
        Err(GatewayError::InvalidRequest { message, param, code }) => {
            (param.unwrap_or_default(), code.unwrap_or_default(), message)
        }
        other => panic!("{body} gave {other:?}"),
    }
}

fn text(text: &str) -> llm::Part {
    super::part::plain(llm::PartContent::Text(text.to_owned()))
}

fn extras(pairs: &[(&str, &str)]) -> llm::Extras {
    pairs
        .iter()
        .map(|(name, json)| ((*name).to_owned(), (*json).to_owned()))
        .collect()
}
