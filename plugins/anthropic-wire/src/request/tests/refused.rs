//! What the API would refuse, and what is sent in its place.

use super::*;

fn strict(schema: &Value, strict: Option<bool>) -> ToolSpec {
    ToolSpec::Function(Tool {
        name: "f".to_owned(),
        description: None,
        input_schema: Some(schema.to_string()),
        strict,
        cache: None,
        extra: vec![],
    })
}

#[test]
fn a_strict_tool_is_fitted_to_what_the_model_can_be_held_to() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}});
    let fitted = json!({"type": "object", "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}}, "additionalProperties": false});
    let bounds = "tools[0].parameters.properties.n tools[0].parameters";
    #[rustfmt::skip]
    let cases = [
        ("claude-sonnet-4-5",        Some(true),  &fitted, json!(true),  bounds),
        ("claude-sonnet-4-5",        Some(false), &schema, json!(false), ""),
        ("claude-sonnet-4-5",        None,        &schema, Value::Null,  ""),
        ("claude-sonnet-4-20250514", Some(true),  &schema, Value::Null,  "tools[0].strict"),
        ("claude-sonnet-4-20250514", Some(false), &schema, Value::Null,  ""),
        ("claude-3-5-haiku-latest",  Some(true),  &schema, Value::Null,  "tools[0].strict"),
    ];
    for (model, wish, sent_schema, sent_strict, dropped) in cases {
        let mut request = ask(model);
        request.tools = vec![strict(&schema, wish)];
        let got = sent(&request);
        let tool = &got.body["tools"][0];
        assert_eq!(
            (&tool["input_schema"], &tool["strict"]),
            (sent_schema, &sent_strict),
            "{model} {wish:?}"
        );
        assert_eq!(got.dropped.join(" "), dropped, "{model} {wish:?}");
    }
}

#[test]
fn an_answer_to_go_on_with_ends_in_a_word() {
    let talk = |last: &str| {
        vec![
            Message::text(Role::User, "A "),
            Message::text(Role::Assistant, "B "),
            Message::text(Role::User, "C "),
            Message::text(Role::Assistant, last),
        ]
    };
    let texts = |got: &Sent| -> Vec<Value> {
        let turns = got.body["messages"].as_array().unwrap();
        turns.iter().map(|turn| turn["content"][0]["text"].clone()).collect()
    };
    let got = conversation("claude-sonnet-4-5", talk("{\"a\":\u{a0}\n"));
    assert_eq!(texts(&got), ["A ", "B ", "C ", "{\"a\":"]);
    assert_eq!(got.dropped, ["messages[3].content"]);
    let got = conversation("claude-sonnet-4-5", talk("D"));
    assert_eq!(texts(&got), ["A ", "B ", "C ", "D"]);
    assert!(got.dropped.is_empty());
}

fn loop_of_tools() -> Vec<Message> {
    let thinks = vec![thought("Hm.", false, "anthropic", b"s"), call("a", "f", "{}")];
    vec![
        Message::text(Role::User, "Go"),
        Message::new(Role::Assistant, thinks),
        Message::new(Role::Tool, vec![result("a", vec![])]),
        Message::new(Role::Assistant, vec![call("b", "f", "{}")]),
        Message::new(Role::Tool, vec![result("b", vec![])]),
    ]
}

fn low() -> Option<ReasoningOptions> {
    Some(ReasoningOptions {
        effort: Some("low".to_owned()),
        max_tokens: None,
        include_text: None,
    })
}

fn kinds(got: &Sent, turn: usize) -> Vec<Value> {
    let blocks = got.body["messages"][turn]["content"].as_array().unwrap();
    blocks.iter().map(|block| block["type"].clone()).collect()
}

#[test]
fn a_model_that_thought_before_its_first_call_goes_on_thinking() {
    let mut request = ChatRequest::new("claude-sonnet-4-5", loop_of_tools());
    request.reasoning = low();
    let got = sent(&request);
    assert_eq!(got.body["thinking"]["type"], "enabled");
    assert_eq!(kinds(&got, 1), ["thinking", "tool_use"]);
    assert!(got.dropped.is_empty(), "{:?}", got.dropped);
}

#[test]
fn thoughts_of_the_open_turn_stay_behind_while_thinking_is_off() {
    let cases = [
        ("claude-sonnet-4-5", None, true),
        ("claude-opus-4-8", None, true),
        ("claude-opus-4-8", low(), false),
        // It thinks unless it is told not to.
        ("claude-opus-5", None, false),
        // Another maker's model behind the same API is left alone.
        ("deepseek-chat", None, false),
    ];
    for (model, reasoning, forgets) in cases {
        let mut request = ChatRequest::new(model, loop_of_tools());
        request.reasoning = reasoning;
        let got = sent(&request);
        let (left, dropped): (&[&str], &[&str]) = if forgets {
            (&["tool_use"], &["messages[1].reasoning_details"])
        } else {
            (&["thinking", "tool_use"], &[])
        };
        assert_eq!(kinds(&got, 1), left, "{model}");
        assert_eq!(got.dropped, dropped, "{model}");
    }
    // What is said about thoughts alone leaves the rest to the model.
    let mut request = ChatRequest::new("claude-fable-5-1", loop_of_tools());
    request.extra = extra(&[(
        "thinking",
        json!({"block_binding": {"prefix_mismatch_behavior": "drop_block"}}),
    )]);
    let got = sent(&request);
    assert_eq!(kinds(&got, 1), ["thinking", "tool_use"]);
    assert_eq!(got.betas, ["thinking-binding-controls-2026-08-01"]);
    // What was thought before the user spoke again does no harm.
    let mut messages = loop_of_tools();
    messages.push(Message::text(Role::Assistant, "Done."));
    messages.push(Message::text(Role::User, "And now?"));
    let got = conversation("claude-sonnet-4-5", messages);
    assert_eq!(kinds(&got, 1), ["thinking", "tool_use"]);
    assert!(got.dropped.is_empty());
    // A forced tool switches thinking off, and then it must not be in the turn either.
    let mut request = ChatRequest::new("claude-sonnet-4-5", loop_of_tools());
    request.reasoning = low();
    request.tools = vec![strict(&json!({"type": "object"}), None)];
    request.tool_choice = Some(ToolChoice::Required);
    let got = sent(&request);
    assert_eq!(
        (got.body.get("thinking"), kinds(&got, 1)),
        (None, vec![json!("tool_use")])
    );
    assert_eq!(got.dropped, ["reasoning_effort", "messages[1].reasoning_details"]);
}

#[test]
fn what_needs_a_beta_brings_it() {
    let tool = |kind: &str| {
        ToolSpec::Other(Annotated {
            kind: kind.to_owned(),
            value: json!({"type": kind, "name": "t"}).to_string(),
        })
    };
    let tools = [
        ("computer_20241022", "computer-use-2024-10-22"),
        ("computer_20250124", "computer-use-2025-01-24"),
        ("computer_20251124", "computer-use-2025-11-24"),
        ("code_execution_20250522", "code-execution-2025-05-22"),
        ("advisor_20260301", "advisor-tool-2026-03-01"),
        ("web_search_20250305", ""),
        ("code_execution_20250825", ""),
    ];
    for (kind, beta) in tools {
        let mut request = ask("claude-opus-5");
        request.tools = vec![tool(kind)];
        assert_eq!(sent(&request).betas.join(","), beta, "{kind}");
        request.extra = extra(&[("betas", json!(["computer-use-2099-01-01"]))]);
        let asked = sent(&request).betas;
        assert_eq!(asked.first().map(String::as_str), Some("computer-use-2099-01-01"));
        assert_eq!(
            asked.len(),
            usize::from(!beta.is_empty() && !beta.starts_with("computer-use-")) + 1
        );
    }
    let blocks = [
        ("fallback", "server-side-fallback-2026-07-01"),
        ("compaction", "compact-2026-01-12"),
        ("mcp_tool_use", "mcp-client-2025-11-20"),
        ("mcp_tool_listing", "mcp-client-2026-09-15"),
        ("advisor_tool_result", "advisor-tool-2026-03-01"),
        ("tool_removal", "mid-conversation-tool-changes-2026-07-01"),
        ("connector_text", ""),
        ("server_tool_use", ""),
    ];
    for (kind, beta) in blocks {
        let part = other(kind, &json!({"type": kind}));
        let messages = vec![
            Message::text(Role::User, "A"),
            Message::new(Role::Assistant, vec![part]),
            Message::text(Role::User, "B"),
        ];
        let got = conversation("claude-opus-5", messages);
        assert_eq!(kinds(&got, 1), [kind]);
        assert_eq!(got.betas.join(","), beta, "{kind}");
    }
    let fields = [
        ("compaction", json!({"type": "summarize"}), "compact-2026-09-04"),
        ("fallbacks", json!("default"), "server-side-fallback-2026-07-01"),
        ("fallback_credit_token", json!("t"), "fallback-credit-2026-07-01"),
        ("thread", json!({}), "message-threads-2026-08-12"),
        ("billing_policy", json!({"type": "billing_policy"}), ""),
    ];
    for (name, value, beta) in fields {
        let mut request = ask("claude-opus-5");
        request.extra = extra(&[(name, value.clone())]);
        let got = sent(&request);
        assert_eq!((&got.body[name], got.betas.join(",")), (&value, beta.to_owned()));
        assert!(got.dropped.is_empty());
    }
    let file = json!({"type": "document", "source": {"type": "file", "file_id": "f"}});
    let inner = result(
        "a",
        vec![ResultContent::Other(Annotated {
            kind: "document".to_owned(),
            value: file.to_string(),
        })],
    );
    for part in [other("document", &file), inner] {
        let got = conversation("claude-opus-5", vec![Message::new(Role::User, vec![part])]);
        assert_eq!(got.betas, ["files-api-2025-04-14"]);
    }
}

#[test]
fn changes_of_the_tools_stand_in_a_system_message() {
    let change = json!({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}});
    let got = conversation(
        "claude-opus-5",
        vec![
            Message::text(Role::User, "A"),
            Message::new(Role::System, vec![other("tool_removal", &change)]),
        ],
    );
    assert_eq!(got.body["messages"][1], json!({"role": "system", "content": [change]}));
    assert!(got.dropped.is_empty());
    // In the system prompt the API would refuse it.
    let mut lasting = Message::text(Role::System, "Be brief.");
    lasting.extra = extra(&[("clear_at", json!("next_user_message"))]);
    let mut effort = Message::new(Role::System, vec![]);
    effort.extra = extra(&[("output_config", json!({"effort": "low"})), ("unknown", json!(1))]);
    let talk = || {
        vec![
            Message::text(Role::User, "A"),
            Message::new(Role::System, vec![other("tool_removal", &change), Part::text("Go.")]),
            lasting.clone(),
            effort.clone(),
        ]
    };
    let got = conversation("claude-haiku-4-5", talk());
    assert_eq!(
        got.body["system"],
        json!([{"type": "text", "text": "Go."}, {"type": "text", "text": "Be brief."}])
    );
    assert_eq!(got.betas, Vec::<String>::new());
    let lost = "messages[3].unknown messages[1] messages[1].content messages[2] messages[2].clear_at \
                messages[3] messages[3].output_config";
    assert_eq!(got.dropped.join(" "), lost);
    let got = conversation("claude-opus-5", talk());
    assert_eq!(
        got.body["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "system", "content": [change, {"type": "text", "text": "Go."}]}),
            json!({"role": "system", "content": [{"type": "text", "text": "Be brief."}], "clear_at": "next_user_message"}),
            json!({"role": "system", "output_config": {"effort": "low"}}),
        ]
    );
    assert_eq!(got.dropped, ["messages[3].unknown"]);
    assert_eq!(
        got.betas,
        [
            "mid-conversation-system-clear-at-2026-08-21",
            "mid-conversation-output-config-2026-07-01",
            "mid-conversation-tool-changes-2026-07-01"
        ]
    );
}

