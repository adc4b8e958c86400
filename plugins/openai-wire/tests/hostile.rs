//! Whatever a provider sends, a stream stays well-formed: it ends, and it never breaks the protocol.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use llm_openai_wire::{Asked, Decoder, Profile, error, models, response};
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::decode;
use llm_provider_sdk::types::{ChatEvent, ErrorKind};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

static OPENAI: Profile = Profile::OPENAI;
static COMPATIBLE: Profile = Profile::COMPATIBLE;

/// Chunks with every member that is read.
fn templates() -> Vec<Value> {
    let chunk = |delta: Value| {
        json!({"id": "c", "created": 1, "model": "m", "service_tier": "x", "usage": null,
            "choices": [{"index": 0, "delta": delta, "logprobs": {"content": [{"token": "a"}], "refusal": null}, "finish_reason": null}]})
    };
    vec![
        chunk(json!({"role": "assistant", "content": "text", "refusal": "no", "annotations": [1]})),
        chunk(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}),
        ),
        chunk(
            json!({"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": "s", "format": "f", "index": 0}, {"type": "reasoning.encrypted", "data": "d", "index": 1}]}),
        ),
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}, {"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": "i"}}]}),
        ),
        chunk(
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}, "provider_state": {"format": "f", "data": "d"}}], "function_call": {"name": "f", "arguments": "x"}}),
        ),
        chunk(
            json!({"audio": {"id": "a", "data": "AAAA", "transcript": "t", "expires_at": 1}, "images": [{"type": "image_url", "image_url": {"url": "https://x/"}}]}),
        ),
        chunk(
            json!({"provider_parts": [{"index": 0, "kind": "k", "value": {}}], "provider_state": {"format": "f", "data": "d"}}),
        ),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        json!({"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1}}}),
        json!({"error": {"message": "m", "type": "t", "code": "c", "param": "p", "status_code": 500}}),
    ]
}

fn odd(which: u8) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("odd"),
        json!([]),
        json!([null, 1, "x", {}]),
        json!({}),
        json!({"index": "x", "type": 7}),
    ];
    values[usize::from(which) % values.len()].clone()
}

/// Replaces the n-th value of a tree, counted from the outside.
fn replace(value: &mut Value, n: &mut usize, by: &Value) -> bool {
    if *n == 0 {
        *value = by.clone();
        return true;
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, n, by)),
        Value::Object(members) => members.values_mut().any(|member| replace(member, n, by)),
        _ => false,
    }
}

fn check(body: &[u8], size: usize, profile: &'static Profile) -> Result<(), TestCaseError> {
    let events = |pieces: &[&[u8]]| decode(Decoder::new(profile, Asked::default()), pieces, Ok(()));
    let whole = events(&[body]);
    let pieces: Vec<&[u8]> = body.chunks(size).collect();
    prop_assert_eq!(&events(&pieces), &whole);
    prop_assert!(matches!(whole.last(), Some(ChatEvent::Done | ChatEvent::Error(_))));
    let ends = whole.iter().filter(|event| event.is_last()).count();
    prop_assert_eq!(ends, 1);
    if let Err(error) = fold(whole) {
        prop_assert_ne!(error.kind, ErrorKind::Internal, "{:?}", error);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_with_odd_members(
        picks in vec((any::<prop::sample::Index>(), 0_usize..40, any::<u8>(), any::<bool>()), 1..12),
        size in 1_usize..64,
        compatible in any::<bool>(),
    ) {
        let templates = templates();
        let mut body = String::new();
        for (which, mut at, value, is_odd) in picks {
            let mut chunk = which.get(&templates).clone();
            if is_odd {
                replace(&mut chunk, &mut at, &odd(value));
            }
            body += &format!("data: {chunk}\n\n");
        }
        body += "data: [DONE]\n\n";
        check(body.as_bytes(), size, if compatible { &COMPATIBLE } else { &OPENAI })?;
    }

    #[test]
    fn any_bytes(bytes in vec(prop_oneof![any::<u8>(), proptest::sample::select(b"data: {}[]\",:\n\r".to_vec())], 0..300), size in 1_usize..64) {
        check(&bytes, size, &OPENAI)?;
        let _ = response::decode(&bytes, Asked::default(), &OPENAI);
        let _ = models::decode(&bytes, &OPENAI);
        let error = error::from_status(500, &[], &bytes, &OPENAI);
        prop_assert!(!error.message.is_empty());
    }

    #[test]
    fn whole_answers_with_odd_members(which in any::<prop::sample::Index>(), at in 0_usize..40, value in any::<u8>()) {
        let templates = templates();
        let mut chunk = which.get(&templates).clone();
        replace(&mut chunk, &mut { at }, &odd(value));
        let _ = response::decode(chunk.to_string().as_bytes(), Asked::default(), &COMPATIBLE);
        let error = error::from_status(400, &[], chunk.to_string().as_bytes(), &COMPATIBLE);
        prop_assert!(!error.message.is_empty());
    }
}
