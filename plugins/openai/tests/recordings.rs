//! Recorded traffic of OpenAI's chat completions, replayed through the adapter.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::result_large_err)]

#[path = "../../openai-wire/tests/neutral/mod.rs"]
mod neutral;
#[path = "../../openai-wire/tests/recorded/mod.rs"]
mod recorded;
mod request;

use llm_plugin_openai::OpenAi;
use llm_provider_sdk::Chat;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on, every_split};
use llm_provider_sdk::types::{ChatEvent, ChatRequest, ChatResponse, Error, ErrorKind, Message, Role, Usage};
use serde_json::{Value, json};

use recorded::{Exchange, chats, collapse};

fn any_request() -> ChatRequest {
    ChatRequest::new("m", vec![Message::text(Role::User, "hi")])
}

/// The request that was recorded, or any where none was.
fn request_of(exchange: &Exchange) -> ChatRequest {
    if exchange.request.is_null() {
        any_request()
    } else {
        request::neutral(&exchange.request)
    }
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
    let recording = Recording::new().reply(reply_of(exchange)).install();
    let answer = block_on(OpenAi::complete(request_of(exchange)));
    (answer, recording.requests().remove(0))
}

fn stream(reply: Reply, req: ChatRequest) -> Result<Vec<ChatEvent>, Error> {
    let _recording = Recording::new().reply(reply).install();
    block_on(async { Ok(OpenAi::stream(req).await?.begin().await?.collect().await) })
}

/// A stream that was saved without its framing may lack `[DONE]`; it is complete all the same.
fn streams() -> Vec<Exchange> {
    chats("openai").into_iter().filter(Exchange::is_stream).collect()
}

fn check_usage(usage: Option<&Usage>, recorded: &Value, name: &str) {
    let Some(recorded) = recorded.as_object() else {
        assert_eq!(usage, None, "{name}");
        return;
    };
    let usage = usage.unwrap_or_else(|| panic!("{name}: no usage"));
    let count = |path: &[&str]| {
        path.iter()
            .fold(&Value::Object(recorded.clone()), |v, n| &v[*n])
            .as_u64()
            .unwrap_or(0)
    };
    let prompt = usage.input
        + usage.cache_read
        + usage.cache_write
        + usage.cache_write_long
        + usage.input_audio
        + usage.input_image;
    let answer = usage.output + usage.reasoning + usage.output_audio + usage.output_image;
    assert_eq!(prompt, count(&["prompt_tokens"]), "{name}");
    assert_eq!(answer, count(&["completion_tokens"]), "{name}");
    assert_eq!(
        usage.cache_read,
        count(&["prompt_tokens_details", "cached_tokens"]),
        "{name}"
    );
    assert_eq!(
        usage.input_audio,
        count(&["prompt_tokens_details", "audio_tokens"]),
        "{name}"
    );
    assert_eq!(
        usage.reasoning,
        count(&["completion_tokens_details", "reasoning_tokens"]),
        "{name}"
    );
    assert_eq!(
        usage.output_audio,
        count(&["completion_tokens_details", "audio_tokens"]),
        "{name}"
    );
}

fn check_answer(answer: &ChatResponse, whole: &Value, name: &str) {
    assert_eq!(Some(answer.id.as_str()), whole["id"].as_str(), "{name}");
    assert_eq!(Some(answer.model.as_str()), whole["model"].as_str(), "{name}");
    assert_eq!(answer.created, whole["created"].as_u64().filter(|at| *at > 0), "{name}");
    assert_eq!(neutral::said(answer), recorded::said(whole), "{name}");
    check_usage(answer.usage.as_ref(), &whole["usage"], name);
    assert_eq!(answer.dropped, [], "{name}");

    // What has no neutral form is there under its own name.
    let known = ["id", "object", "model", "created", "choices", "usage"];
    for (field, value) in whole.as_object().unwrap() {
        let kept = answer
            .extra
            .iter()
            .find(|(n, _)| n == field)
            .map(|(_, json)| json.as_str());
        if !known.contains(&field.as_str()) {
            assert_eq!(
                serde_json::from_str::<Value>(kept.unwrap()).unwrap(),
                *value,
                "{name}: {field}"
            );
        }
    }
}

