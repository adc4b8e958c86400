use llm_provider_sdk::types::{
    Annotated, CacheHint, ChatRequest, ErrorKind, Media, MediaSource, Message, Part, PartContent, ProviderState,
    Reasoning, ReasoningOptions, ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice,
    ToolResult, ToolSpec,
};
use serde_json::{Value, json};

use super::*;

mod refused;

/// A request of one user message.
fn ask(model: &str) -> ChatRequest {
    ChatRequest::new(model, vec![Message::text(Role::User, "Hello")])
}

struct Sent {
    body: Value,
    dropped: Vec<String>,
    betas: Vec<String>,
    answer_tool: Option<String>,
}

fn sent_with(request: &ChatRequest, options: Options<'_>) -> Sent {
    let encoded = encode(request.clone(), options, false).unwrap();
    Sent {
        body: serde_json::from_str(&encoded.body.to_json()).unwrap(),
        dropped: encoded.context.dropped.into_iter().map(|entry| entry.field).collect(),
        betas: encoded.betas,
        answer_tool: encoded.context.answer_tool,
    }
}

fn sent(request: &ChatRequest) -> Sent {
    sent_with(request, Options::default())
}

/// The body's messages and system of a conversation.
fn conversation(model: &str, messages: Vec<Message>) -> Sent {
    sent(&ChatRequest::new(model, messages))
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::new(PartContent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }))
}

fn result(id: &str, content: Vec<ResultContent>) -> Part {
    Part::new(PartContent::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: None,
        is_error: false,
        content,
    }))
}

fn thought(text: &str, redacted: bool, format: &str, data: &[u8]) -> Part {
    Part {
        state: Some(ProviderState {
            format: format.to_owned(),
            data: data.to_vec(),
        }),
        ..Part::new(PartContent::Reasoning(Reasoning {
            text: text.to_owned(),
            redacted,
        }))
    }
}

fn other(kind: &str, value: &Value) -> Part {
    Part::new(PartContent::Other(Annotated {
        kind: kind.to_owned(),
        value: value.to_string(),
    }))
}

fn media(media_type: &str, source: MediaSource) -> Part {
    Part::new(PartContent::Media(Media::new(media_type, source)))
}

#[test]
fn the_least_request() {
    let got = sent(&ask("claude-sonnet-4-5"));
    assert_eq!(
        got.body,
        json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 32_000,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        })
    );
    assert_eq!((got.dropped.len(), got.betas.len()), (0, 0));
}

#[test]
fn max_tokens_is_the_callers_the_operators_or_the_models() {
    let own = Options {
        default_max_tokens: Some(4_096),
        ..Options::default()
    };
    let mut request = ask("claude-3-haiku-20240307");
    assert_eq!(sent(&request).body["max_tokens"], 4_096, "the model's maximum");
    assert_eq!(sent(&ask("claude-opus-5")).body["max_tokens"], 32_000);
    assert_eq!(sent_with(&ask("claude-opus-5"), own).body["max_tokens"], 4_096);
    request.sampling.max_output_tokens = Some(7);
    assert_eq!(sent_with(&request, own).body["max_tokens"], 7);
}

#[test]
fn turns_alternate_and_results_come_first() {
    let got = conversation(
        "claude-sonnet-4-5",
        vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::Developer, "Be kind."),
            Message::text(Role::User, "One"),
            Message::text(Role::User, "Two"),
            Message::new(
                Role::Assistant,
                vec![Part::text(""), call("a", "f", "{\"x\": 1.10}"), call("b:1", "g", "")],
            ),
            Message::new(Role::Tool, vec![result("a", vec![ResultContent::Text("A".to_owned())])]),
            Message::text(Role::User, "Go on"),
            Message::new(Role::Tool, vec![result("b:1", vec![])]),
        ],
    );
    assert_eq!(
        got.body["system"],
        json!([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}])
    );
    assert_eq!(
        got.body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.1}},
                {"type": "tool_use", "id": "b_3a1", "name": "g", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "A"}]},
                {"type": "tool_result", "tool_use_id": "b_3a1"},
                {"type": "text", "text": "Go on"},
            ]},
        ])
    );
    assert_eq!(got.dropped, Vec::<String>::new());
}

#[test]
fn arguments_keep_their_text() {
    let request = ChatRequest::new(
        "claude-sonnet-4-5",
        vec![Message::new(
            Role::Assistant,
            vec![call("a", "f", "{\"n\": 12345678901234567890123, \"x\": 1.10}")],
        )],
    );
    let body = encode(request.clone(), Options::default(), false)
        .unwrap()
        .body
        .to_json();
    assert!(body.contains("{\"n\": 12345678901234567890123, \"x\": 1.10}"), "{body}");
}

#[test]
fn arguments_that_are_no_object_are_wrapped() {
    let got = conversation(
        "claude-sonnet-4-5",
        vec![Message::new(Role::Assistant, vec![call("a", "f", "{\"x\": 1")])],
    );
    assert_eq!(
        got.body["messages"][0]["content"][0]["input"],
        json!({"INVALID_JSON": "{\"x\": 1"})
    );
    assert_eq!(got.dropped, ["messages[0].tool_calls[0].arguments"]);
}

