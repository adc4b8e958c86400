//! The forms of InvokeModel, family by family.
//!
//! In: answers in each family's own form, with texts, ends and counts that are drawn. Out: that each is
//! read, whole and streamed, and says what it said; and that what a broken stream used is still told.
//! Never: a form that no model of the family answers in.
//!
//! Source of the forms: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::framer::event_stream::encode;
use llm_provider_sdk::testing::Reply;
use llm_provider_sdk::types::{ChatEvent, ErrorKind};
use serde_json::{Value, json};

use crate::draw::Draw;
use crate::{said, streamed, whole};

const CASES: u64 = 60;

/// What is said in one answer.
struct Said {
    text: String,
    /// Pieces of the text in a stream.
    pieces: Vec<String>,
    /// Whether it ended because it was long enough.
    long: bool,
    input: u64,
    output: u64,
}

/// One family's forms.
struct Family {
    model: &'static str,
    whole: fn(&Said) -> Value,
    /// `None` where the family does not stream.
    chunks: Option<fn(&Said) -> Vec<Value>>,
    /// Whether a first chunk tells what the prompt took.
    tells_at_once: bool,
}

fn word<'w>(said: &Said, stop: &'w str, long: &'w str) -> &'w str {
    if said.long { long } else { stop }
}

/// What Bedrock adds to the last chunk of every stream.
fn metered(mut last: Value, said: &Said) -> Value {
    last["amazon-bedrock-invocationMetrics"] = json!({"inputTokenCount": said.input, "outputTokenCount": said.output,
        "invocationLatency": 900, "firstByteLatency": 200});
    last
}

/// Chunks of the OpenAI form; `delta` is where a chunk holds its piece.
fn openai_chunks(said: &Said, delta: &str, end: &str, ends: (&str, &str), counts: bool) -> Vec<Value> {
    let chunk = |choice: Value| json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
    let mut out: Vec<Value> = Vec::new();
    for piece in &said.pieces {
        out.push(chunk(
            json!({"index": 0, delta: {"role": "assistant", "content": piece}, end: null}),
        ));
    }
    let last = chunk(json!({"index": 0, delta: {"content": ""}, end: word(said, ends.0, ends.1)}));
    if counts {
        out.push(last);
        let usage = json!({"prompt_tokens": said.input, "completion_tokens": said.output, "total_tokens": said.input + said.output});
        out.push(metered(json!({"id": "c1", "choices": [], "usage": usage}), said));
    } else {
        out.push(metered(last, said));
    }
    out
}

fn openai_whole(said: &Said, end: &str, ends: (&str, &str), counts: bool) -> Value {
    let message = json!({"role": "assistant", "content": said.text, "tool_calls": null});
    let mut out = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, end: word(said, ends.0, ends.1)}]});
    if counts {
        out["usage"] = json!({"prompt_tokens": said.input, "completion_tokens": said.output, "total_tokens": said.input + said.output});
    }
    out
}

fn claude_chunks(said: &Said) -> Vec<Value> {
    let mut out = vec![
        json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "model": "claude",
            "content": [], "stop_reason": null, "usage": {"input_tokens": said.input, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    for piece in &said.pieces {
        out.push(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}));
    }
    out.push(json!({"type": "content_block_stop", "index": 0}));
    out.push(json!({"type": "message_delta", "delta": {"stop_reason": word(said, "end_turn", "max_tokens")}, "usage": {"output_tokens": said.output}}));
    out.push(metered(json!({"type": "message_stop"}), said));
    out
}

