//! Texts, vectors and pictures by OpenAI's definitions.
//!
//! In: the definitions of a request and of its answer. Out: both, so that what no schema says holds.
//! Never: a stream; their pieces are those of `texts`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::definition::Definition;
use super::schema::Maker;

/// Of a hundred objects of an answer, how many have a member that the definition does not know.
const UNKNOWN: usize = 10;

/// One of the operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) path: &'static str,
    request: &'static str,
    answer: &'static str,
}

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        path: "/v1/completions",
        request: "CreateCompletionRequest",
        answer: "CreateCompletionResponse",
    },
    Operation {
        path: "/v1/embeddings",
        request: "CreateEmbeddingRequest",
        answer: "CreateEmbeddingResponse",
    },
    Operation {
        path: "/v1/images/generations",
        request: "CreateImageRequest",
        answer: "ImagesResponse",
    },
];

impl Operation {
    /// The definitions; nothing where there are only our own, which do not have them.
    pub(crate) fn definitions(self) -> Option<(Definition, Definition)> {
        llm_host_tests::places::specs()?;
        Some((Definition::openai(self.request), Definition::openai(self.answer)))
    }

    /// A request.
    pub(crate) fn request(self, definition: &Definition, seed: u64) -> Value {
        let mut maker = Maker::new(&definition.root, seed, 0);
        let mut body = maker.value(&definition.schema);
        for name in ["stream", "stream_options", "partial_images"] {
            body.as_object_mut().expect("a request is an object").remove(name);
        }
        if self.path == "/v1/completions" && (body["prompt"].is_null() || body["prompt"] == json!([])) {
            body["prompt"] = json!(maker.word());
        }
        if self.path == "/v1/embeddings" {
            body["encoding_format"] = json!("float");
        }
        body
    }

    /// An answer to it.
    pub(crate) fn answer(self, definition: &Definition, request: &Value, seed: u64) -> Value {
        let mut maker = Maker::new(&definition.root, seed, UNKNOWN);
        let mut body = maker.value(&definition.schema);
        let usage = body["usage"].is_object();
        match self.path {
            "/v1/completions" => {
                let mut choices = body["choices"].as_array().cloned().unwrap_or_default();
                choices.truncate(2);
                if choices.is_empty() {
                    choices.push(json!({"text": maker.word(), "logprobs": null, "finish_reason": "stop"}));
                }
                for (index, choice) in choices.iter_mut().enumerate() {
                    choice["index"] = json!(index);
                }
                body["choices"] = choices.into();
                if usage {
                    body["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
                }
            }
            "/v1/embeddings" => {
                let texts = match &request["input"] {
                    Value::Array(items) if items.first().is_none_or(|item| !item.is_number()) => items.len(),
                    _ => 1,
                };
                let vector =
                    |index: usize| json!({"object": "embedding", "index": index, "embedding": [0.5, -0.25, index]});
                body["data"] = (0..texts).map(vector).collect();
                body["usage"] = json!({"prompt_tokens": 3, "total_tokens": 3});
            }
            _ => {
                let mut pictures = body["data"].as_array().cloned().unwrap_or_default();
                if pictures.is_empty() {
                    pictures.push(json!({}));
                }
                for picture in &mut pictures {
                    let fields = picture.as_object_mut().expect("a picture is an object");
                    fields.remove("b64_json");
                    if !fields.contains_key("url") {
                        let bytes = maker.word();
                        fields.insert("b64_json".to_owned(), json!(STANDARD.encode(bytes)));
                    }
                }
                body["data"] = pictures.into();
                if usage {
                    body["usage"] = json!({"input_tokens": 9, "output_tokens": 8, "total_tokens": 17,
                        "input_tokens_details": {"text_tokens": 6, "image_tokens": 3}});
                }
            }
        }
        body
    }
}

/// What a body says to the API: one form of a list of one, and nothing that is so anyway.
pub(crate) fn meaning(body: &Value) -> Value {
    let mut body = body.clone();
    for name in ["prompt", "input", "stop"] {
        if body[name].is_string() {
            body[name] = json!([body[name]]);
        }
        // A list of tokens is a text, too.
        if body[name].get(0).is_some_and(Value::is_number) {
            body[name] = json!([body[name]]);
        }
    }
    // The host asks for vectors in the shorter form and gives them in the one that was wanted.
    body["encoding_format"] = Value::Null;
    if body["model"] == "any" {
        body["model"] = Value::Null;
    }
    if body["echo"] == false {
        body["echo"] = Value::Null;
    }
    body
}
