//! Vectors of texts: Titan, Cohere and Nova.
//!
//! In: neutral texts. Out: their vectors in the same order, from as many calls as the family needs, and
//! the tokens that were read. Never: a vector of numbers that the service did not send.
//!
//! Titan and Nova take one text a call, Cohere up to 96. Cohere and Nova count tokens only in a header.

use llm_provider_sdk::embeddings::{Input, Request, Response};
use llm_provider_sdk::json;
use llm_provider_sdk::types::{Error, Extras, Usage};
use serde_json::{Map, Value, json};

use crate::converse::located;
use crate::invoke::Riders;
use crate::report::Report;
use crate::request::Wish;
use crate::settings::Settings;
use crate::target::Target;
use crate::transport::Answered;
use crate::wire::set;
use crate::{error, invoke, together};

/// Most texts of one call to Cohere.
const COHERE_TEXTS: usize = 96;

/// Whose form it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Titan's first text model: no choice of length.
    TitanFirst,
    Titan,
    /// Titan's model of texts and pictures.
    TitanImage,
    /// Cohere's third generation: no choice of length.
    CohereThird,
    Cohere,
    Nova,
}

impl Form {
    fn of(base: &str) -> Option<Self> {
        if base.contains("cohere.embed-english-v3") || base.contains("cohere.embed-multilingual-v3") {
            Some(Self::CohereThird)
        } else if base.contains("cohere") {
            Some(Self::Cohere)
        } else if base.contains("nova") {
            Some(Self::Nova)
        } else if base.contains("titan-embed-image") {
            Some(Self::TitanImage)
        } else if base.contains("titan-embed-text-v1") || base.contains("titan-embed-g1") {
            Some(Self::TitanFirst)
        } else if base.contains("titan-embed") {
            Some(Self::Titan)
        } else {
            None
        }
    }
}

/// Embeds texts.
///
/// Errors: `unsupported` for a model of another family and for tokens; those of the service.
pub async fn embed(mut req: Request, settings: &Settings) -> Result<Response, Error> {
    let wish = Wish::take(&mut req.extra)?;
    let target = Target::resolve(&req.model, &wish, settings)?;
    let Some(form) = Form::of(&target.base) else {
        return Err(error::unsupported(
            "model",
            format!(
                "{} is no model for embeddings that this adapter knows; it knows those of Titan, Cohere and Nova. For an ARN that does not tell its model, a rule in `models` says it as `base_model`",
                target.base
            ),
        ));
    };
    let texts = texts(&req.inputs)?;
    let mut report = Report::default();
    let bodies = bodies(form, &texts, &req, &wish, &mut report)?;
    let calls = bodies.into_iter().map(|(body, count)| {
        let target = &target;
        async move {
            let bytes = body.to_string().into_bytes();
            let (head, body) = invoke::invoke(&target.id, bytes, &Riders::default(), target, settings).await?;
            read(form, &head, &body, count).map_err(|error| located(error, &head))
        }
    });
    let mut vectors = Vec::with_capacity(texts.len());
    let mut tokens = Some(0);
    for answer in together::all(calls).await {
        let (more, counted) = answer?;
        vectors.extend(more);
        tokens = tokens.zip(counted).map(|(sum, more)| sum + more);
    }
    Ok(Response {
        model: target.id,
        vectors,
        usage: tokens.map(|input| Usage {
            input,
            ..Usage::default()
        }),
        dropped: report.into_dropped(),
        extra: Extras::new(),
    })
}

fn texts<'a>(inputs: &'a [Input]) -> Result<Vec<&'a str>, Error> {
    let text = |input: &'a Input| match input {
        Input::Text(text) => Ok(text.as_str()),
        Input::Tokens(_) => Err(error::unsupported("input", "Bedrock embeds texts, not tokens")),
    };
    inputs.iter().map(text).collect()
}

