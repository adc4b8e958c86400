//! The fields of a request.

use serde_json::{Value, json};

use crate::llm::{self, ResponseFormat, ToolChoice, ToolSpec};

use super::{decode, decoded, extras, refused};

/// A request with these fields besides the two that must be there.
fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
        body.extend(fields);
    }
    body
}

#[test]
fn sampling_has_its_places() {
    let chat = decoded(&with(json!({
        "temperature": 0, "top_p": 0.5, "top_k": 40, "max_tokens": 100, "stop": "END", "seed": -3,
        "frequency_penalty": 1, "presence_penalty": -1.5, "n": 2, "user": "u-1",
    })));
    let expected = llm::Sampling {
        temperature: Some(0.0),
        top_p: Some(0.5),
        top_k: Some(40),
        max_output_tokens: Some(100),
        stop: vec!["END".to_owned()],
        seed: Some(-3),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(-1.5),
        n: Some(2),
    };
    assert_eq!(chat.sampling, expected);
    assert_eq!(chat.user.as_deref(), Some("u-1"));
    assert_eq!(chat.extra, []);
}

#[test]
fn a_request_without_a_model_asks_for_the_default_one() {
    for model in [json!("gpt"), json!(""), json!(null)] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let request = decode(&body).unwrap().request;
        assert_eq!(request.model, model.as_str().unwrap_or_default());
    }
}

#[test]
fn two_names_of_one_limit() {
    for (fields, expected) in [
        (json!({"max_tokens": 5}), Some(5)),
        (json!({"max_completion_tokens": 6}), Some(6)),
        (json!({"max_completion_tokens": 6, "max_tokens": 6}), Some(6)),
        (json!({"max_completion_tokens": 6, "max_tokens": null}), Some(6)),
        (json!({}), None),
    ] {
        assert_eq!(decoded(&with(fields)).sampling.max_output_tokens, expected);
    }
    let (param, code, _) = refused(&with(json!({"max_completion_tokens": 6, "max_tokens": 7})));
    assert_eq!((param.as_str(), code), ("max_tokens", "invalid_value"));
}

