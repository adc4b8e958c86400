//! Sound from text, and text from sound.
//!
//! In: a text, or a sound. Out: a WAV with a tone for each word; or the sound named as
//! a conversation names it, a second for each word. Never: a sound that differs from one call to
//! the next, or a word that was heard.

use llm_provider_sdk::http::Body;
use llm_provider_sdk::speech::{SynthesisRequest, Transcript, TranscriptionRequest};
use llm_provider_sdk::types::{DroppedField, Error, Extras, Usage};
use llm_provider_sdk::{Speech, Synthesis};
use serde_json::{Value, json};

use crate::command::{self, Failure};
use crate::{Echo, conversation, words};

/// Samples in a second, of one byte each.
const RATE: u32 = 8000;

/// Samples of a word's tone: 50 ms.
const TONE: u32 = RATE / 20;

impl Speech for Echo {
    async fn synthesize(req: SynthesisRequest) -> Result<Synthesis, Error> {
        if let Some(Failure { error, .. }) = command::failure(&req.input) {
            return Err(error);
        }
        let mut sound = Synthesis::new("audio/wav", Body::from_bytes(wav(&req.input)));
        let mut note = |field: &str, reason| sound.dropped.push(DroppedField::new(field, reason));
        if req.format.is_some_and(|format| format != "wav") {
            note("response_format", "echo makes WAV alone");
        }
        if req.speed.is_some() {
            note("speed", "echo has one speed");
        }
        for (name, _) in &req.extra {
            note(name, "echo has no such parameter");
        }
        Ok(sound)
    }

    async fn transcribe(req: TranscriptionRequest) -> Result<Transcript, Error> {
        if let Some(Failure { error, .. }) = req.prompt.as_deref().and_then(command::failure) {
            return Err(error);
        }
        if field(&req.extra, "task") == Some(json!("translate")) {
            return Err(Error::unsupported("echo translates nothing").with_param("task"));
        }
        let text = conversation::media_words(&req.audio);
        let wanted = field(&req.extra, "response_format");
        let timed = ["verbose_json", "srt", "vtt"].map(|form| Some(json!(form)));
        let unknown = req.extra.iter().filter(|(name, _)| name != "response_format");
        Ok(Transcript {
            duration_ms: Some(1000 * words::count(&text)),
            segments: timed.contains(&wanted).then(|| segments(&text)),
            usage: Some(Usage {
                input_audio: 1,
                output: words::count(&text),
                ..Usage::default()
            }),
            language: req.language,
            text,
            dropped: unknown
                .map(|(name, _)| DroppedField::new(name, "echo has no such parameter"))
                .collect(),
            extra: Vec::new(),
        })
    }
}

fn field(extra: &Extras, name: &str) -> Option<Value> {
    let (_, json) = extra.iter().find(|(known, _)| known == name)?;
    serde_json::from_str(json).ok()
}

/// One segment for each word, a second long.
fn segments(text: &str) -> String {
    let segment = |(at, word): (usize, &str)| json!({"id": at, "start": at, "end": at + 1, "text": word});
    let all: Vec<Value> = words::pieces(text).into_iter().enumerate().map(segment).collect();
    Value::from(all).to_string()
}

/// PCM of 8 bits in one channel: a tone for each word, the higher the longer the word.
fn wav(text: &str) -> Vec<u8> {
    let mut samples = Vec::new();
    for word in words::pieces(text) {
        let half = 40_u32
            .saturating_sub(u32::try_from(word.trim().len()).unwrap_or(u32::MAX))
            .max(2);
        samples.extend((0..TONE).map(|at| if (at / half) % 2 == 0 { 160_u8 } else { 96 }));
    }
    let length = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let mut wav = Vec::with_capacity(44 + samples.len());
    wav.extend(b"RIFF");
    wav.extend((length.saturating_add(36)).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    // Length of this block, PCM, one channel, samples and bytes in a second, bytes and bits of a sample.
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}
