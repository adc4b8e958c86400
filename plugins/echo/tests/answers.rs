//! What Echo answers, whole and as a stream.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use llm_plugin_echo::Echo;
use llm_provider_sdk::testing::{Recording, block_on};
use llm_provider_sdk::types::{
    ChatEvent, ChatRequest, ChatResponse, DeltaContent, ErrorKind, FinishReason, Message, Part, PartContent,
    ReasoningOptions, ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolChoice, ToolResult, ToolSpec,
};
use llm_provider_sdk::{Chat, Provider};

fn user(text: &str) -> ChatRequest {
    ChatRequest::new("echo", vec![Message::text(Role::User, text)])
}

fn answer(req: ChatRequest) -> ChatResponse {
    let whole = block_on(<Echo as Chat>::complete(req.clone())).unwrap();
    let streamed = block_on(async { <Echo as Chat>::stream(req).await?.fold().await }).unwrap();
    assert_eq!(whole, streamed);
    whole
}

fn text(answer: &ChatResponse) -> &str {
    match answer.choices[0].message.parts.last().map(|part| &part.content) {
        Some(PartContent::Text(text)) => text,
        None => "",
        other => panic!("no text: {other:?}"),
    }
}

fn tool(name: &str, schema: &str) -> ToolSpec {
    ToolSpec::Function(Tool {
        name: name.into(),
        description: None,
        input_schema: Some(schema.into()),
        strict: None,
        cache: None,
        extra: Vec::new(),
    })
}

/// The calls of an answer: id, name, arguments.
fn calls(answer: &ChatResponse) -> Vec<(&str, &str, &str)> {
    let parts = answer.choices[0].message.parts.iter();
    parts
        .filter_map(|part| match &part.content {
            PartContent::ToolCall(call) => Some((call.id.as_str(), call.name.as_str(), call.arguments.as_str())),
            _ => None,
        })
        .collect()
}

const CITY: &str = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;

#[test]
fn it_needs_neither_network_nor_credentials() {
    let manifest = Echo::describe();
    assert_eq!(
        (manifest.id.as_str(), manifest.egress.len(), manifest.credentials.len()),
        ("echo", 0, 0)
    );
    assert_eq!(Echo::check_config("{}"), Ok(()));
    let recording = Recording::new().install();
    answer(user("hi"));
    assert!(recording.requests().is_empty());
    let models = block_on(Echo::list_models()).unwrap();
    assert_eq!(
        models.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(),
        ["echo", "echo-reasoning"]
    );
}

