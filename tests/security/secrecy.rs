//! A canary in the vault is seen by the upstream that it is for, and by nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use llm_host_tests::upstream::{Received, Reply, Upstream};
use serde_json::json;

use crate::world::{CANARY, ask, plan, stream};

/// The canary as servers write it when they repeat it.
fn forms() -> Vec<String> {
    let escaped = CANARY.replace('/', "\\/");
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = [
        STANDARD.encode(CANARY),
        STANDARD_NO_PAD.encode(CANARY),
        URL_SAFE.encode(CANARY),
    ];
    let mut forms = vec![CANARY.to_owned(), escaped, percent(CANARY), hex];
    forms.extend(base64);
    forms
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{what} holds the canary as {form:?}");
    }
}

/// An upstream that gives the credential back in the way that its path says.
fn indiscreet(request: &Received) -> Reply {
    let said = request.header("authorization").unwrap_or("nothing").to_owned();
    let key = said.strip_prefix("Bearer ").unwrap_or(&said).to_owned();
    match request.target.as_str() {
        "/body" => Reply::of(200, "text/plain", format!("you sent {said}, thank you")),
        "/json" => Reply::of(
            200,
            "application/json",
            json!({"key": key}).to_string().replace('/', "\\/"),
        ),
        "/base64" => Reply::of(200, "text/plain", STANDARD.encode(&said)),
        "/percent" => Reply::of(200, "text/plain", percent(&key)),
        "/split" => Reply::of(200, "text/plain", format!("you sent {said}, thank you")).in_pieces(3),
        "/header" => Reply::of(200, "text/plain", "see above").header("x-echo", &said),
        "/header-base64" => Reply::of(200, "text/plain", "see above").header("x-echo", &STANDARD.encode(&key)),
        "/same-header" => Reply::of(200, "text/plain", "see above").header("authorization", &said),
        "/error" => Reply::of(
            401,
            "application/json",
            json!({"error": {"message": format!("bad key {key}")}}).to_string(),
        ),
        _ => Reply::of(200, "text/plain", "quiet"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_found_nowhere() {
    let upstream = Upstream::answering(indiscreet).await;
    let host = plan(Some(&upstream), "[log]\nlevel = \"trace\"").start().await;
    // Backwards, so that asking for it does not put it into the plugin's memory.
    let backwards = forms()
        .iter()
        .map(|form| form.chars().rev().collect())
        .collect::<Vec<String>>()
        .join("\n");

    let paths = [
        "/quiet",
        "/body",
        "/json",
        "/base64",
        "/percent",
        "/split",
        "/header",
        "/header-base64",
        "/same-header",
        "/error",
    ];
    for path in paths {
        let asked = json!({"url": upstream.origin() + path, "slot": "api-key", "backwards": backwards}).to_string();
        let answer = ask(&host, "hostile/send-and-scan", &asked).await;
        assert_clean(path, &answer.raw);
        let report = answer.report();
        let found = report["scanned"]["found"].as_array().expect("a count for each form");
        assert!(
            found.iter().all(|count| *count == 0),
            "{path}: in the plugin's memory: {found:?}"
        );
        assert!(
            report["scanned"]["bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20),
            "{report}"
        );
        let told = &report["told"];
        let refused = [told, &told["end"]]
            .iter()
            .any(|one| one["text"].as_str().is_some_and(|text| text.contains("rule `leak`")));
        assert_eq!(refused, path != "/quiet", "{path}: {told}");
        assert_clean(path, &ask(&host, "hostile/send-or-fail", &asked).await.raw);
        assert_clean(path, &stream(&host, "hostile/send", &asked).await.raw);
    }
    assert_eq!(
        upstream.received()[0].header("authorization"),
        Some(format!("Bearer {CANARY}").as_str())
    );

    let status = host.command(&["status", "--json"]).await;
    assert_clean("the status", &String::from_utf8_lossy(&status.stdout));
    let models = host
        .request(http::Method::GET, "/v1/models")
        .send()
        .await
        .expect("an answer");
    assert_clean("the models", &models.text().await.expect("a body"));
    let (_, log) = host.stop().await;
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    assert_clean("the log", &log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_got_into_a_plugin_does_not_get_out() {
    let upstream = Upstream::answering(indiscreet).await;
    let host = plan(Some(&upstream), "[log]\nlevel = \"trace\"").start().await;
    // As if the plugin had come by it: a caller tells it.
    for form in forms() {
        ask(&host, "hostile/log", &form).await;
        ask(&host, "hostile/logs", &form).await;
        for asked in [
            json!({"method": "POST", "url": upstream.origin(), "body": format!("psst: {form}")}),
            json!({"url": upstream.origin(), "headers": [["x-key", form]]}),
        ] {
            let report = ask(&host, "hostile/send", &asked.to_string()).await.report();
            assert!(
                report["text"].as_str().is_some_and(|text| text.contains("rule `leak`")),
                "{form}: {report}"
            );
        }
    }
    let asked = json!({"url": format!("{}/?key={}", upstream.origin(), percent(CANARY))});
    let report = ask(&host, "hostile/send", &asked.to_string()).await.report();
    assert_eq!(report["failed"], "denied", "{report}");
    assert_eq!(upstream.received().len(), 0);
    host.log().line("[secret]").await;
    let (_, log) = host.stop().await;
    for form in forms() {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&form)).collect();
        assert!(lines.is_empty(), "{} lines, the first: {}", lines.len(), lines[0]);
    }
}
