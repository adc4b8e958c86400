//! Requests of Converse.
//!
//! In: neutral requests that are drawn at random, for models of every family. Out: that what is sent is
//! valid for the service's model, that roles alternate and every result has its call's turn, and that no
//! text of the caller's is lost without a word. Never: a judgement on what a model makes of it.

use llm_plugin_bedrock::Bedrock;
use llm_provider_sdk::Chat;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{
    CacheHint, ChatRequest, Media, MediaSource, Message, Part, PartContent, ProviderState, Reasoning, ReasoningOptions,
    ResponseFormat, ResultContent, Role, SchemaFormat, Tool, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use serde_json::{Value, json};

use crate::CASES;
use crate::draw::{Draw, Model};

const MODELS: [&str; 10] = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "cohere.command-r-plus-v1:0",
    "us.mistral.pixtral-large-2502-v1:0",
    "openai.gpt-oss-120b-1:0",
    "us.deepseek.r1-v1:0",
    "ai21.jamba-1-5-large-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56",
];

fn part(draw: &mut Draw, role: Role, told: &mut Vec<String>) -> Part {
    let content = match draw.below(8) {
        0 if role == Role::Assistant => PartContent::ToolCall(ToolCall {
            id: draw.word(),
            name: draw.word(),
            arguments: match draw.below(3) {
                0 => draw.object().to_string(),
                1 => String::new(),
                _ => draw.text(),
            },
        }),
        1 if role == Role::Assistant => PartContent::Reasoning(Reasoning {
            text: draw.text(),
            redacted: false,
        }),
        2 if role == Role::User => {
            let types = [
                "image/png",
                "image/jpg",
                "application/pdf",
                "text/plain",
                "video/mp4",
                "audio/mpeg",
            ];
            let mut media = Media::new(*draw.of(&types), MediaSource::Inline(draw.bytes()));
            media.name = draw.once_in(2).then(|| draw.text());
            PartContent::Media(media)
        }
        3 if draw.once_in(2) => PartContent::Text((*draw.of(&["", " ", "\n"])).to_owned()),
        _ => {
            let text = format!("{}!{}", draw.word(), draw.text());
            told.push(text.clone());
            PartContent::Text(text)
        }
    };
    let mut part = Part::new(content);
    if matches!(part.content, PartContent::Reasoning(_)) && draw.once_in(2) {
        part.state = Some(ProviderState {
            format: (*draw.of(&["anthropic", "bedrock", "another"])).to_owned(),
            data: draw.word().into_bytes(),
        });
    }
    if draw.once_in(6) {
        part.cache = Some(CacheHint {
            ttl_seconds: Some(*draw.of(&[300, 3600])),
        });
    }
    part
}

fn message(draw: &mut Draw, told: &mut Vec<String>) -> Message {
    let role = *draw.of(&[
        Role::User,
        Role::User,
        Role::Assistant,
        Role::Tool,
        Role::System,
        Role::Developer,
    ]);
    if role == Role::Tool {
        let mut content: Vec<ResultContent> = Vec::new();
        for _ in 0..draw.below(3) {
            content.push(match draw.below(3) {
                0 => ResultContent::Text(String::new()),
                1 => ResultContent::Media(Media::new("image/png", MediaSource::Inline(draw.bytes()))),
                _ => {
                    let text = format!("{}!", draw.word());
                    told.push(text.clone());
                    ResultContent::Text(text)
                }
            });
        }
        let result = ToolResult {
            call_id: draw.word(),
            name: None,
            is_error: draw.once_in(3),
            content,
        };
        return Message::new(role, vec![Part::new(PartContent::ToolResult(result))]);
    }
    let count = draw.below(4);
    Message::new(role, (0..count).map(|_| part(draw, role, told)).collect())
}