#[test]
fn stream_and_its_options() {
    let of = |fields: Value| {
        let decoded = decode(&with(fields)).unwrap();
        (decoded.stream, decoded.form.include_usage, decoded.request.extra)
    };
    assert_eq!(of(json!({})), (false, false, vec![]));
    assert_eq!(of(json!({"stream": true})), (true, false, vec![]));
    assert_eq!(
        of(json!({"stream": true, "stream_options": {"include_usage": true}})),
        (true, true, vec![])
    );
    assert_eq!(
        of(json!({"stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}})),
        (
            true,
            true,
            extras(&[("stream_options", r#"{"include_obfuscation":false}"#)])
        )
    );
}

#[test]
fn unknown_fields_survive_in_order() {
    let body = br#"{"zeta": {"b": 1, "a": [1.5, null]}, "model": "m", "logit_bias": {"50256": -100}, "temperature": 1,
        "messages": [{"role": "user", "content": "x"}], "metadata": null, "service_tier": "flex", "logprobs": true}"#;
    let decoded = super::request::decode(body).unwrap();
    assert_eq!(
        decoded.request.extra,
        extras(&[
            ("zeta", r#"{"b":1,"a":[1.5,null]}"#),
            ("logit_bias", r#"{"50256":-100}"#),
            ("metadata", "null"),
            ("service_tier", r#""flex""#),
            ("logprobs", "true"),
        ])
    );
    assert_eq!(decoded.request.model, "m");
}

#[test]
fn tools() {
    let chat = decoded(&with(json!({
        "tools": [
            {"type": "function", "function": {
                "name": "f", "description": "d", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}},
                "strict": true, "odd": 1,
            }, "cache_control": {"type": "ephemeral", "ttl": "1h"}, "defer_loading": true},
            {"function": {"name": "g"}},
            {"type": "web_search_20250305", "max_uses": 3, "name": "web_search"},
            {"type": "custom", "custom": {"name": "c"}},
        ],
        "parallel_tool_calls": false,
    })));
    assert_eq!(
        chat.tools,
        [
            ToolSpec::Function(llm::Tool {
                name: "f".into(),
                description: Some("d".into()),
                input_schema: Some(r#"{"type":"object","properties":{"z":{},"a":{}}}"#.into()),
                strict: Some(true),
                cache: Some(llm::CacheHint {
                    ttl_seconds: Some(3600)
                }),
                extra: extras(&[("odd", "1"), ("defer_loading", "true")]),
            }),
            ToolSpec::Function(llm::Tool {
                name: "g".into(),
                description: None,
                input_schema: None,
                strict: None,
                cache: None,
                extra: vec![],
            }),
            ToolSpec::Other(llm::Annotated {
                kind: "web_search_20250305".into(),
                value: r#"{"type":"web_search_20250305","max_uses":3,"name":"web_search"}"#.into(),
            }),
            ToolSpec::Other(llm::Annotated {
                kind: "custom".into(),
                value: r#"{"type":"custom","custom":{"name":"c"}}"#.into(),
            }),
        ]
    );
    assert_eq!(chat.parallel_tool_calls, Some(false));
}

#[test]
fn tool_choice() {
    let other = |json: &str| ToolChoice::Other(json.to_owned());
    for (choice, expected) in [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!("any"), other(r#""any""#)),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            ToolChoice::Named("f".into()),
        ),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
            other(r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}"#),
        ),
        (
            json!({"type": "custom", "custom": {"name": "c"}}),
            other(r#"{"type":"custom","custom":{"name":"c"}}"#),
        ),
    ] {
        assert_eq!(
            decoded(&with(json!({"tool_choice": choice}))).tool_choice,
            Some(expected),
            "{choice}"
        );
    }
}

#[test]
fn functions_of_the_first_form() {
    let decoded = decode(&with(json!({
        "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"},
    })))
    .unwrap();
    assert!(decoded.form.legacy_functions);
    let chat = decoded.request;
    assert!(matches!(&chat.tools[..], [ToolSpec::Function(tool)] if tool.name == "f"));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Named("f".into())));
    // That form has room for one call in an answer.
    assert_eq!(chat.parallel_tool_calls, Some(false));
    assert_eq!(chat.extra, []);
}

#[test]
fn response_format() {
    let schema = |name: &str, strict| {
        ResponseFormat::JsonSchema(llm::SchemaFormat {
            name: name.into(),
            description: None,
            schema: r#"{"type":"object"}"#.into(),
            strict,
        })
    };
    let other = |json: &str| ResponseFormat::Other(json.to_owned());
    for (format, expected, extra) in [
        (json!({"type": "text"}), ResponseFormat::Text, vec![]),
        (json!({"type": "json_object"}), ResponseFormat::JsonObject, vec![]),
        (
            json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}}),
            schema("n", Some(true)),
            vec![],
        ),
        (
            json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "odd": 1}}),
            schema("n", None),
            extras(&[("response_format.json_schema.odd", "1")]),
        ),
        (
            json!({"type": "grammar", "grammar": "x"}),
            other(r#"{"type":"grammar","grammar":"x"}"#),
            vec![],
        ),
    ] {
        let chat = decoded(&with(json!({"response_format": format})));
        assert_eq!((chat.response_format, chat.extra), (Some(expected), extra), "{format}");
    }
}