fn nova_chunks(said: &Said) -> Vec<Value> {
    let mut out = vec![json!({"messageStart": {"role": "assistant"}})];
    for piece in &said.pieces {
        out.push(json!({"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}}));
    }
    out.push(json!({"contentBlockStop": {"contentBlockIndex": 0}}));
    out.push(json!({"messageStop": {"stopReason": word(said, "end_turn", "max_tokens")}}));
    let usage = json!({"inputTokens": said.input, "outputTokens": said.output});
    out.push(metered(
        json!({"metadata": {"usage": usage, "metrics": {}, "trace": {}}}),
        said,
    ));
    out
}

fn titan_chunks(said: &Said) -> Vec<Value> {
    let last = said.pieces.len() - 1;
    let chunk = |(at, piece): (usize, &String)| {
        let is_last = at == last;
        let chunk = json!({"index": at, "outputText": piece, "inputTextTokenCount": said.input,
            "totalOutputTextTokenCount": is_last.then_some(said.output),
            "completionReason": is_last.then(|| word(said, "FINISH", "LENGTH"))});
        if is_last { metered(chunk, said) } else { chunk }
    };
    said.pieces.iter().enumerate().map(chunk).collect()
}

fn llama_chunks(said: &Said) -> Vec<Value> {
    let chunk = |(at, piece): (usize, &String)| json!({"generation": piece, "prompt_token_count": (at == 0).then_some(said.input), "generation_token_count": at + 1, "stop_reason": null});
    let mut out: Vec<Value> = said.pieces.iter().enumerate().map(chunk).collect();
    let last = json!({"generation": "", "prompt_token_count": null, "generation_token_count": said.output,
        "stop_reason": word(said, "stop", "length")});
    out.push(metered(last, said));
    out
}

fn command_chunks(said: &Said) -> Vec<Value> {
    let pieces = said.pieces.iter();
    let mut out: Vec<Value> = pieces
        .map(|piece| json!({"text": piece, "is_finished": false}))
        .collect();
    let last = json!({"is_finished": true, "finish_reason": word(said, "COMPLETE", "MAX_TOKENS")});
    out.push(metered(last, said));
    out
}

fn command_r_chunks(said: &Said) -> Vec<Value> {
    let piece = |piece: &String| json!({"is_finished": false, "event_type": "text-generation", "text": piece});
    let mut out: Vec<Value> = said.pieces.iter().map(piece).collect();
    let whole = json!({"response_id": "r", "text": said.text, "generation_id": "g", "chat_history": [],
        "finish_reason": word(said, "COMPLETE", "MAX_TOKENS")});
    let last = json!({"is_finished": true, "event_type": "stream-end", "response": whole,
        "finish_reason": word(said, "COMPLETE", "MAX_TOKENS")});
    out.push(metered(last, said));
    out
}

fn mistral_chunks(said: &Said) -> Vec<Value> {
    let pieces = said.pieces.iter();
    let mut out: Vec<Value> = pieces
        .map(|piece| json!({"outputs": [{"text": piece, "stop_reason": null}]}))
        .collect();
    let last = json!({"outputs": [{"text": "", "stop_reason": word(said, "stop", "length")}]});
    out.push(metered(last, said));
    out
}

fn deepseek_chunks(said: &Said) -> Vec<Value> {
    let pieces = said.pieces.iter();
    let mut out: Vec<Value> = pieces
        .map(|piece| json!({"choices": [{"index": 0, "text": piece, "stop_reason": null}]}))
        .collect();
    let last = json!({"choices": [{"index": 0, "text": "", "stop_reason": word(said, "stop", "length")}]});
    out.push(metered(last, said));
    out
}

const OPENAI: (&str, &str) = ("stop", "length");

fn families() -> Vec<Family> {
    let openai = |model| Family {
        model,
        whole: |said| openai_whole(said, "finish_reason", OPENAI, true),
        chunks: Some(|said| openai_chunks(said, "delta", "finish_reason", OPENAI, true)),
        tells_at_once: false,
    };
    let mut all: Vec<Family> = [
        "openai.gpt-oss-120b-1:0",
        "us.writer.palmyra-x5-v1:0",
        "qwen.qwen3-32b-v1:0",
        "deepseek.v3-v1:0",
        "us.mistral.pixtral-large-2502-v1:0",
        "moonshot.kimi-k2-thinking",
    ]
    .map(openai)
    .into();
    all.extend([
        Family {
            model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            whole: |said| {
                json!({"id": "m1", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": said.text}],
                    "stop_reason": word(said, "end_turn", "max_tokens"), "usage": {"input_tokens": said.input, "output_tokens": said.output}})
            },
            chunks: Some(claude_chunks),
            tells_at_once: true,
        },
        Family {
            model: "us.amazon.nova-lite-v1:0",
            whole: |said| {
                json!({"output": {"message": {"content": [{"text": said.text}], "role": "assistant"}},
                    "stopReason": word(said, "end_turn", "max_tokens"), "usage": {"inputTokens": said.input, "outputTokens": said.output}})
            },
            chunks: Some(nova_chunks),
            tells_at_once: false,
        },
        Family {
            model: "amazon.titan-text-premier-v1:0",
            whole: |said| {
                json!({"inputTextTokenCount": said.input, "results": [{"tokenCount": said.output, "outputText": said.text,
                    "completionReason": word(said, "FINISH", "LENGTH")}]})
            },
            chunks: Some(titan_chunks),
            tells_at_once: true,
        },
        Family {
            model: "us.meta.llama4-maverick-17b-instruct-v1:0",
            whole: |said| {
                json!({"generation": said.text, "prompt_token_count": said.input, "generation_token_count": said.output,
                    "stop_reason": word(said, "stop", "length")})
            },
            chunks: Some(llama_chunks),
            tells_at_once: true,
        },
        Family {
            model: "cohere.command-text-v14",
            whole: |said| {
                json!({"id": "a", "prompt": "p", "generations": [{"id": "b", "text": said.text, "finish_reason": word(said, "COMPLETE", "MAX_TOKENS")}]})
            },
            chunks: Some(command_chunks),
            tells_at_once: false,
        },
        Family {
            model: "cohere.command-r-plus-v1:0",
            whole: |said| {
                json!({"response_id": "r", "text": said.text, "generation_id": "g", "chat_history": [{"role": "USER", "message": "Hello"}],
                    "finish_reason": word(said, "COMPLETE", "MAX_TOKENS")})
            },
            chunks: Some(command_r_chunks),
            tells_at_once: false,
        },
        Family {
            model: "ai21.j2-ultra-v1",
            whole: |said| {
                let tokens = |count: u64| (0..count % 50).map(|_| json!({})).collect::<Value>();
                json!({"id": 1, "prompt": {"text": "Hello", "tokens": tokens(said.input)},
                    "completions": [{"data": {"text": said.text, "tokens": tokens(said.output)}, "finishReason": {"reason": word(said, "endoftext", "length")}}]})
            },
            chunks: None,
            tells_at_once: false,
        },
        Family {
            model: "ai21.jamba-1-5-large-v1:0",
            whole: |said| openai_whole(said, "finish_reason", OPENAI, true),
            chunks: Some(|said| {
                let mut all = openai_chunks(said, "delta", "finish_reason", OPENAI, false);
                let last = all.pop().unwrap();
                let metrics = last["amazon-bedrock-invocationMetrics"].clone();
                let mut bare = last;
                bare.as_object_mut().unwrap().shift_remove("amazon-bedrock-invocationMetrics");
                // The last frame has no choices.
                all.extend([bare, json!({ "amazon-bedrock-invocationMetrics": metrics })]);
                all
            }),
            tells_at_once: false,
        },
        Family {
            model: "mistral.mixtral-8x7b-instruct-v0:1",
            whole: |said| json!({"outputs": [{"text": said.text, "stop_reason": word(said, "stop", "length")}]}),
            chunks: Some(mistral_chunks),
            tells_at_once: false,
        },
        Family {
            model: "mistral.mistral-large-2407-v1:0",
            whole: |said| openai_whole(said, "stop_reason", OPENAI, false),
            chunks: Some(|said| openai_chunks(said, "message", "stop_reason", OPENAI, false)),
            tells_at_once: false,
        },
        Family {
            model: "us.deepseek.r1-v1:0",
            whole: |said| json!({"choices": [{"index": 0, "text": said.text, "stop_reason": word(said, "stop", "length")}]}),
            chunks: Some(deepseek_chunks),
            tells_at_once: false,
        },
    ]);
    all
}

fn drawn(case: u64) -> (Draw, Said) {
    let mut draw = Draw(case);
    let text = draw.text();
    let pieces = draw.pieces(&text);
    let said = Said {
        pieces,
        long: draw.once_in(3),
        input: 1 + draw.below(40),
        output: 1 + draw.below(40),
        text,
    };
    (draw, said)
}

fn expected(said: &Said) -> Value {
    json!({"text": said.text, "thought": "", "calls": [], "others": 0,
        "end": if said.long { "Length" } else { "Stop" }, "usage": [said.input, said.output]})
}

fn frame(chunk: &Value, draw: &mut Draw) -> Vec<u8> {
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    let payload = json!({"bytes": STANDARD.encode(chunk.to_string()), "p": draw.word()});
    encode(&headers, payload.to_string().as_bytes())
}

fn stream(bytes: Vec<u8>) -> Reply {
    Reply::new(200, bytes)
        .header("content-type", "application/vnd.amazon.eventstream")
        .in_pieces_of(57)
}

#[test]
fn every_familys_whole_answer_is_read() {
    for family in families() {
        for case in 0..CASES {
            let (_, told) = drawn(case);
            let body = (family.whole)(&told);
            let reply = Reply::json(200, body.to_string())
                .header("x-amzn-bedrock-input-token-count", told.input.to_string())
                .header("x-amzn-bedrock-output-token-count", told.output.to_string());
            let got = whole(family.model, "invoke", reply);
            let got = got.unwrap_or_else(|error| panic!("{} {case}: {error:?}\n{body}", family.model));
            assert_eq!(said(&got), expected(&told), "{} {case}: {body}", family.model);
        }
    }
}

#[test]
fn every_familys_stream_is_read() {
    for family in families() {
        let Some(chunks) = family.chunks else { continue };
        for case in 0..CASES {
            let (mut draw, told) = drawn(case);
            let chunks = chunks(&told);
            let bytes = chunks.iter().flat_map(|chunk| frame(chunk, &mut draw)).collect();
            let got = streamed(family.model, "invoke", stream(bytes)).and_then(fold);
            let got = got.unwrap_or_else(|error| panic!("{} {case}: {error:?}\n{chunks:?}", family.model));
            assert_eq!(said(&got), expected(&told), "{} {case}: {chunks:?}", family.model);
        }
    }
}

#[test]
fn what_a_broken_stream_used_is_told_before_its_error() {
    for family in families() {
        let Some(chunks) = family.chunks.filter(|_| family.tells_at_once) else {
            continue;
        };
        let (mut draw, mut told) = drawn(7);
        told.pieces = ["Half", " an", " answer"].map(str::to_owned).into();
        let first: Vec<u8> = chunks(&told)[..2]
            .iter()
            .flat_map(|chunk| frame(chunk, &mut draw))
            .collect();
        let headers = [
            (":message-type", "exception"),
            (":exception-type", "modelStreamErrorException"),
        ];
        let exception = encode(&headers, br#"{"message":"broke","originalStatusCode":500}"#);
        let mut damaged = exception.clone();
        damaged[30] ^= 1;
        let cases = [
            (exception.clone(), ErrorKind::Upstream),
            (damaged, ErrorKind::Upstream),
            (exception[..20].to_vec(), ErrorKind::StreamTruncated),
            (Vec::new(), ErrorKind::StreamTruncated),
        ];
        for (rest, kind) in cases {
            let bytes = [first.clone(), rest].concat();
            let events = streamed(family.model, "invoke", stream(bytes)).unwrap();
            let Some(ChatEvent::Error(error)) = events.last() else {
                panic!("{}: {events:?}", family.model);
            };
            assert_eq!(error.kind, kind, "{}", family.model);
            let usage = events.iter().rev().find_map(|event| match event {
                ChatEvent::Usage(usage) => Some(usage.input),
                _ => None,
            });
            assert_eq!(usage, Some(told.input), "{}: {events:?}", family.model);
            let ends = events.iter().filter(|event| event.is_last()).count();
            assert_eq!(ends, 1, "{}: {events:?}", family.model);
        }
    }
}