fn request(draw: &mut Draw, told: &mut Vec<String>) -> ChatRequest {
    let mut messages = vec![Message::text(Role::User, "First")];
    messages.extend((0..draw.below(6)).map(|_| message(draw, told)));
    let mut out = ChatRequest::new(*draw.of(&MODELS), messages);
    let sampling = &mut out.sampling;
    sampling.temperature = draw.once_in(3).then_some(0.7);
    sampling.top_p = draw.once_in(3).then_some(0.9);
    sampling.top_k = draw.once_in(4).then_some(40);
    sampling.max_output_tokens = draw.once_in(2).then_some(2000);
    sampling.stop = (0..draw.below(3)).map(|_| draw.word()).collect();
    sampling.seed = draw.once_in(5).then_some(7);
    for _ in 0..draw.below(3) {
        out.tools.push(ToolSpec::Function(Tool {
            name: draw.word(),
            description: draw
                .once_in(2)
                .then(|| if draw.once_in(3) { String::new() } else { draw.text() }),
            input_schema: draw
                .once_in(2)
                .then(|| r#"{"type":"object","properties":{}}"#.to_owned()),
            strict: draw.once_in(3).then_some(true),
            cache: None,
            extra: Vec::new(),
        }));
    }
    out.tool_choice = match (draw.below(6), out.tools.first()) {
        (0, _) => Some(ToolChoice::Auto),
        (1, _) => Some(ToolChoice::None),
        (2, Some(_)) => Some(ToolChoice::Required),
        (3, Some(ToolSpec::Function(tool))) => Some(ToolChoice::Named(tool.name.clone())),
        _ => None,
    };
    out.parallel_tool_calls = draw.once_in(4).then_some(false);
    out.response_format = match draw.below(6) {
        0 => Some(ResponseFormat::JsonSchema(SchemaFormat {
            name: draw.word(),
            description: None,
            schema: r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#.to_owned(),
            strict: None,
        })),
        1 => Some(ResponseFormat::JsonObject),
        _ => None,
    };
    out.reasoning = draw.once_in(4).then(|| ReasoningOptions {
        effort: Some((*draw.of(&["none", "minimal", "low", "high", "max"])).to_owned()),
        ..ReasoningOptions::default()
    });
    out.user = draw.once_in(5).then(|| draw.word());
    out
}

#[test]
fn what_is_sent_is_valid_and_whole() {
    let Some(model) = Model::read() else { return };
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}});
    for case in 0..CASES * 5 {
        let mut draw = Draw(case);
        let mut told = Vec::new();
        let asked = request(&mut draw, &mut told);
        let host = Recording::new()
            .config(&json!({"region": "us-east-1"}))
            .reply(Reply::json(200, answer.to_string()))
            .install();
        let got = block_on(Bedrock::complete(asked.clone()));
        let got = got.unwrap_or_else(|error| panic!("case {case}: {error:?}\n{asked:?}"));
        let body = host.requests()[0].json();
        let context = format!("case {case}: {body}\n{:?}", got.dropped);
        assert_eq!(
            model.faults("ConverseRequest", &body),
            Vec::<String>::new(),
            "{context}"
        );
        let turns = body["messages"].as_array().unwrap();
        assert!(!turns.is_empty(), "{context}");
        for (at, turn) in turns.iter().enumerate() {
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            assert_eq!(turn["role"], role, "{context}");
            let content = turn["content"].as_array().unwrap();
            assert!(!content.is_empty(), "{context}");
            // Results come before all else.
            let of_results = |block: &&Value| block["toolResult"].is_object() || block["cachePoint"].is_object();
            let first = content.iter().take_while(of_results).count();
            assert!(
                content[first..].iter().all(|block| !block["toolResult"].is_object()),
                "{context}"
            );
            // The service refuses texts that say nothing.
            let texts = content.iter().chain(
                content
                    .iter()
                    .flat_map(|block| block["toolResult"]["content"].as_array().into_iter().flatten()),
            );
            for text in texts.filter_map(|block| block["text"].as_str()) {
                assert!(!text.trim().is_empty(), "{context}");
            }
        }
        let calls = turns.iter().flat_map(|turn| turn["content"].as_array().unwrap());
        let called: Vec<&Value> = calls
            .map(|block| &block["toolUse"]["name"])
            .filter(|name| name.is_string())
            .collect();
        let tools = body["toolConfig"]["tools"].as_array().cloned().unwrap_or_default();
        for name in called {
            assert!(tools.iter().any(|tool| &tool["toolSpec"]["name"] == name), "{context}");
        }
        let sent = body.to_string();
        for text in told {
            // The end of an answer that is to be continued may have lost its white space.
            let spelt = Value::from(text.trim_end()).to_string();
            assert!(sent.contains(spelt.trim_matches('"')), "{spelt} is lost: {context}");
        }
    }
}
