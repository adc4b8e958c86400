//! Vectors of texts: `POST /embeddings`.
//!
//! In: a neutral request, and the body of its answer. Out: the request's body, and the neutral
//! answer. Never: a vector of numbers that the provider did not send; those it leaves out are an
//! error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_provider_sdk::embeddings::{Input, Request, Response};
use llm_provider_sdk::types::{DroppedField, Error, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error;
use crate::profile::{Known, Profile};
use crate::request::fields::{Member, Members, raw};
use crate::wire::{Fields, read};

/// The body of a request.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    model: &'a str,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Text(&'a str),
    Tokens(&'a [u32]),
}

/// Encodes a request, and names what it cannot carry. Further fields go on where the provider judges
/// them itself.
///
/// # Errors
/// Kind `invalid-request` for a field that has to be JSON and is not.
pub fn encode<'a>(req: &'a Request, profile: &Profile) -> Result<(Body<'a>, Vec<DroppedField>), Error> {
    let item = |input: &'a Input| match input {
        Input::Text(text) => Item::Text(text),
        Input::Tokens(tokens) => Item::Tokens(tokens),
    };
    let mut extra = Members::default();
    let mut dropped = Vec::new();
    for (name, json) in &req.extra {
        match profile.request_fields {
            // How the numbers travel is the adapter's affair.
            _ if name == "encoding_format" => {}
            Known::Any => extra.push(name.as_str(), Member::Raw(raw(json, name)?)),
            Known::Only(_) => dropped.push(DroppedField::new(
                name,
                format!("{} has no such parameter", profile.name),
            )),
        }
    }
    let body = Body {
        model: &req.model,
        input: req.inputs.iter().map(item).collect(),
        encoding_format: profile.base64_vectors.then_some("base64"),
        dimensions: req.dimensions,
        user: req.user.as_deref(),
        extra,
    };
    Ok((body, dropped))
}

/// Decodes an answer to a request of so many inputs.
///
/// # Errors
/// The provider's own error where the body holds one; kind `upstream` when a vector is missing or
/// is none.
pub fn decode(body: &[u8], inputs: usize, dropped: Vec<DroppedField>, profile: &Profile) -> Result<Response, Error> {
    let fault = |what: &str| Error::upstream(format!("{} answered with {what}", profile.name));
    let text = std::str::from_utf8(body).map_err(|_| fault("bytes that are not text"))?;
    let mut fields = Fields::parse(text).map_err(|_| fault("something that is not a JSON object"))?;
    if error::is_error(&fields) {
        return Err(error::inside(&fields, text, profile));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; inputs];
    for (at, raw) in fields.take_list("data").into_iter().enumerate() {
        let mut item: Fields<'_> = read(raw).ok_or_else(|| fault("a vector that is no object"))?;
        let at = item
            .take_count("index")
            .and_then(|index| usize::try_from(index).ok())
            .unwrap_or(at);
        let slot = vectors
            .get_mut(at)
            .ok_or_else(|| fault("more vectors than there were texts"))?;
        *slot = item.take("embedding").and_then(vector);
    }
    let vectors = vectors
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| fault("too few vectors"))?;
    fields.take("object");
    let usage = fields.take_object("usage").and_then(|mut usage| {
        let input = usage.take_count("prompt_tokens")?;
        usage.take_count("total_tokens");
        Some(Usage {
            input,
            extra: usage.into_extras(),
            ..Usage::default()
        })
    });
    Ok(Response {
        model: fields.take_text("model").unwrap_or_default(),
        vectors,
        usage,
        dropped,
        extra: fields.into_extras(),
    })
}

/// Base64 of little-endian floats, or a list of numbers.
fn vector(raw: &RawValue) -> Option<Vec<f32>> {
    let Some(text) = read::<String>(raw) else {
        return read(raw);
    };
    let bytes = BASE64.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty()
        .then(|| floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> Request {
        Request {
            model: "m".into(),
            inputs: vec![Input::Text("a".into()), Input::Tokens(vec![1, 2])],
            dimensions: Some(2),
            user: None,
            extra: vec![
                ("encoding_format".into(), "\"float\"".into()),
                ("input_type".into(), "\"query\"".into()),
            ],
        }
    }

    #[test]
    fn requests() {
        let req = request();
        let (body, dropped) = encode(&req, &Profile::OPENAI).unwrap();
        assert_eq!(
            serde_json::to_value(body).unwrap(),
            json!({"model": "m", "input": ["a", [1, 2]], "encoding_format": "base64", "dimensions": 2})
        );
        assert_eq!(dropped.len(), 1);
        assert_eq!(dropped[0].field, "input_type");
        let (body, dropped) = encode(&req, &Profile::COMPATIBLE).unwrap();
        assert_eq!(
            serde_json::to_value(body).unwrap(),
            json!({"model": "m", "input": ["a", [1, 2]], "dimensions": 2, "input_type": "query"})
        );
        assert!(dropped.is_empty());
    }

    #[test]
    fn answers_in_both_forms_and_any_order() {
        let body = r#"{"object":"list","model":"m-1","new":1,"usage":{"prompt_tokens":3,"total_tokens":3},"data":[
            {"object":"embedding","index":1,"embedding":"AACAPwAAAMA="},
            {"object":"embedding","index":0,"embedding":[0.5,1e-3]}]}"#;
        let answer = decode(body.as_bytes(), 2, Vec::new(), &Profile::OPENAI).unwrap();
        assert_eq!(answer.vectors, [vec![0.5, 1e-3], vec![1.0, -2.0]]);
        assert_eq!(answer.usage.unwrap().input, 3);
        assert_eq!(answer.extra, [("new".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_is_missing_or_odd_is_the_providers_fault() {
        for data in [
            "[]",
            r#"[{"index":5,"embedding":[1]}]"#,
            r#"[{"embedding":"AAA="}]"#,
            r#"[{"embedding":{}}]"#,
        ] {
            let body = format!(r#"{{"data":{data}}}"#);
            assert!(
                decode(body.as_bytes(), 1, Vec::new(), &Profile::OPENAI).is_err(),
                "{data}"
            );
        }
        let error = decode(br#"{"error":{"message":"m"}}"#, 1, Vec::new(), &Profile::OPENAI).unwrap_err();
        assert_eq!(error.message, "m");
    }
}
