//! What there is inside the sandbox, and what comes out of it into the log.

use serde_json::json;

use crate::world::{ask, plan, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_has_nothing_in_it() {
    let host = plan(None, "").variable("LLM_HOST_LOG_FORMAT", "text").start().await;
    let report = ask(&host, "hostile/wasi", "").await.report();
    let nothing = json!({
        "environment": [], "arguments": [], "read": [], "written": false, "connected": [],
        "listened": false, "datagrams": false, "resolved": false, "standard_input": 0, "program": false,
    });
    assert_eq!(report, nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_granted_slot_can_be_had() {
    let host = start(None).await;
    let asked = "api-key\nnever-granted\nnot-in-the-manifest\n../api-key\n";
    let report = ask(&host, "hostile/slots", asked).await.report();
    assert_eq!(report[0]["attributes"], json!([]), "{report}");
    assert_eq!(
        report.as_array().map(|all| &all[1..]),
        Some(&["not-granted"; 3].map(|word| json!(word))[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_logs_is_bounded_and_cannot_forge_a_line() {
    let host = start(None).await;
    assert_eq!(ask(&host, "hostile/logs", "flood").await.text(), "written");
    host.log()
        .line("the plugin logs more than 20 lines in one call (`limits.log_lines`)")
        .await;
    let (_, log) = host.stop().await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("flood")).collect();
    assert!(!lines.is_empty() && lines.len() <= 20, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() < 2048), "a line is too long");
    assert!(
        !log.contains('\u{1b}') && !log.lines().any(|line| line.starts_with("forged")),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_writes_cannot_forge_a_line() {
    let host = plan(None, "").variable("LLM_HOST_LOG_FORMAT", "text").start().await;
    let model = "nobody\u{1b}[2J\nforged: all is well\u{202e}";
    ask(&host, model, "")
        .await
        .assert_error(404, "model_not_found", "does not exist");
    host.log().line("does not exist").await;
    let (_, log) = host.stop().await;
    assert!(
        !log.contains(['\u{1b}', '\u{202e}']) && !log.lines().any(|line| line.starts_with("forged")),
        "{log}"
    );
}
