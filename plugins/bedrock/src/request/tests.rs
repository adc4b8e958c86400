use super::*;
use llm_provider_sdk::types::{
    Annotated, CacheHint, ErrorKind, Media, MediaSource, Message as Neutral, Part, PartContent, ProviderState,
    Reasoning, ReasoningOptions, ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice,
    ToolResult, ToolSpec,
};
use serde_json::json;

use crate::transport::Operation as Wire;
use aws_sdk_bedrockruntime::operation::converse::Converse;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";

fn settings() -> Settings {
    serde_json::from_value(json!({"region": "us-east-1"})).unwrap()
}

/// The body that is sent, and what was dropped.
fn written(mut request: ChatRequest) -> (Value, Vec<String>) {
    let wish = Wish::take(&mut request.extra).unwrap();
    let target = Target::resolve(&request.model, &wish, &settings()).unwrap();
    let encoded = encode(request, &target, wish, &settings(), false).unwrap();
    let (input, splice, context) = encoded.converse().unwrap();
    let written = Wire::of(&Converse::new()).write(input, &splice).unwrap();
    let dropped = context.dropped.into_iter().map(|dropped| dropped.field).collect();
    (serde_json::from_slice(&written.body).unwrap(), dropped)
}

fn ask(model: &str, messages: Vec<Neutral>) -> ChatRequest {
    ChatRequest::new(model, messages)
}

fn user(text: &str) -> Neutral {
    Neutral::text(Role::User, text)
}

fn function(name: &str, schema: &str) -> ToolSpec {
    ToolSpec::Function(Tool {
        name: name.to_owned(),
        description: Some("d".to_owned()),
        input_schema: Some(schema.to_owned()),
        strict: None,
        cache: None,
        extra: Vec::new(),
    })
}

fn call(id: &str, arguments: &str) -> Part {
    Part::new(PartContent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
    }))
}

fn result(id: &str, text: &str) -> Part {
    Part::new(PartContent::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: None,
        is_error: id == "bad",
        content: vec![ResultContent::Text(text.to_owned())],
    }))
}

#[test]
fn numbers_and_schemas_reach_the_wire_as_they_were_written() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"number","minimum":1.50},"a":{"type":"string"}}}"#;
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.sampling.temperature = Some(0.7);
    request.sampling.top_p = Some(0.9);
    request.tools = vec![function("f", schema)];
    let target = Target::resolve(NOVA, &Wish::default(), &settings()).unwrap();
    let encoded = encode(request, &target, Wish::default(), &settings(), false).unwrap();
    let (input, splice, _) = encoded.converse().unwrap();
    let body = Wire::of(&Converse::new()).write(input, &splice).unwrap().body;
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains(schema), "{text}");
    assert!(text.contains(r#""temperature":0.7,"topP":0.9"#), "{text}");
}

#[test]
fn turns_alternate_and_results_come_first() {
    let messages = vec![
        Neutral::text(Role::System, "S"),
        user("one"),
        user("two"),
        Neutral::new(
            Role::Assistant,
            vec![Part::text("ok"), call("a", r#"{"x":1}"#), call("bad", "")],
        ),
        Neutral::new(Role::Tool, vec![result("a", "1")]),
        Neutral::new(Role::Tool, vec![result("bad", "2")]),
        user("three"),
        Neutral::text(Role::System, "late"),
    ];
    let mut request = ask(CLAUDE, messages);
    request.tools = vec![function("f", "{}")];
    let (body, dropped) = written(request);
    assert_eq!(body["system"], json!([{"text": "S"}, {"text": "late"}]));
    assert_eq!(dropped, ["messages[7]"]);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "one"}, {"text": "two"}]},
            {"role": "assistant", "content": [{"text": "ok"},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
                {"toolUse": {"toolUseId": "bad", "name": "f", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
                {"toolResult": {"toolUseId": "bad", "content": [{"text": "2"}], "status": "error"}},
                {"text": "three"}]},
        ])
    );
}

#[test]
fn calls_of_earlier_turns_keep_their_tools_declared() {
    let messages = vec![
        user("one"),
        Neutral::new(Role::Assistant, vec![call("a", "{}")]),
        Neutral::new(Role::Tool, vec![result("a", "1")]),
    ];
    let (body, dropped) = written(ask(NOVA, messages));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert_eq!(dropped, ["tools"]);
}

