//! Recorded traffic of Azure OpenAI and AI Foundry resources, replayed through the adapter.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::result_large_err)]

#[path = "../../openai-wire/tests/neutral/mod.rs"]
mod neutral;
#[path = "../../openai-wire/tests/recorded/mod.rs"]
mod recorded;
#[path = "../../openai/tests/request/mod.rs"]
mod request;

use llm_plugin_azure_openai::AzureOpenAi;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::RequestHead;
use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, ErrorKind, Message, PartContent, Role};
use llm_provider_sdk::{Chat, Completions, Embeddings, Native, completions, embeddings};
use serde_json::{Value, json};

use recorded::{Exchange, chats, collapse};

/// An address outside every form of the API: its request cannot be made, its answer can be read.
const NOWHERE: &str = "chat-gpt-4.1-404-3d26eb.json";

/// The settings under which the adapter asks what was asked, and the deployment.
fn place(exchange: &Exchange) -> (Value, String) {
    // Some clients put a slash too much behind the endpoint.
    let url = exchange.url.replace(".com//", ".com/");
    let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let version = query.strip_prefix("api-version=");
    let model = exchange.request["model"].as_str().unwrap_or("any").to_owned();
    let (api, deployment) = match path.strip_prefix("openai/deployments/") {
        Some(rest) => ("deployments", rest.split('/').next().unwrap().to_owned()),
        None if path.starts_with("models/") => ("inference", model),
        None => ("v1", model),
    };
    let mut settings = json!({"endpoint": format!("https://{host}"), "api": api});
    if let Some(version) = version {
        settings["api_version"] = version.into();
    }
    (settings, deployment)
}

fn request_of(exchange: &Exchange, deployment: &str) -> ChatRequest {
    let mut req = if exchange.request.is_null() {
        ChatRequest::new("m", vec![Message::text(Role::User, "hi")])
    } else {
        request::neutral(&exchange.request)
    };
    req.model = deployment.to_owned();
    req
}

fn reply_of(exchange: &Exchange) -> Reply {
    let body = exchange.body.clone();
    let reply = exchange
        .headers
        .iter()
        .fold(Reply::new(exchange.status, body), |reply, (n, v)| reply.header(n, v));
    if exchange.is_stream() {
        reply.header("content-type", "text/event-stream")
    } else {
        reply
    }
}

fn complete(exchange: &Exchange) -> (Result<ChatResponse, Error>, SentRequest) {
    let (settings, deployment) = place(exchange);
    let recording = Recording::new().config(&settings).reply(reply_of(exchange)).install();
    let answer = block_on(<AzureOpenAi as Chat>::complete(request_of(exchange, &deployment)));
    (answer, recording.requests().remove(0))
}

fn stream(exchange: &Exchange, reply: Reply) -> (Result<Vec<ChatEvent>, Error>, SentRequest) {
    let (settings, deployment) = place(exchange);
    let recording = Recording::new().config(&settings).reply(reply).install();
    let req = request_of(exchange, &deployment);
    let events = block_on(async { Ok(<AzureOpenAi as Chat>::stream(req).await?.collect().await) });
    (events, recording.requests().remove(0))
}

/// Whether the recording's body is what went over the wire.
fn is_error(exchange: &Exchange) -> bool {
    exchange.status >= 400 || exchange.body.starts_with("{\"error\"")
}

fn extra<'a>(extras: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = extras.iter().find(|(known, _)| known == name);
    found.map(|(_, json)| json.as_str())
}

