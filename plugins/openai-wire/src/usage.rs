//! The provider's counts of tokens, sorted into buckets that do not overlap.
//!
//! In: `usage`. Out: a [`Usage`] whose prompt buckets add up to `prompt_tokens` and whose answer
//! buckets add up to the tokens of the answer. Never: a count that the provider did not give; a
//! detail that is larger than the sum it belongs to is cut to it.

use llm_provider_sdk::types::Usage;
use serde_json::value::RawValue;

use crate::profile::{Profile, ReasoningTokens};
use crate::wire::{Fields, object, read};

/// Takes parts off a sum, never more than is left of it.
struct Rest(u64);

impl Rest {
    fn take(&mut self, part: Option<u64>) -> u64 {
        let part = part.unwrap_or_default().min(self.0);
        self.0 -= part;
        part
    }
}

/// Reads `usage`; nothing when it is not an object or counts nothing.
///
/// `prompt_tokens` includes cached, written, audio and image tokens; `completion_tokens` includes
/// audio tokens and, by [`ReasoningTokens`], reasoning (OpenAI: `CompletionUsage`). Responses, pictures
/// and transcripts say `input_tokens` and `output_tokens` for the same.
pub(crate) fn usage(raw: &RawValue, profile: &Profile) -> Option<Usage> {
    let mut fields: Fields<'_> = read(raw)?;
    let prompt = ["prompt_tokens", "input_tokens"]
        .iter()
        .find_map(|name| fields.take_count(name));
    let completion = ["completion_tokens", "output_tokens"]
        .iter()
        .find_map(|name| fields.take_count(name));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let total = fields.take_count("total_tokens");
    let (prompt_name, mut prompt_details) = details(&mut fields, &PROMPT_DETAILS);
    let (answer_name, mut answer_details) = details(&mut fields, &ANSWER_DETAILS);
    // DeepSeek's and Moonshot's names, which stand beside or instead of the details.
    let beside = ["prompt_cache_hit_tokens", "cached_tokens"].map(|name| fields.take_count(name));
    let cached = prompt_details
        .take_count("cached_tokens")
        .or_else(|| beside.into_iter().flatten().next());

    let mut rest = Rest(prompt.unwrap_or_default());
    let cache_read = rest.take(cached);
    let cache_write = rest.take(prompt_details.take_count("cache_write_tokens"));
    let input_audio = rest.take(prompt_details.take_count("audio_tokens"));
    let input_image = rest.take(prompt_details.take_count("image_tokens"));
    let input = rest.0;

    let thought = answer_details.take_count("reasoning_tokens");
    let mut rest = Rest(completion.unwrap_or_default());
    let thought_tokens = thought.unwrap_or_default();
    let both = prompt.unwrap_or_default().saturating_add(rest.0);
    // Whoever counts them apart shows it by the total (xAI).
    let adds_up = thought_tokens > 0 && total == both.checked_add(thought_tokens);
    let reasoning = match profile.reasoning_tokens {
        ReasoningTokens::Included if !adds_up => rest.take(thought),
        _ => thought_tokens,
    };
    let output_audio = rest.take(answer_details.take_count("audio_tokens"));
    let output_image = rest.take(answer_details.take_count("image_tokens"));
    let output = rest.0;

    let mut extra = fields.into_extras();
    for (name, details) in [(prompt_name, prompt_details), (answer_name, answer_details)] {
        // `text_tokens` has no bucket: it counts what is in the others once more.
        let left = details.into_extras();
        if !left.is_empty() {
            extra.push((name.to_owned(), object(&left)));
        }
    }
    Some(Usage {
        input,
        cache_read,
        cache_write,
        cache_write_long: 0,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        extra,
    })
}

const PROMPT_DETAILS: [&str; 3] = ["prompt_tokens_details", "input_tokens_details", "input_token_details"];
const ANSWER_DETAILS: [&str; 2] = ["completion_tokens_details", "output_tokens_details"];

/// The details of a sum, under the name by which the provider has them.
fn details<'a>(fields: &mut Fields<'a>, names: &[&'static str]) -> (&'static str, Fields<'a>) {
    let known = names.iter().find_map(|name| Some((*name, fields.take_object(name)?)));
    known.unwrap_or_else(|| (names.first().copied().unwrap_or_default(), Fields::default()))
}

