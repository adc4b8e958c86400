//! Usage on the OpenAI wire.
//!
//! In: disjoint counts. Out: OpenAI's sums with their details: a prompt's count holds what was
//! read from or written to a cache, an answer's count holds the reasoning. Never: a guess.

use crate::api::json::write::Object;
use crate::api::json::{Node, Path};
use crate::llm;

/// Tokens of the prompt, and tokens of the answer.
pub(super) fn sums(usage: &llm::Usage) -> (u64, u64) {
    let prompt = [
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_long,
        usage.input_audio,
        usage.input_image,
    ];
    let completion = [usage.output, usage.reasoning, usage.output_audio, usage.output_image];
    let sum = |counts: &[u64]| counts.iter().copied().fold(0, u64::saturating_add);
    (sum(&prompt), sum(&completion))
}

/// Writes the fields of the usage of what has no answer in tokens.
pub(super) fn write_prompt(object: &mut Object<'_>, usage: &llm::Usage) {
    let (prompt, completion) = sums(usage);
    object.field("prompt_tokens", &prompt);
    object.field("total_tokens", &prompt.saturating_add(completion));
    object.extras(&usage.extra, &["prompt_tokens", "total_tokens"]);
}

/// Writes the fields of the usage of pictures and sound, which OpenAI names in another way; only
/// `details`, the name of the prompt's, differs between the two.
pub(super) fn write_media(object: &mut Object<'_>, usage: &llm::Usage, details: &str) {
    let (input, output) = sums(usage);
    object.field("input_tokens", &input);
    object.field("output_tokens", &output);
    object.field("total_tokens", &input.saturating_add(output));
    let mut inner = object.object(details);
    let text = input
        .saturating_sub(usage.input_audio)
        .saturating_sub(usage.input_image);
    inner.field("text_tokens", &text);
    for (name, count) in [("audio_tokens", usage.input_audio), ("image_tokens", usage.input_image)] {
        if count > 0 {
            inner.field(name, &count);
        }
    }
    inner.end();
    let taken = ["type", "input_tokens", "output_tokens", "total_tokens", details];
    object.extras(&usage.extra, &taken);
}

/// Writes the fields of a usage object.
pub(super) fn write(object: &mut Object<'_>, usage: &llm::Usage) {
    let cache_write = usage.cache_write.saturating_add(usage.cache_write_long);
    let (prompt, completion) = sums(usage);
    object.field("prompt_tokens", &prompt);
    object.field("completion_tokens", &completion);
    object.field("total_tokens", &prompt.saturating_add(completion));
    let prompt_details = [
        ("cached_tokens", usage.cache_read, true),
        ("audio_tokens", usage.input_audio, true),
        ("cache_write_tokens", cache_write, true),
        ("cache_write_long_tokens", usage.cache_write_long, false),
        ("image_tokens", usage.input_image, false),
    ];
    details(object, "prompt_tokens_details", &prompt_details, usage);
    let completion_details = [
        ("reasoning_tokens", usage.reasoning, true),
        ("audio_tokens", usage.output_audio, true),
        ("image_tokens", usage.output_image, false),
    ];
    details(object, "completion_tokens_details", &completion_details, usage);
    let taken = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ];
    object.extras(&usage.extra, &taken);
}

/// Writes one details object: its counts (those not `always` there only above zero), and what the
/// provider's own details of that name hold besides.
fn details(object: &mut Object<'_>, name: &str, counts: &[(&str, u64, bool)], usage: &llm::Usage) {
    let mut inner = object.object(name);
    for (name, count, always) in counts {
        if *always || *count > 0 {
            inner.field(name, count);
        }
    }
    for (_, own) in usage.extra.iter().filter(|(other, _)| other == name) {
        if let Ok(own) = Node::parse(own.as_bytes()).and_then(|node| node.into_object(&Path::ROOT).map(|o| o.rest())) {
            let taken: Vec<&str> = counts.iter().map(|(name, ..)| *name).collect();
            inner.extras(&own, &taken);
        }
    }
    inner.end();
}
