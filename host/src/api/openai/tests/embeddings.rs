//! What is asked of `/v1/embeddings`, and how its answer is written.

use serde_json::{Value, json};

use super::super::embeddings::{Encoding, decode, encode};
use crate::dispatch::embeddings::{Input, Request, Response};
use crate::error::GatewayError;
use crate::llm;

fn asked(body: &Value) -> Result<(Request, Encoding), GatewayError> {
    decode(body.to_string().as_bytes())
}

#[test]
fn texts_and_tokens_one_or_several() {
    let text = |text: &str| Input::Text(text.into());
    for (input, expected) in [
        (json!("a"), vec![text("a")]),
        (json!([""]), vec![text("")]),
        (json!(["a", "b"]), vec![text("a"), text("b")]),
        (json!([1, 2]), vec![Input::Tokens(vec![1, 2])]),
        (
            json!([[1], [4_294_967_295_u32, 0]]),
            vec![Input::Tokens(vec![1]), Input::Tokens(vec![u32::MAX, 0])],
        ),
    ] {
        let (request, encoding) = asked(&json!({"model": "m", "input": input})).unwrap();
        assert_eq!((request.model.as_str(), request.inputs), ("m", expected));
        assert_eq!(encoding, Encoding::Float);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (fields, param, code) in [
        (json!({}), "input", "missing_required_parameter"),
        (json!({"input": []}), "input", "invalid_value"),
        (json!({"input": 1}), "input", "invalid_type"),
        (json!({"input": [1, "a"]}), "input[1]", "invalid_type"),
        (json!({"input": ["a", 1]}), "input[1]", "invalid_type"),
        (json!({"input": [[1], []]}), "input[1]", "invalid_value"),
        (json!({"input": [[1, -1]]}), "input[0][1]", "invalid_type"),
        (json!({"input": [1.5]}), "input[0]", "invalid_type"),
        (
            json!({"input": "a", "encoding_format": "int8"}),
            "encoding_format",
            "invalid_value",
        ),
        (json!({"input": "a", "dimensions": "2"}), "dimensions", "invalid_type"),
    ] {
        match asked(&fields) {
            Err(GatewayError::InvalidRequest {
                param: got,
                code: word,
                message,
            }) => assert_eq!((got.as_deref(), word), (Some(param), Some(code)), "{message}"),
            other => panic!("{fields} gave {other:?}"),
        }
    }
}

#[test]
fn further_fields_go_on_and_the_encoding_stays_here() {
    let body = json!({"model": "m", "input": "a", "encoding_format": "base64", "dimensions": 3, "user": "u",
        "input_type": "query"});
    let (request, encoding) = asked(&body).unwrap();
    assert_eq!(encoding, Encoding::Base64);
    assert_eq!((request.dimensions, request.user.as_deref()), (Some(3), Some("u")));
    assert_eq!(request.extra, [("input_type".to_owned(), "\"query\"".to_owned())]);
}

#[test]
fn vectors_as_numbers_and_as_bytes() {
    let usage = llm::Usage {
        input: 3,
        cache_read: 1,
        cache_write: 0,
        cache_write_long: 0,
        input_audio: 0,
        input_image: 0,
        output: 0,
        reasoning: 0,
        output_audio: 0,
        output_image: 0,
        extra: vec![("billed".into(), "2".into())],
    };
    let response = Response {
        model: "m-1".into(),
        vectors: vec![vec![0.1, -2.0], vec![1e-30]],
        usage: Some(usage),
        dropped: vec![],
        extra: vec![("id".into(), "\"e\"".into()), ("model".into(), "1".into())],
    };
    let written = |encoding| -> Value { serde_json::from_slice(&encode(&response, encoding)).unwrap() };
    let entry = |index: u32, embedding: Value| json!({"object": "embedding", "index": index, "embedding": embedding});
    let answer = |data: [Value; 2]| {
        json!({"object": "list", "data": data, "model": "m-1", "id": "e",
            "usage": {"prompt_tokens": 4, "total_tokens": 4, "billed": 2}})
    };
    assert_eq!(
        encode(&response, Encoding::Float)
            .windows(9)
            .filter(|w| w == b"[0.1,-2.0")
            .count(),
        1,
        "the shortest digits that give the number back"
    );
    assert_eq!(
        written(Encoding::Base64),
        answer([entry(0, json!("zczMPQAAAMA=")), entry(1, json!("YEKiDQ=="))])
    );
    assert_eq!(written(Encoding::Float)["data"][1]["index"], 1);
}