#[test]
fn choices() {
    let cases = [
        (ToolChoice::Auto, json!({"auto": {}}), 0),
        (ToolChoice::Required, json!({"any": {}}), 0),
        (ToolChoice::Named("f".to_owned()), json!({"tool": {"name": "f"}}), 0),
        (ToolChoice::Other("{}".to_owned()), Value::Null, 1),
    ];
    for (choice, expected, dropped) in cases {
        let mut request = ask(NOVA, vec![user("Hi")]);
        request.tools = vec![function("f", "{}")];
        request.tool_choice = Some(choice);
        let (body, reported) = written(request);
        assert_eq!(body["toolConfig"]["toolChoice"], expected);
        assert_eq!(reported.len(), dropped);
    }
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.tools = vec![function("f", "{}")];
    request.tool_choice = Some(ToolChoice::None);
    let (body, dropped) = written(request);
    assert_eq!(
        (&body["toolConfig"], dropped),
        (&Value::Null, vec![]),
        "no tool can be called"
    );
}

#[test]
fn media_and_where_they_are() {
    let media = |kind: &str, source: MediaSource, name: Option<&str>| {
        let mut media = Media::new(kind, source);
        media.name = name.map(str::to_owned);
        Part::new(PartContent::Media(media))
    };
    let bytes = || MediaSource::Inline(vec![1, 2, 3]);
    let parts = vec![
        media("image/jpg", bytes(), None),
        media("application/pdf", bytes(), Some("My report_1.pdf")),
        media("", bytes(), Some("notes.md")),
        media("video/mp4", MediaSource::Url("s3://bucket/film.mp4".to_owned()), None),
        media("", MediaSource::Inline(b"%PDF-1.7".to_vec()), None),
    ];
    let (body, dropped) = written(ask(NOVA, vec![Neutral::new(Role::User, parts)]));
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"image": {"format": "jpeg", "source": {"bytes": "AQID"}}},
            {"document": {"format": "pdf", "name": "My report-1", "source": {"bytes": "AQID"}}},
            {"document": {"format": "md", "name": "notes", "source": {"bytes": "AQID"}}},
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/film.mp4"}}}},
            {"document": {"format": "pdf", "name": "document", "source": {"bytes": "JVBERi0xLjc="}}},
            {"text": "My report-1, notes, document"},
        ])
    );
    assert_eq!(dropped, ["messages"], "documents want a text beside them");
    for (kind, source) in [
        ("image/png", MediaSource::Url("https://a.example/x.png".to_owned())),
        ("image/tiff", bytes()),
    ] {
        let request = ask(NOVA, vec![Neutral::new(Role::User, vec![media(kind, source, None)])]);
        let target = Target::resolve(NOVA, &Wish::default(), &settings()).unwrap();
        let error = encode(request, &target, Wish::default(), &settings(), false).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (ErrorKind::Unsupported, Some("messages[0].content[0]"))
        );
    }
}

#[test]
fn cache_points_stand_behind_what_they_cover() {
    let hinted = |text: &str, seconds: Option<u32>| {
        let mut part = Part::text(text);
        part.cache = Some(CacheHint { ttl_seconds: seconds });
        part
    };
    let conversation = || {
        vec![
            Neutral::new(Role::System, vec![hinted("S", Some(3600))]),
            Neutral::new(Role::User, vec![hinted("a", None), Part::text("b")]),
        ]
    };
    let (body, dropped) = written(ask(CLAUDE, conversation()));
    assert_eq!(
        body["system"][1],
        json!({"cachePoint": {"type": "default", "ttl": "1h"}})
    );
    assert_eq!(
        body["messages"][0]["content"][1],
        json!({"cachePoint": {"type": "default"}})
    );
    assert!(dropped.is_empty());
    for (model, points, reports) in [
        ("meta.llama3-8b-instruct-v1:0", 0, 2),
        ("anthropic.claude-3-haiku-20240307-v1:0", 0, 2),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", 0, 2),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", 2, 1),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", 2, 1),
        (NOVA, 2, 1),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", 2, 1),
    ] {
        let (body, dropped) = written(ask(model, conversation()));
        assert_eq!(body.to_string().matches("cachePoint").count(), points, "{model}");
        assert!(!body.to_string().contains("1h"), "{model}: one hour is for newer ones");
        assert_eq!(dropped.len(), reports, "{model}: {dropped:?}");
    }
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.tools = vec![function("f", "{}")];
    if let Some(ToolSpec::Function(tool)) = request.tools.first_mut() {
        tool.cache = Some(CacheHint { ttl_seconds: None });
    }
    let (body, dropped) = written(request.clone());
    assert_eq!(
        body["toolConfig"]["tools"].as_array().unwrap().len(),
        1,
        "Nova takes none there"
    );
    assert_eq!(dropped, ["tools[0].cache_control"]);
    request.model = CLAUDE.to_owned();
    let (body, _) = written(request);
    assert!(body["toolConfig"]["tools"][1]["cachePoint"].is_object(), "{body}");
}

