//! A stream that breaks off or lies ends with an error that says so, and never looks complete.

use crate::world::{Neighbour, start, still_serves, stream};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_before_it_begins_is_an_ordinary_error() {
    let host = start(None).await;
    for (behaviour, code, words) in [
        ("no-events", "plugin_contract", "without `done` or `error`"),
        ("no-start", "plugin_contract", "start"),
        ("spin", "plugin_cpu_limit", "`limits.cpu_time`"),
        ("bomb", "plugin_memory_limit", "`limits.memory`"),
        ("panic", "plugin_trapped", "unreachable"),
    ] {
        stream(&host, &format!("hostile/{behaviour}"), "")
            .await
            .assert_error(502, code, words);
        still_serves(&host).await;
    }
    let answer = stream(&host, "hostile/silent", "").await;
    answer.assert_error(504, "deadline_exceeded", "`limits.first_event_time`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_begun_ends_with_an_error_event() {
    let host = start(None).await;
    let neighbour = Neighbour::of(&host);
    for (behaviour, words) in [
        ("then-spin", "`limits.cpu_time`"),
        ("then-bomb", "`limits.memory`"),
        ("then-panic", "it trapped"),
        ("then-silence", "`limits.idle_time`"),
        ("then-giant", "`limits.copy_bytes`"),
        ("then-not-utf8", "it trapped"),
        ("two-starts", "second `start`"),
        ("two-finishes", "finishes choice 0 twice"),
        ("no-finish", "without a `finish`"),
        ("no-end", "without `done` or `error`"),
        ("after-finish", "after `finish`"),
    ] {
        let answer = stream(&host, &format!("hostile/{behaviour}"), "").await;
        assert_eq!(answer.status, 200, "{behaviour}: {}", answer.raw);
        assert!(!answer.raw.contains("[DONE]"), "{behaviour}: {}", answer.raw);
        let error = &answer.body["error"];
        let message = error["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{behaviour}: {}", answer.raw));
        assert!(message.contains(words), "{behaviour}: {message}");
        assert!(
            error["code"].is_string() && error["type"].is_string(),
            "{behaviour}: {error}"
        );
        still_serves(&host).await;
    }
    neighbour.assert_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_after_the_end() {
    let host = start(None).await;
    let answer = stream(&host, "hostile/after-done", "").await;
    assert!(answer.raw.trim_end().ends_with("data: [DONE]"), "{}", answer.raw);
    assert!(!answer.raw.contains("too late"), "{}", answer.raw);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_is_ended() {
    let host = start(None).await;
    let neighbour = Neighbour::of(&host);
    let answer = stream(&host, "hostile/then-flood", "").await;
    assert!(!answer.raw.contains("[DONE]"));
    let message = answer.body["error"]["message"].as_str().expect("an error");
    // Which of the two it meets first depends on how fast its events are taken.
    assert!(
        message.contains("`limits.cpu_time`") || message.contains("`limits.total_time`"),
        "{message}"
    );
    neighbour.assert_served().await;
}