#[test]
fn results_hold_text_pictures_and_errors() {
    let mut failed = result(
        "a",
        vec![
            ResultContent::Text("see".to_owned()),
            ResultContent::Media(Media::new("image/png", MediaSource::Inline(vec![1, 2, 3]))),
            ResultContent::Other(Annotated {
                kind: "tool_reference".to_owned(),
                value: r#"{"type":"tool_reference","tool_name":"t"}"#.to_owned(),
            }),
            ResultContent::Other(Annotated {
                kind: "hologram".to_owned(),
                value: r#"{"type":"hologram"}"#.to_owned(),
            }),
        ],
    );
    if let PartContent::ToolResult(result) = &mut failed.content {
        result.is_error = true;
    }
    failed.cache = Some(CacheHint {
        ttl_seconds: Some(3_600),
    });
    let got = conversation("claude-sonnet-4-5", vec![Message::new(Role::Tool, vec![failed])]);
    assert_eq!(
        got.body["messages"][0]["content"],
        json!([{
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQID"}},
                {"type": "tool_reference", "tool_name": "t"},
            ],
            "is_error": true,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }])
    );
    assert_eq!(got.dropped, ["messages[0].content[3]"]);
}

#[test]
fn thinking_goes_back_with_its_signature_only() {
    let signature = "Er8ECkYIBxgCKkDp+/=\u{e9}";
    let got = conversation(
        "claude-opus-5",
        vec![Message::new(
            Role::Assistant,
            vec![
                thought("Hm.", false, "anthropic", signature.as_bytes()),
                thought("", true, "anthropic", b"EmwKAhgBEgy3va3"),
                thought("", false, "anthropic", b"only-a-signature"),
                Part::text("Yes."),
                thought("Other.", false, "gemini", b"x"),
                Part::new(PartContent::Reasoning(Reasoning {
                    text: "Bare.".to_owned(),
                    redacted: false,
                })),
            ],
        )],
    );
    assert_eq!(
        got.body["messages"][0]["content"],
        json!([
            {"type": "thinking", "thinking": "Hm.", "signature": signature},
            {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3"},
            {"type": "thinking", "thinking": "", "signature": "only-a-signature"},
            {"type": "text", "text": "Yes."},
        ])
    );
    assert_eq!(got.dropped, ["messages[0].content[4]", "messages[0].content[5]"]);
}

#[test]
fn the_providers_own_blocks_go_back_unchanged() {
    let search = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "E"}]});
    let used = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}});
    let got = conversation(
        "claude-sonnet-4-5",
        vec![Message::new(
            Role::Assistant,
            vec![
                other("server_tool_use", &used),
                other("web_search_tool_result", &search),
                other("file_search_call", &json!({"type": "file_search_call"})),
                other("mcp_tool_use", &json!({"type": "something_else"})),
            ],
        )],
    );
    assert_eq!(got.body["messages"][0]["content"], json!([used, search]));
    assert_eq!(got.dropped, ["messages[0].content[2]", "messages[0].content[3]"]);
}

#[test]
fn later_system_messages_stay_where_the_model_takes_them() {
    let talk = || {
        vec![
            Message::text(Role::System, "First"),
            Message::text(Role::User, "A"),
            Message::text(Role::System, "Then"),
            Message::text(Role::Assistant, "B"),
            Message::text(Role::Developer, "Before"),
            Message::text(Role::User, "C"),
        ]
    };
    let got = conversation("claude-opus-4-8", talk());
    let roles: Vec<&Value> = got.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["role"])
        .collect();
    assert_eq!(roles, ["user", "system", "assistant", "user", "system"]);
    assert_eq!(
        got.body["messages"][1]["content"],
        json!([{"type": "text", "text": "Then"}])
    );
    assert_eq!(
        got.body["messages"][4]["content"],
        json!([{"type": "text", "text": "Before"}])
    );
    assert_eq!(got.body["system"].as_array().unwrap().len(), 1);
    assert_eq!(got.dropped, ["messages[4]"], "it moved behind the user's turn");

    let got = conversation("claude-sonnet-4-5", talk());
    let roles: Vec<&Value> = got.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["role"])
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let system: Vec<&Value> = got.body["system"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["text"])
        .collect();
    assert_eq!(system, ["First", "Then", "Before"]);
    assert_eq!(got.dropped, ["messages[2]", "messages[4]"]);
}

#[test]
fn a_system_message_between_two_assistant_turns_moves_up() {
    let got = conversation(
        "claude-opus-4-8",
        vec![
            Message::text(Role::User, "A"),
            Message::text(Role::Assistant, "B"),
            Message::text(Role::System, "Now"),
            Message::text(Role::Assistant, "C"),
        ],
    );
    assert_eq!(got.body["system"], json!([{"type": "text", "text": "Now"}]));
    assert_eq!(got.body["messages"].as_array().unwrap().len(), 2);
    assert_eq!(got.dropped, ["messages[2]"]);
}