fn check_answer(answer: &ChatResponse, whole: &Value, name: &str) {
    assert_eq!(Some(answer.id.as_str()), whole["id"].as_str(), "{name}");
    assert_eq!(Some(answer.model.as_str()), whole["model"].as_str(), "{name}");
    assert_eq!(neutral::said(answer), recorded::said(whole), "{name}");
    assert_eq!(answer.dropped, [], "{name}");
    let usage = answer.usage.as_ref().unwrap();
    let prompt = usage.input + usage.cache_read + usage.cache_write + usage.input_audio + usage.input_image;
    assert_eq!(Some(prompt), whole["usage"]["prompt_tokens"].as_u64(), "{name}");
    let count = usage.output + usage.reasoning + usage.output_audio + usage.output_image;
    let told = |name: &str| whole["usage"][name].as_u64().unwrap_or(0);
    let details = &whole["usage"]["completion_tokens_details"];
    let reasoning = details["reasoning_tokens"].as_u64().unwrap_or(0);
    // Some models count reasoning apart; the total shows it.
    let apart = told("total_tokens") == prompt + told("completion_tokens") + reasoning;
    let wanted = told("completion_tokens") + if apart { reasoning } else { 0 };
    assert_eq!(count, wanted, "{name}");

    // What has no neutral form is there under its own name: the filter's findings above all.
    let known = ["id", "object", "model", "created", "choices", "usage"];
    for (field, value) in whole.as_object().unwrap() {
        if !known.contains(&field.as_str()) {
            let kept = extra(&answer.extra, field).unwrap_or_else(|| panic!("{name}: {field}"));
            assert_eq!(serde_json::from_str::<Value>(kept).unwrap(), *value, "{name}: {field}");
        }
    }
    for (choice, own) in answer.choices.iter().zip(whole["choices"].as_array().unwrap()) {
        for field in ["content_filter_results", "content_filter_result"] {
            let kept = extra(&choice.extra, field).map(|json| serde_json::from_str::<Value>(json).unwrap());
            assert_eq!(kept.as_ref(), own.get(field), "{name}: {field}");
        }
    }
}

#[test]
fn whole_answers() {
    for exchange in chats("azure").iter().filter(|e| !e.is_stream() && !is_error(e)) {
        let whole: Value = serde_json::from_str(&exchange.body).unwrap();
        let answer = complete(exchange).0;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.file));
        check_answer(&answer, &whole, &exchange.file);
    }
}

#[test]
fn streams_add_up_to_what_was_recorded() {
    for exchange in chats("azure").into_iter().filter(Exchange::is_stream) {
        let name = exchange.file.clone();
        let events = stream(&exchange, reply_of(&exchange)).0.unwrap();
        assert!(matches!(events.first(), Some(ChatEvent::Start(_))), "{name}");
        assert_eq!(events.last(), Some(&ChatEvent::Done), "{name}");
        let folded = fold(events).unwrap();
        let collapsed = collapse(&exchange.body);
        check_answer(&folded, &collapsed, &name);
        assert!(extra(&folded.extra, "prompt_filter_results").is_some(), "{name}");

        let whole = Exchange {
            body: collapsed.to_string(),
            headers: Vec::new(),
            request: Value::Null,
            ..exchange
        };
        assert_eq!(
            neutral::normal(folded),
            neutral::normal(complete(&whole).0.unwrap()),
            "{name}"
        );
    }
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for exchange in chats("azure").into_iter().filter(Exchange::is_stream) {
        let whole = stream(&exchange, reply_of(&exchange)).0;
        let decode = |reply: Reply| assert_eq!(stream(&exchange, reply).0, whole, "{}", exchange.file);
        decode(reply_of(&exchange).in_pieces_of(1));
        // Those that a client has written anew are framed alike; a prime step meets every place of them.
        let written_anew = exchange.tags.iter().any(|tag| tag == "sdk-reserialized");
        for at in (1..exchange.body.len()).step_by(if written_anew { 23 } else { 1 }) {
            decode(reply_of(&exchange).split_at(at));
        }
    }
}

#[test]
fn streams_that_stop_short_are_no_success() {
    for exchange in chats("azure").into_iter().filter(Exchange::is_stream) {
        // The last reason to end that is told; those before it say that there is none yet.
        let last_choice = exchange
            .body
            .rfind("\"finish_reason\": \"")
            .or(exchange.body.rfind("\"finish_reason\":\""));
        let last_choice = last_choice.unwrap();
        for at in [last_choice / 3, last_choice / 2, last_choice] {
            let error = match stream(&exchange, reply_of(&exchange).closes_at(at)).0 {
                Ok(events) => match events.last() {
                    Some(ChatEvent::Error(error)) => error.clone(),
                    other => panic!("{} cut at {at}: {other:?}", exchange.file),
                },
                Err(error) => error,
            };
            assert_eq!(error.kind, ErrorKind::StreamTruncated, "{} cut at {at}", exchange.file);
        }
    }
}

