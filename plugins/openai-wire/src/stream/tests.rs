//! Streams: their events, at every byte split, against the whole answer they add up to.

use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{decode, every_split};
use llm_provider_sdk::types::{ChatResponse, DeltaContent, ErrorKind, FinishReason, MediaSource, PartContent};

use super::*;
use crate::response;

fn asked() -> Asked {
    Asked {
        sound_type: "audio/wav".into(),
        ..Asked::default()
    }
}

fn sse(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

/// The events of a stream, which are the same wherever it is cut.
fn events_of(body: &str, profile: &'static Profile) -> Vec<ChatEvent> {
    let whole = decode(Decoder::new(profile, asked()), &[body.as_bytes()], Ok(()));
    every_split(body.as_bytes(), |pieces| {
        assert_eq!(
            decode(Decoder::new(profile, asked()), pieces, Ok(())),
            whole,
            "{}",
            pieces.len()
        );
    });
    whole
}

fn same_as_whole(chunks: &[&str], whole: &str, profile: &'static Profile) -> ChatResponse {
    let folded = fold(events_of(&sse(chunks), profile)).unwrap();
    let decoded = response::decode(whole.as_bytes(), asked(), profile).unwrap();
    assert_eq!(folded, decoded);
    folded
}

fn error_of(events: &[ChatEvent]) -> &Error {
    match events.last() {
        Some(ChatEvent::Error(error)) => error,
        other => panic!("not an error: {other:?}"),
    }
}

const HEAD: &str = r#""id":"c1","created":5,"model":"m-1","system_fingerprint":"fp","service_tier":"default""#;

fn chunk(choices: &str) -> String {
    format!(r#"{{{HEAD},"object":"chat.completion.chunk","choices":[{choices}],"usage":null,"obfuscation":"xx"}}"#)
}

fn delta(delta: &str) -> String {
    chunk(&format!(
        r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}"#
    ))
}

fn finish_chunk(word: &str) -> String {
    chunk(&format!(
        r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{word}"}}"#
    ))
}

fn usage_chunk() -> String {
    format!(
        r#"{{{HEAD},"object":"chat.completion.chunk","choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}}}"#
    )
}

/// A stream of these deltas, and the whole answer with this message.
fn compare(deltas: &[&str], word: &str, message: &str) -> ChatResponse {
    let mut chunks: Vec<String> = vec![delta(r#"{"role":"assistant","content":"","refusal":null}"#)];
    chunks.extend(deltas.iter().map(|d| delta(d)));
    chunks.extend([finish_chunk(word), usage_chunk(), "[DONE]".to_owned()]);
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let whole = format!(
        r#"{{{HEAD},"object":"chat.completion","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":"{word}"}}],"usage":{{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}}}"#
    );
    same_as_whole(&chunks, &whole, &Profile::OPENAI)
}

#[test]
fn text() {
    let answer = compare(
        &[r#"{"content":"Hel"}"#, r#"{"content":"lo \u00e9\ud83d\ude00"}"#],
        "stop",
        r#"{"role":"assistant","content":"Hello é😀","refusal":null}"#,
    );
    assert_eq!(answer.choices[0].finish, FinishReason::Stop);
    assert_eq!(
        answer.extra,
        [
            ("system_fingerprint".into(), "\"fp\"".into()),
            ("service_tier".into(), "\"default\"".into())
        ]
    );
    assert_eq!(answer.usage.unwrap().input, 3);
}

#[test]
fn parallel_calls() {
    compare(
        &[
            r#"{"content":"Calling."}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":"{}"}}]}"#,
        ],
        "tool_calls",
        r#"{"role":"assistant","content":"Calling.","tool_calls":[
            {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
            {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]}"#,
    );
}

#[test]
fn calls_told_in_odd_ways() {
    // No id; the same index for two calls; a name that comes late or again; no index.
    let answer = compare(
        &[
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b"}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"name":"g","arguments":":2}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"c","function":{"name":"h","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"c","function":{"name":"h","arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"id":"d","function":{"name":"k","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
        ],
        "tool_calls",
        r#"{"tool_calls":[
            {"function":{"name":"f","arguments":"{}"}},
            {"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}},
            {"id":"c","function":{"name":"h","arguments":"{}"}},
            {"id":"d","function":{"name":"k","arguments":"{}"}}]}"#,
    );
    let PartContent::ToolCall(call) = &answer.choices[0].message.parts[0].content else {
        panic!("no call")
    };
    assert_eq!(call.id, "call_c1_0_0");
}

#[test]
fn calls_of_custom_tools_come_whole() {
    compare(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"sql","input":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"custom":{"input":"select "}}]}"#,
            r#"{"tool_calls":[{"index":0,"custom":{"input":"\"x\""}}]}"#,
        ],
        "tool_calls",
        r#"{"tool_calls":[{"id":"a","type":"custom","custom":{"name":"sql","input":"select \"x\""}}]}"#,
    );
}

