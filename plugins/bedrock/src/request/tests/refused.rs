//! What the service, or one of its families, would refuse, and what is sent instead.

use super::*;

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
        request.response_format = Some(city(r#"{"type":"object"}"#, Some(true)));
        let (body, _) = written(request);
        assert_eq!(body.get("outputConfig"), None, "{model}");
        let config = &body["toolConfig"];
        assert_eq!(config["tools"][0]["toolSpec"]["name"], "structured_answer", "{model}");
        assert!(forced || config.get("toolChoice").is_none(), "{model}: {config}");
    }
}

#[test]
fn schemas_are_for_the_models_that_bedrock_holds_to_them() {
    for (model, held) in [
        ("mistral.mistral-large-3-675b-instruct", true),
        ("mistral.mistral-large-2407-v1:0", false),
        ("google.gemma-3-27b-it", true),
        ("google.gemma-3-4b-it", false),
        ("us.writer.palmyra-x4-v1:0", false),
        ("minimax.minimax-m2", true),
        ("openai.gpt-oss-120b-1:0", true),
    ] {
        let mut request = ask(model, vec![user("Hi")]);
        request.response_format = Some(city(r#"{"type":"object","additionalProperties":false}"#, None));
        let (body, dropped) = written(request);
        assert_eq!(body.get("outputConfig").is_some(), held, "{model}");
        assert_eq!(dropped.is_empty(), held, "{model}: {dropped:?}");
    }
    let failed = Neutral::new(Role::Tool, vec![result("bad", "x")]);
    let (body, dropped) = written(ask("us.writer.palmyra-x4-v1:0", vec![user("Hi"), failed]));
    assert!(!body.to_string().contains("status"), "{body}");
    assert!(!dropped.is_empty());
}