#[test]
fn turns_that_the_service_would_refuse() {
    let assistant = |text: &str| Neutral::text(Role::Assistant, text);
    let (body, dropped) = written(ask(CLAUDE, vec![assistant("Welcome!"), user("Hi")]));
    assert_eq!(
        (&body["messages"][0]["role"], dropped.len()),
        (&json!("assistant"), 0),
        "Claude takes it"
    );
    let (body, dropped) = written(ask(NOVA, vec![assistant("Welcome!"), user("Hi")]));
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][1]["content"][0]["text"], "Welcome!");
    assert_eq!(dropped, ["messages"]);
    let (body, dropped) = written(ask(CLAUDE, vec![user("Hi"), assistant("{ \n")]));
    assert_eq!(body["messages"][1]["content"][0]["text"], "{");
    assert_eq!(dropped, ["messages"]);
    let instructed = vec![Neutral::text(Role::System, "S"), user("Hi")];
    for model in [
        "amazon.titan-text-lite-v1",
        "mistral.mistral-7b-instruct-v0:2",
        "cohere.command-text-v14",
    ] {
        let (body, dropped) = written(ask(model, instructed.clone()));
        assert_eq!(body.get("system"), None, "{model}");
        assert_eq!(
            body["messages"][0]["content"],
            json!([{"text": "S"}, {"text": "Hi"}]),
            "{model}"
        );
        assert_eq!(dropped, ["messages"], "{model}");
    }
    let (body, _) = written(ask("mistral.mistral-large-2407-v1:0", instructed));
    assert_eq!(body["system"], json!([{"text": "S"}]));
    let nothing = ask(CLAUDE, vec![user(" "), assistant("")]);
    let target = Target::resolve(CLAUDE, &Wish::default(), &settings()).unwrap();
    let error = encode(nothing, &target, Wish::default(), &settings(), false).unwrap_err();
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (ErrorKind::InvalidRequest, Some("messages"))
    );
    let (body, dropped) = written(ask(
        "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEF1234:1",
        vec![],
    ));
    assert_eq!((&body["messages"], dropped.len()), (&json!([]), 0), "{body}");
}

#[test]
fn names_and_ids_that_the_service_would_refuse() {
    let mut named = call("call|1", "{}");
    if let PartContent::ToolCall(call) = &mut named.content {
        call.name = "mcp.read file".to_owned();
    }
    let messages = vec![
        user("one"),
        Neutral::new(Role::Assistant, vec![named]),
        Neutral::new(Role::Tool, vec![result("call|1", "1")]),
    ];
    let mut request = ask(NOVA, messages.clone());
    request.tools = vec![function("mcp.read file", "{}")];
    request.tool_choice = Some(ToolChoice::Named("mcp.read file".to_owned()));
    let (body, dropped) = written(request);
    let name = body["toolConfig"]["tools"][0]["toolSpec"]["name"].as_str().unwrap();
    assert!(name.starts_with("mcp_read_file-"), "{name}");
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["toolConfig"]["toolChoice"]["tool"]["name"], name);
    let made = &body["messages"][1]["content"][0]["toolUse"];
    assert_eq!(made["name"], name);
    let answered = &body["messages"][2]["content"][0]["toolResult"];
    assert_eq!(made["toolUseId"], answered["toolUseId"]);
    assert_ne!(made["toolUseId"], "call|1");
    assert!(dropped.is_empty(), "{dropped:?}");
    let (body, _) = written(ask("us.mistral.pixtral-large-2502-v1:0", messages));
    assert_eq!(
        body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
            .as_str()
            .unwrap()
            .len(),
        9
    );
}