#[test]
fn reasoning() {
    let options = |effort: Option<&str>, max_tokens, include_text| llm::ReasoningOptions {
        effort: effort.map(Into::into),
        max_tokens,
        include_text,
    };
    for (fields, expected, extra) in [
        (json!({}), None, vec![]),
        (json!({"reasoning_effort": null}), None, vec![]),
        (
            json!({"reasoning_effort": "high"}),
            Some(options(Some("high"), None, None)),
            vec![],
        ),
        (
            json!({"reasoning": {"effort": "low", "summary": "auto"}}),
            Some(options(Some("low"), None, Some(true))),
            vec![],
        ),
        (
            json!({"reasoning": {"max_tokens": 2000, "exclude": true}}),
            Some(options(None, Some(2000), Some(false))),
            vec![],
        ),
        (
            json!({"reasoning": {"summary": "detailed", "odd": 1}}),
            Some(options(None, None, Some(true))),
            extras(&[("reasoning.odd", "1"), ("reasoning.summary", r#""detailed""#)]),
        ),
        (
            json!({"reasoning": {"enabled": false}}),
            Some(options(Some("none"), None, None)),
            vec![],
        ),
        (
            json!({"reasoning": {"enabled": true}}),
            Some(options(None, None, None)),
            vec![],
        ),
        (json!({"reasoning": true}), None, extras(&[("reasoning", "true")])),
    ] {
        let chat = decoded(&with(fields.clone()));
        assert_eq!((chat.reasoning, chat.extra), (expected, extra), "{fields}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let message = |message: Value| json!({"model": "m", "messages": [{"role": "user", "content": "hi"}, message]});
    let content = |part: Value| message(json!({"role": "user", "content": [{"type": "text", "text": "a"}, part]}));
    let cases = [
        (json!([]), "", "invalid_type"),
        (json!({"model": 5, "messages": []}), "model", "invalid_type"),
        (json!({"model": "m"}), "messages", "missing_required_parameter"),
        (json!({"model": "m", "messages": {}}), "messages", "invalid_type"),
        (message(json!("hi")), "messages[1]", "invalid_type"),
        (
            message(json!({"content": "hi"})),
            "messages[1].role",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "robot", "content": "hi"})),
            "messages[1].role",
            "invalid_value",
        ),
        (
            message(json!({"role": "user"})),
            "messages[1].content",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "user", "content": null})),
            "messages[1].content",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "user", "content": 1})),
            "messages[1].content",
            "invalid_type",
        ),
        (
            message(json!({"role": "tool", "content": "x"})),
            "messages[1].tool_call_id",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "function", "content": "x"})),
            "messages[1].name",
            "missing_required_parameter",
        ),
        (content(json!("x")), "messages[1].content[1]", "invalid_type"),
        (
            content(json!({"text": "x"})),
            "messages[1].content[1].type",
            "missing_required_parameter",
        ),
        (
            content(json!({"type": "text"})),
            "messages[1].content[1].text",
            "missing_required_parameter",
        ),
        (
            content(json!({"type": "image_url", "image_url": {"url": "cat.png"}})),
            "messages[1].content[1].image_url.url",
            "invalid_value",
        ),
        (
            content(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}})),
            "messages[1].content[1].image_url.url",
            "invalid_value",
        ),
        (
            content(json!({"type": "image_url"})),
            "messages[1].content[1].image_url",
            "missing_required_parameter",
        ),
        (
            content(json!({"type": "file", "file": {}})),
            "messages[1].content[1].file",
            "invalid_value",
        ),
        (
            content(json!({"type": "input_audio", "input_audio": {"data": "QUJD"}})),
            "messages[1].content[1].input_audio.format",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f"}}]})),
            "messages[1].tool_calls[0].id",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]})),
            "messages[1].tool_calls[0].function.arguments",
            "missing_required_parameter",
        ),
        (
            message(json!({"role": "assistant", "content": "", "provider_state": {"format": "x"}})),
            "messages[1].provider_state.data",
            "missing_required_parameter",
        ),
        (with(json!({"tools": {}})), "tools", "invalid_type"),
        (
            with(json!({"tools": [{"type": "function"}]})),
            "tools[0].function",
            "missing_required_parameter",
        ),
        (
            with(json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]})),
            "tools[0].function.parameters",
            "invalid_type",
        ),
        (with(json!({"tool_choice": 1})), "tool_choice", "invalid_type"),
        (
            with(json!({"tool_choice": {"type": "function"}})),
            "tool_choice.function",
            "missing_required_parameter",
        ),
        (with(json!({"temperature": "hot"})), "temperature", "invalid_type"),
        (with(json!({"n": -1})), "n", "invalid_value"),
        (with(json!({"stream": "yes"})), "stream", "invalid_type"),
        (
            with(json!({"stream_options": {"include_usage": 1}})),
            "stream_options.include_usage",
            "invalid_type",
        ),
        (with(json!({"stop": ["a", 1]})), "stop[1]", "invalid_type"),
        (
            with(json!({"response_format": {}})),
            "response_format.type",
            "missing_required_parameter",
        ),
        (
            with(json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}})),
            "response_format.json_schema.name",
            "missing_required_parameter",
        ),
        (
            with(json!({"reasoning_effort": "low", "reasoning": {"effort": "high"}})),
            "reasoning.effort",
            "invalid_value",
        ),
    ];
    for (body, param, code) in cases {
        let (got_param, got_code, message) = refused(&body);
        assert_eq!((got_param.as_str(), got_code), (param, code), "{body}: {message}");
        assert!(
            param.is_empty() || message.starts_with(&format!("`{param}`")),
            "{message}"
        );
    }
}