#[test]
fn calls_of_both_kinds_keep_their_order() {
    let answer = compare(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"sql","input":"x"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":2,"id":"c","type":"custom","custom":{"name":"sql","input":"y"}}]}"#,
        ],
        "tool_calls",
        r#"{"tool_calls":[{"id":"a","type":"custom","custom":{"name":"sql","input":"x"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c","type":"custom","custom":{"name":"sql","input":"y"}}]}"#,
    );
    let kinds = answer.choices[0].message.parts.iter().map(|part| match &part.content {
        PartContent::Other(other) => other.kind.as_str(),
        PartContent::ToolCall(call) => call.id.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["custom", "b", "custom"]);
    // On the way, too: a reader that numbers the calls as they come has them in this order.
    let begun = [
        delta(r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"sql","input":"x"}}]}"#),
        delta(r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}"#),
        finish_chunk("tool_calls"),
        usage_chunk(),
        "[DONE]".to_owned(),
    ];
    let events = events_of(&sse(&begun.each_ref().map(String::as_str)), &Profile::OPENAI);
    let parts: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            ChatEvent::Delta(delta) => Some(delta.part),
            _ => None,
        })
        .collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.is_sorted(), "{parts:?}");
}

#[test]
fn of_a_filters_findings_the_severest_is_kept() {
    let finding = |results: &str, text: &str| {
        chunk(&format!(
            r#"{{"index":0,"delta":{{"content":"{text}"}},"content_filter_results":{results},"finish_reason":null}}"#
        ))
    };
    let chunks = [
        finding(r#"{"hate":{"filtered":false,"severity":"low"}}"#, "a"),
        finding(
            r#"{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"detected":false}}"#,
            "b",
        ),
        chunk(r#"{"index":0,"delta":{},"content_filter_results":{},"finish_reason":"stop"}"#),
        "[DONE]".to_owned(),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let answer = fold(events_of(&sse(&chunks), &Profile::COMPATIBLE)).unwrap();
    assert_eq!(
        answer.choices[0].extra,
        [(
            "content_filter_results".to_owned(),
            r#"{"hate":{"filtered":false,"severity":"low"},"jailbreak":{"detected":false}}"#.to_owned()
        )]
    );
}

#[test]
fn reasoning_in_whatever_order() {
    compare(
        &[
            r#"{"reasoning_content":"th"}"#,
            r#"{"content":"an"}"#,
            r#"{"reasoning_content":"ink"}"#,
            r#"{"content":"swer"}"#,
        ],
        "stop",
        r#"{"reasoning_content":"think","content":"answer"}"#,
    );
    compare(
        &[
            r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"format":null}]}"#,
            r#"{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0,"format":"f"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"si","index":0,"format":"f"}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"g","index":0,"format":null}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"blob","index":1}]}"#,
        ],
        "stop",
        r#"{"reasoning":"ab","reasoning_details":[
            {"type":"reasoning.text","text":"ab","signature":"sig","index":0,"format":"f"},
            {"type":"reasoning.encrypted","data":"blob","index":1}]}"#,
    );
}

