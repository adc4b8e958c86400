use llm_provider_sdk::framer::event_stream::encode;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{FinishReason, Message, Role};
use serde_json::json;

use super::*;

const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const GPT: &str = "openai.gpt-oss-120b-1:0";

fn settings(more: Value) -> Settings {
    let mut all = json!({"region": "us-east-1", "models": [{"match": "*", "operation": "invoke"}]});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    serde_json::from_value(all).unwrap()
}

fn asked(model: &str) -> ChatRequest {
    ChatRequest::new(model, vec![Message::text(Role::User, "Hello")])
}

fn wish(value: Value) -> Wish {
    serde_json::from_value(value).unwrap()
}

fn told() -> String {
    json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "No."}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}})
    .to_string()
}

#[test]
fn a_guardrail_of_the_request_counts_more_than_that_of_the_settings() {
    let of_settings = json!({"guardrail": {"identifier": "gr-settings", "version": "DRAFT"}});
    let of_request = json!({"guardrail": {"identifier": "gr-request", "version": "2", "trace": "enabled_full"}});
    let cases = [
        (json!({}), json!({}), None),
        (of_settings.clone(), json!({}), Some(("gr-settings", "DRAFT", None))),
        (of_settings, of_request, Some(("gr-request", "2", Some("ENABLED_FULL")))),
    ];
    for (of_settings, of_request, expected) in cases {
        let host = Recording::new().reply(Reply::json(200, told())).install();
        let (settings, wish) = (settings(of_settings), wish(of_request));
        let target = Target::resolve(CLAUDE, &wish, &settings).unwrap();
        block_on(complete(asked(CLAUDE), &target, wish, &settings)).unwrap();
        let sent = &host.requests()[0];
        let header = |name: &str| sent.header(name);
        assert_eq!(
            header("x-amzn-bedrock-guardrailidentifier"),
            expected.map(|(id, _, _)| id)
        );
        assert_eq!(
            header("x-amzn-bedrock-guardrailversion"),
            expected.map(|(_, version, _)| version)
        );
        assert_eq!(header("x-amzn-bedrock-trace"), expected.and_then(|(_, _, trace)| trace));
    }
}