/// The bodies of the calls, each with how many texts it holds.
fn bodies(
    form: Form,
    texts: &[&str],
    req: &Request,
    wish: &Wish,
    report: &mut Report,
) -> Result<Vec<(Value, usize)>, Error> {
    let mut extra = req.extra.clone();
    let mut more: Map<String, Value> = match wish.fields.get("additionalModelRequestFields") {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    let own: &[&str] = match form {
        Form::Cohere => &["input_type", "truncate", "embedding_types", "max_tokens"],
        Form::CohereThird => &["input_type", "truncate", "embedding_types"],
        Form::Titan => &["normalize", "embeddingTypes"],
        Form::Nova => &["embeddingPurpose", "truncationMode"],
        Form::TitanFirst | Form::TitanImage => &[],
    };
    for name in own {
        if let Some(value) = json::take_extra::<Value>(&mut extra, name)? {
            more.entry(*name).or_insert(value);
        }
    }
    // Of the numbers that a model can give, those of the neutral form are floats.
    for name in ["embedding_types", "embeddingTypes"] {
        if let Some(types) = more.get_mut(name).and_then(Value::as_array_mut)
            && types.iter().any(|kind| kind != "float")
        {
            report.add(name, "vectors come as floats");
            *types = vec![Value::from("float")];
        }
    }
    for (name, _) in extra.iter().filter(|(name, _)| name != "encoding_format") {
        report.add(name, "this model has no such parameter");
    }
    if req.user.is_some() {
        report.add("user", "Bedrock has no name of the end user");
    }
    let fixed = matches!(form, Form::TitanFirst | Form::CohereThird);
    if fixed && req.dimensions.is_some() {
        report.add("dimensions", "this model's vectors have one length");
    }
    let dimensions = req.dimensions.filter(|_| !fixed);
    let is_cohere = matches!(form, Form::Cohere | Form::CohereThird);
    let per_call = if is_cohere { COHERE_TEXTS } else { 1 };
    let body = |chunk: &[&str]| (body(form, chunk, dimensions, &more), chunk.len());
    Ok(texts.chunks(per_call).map(body).collect())
}

fn body(form: Form, texts: &[&str], dimensions: Option<u32>, more: &Map<String, Value>) -> Value {
    let text = texts.first().copied().unwrap_or_default();
    let mut body = match form {
        Form::Cohere | Form::CohereThird => {
            let mut body = json!({"texts": texts, "input_type": "search_document"});
            if let Some(dimensions) = dimensions {
                set(&mut body, "output_dimension", Value::from(dimensions));
            }
            body
        }
        Form::TitanFirst => json!({ "inputText": text }),
        Form::Titan => {
            let mut body = json!({ "inputText": text });
            if let Some(dimensions) = dimensions {
                set(&mut body, "dimensions", Value::from(dimensions));
            }
            body
        }
        Form::TitanImage => {
            let mut body = json!({ "inputText": text });
            if let Some(dimensions) = dimensions {
                set(
                    &mut body,
                    "embeddingConfig",
                    json!({ "outputEmbeddingLength": dimensions }),
                );
            }
            body
        }
        Form::Nova => return nova(text, dimensions, more),
    };
    if let Value::Object(body) = &mut body {
        body.extend(more.clone());
    }
    body
}

fn nova(text: &str, dimensions: Option<u32>, more: &Map<String, Value>) -> Value {
    let own = |name: &str, default: &str| more.get(name).cloned().unwrap_or_else(|| Value::from(default));
    let mut params = json!({
        "embeddingPurpose": own("embeddingPurpose", "GENERIC_INDEX"),
        "text": {"value": text, "truncationMode": own("truncationMode", "NONE")},
    });
    if let Some(dimensions) = dimensions {
        set(&mut params, "embeddingDimension", Value::from(dimensions));
    }
    for (name, value) in more.iter().filter(|(name, _)| *name != "truncationMode") {
        set(&mut params, name, value.clone());
    }
    json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params})
}