#[test]
fn refusals_and_further_members() {
    compare(
        &[r#"{"refusal":"I "}"#, r#"{"refusal":"won't"}"#],
        "stop",
        r#"{"content":null,"refusal":"I won't"}"#,
    );
    compare(
        &[
            r#"{"annotations":[{"n":1}]}"#,
            r#"{"content":"x"}"#,
            r#"{"annotations":[{"n":2}],"channel":"final"}"#,
        ],
        "stop",
        r#"{"content":"x","annotations":[{"n":1},{"n":2}],"channel":"final"}"#,
    );
}

#[test]
fn what_a_later_chunk_leaves_null_stays_said() {
    let deltas = [
        r#"{"content":"a","annotations":[{"n":1}],"mood":{"warm":true}}"#,
        r#"{"content":"b","annotations":null,"mood":null}"#,
        r#"{"content":"c","annotations":[],"mood":{}}"#,
    ];
    let whole = r#"{"role":"assistant","content":"abc","annotations":[{"n":1}],"mood":{"warm":true}}"#;
    compare(&deltas, "stop", whole);
}

#[test]
fn sound_comes_whole() {
    let answer = compare(
        &[
            r#"{"audio":{"id":"audio_1","transcript":"He"}}"#,
            r#"{"audio":{"data":"UklG"}}"#,
            r#"{"audio":{"data":"Rg==","transcript":"y"}}"#,
            r#"{"audio":{"expires_at":9}}"#,
        ],
        "stop",
        r#"{"content":null,"audio":{"id":"audio_1","data":"UklGRg==","transcript":"Hey","expires_at":9}}"#,
    );
    let part = &answer.choices[0].message.parts[0];
    let PartContent::Media(media) = &part.content else {
        panic!("no sound")
    };
    assert_eq!(media.media_type, "audio/wav");
    assert_eq!(media.source, MediaSource::Inline(b"RIFF".to_vec()));
    assert_eq!(part.extra[0], ("id".to_owned(), "\"audio_1\"".to_owned()));
}

#[test]
fn images_and_provider_parts() {
    compare(
        &[
            r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw=="}}]}"#,
            r#"{"provider_parts":[{"index":3,"kind":"k","value":{"a": 1}}]}"#,
            r#"{"content":"x","provider_state":{"format":"f","data":"d"}}"#,
        ],
        "stop",
        r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw=="}}],
            "content":"x","provider_state":{"format":"f","data":"d"},
            "provider_parts":[{"index":3,"kind":"k","value":{"a": 1}}]}"#,
    );
}

#[test]
fn log_probabilities_add_up() {
    let token = |t: &str| format!(r#"{{"token":"{t}","logprob":-0.5,"bytes":null,"top_logprobs":[]}}"#);
    let piece = |t: &str| {
        chunk(&format!(
            r#"{{"index":0,"delta":{{"content":"{t}"}},"logprobs":{{"content":[{}],"refusal":null}},"finish_reason":null}}"#,
            token(t)
        ))
    };
    let chunks = [
        piece("a"),
        piece("b"),
        finish_chunk("stop"),
        usage_chunk(),
        "[DONE]".into(),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let whole = format!(
        r#"{{{HEAD},"choices":[{{"index":0,"message":{{"content":"ab"}},"logprobs":{{"content":[{},{}],"refusal":null}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":3,"completion_tokens":2}}}}"#,
        token("a"),
        token("b")
    );
    same_as_whole(&chunks, &whole, &Profile::OPENAI);
}

#[test]
fn several_choices() {
    let piece = |index: u32, rest: &str| chunk(&format!(r#"{{"index":{index},{rest}}}"#));
    let chunks = [
        piece(1, r#""delta":{"content":"b"},"finish_reason":null"#),
        piece(0, r#""delta":{"content":"a"},"finish_reason":"length","extra":1"#),
        piece(1, r#""delta":{},"finish_reason":"stop""#),
        usage_chunk(),
        "[DONE]".into(),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let whole = format!(
        r#"{{{HEAD},"choices":[
            {{"index":0,"message":{{"content":"a"}},"finish_reason":"length","extra":1}},
            {{"index":1,"message":{{"content":"b"}},"finish_reason":"stop"}}],
            "usage":{{"prompt_tokens":3,"completion_tokens":2}}}}"#
    );
    same_as_whole(&chunks, &whole, &Profile::OPENAI);
}

#[test]
fn the_first_chunk_may_be_empty_and_members_may_come_late() {
    let chunks = [
        r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"i":0}]}"#,
        r#"{"id":"x","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"content_filter_results":{"hate":1}}],"citations":["u"]}"#,
        r#"{"id":"x","created":7,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop","content_filter_results":{}}],"citations":["u","v"],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":1}}}"#,
        "[DONE]",
    ];
    let whole = r#"{"id":"x","created":7,"model":"m","prompt_filter_results":[{"i":0}],"citations":["u","v"],
        "choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop","content_filter_results":{"hate":1}}],
        "x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":1}}}"#;
    let answer = same_as_whole(&chunks, whole, &Profile::COMPATIBLE);
    assert_eq!((answer.created, answer.model.as_str()), (Some(7), "m"));
    assert_eq!(answer.usage.unwrap().output, 1);
}