#[test]
fn errors_keep_azures_words() {
    for exchange in chats("azure").iter().filter(|e| is_error(e)) {
        let name = &exchange.file;
        let error = complete(exchange).0.unwrap_err();
        assert_eq!(stream(exchange, reply_of(exchange)).0, Err(error.clone()), "{name}");
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let kind = match (exchange.status, body["error"]["code"].as_str()) {
            (_, Some("content_filter")) => ErrorKind::ContentFiltered,
            (400, _) => ErrorKind::InvalidRequest,
            (401, _) => ErrorKind::Authentication,
            (404, _) => ErrorKind::NotFound,
            (other, _) => panic!("{name}: no expectation for status {other}"),
        };
        assert_eq!((error.kind, error.retryable), (kind, false), "{name}");
        let status = body["error"]["status"].as_u64().unwrap_or(exchange.status.into());
        assert_eq!(error.http_status.map(u64::from), Some(status), "{name}");
        let own = body["error"]["message"].as_str().unwrap();
        assert!(error.message.starts_with(own), "{name}: {}", error.message);
        assert_eq!(error.provider_code.as_deref(), body["error"]["code"].as_str(), "{name}");
        assert_eq!(error.param.as_deref(), body["error"]["param"].as_str(), "{name}");
        let id = exchange.header("x-request-id").or(exchange.header("apim-request-id"));
        assert_eq!(error.request_id.as_deref(), id, "{name}");
        assert_eq!(error.raw.as_deref(), Some(exchange.body.as_str()), "{name}");
        if kind == ErrorKind::ContentFiltered {
            assert!(error.message.contains("hate (high)"), "{}", error.message);
        }
    }
}

#[test]
fn requests_are_what_was_recorded() {
    let addressed = |exchange: &&Exchange| !exchange.request.is_null() && exchange.file != NOWHERE;
    for exchange in chats("azure").iter().filter(addressed) {
        let name = &exchange.file;
        let streamed = exchange.request["stream"] == json!(true);
        let sent = if streamed {
            stream(exchange, reply_of(exchange)).1
        } else {
            complete(exchange).1
        };
        assert_eq!(sent.url, exchange.url, "{name}");
        assert_eq!(sent.credential.as_deref(), Some("entra"), "{name}");
        assert_eq!(sent.header("api-key"), None, "{name}");
        let mut recorded = request::as_sent(&exchange.request);
        recorded["model"] = place(exchange).1.into();
        assert_eq!(sent.json(), recorded, "{name}");
    }
}

fn others(operation: &str) -> Vec<Exchange> {
    let mut found = recorded::all("azure");
    found.retain(|exchange| exchange.operation == operation);
    found
}

#[test]
fn vectors_of_texts() {
    for exchange in &others("embeddings") {
        let name = &exchange.file;
        let (settings, deployment) = place(exchange);
        let texts = match &exchange.request["input"] {
            Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
            text => vec![text.as_str().unwrap().to_owned()],
        };
        let recording = Recording::new().config(&settings).reply(reply_of(exchange)).install();
        let answer = block_on(AzureOpenAi::embed(embeddings::Request {
            model: deployment.clone(),
            inputs: texts.iter().cloned().map(embeddings::Input::Text).collect(),
            dimensions: None,
            user: None,
            extra: Vec::new(),
        }));
        let sent = recording.requests().remove(0);
        assert_eq!(sent.url, exchange.url.replace(".com//", ".com/"), "{name}");
        assert_eq!(
            sent.json(),
            json!({"model": deployment, "input": texts, "encoding_format": "base64"}),
            "{name}"
        );
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        if exchange.status >= 400 {
            let error = answer.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Authentication, "{name}");
            assert!(error.message.starts_with(body["error"]["message"].as_str().unwrap()));
            continue;
        }
        let answer = answer.unwrap();
        assert_eq!(answer.vectors.len(), texts.len(), "{name}");
        for (vector, own) in answer.vectors.iter().zip(body["data"].as_array().unwrap()) {
            match &own["embedding"] {
                Value::Array(numbers) => {
                    let numbers: Vec<f32> = numbers.iter().map(|n| n.as_f64().unwrap() as f32).collect();
                    assert_eq!(*vector, numbers, "{name}");
                }
                data => {
                    let data =
                        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data.as_str().unwrap());
                    let bytes: Vec<u8> = vector.iter().flat_map(|n| n.to_le_bytes()).collect();
                    assert_eq!(bytes, data.unwrap(), "{name}");
                }
            }
        }
        let usage = answer.usage.unwrap();
        assert_eq!(Some(usage.input), body["usage"]["prompt_tokens"].as_u64(), "{name}");
    }
}

