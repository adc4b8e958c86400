use super::*;
use llm_provider_sdk::types::{
    Annotated, CacheHint, ErrorKind, Media, MediaSource, Message as Neutral, Part, PartContent, ProviderState,
    Reasoning, ReasoningOptions, ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice,
    ToolResult, ToolSpec,
};
use serde_json::json;

use crate::transport::Operation as Wire;
use aws_sdk_bedrockruntime::operation::converse::Converse;

mod refused;

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

fn city(schema: &str, strict: Option<bool>) -> ResponseFormat {
    ResponseFormat::JsonSchema(SchemaFormat {
        name: "City".to_owned(),
        description: None,
        schema: schema.to_owned(),
        strict,
    })
}

#[test]
fn a_schema_by_the_api_or_by_a_tool() {
    let schema = || Some(city(r#"{"type":"object"}"#, Some(true)));
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