#[test]
fn what_a_guardrail_did_is_told_with_a_stream() {
    let claude = vec![
        json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "No."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop", "amazon-bedrock-guardrailAction": "INTERVENED"}),
    ];
    let gpt = vec![
        json!({"choices": [{"index": 0, "delta": {"content": "No."}, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "amazon-bedrock-guardrailAction": "INTERVENED"}),
    ];
    for (model, chunks) in [(CLAUDE, claude), (GPT, gpt)] {
        use base64::Engine as _;
        let frame = |chunk: &Value| {
            let bytes = base64::engine::general_purpose::STANDARD.encode(chunk.to_string());
            let headers = [(":message-type", "event"), (":event-type", "chunk")];
            encode(&headers, json!({ "bytes": bytes }).to_string().as_bytes())
        };
        let body: Vec<u8> = chunks.iter().flat_map(frame).collect();
        let _host = Recording::new().reply(Reply::new(200, body)).install();
        let (settings, wish) = (settings(json!({})), wish(json!({})));
        let target = Target::resolve(model, &wish, &settings).unwrap();
        let got = block_on(async {
            super::stream(asked(model), &target, wish, &settings)
                .await?
                .fold()
                .await
        })
        .unwrap();
        let told = got
            .extra
            .iter()
            .find(|(name, _)| name == "amazon-bedrock-guardrailAction");
        assert_eq!(told.map(|(_, value)| value.as_str()), Some("\"INTERVENED\""), "{model}");
        assert_eq!(
            got.choices[0].finish,
            FinishReason::Stop,
            "{model}: the model's own word"
        );
    }
}

#[test]
fn continuations_are_read_where_an_answer_is_one() {
    use base64::Engine as _;
    let claude =
        json!({"type": "completion", "completion": " Paris.", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"});
    let container = json!({"object": "text_completion", "id": "", "model": "/opt/ml/model", "choices": [
        {"index": 0, "text": " Paris.", "logprobs": null, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}});
    let imported = "arn:aws:bedrock:us-east-1:111122223333:imported-model/abcdefghijkl";
    for (model, said, finish, counted) in [
        ("anthropic.claude-v2:1", claude, FinishReason::Stop, 16),
        (imported, container, FinishReason::Length, 9),
    ] {
        let frame = |chunk: &Value| {
            let bytes = base64::engine::general_purpose::STANDARD.encode(chunk.to_string());
            let headers = [(":message-type", "event"), (":event-type", "chunk")];
            encode(&headers, json!({ "bytes": bytes }).to_string().as_bytes())
        };
        let host = Recording::new()
            .reply(Reply::json(200, said.to_string()).header("x-amzn-bedrock-input-token-count", "16"))
            .reply(Reply::new(200, frame(&said)))
            .install();
        let (settings, wish) = (settings(json!({})), wish(json!({})));
        let target = Target::resolve(model, &wish, &settings).unwrap();
        let whole = block_on(complete(asked(model), &target, wish.clone(), &settings)).unwrap();
        let streamed = block_on(async {
            super::stream(asked(model), &target, wish, &settings)
                .await?
                .fold()
                .await
        });
        for got in [&whole, &streamed.unwrap()] {
            let text = llm_provider_sdk::types::PartContent::Text(" Paris.".to_owned());
            assert_eq!(got.choices[0].message.parts[0].content, text, "{model}");
            assert_eq!(got.choices[0].finish, finish, "{model}");
        }
        assert_eq!(whole.usage.unwrap().input, counted, "{model}");
        assert_eq!(host.requests().len(), 2);
    }
}

#[test]
fn what_converse_has_members_for_rides_in_headers() {
    for (model, body) in [
        (CLAUDE, told()),
        ("amazon.nova-micro-v1:0", json!({"output": {"message": {"role": "assistant", "content": [{"text": "No."}]}}, "stopReason": "end_turn"}).to_string()),
        ("meta.llama3-8b-instruct-v1:0", json!({"generation": "No.", "stop_reason": "stop"}).to_string()),
        (GPT, json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "No."}, "finish_reason": "stop"}]}).to_string()),
    ] {
        let host = Recording::new().reply(Reply::json(200, body)).install();
        let mut req = asked(model);
        req.extra = vec![
            ("service_tier".to_owned(), "\"flex\"".to_owned()),
            ("guardrailConfig".to_owned(), r#"{"guardrailIdentifier":"gr-1","guardrailVersion":"3","trace":"enabled"}"#.to_owned()),
        ];
        let wish = wish(json!({"performanceConfig": {"latency": "optimized"}, "requestMetadata": {"team": "a"}, "promptVariables": {},
            "additionalModelRequestFields": {"own": 1}}));
        let settings = settings(json!({}));
        let target = Target::resolve(model, &wish, &settings).unwrap();
        let got = block_on(complete(req, &target, wish, &settings)).unwrap();
        let sent = &host.requests()[0];
        for (name, value) in [
            ("x-amzn-bedrock-service-tier", "flex"),
            ("x-amzn-bedrock-performanceconfig-latency", "optimized"),
            ("x-amzn-bedrock-guardrailidentifier", "gr-1"),
            ("x-amzn-bedrock-guardrailversion", "3"),
            ("x-amzn-bedrock-trace", "ENABLED"),
        ] {
            assert_eq!(sent.header(name), Some(value), "{model}");
        }
        let metadata = sent.headers.iter().find(|(name, _)| name.contains("metadata"));
        let metadata = metadata.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        assert_eq!(metadata.as_deref(), Some(r#"{"team":"a"}"#), "{model}");
        let body = sent.json();
        assert_eq!(body["own"], 1, "{model}");
        for name in ["service_tier", "serviceTier", "guardrailConfig", "performanceConfig", "requestMetadata"] {
            assert_eq!(body.get(name), None, "{model} {name}");
        }
        let dropped: Vec<&str> = got.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
        assert_eq!(dropped, ["promptVariables"], "{model}");
    }
}
