//! A stream adds up to the whole answer, whatever the answer, in whatever pieces and order.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;

use llm_openai_wire::{Asked, Decoder, Profile, response};
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::decode;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

static PROFILE: Profile = Profile::OPENAI;

/// One choice as the provider means it.
#[derive(Debug, Clone)]
struct Meant {
    text: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
    annotations: Vec<u8>,
    calls: Vec<(String, String)>,
    custom: Option<String>,
    sound: Option<Vec<u8>>,
    finish: &'static str,
}

prop_compose! {
    fn meant()(
        text in option::of(".{1,40}"),
        refusal in option::weighted(0.2, ".{1,20}"),
        reasoning in option::weighted(0.3, ".{1,20}"),
        annotations in vec(any::<u8>(), 0..3),
        calls in vec(("[a-z]{1,8}", ".{0,30}"), 0..3),
        custom in option::weighted(0.2, ".{0,20}"),
        sound in option::weighted(0.2, vec(any::<u8>(), 1..30)),
        finish in select(vec!["stop", "length", "tool_calls", "content_filter", "pause"]),
    ) -> Meant {
        // A stream has no place for annotations but the text.
        let annotations = if text.is_some() { annotations } else { Vec::new() };
        Meant { text, refusal, reasoning, annotations, calls, custom, sound, finish }
    }
}

const TRANSCRIPT: &str = "said aloud";

impl Meant {
    fn message(&self) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), json!(self.text));
        message.insert("refusal".into(), json!(self.refusal));
        if let Some(text) = &self.reasoning {
            message.insert("reasoning_content".into(), json!(text));
        }
        if !self.annotations.is_empty() {
            message.insert("annotations".into(), json!(self.annotations));
        }
        let calls = self.calls.iter().enumerate().map(|(i, (name, arguments))| {
            json!({"id": format!("c{i}"), "type": "function", "function": {"name": name, "arguments": arguments}})
        });
        let custom = self
            .custom
            .iter()
            .map(|input| json!({"id": "x", "type": "custom", "custom": {"name": "sql", "input": input}}));
        let calls: Vec<Value> = calls.chain(custom).collect();
        if !calls.is_empty() {
            message.insert("tool_calls".into(), calls.into());
        }
        if let Some(bytes) = &self.sound {
            let sound = json!({"id": "audio_1", "expires_at": 9, "data": base64(bytes), "transcript": TRANSCRIPT});
            message.insert("audio".into(), sound);
        }
        message.into()
    }

    /// The deltas of each kind, in their order. Those of different kinds may come in any order.
    fn lanes(&self, cut: &mut impl FnMut(&str) -> Vec<String>) -> Vec<VecDeque<Value>> {
        let mut lanes = Vec::new();
        let texts = [
            ("content", &self.text),
            ("refusal", &self.refusal),
            ("reasoning_content", &self.reasoning),
        ];
        for (name, text) in texts {
            let pieces = text.iter().flat_map(|text| cut(text));
            lanes.push(pieces.map(|piece| json!({ name: piece })).collect());
        }
        lanes.push(self.annotations.iter().map(|a| json!({"annotations": [a]})).collect());
        // Calls begin in their order; after that their pieces mix.
        let mut begin = VecDeque::new();
        let mut pieces = VecDeque::new();
        for (i, (name, arguments)) in self.calls.iter().enumerate() {
            let function = json!({"name": name, "arguments": ""});
            begin.push_back(json!({"index": i, "id": format!("c{i}"), "type": "function", "function": function}));
            for piece in cut(arguments) {
                pieces.push_back(json!({"index": i, "function": {"arguments": piece}}));
            }
        }
        if let Some(input) = &self.custom {
            let index = self.calls.len();
            begin.push_back(
                json!({"index": index, "id": "x", "type": "custom", "custom": {"name": "sql", "input": ""}}),
            );
            pieces.extend(
                cut(input)
                    .into_iter()
                    .map(|piece| json!({"index": index, "custom": {"input": piece}})),
            );
        }
        begin.extend(pieces);
        lanes.push(begin.into_iter().map(|call| json!({"tool_calls": [call]})).collect());
        if let Some(bytes) = &self.sound {
            let mut lane = VecDeque::from([json!({"audio": {"id": "audio_1"}}), json!({"audio": {"expires_at": 9}})]);
            // Each piece is base64 of its own, as OpenAI sends it.
            lane.extend(bytes.chunks(7).map(|chunk| json!({"audio": {"data": base64(chunk)}})));
            lane.extend(
                cut(TRANSCRIPT)
                    .into_iter()
                    .map(|piece| json!({"audio": {"transcript": piece}})),
            );
            lanes.push(lane);
        }
        lanes
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| -> String {
        let bits = (0..3).fold(0_usize, |bits, i| {
            bits << 8 | chunk.get(i).map_or(0, |b| usize::from(*b))
        });
        let digit = |i: usize| {
            if i <= chunk.len() {
                char::from(DIGITS[bits >> (18 - 6 * i) & 63])
            } else {
                '='
            }
        };
        (0..4).map(digit).collect()
    };
    bytes.chunks(3).map(group).collect()
}