#[test]
fn schemas_of_tools_are_of_objects() {
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.tools = vec![
        function("a", "{}"),
        function("b", r#" {"properties":{"x":{}}}"#),
        function("c", r#"{"type":"object","required":[]}"#),
    ];
    let (body, dropped) = written(request);
    let schema = |at: usize| &body["toolConfig"]["tools"][at]["toolSpec"]["inputSchema"]["json"];
    assert_eq!(schema(0), &json!({"type": "object"}));
    assert_eq!(schema(1), &json!({"type": "object", "properties": {"x": {}}}));
    assert_eq!(schema(2), &json!({"type": "object", "required": []}));
    assert!(dropped.is_empty());
}

#[test]
fn what_a_family_does_not_take_is_left_out_and_named() {
    let mut request = ask("us.amazon.nova-2-lite-v1:0", vec![user("Hi")]);
    request.sampling.temperature = Some(1.5);
    request.sampling.max_output_tokens = Some(100);
    request.sampling.stop = vec![String::new()];
    let (body, dropped) = written(request.clone());
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 100, "temperature": 1.0}));
    assert_eq!(dropped, ["temperature"]);
    request.sampling.temperature = Some(0.2);
    let most = ReasoningOptions {
        effort: Some("high".to_owned()),
        ..ReasoningOptions::default()
    };
    request.reasoning = Some(most);
    let (body, dropped) = written(request);
    assert_eq!(body.get("inferenceConfig"), None);
    assert_eq!(dropped, ["max_completion_tokens", "temperature"]);

    let mut request = ask("us.meta.llama4-scout-17b-instruct-v1:0", vec![user("Hi")]);
    request.tools = vec![function("f", "{}"), function("g", "{}")];
    for (choice, sent, reports) in [
        (ToolChoice::Auto, json!({"auto": {}}), 0),
        (ToolChoice::Required, Value::Null, 1),
        (ToolChoice::Named("f".to_owned()), Value::Null, 1),
    ] {
        request.tool_choice = Some(choice);
        let (body, dropped) = written(request.clone());
        assert_eq!(
            (&body["toolConfig"]["toolChoice"], dropped.len()),
            (&sent, reports),
            "{dropped:?}"
        );
    }
    request.model = "mistral.mistral-large-2407-v1:0".to_owned();
    let (body, dropped) = written(request);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(dropped, ["tool_choice"]);
}

#[test]
fn metadata_that_the_log_does_not_take_is_left_out() {
    let mut request = ask(NOVA, vec![user("Hi")]);
    let metadata = json!({"team": "a b-1", "json": "{\"a\":1}", "long": "x".repeat(257), "n": 1});
    request.extra = vec![("metadata".to_owned(), metadata.to_string())];
    let (body, dropped) = written(request.clone());
    assert_eq!(body["requestMetadata"], json!({"team": "a b-1"}));
    assert_eq!(dropped, ["metadata.json", "metadata.long", "metadata.n"]);
    request.extra = vec![("metadata".to_owned(), r#"{"a":"<"}"#.to_owned())];
    assert_eq!(written(request).0.get("requestMetadata"), None);
}

#[test]
fn json_of_a_tool_is_an_object_or_a_text() {
    let own = |value: &str| {
        ResultContent::Other(Annotated {
            kind: "json".to_owned(),
            value: value.to_owned(),
        })
    };
    let result = Part::new(PartContent::ToolResult(ToolResult {
        call_id: "a".to_owned(),
        name: None,
        is_error: false,
        content: vec![own(r#"{"a":1}"#), own("[1]")],
    }));
    let (body, _) = written(ask(NOVA, vec![user("x"), Neutral::new(Role::Tool, vec![result])]));
    assert_eq!(
        body["messages"][0]["content"][0]["toolResult"]["content"],
        json!([{"json": {"a": 1}}, {"text": "[1]"}])
    );
}

#[test]
fn reasoning_goes_back_only_to_its_own() {
    let thought = |format: &str, redacted: bool, data: &str| {
        let mut part = Part::new(PartContent::Reasoning(Reasoning {
            text: if redacted { String::new() } else { "T".to_owned() },
            redacted,
        }));
        part.state = Some(ProviderState {
            format: format.to_owned(),
            data: data.as_bytes().to_vec(),
        });
        part
    };
    let bare = Part::new(PartContent::Reasoning(Reasoning {
        text: "T".to_owned(),
        redacted: false,
    }));
    let parts = vec![
        thought("anthropic", false, "c2ln"),
        thought("anthropic", true, "AQID"),
        thought("gemini", false, "x"),
        bare,
        Part::text("answer"),
    ];
    let messages = vec![user("a"), Neutral::new(Role::Assistant, parts.clone()), user("b")];
    let (body, dropped) = written(ask(CLAUDE, messages.clone()));
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "T", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "AQID"}},
            {"text": "answer"},
        ])
    );
    assert_eq!(dropped, ["messages[1].content[2]", "messages[1].content[3]"]);
    let (body, dropped_of_user) = written(ask(CLAUDE, vec![Neutral::new(Role::User, parts)]));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "answer"}]));
    assert_eq!(dropped_of_user.len(), 4);
    let (body, dropped) = written(ask(NOVA, messages));
    assert_eq!(body["messages"][1]["content"], json!([{"text": "answer"}]));
    assert_eq!(dropped.len(), 4);
}

