//! A whole answer.
//!
//! In: the body of a successful `POST /chat/completions`. Out: a [`ChatResponse`]. Never: an answer
//! made up where there is none: without choices it is an error.

use llm_provider_sdk::types::{
    ChatResponse, Choice, Error, Extras, FinishReason, Media, MediaSource, Message, Part, PartContent, Reasoning, Role,
    ToolCall, Usage,
};
use serde_json::value::RawValue;

use crate::profile::Profile;
use crate::request::Asked;
use crate::wire::answer::{Answer, Call, Sound, Thought, answer, continuation};
use crate::wire::media::Base64Pieces;
use crate::wire::{Fields, is_empty, json_string, object, read};
use crate::{error, usage};

/// Decodes an answer.
///
/// # Errors
/// The provider's own error where the body holds one; kind `upstream` when it is no answer.
pub fn decode(body: &[u8], asked: Asked, profile: &Profile) -> Result<ChatResponse, Error> {
    let fault = |what: &str| {
        let raw = json_string(&String::from_utf8_lossy(body.get(..4096).unwrap_or(body)));
        Error::upstream(format!("{} answered with {what}", profile.name)).with_raw(raw)
    };
    let text = std::str::from_utf8(body).map_err(|_| fault("bytes that are not text"))?;
    let mut fields = Fields::parse(text).map_err(|_| fault("something that is not a JSON object"))?;
    if error::is_error(&fields) {
        return Err(error::inside(&fields, text, profile));
    }
    let id = fields.take_text("id").unwrap_or_default();
    let choices: Vec<Choice> = fields
        .take_list("choices")
        .into_iter()
        .enumerate()
        .filter_map(|(at, raw)| choice(raw, at, &id, &asked, profile))
        .collect();
    if choices.is_empty() {
        return Err(fault("no choices"));
    }
    fields.take("object");
    let usage = fields.take("usage").and_then(|raw| usage::usage(raw, profile));
    Ok(ChatResponse {
        id,
        model: fields.take_text("model").unwrap_or_default(),
        created: created(&mut fields),
        choices,
        usage: usage.or_else(|| usage_inside(&fields, profile)),
        dropped: asked.dropped,
        extra: fields.into_extras(),
    })
}

/// When an answer was made; providers that do not know it write 0.
pub(crate) fn created(fields: &mut Fields<'_>) -> Option<u64> {
    fields.take_count("created").filter(|at| *at > 0)
}

/// The usage that stands in one of the provider's own members.
pub(crate) fn usage_inside(fields: &Fields<'_>, profile: &Profile) -> Option<Usage> {
    profile.usage_inside.iter().find_map(|name| {
        let mut inner: Fields<'_> = read(fields.get(name)?)?;
        usage::usage(inner.take("usage")?, profile)
    })
}

fn choice(raw: &RawValue, at: usize, id: &str, asked: &Asked, profile: &Profile) -> Option<Choice> {
    let mut fields: Fields<'_> = read(raw)?;
    let index = index(&mut fields).unwrap_or_else(|| u32::try_from(at).unwrap_or(u32::MAX));
    let message = fields.take_object("message");
    // Perplexity repeats the message as an empty delta.
    let delta = fields.take_object("delta");
    let answer = match message.or(delta) {
        Some(message) => answer(message, profile),
        // Azure leaves the message out of an answer that its filter held back as a whole.
        None => continuation(&mut fields).or_else(|| fields.has("finish_reason").then(Answer::default))?,
    };
    let word = fields.take_text("finish_reason").unwrap_or_default();
    let calls = !answer.calls.is_empty();
    let message = message_of(answer, &format!("{id}_{index}"), &asked.sound_type, profile.id);
    let own = own_word(&mut fields);
    let (finish, finish_detail) = finish(&word, own, calls);
    Some(Choice {
        index,
        message,
        finish,
        finish_detail,
        logprobs: Some(logprobs(&mut fields))
            .filter(|lists| !lists.is_empty())
            .map(|lists| object(&lists)),
        extra: fields.into_extras(),
    })
}

/// `index` of a choice.
pub(crate) fn index(fields: &mut Fields<'_>) -> Option<u32> {
    u32::try_from(fields.take_count("index")?).ok()
}

/// The lists in a choice's `logprobs`; none where they say nothing.
pub(crate) fn logprobs(fields: &mut Fields<'_>) -> Extras {
    let lists = fields
        .take_object("logprobs")
        .map(Fields::into_extras)
        .unwrap_or_default();
    if lists.iter().all(|(_, json)| is_empty(json)) {
        Extras::new()
    } else {
        lists
    }
}

/// What a gateway has from the provider behind it, beside the word that it makes of that (OpenRouter).
pub(crate) fn own_word(fields: &mut Fields<'_>) -> Option<String> {
    fields.take_some_text("native_finish_reason")
}

/// Why an answer ended, and the provider's own word where it says more.
pub(crate) fn finish(word: &str, own: Option<String>, calls: bool) -> (FinishReason, Option<String>) {
    let (reason, detail) = of_word(word, calls);
    (reason, own.filter(|own| own != word).or(detail))
}

