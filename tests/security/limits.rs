//! A plugin that breaks or takes too much fails its own request, and nothing else.

use llm_host_tests::built;
use llm_host_tests::host::Plan;

use crate::world::{Neighbour, ask, plan, start, status, still_serves};

/// Behaviour, what is asked, and the status, code and words of the failure.
const FAILURES: [(&str, &str, u16, &str, &str); 9] = [
    ("spin", "", 502, "plugin_cpu_limit", "`limits.cpu_time`"),
    ("bomb", "", 502, "plugin_memory_limit", "`limits.memory`"),
    ("panic", "reason", 502, "plugin_trapped", "unreachable"),
    ("unreachable", "", 502, "plugin_trapped", "unreachable"),
    ("recurse", "", 502, "plugin_trapped", "stack"),
    ("giant", "4000000", 502, "plugin_copy_limit", "`limits.copy_bytes`"),
    ("not-utf8", "", 502, "plugin_trapped", "utf-8"),
    ("handles", "", 502, "plugin_handle_limit", "`limits.handles`"),
    ("silent", "", 504, "deadline_exceeded", "`limits.total_time`"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_is_its_own_requests_alone() {
    let host = start(None).await;
    let neighbour = Neighbour::of(&host);
    for (behaviour, asked, code, word, message) in FAILURES {
        ask(&host, &format!("hostile/{behaviour}"), asked)
            .await
            .assert_error(code, word, message);
        still_serves(&host).await;
    }
    neighbour.assert_served().await;
    let (status, log) = host.stop().await;
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_at_once_leave_room_for_others() {
    let host = start(None).await;
    let neighbour = Neighbour::of(&host);
    let spinning = (0..4).map(|_| ask(&host, "hostile/spin", ""));
    for answer in futures::future::join_all(spinning).await {
        answer.assert_error(502, "plugin_cpu_limit", "`limits.cpu_time`");
    }
    neighbour.assert_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_crashes_again_and_again_is_left_alone() {
    let host = start(None).await;
    for _ in 0..5 {
        ask(&host, "hostile/unreachable", "")
            .await
            .assert_error(502, "plugin_trapped", "unreachable");
    }
    let answer = ask(&host, "hostile/echo", "hello").await;
    answer.assert_error(502, "plugin_backoff", "5 times in a row");
    let shown = status(&host, "hostile").await;
    assert_eq!(shown["state"], "backing-off", "{shown}");
    assert_eq!(shown["crashes"], 5, "{shown}");
    assert!(shown["back_off_ms"].as_u64().is_some_and(|wait| wait > 0), "{shown}");
    assert!(
        shown["last_error"]
            .as_str()
            .is_some_and(|text| text.contains("unreachable")),
        "{shown}"
    );
    assert_eq!(status(&host, "echo").await["state"], "ready");
    assert_eq!(ask(&host, "echo/echo", "hello").await.status, 200);
    let table = host.command(&["status"]).await;
    assert!(
        String::from_utf8_lossy(&table.stdout).contains("backing-off"),
        "{table:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_says_what_it_is_keeps_nobody_waiting() {
    let host = Plan::new()
        .plugin("echo")
        .component("describe-spins", built::guest("describe-spins").expect("a guest"))
        .settings("[limits]\ndescribe_time = \"300ms\"\ncpu_time = \"60s\"")
        .start()
        .await;
    host.log().line("`describe` failed: it took longer than 300 ms").await;
    assert_eq!(ask(&host, "echo/echo", "hello").await.status, 200);
    ask(&host, "describe-spins/x", "hello")
        .await
        .assert_error(404, "model_not_found", "describe-spins");
}

#[tokio::test(flavor = "multi_thread")]
async fn computing_before_the_first_call_counts_too() {
    let granted = llm_host_tests::vault::Granted::api_key("starts-spinning", "not-a-real-secret", "https://localhost");
    let more = "[providers.starts-spinning]\nplugin = \"starts-spinning\"\n";
    let host = plan(None, more)
        .component("starts-spinning", built::guest("starts-spinning").expect("a guest"))
        .granted(granted)
        .start()
        .await;
    let neighbour = Neighbour::of(&host);
    ask(&host, "starts-spinning/x", "")
        .await
        .assert_error(502, "plugin_cpu_limit", "`limits.cpu_time`");
    neighbour.assert_served().await;
}