#[test]
fn how_much_to_think_in_each_models_words() {
    let think = |model: &str, effort: &str| {
        let mut request = ask(model, vec![user("Hi")]);
        request.reasoning = Some(ReasoningOptions {
            effort: Some(effort.to_owned()),
            ..ReasoningOptions::default()
        });
        written(request)
    };
    let (body, _) = think("us.amazon.nova-2-lite-v1:0", "medium");
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}})
    );
    let (body, _) = think("openai.gpt-oss-20b-1:0", "xhigh");
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"reasoning_effort": "high"})
    );
    let (body, _) = think("us.anthropic.claude-sonnet-4-20250514-v1:0", "low");
    let thinking = &body["additionalModelRequestFields"]["thinking"];
    assert_eq!(thinking["type"], "enabled");
    assert!(thinking["budget_tokens"].as_u64().unwrap() >= 1024, "{body}");
    let (_, dropped) = think("meta.llama3-8b-instruct-v1:0", "low");
    assert_eq!(dropped, ["reasoning_effort"]);
}

#[test]
fn a_schema_by_the_api_or_by_a_tool() {
    let schema = || {
        Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: "City".to_owned(),
            description: None,
            schema: r#"{"type":"object"}"#.to_owned(),
            strict: Some(true),
        }))
    };
    let form = |model: &str| {
        let mut request = ask(model, vec![user("Hi")]);
        request.response_format = schema();
        written(request)
    };
    let (body, dropped) = form("qwen.qwen3-32b-v1:0");
    assert_eq!(dropped, ["response_format.json_schema.schema"]);
    assert!(body["outputConfig"].is_object(), "{body}");
    let (body, _) = form(CLAUDE);
    let json_schema = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    assert_eq!(
        json_schema["schema"], r#"{"type":"object","additionalProperties":false}"#,
        "the service takes no other object"
    );
    assert_eq!(body["toolConfig"], Value::Null);
    let (body, _) = form(NOVA);
    assert_eq!(
        body["toolConfig"]["toolChoice"],
        json!({"tool": {"name": "structured_answer"}})
    );
    assert_eq!(body["outputConfig"], Value::Null);
    let (body, dropped) = form("amazon.titan-text-lite-v1");
    assert_eq!(
        (dropped.as_slice(), &body["outputConfig"]),
        (&["response_format".to_owned()][..], &Value::Null)
    );
}