fn of_word(word: &str, calls: bool) -> (FinishReason, Option<String>) {
    let reason = match word {
        "stop" => return (FinishReason::Stop, None),
        "length" => return (FinishReason::Length, None),
        "tool_calls" => return (FinishReason::ToolCalls, None),
        "content_filter" => return (FinishReason::ContentFilter, None),
        // Cloudflare and some routers leave the word out.
        "" if calls => return (FinishReason::ToolCalls, None),
        "" => return (FinishReason::Stop, None),
        // OpenAI's first form of tools; Together, Mistral, and gateways that let their models' words
        // through.
        "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "model_length" | "max_tokens" => FinishReason::Length,
        "function_call" | "tool_use" => FinishReason::ToolCalls,
        other => return (FinishReason::Other(other.to_owned()), None),
    };
    (reason, Some(word.to_owned()))
}

/// The parts of a message, in the order that [`Place`](crate::wire::answer::Place) gives.
fn message_of(answer: Answer, seed: &str, sound_type: &str, own_format: &str) -> Message {
    let mut parts = Vec::new();
    let mut extra = answer.extra;
    for thought in answer.thoughts {
        parts.push(reasoning(thought, own_format));
    }
    parts.extend(
        answer
            .images
            .into_iter()
            .map(|image| Part::new(PartContent::Media(image))),
    );
    // The message's further members belong to its text; see `stream` for why.
    if !answer.text.is_empty() || answer.text_state.is_some() {
        parts.push(Part {
            state: answer.text_state,
            extra: std::mem::take(&mut extra),
            ..Part::new(PartContent::Text(answer.text))
        });
    }
    if !answer.refusal.is_empty() {
        parts.push(Part::new(PartContent::Refusal(answer.refusal)));
    }
    parts.extend(answer.sound.and_then(|sound| self::sound(sound, sound_type)));
    for (at, call) in answer.calls.into_iter().enumerate() {
        if call.custom {
            parts.push(Part::new(PartContent::Other(call.into_custom())));
        } else {
            parts.push(tool_call(call, &call_id(seed, at)));
        }
    }
    let others = answer.other.into_iter();
    parts.extend(others.map(|other| Part::new(PartContent::Other(other))));
    Message {
        role: Role::Assistant,
        name: None,
        parts,
        extra,
    }
}

fn reasoning(thought: Thought, own_format: &str) -> Part {
    let Thought {
        text,
        mut state,
        redacted,
        extra,
        ..
    } = thought;
    if let Some(state) = state.as_mut().filter(|state| state.format.is_empty()) {
        own_format.clone_into(&mut state.format);
    }
    Part {
        state,
        extra,
        ..Part::new(PartContent::Reasoning(Reasoning { text, redacted }))
    }
}

fn tool_call(call: Call, fallback_id: &str) -> Part {
    let content = PartContent::ToolCall(ToolCall {
        id: call.id.unwrap_or_else(|| fallback_id.to_owned()),
        name: call.name.unwrap_or_default(),
        arguments: call.arguments,
    });
    Part {
        state: call.state,
        extra: call.extra,
        ..Part::new(content)
    }
}

/// An id for a call that has none: always the same for the same answer, and not that of another
/// answer in the conversation.
pub(crate) fn call_id(seed: &str, at: usize) -> String {
    format!("call_{seed}_{at}")
}

/// The whole of a sound. Its id, by which a later turn refers to it, is among the extras.
pub(crate) fn sound(sound: Sound, sound_type: &str) -> Option<Part> {
    let mut data = Base64Pieces::default();
    data.push(&sound.data);
    sound_of(data, sound.transcript, sound.extra, sound_type)
}

/// A sound from its pieces; nothing when there is neither sound nor text of it.
pub(crate) fn sound_of(data: Base64Pieces, transcript: String, mut extra: Extras, sound_type: &str) -> Option<Part> {
    let (bytes, unread) = data.finish();
    if !unread.is_empty() {
        extra.push(("data".to_owned(), json_string(&unread)));
    }
    if bytes.is_empty() && transcript.is_empty() && extra.is_empty() {
        return None;
    }
    if !transcript.is_empty() {
        extra.push(("transcript".to_owned(), json_string(&transcript)));
    }
    let sound_type = if sound_type.is_empty() { "audio/*" } else { sound_type };
    let media = Media::new(sound_type, MediaSource::Inline(bytes));
    Some(Part {
        extra,
        ..Part::new(PartContent::Media(media))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_held_back_has_no_message_but_an_end() {
        let body = r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"content_filter","logprobs":null,
            "content_filter_results":{"hate":{"filtered":true,"severity":"high"}}}],
            "usage":{"prompt_tokens":15,"completion_tokens":19}}"#;
        let answer = decode(body.as_bytes(), Asked::default(), &Profile::OPENAI).unwrap();
        let [choice] = answer.choices.as_slice() else {
            panic!("one choice")
        };
        assert_eq!(choice.finish, FinishReason::ContentFilter);
        assert!(choice.message.parts.is_empty());
        assert_eq!(choice.extra.first().unwrap().0, "content_filter_results");
        assert_eq!(answer.usage.unwrap().output, 19);
        let nothing = r#"{"id":"c","model":"m","choices":[{"index":0},{}]}"#;
        assert!(decode(nothing.as_bytes(), Asked::default(), &Profile::OPENAI).is_err());
    }
}