#[test]
fn parameters_of_headers_are_none_of_the_body() {
    let mut request = ask("claude-opus-5");
    request.extra = extra(&[
        ("user_profile_id", json!("uprof_1")),
        ("workspace_id", json!("wrkspc_1")),
    ]);
    let options = Options {
        takes_headers: true,
        ..Options::default()
    };
    let encoded = encode(request.clone(), options, false).unwrap();
    assert_eq!(
        encoded.headers,
        [
            ("anthropic-user-profile-id", "uprof_1".to_owned()),
            ("anthropic-workspace-id", "wrkspc_1".to_owned())
        ]
    );
    assert!(!encoded.body.has("user_profile_id") && !encoded.body.has("workspace_id"));
    let got = sent(&request);
    assert_eq!(got.dropped, ["user_profile_id", "workspace_id"]);
    request.extra = extra(&[("user_profile_id", json!("a\nb")), ("workspace_id", json!(7))]);
    let encoded = encode(request, options, false).unwrap();
    assert!(encoded.headers.is_empty());
    assert_eq!(encoded.context.dropped.len(), 2);
}

#[test]
fn breakpoints_are_as_many_and_in_such_an_order_as_the_api_takes() {
    let hinted = |text: &str, ttl_seconds| {
        let mut part = Part::text(text);
        part.cache = Some(CacheHint { ttl_seconds });
        part
    };
    let ttls = |got: &Sent| -> Vec<String> {
        let blocks = got.body["system"].as_array().unwrap().iter();
        let turns = got.body["messages"].as_array().unwrap().iter();
        let blocks = blocks.chain(turns.flat_map(|turn| turn["content"].as_array().unwrap()));
        blocks
            .map(|block| match &block["cache_control"] {
                Value::Null => "-".to_owned(),
                control => control["ttl"].as_str().unwrap_or("default").to_owned(),
            })
            .collect()
    };
    let talk = |lifetimes: &[Option<u32>]| {
        let mut messages = vec![Message::new(Role::System, vec![hinted("S", None)])];
        let parts = lifetimes.iter().map(|ttl| hinted("A", *ttl)).collect();
        messages.push(Message::new(Role::User, parts));
        ChatRequest::new("claude-sonnet-4-5", messages)
    };
    let mut request = talk(&[Some(300); 5]);
    let got = sent(&request);
    assert_eq!(ttls(&got), ["default", "-", "-", "5m", "5m", "5m"]);
    assert_eq!(got.dropped, ["cache_control"]);
    // The automatic one is one of them.
    request.extra = extra(&[("cache_control", json!({"type": "ephemeral"}))]);
    assert_eq!(ttls(&sent(&request)), ["default", "-", "-", "-", "5m", "5m"]);

    let got = sent(&talk(&[Some(300), Some(3_600), Some(300)]));
    assert_eq!(ttls(&got), ["1h", "1h", "1h", "5m"]);
    assert_eq!(got.dropped, ["cache_control.ttl"]);
    let mut request = talk(&[Some(300)]);
    request.extra = extra(&[("cache_control", json!({"type": "ephemeral", "ttl": "1h"}))]);
    assert_eq!(ttls(&sent(&request)), ["1h", "1h"]);

    // What is in Anthropic's own words is the API's to judge.
    let own = json!({"type": "text", "text": "A", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let parts = (0..5).map(|_| other("text", &own)).collect();
    let got = conversation("claude-sonnet-4-5", vec![Message::new(Role::User, parts)]);
    let kept = got.body["messages"][0]["content"].as_array().unwrap();
    assert_eq!(kept.iter().filter(|block| **block == own).count(), 5);
    assert!(got.dropped.is_empty());
}