#[test]
fn pictures_and_documents() {
    let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
    let pdf = b"%PDF-1.7 rest".to_vec();
    let mut named = Media::new("application/pdf", MediaSource::Inline(pdf.clone()));
    named.name = Some("Apples".to_owned());
    let mut close = Media::new("", MediaSource::Url("https://e.example/a".to_owned()));
    close.detail = Some("high".to_owned());
    let cited = Part {
        extra: vec![
            ("citations".to_owned(), r#"{"enabled":true}"#.to_owned()),
            ("title".to_owned(), r#""T""#.to_owned()),
        ],
        ..media("text/markdown", MediaSource::Inline(b"# Hi".to_vec()))
    };
    let got = conversation(
        "claude-sonnet-4-5",
        vec![Message::new(
            Role::User,
            vec![
                media("", MediaSource::Inline(png)),
                media("image/jpg", MediaSource::Inline(vec![0xff])),
                media("image/png", MediaSource::Url("https://e.example/a.png".to_owned())),
                Part::new(PartContent::Media(close)),
                media("", MediaSource::Url("https://e.example/a.pdf?x=1".to_owned())),
                Part::new(PartContent::Media(named)),
                media("application/pdf", MediaSource::File("file_1".to_owned())),
                cited,
            ],
        )],
    );
    let blocks = &got.body["messages"][0]["content"];
    let forms: Vec<(&str, &Value)> = blocks
        .as_array()
        .unwrap()
        .iter()
        .map(|block| (block["type"].as_str().unwrap(), &block["source"]))
        .collect();
    assert_eq!(
        forms,
        [
            (
                "image",
                &json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgpyZXN0"})
            ),
            (
                "image",
                &json!({"type": "base64", "media_type": "image/jpeg", "data": "/w=="})
            ),
            ("image", &json!({"type": "url", "url": "https://e.example/a.png"})),
            ("image", &json!({"type": "url", "url": "https://e.example/a"})),
            (
                "document",
                &json!({"type": "url", "url": "https://e.example/a.pdf?x=1"})
            ),
            (
                "document",
                &json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjcgcmVzdA=="})
            ),
            ("document", &json!({"type": "file", "file_id": "file_1"})),
            (
                "document",
                &json!({"type": "text", "media_type": "text/plain", "data": "# Hi"})
            ),
        ]
    );
    assert_eq!(blocks[5]["title"], "Apples");
    assert_eq!(
        (&blocks[7]["title"], &blocks[7]["citations"]),
        (&json!("T"), &json!({"enabled": true}))
    );
    assert_eq!(got.dropped, ["messages[0].content[3].detail"]);
    assert_eq!(got.betas, ["files-api-2025-04-14"]);
}

#[test]
fn a_name_or_an_address_tells_what_it_is() {
    let url = |address: &str| MediaSource::Url(address.to_owned());
    let file = || MediaSource::File("file_1".to_owned());
    #[rustfmt::skip]
    let cases = [
        (url("https://e.example/a"),           None,            None,        "image"),
        (url("https://e.example/A.PDF?x=1"),   None,            None,        "document"),
        (url("https://e.example/get?id=7"),    Some("a.pdf"),   None,        "document"),
        (url("https://e.example/get?id=7"),    Some("Report"),  None,        "document"),
        (url("https://e.example/get?id=7"),    Some("a.PNG"),   None,        "image"),
        (url("https://e.example/a.pdf"),       None,            Some("low"), "image"),
        (file(),                               None,            None,        "document"),
        (file(),                               None,            Some("auto"), "image"),
        (file(),                               Some("a.webp"),  None,        "image"),
    ];
    for (source, name, detail, kind) in cases {
        let mut media = Media::new("", source);
        media.name = name.map(str::to_owned);
        media.detail = detail.map(str::to_owned);
        let what = format!("{media:?}");
        let got = conversation(
            "claude-sonnet-4-5",
            vec![Message::new(Role::User, vec![Part::new(PartContent::Media(media))])],
        );
        assert_eq!(got.body["messages"][0]["content"][0]["type"], kind, "{what}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let sounds = media("audio/wav", MediaSource::Inline(vec![1]));
    let word = media(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        MediaSource::Inline(vec![0x50, 0x4b]),
    );
    for part in [sounds, word] {
        let request = ChatRequest::new("claude-sonnet-4-5", vec![Message::new(Role::User, vec![part])]);
        let error = encode(request.clone(), Options::default(), false).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert_eq!(error.param.as_deref(), Some("messages[0].content[0]"));
    }
    let mut request = ask("claude-sonnet-4-5");
    request.sampling.n = Some(2);
    let error = encode(request.clone(), Options::default(), false).unwrap_err();
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (ErrorKind::Unsupported, Some("n"))
    );
    request.sampling.n = Some(1);
    assert!(encode(request.clone(), Options::default(), false).is_ok());
}

#[test]
fn cache_hints() {
    #[rustfmt::skip]
    let cases = [
        (None, json!({"type": "ephemeral"}), 0),
        (Some(300), json!({"type": "ephemeral", "ttl": "5m"}), 0),
        (Some(3_600), json!({"type": "ephemeral", "ttl": "1h"}), 0),
        (Some(60), json!({"type": "ephemeral", "ttl": "5m"}), 1),
        (Some(86_400), json!({"type": "ephemeral", "ttl": "1h"}), 1),
    ];
    for (ttl_seconds, control, reports) in cases {
        let hint = Some(CacheHint { ttl_seconds });
        let mut request = ask("claude-sonnet-4-5");
        request.messages.insert(
            0,
            Message::new(
                Role::System,
                vec![Part {
                    cache: hint,
                    ..Part::text("S")
                }],
            ),
        );
        let got = sent(&request);
        assert_eq!(got.body["system"][0]["cache_control"], control);
        assert_eq!(got.dropped.len(), reports, "{ttl_seconds:?}");

        let mut request = ask("claude-sonnet-4-5");
        request.tools = vec![ToolSpec::Function(Tool {
            name: "f".to_owned(),
            description: None,
            input_schema: None,
            strict: None,
            cache: hint,
            extra: vec![],
        })];
        assert_eq!(sent(&request).body["tools"][0]["cache_control"], control);
    }
    let mut lost = thought("Hm.", false, "anthropic", b"s");
    lost.cache = Some(CacheHint { ttl_seconds: None });
    let got = conversation("claude-opus-5", vec![Message::new(Role::Assistant, vec![lost])]);
    assert_eq!(got.dropped, ["messages[0].content[0].cache_control"]);
}

#[test]
fn tools_and_choices() {
    let mut request = ask("claude-sonnet-4-5");
    request.tools = vec![
        ToolSpec::Function(Tool {
            name: "f".to_owned(),
            description: Some("F.".to_owned()),
            input_schema: Some(r#"{"properties":{"a":{"minimum":1}}}"#.to_owned()),
            strict: Some(true),
            cache: None,
            extra: vec![
                ("defer_loading".to_owned(), "true".to_owned()),
                ("color".to_owned(), "1".to_owned()),
            ],
        }),
        ToolSpec::Function(Tool {
            name: "g".to_owned(),
            description: None,
            input_schema: Some(r#"{"anyOf":[]}"#.to_owned()),
            strict: None,
            cache: None,
            extra: vec![],
        }),
        ToolSpec::Other(Annotated {
            kind: "web_search_20250305".to_owned(),
            value: r#"{"type":"web_search_20250305","name":"web_search","max_uses":2}"#.to_owned(),
        }),
        ToolSpec::Other(Annotated {
            kind: "file_search".to_owned(),
            value: r#"{"type":"file_search"}"#.to_owned(),
        }),
        ToolSpec::Other(Annotated {
            kind: "custom".to_owned(),
            value: r#"{"type":"custom","custom":{}}"#.to_owned(),
        }),
    ];
    let got = sent(&request);
    assert_eq!(
        got.body["tools"],
        json!([
            {"name": "f", "description": "F.", "input_schema": {"type": "object", "properties": {"a": {"description": "{minimum: 1}"}}, "additionalProperties": false}, "strict": true, "defer_loading": true},
            {"name": "g", "input_schema": {"anyOf": []}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ])
    );
    assert_eq!(
        got.dropped,
        [
            "tools[0].parameters.properties.a",
            "tools[0].parameters",
            "tools[0].color",
            "tools[3]",
            "tools[4]"
        ]
    );
    assert_eq!(got.body.get("tool_choice"), None);

    let single = |choice: Value| {
        let mut choice = choice;
        choice["disable_parallel_tool_use"] = json!(true);
        choice
    };
    let cases = [
        (Some(ToolChoice::Auto), json!({"type": "auto"})),
        (Some(ToolChoice::Required), json!({"type": "any"})),
        (
            Some(ToolChoice::Named("f".to_owned())),
            json!({"type": "tool", "name": "f"}),
        ),
    ];
    for (choice, expected) in cases {
        request.tool_choice = choice;
        request.parallel_tool_calls = Some(true);
        assert_eq!(sent(&request).body["tool_choice"], expected);
        request.parallel_tool_calls = Some(false);
        assert_eq!(sent(&request).body["tool_choice"], single(expected));
    }
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(sent(&request).body["tool_choice"], json!({"type": "none"}));
    request.tool_choice = None;
    assert_eq!(sent(&request).body["tool_choice"], single(json!({"type": "auto"})));
    request.tools.clear();
    assert_eq!(sent(&request).body.get("tool_choice"), None);
}

#[test]
fn a_choice_among_some_tools_offers_no_others() {
    let mut request = ask("claude-sonnet-4-5");
    let function = |name: &str| {
        ToolSpec::Function(Tool {
            name: name.to_owned(),
            description: None,
            input_schema: None,
            strict: None,
            cache: None,
            extra: vec![],
        })
    };
    let custom = ToolSpec::Other(Annotated {
        kind: "custom".to_owned(),
        value: r#"{"type":"custom","custom":{"name":"free"}}"#.to_owned(),
    });
    request.tools = vec![function("f"), function("g"), function("h")];
    let allowed = |mode: &str| {
        let tools =
            json!([{"type": "function", "function": {"name": "h"}}, {"type": "function", "function": {"name": "f"}}]);
        let choice = json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
        Some(ToolChoice::Other(choice.to_string()))
    };
    for (mode, word) in [("auto", "auto"), ("required", "any")] {
        request.tool_choice = allowed(mode);
        let got = sent(&request);
        let names: Vec<&Value> = got.body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| &tool["name"])
            .collect();
        assert_eq!(names, ["f", "h"]);
        assert_eq!(got.body["tool_choice"], json!({"type": word}));
        assert!(got.dropped.is_empty(), "{:?}", got.dropped);
    }
    let one = ToolChoice::Other(r#"{"type":"custom","custom":{"name":"free"}}"#.to_owned());
    request.tool_choice = Some(one.clone());
    request.tools.push(custom.clone());
    let got = sent(&request);
    assert_eq!(
        (got.body.get("tool_choice"), got.dropped),
        (None, vec!["tools[3]".to_owned(), "tool_choice".to_owned()])
    );
    // Anthropic refuses a choice without tools.
    for choice in [one, ToolChoice::Required] {
        request.tools = vec![custom.clone()];
        request.tool_choice = Some(choice);
        let got = sent(&request);
        assert_eq!(
            (got.body.get("tool_choice"), got.dropped),
            (None, vec!["tools[0]".to_owned(), "tool_choice".to_owned()])
        );
    }
}

#[test]
fn calls_with_free_text_stay_in_the_conversation() {
    let mut request = ask("claude-sonnet-4-5");
    let custom = |value: &str| {
        Part::new(PartContent::Other(Annotated {
            kind: "custom".to_owned(),
            value: value.to_owned(),
        }))
    };
    let calls = vec![
        custom(r#"{"id":"c.1","type":"custom","custom":{"name":"sql","input":"select \"x\""}}"#),
        custom(r#"{"type":"custom"}"#),
    ];
    request.messages.push(Message::new(Role::Assistant, calls));
    let got = sent(&request);
    assert_eq!(
        got.body["messages"][1]["content"],
        json!([{"type": "tool_use", "id": "c_2e1", "name": "sql", "input": {"input": "select \"x\""}}])
    );
    assert_eq!(got.dropped, ["messages[1].tool_calls[0]", "messages[1].tool_calls[1]"]);
}

#[test]
fn instructions_alone_are_what_is_answered() {
    let rules = vec![
        Message::text(Role::System, "Be brief."),
        Message::text(Role::Developer, "Say hi."),
    ];
    for model in ["claude-sonnet-4-5", "claude-opus-5"] {
        let got = conversation(model, rules.clone());
        assert_eq!(got.body.get("system"), None, "{model}");
        assert_eq!(
            got.body["messages"],
            json!([{"role": "user", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Say hi."}]}]),
            "{model}"
        );
        assert_eq!(got.dropped, ["messages"], "{model}");
    }
}

#[test]
fn a_schemas_description_stands_in_the_schema() {
    let mut request = ask("claude-sonnet-4-5");
    for (schema, expected) in [
        (
            r#"{"type":"string"}"#,
            json!({"type": "string", "description": "A name."}),
        ),
        (
            r#"{"type":"string","description":"Own."}"#,
            json!({"type": "string", "description": "Own."}),
        ),
    ] {
        request.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: "n".to_owned(),
            description: Some("A name.".to_owned()),
            schema: schema.to_owned(),
            strict: None,
        }));
        assert_eq!(sent(&request).body["output_config"]["format"]["schema"], expected);
    }
}

#[test]
fn a_tool_that_has_to_be_called_counts_more_than_the_form_of_an_answer() {
    let mut request = ask("claude-3-5-haiku-latest");
    request.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
        name: "n".to_owned(),
        description: None,
        schema: "{}".to_owned(),
        strict: None,
    }));
    let got = sent(&request);
    assert_eq!(
        got.body["tools"][0]["input_schema"],
        json!({"type": "object"}),
        "Anthropic needs the type"
    );
    request.tools = vec![ToolSpec::Function(Tool {
        name: "f".to_owned(),
        description: None,
        input_schema: None,
        strict: None,
        cache: None,
        extra: vec![],
    })];
    request.tool_choice = Some(ToolChoice::Named("f".to_owned()));
    let got = sent(&request);
    assert_eq!(got.body["tool_choice"], json!({"type": "tool", "name": "f"}));
    assert_eq!(got.body["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (got.answer_tool, got.dropped),
        (None, vec!["response_format".to_owned()])
    );
}

#[test]
fn options_of_a_search_ask_for_one() {
    let mut request = ask("claude-sonnet-4-5");
    request.extra = [("web_search_options", "{}"), ("logit_bias", "{}"), ("store", "false")]
        .map(|(name, json)| (name.to_owned(), json.to_owned()))
        .to_vec();
    assert_eq!(sent(&request).dropped, ["web_search_options"]);
}

#[test]
fn a_model_that_cannot_be_forced_gets_auto() {
    let mut request = ask("claude-opus-5-5");
    request.tools = vec![ToolSpec::Other(Annotated {
        kind: "bash_20250124".to_owned(),
        value: r#"{"type":"bash_20250124","name":"bash"}"#.to_owned(),
    })];
    request.tool_choice = Some(ToolChoice::Required);
    let got = sent(&request);
    assert_eq!(got.body["tool_choice"], json!({"type": "auto"}));
    assert_eq!(got.dropped, ["tool_choice"]);
}

#[test]
fn sampling_is_fitted_and_reported() {
    let sampled = |model: &str, temperature: Option<f64>, top_p: Option<f64>, top_k: Option<u32>| {
        let mut request = ask(model);
        request.sampling.temperature = temperature;
        request.sampling.top_p = top_p;
        request.sampling.top_k = top_k;
        let got = sent(&request);
        let value = |name: &str| got.body.get(name).cloned().unwrap_or(Value::Null);
        (
            value("temperature"),
            value("top_p"),
            value("top_k"),
            got.dropped.join(" "),
        )
    };
    let null = Value::Null;
    #[rustfmt::skip]
    let cases = [
        ("claude-sonnet-4-0", Some(0.7), Some(0.3), Some(50), (json!(0.7), json!(0.3), json!(50), "")),
        ("claude-sonnet-4-0", Some(1.5), None, None, (json!(1.0), null.clone(), null.clone(), "temperature")),
        ("claude-sonnet-4-5", Some(0.7), Some(0.3), Some(50), (json!(0.7), null.clone(), json!(50), "top_p")),
        ("claude-sonnet-4-5", None, Some(0.3), None, (null.clone(), json!(0.3), null.clone(), "")),
        ("claude-opus-5", Some(0.7), Some(0.3), Some(50), (null.clone(), null.clone(), null.clone(), "temperature top_p top_k")),
        ("claude-opus-5", Some(1.0), Some(0.99), None, (json!(1.0), json!(0.99), null.clone(), "")),
        ("my-own-model", Some(0.2), Some(0.3), Some(5), (json!(0.2), json!(0.3), json!(5), "")),
    ];
    for (model, temperature, top_p, top_k, (t, p, k, dropped)) in cases {
        let expected = (t, p, k, dropped.to_owned());
        assert_eq!(sampled(model, temperature, top_p, top_k), expected, "{model}");
    }
    let mut request = ask("claude-sonnet-4-5");
    request.sampling.stop = vec!["END".to_owned(), "\n".to_owned()];
    request.sampling.seed = Some(1);
    request.sampling.presence_penalty = Some(0.0);
    request.sampling.frequency_penalty = Some(0.5);
    let got = sent(&request);
    assert_eq!(got.body["stop_sequences"], json!(["END"]));
    assert_eq!(got.dropped, ["stop", "frequency_penalty", "seed"]);
}

/// A wish for reasoning and what has to become of it.
struct Thought {
    model: &'static str,
    effort: Option<&'static str>,
    tokens: Option<u32>,
    text: Option<bool>,
    max: Option<u32>,
    thinking: Value,
    sent_effort: Value,
    sent_max: u32,
    dropped: &'static str,
}

#[test]
fn reasoning_is_fitted_to_the_model() {
    let t = |model, effort, tokens, text, max, thinking, sent_effort, sent_max, dropped| Thought {
        model,
        effort,
        tokens,
        text,
        max,
        thinking,
        sent_effort,
        sent_max,
        dropped,
    };
    let none = || Value::Null;
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    #[rustfmt::skip]
    let cases = [
        // budgets
        t("claude-sonnet-4-5", Some("low"), None, None, None, budget(2_048), none(), 34_048, ""),
        t("claude-sonnet-4-5", Some("high"), None, None, Some(4_000), budget(3_000), none(), 4_000, ""),
        t("claude-sonnet-4-5", Some("high"), None, None, Some(1_000), none(), none(), 1_000, "reasoning_effort"),
        t("claude-sonnet-4-5", None, Some(3_000), None, Some(4_096), budget(3_000), none(), 4_096, ""),
        t("claude-sonnet-4-5", None, Some(500), None, Some(4_096), budget(1_024), none(), 4_096, "reasoning.max_tokens"),
        t("claude-sonnet-4-5", None, Some(9_000), None, Some(4_096), budget(3_072), none(), 4_096, "reasoning.max_tokens"),
        t("claude-sonnet-4-5", Some("low"), Some(3_000), Some(false), Some(4_096), json!({"type": "enabled", "budget_tokens": 3_000, "display": "omitted"}), none(), 4_096, "reasoning_effort"),
        t("claude-sonnet-4-5", Some("none"), None, None, None, json!({"type": "disabled"}), none(), 32_000, ""),
        t("claude-sonnet-4-5", None, None, Some(true), None, none(), none(), 32_000, "reasoning"),
        // both forms
        t("claude-opus-4-6", None, Some(2_000), None, Some(4_000), budget(2_000), none(), 4_000, ""),
        t("claude-opus-4-6", Some("xhigh"), None, None, None, adaptive(), json!("max"), 32_000, "reasoning_effort"),
        t("claude-opus-4-6", Some("medium"), None, None, None, adaptive(), json!("medium"), 32_000, ""),
        // adaptive only
        t("claude-opus-5", Some("xhigh"), None, Some(true), None, json!({"type": "adaptive", "display": "summarized"}), json!("xhigh"), 32_000, ""),
        t("claude-opus-5", Some("minimal"), None, None, None, adaptive(), json!("low"), 32_000, "reasoning_effort"),
        t("claude-opus-5", Some("utmost"), None, None, None, adaptive(), json!("utmost"), 32_000, ""),
        t("claude-opus-5", None, Some(20_000), None, None, adaptive(), json!("high"), 32_000, "reasoning.max_tokens"),
        t("claude-opus-5", Some("low"), Some(20_000), None, None, adaptive(), json!("low"), 32_000, "reasoning.max_tokens"),
        t("claude-opus-5", Some("none"), None, None, None, json!({"type": "disabled"}), none(), 32_000, ""),
        t("claude-opus-5", None, None, Some(false), None, json!({"type": "adaptive", "display": "omitted"}), none(), 32_000, ""),
        t("claude-opus-4-7", None, None, Some(false), None, none(), none(), 32_000, ""),
        t("claude-opus-4-7", None, None, Some(true), None, json!({"type": "adaptive", "display": "summarized"}), none(), 32_000, ""),
        // always and never
        t("claude-fable-5", Some("none"), None, None, None, none(), none(), 32_000, "reasoning_effort"),
        t("claude-3-5-sonnet-latest", Some("high"), None, None, None, none(), none(), 8_192, "reasoning"),
        t("claude-3-5-sonnet-latest", Some("none"), None, None, None, none(), none(), 8_192, ""),
    ];
    for case in cases {
        let mut request = ask(case.model);
        request.reasoning = Some(ReasoningOptions {
            effort: case.effort.map(str::to_owned),
            max_tokens: case.tokens,
            include_text: case.text,
        });
        request.sampling.max_output_tokens = case.max;
        let got = sent(&request);
        let name = format!("{} {:?} {:?} {:?}", case.model, case.effort, case.tokens, case.text);
        assert_eq!(
            got.body.get("thinking").unwrap_or(&Value::Null),
            &case.thinking,
            "{name}"
        );
        assert_eq!(got.body["output_config"]["effort"], case.sent_effort, "{name}");
        assert_eq!(got.body["max_tokens"], case.sent_max, "{name}");
        assert_eq!(got.dropped.join(" "), case.dropped, "{name}");
    }
}

#[test]
fn thinking_yields_to_what_it_cannot_be_combined_with() {
    let mut request = ask("claude-sonnet-4-5");
    request.reasoning = Some(ReasoningOptions {
        effort: Some("low".to_owned()),
        max_tokens: None,
        include_text: None,
    });
    request.sampling.temperature = Some(0.2);
    request.sampling.top_k = Some(3);
    request.sampling.top_p = Some(0.5);
    let got = sent(&request);
    assert_eq!(got.dropped, ["temperature", "top_p", "top_k"]);

    request.sampling = ask("m").sampling;
    request.tool_choice = Some(ToolChoice::Required);
    request.tools = vec![ToolSpec::Other(Annotated {
        kind: "bash_20250124".to_owned(),
        value: r#"{"type":"bash_20250124","name":"bash"}"#.to_owned(),
    })];
    let got = sent(&request);
    assert_eq!(
        (got.body.get("thinking"), got.dropped.join(" ")),
        (None, "reasoning_effort".to_owned())
    );

    // A turn that began without thinking has to end without.
    request.tool_choice = None;
    request
        .messages
        .push(Message::new(Role::Assistant, vec![call("a", "bash", "{}")]));
    request
        .messages
        .push(Message::new(Role::Tool, vec![result("a", vec![])]));
    let got = sent(&request);
    assert_eq!(
        (got.body.get("thinking"), got.dropped.join(" ")),
        (None, "reasoning_effort".to_owned())
    );
    request.messages[1]
        .parts
        .insert(0, thought("Hm.", false, "anthropic", b"s"));
    assert!(sent(&request).body.get("thinking").is_some());
}

fn extra(pairs: &[(&str, Value)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_string()))
        .collect()
}

#[test]
fn anthropics_own_words_are_sent_as_they_are() {
    let mut request = ask("claude-opus-5");
    request.user = Some("u1".to_owned());
    request.extra = extra(&[
        ("thinking", json!({"type": "enabled", "budget_tokens": 3})),
        ("output_config", json!({"effort": "max", "task_budget": 5})),
        ("cache_control", json!({"type": "ephemeral"})),
        ("container", json!("c1")),
        (
            "mcp_servers",
            json!([{"type": "url", "name": "d", "url": "https://m.example", "tool_configuration": {}}]),
        ),
        ("context_management", json!({"edits": [{"type": "compact_20260112"}]})),
        ("service_tier", json!("standard_only")),
        ("inference_geo", json!("eu")),
        ("anthropic_beta", json!("a-1, b-2")),
        ("betas", json!(["b-2", "mcp-client-2025-11-20"])),
        ("speed", Value::Null),
    ]);
    request.reasoning = Some(ReasoningOptions {
        effort: Some("low".to_owned()),
        max_tokens: None,
        include_text: None,
    });
    let got = sent(&request);
    assert_eq!(got.body["thinking"], json!({"type": "enabled", "budget_tokens": 3}));
    assert_eq!(got.body["output_config"], json!({"effort": "max", "task_budget": 5}));
    for name in [
        "cache_control",
        "container",
        "mcp_servers",
        "context_management",
        "service_tier",
        "inference_geo",
    ] {
        let (_, json) = request.extra.iter().find(|(known, _)| known == name).unwrap();
        assert_eq!(got.body[name].to_string(), *json, "{name}");
    }
    assert_eq!(got.body["metadata"], json!({"user_id": "u1"}));
    assert_eq!(got.body.get("speed"), None);
    assert_eq!(got.dropped, ["reasoning_effort"]);
    assert_eq!(
        got.betas,
        [
            "a-1",
            "b-2",
            "mcp-client-2025-11-20",
            "task-budgets-2026-03-13",
            "context-management-2025-06-27",
            "compact-2026-01-12"
        ]
    );
}

#[test]
fn fields_of_other_apis_are_named() {
    let mut request = ask("claude-sonnet-4-5");
    request.user = Some("u1".to_owned());
    request.extra = extra(&[
        ("logit_bias", json!({"5": 1})),
        ("logprobs", json!(true)),
        ("metadata", json!({"user_id": "u2", "project": "x"})),
        ("service_tier", json!("flex")),
        ("stream_options", json!({"include_usage": true})),
        ("brand_new", json!(1)),
        ("newer", json!({"a": 1.0})),
        ("store", json!(false)),
        ("modalities", json!(["text"])),
        ("prediction", Value::Null),
    ]);
    let options = Options {
        extra_fields: &["newer".to_owned()],
        betas: &["always-1".to_owned()],
        ..Options::default()
    };
    let got = sent_with(&request, options);
    assert_eq!(got.body["newer"], json!({"a": 1.0}));
    assert_eq!(got.body["metadata"], json!({"user_id": "u2"}));
    assert_eq!(got.betas, ["always-1"]);
    assert_eq!(
        got.dropped,
        [
            "logit_bias",
            "logprobs",
            "service_tier",
            "brand_new",
            "metadata.project",
            "user"
        ]
    );
}

#[test]
fn names_and_fields_of_messages_are_reported() {
    let mut message = Message::text(Role::User, "Hello");
    message.name = Some("Ada".to_owned());
    message.extra = extra(&[("refusal", Value::Null), ("audio", json!({"id": "a"}))]);
    message.parts[0].extra = extra(&[
        ("annotations", json!([1])),
        ("citations", json!([{"type": "char_location"}])),
    ]);
    let got = conversation("claude-sonnet-4-5", vec![message]);
    assert_eq!(
        got.body["messages"][0]["content"],
        json!([{"type": "text", "text": "Hello", "citations": [{"type": "char_location"}]}])
    );
    assert_eq!(
        got.dropped,
        [
            "messages[0].name",
            "messages[0].audio",
            "messages[0].content[0].annotations"
        ]
    );
}

#[test]
fn citations_of_a_message_return_to_its_text() {
    let mut message = Message::new(
        Role::Assistant,
        vec![thought("Hm.", false, "anthropic", b"s"), Part::text("So.")],
    );
    message.extra = extra(&[("citations", json!([{"type": "char_location"}]))]);
    let got = conversation("claude-opus-5", vec![message.clone()]);
    assert_eq!(
        got.body["messages"][0]["content"][1],
        json!({"type": "text", "text": "So.", "citations": [{"type": "char_location"}]})
    );
    assert_eq!(got.dropped, Vec::<String>::new());
    // With several texts nobody knows whose they are.
    message.parts.push(Part::text("And so."));
    assert_eq!(
        conversation("claude-opus-5", vec![message]).dropped,
        ["messages[0].citations"]
    );
}

#[test]
fn room_is_made_for_a_budget_in_anthropics_own_words() {
    let mut request = ask("claude-sonnet-4-5");
    request.extra = extra(&[("thinking", json!({"type": "enabled", "budget_tokens": 40_000}))]);
    assert_eq!(sent(&request).body["max_tokens"], 64_000, "the model's maximum");
    request.sampling.max_output_tokens = Some(50_000);
    assert_eq!(sent(&request).body["max_tokens"], 50_000);
}

fn schema_format() -> ResponseFormat {
    ResponseFormat::JsonSchema(SchemaFormat {
        name: "book".to_owned(),
        description: None,
        schema: r#"{"type":"object","properties":{"t":{"type":"string"}},"additionalProperties":false}"#.to_owned(),
        strict: Some(true),
    })
}

#[test]
fn a_schema_is_native_where_the_model_has_it() {
    let mut request = ask("claude-sonnet-4-5");
    request.response_format = Some(schema_format());
    request.extra = extra(&[("output_config", json!({"effort": "low"}))]);
    let got = sent(&request);
    let schema = json!({"type": "object", "properties": {"t": {"type": "string"}}, "additionalProperties": false});
    assert_eq!(
        got.body["output_config"],
        json!({"effort": "low", "format": {"type": "json_schema", "schema": schema}})
    );
    assert_eq!((got.dropped.len(), got.answer_tool), (0, None));

    request.response_format = Some(ResponseFormat::JsonObject);
    assert_eq!(sent(&request).dropped, ["response_format"]);
    request.response_format = Some(ResponseFormat::Text);
    assert_eq!(sent(&request).dropped, Vec::<String>::new());
}

#[test]
fn a_schema_is_a_tool_where_the_model_has_no_other_way() {
    let mut request = ask("claude-sonnet-4-0");
    request.response_format = Some(schema_format());
    let got = sent(&request);
    assert_eq!(got.body["tools"][0]["name"], "structured_answer");
    assert_eq!(
        got.body["tools"][0]["input_schema"]["properties"],
        json!({"t": {"type": "string"}})
    );
    assert_eq!(
        got.body["tool_choice"],
        json!({"type": "tool", "name": "structured_answer", "disable_parallel_tool_use": true})
    );
    assert_eq!(got.answer_tool.as_deref(), Some("structured_answer"));
    assert_eq!(got.dropped, ["response_format"]);

    request.tools = vec![ToolSpec::Other(Annotated {
        kind: "bash_20250124".to_owned(),
        value: r#"{"type":"bash_20250124","name":"bash"}"#.to_owned(),
    })];
    assert_eq!(sent(&request).body["tool_choice"], json!({"type": "any"}));
}

#[test]
fn results_that_say_nothing() {
    let result = |text: &str, is_error| {
        Part::new(PartContent::ToolResult(ToolResult {
            call_id: "t1".to_owned(),
            name: None,
            is_error,
            content: vec![ResultContent::Text(text.to_owned())],
        }))
    };
    for (text, is_error, content, reports) in [
        ("", false, Value::Null, 0),
        (" \n", false, Value::Null, 1),
        ("", true, json!([{"type": "text", "text": "error"}]), 1),
    ] {
        let got = conversation(
            "claude-sonnet-4-5",
            vec![Message::new(Role::Tool, vec![result(text, is_error)])],
        );
        assert_eq!(got.body["messages"][0]["content"][0]["content"], content, "{text:?}");
        assert_eq!(got.dropped.len(), reports, "{:?}", got.dropped);
    }
}
