//! The models' own forms against recorded traffic of InvokeModel and its stream, of the OpenAI-compatible
//! endpoint, of embeddings and of the lists of models.
//!
//! In: the recordings under `LLM_HOST_RECORDINGS` (default: `../shared/recordings` beside the
//! workspace). Each is run through the adapter whole, or [`skipped`] says why not. Never: an
//! expectation that the adapter's own code had a part in.

use crate::exchange::{self, Exchange, Kind};
use crate::{own_form, plain};
use llm_plugin_bedrock::Bedrock;
use llm_provider_sdk::embeddings::{Input, Request as EmbeddingsRequest};
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ErrorKind, Message, Role};
use llm_provider_sdk::{Chat, Embeddings, Provider};
use serde_json::{Value, json};

/// Why no interface of the adapter asks for what was recorded; all of it passes by `native`. Told by the
/// recording itself, so that a further one is judged as well.
fn skipped(exchange: &Exchange) -> Option<&'static str> {
    let asked = exchange.request.as_ref();
    let by_prompt = asked.is_some_and(|body| body["prompt"].is_string());
    match exchange.kind {
        Kind::Invoke | Kind::InvokeStream if exchange.model.contains("claude") && by_prompt => {
            Some("the older text form of Claude, which the adapter does not ask for")
        }
        Kind::Invoke | Kind::InvokeStream if exchange.model.contains(":sagemaker:") => {
            Some("a SageMaker container's own form of text completions")
        }
        Kind::Other => match exchange.operation.as_str() {
            "chat" => None,
            "invoke-rerank" => Some("reranking has no neutral interface"),
            "apply-guardrail" => Some("ApplyGuardrail has no neutral interface"),
            "count-tokens" => Some("CountTokens has no neutral interface"),
            "responses" => Some("the Responses API at another endpoint (mantle)"),
            _ => Some("an operation that no interface asks for"),
        },
        _ => None,
    }
}

fn invoked() -> Vec<Exchange> {
    let all = exchange::all().unwrap_or_default().into_iter();
    all.filter(|exchange| matches!(exchange.kind, Kind::Invoke | Kind::InvokeStream) && skipped(exchange).is_none())
        .collect()
}