/// Reads the `usage` of pictures, whose answer tokens are those of pictures where it does not say
/// otherwise (OpenAI: `ImageGenUsage`).
pub(crate) fn of_images(raw: &RawValue, profile: &Profile) -> Option<Usage> {
    let mut usage = usage(raw, profile)?;
    let told = |name: &str| read::<Fields<'_>>(raw).is_some_and(|fields| fields.has(name));
    if !ANSWER_DETAILS.iter().any(|name| told(name)) {
        usage.output_image += std::mem::take(&mut usage.output);
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(json: &str, profile: &Profile) -> Usage {
        usage(serde_json::from_str(json).unwrap(), profile).unwrap()
    }

    fn prompt(u: &Usage) -> u64 {
        u.input + u.cache_read + u.cache_write + u.input_audio + u.input_image
    }

    fn answer(u: &Usage) -> u64 {
        u.output + u.reasoning + u.output_audio + u.output_image
    }

    #[test]
    fn buckets_do_not_overlap() {
        let u = count(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":40,"audio_tokens":20,"image_tokens":10,"cache_write_tokens":5,"text_tokens":70},
                "completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":4,"accepted_prediction_tokens":2,"rejected_prediction_tokens":1}}"#,
            &Profile::OPENAI,
        );
        assert_eq!((u.input, u.cache_read, u.cache_write), (25, 40, 5));
        assert_eq!((u.input_audio, u.input_image), (20, 10));
        assert_eq!((u.output, u.reasoning, u.output_audio), (16, 30, 4));
        assert_eq!((prompt(&u), answer(&u)), (100, 50));
        assert_eq!(
            u.extra,
            [
                ("prompt_tokens_details".to_owned(), r#"{"text_tokens":70}"#.to_owned()),
                (
                    "completion_tokens_details".to_owned(),
                    r#"{"accepted_prediction_tokens":2,"rejected_prediction_tokens":1}"#.to_owned()
                )
            ]
        );
    }

    #[test]
    fn other_operations_have_other_names() {
        let sound = r#"{"type":"tokens","total_tokens":31,"input_tokens":25,"input_token_details":{"text_tokens":4,"audio_tokens":21},"output_tokens":6}"#;
        let u = count(sound, &Profile::OPENAI);
        assert_eq!((u.input, u.input_audio, u.output), (4, 21, 6));
        assert_eq!(u.extra.last().unwrap().0, "input_token_details");
        for (json, image, text) in [
            (
                r#"{"input_tokens":10,"output_tokens":100,"input_tokens_details":{"image_tokens":4,"text_tokens":6}}"#,
                100,
                0,
            ),
            (
                r#"{"input_tokens":10,"output_tokens":100,"input_tokens_details":{"image_tokens":4},"output_tokens_details":{"image_tokens":90,"text_tokens":10}}"#,
                90,
                10,
            ),
        ] {
            let u = of_images(serde_json::from_str(json).unwrap(), &Profile::OPENAI).unwrap();
            assert_eq!((u.input, u.input_image, u.output_image, u.output), (6, 4, image, text));
        }
        assert!(
            usage(
                serde_json::from_str(r#"{"type":"duration","seconds":3}"#).unwrap(),
                &Profile::OPENAI
            )
            .is_none()
        );
    }

    #[test]
    fn details_never_exceed_their_sum() {
        let u = count(
            r#"{"prompt_tokens":10,"completion_tokens":10,
                "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":8},
                "completion_tokens_details":{"reasoning_tokens":11}}"#,
            &Profile::OPENAI,
        );
        assert_eq!((u.input, u.cache_read, u.input_audio), (0, 8, 2));
        assert_eq!((u.output, u.reasoning), (0, 10));
    }

    #[test]
    fn reasoning_may_come_on_top() {
        let apart = Profile {
            reasoning_tokens: ReasoningTokens::Apart,
            ..Profile::COMPATIBLE
        };
        let u = count(
            r#"{"prompt_tokens":1,"completion_tokens":44,"completion_tokens_details":{"reasoning_tokens":257}}"#,
            &apart,
        );
        assert_eq!((u.output, u.reasoning), (44, 257));
        // The total tells it, whatever the profile says.
        let told = r#"{"prompt_tokens":32,"completion_tokens":44,"total_tokens":333,"completion_tokens_details":{"reasoning_tokens":257}}"#;
        let u = count(told, &Profile::OPENAI);
        assert_eq!((u.output, u.reasoning), (44, 257));
        let u = count(&told.replace("333", "76").replace("257", "30"), &Profile::OPENAI);
        assert_eq!((u.output, u.reasoning), (14, 30));
    }

    #[test]
    fn counts_may_stand_elsewhere_or_be_floats_or_null() {
        let u = count(
            r#"{"prompt_tokens":434.0,"completion_tokens":5,"prompt_cache_hit_tokens":384,"prompt_tokens_details":null,"queue_time":0.5}"#,
            &Profile::COMPATIBLE,
        );
        assert_eq!((u.input, u.cache_read, u.output), (50, 384, 5));
        assert_eq!(u.extra, [("queue_time".to_owned(), "0.5".to_owned())]);
        for nothing in ["null", "{}", "[]", r#"{"total_tokens":3}"#] {
            assert!(usage(serde_json::from_str(nothing).unwrap(), &Profile::OPENAI).is_none());
        }
    }
}