/// Every request that a client really sent to a provider with this wire: it is read, or refused
/// for what it was refused for then; no field goes missing.
#[test]
fn recorded_requests() {
    let root = std::env::var_os("LLM_HOST_RECORDINGS").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recordings").into(),
        std::path::PathBuf::from,
    );
    if !root.is_dir() {
        println!(
            "skipped: there are no recordings at {} (set LLM_HOST_RECORDINGS)",
            root.display()
        );
        return;
    }
    let wires = [
        "openai",
        "groq",
        "xai",
        "openrouter",
        "deepseek",
        "together",
        "azure",
        "cerebras",
        "zai",
        "venice",
    ];
    let mut read = 0;
    for wire in wires {
        for entry in std::fs::read_dir(root.join(wire)).into_iter().flatten().flatten() {
            let path = entry.path();
            let recording: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let body = &recording["request"]["body"];
            if !(body["messages"].is_array() && body["model"].is_string()) {
                continue;
            }
            let chat = match decode(body) {
                Ok(decoded) => decoded.request,
                // What the provider refused as well.
                Err(_) if recording["response"]["status"] == 400 => continue,
                Err(error) => panic!("{}: {error}", path.display()),
            };
            read += 1;
            assert_eq!(
                chat.messages.len(),
                body["messages"].as_array().unwrap().len(),
                "{}",
                path.display()
            );
            let lost: Vec<_> = unplaced(body, REQUEST_FIELDS)
                .filter(|name| !has(&chat.extra, name))
                .collect();
            assert!(lost.is_empty(), "{}: {lost:?}", path.display());
            for (message, given) in chat.messages.iter().zip(body["messages"].as_array().unwrap()) {
                let lost: Vec<_> = unplaced(given, MESSAGE_FIELDS)
                    .filter(|name| !has(&message.extra, name))
                    .collect();
                assert!(lost.is_empty(), "{}: {lost:?}", path.display());
            }
        }
    }
    assert!(read > 50, "only {read} requests were found in {}", root.display());
}

const REQUEST_FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "reasoning",
    "reasoning_effort",
    "user",
];

const MESSAGE_FIELDS: &[&str] = &[
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "reasoning_details",
    "cache_control",
];

fn unplaced<'a>(object: &'a Value, placed: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let names = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(move |name| !placed.contains(name))
}

fn has(extras: &llm::Extras, name: &str) -> bool {
    extras.iter().any(|(known, _)| known == name)
}