#[test]
fn continuations() {
    for exchange in &others("completions") {
        let (settings, deployment) = place(exchange);
        let recording = Recording::new().config(&settings).reply(reply_of(exchange)).install();
        let asked = &exchange.request;
        let mut req = completions::Request::new(deployment, asked["prompt"].as_str().unwrap());
        req.sampling.max_output_tokens = asked["max_tokens"].as_u64().map(|n| n.try_into().unwrap());
        req.sampling.temperature = asked["temperature"].as_f64();
        req.sampling.n = Some(1);
        req.user = asked["user"].as_str().map(str::to_owned);
        let answer = block_on(<AzureOpenAi as Completions>::complete(req)).unwrap();
        let sent = recording.requests().remove(0);
        assert_eq!(sent.url, exchange.url.replace(".com//", ".com/"));
        assert_eq!(sent.json()["prompt"], asked["prompt"]);
        assert_eq!(sent.json()["max_tokens"], asked["max_tokens"]);
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let [choice] = answer.choices.as_slice() else {
            panic!("one choice")
        };
        let PartContent::Text(text) = &choice.message.parts[0].content else {
            panic!("a text")
        };
        assert_eq!(Some(text.as_str()), body["choices"][0]["text"].as_str());
        assert!(extra(&choice.extra, "content_filter_results").is_some());
        assert!(extra(&answer.extra, "prompt_filter_results").is_some());
        assert_eq!(
            Some(answer.usage.unwrap().output),
            body["usage"]["completion_tokens"].as_u64()
        );
    }
}

fn count(usage: &Value, names: [&str; 2]) -> Option<u64> {
    names.iter().find_map(|name| usage[*name].as_u64())
}

/// The host has no dialect of its own for this API; calls pass through as they are.
#[test]
fn responses_pass_through_and_tell_their_usage() {
    for exchange in &others("responses") {
        let name = &exchange.file;
        let (settings, _) = place(exchange);
        let _recording = Recording::new().config(&settings).install();
        let path = exchange.url.split_once(".com").unwrap().1.to_owned();
        let forward = AzureOpenAi::route(RequestHead {
            method: "POST".to_owned(),
            path,
            query: None,
            headers: exchange
                .request_headers
                .iter()
                .map(|(n, v)| (n.clone(), v.clone().into_bytes()))
                .collect(),
        })
        .unwrap();
        assert_eq!(forward.url, exchange.url, "{name}");

        // The answer's last word on usage, wherever it stands.
        let told = exchange.body.match_indices("\"usage\":").filter_map(|(at, name)| {
            let rest = &exchange.body[at + name.len()..];
            let value = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next()?;
            // Models of other makers keep the older names.
            value
                .ok()
                .filter(|usage| count(usage, ["input_tokens", "prompt_tokens"]).is_some())
        });
        let own = told.last();
        let streamed = if exchange.body.starts_with('{') {
            "application/json"
        } else {
            "text/event-stream"
        };
        let headers = vec![("content-type".to_owned(), streamed.as_bytes().to_vec())];
        let body = Body::from_bytes(exchange.body.clone().into_bytes());
        let usage = block_on(AzureOpenAi::read_usage(200, headers, body)).unwrap();
        let (Some(usage), Some(own)) = (&usage, &own) else {
            assert_eq!((usage, own), (None, None), "{name}");
            continue;
        };
        assert_eq!(
            Some(usage.input + usage.cache_read + usage.cache_write),
            count(own, ["input_tokens", "prompt_tokens"]),
            "{name}"
        );
        assert_eq!(
            Some(usage.output + usage.reasoning),
            count(own, ["output_tokens", "completion_tokens"]),
            "{name}"
        );
        assert_eq!(
            usage.cache_read,
            own["input_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0)
        );
    }
}

#[test]
fn every_recording_is_of_an_operation_that_is_tried() {
    for exchange in recorded::all("azure") {
        let tried = ["chat", "embeddings", "completions", "responses"];
        assert!(tried.contains(&exchange.operation.as_str()), "{}", exchange.file);
    }
}