#[test]
fn comments_line_ends_and_event_names_are_framing_only() {
    let chunks = [delta(r#"{"content":"a"}"#), finish_chunk("stop"), usage_chunk()];
    let plain = events_of(
        &(sse(&chunks.each_ref().map(String::as_str)) + "data: [DONE]\n\n"),
        &Profile::OPENAI,
    );
    let decorated: String = chunks
        .iter()
        .map(|chunk| format!(": PROCESSING\r\n\r\nevent: message\r\ndata:{chunk}\r\n\r\n"))
        .collect();
    let decorated = events_of(&(decorated + "data:[DONE]\r\n\r\ndata: more\r\n\r\n"), &Profile::OPENAI);
    assert_eq!(plain, decorated);
}

#[test]
fn a_stream_without_its_marker() {
    let (text, end, usage) = (delta(r#"{"content":"a"}"#), finish_chunk("stop"), usage_chunk());
    for (chunks, openai, compatible) in [
        (vec![&text], false, false),
        (vec![&text, &usage], false, false),
        (vec![&text, &end], false, true),
        (vec![&text, &end, &usage], true, true),
    ] {
        let chunks: Vec<&str> = chunks.into_iter().map(String::as_str).collect();
        for (profile, complete) in [(&Profile::OPENAI, openai), (&Profile::COMPATIBLE, compatible)] {
            let events = events_of(&sse(&chunks), profile);
            if complete {
                assert_eq!(events.last(), Some(&ChatEvent::Done));
            } else {
                assert_eq!(error_of(&events).kind, ErrorKind::StreamTruncated);
            }
        }
    }
    // The last blank line may be missing too, and a chunk cut off is no answer.
    let body = sse(&[&text, &end, &usage]);
    assert_eq!(
        events_of(body.trim_end(), &Profile::OPENAI).last(),
        Some(&ChatEvent::Done)
    );
    let cut = &body[..body.len() - 40];
    assert_eq!(
        error_of(&events_of(cut, &Profile::OPENAI)).kind,
        ErrorKind::StreamTruncated
    );
    assert_eq!(
        error_of(&events_of("", &Profile::OPENAI)).kind,
        ErrorKind::StreamTruncated
    );
}

#[test]
fn a_broken_connection_is_an_error_unless_all_was_said() {
    let (text, end, usage) = (delta(r#"{"content":"a"}"#), finish_chunk("stop"), usage_chunk());
    let body = sse(&[&text, &end, &usage]);
    let reset = || Err(HttpError::Connect("reset".into()));
    let events = decode(Decoder::new(&Profile::OPENAI, asked()), &[body.as_bytes()], reset());
    assert_eq!(error_of(&events).kind, ErrorKind::Transport);
    let body = body + "data: [DONE]\n\n";
    let events = decode(Decoder::new(&Profile::OPENAI, asked()), &[body.as_bytes()], reset());
    assert_eq!(events.last(), Some(&ChatEvent::Done));
}

#[test]
fn errors_inside_the_stream_end_it() {
    let text = delta(r#"{"content":"a"}"#);
    let error = r#"{"error":{"message":"boom","type":"server_error","code":"x"}}"#;
    for tail in [
        format!("event: error\ndata: {error}\n\n"),
        format!("data: {error}\n\ndata: [DONE]\n\n"),
        "event: error\ndata: {\"message\":\"boom\",\"code\":\"x\"}\n\n".to_owned(),
    ] {
        let events = events_of(&(sse(&[&text]) + &tail), &Profile::OPENAI);
        let error = error_of(&events);
        assert_eq!(
            (error.message.as_str(), error.provider_code.as_deref()),
            ("boom", Some("x"))
        );
        assert_eq!(events.len(), 3, "start, delta, error");
    }
    // Before anything else it is the only event; usage in the same chunk is not lost.
    assert_eq!(events_of(&sse(&[error]), &Profile::OPENAI).len(), 1);
    let billed = r#"{"id":"c1","error":{"code":400,"message":"limit"},"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let events = events_of(&sse(&[&text, billed]), &Profile::OPENAI);
    assert!(matches!(
        events.as_slice(),
        [.., ChatEvent::Usage(_), ChatEvent::Error(_)]
    ));
}

#[test]
fn what_is_no_chunk_is_an_error() {
    for (body, kind) in [
        ("data: {oops\n\n", ErrorKind::Upstream),
        ("data: [1]\n\n", ErrorKind::Upstream),
        ("data: [DONE]\n\n", ErrorKind::Upstream),
        ("<html>busy</html>\n\n", ErrorKind::StreamTruncated),
    ] {
        assert_eq!(error_of(&events_of(body, &Profile::OPENAI)).kind, kind, "{body}");
    }
}

#[test]
fn a_whole_answer_instead_of_a_stream() {
    let whole = format!(
        r#"{{{HEAD},"choices":[{{"index":0,"message":{{"content":"hi"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":3,"completion_tokens":2}}}}"#
    );
    let events = Decoder::new(&Profile::OPENAI, asked()).whole(whole.as_bytes());
    let decoded = response::decode(whole.as_bytes(), asked(), &Profile::OPENAI).unwrap();
    assert_eq!(fold(events), Ok(decoded));
    let failed = Decoder::new(&Profile::OPENAI, asked()).whole(br#"{"error":{"message":"m"}}"#);
    assert_eq!(error_of(&failed).message, "m");
}

#[test]
fn functions_of_the_first_form_are_calls() {
    let answer = compare(
        &[
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{\"a\""}}"#,
            r#"{"function_call":{"arguments":":1}"}}"#,
        ],
        "function_call",
        r#"{"content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}}"#,
    );
    assert_eq!(answer.choices[0].finish, FinishReason::ToolCalls);
    assert_eq!(answer.choices[0].finish_detail.as_deref(), Some("function_call"));
}

#[test]
fn a_gateway_tells_the_word_of_the_provider_behind_it() {
    let end = |word: &str, own: &str| {
        format!(r#"{{"index":0,"delta":{{"content":"a"}},"finish_reason":{word},"native_finish_reason":{own}}}"#)
    };
    for (own, detail) in [("\"STOP\"", Some("STOP")), ("\"stop\"", None), ("null", None)] {
        // OpenRouter repeats the chunk of the end with its usage, without the words.
        let body = sse(&[
            &chunk(&end("null", "null")),
            &chunk(&end("\"stop\"", own)),
            &chunk(&end("null", "null")),
            &usage_chunk(),
        ]);
        let answer = fold(events_of(&body, &Profile::COMPATIBLE)).unwrap();
        assert_eq!(answer.choices[0].finish, FinishReason::Stop);
        assert_eq!(answer.choices[0].finish_detail.as_deref(), detail);
        assert!(answer.choices[0].extra.is_empty(), "{:?}", answer.choices[0].extra);
    }
}

#[test]
fn a_thought_that_is_said_again_with_its_signature_is_one() {
    compare(
        &[
            r#"{"reasoning_content":"thi"}"#,
            r#"{"reasoning_content":"nk"}"#,
            r#"{"content":"x"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"think","signature":"sig","format":"anthropic","index":0}]}"#,
        ],
        "stop",
        r#"{"content":"x","reasoning_content":"think","reasoning_details":[{"type":"reasoning.text","text":"think","signature":"sig","format":"anthropic","index":0}]}"#,
    );
}

#[test]
fn deltas_are_given_as_they_come() {
    let mut decoder = Decoder::new(&Profile::OPENAI, asked());
    let mut out = Vec::new();
    decoder.feed(
        sse(&[&delta(r#"{"role":"assistant","content":""}"#)]).as_bytes(),
        &mut out,
    );
    assert!(matches!(out.as_slice(), [ChatEvent::Start(_)]));
    out.clear();
    decoder.feed(sse(&[&delta(r#"{"content":"a"}"#)]).as_bytes(), &mut out);
    let [ChatEvent::Delta(delta)] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(delta.content, DeltaContent::Text("a".into()));
}