#[test]
fn whole_answers() {
    for exchange in chats("openai").iter().filter(|e| e.status == 200 && !e.is_stream()) {
        let (answer, _) = complete(exchange);
        let whole: Value = serde_json::from_str(&exchange.body).unwrap();
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", exchange.file));
        check_answer(&answer, &whole, &exchange.file);
        let annotations = &whole["choices"][0]["message"]["annotations"];
        let message = &answer.choices[0].message;
        let kept = message.parts.iter().flat_map(|part| &part.extra).chain(&message.extra);
        let kept = kept
            .into_iter()
            .find(|(n, _)| n == "annotations")
            .map(|(_, json)| json.as_str());
        assert_eq!(
            kept.map(|json| serde_json::from_str(json).unwrap())
                .unwrap_or(Value::Null),
            *annotations
        );
    }
}

#[test]
fn streams_add_up_to_what_was_recorded() {
    for exchange in streams() {
        let name = &exchange.file;
        let events = stream(reply_of(&exchange), request_of(&exchange)).unwrap();
        assert!(matches!(events.first(), Some(ChatEvent::Start(_))), "{name}");
        assert_eq!(events.last(), Some(&ChatEvent::Done), "{name}");
        let folded = fold(events).unwrap();
        let collapsed = collapse(&exchange.body);
        check_answer(&folded, &collapsed, name);

        let whole = Exchange {
            body: collapsed.to_string(),
            request: Value::Null,
            ..exchange
        };
        let (answer, _) = complete(&whole);
        assert_eq!(
            neutral::normal(folded),
            neutral::normal(answer.unwrap()),
            "{}",
            whole.file
        );
    }
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    for exchange in streams() {
        let whole = stream(reply_of(&exchange), any_request());
        let decode = |reply: Reply| assert_eq!(stream(reply, any_request()), whole, "{}", exchange.file);
        decode(reply_of(&exchange).in_pieces_of(1));
        let body = exchange.body.as_bytes();
        if body.len() < 6000 {
            every_split(body, |pieces| decode(reply_of(&exchange).split_at(pieces[0].len())));
        } else {
            // A prime step meets every place of a chunk sooner or later.
            (1..body.len())
                .step_by(47)
                .for_each(|at| decode(reply_of(&exchange).split_at(at)));
        }
    }
}

#[test]
fn streams_that_stop_short_are_no_success() {
    for exchange in streams() {
        let last_choice = exchange.body.rfind("\"finish_reason\":").unwrap();
        for at in [last_choice / 3, last_choice / 2, last_choice] {
            let error = match stream(reply_of(&exchange).closes_at(at), any_request()) {
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
fn errors() {
    for exchange in chats("openai").iter().filter(|e| e.status >= 400) {
        let name = &exchange.file;
        let (answer, _) = complete(exchange);
        let error = answer.unwrap_err();
        assert_eq!(
            stream(reply_of(exchange), request_of(exchange)),
            Err(error.clone()),
            "{name}"
        );

        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let kind = match exchange.status {
            400 => ErrorKind::InvalidRequest,
            401 => ErrorKind::Authentication,
            404 => ErrorKind::NotFound,
            other => panic!("{name}: no expectation for status {other}"),
        };
        assert_eq!((error.kind, error.retryable), (kind, false), "{name}");
        assert_eq!(error.http_status, Some(exchange.status), "{name}");
        assert_eq!(
            Some(error.message.as_str()),
            body["error"]["message"].as_str(),
            "{name}"
        );
        assert_eq!(error.provider_code.as_deref(), body["error"]["code"].as_str(), "{name}");
        assert_eq!(error.param.as_deref(), body["error"]["param"].as_str(), "{name}");
        let id = exchange
            .headers
            .iter()
            .find(|(n, _)| n == "x-request-id")
            .map(|(_, v)| v.as_str());
        assert_eq!(error.request_id.as_deref(), id, "{name}");
        assert_eq!(error.raw.as_deref(), Some(exchange.body.as_str()), "{name}");
    }
}

#[test]
fn requests_are_what_was_recorded() {
    for exchange in chats("openai").iter().filter(|e| !e.request.is_null()) {
        let name = &exchange.file;
        let streamed = exchange.request["stream"] == json!(true);
        let recording = Recording::new().reply(reply_of(exchange)).install();
        let req = request_of(exchange);
        if streamed {
            let _ = block_on(OpenAi::stream(req));
        } else {
            let _ = block_on(OpenAi::complete(req));
        }
        let sent = recording.requests().remove(0);
        assert_eq!(sent.url, exchange.url, "{name}");
        assert_eq!(sent.credential.as_deref(), Some("api-key"), "{name}");
        assert_eq!(sent.json(), request::as_sent(&exchange.request), "{name}");
    }
}
