//! What Echo makes of texts, pictures and sound.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use llm_plugin_echo::Echo;
use llm_provider_sdk::completions::{Prompt, Request};
use llm_provider_sdk::embeddings::Input;
use llm_provider_sdk::testing::block_on;
use llm_provider_sdk::types::{ChatResponse, Choice, ErrorKind, FinishReason, Media, MediaSource, PartContent};
use llm_provider_sdk::{Completions, Embeddings, Images, Speech, embeddings, images, speech};
use serde_json::{Value, json};

fn continued(req: Request) -> ChatResponse {
    let whole = block_on(<Echo as Completions>::complete(req.clone())).unwrap();
    let streamed = block_on(async { <Echo as Completions>::stream(req).await?.fold().await }).unwrap();
    assert_eq!(whole, streamed);
    whole
}

fn text(choice: &Choice) -> &str {
    match choice.message.parts.first().map(|part| &part.content) {
        Some(PartContent::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn texts_are_said_again() {
    let mut req = Request::new("echo", "one two three");
    req.prompts.push(Prompt::Tokens(vec![7, 8]));
    req.sampling.n = Some(2);
    req.sampling.max_output_tokens = Some(2);
    req.suffix = Some("end".into());
    let said = continued(req.clone());
    let texts: Vec<_> = said.choices.iter().map(text).collect();
    assert_eq!(texts, ["one two", "one two", "7 8", "7 8"]);
    assert_eq!(said.choices[0].finish, FinishReason::Length);
    assert_eq!(said.choices[2].finish, FinishReason::Stop);
    let usage = said.usage.unwrap();
    assert_eq!((usage.input, usage.output), (5, 8));
    assert_eq!(said.dropped[0].field, "suffix");

    req.prompts.truncate(1);
    req.sampling.n = None;
    req.echo = true;
    assert_eq!(text(&continued(req).choices[0]), "one two threeone two");
}

#[test]
fn a_word_said_again_is_certain() {
    let mut req = Request::new("echo", "é two");
    req.logprobs = Some(1);
    let said = continued(req);
    let logprobs: Value = serde_json::from_str(said.choices[0].logprobs.as_deref().unwrap()).unwrap();
    assert_eq!(
        logprobs,
        json!({"tokens": ["é", " two"], "token_logprobs": [0.0, 0.0], "top_logprobs": [{"é": 0.0}, {" two": 0.0}],
            "text_offset": [0, 1]})
    );
}

fn vectors(inputs: &[&str], dimensions: Option<u32>) -> Vec<Vec<f32>> {
    let request = embeddings::Request {
        model: "echo".into(),
        inputs: inputs.iter().map(|text| Input::Text((*text).into())).collect(),
        dimensions,
        user: None,
        extra: Vec::new(),
    };
    block_on(Echo::embed(request)).unwrap().vectors
}

#[test]
fn texts_that_share_words_are_near() {
    let all = vectors(
        &["a red fox", "A  red Fox", "the red fox", "something else", ""],
        Some(512),
    );
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    for vector in &all {
        assert_eq!(vector.len(), 512);
        assert!((near(vector, vector) - 1.0).abs() < 1e-5);
    }
    assert_eq!(all[0], all[1]);
    assert!(near(&all[0], &all[2]) > near(&all[0], &all[3]));
    assert_eq!(vectors(&["x"], None)[0].len(), 64);
}

#[test]
fn errors_on_request() {
    let error = block_on(<Echo as Completions>::complete(Request::new(
        "echo",
        "error overloaded",
    )))
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    let request = embeddings::Request {
        model: "echo".into(),
        inputs: vec![Input::Text("error context-length".into())],
        dimensions: None,
        user: None,
        extra: Vec::new(),
    };
    assert_eq!(
        block_on(Echo::embed(request)).unwrap_err().kind,
        ErrorKind::ContextLength
    );
}

#[test]
fn pictures_are_given_back_or_drawn() {
    let mut request = images::Request {
        model: "echo".into(),
        prompt: "a < b".into(),
        references: Vec::new(),
        mask: None,
        n: Some(2),
        size: Some("20x10".into()),
        extra: Vec::new(),
    };
    let drawn = block_on(Echo::generate(request.clone())).unwrap();
    assert_eq!(
        (drawn.images.len(), drawn.images[0].media_type.as_str()),
        (2, "image/svg+xml")
    );
    let MediaSource::Inline(svg) = &drawn.images[0].source else {
        panic!("{drawn:?}")
    };
    let svg = std::str::from_utf8(svg).unwrap();
    assert!(
        svg.contains("width=\"20\" height=\"10\"") && svg.contains("a &lt; b"),
        "{svg}"
    );
    request.references = vec![Media::new("image/png", MediaSource::Inline(vec![1, 2]))];
    let same = block_on(Echo::generate(request.clone())).unwrap();
    assert_eq!(same.images[0], request.references[0]);
    assert_eq!(same.dropped[0].field, "size");
}

#[test]
fn sound_has_a_tone_for_each_word() {
    let request = speech::SynthesisRequest {
        model: "echo".into(),
        input: "one two".into(),
        voice: "any".into(),
        format: Some("mp3".into()),
        speed: None,
        extra: Vec::new(),
    };
    let mut sound = block_on(Echo::synthesize(request)).unwrap();
    let bytes = block_on(sound.body.bytes()).unwrap();
    assert_eq!((sound.media_type.as_str(), bytes.len()), ("audio/wav", 44 + 800));
    assert_eq!(
        (&bytes[..4], &bytes[40..44]),
        (&b"RIFF"[..], &800_u32.to_le_bytes()[..])
    );
    assert_eq!(sound.dropped[0].field, "response_format");
}

#[test]
fn a_sound_is_named() {
    let mut request = speech::TranscriptionRequest {
        model: "echo".into(),
        audio: Media::new("audio/wav", MediaSource::Inline(vec![0; 9])),
        language: Some("de".into()),
        prompt: None,
        extra: vec![("response_format".into(), "\"srt\"".into())],
    };
    let heard = block_on(Echo::transcribe(request.clone())).unwrap();
    assert_eq!(
        (heard.text.as_str(), heard.duration_ms),
        ("[audio/wav, 9 bytes]", Some(3000))
    );
    let segments: Value = serde_json::from_str(heard.segments.as_deref().unwrap()).unwrap();
    assert_eq!(segments[1], json!({"id": 1, "start": 1, "end": 2, "text": " 9"}));
    request.extra = vec![("task".into(), "\"translate\"".into())];
    let error = block_on(Echo::transcribe(request)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}
