//! What a neutral request looks like on the wire, and what is reported where it has no place.

use llm_provider_sdk::types::{
    Annotated, CacheHint, Media, MediaSource, Message, Part, PartContent, ProviderState, Reasoning, ResultContent,
    Role, SchemaFormat, Tool, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use serde_json::{Value, json};

use super::*;
use crate::profile::{Known, ReasoningBack};

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn request(messages: Vec<Message>) -> ChatRequest {
    ChatRequest::new("m", messages)
}

fn encode_with(req: &ChatRequest, profile: &Profile, options: Options<'_>) -> (Value, Vec<String>) {
    let (body, asked) = encode(req, profile, options).unwrap();
    let dropped = asked.dropped.into_iter().map(|d| d.field).collect();
    (serde_json::to_value(body).unwrap(), dropped)
}

fn openai(req: &ChatRequest) -> (Value, Vec<String>) {
    encode_with(req, &Profile::OPENAI, Options::default())
}

/// The messages that these become, and what is dropped.
fn messages(messages: Vec<Message>, profile: &Profile) -> (Value, Vec<String>) {
    let (body, dropped) = encode_with(&request(messages), profile, Options::default());
    (body["messages"].clone(), dropped)
}

fn pair(name: &str, json: &str) -> (String, String) {
    (name.to_owned(), json.to_owned())
}

fn media(media_type: &str, source: MediaSource) -> Part {
    Part::new(PartContent::Media(Media::new(media_type, source)))
}

fn result(call_id: &str, content: Vec<ResultContent>) -> Part {
    Part::new(PartContent::ToolResult(ToolResult {
        call_id: call_id.into(),
        name: None,
        is_error: false,
        content,
    }))
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::new(PartContent::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    }))
}

fn thought(text: &str, state: Option<(&str, &[u8])>, redacted: bool) -> Part {
    let mut part = Part::new(PartContent::Reasoning(Reasoning {
        text: text.into(),
        redacted,
    }));
    part.state = state.map(|(format, data)| ProviderState {
        format: format.into(),
        data: data.to_vec(),
    });
    part
}

#[test]
fn sampling_has_openais_names() {
    let mut req = request(vec![user("hi")]);
    req.sampling.temperature = Some(0.5);
    req.sampling.top_p = Some(0.9);
    req.sampling.max_output_tokens = Some(7);
    req.sampling.stop = vec!["a".into(), "b".into()];
    req.sampling.seed = Some(-3);
    req.sampling.frequency_penalty = Some(1.0);
    req.sampling.presence_penalty = Some(-1.0);
    req.sampling.n = Some(2);
    req.user = Some("u".into());
    let (body, dropped) = openai(&req);
    assert_eq!(
        body,
        json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5,
            "top_p": 0.9, "max_completion_tokens": 7, "stop": ["a", "b"], "seed": -3,
            "frequency_penalty": 1.0, "presence_penalty": -1.0, "n": 2, "user": "u"
        })
    );
    assert!(dropped.is_empty());
    let (body, _) = encode_with(&req, &Profile::COMPATIBLE, Options::default());
    assert_eq!(
        (&body["max_tokens"], &body["max_completion_tokens"]),
        (&json!(7), &Value::Null)
    );
}