/// The vectors of one answer, and the tokens it took.
fn read(form: Form, head: &Answered, body: &[u8], count: usize) -> Result<(Vec<Vec<f32>>, Option<u64>), Error> {
    let mut body = json::parse_object(body)?;
    let counted = json::take_u64(&mut body, "inputTextTokenCount")
        .or_else(|| head.header("x-amzn-bedrock-input-token-count")?.parse().ok());
    let vectors: Vec<Vec<f32>> = match form {
        Form::TitanFirst | Form::Titan | Form::TitanImage => match body.shift_remove("embeddingsByType") {
            Some(Value::Object(mut by_type)) if !body.get("embedding").is_some_and(Value::is_array) => {
                vec![json::require(&mut by_type, "float")?]
            }
            _ => vec![json::require(&mut body, "embedding")?],
        },
        Form::Cohere | Form::CohereThird => match body.shift_remove("embeddings") {
            // With types asked for, the vectors stand under their type.
            Some(Value::Object(mut by_type)) => json::require(&mut by_type, "float")?,
            Some(list) => serde_json::from_value(list).map_err(|fault| error::not_the_api(&fault.to_string()))?,
            None => return Err(error::not_the_api("it has no `embeddings`")),
        },
        Form::Nova => {
            let list: Vec<NovaVector> = json::require(&mut body, "embeddings")?;
            list.into_iter().take(1).map(|vector| vector.embedding).collect()
        }
    };
    if vectors.len() != count {
        return Err(error::not_the_api(
            "it has another number of vectors than there were texts",
        ));
    }
    Ok((vectors, counted))
}

#[derive(serde::Deserialize)]
struct NovaVector {
    embedding: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::{Recording, Reply, block_on};
    use llm_provider_sdk::types::ErrorKind;

    fn request(model: &str, texts: &[&str]) -> Request {
        Request {
            model: model.to_owned(),
            inputs: texts.iter().map(|text| Input::Text((*text).to_owned())).collect(),
            dimensions: None,
            user: None,
            extra: Vec::new(),
        }
    }

    fn settings() -> Settings {
        serde_json::from_value(json!({"region": "us-east-1"})).unwrap()
    }