#[test]
fn what_is_bedrocks_own() {
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.sampling.top_k = Some(20);
    request.extra = vec![
        (
            "bedrock".to_owned(),
            json!({"additionalModelRequestFields": {"inferenceConfig": {"x": 1}},
                "guardrail": {"identifier": "g", "version": "1", "trace": "enabled", "stream_processing_mode": "async"},
                "performanceConfig": {"latency": "optimized"}, "newMember": 7})
            .to_string(),
        ),
        (
            "additionalModelResponseFieldPaths".to_owned(),
            r#"["/stop_sequence"]"#.to_owned(),
        ),
        ("service_tier".to_owned(), r#""flex""#.to_owned()),
        ("metadata".to_owned(), r#"{"team":"a"}"#.to_owned()),
        ("logit_bias".to_owned(), r#"{"5":1}"#.to_owned()),
        ("store".to_owned(), "false".to_owned()),
    ];
    let (body, dropped) = written(request);
    assert_eq!(dropped, ["logit_bias"]);
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"inferenceConfig": {"topK": 20, "x": 1}})
    );
    assert_eq!(
        body["guardrailConfig"],
        json!({"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}),
        "the mode is for streams"
    );
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(body["requestMetadata"], json!({"team": "a"}));
    assert_eq!(body["performanceConfig"], json!({"latency": "optimized"}));
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    assert_eq!(body["newMember"], 7);
}

#[test]
fn blocks_and_tools_that_callers_write_themselves() {
    let own = |kind: &str, value: &str| {
        Part::new(PartContent::Other(Annotated {
            kind: kind.to_owned(),
            value: value.to_owned(),
        }))
    };
    let parts = vec![
        own("guardContent", r#"{"text":{"text":"q","qualifiers":["query"]}}"#),
        own("web_search_tool_result", "{}"),
    ];
    let mut request = ask(NOVA, vec![Neutral::new(Role::User, parts)]);
    request.tools = vec![ToolSpec::Other(Annotated {
        kind: "systemTool".to_owned(),
        value: r#"{"systemTool":{"name":"nova_grounding"}}"#.to_owned(),
    })];
    let (body, dropped) = written(request);
    assert_eq!(
        body["messages"][0]["content"],
        json!([{"guardContent": {"text": {"text": "q", "qualifiers": ["query"]}}}])
    );
    assert_eq!(
        body["toolConfig"]["tools"],
        json!([{"systemTool": {"name": "nova_grounding"}}])
    );
    assert_eq!(dropped, ["messages[0].content[1]"]);
}

#[test]
fn what_claude_does_not_take_is_reported() {
    let mut request = ask(CLAUDE, vec![user("Hi")]);
    request.sampling.temperature = Some(0.5);
    request.sampling.top_p = Some(0.5);
    request.sampling.seed = Some(1);
    request.sampling.top_k = Some(5);
    request.sampling.max_output_tokens = Some(100);
    let (body, dropped) = written(request);
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 100, "temperature": 0.5}));
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 5}));
    assert_eq!(dropped, ["top_p", "seed"]);
    let mut several = ask(CLAUDE, vec![user("Hi")]);
    several.sampling.n = Some(2);
    let target = Target::resolve(CLAUDE, &Wish::default(), &settings()).unwrap();
    let error = encode(several, &target, Wish::default(), &settings(), false).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("n"));
}

#[test]
fn results_that_say_nothing() {
    for (id, text, content, reports) in [
        ("good", "", json!([]), 0),
        ("good", " \n", json!([]), 1),
        ("bad", "", json!([{"text": "error"}]), 1),
    ] {
        let (body, dropped) = written(ask(NOVA, vec![Neutral::new(Role::Tool, vec![result(id, text)])]));
        assert_eq!(
            body["messages"][0]["content"][0]["toolResult"]["content"], content,
            "{text:?}"
        );
        assert_eq!(dropped.len(), reports, "{dropped:?}");
    }
}

#[test]
fn a_choice_among_some_tools_offers_no_others() {
    let mut request = ask(NOVA, vec![user("Hi")]);
    request.tools = vec![function("f", "{}"), function("g", "{}"), function("h", "{}")];
    for (mode, expected) in [("auto", json!({"auto": {}})), ("required", json!({"any": {}}))] {
        let tools =
            json!([{"type": "function", "function": {"name": "h"}}, {"type": "function", "function": {"name": "f"}}]);
        let choice = json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
        request.tool_choice = Some(ToolChoice::Other(choice.to_string()));
        let (body, dropped) = written(request.clone());
        let config = &body["toolConfig"];
        let names: Vec<&Value> = config["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| &tool["toolSpec"]["name"])
            .collect();
        assert_eq!(names, ["f", "h"]);
        assert_eq!((&config["toolChoice"], dropped.len()), (&expected, 0), "{dropped:?}");
    }
}

#[test]
fn calls_with_free_text_stay_in_the_conversation() {
    let custom = Part::new(PartContent::Other(Annotated {
        kind: "custom".to_owned(),
        value: json!({"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select"}}).to_string(),
    }));
    let messages = vec![
        user("Hi"),
        Neutral::new(Role::Assistant, vec![custom]),
        Neutral::new(Role::Tool, vec![result("c1", "none")]),
    ];
    let (body, dropped) = written(ask(NOVA, messages));
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"toolUse": {"toolUseId": "c1", "name": "sql", "input": {"input": "select"}}}])
    );
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "sql");
    assert!(dropped.contains(&"messages[1].content[0]".to_owned()), "{dropped:?}");
}