#[test]
fn what_openai_has_no_place_for_is_named() {
    let mut req = request(vec![user("hi")]);
    req.sampling.top_k = Some(40);
    req.reasoning = Some(ReasoningOptions {
        effort: Some("low".into()),
        max_tokens: Some(1024),
        include_text: Some(true),
    });
    req.extra = vec![
        pair("thinking", r#"{"type":"enabled"}"#),
        pair("logit_bias", r#"{"50256": -100}"#),
        pair("model", "\"other\""),
        pair("stream_options", "{}"),
        pair("brand_new", "1"),
    ];
    let (body, dropped) = openai(&req);
    assert_eq!(
        dropped,
        [
            "top_k",
            "reasoning.max_tokens",
            "reasoning.summary",
            "thinking",
            "model",
            "stream_options",
            "brand_new"
        ]
    );
    assert_eq!(body["reasoning_effort"], "low");
    assert_eq!(body["logit_bias"], json!({"50256": -100}));
    assert_eq!(body["model"], "m");
    assert_eq!(body.get("top_k"), None);

    let pass = ["brand_new".to_owned()];
    let (body, dropped) = encode_with(
        &req,
        &Profile::OPENAI,
        Options {
            pass: &pass,
            ..Options::default()
        },
    );
    assert_eq!(body["brand_new"], 1);
    assert!(!dropped.contains(&"brand_new".to_owned()));
}

#[test]
fn further_members_keep_their_text() {
    let mut req = request(vec![user("hi")]);
    req.extra = vec![pair("metadata", r#"{"n":1.50, "big":123456789012345678901234567890}"#)];
    let (body, _) = encode(&req, &Profile::OPENAI, Options::default()).unwrap();
    let text = serde_json::to_string(&body).unwrap();
    assert!(text.ends_with(r#""metadata":{"n":1.50, "big":123456789012345678901234567890}}"#));
}

#[test]
fn a_member_that_is_not_json_is_the_callers_fault() {
    let mut req = request(vec![user("hi")]);
    req.extra = vec![pair("metadata", "{oops")];
    let error = encode(&req, &Profile::OPENAI, Options::default()).unwrap_err();
    assert_eq!(error.kind, llm_provider_sdk::types::ErrorKind::InvalidRequest);
    assert_eq!(error.param.as_deref(), Some("metadata"));
}

#[test]
fn a_stream_always_asks_for_its_usage() {
    let stream = Options {
        stream: true,
        pass: &[],
    };
    let mut req = request(vec![user("hi")]);
    let (body, _) = encode_with(&req, &Profile::OPENAI, stream);
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"], json!({"include_usage": true}));

    req.extra = vec![pair(
        "stream_options",
        r#"{"include_obfuscation":false,"include_usage":false}"#,
    )];
    let (body, dropped) = encode_with(&req, &Profile::OPENAI, stream);
    assert_eq!(
        body["stream_options"],
        json!({"include_obfuscation": false, "include_usage": true})
    );
    assert!(dropped.is_empty());

    let without = Profile {
        stream_usage: false,
        ..Profile::COMPATIBLE
    };
    let (body, dropped) = encode_with(&req, &without, stream);
    assert_eq!(body.get("stream_options"), None);
    assert_eq!(dropped, ["stream_options"]);
}

#[test]
fn roles_and_names() {
    let conversation = || {
        let mut named = user("hi");
        named.name = Some("ann".into());
        vec![
            Message::text(Role::System, "s"),
            Message::text(Role::Developer, "d"),
            named,
        ]
    };
    let (wire, _) = messages(conversation(), &Profile::OPENAI);
    assert_eq!(
        wire,
        json!([
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            {"role": "user", "content": "hi", "name": "ann"}
        ])
    );
    let (wire, _) = messages(conversation(), &Profile::COMPATIBLE);
    assert_eq!(wire[1]["role"], "system");
}

#[test]
fn content_parts() {
    let inline = |bytes: &[u8]| MediaSource::Inline(bytes.to_vec());
    let mut detailed = media("image/png", inline(b"\x89PNG"));
    if let PartContent::Media(media) = &mut detailed.content {
        media.detail = Some("low".into());
    }
    let mut named = media("application/pdf", inline(b"%PDF"));
    if let PartContent::Media(media) = &mut named.content {
        media.name = Some("a.pdf".into());
    }
    let mut named_untyped = media("", inline(b"%PDF"));
    if let PartContent::Media(media) = &mut named_untyped.content {
        media.name = Some("B.PDF".into());
    }
    let parts = vec![
        Part::text("look"),
        detailed,
        media("", MediaSource::Url("https://example.com/a.png".into())),
        media("audio/mpeg", inline(b"ID3")),
        named,
        media("text/csv", inline(b"a,b")),
        named_untyped,
        media("application/pdf", MediaSource::File("file-1".into())),
        media("application/pdf", MediaSource::Url("https://example.com/a.pdf".into())),
        media("audio/wav", MediaSource::Url("https://example.com/a.wav".into())),
    ];
    let (wire, dropped) = messages(vec![Message::new(Role::User, parts)], &Profile::OPENAI);
    assert_eq!(
        wire[0]["content"],
        json!([
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
            {"type": "file", "file": {"filename": "document.csv", "file_data": "data:text/csv;base64,YSxi"}},
            {"type": "file", "file": {"filename": "B.PDF", "file_data": "data:application/pdf;base64,JVBERg=="}},
            {"type": "file", "file": {"file_id": "file-1"}}
        ])
    );
    assert_eq!(dropped, ["messages[0].content[8]", "messages[0].content[9]"]);
}

#[test]
fn part_members_and_cache_marks() {
    let part = || {
        let mut part = Part::text("long");
        part.cache = Some(CacheHint {
            ttl_seconds: Some(3600),
        });
        part.extra = vec![
            pair("prompt_cache_breakpoint", r#"{"mode":"explicit"}"#),
            pair("odd", "1"),
        ];
        vec![Message::new(Role::User, vec![part])]
    };
    let (wire, dropped) = messages(part(), &Profile::OPENAI);
    assert_eq!(
        wire[0]["content"],
        json!([{"type": "text", "text": "long", "prompt_cache_breakpoint": {"mode": "explicit"}}])
    );
    assert_eq!(
        dropped,
        ["messages[0].content[0].odd", "messages[0].content[0].cache_control"]
    );

    let marks = Profile {
        cache_control: true,
        ..Profile::COMPATIBLE
    };
    let (wire, dropped) = messages(part(), &marks);
    assert_eq!(
        wire[0]["content"][0]["cache_control"],
        json!({"type": "ephemeral", "ttl": "1h"})
    );
    assert!(dropped.is_empty());
}

#[test]
fn calls_and_results() {
    let mut failed = result("c2", vec![ResultContent::Text("boom".into())]);
    if let PartContent::ToolResult(result) = &mut failed.content {
        result.is_error = true;
        result.name = Some("g".into());
    }
    let (wire, dropped) = messages(
        vec![
            user("go"),
            Message::new(
                Role::Assistant,
                vec![call("c1", "f", "{\"a\": 1}"), call("c2", "g", "{}")],
            ),
            Message::new(
                Role::Tool,
                vec![
                    result(
                        "c1",
                        vec![ResultContent::Text("1".into()), ResultContent::Text("2".into())],
                    ),
                    failed,
                ],
            ),
        ],
        &Profile::OPENAI,
    );
    assert_eq!(
        wire,
        json!([
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
            {"role": "tool", "tool_call_id": "c2", "name": "g", "content": "boom"}
        ])
    );
    assert_eq!(dropped, ["messages[2].is_error"]);
}

#[test]
fn media_of_tool_results_follow_in_a_user_message() {
    let image = || {
        ResultContent::Media(Media::new(
            "image/png",
            MediaSource::Url("https://example.com/a.png".into()),
        ))
    };
    let conversation = || {
        vec![
            Message::new(
                Role::Tool,
                vec![result("c1", vec![ResultContent::Text("see".into()), image()])],
            ),
            Message::new(Role::Tool, vec![result("c2", vec![image()])]),
            user("what is it?"),
        ]
    };
    let part = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let (wire, dropped) = messages(conversation(), &Profile::OPENAI);
    assert_eq!(
        wire,
        json!([
            {"role": "tool", "tool_call_id": "c1", "content": "see"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": [part, part]},
            {"role": "user", "content": "what is it?"}
        ])
    );
    assert_eq!(dropped, ["messages[0].content[1]", "messages[1].content[0]"]);

    let anywhere = Profile {
        media_anywhere: true,
        ..Profile::COMPATIBLE
    };
    let (wire, dropped) = messages(conversation(), &anywhere);
    assert_eq!(wire[1]["content"], json!([part]));
    assert!(dropped.is_empty());
}

#[test]
fn earlier_answers() {
    let mut annotated = Part::text("text");
    annotated.extra = vec![pair("annotations", "[]"), pair("citations", "[1]")];
    let refusal = Part::new(PartContent::Refusal("no".into()));
    let mut sound = media("audio/wav", MediaSource::Inline(b"RIFF".to_vec()));
    sound.extra = vec![pair("id", "\"audio_1\""), pair("transcript", "\"hi\"")];
    let custom = Part::new(PartContent::Other(Annotated {
        kind: "custom".into(),
        value: r#"{"id":"c","type":"custom","custom":{"name":"n","input":"x"}}"#.into(),
    }));
    let foreign = Part::new(PartContent::Other(Annotated {
        kind: "server_tool_use".into(),
        value: r#"{"type":"server_tool_use"}"#.into(),
    }));
    let answer = |parts| Message::new(Role::Assistant, parts);
    let mut kept = answer(Vec::new());
    kept.extra = vec![pair("audio", r#"{"id":"audio_3"}"#)];
    let (wire, dropped) = messages(
        vec![
            answer(vec![annotated]),
            answer(vec![refusal]),
            answer(vec![sound]),
            answer(vec![custom, foreign]),
            answer(vec![media("image/png", MediaSource::Inline(b"x".to_vec()))]),
            answer(vec![media("", MediaSource::File("audio_2".into()))]),
            kept,
        ],
        &Profile::OPENAI,
    );
    assert_eq!(
        wire,
        json!([
            {"role": "assistant", "content": "text", "annotations": []},
            {"role": "assistant", "content": null, "refusal": "no"},
            {"role": "assistant", "content": null, "audio": {"id": "audio_1"}},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "n", "input": "x"}}]},
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": null, "audio": {"id": "audio_2"}},
            {"role": "assistant", "content": null, "audio": {"id": "audio_3"}}
        ])
    );
    assert_eq!(
        dropped,
        ["messages[0].citations", "messages[3]", "messages[4].content[0]"]
    );
}

#[test]
fn fields_of_a_part_stay_at_their_part() {
    let marked = |mut part: Part, name: &str| {
        part.extra = vec![pair(name, r#"{"mode":"explicit"}"#)];
        part
    };
    let refusal = Part::new(PartContent::Refusal("no".into()));
    let answer = vec![marked(Part::text("a"), MARK), marked(refusal, MARK)];
    let mut outcome = result(
        "c1",
        vec![ResultContent::Text("x".into()), ResultContent::Text("y".into())],
    );
    let nested = [
        "content[1].prompt_cache_breakpoint",
        "content[0].odd",
        "content[1].deep.er",
    ];
    outcome.extra = nested.map(|name| pair(name, r#"{"mode":"explicit"}"#)).to_vec();
    let conversation = vec![
        Message::new(Role::Assistant, answer),
        Message::new(Role::Tool, vec![outcome]),
    ];
    let (wire, dropped) = messages(conversation, &Profile::OPENAI);
    let mark = json!({"mode": "explicit"});
    assert_eq!(
        wire,
        json!([
            {"role": "assistant", "content": [
                {"type": "text", "text": "a", MARK: mark}, {"type": "refusal", "refusal": "no", MARK: mark}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "x"}, {"type": "text", "text": "y", MARK: mark}]},
        ])
    );
    assert_eq!(
        dropped,
        ["messages[1].content[0].odd", "messages[1].content[1].deep.er"]
    );
}

const MARK: &str = "prompt_cache_breakpoint";

#[test]
fn nothing_beside_a_part_is_lost_without_a_word() {
    let mut refusal = Part::new(PartContent::Refusal("no".into()));
    refusal.extra = vec![pair("why", "1")];
    refusal.cache = Some(CacheHint { ttl_seconds: None });
    let mut noted = Part::text("a");
    noted.extra = vec![pair("annotations", "[1]")];
    let mut stated = Part::text("b");
    stated.state = Some(ProviderState {
        format: "gemini".into(),
        data: b"sig".to_vec(),
    });
    let answer = Message::new(Role::Assistant, vec![refusal, noted.clone(), noted]);
    let (wire, dropped) = messages(vec![answer, Message::new(Role::User, vec![stated])], &Profile::OPENAI);
    assert_eq!(wire[0]["annotations"], json!([1]));
    assert_eq!(
        dropped,
        [
            "messages[0].content[0].cache_control",
            "messages[0].content[0].why",
            "messages[0].annotations",
            "messages[1].content[0].provider_state"
        ]
    );
}

#[test]
fn earlier_reasoning_goes_back_as_the_provider_takes_it() {
    let conversation = || {
        let mut signed_call = call("c", "f", "{}");
        signed_call.state = Some(ProviderState {
            format: "gemini".into(),
            data: b"sig".to_vec(),
        });
        vec![Message::new(
            Role::Assistant,
            vec![
                thought("think", Some(("anthropic", b"sig")), false),
                thought("", Some(("openai-responses", &[0xff])), true),
                Part::text("answer"),
                signed_call,
            ],
        )]
    };
    let (wire, dropped) = messages(conversation(), &Profile::OPENAI);
    assert_eq!(wire[0].get("reasoning_content"), None);
    assert_eq!(
        dropped,
        [
            "messages[0].tool_calls[0].provider_state",
            "messages[0].reasoning_content"
        ]
    );

    let (wire, dropped) = messages(conversation(), &Profile::COMPATIBLE);
    assert_eq!(wire[0]["reasoning_content"], "think");
    assert_eq!(
        dropped,
        [
            "messages[0].tool_calls[0].provider_state",
            "messages[0].reasoning_details"
        ]
    );

    let gateway = Profile {
        reasoning_back: ReasoningBack::Details,
        state_formats: Known::Any,
        ..Profile::COMPATIBLE
    };
    let (wire, dropped) = messages(conversation(), &gateway);
    assert_eq!(
        wire[0]["reasoning_details"],
        json!([
            {"type": "reasoning.text", "text": "think", "signature": "sig", "format": "anthropic", "index": 0},
            {"type": "reasoning.encrypted", "data_base64": "/w==", "format": "openai-responses", "index": 1}
        ])
    );
    assert_eq!(
        wire[0]["tool_calls"][0]["provider_state"],
        json!({"format": "gemini", "data": "sig"})
    );
    assert!(dropped.is_empty());

    let picky = Profile {
        state_formats: Known::Only(&["anthropic"]),
        ..gateway
    };
    let (wire, dropped) = messages(conversation(), &picky);
    assert_eq!(wire[0]["reasoning_details"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        dropped,
        [
            "messages[0].tool_calls[0].provider_state",
            "messages[0].reasoning_details[1]"
        ]
    );
}

#[test]
fn the_mark_of_a_tools_result_stands_on_its_last_content() {
    let profile = Profile {
        cache_control: true,
        ..Profile::COMPATIBLE
    };
    let tool = |content: Vec<ResultContent>| {
        let mut part = result("c", content);
        part.cache = Some(CacheHint { ttl_seconds: None });
        Message::new(Role::Tool, vec![part])
    };
    let text = |text: &str| ResultContent::Text(text.into());
    let (wire, dropped) = messages(
        vec![tool(vec![text("a"), text("b")]), tool(vec![text("a")]), tool(vec![])],
        &profile,
    );
    let mark = json!({"type": "ephemeral"});
    assert_eq!(
        wire,
        json!([
            {"role": "tool", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": mark}], "tool_call_id": "c"},
            {"role": "tool", "content": [{"type": "text", "text": "a", "cache_control": mark}], "tool_call_id": "c"},
            {"role": "tool", "content": "", "tool_call_id": "c", "cache_control": mark},
        ])
    );
    assert!(dropped.is_empty());
}

#[test]
fn tools_and_their_choice() {
    let mut req = request(vec![user("hi")]);
    req.tools = vec![
        ToolSpec::Function(Tool {
            name: "f".into(),
            description: Some("does".into()),
            input_schema: Some(r#"{"type":"object","x-max":1e400}"#.into()),
            strict: Some(true),
            cache: Some(CacheHint { ttl_seconds: None }),
            extra: Vec::new(),
        }),
        ToolSpec::Other(Annotated {
            kind: "custom".into(),
            value: r#"{"type":"custom","custom":{"name":"n"}}"#.into(),
        }),
        ToolSpec::Other(Annotated {
            kind: "web_search_20250305".into(),
            value: r#"{"type":"web_search_20250305"}"#.into(),
        }),
    ];
    req.tool_choice = Some(ToolChoice::Named("f".into()));
    req.parallel_tool_calls = Some(false);
    let (body, asked) = encode(&req, &Profile::OPENAI, Options::default()).unwrap();
    let text = serde_json::to_string(&body).unwrap();
    assert!(text.contains(
        r#""tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","x-max":1e400},"strict":true}},{"type":"custom","custom":{"name":"n"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false"#
    ), "{text}");
    let dropped: Vec<_> = asked.dropped.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(dropped, ["tools[0].cache_control", "tools[2]"]);

    req.tools.clear();
    for (choice, wire) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (
            ToolChoice::Other(r#"{"type":"allowed_tools"}"#.into()),
            json!({"type": "allowed_tools"}),
        ),
    ] {
        req.tool_choice = Some(choice);
        assert_eq!(openai(&req).0["tool_choice"], wire);
    }
}

#[test]
fn forms_of_the_answer() {
    let schema = SchemaFormat {
        name: "s".into(),
        description: None,
        schema: r#"{"type":"object"}"#.into(),
        strict: Some(true),
    };
    for (format, wire) in [
        (ResponseFormat::Text, json!({"type": "text"})),
        (ResponseFormat::JsonObject, json!({"type": "json_object"})),
        (
            ResponseFormat::JsonSchema(schema),
            json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}}),
        ),
        (
            ResponseFormat::Other(r#"{"type":"grammar"}"#.into()),
            json!({"type": "grammar"}),
        ),
    ] {
        let mut req = request(vec![user("hi")]);
        req.response_format = Some(format);
        assert_eq!(openai(&req).0["response_format"], wire);
    }
}

#[test]
fn the_sound_asked_for_is_known_to_the_decoder() {
    let mut req = request(vec![user("hi")]);
    req.extra = vec![
        pair("modalities", r#"["text","audio"]"#),
        pair("audio", r#"{"voice":"alloy","format":"mp3"}"#),
    ];
    let (body, asked) = encode(&req, &Profile::OPENAI, Options::default()).unwrap();
    assert_eq!(asked.sound_type, "audio/mpeg");
    assert_eq!(serde_json::to_value(body).unwrap()["audio"]["voice"], "alloy");
}