#[test]
fn it_says_the_last_message_again_word_by_word() {
    let said = answer(user("Hello  wide\nworld"));
    assert_eq!(text(&said), "Hello  wide\nworld");
    assert_eq!(said.choices[0].finish, FinishReason::Stop);
    let usage = said.usage.as_ref().unwrap();
    assert_eq!((usage.input, usage.output), (3, 3));
    assert_eq!(said, answer(user("Hello  wide\nworld")));
    assert_ne!(said.id, answer(user("Hello wide world")).id);

    let mut stream = block_on(<Echo as Chat>::stream(user("Hello  wide\nworld"))).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = block_on(stream.next_batch()) {
        batches.push(batch);
    }
    let words: Vec<&str> = batches
        .iter()
        .flatten()
        .filter_map(|event| match event {
            ChatEvent::Delta(delta) => match &delta.content {
                DeltaContent::Text(text) => Some(text.as_str()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(words, ["Hello", "  wide", "\nworld"]);
    assert_eq!(batches.len(), 7, "start, three words, finish, usage, done");
}

#[test]
fn answers_end_at_limits_and_stop_texts() {
    let mut req = user("one two three four");
    req.sampling.max_output_tokens = Some(2);
    let cut = answer(req.clone());
    assert_eq!((text(&cut), &cut.choices[0].finish), ("one two", &FinishReason::Length));
    req.sampling.max_output_tokens = Some(4);
    req.sampling.stop = vec!["three".into()];
    let stopped = answer(req);
    assert_eq!(
        (text(&stopped), &stopped.choices[0].finish),
        ("one two ", &FinishReason::Stop)
    );
}

#[test]
fn several_choices() {
    let mut req = user("hi there");
    req.sampling.n = Some(3);
    let said = answer(req.clone());
    assert_eq!(
        said.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(said.usage.unwrap().output, 6);
    for n in [0, 1000] {
        req.sampling.n = Some(n);
        let error = block_on(<Echo as Chat>::complete(req.clone())).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (ErrorKind::InvalidRequest, Some("n"))
        );
    }
}

#[test]
fn tools_are_called_when_the_message_says_so() {
    let mut req = user("call weather {\"city\": \"Paris\"}\ncall clock\ncall unknown");
    req.tools = vec![tool("weather", CITY), tool("clock", r#"{"type":"object"}"#)];
    let said = answer(req.clone());
    assert_eq!(
        calls(&said),
        [
            ("call_0_1", "weather", "{\"city\": \"Paris\"}"),
            ("call_0_2", "clock", "{}")
        ]
    );
    assert_eq!(said.choices[0].finish, FinishReason::ToolCalls);

    req.parallel_tool_calls = Some(false);
    assert_eq!(calls(&answer(req.clone())).len(), 1);
    req.tool_choice = Some(ToolChoice::None);
    assert!(text(&answer(req)).starts_with("call weather"));
}

#[test]
fn tools_are_called_when_the_choice_says_so() {
    let mut req = user("hello");
    req.tools = vec![tool("weather", CITY), tool("clock", "{}")];
    for (choice, want) in [
        (ToolChoice::Required, Some("weather")),
        (ToolChoice::Named("clock".into()), Some("clock")),
        (ToolChoice::Auto, None),
    ] {
        req.tool_choice = Some(choice);
        assert_eq!(calls(&answer(req.clone())).first().map(|(_, name, _)| *name), want);
    }
    req.tool_choice = Some(ToolChoice::Required);
    assert_eq!(calls(&answer(req.clone()))[0].2, r#"{"city":""}"#);
    for choice in [ToolChoice::Named("nope".into()), ToolChoice::Required] {
        if choice == ToolChoice::Required {
            req.tools.clear();
        }
        req.tool_choice = Some(choice);
        let error = block_on(<Echo as Chat>::complete(req.clone())).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("tool_choice"));
    }
}

#[test]
fn results_of_tools_are_said_and_ids_go_on() {
    let mut req = user("call weather");
    req.tools = vec![tool("weather", CITY)];
    let said = answer(req.clone());
    req.messages.push(said.choices[0].message.clone());
    let result = ToolResult {
        call_id: "call_0_1".into(),
        name: None,
        is_error: false,
        content: vec![ResultContent::Text("40 C".into())],
    };
    req.messages.push(Message::new(
        Role::Tool,
        vec![Part::new(PartContent::ToolResult(result))],
    ));
    assert_eq!(text(&answer(req.clone())), "weather: 40 C");
    req.messages.push(Message::text(Role::User, "call weather"));
    assert_eq!(calls(&answer(req))[0].0, "call_0_2");
}

#[test]
fn structured_answers() {
    let mut req = user("say \"it\"");
    req.response_format = Some(ResponseFormat::JsonObject);
    assert_eq!(text(&answer(req.clone())), r#"{"echo":"say \"it\""}"#);
    req.response_format = Some(ResponseFormat::JsonSchema(SchemaFormat {
        name: "city".into(),
        description: None,
        schema: CITY.into(),
        strict: Some(true),
    }));
    assert_eq!(text(&answer(req)), r#"{"city":""}"#);
}

#[test]
fn thoughts_are_signed_and_have_to_come_back_as_they_were() {
    let mut req = ChatRequest::new("echo-reasoning", vec![Message::text(Role::User, "hello you")]);
    let said = answer(req.clone());
    let thought = &said.choices[0].message.parts[0];
    let PartContent::Reasoning(reasoning) = &thought.content else {
        panic!("no thought")
    };
    assert_eq!(
        (reasoning.text.as_str(), reasoning.redacted),
        ("I will say 2 words.", false)
    );
    assert_eq!(thought.state.as_ref().unwrap().format, "echo");
    assert_eq!(text(&said), "hello you");
    let usage = said.usage.as_ref().unwrap();
    assert_eq!((usage.reasoning, usage.output), (5, 2));

    req.messages.push(said.choices[0].message.clone());
    req.messages.push(Message::text(Role::User, "and now"));
    assert_eq!(text(&answer(req.clone())), "and now");
    let PartContent::Reasoning(reasoning) = &mut req.messages[1].parts[0].content else {
        panic!("no thought")
    };
    reasoning.text.push('!');
    let error = block_on(<Echo as Chat>::complete(req)).unwrap_err();
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (ErrorKind::InvalidRequest, Some("messages[1]"))
    );
}

#[test]
fn thinking_follows_the_request() {
    let wish = |effort: Option<&str>, max_tokens, include_text| {
        let effort = effort.map(str::to_owned);
        let mut req = user("hello");
        req.reasoning = Some(ReasoningOptions {
            effort,
            max_tokens,
            include_text,
        });
        answer(req).choices.remove(0).message.parts
    };
    let thought = |parts: &[Part]| match &parts[0].content {
        PartContent::Reasoning(reasoning) => Some((reasoning.text.clone(), reasoning.redacted)),
        _ => None,
    };
    assert_eq!(
        thought(&wish(Some("high"), None, None)),
        Some(("I will say 1 words.".into(), false))
    );
    assert_eq!(thought(&wish(None, Some(2), None)), Some(("I will".into(), false)));
    assert_eq!(
        thought(&wish(Some("low"), None, Some(false))),
        Some((String::new(), true))
    );
    assert_eq!(thought(&wish(Some("none"), None, None)), None);

    let mut req = user("hello");
    req.reasoning = Some(ReasoningOptions {
        effort: Some("low".into()),
        max_tokens: None,
        include_text: None,
    });
    req.sampling.max_output_tokens = Some(3);
    let cut = answer(req);
    assert_eq!(cut.choices[0].finish, FinishReason::Length);
    assert_eq!(cut.choices[0].message.parts.len(), 1);
}

#[test]
fn errors_before_and_within_the_answer() {
    for stream in [false, true] {
        let req = user("error rate-limited 1500");
        let error = if stream {
            block_on(<Echo as Chat>::stream(req)).unwrap_err()
        } else {
            block_on(<Echo as Chat>::complete(req)).unwrap_err()
        };
        assert_eq!(
            (error.kind, error.retry_after_ms, error.http_status),
            (ErrorKind::RateLimited, Some(1500), Some(429))
        );
    }
    let req = user("error after 2 overloaded");
    assert_eq!(
        block_on(<Echo as Chat>::complete(req.clone())).unwrap_err().kind,
        ErrorKind::Overloaded
    );
    let events = block_on(async { <Echo as Chat>::stream(req).await.unwrap().collect().await });
    assert!(matches!(
        events.as_slice(),
        [
            ChatEvent::Start(_),
            ChatEvent::Delta(_),
            ChatEvent::Delta(_),
            ChatEvent::Error(_)
        ]
    ));
    // Only the person's last message is a command.
    let mut req = user("error upstream");
    req.messages.push(Message::text(Role::User, "never mind"));
    assert_eq!(text(&answer(req)), "never mind");
}

#[test]
fn what_changes_nothing_is_named() {
    let mut req = user("hi");
    req.sampling.temperature = Some(0.5);
    req.sampling.top_k = Some(3);
    req.extra = vec![("logit_bias".into(), "{}".into())];
    req.messages[0].parts[0].extra = vec![("mood".into(), "1".into())];
    let dropped: Vec<String> = answer(req).dropped.into_iter().map(|d| d.field).collect();
    assert_eq!(
        dropped,
        ["temperature", "top_k", "messages[0].content[0].mood", "logit_bias"]
    );
    assert!(answer(user("hi")).dropped.is_empty());
}
