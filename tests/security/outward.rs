//! The only way out: where it leads, what may be sent, and how much.

use bytes::Bytes;
use llm_host_tests::host::Host;
use llm_host_tests::upstream::{End, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

use crate::world::{Answer, CANARY, METADATA, ask, plan, start};

async fn send(host: &Host, plan: &Value) -> Answer {
    ask(host, "hostile/send", &plan.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_but_to_what_was_granted() {
    let upstream = Upstream::start().await;
    let metadata = Granted {
        slot: "metadata".into(),
        ..Granted::api_key("hostile", "metadata-secret", METADATA)
    };
    let host = plan(Some(&upstream), "").granted(metadata).start().await;
    let origin = upstream.origin();
    let port = origin.rsplit(':').next().expect("a port");
    for (url, slot, rule, words) in [
        ("https://example.com/".to_owned(), None, "manifest", "does not ask for"),
        ("https://other.example/".to_owned(), None, "grant", "not granted"),
        (
            "https://other.example/".to_owned(),
            Some("api-key"),
            "grant",
            "not granted",
        ),
        (
            format!("http://localhost:{port}/"),
            None,
            "manifest",
            "does not ask for",
        ),
        ("http://localhost/".to_owned(), None, "grant", "not granted"),
        (
            format!("https://127.0.0.1:{port}/"),
            None,
            "manifest",
            "does not ask for",
        ),
        (format!("https://user@localhost:{port}/"), None, "url", "user name"),
        (format!("https://localhost:{port}/a/../b"), None, "url", "path"),
        (format!("https://localhost:{port}/a/..;/b"), None, "url", "path"),
        (format!("https://localhost:{port}/a/%252e%252e/b"), None, "url", "path"),
        ("file:///etc/passwd".to_owned(), None, "url", "not an absolute"),
        (format!("{METADATA}/latest/meta-data"), None, "address", "metadata"),
        (
            format!("{METADATA}/latest/meta-data"),
            Some("metadata"),
            "address",
            "metadata",
        ),
        ("http://2852039166/".to_owned(), Some("metadata"), "url", "canonical"),
        ("http://0xa9fea9fe/".to_owned(), Some("metadata"), "url", "canonical"),
        (
            "http://0251.0376.0251.0376/".to_owned(),
            Some("metadata"),
            "url",
            "canonical",
        ),
        ("http://169.254.43518/".to_owned(), Some("metadata"), "url", "canonical"),
        (
            "http://[::ffff:169.254.169.254]/".to_owned(),
            Some("metadata"),
            "url",
            "canonical",
        ),
        (
            "http://[::ffff:a9fe:a9fe]/".to_owned(),
            Some("metadata"),
            "url",
            "canonical",
        ),
        (
            "http://[fd00:ec2::254]/".to_owned(),
            Some("metadata"),
            "grant",
            "not granted",
        ),
        (
            "https://metadata.google.internal/".to_owned(),
            Some("metadata"),
            "grant",
            "not granted",
        ),
    ] {
        let report = send(&host, &json!({"url": url, "slot": slot})).await.report();
        assert_eq!(report["failed"], "denied", "{url}: {report}");
        let text = report["text"].as_str().expect("a text");
        assert!(
            text.contains(&format!("rule `{rule}`")) && text.contains(words),
            "{url}: {text}"
        );
    }
    assert_eq!(upstream.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_the_caller_as_the_hosts_policy() {
    let host = start(None).await;
    let asked = json!({"url": "https://example.com/"}).to_string();
    let answer = ask(&host, "hostile/send-or-fail", &asked).await;
    answer.assert_error(403, "denied_by_host", "egress rule `manifest`");
    assert_eq!(answer.body["error"]["fault"], "host");
    host.log().line("egress rule `manifest`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_handed_over_and_leads_nowhere_else() {
    let upstream = Upstream::start().await;
    let host = start(Some(&upstream)).await;
    upstream.reply(Reply::of(302, "text/plain", "").header("location", "http://169.254.169.254/latest"));
    let asked = json!({"url": format!("{}/go", upstream.origin()), "slot": "api-key"});
    let report = ask(&host, "hostile/follow", &asked.to_string()).await.report();
    assert_eq!(report["failed"], "denied", "{report}");
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_headers_are_not_the_plugins() {
    let upstream = Upstream::start().await;
    let host = start(Some(&upstream)).await;
    let url = format!("{}/v1", upstream.origin());
    for name in [
        "authorization",
        "host",
        "x-api-key",
        "connection",
        "content-length",
        "transfer-encoding",
        "cookie",
        "proxy-authorization",
        "x-forwarded-for",
        "x-amz-security-token",
        "expect",
        "te",
        "upgrade",
        "x_api_key",
        "transfer_encoding",
    ] {
        let asked = json!({"url": url, "slot": "api-key", "headers": [[name, "mine"]]});
        let report = send(&host, &asked).await.report();
        let text = report["text"].as_str().unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(
            report["failed"] == "denied" && text.contains("rule `header`") && text.contains(name),
            "{report}"
        );
    }
    // Without the slot there is no credential, and none of the plugin's own either.
    let asked = json!({"url": url, "headers": [["authorization", "Bearer mine"]]});
    let report = send(&host, &asked).await.report();
    assert_eq!(report["failed"], "denied", "{report}");
    for headers in [json!([["a b", "x"]]), json!([["x-fine", "a\r\nauthorization: mine"]])] {
        let report = send(&host, &json!({"url": url, "slot": "api-key", "headers": headers}))
            .await
            .report();
        assert_eq!(report["failed"], "denied", "{report}");
    }
    assert_eq!(upstream.received().len(), 0);
    upstream.reply(Reply::of(200, "text/plain", "fine"));
    let report = send(
        &host,
        &json!({"url": url, "slot": "api-key", "headers": [["x-own", "mine"]]}),
    )
    .await
    .report();
    assert_eq!(report["body"], "fine", "{report}");
    let received = &upstream.received()[0];
    assert_eq!(
        received.header("authorization"),
        Some(format!("Bearer {CANARY}").as_str())
    );
    assert_eq!(received.headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_are_counted() {
    let upstream = Upstream::answering(|_| Reply::of(200, "text/plain", "x").ending(End::Never)).await;
    let host = start(Some(&upstream)).await;
    let url = upstream.origin();
    for (times, limit) in [(5, "`limits.concurrent_exchanges`"), (9, "`limits.exchanges`")] {
        let report = ask(&host, "hostile/many", &json!({"url": url, "times": times}).to_string())
            .await
            .report();
        assert_eq!(report["last"]["failed"], "denied", "{report}");
        assert!(
            report["last"]["text"].as_str().is_some_and(|text| text.contains(limit)),
            "{report}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_both_ways() {
    let upstream = Upstream::answering(|_| Reply::of(200, "text/plain", vec![b'x'; 1 << 20])).await;
    let host = start(Some(&upstream)).await;
    let url = upstream.origin();
    let report = send(&host, &json!({"method": "POST", "url": url, "body_bytes": 65_537}))
        .await
        .report();
    assert!(
        report["text"]
            .as_str()
            .is_some_and(|text| text.contains("`limits.request_bytes`")),
        "{report}"
    );
    assert_eq!(upstream.received().len(), 0);
    let report = send(&host, &json!({"url": url})).await.report();
    assert_eq!(report["end"]["failed"], "too-large", "{}", report["end"]);
    assert!(report["body"].as_str().is_some_and(|body| body.len() <= 256 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_let_go_is_cancelled_upstream() {
    let upstream = Upstream::answering(|_| {
        let pieces = vec![Bytes::from_static(b"first")];
        Reply {
            pieces,
            ..Reply::of(200, "text/plain", "").ending(End::Never)
        }
    })
    .await;
    let host = start(Some(&upstream)).await;
    let report = ask(
        &host,
        "hostile/drop-early",
        &json!({"url": upstream.origin()}).to_string(),
    )
    .await
    .report();
    assert_eq!(report["piece"], "first", "{report}");
    upstream.left(1).await;
    // A plugin that goes away with an answer open leaves none open either.
    ask(
        &host,
        "hostile/many",
        &json!({"url": upstream.origin(), "times": 3}).to_string(),
    )
    .await;
    upstream.arrived(2).await;
    upstream.left(2).await;
}