#[test]
fn instructions_alone_are_what_is_answered() {
    let rules = vec![
        Neutral::text(Role::System, "Be brief."),
        Neutral::text(Role::Developer, "Say hi."),
    ];
    let (body, dropped) = written(ask(NOVA, rules));
    assert_eq!(body.get("system"), None);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"text": "Be brief."}, {"text": "Say hi."}]}])
    );
    assert_eq!(dropped, ["messages"]);
}

#[test]
fn strict_tools_are_for_models_that_can_be_held() {
    let strict = |schema: &str| match function("f", schema) {
        ToolSpec::Function(tool) => ToolSpec::Function(Tool {
            strict: Some(true),
            ..tool
        }),
        other => other,
    };
    let mut request = ask(CLAUDE, vec![user("Hi")]);
    request.tools = vec![
        function("g", "{}"),
        strict(r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}"#),
    ];
    let (body, dropped) = written(request.clone());
    let tool = &body["toolConfig"]["tools"][1]["toolSpec"];
    assert_eq!(tool["strict"], true);
    let schema = &tool["inputSchema"]["json"];
    assert_eq!(
        (&schema["additionalProperties"], &schema["properties"]["n"]["minimum"]),
        (&json!(false), &Value::Null)
    );
    assert!(
        dropped.iter().all(|field| field.starts_with("tools[1].parameters")) && !dropped.is_empty(),
        "{dropped:?}"
    );
    for model in [
        NOVA,
        "us.meta.llama3-3-70b-instruct-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
    ] {
        request.model = model.to_owned();
        let (body, dropped) = written(request.clone());
        let tool = &body["toolConfig"]["tools"][1]["toolSpec"];
        assert_eq!(tool.get("strict"), None, "{model}");
        assert_eq!(tool["inputSchema"]["json"]["properties"]["n"]["minimum"], 1, "{model}");
        assert_eq!(dropped, ["tools[1].strict"], "{model}");
    }
}

#[test]
fn a_kept_prompt_brings_its_own_parameters() {
    let mut request = ask(
        "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEF1234:1",
        vec![user("Hi")],
    );
    request.sampling.temperature = Some(0.5);
    request.sampling.max_output_tokens = Some(10);
    request.extra = vec![("promptVariables".to_owned(), r#"{"x":{"text":"y"}}"#.to_owned())];
    let (body, dropped) = written(request);
    assert_eq!(body.get("inferenceConfig"), None);
    assert_eq!(body["promptVariables"], json!({"x": {"text": "y"}}));
    assert_eq!(dropped, ["maxTokens", "temperature"]);
}

#[test]
fn older_claude_models_are_sampled_as_they_were() {
    for model in [
        "anthropic.claude-v2:1",
        "anthropic.claude-instant-v1",
        "anthropic.claude-3-haiku-20240307-v1:0",
    ] {
        let mut request = ask(model, vec![user("Hi")]);
        request.sampling.temperature = Some(0.5);
        request.sampling.top_p = Some(0.5);
        let (body, dropped) = written(request);
        assert_eq!(
            body["inferenceConfig"],
            json!({"temperature": 0.5, "topP": 0.5}),
            "{model}"
        );
        assert_eq!(dropped, Vec::<String>::new(), "{model}");
    }
}

#[test]
fn tools_in_anthropics_form_bring_their_betas() {
    let mut request = ask(CLAUDE, vec![user("Hi")]);
    request.tools = vec![
        function("f", "{}"),
        ToolSpec::Other(Annotated {
            kind: "computer_20250124".to_owned(),
            value: r#"{"type":"computer_20250124","name":"computer","display_width_px":800,"display_height_px":600}"#
                .to_owned(),
        }),
    ];
    let (body, dropped) = written(request);
    let fields = &body["additionalModelRequestFields"];
    assert_eq!(fields["tools"][0]["name"], "computer");
    assert_eq!(fields["anthropic_beta"], json!(["computer-use-2025-01-24"]));
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn results_of_tools_stand_alone_where_a_model_wants_it() {
    let document = || {
        let media = Media::new("application/pdf", MediaSource::Inline(vec![1]));
        Part::new(PartContent::Media(media))
    };
    let messages = |rest: Part| {
        vec![
            user("one"),
            Neutral::new(Role::Assistant, vec![call("a", "{}")]),
            Neutral::new(Role::Tool, vec![result("a", "1")]),
            Neutral::new(Role::User, vec![rest]),
        ]
    };
    for (model, rest, turns) in [
        ("us.meta.llama4-maverick-17b-instruct-v1:0", Part::text("two"), 5),
        ("us.mistral.pixtral-large-2502-v1:0", Part::text("two"), 5),
        ("us.writer.palmyra-x4-v1:0", Part::text("two"), 5),
        (CLAUDE, Part::text("two"), 3),
        (CLAUDE, document(), 5),
        (NOVA, document(), 3),
    ] {
        let mut request = ask(model, messages(rest));
        request.tools = vec![function("f", "{}")];
        let (body, dropped) = written(request);
        let sent = body["messages"].as_array().unwrap();
        assert_eq!(sent.len(), turns, "{model}: {body}");
        assert_eq!(
            dropped.contains(&"messages".to_owned()),
            turns == 5 || model == NOVA,
            "{model}: {dropped:?}"
        );
        if turns == 5 {
            assert_eq!(sent[2]["content"].as_array().unwrap().len(), 1);
            assert_eq!(sent[3], json!({"role": "assistant", "content": [{"text": "."}]}));
        }
    }
}

#[test]
fn openais_newer_models_are_not_sampled() {
    let mut request = ask("us.openai.gpt-5.6-sol", vec![user("Hi")]);
    request.sampling.temperature = Some(0.2);
    request.sampling.top_p = Some(0.5);
    request.sampling.stop = vec!["x".to_owned()];
    request.sampling.max_output_tokens = Some(64);
    let with = |effort: &str| ReasoningOptions {
        effort: Some(effort.to_owned()),
        ..ReasoningOptions::default()
    };
    request.reasoning = Some(with("max"));
    let (body, dropped) = written(request);
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 64}));
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"reasoning": {"effort": "max"}})
    );
    assert_eq!(dropped, ["temperature", "top_p", "stop"]);
    let mut request = ask("qwen.qwen3-32b-v1:0", vec![user("Hi")]);
    for (effort, sent, reports) in [
        ("low", json!("low"), 0),
        ("medium", json!("high"), 1),
        ("none", Value::Null, 1),
    ] {
        request.reasoning = Some(with(effort));
        let (body, dropped) = written(request.clone());
        assert_eq!(body["additionalModelRequestFields"]["reasoning_config"], sent);
        assert_eq!(dropped.len(), reports, "{effort}");
    }
}