/// A simple request in the model's own form.
fn simple(exchange: &Exchange) -> ChatRequest {
    let mut asked = ChatRequest::new(&exchange.model, vec![Message::text(Role::User, "Hello")]);
    asked.extra = vec![("bedrock".to_owned(), r#"{"operation":"invoke"}"#.to_owned())];
    asked
}

#[test]
fn what_is_not_tried_is_named() {
    for exchange in exchange::all().unwrap_or_default() {
        if let Some(reason) = skipped(&exchange) {
            println!("skipped: {}: {reason}", exchange.name);
        }
    }
}

#[test]
fn answers_in_own_forms() {
    for exchange in invoked() {
        if exchange.status >= 400 || exchange.breaks_off() {
            continue;
        }
        let (_, result) = exchange.run(simple(&exchange));
        let answer = result.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.name));
        assert_eq!(
            own_form::of_answer(&answer),
            own_form::of_recording(&exchange),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn own_streams_in_pieces_and_cut() {
    for exchange in invoked() {
        if exchange.status >= 400 || exchange.breaks_off() || exchange.kind != Kind::InvokeStream {
            continue;
        }
        let stream = |reply: Reply| {
            let _host = Recording::new()
                .config(&exchange::SETTINGS.clone())
                .reply(reply)
                .install();
            block_on(async { Bedrock::stream(simple(&exchange)).await?.fold().await })
        };
        let whole = stream(exchange.reply()).unwrap();
        for size in [1, 2, 7, 61, 997] {
            let pieces = stream(exchange.reply().in_pieces_of(size));
            assert_eq!(pieces.as_ref(), Ok(&whole), "{} by {size}", exchange.name);
        }
        let first = plain::frames(&exchange.body)[0].start;
        for at in [0, first + 9, exchange.body.len() / 3, exchange.body.len() - 1] {
            let error = stream(exchange.reply().closes_at(at)).expect_err(&exchange.name);
            assert_eq!(error.kind, ErrorKind::StreamTruncated, "{} cut at {at}", exchange.name);
        }
        // A damaged frame after the first one.
        let mut damaged = exchange.body.clone();
        let at = plain::frames(&damaged)[1].start + 30;
        damaged[at] ^= 1;
        let error = stream(Reply::new(200, damaged)).expect_err(&exchange.name);
        assert_eq!(error.kind, ErrorKind::Upstream, "{}", exchange.name);
        // An exception after content: what came before stands, and the error is the last event.
        let frames = plain::frames(&exchange.body);
        let after = frames.get(2).unwrap_or(&frames[1]).start;
        let mut failing = exchange.body[..after].to_vec();
        let headers = [
            (":message-type", "exception"),
            (":exception-type", "throttlingException"),
        ];
        failing.extend(plain::frame(
            &headers,
            br#"{"message":"Too many tokens, please wait."}"#,
        ));
        let _host = Recording::new()
            .config(&exchange::SETTINGS.clone())
            .reply(Reply::new(200, failing))
            .install();
        let events = block_on(async { Bedrock::stream(simple(&exchange)).await.unwrap().collect().await });
        let Some(ChatEvent::Error(error)) = events.last() else {
            panic!("{}: {events:?}", exchange.name);
        };
        assert_eq!(
            (error.kind, error.retryable),
            (ErrorKind::RateLimited, true),
            "{}",
            exchange.name
        );
        assert!(
            events.iter().any(|event| matches!(event, ChatEvent::Start(_))),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn failures_of_own_forms() {
    for exchange in invoked() {
        if exchange.status < 400 {
            continue;
        }
        let (_, result) = exchange.run(simple(&exchange));
        let error = result.expect_err(&exchange.name);
        assert_eq!(error.http_status, Some(exchange.status), "{}", exchange.name);
        assert_eq!(error.kind, plain::kind(&exchange), "{}", exchange.name);
    }
}

#[test]
fn requests_in_own_forms() {
    let mut without = Vec::new();
    for exchange in invoked() {
        let Some((asked, recorded)) = own_form::neutral(&exchange) else {
            without.push(exchange.name.clone());
            continue;
        };
        let (sent, _) = exchange.run(asked);
        let sent = sent.unwrap_or_else(|| panic!("{}: nothing was sent", exchange.name));
        let call = match exchange.kind {
            Kind::InvokeStream => "invoke-with-response-stream",
            _ => "invoke",
        };
        let model = exchange.model.replace(':', "%3A").replace('/', "%2F");
        let url = format!(
            "https://bedrock-runtime.{}.amazonaws.com/model/{model}/{call}",
            exchange.region
        );
        assert_eq!(sent.url, url, "{}", exchange.name);
        let sent = own_form::meaning(&exchange, &sent.json());
        assert_eq!(sent, recorded, "{}", exchange.name);
    }
    if !without.is_empty() {
        println!("without a request that can be told neutrally: {}", without.join(", "));
    }
}

#[test]
fn the_openai_compatible_endpoint() {
    for exchange in exchange::all().unwrap_or_default() {
        if exchange.operation != "chat" {
            continue;
        }
        let mut asked = ChatRequest::new("openai.gpt-oss-20b-1:0", vec![Message::text(Role::User, "Hello")]);
        asked.extra = vec![("bedrock".to_owned(), r#"{"operation":"chat-completions"}"#.to_owned())];
        let streams = exchange.body.starts_with(b"data:");
        let host = Recording::new()
            .config(&exchange::SETTINGS.clone())
            .reply(exchange.reply())
            .install();
        let result = block_on(async {
            if streams {
                fold(Bedrock::stream(asked).await?.collect().await)
            } else {
                Bedrock::complete(asked).await
            }
        });
        let sent = &host.requests()[0];
        assert_eq!(
            sent.url,
            "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions"
        );
        assert_eq!(sent.json()["model"], "openai.gpt-oss-20b-1:0");
        if exchange.status >= 400 {
            let error = result.expect_err(&exchange.name);
            assert_eq!(error.http_status, Some(exchange.status), "{}", exchange.name);
        } else {
            let answer = result.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.name));
            assert_eq!(answer.choices.len(), 1, "{}", exchange.name);
            assert!(!answer.choices[0].message.parts.is_empty(), "{}", exchange.name);
        }
    }
}

#[test]
fn recorded_vectors() {
    for exchange in exchange::all().unwrap_or_default() {
        if exchange.kind != Kind::Embeddings {
            continue;
        }
        let recorded = exchange.request.clone().unwrap_or_else(|| json!({"inputText": "x"}));
        let texts: Vec<String> = match &recorded["texts"] {
            Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
            _ => {
                let text = recorded["inputText"].as_str();
                let nova = recorded["singleEmbeddingParams"]["text"]["value"].as_str();
                vec![text.or(nova).unwrap_or("x").to_owned()]
            }
        };
        let number = |value: &Value| value.as_u64().map(|number| u32::try_from(number).unwrap());
        let mut extra = Vec::new();
        for name in ["input_type", "truncate", "normalize"] {
            if !recorded[name].is_null() {
                extra.push((name.to_owned(), recorded[name].to_string()));
            }
        }
        if let Some(purpose) = recorded["singleEmbeddingParams"]["embeddingPurpose"].as_str() {
            extra.push(("embeddingPurpose".to_owned(), json!(purpose).to_string()));
        }
        let asked = EmbeddingsRequest {
            model: exchange.model.clone(),
            inputs: texts.into_iter().map(Input::Text).collect(),
            dimensions: number(&recorded["dimensions"])
                .or_else(|| number(&recorded["output_dimension"]))
                .or_else(|| number(&recorded["singleEmbeddingParams"]["embeddingDimension"])),
            user: None,
            extra,
        };
        let host = Recording::new()
            .config(&exchange::SETTINGS.clone())
            .reply(exchange.reply())
            .install();
        let result = block_on(Bedrock::embed(asked));
        if exchange.status >= 400 {
            assert_eq!(result.unwrap_err().kind, ErrorKind::InvalidRequest, "{}", exchange.name);
            continue;
        }
        let got = result.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.name));
        assert_eq!(host.requests()[0].json(), recorded, "{}", exchange.name);
        assert_eq!(got.dropped, vec![], "{}", exchange.name);
        let body = exchange.json();
        let all: Vec<Vec<f32>> = [
            &body["embeddings"]["float"],
            &body["embeddings"],
            &json!([body["embedding"]]),
            &json!([body["embeddings"][0]["embedding"]]),
        ]
        .into_iter()
        .find_map(|value| serde_json::from_value(value.clone()).ok())
        .unwrap();
        assert_eq!(got.vectors, all, "{}", exchange.name);
        let counted = exchange
            .headers
            .iter()
            .find(|(name, _)| name == "x-amzn-bedrock-input-token-count");
        let counted = counted.map(|(_, value)| value.parse().unwrap());
        let counted = counted.or(body["inputTextTokenCount"].as_u64());
        assert_eq!(got.usage.map(|usage| usage.input), counted, "{}", exchange.name);
    }
}

#[test]
fn recorded_lists_of_models() {
    for exchange in exchange::all().unwrap_or_default() {
        let body = exchange.json();
        if exchange.kind != Kind::Models || !body["modelSummaries"].is_array() {
            continue;
        }
        let _host = Recording::new()
            .config(&json!({"region": "us-east-1"}))
            .reply(exchange.reply())
            .reply(Reply::json(200, r#"{"inferenceProfileSummaries":[]}"#))
            .install();
        let got = block_on(Bedrock::list_models()).unwrap();
        let on_demand = body["modelSummaries"].as_array().unwrap().iter().filter(|model| {
            let kinds = model["inferenceTypesSupported"].as_array().unwrap();
            kinds.is_empty() || kinds.contains(&json!("ON_DEMAND"))
        });
        let mut ids: Vec<&str> = on_demand.map(|model| model["modelId"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert!(!ids.is_empty());
        assert_eq!(got.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ids);
    }
}