    #[test]
    fn one_text_a_call_where_the_model_takes_one() {
        let host = Recording::new()
            .reply(Reply::json(200, r#"{"embedding":[1.5],"inputTextTokenCount":2}"#))
            .reply(Reply::json(200, r#"{"embedding":[2.5],"inputTextTokenCount":3}"#))
            .install();
        let mut asked = request("amazon.titan-embed-text-v2:0", &["a", "b"]);
        asked.dimensions = Some(256);
        asked.extra = vec![
            ("normalize".to_owned(), "false".to_owned()),
            ("encoding_format".to_owned(), "\"float\"".to_owned()),
            ("odd".to_owned(), "1".to_owned()),
        ];
        let got = block_on(embed(asked, &settings())).unwrap();
        assert_eq!(got.vectors, [[1.5], [2.5]]);
        assert_eq!(got.usage.unwrap().input, 5);
        assert_eq!(got.dropped[0].field, "odd");
        let sent = host.requests();
        assert_eq!(
            sent[1].json(),
            json!({"inputText": "b", "dimensions": 256, "normalize": false})
        );
        assert_eq!(
            sent[0].url,
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke"
        );
    }

    #[test]
    fn many_texts_a_call_at_cohere() {
        let vectors = |count: usize| json!({"embeddings": {"float": vec![[0.5]; count]}}).to_string();
        let reply = |count: usize| Reply::json(200, vectors(count)).header("x-amzn-bedrock-input-token-count", "7");
        let host = Recording::new().reply(reply(96)).reply(reply(4)).install();
        let mut asked = request("cohere.embed-v4:0", &["x"; 100]);
        asked.extra = vec![("max_tokens".to_owned(), "512".to_owned())];
        let got = block_on(embed(asked, &settings())).unwrap();
        assert_eq!((got.vectors.len(), got.usage.unwrap().input), (100, 14));
        assert_eq!(got.dropped, vec![]);
        let sent = host.requests();
        assert_eq!(sent[0].json()["max_tokens"], 512);
        assert_eq!(sent[1].json()["texts"].as_array().unwrap().len(), 4);
        assert_eq!(sent[0].json()["input_type"], "search_document");
    }

    #[test]
    fn a_length_that_cannot_be_chosen_is_not_sent() {
        for (model, chosen) in [("cohere.embed-english-v3", false), ("us.cohere.embed-v4:0", true)] {
            let host = Recording::new()
                .reply(Reply::json(
                    200,
                    r#"{"embeddings":[[0.5]],"id":"x","response_type":"embeddings_floats"}"#,
                ))
                .install();
            let mut asked = request(model, &["a"]);
            asked.dimensions = Some(256);
            let got = block_on(embed(asked, &settings())).unwrap();
            assert_eq!(got.dropped.len(), usize::from(!chosen), "{model}");
            assert_eq!(
                host.requests()[0].json().get("output_dimension").is_some(),
                chosen,
                "{model}"
            );
        }
    }

    #[test]
    fn vectors_come_as_floats() {
        let by_type = r#"{"embeddingsByType":{"float":[0.5]},"inputTextTokenCount":1}"#;
        let host = Recording::new()
            .reply(Reply::json(200, r#"{"embeddings":{"float":[[0.5]]}}"#))
            .reply(Reply::json(200, by_type))
            .install();
        let cases = [
            (
                "cohere.embed-v4:0",
                "embedding_types",
                r#"{"embedding_types":["int8","float"]}"#,
            ),
            (
                "amazon.titan-embed-text-v2:0",
                "embeddingTypes",
                r#"{"embeddingTypes":["binary"]}"#,
            ),
        ];
        for (at, (model, name, fields)) in cases.into_iter().enumerate() {
            let mut asked = request(model, &["a"]);
            let own = format!(r#"{{"additionalModelRequestFields":{fields}}}"#);
            asked.extra = vec![("bedrock".to_owned(), own)];
            let got = block_on(embed(asked, &settings())).unwrap();
            assert_eq!(got.vectors, [[0.5]]);
            assert_eq!(got.dropped[0].field, name);
            assert_eq!(host.requests()[at].json()[name], json!(["float"]));
        }
    }

    #[test]
    fn nova_takes_its_own_fields() {
        let host = Recording::new()
            .reply(
                Reply::json(200, r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[0.5]}]}"#)
                    .header("x-amzn-bedrock-input-token-count", "3"),
            )
            .install();
        let mut asked = request("amazon.nova-2-multimodal-embeddings-v1:0", &["a"]);
        asked.dimensions = Some(256);
        asked.extra = vec![
            ("truncationMode".to_owned(), "\"END\"".to_owned()),
            (
                "bedrock".to_owned(),
                r#"{"additionalModelRequestFields":{"newer":1}}"#.to_owned(),
            ),
        ];
        let got = block_on(embed(asked, &settings())).unwrap();
        assert_eq!(got.usage.unwrap().input, 3);
        assert_eq!(
            host.requests()[0].json()["singleEmbeddingParams"],
            json!({"embeddingPurpose": "GENERIC_INDEX", "text": {"value": "a", "truncationMode": "END"}, "embeddingDimension": 256, "newer": 1})
        );
    }

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        let _host = Recording::new()
            .reply(Reply::json(200, r#"{"embeddings":[]}"#))
            .install();
        let mut tokens = request("cohere.embed-v4:0", &[]);
        tokens.inputs = vec![Input::Tokens(vec![1])];
        for (asked, kind) in [
            (request("anthropic.claude-v2", &["a"]), ErrorKind::Unsupported),
            (tokens, ErrorKind::Unsupported),
            (request("cohere.embed-v4:0", &["a"]), ErrorKind::Upstream),
        ] {
            assert_eq!(block_on(embed(asked, &settings())).unwrap_err().kind, kind);
        }
    }
}