#[test]
fn one_call_only_is_for_claude_to_keep() {
    let mut request = ask(CLAUDE, vec![user("Hi")]);
    request.tools = vec![function("a.b", "{}"), function("g", "{}")];
    request.parallel_tool_calls = Some(false);
    for (choice, kind) in [
        (None, "auto"),
        (Some(ToolChoice::Auto), "auto"),
        (Some(ToolChoice::Required), "any"),
        (Some(ToolChoice::Named("a.b".to_owned())), "tool"),
    ] {
        request.tool_choice = choice;
        let (body, dropped) = written(request.clone());
        let own = &body["additionalModelRequestFields"]["tool_choice"];
        assert_eq!(
            (&own["type"], &own["disable_parallel_tool_use"]),
            (&json!(kind), &json!(true))
        );
        assert_eq!(
            own.get("name"),
            (kind == "tool").then(|| &body["toolConfig"]["tools"][0]["toolSpec"]["name"])
        );
        assert_eq!(
            body["toolConfig"].get("toolChoice"),
            None,
            "the two would contradict each other"
        );
        assert_eq!(dropped, Vec::<String>::new());
    }
    request.model = NOVA.to_owned();
    assert_eq!(written(request).1, ["parallel_tool_calls"]);
}

#[test]
fn claude_models_that_bedrock_does_not_hold() {
    for (model, forced) in [
        ("us.anthropic.claude-sonnet-5", true),
        ("us.anthropic.claude-opus-5-5", false),
    ] {
        let mut request = ask(model, vec![user("Hi")]);
        request.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: "City".to_owned(),
            description: None,
            schema: r#"{"type":"object"}"#.to_owned(),
            strict: Some(true),
        }));
        let (body, _) = written(request);
        assert_eq!(body.get("outputConfig"), None, "{model}");
        let config = &body["toolConfig"];
        assert_eq!(config["tools"][0]["toolSpec"]["name"], "structured_answer", "{model}");
        assert!(forced || config.get("toolChoice").is_none(), "{model}: {config}");
    }
}