fn head() -> Map<String, Value> {
    let head = json!({"id": "c1", "created": 5, "model": "m-1", "system_fingerprint": "fp"});
    head.as_object().unwrap().clone()
}

fn chunk(choices: Value) -> Value {
    let mut chunk = head();
    chunk.insert("choices".into(), choices);
    chunk.insert("usage".into(), Value::Null);
    chunk.into()
}

fn usage() -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": 8, "completion_tokens_details": {"reasoning_tokens": 3}})
}

/// Texts are cut and lanes mixed by numbers from this list, over and over.
fn stream(choices: &[Meant], numbers: &[u8]) -> String {
    let mut numbers = numbers.iter().copied().map(usize::from).cycle();
    let mut next = move |below: usize| numbers.next().unwrap_or(0) % below.max(1);
    let mut lanes: Vec<(usize, VecDeque<Value>)> = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let mut cut = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            chars.chunks(1 + next(5)).map(|piece| piece.iter().collect()).collect()
        };
        lanes.extend(choice.lanes(&mut cut).into_iter().map(|lane| (index, lane)));
    }
    let first = json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null});
    let mut chunks = vec![chunk(json!([first]))];
    loop {
        lanes.retain(|(_, lane)| !lane.is_empty());
        if lanes.is_empty() {
            break;
        }
        let at = next(lanes.len());
        let (index, delta) = (lanes[at].0, lanes[at].1.pop_front().unwrap());
        chunks.push(chunk(
            json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": null}]),
        ));
    }
    for (index, choice) in choices.iter().enumerate() {
        chunks.push(chunk(
            json!([{"index": index, "delta": {}, "finish_reason": choice.finish}]),
        ));
    }
    let mut last = head();
    last.extend([("choices".to_owned(), json!([])), ("usage".to_owned(), usage())]);
    chunks.push(last.into());
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events + "data: [DONE]\n\n"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_adds_up_to_the_whole_answer(
        choices in vec(meant(), 1..3),
        numbers in vec(any::<u8>(), 1..40),
        size in 1_usize..200,
    ) {
        let mut whole = head();
        let list = choices.iter().enumerate().map(|(index, choice)| {
            json!({"index": index, "message": choice.message(), "logprobs": null, "finish_reason": choice.finish})
        });
        whole.insert("choices".into(), list.collect());
        whole.insert("usage".into(), usage());
        let asked = Asked { sound_type: "audio/wav".into(), ..Asked::default() };
        let whole = response::decode(Value::Object(whole).to_string().as_bytes(), asked.clone(), &PROFILE).unwrap();

        // A choice that says nothing leaves no trace in a stream but its end.
        let body = stream(&choices, &numbers);
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        let events = decode(Decoder::new(&PROFILE, asked), &pieces, Ok(()));
        prop_assert_eq!(fold(events).unwrap(), whole);
    }
}
