use super::*;
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{ErrorKind, Media};
use serde_json::json;

fn request(extra: &[(&str, &str)]) -> TranscriptionRequest {
    TranscriptionRequest {
        model: "whisper-1".into(),
        audio: Media::new("audio/mpeg", MediaSource::Inline(b"ID3".to_vec())),
        language: Some("en".into()),
        prompt: Some("names: Ada".into()),
        extra: extra
            .iter()
            .map(|(name, json)| ((*name).to_owned(), (*json).to_owned()))
            .collect(),
    }
}

/// The body that is sent, and what was dropped.
fn sent(req: &TranscriptionRequest) -> (String, Vec<String>) {
    let host = Recording::new().reply(Reply::new(200, "")).install();
    let (http, dropped) = encode_sound(http::Request::post("https://x/"), req, &Profile::OPENAI).unwrap();
    block_on(http.send()).unwrap();
    let sent = host.requests().remove(0);
    assert!(
        sent.header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    (
        String::from_utf8_lossy(&sent.body).into_owned(),
        dropped.into_iter().map(|field| field.field).collect(),
    )
}

#[test]
fn speaking_is_a_body_of_json() {
    let req = SynthesisRequest {
        model: "tts-1".into(),
        input: "hello".into(),
        voice: "alloy".into(),
        format: Some("flac".into()),
        speed: Some(1.5),
        extra: vec![("instructions".into(), "\"softly\"".into())],
    };
    assert_eq!(
        serde_json::to_value(encode(&req).unwrap()).unwrap(),
        json!({"model": "tts-1", "input": "hello", "voice": "alloy", "response_format": "flac", "speed": 1.5, "instructions": "softly"})
    );
}

#[test]
fn sound_goes_in_a_form() {
    let (body, dropped) = sent(&request(&[
        ("temperature", "0.2"),
        ("timestamp_granularities", r#"["word","segment"]"#),
        ("include[]", r#"["logprobs"]"#),
        ("response_format", "\"srt\""),
        ("chunking_strategy", r#"{"type":"server_vad"}"#),
        ("stream", "false"),
    ]));
    for part in [
        "name=\"file\"; filename=\"audio.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\nID3\r\n",
        "name=\"model\"\r\n\r\nwhisper-1\r\n",
        "name=\"response_format\"\r\n\r\nverbose_json\r\n",
        "name=\"language\"\r\n\r\nen\r\n",
        "name=\"prompt\"\r\n\r\nnames: Ada\r\n",
        "name=\"temperature\"\r\n\r\n0.2\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nword\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n",
        "name=\"include[]\"\r\n\r\nlogprobs\r\n",
        "name=\"chunking_strategy\"\r\n\r\n{\"type\":\"server_vad\"}\r\n",
    ] {
        assert!(body.contains(part), "{part:?} in {body}");
    }
    assert_eq!(body.matches("response_format").count(), 1);
    assert!(!body.contains("\"stream\"") && dropped.is_empty());
}

#[test]
fn a_translation_is_an_operation_of_its_own() {
    assert_eq!(operation(&request(&[])), "/audio/transcriptions");
    let req = request(&[("task", "\"translate\""), ("stream", "true")]);
    assert_eq!(operation(&req), "/audio/translations");
    let (body, dropped) = sent(&req);
    assert!(!body.contains("task") && !body.contains("name=\"language\""));
    assert_eq!(dropped, ["language", "stream"]);
}

#[test]
fn sound_has_to_be_there() {
    let mut req = request(&[]);
    req.audio.source = MediaSource::Url("https://x/".into());
    let error = encode_sound(http::Request::post("https://x/"), &req, &Profile::OPENAI).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[test]
fn transcripts_with_and_without_details() {
    let body = br#"{"task":"transcribe","language":"english","duration":1.7000000476837158,"text":"Hello.",
        "segments":[{"id":0,"start":0.0,"end":1.46}],"words":[{"word":"Hello"}],"usage":{"type":"duration","seconds":2}}"#;
    let answer = decode(body, Vec::new(), &Profile::OPENAI).unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.language.as_deref()),
        ("Hello.", Some("english"))
    );
    assert_eq!(answer.duration_ms, Some(1700));
    assert_eq!(answer.segments.as_deref(), Some(r#"[{"id":0,"start":0.0,"end":1.46}]"#));
    assert_eq!(answer.usage, None);
    let names: Vec<_> = answer.extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["words", "usage"]);

    let body = br#"{"text":"Hi","usage":{"type":"tokens","total_tokens":31,"input_tokens":25,"input_token_details":{"text_tokens":4,"audio_tokens":21},"output_tokens":6}}"#;
    let usage = decode(body, Vec::new(), &Profile::OPENAI).unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.input_audio, usage.output), (4, 21, 6));
    for body in ["{}", "WEBVTT", "[]"] {
        assert_eq!(
            decode(body.as_bytes(), Vec::new(), &Profile::OPENAI).unwrap_err().kind,
            ErrorKind::Upstream
        );
    }
}
