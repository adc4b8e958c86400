//! The three ways to order a reload: a signal, the admin socket, an admin key over HTTP.

use http::Method;
use llm_host_tests::admin::generation;
use llm_host_tests::files;
use llm_host_tests::host::{Host, Plan};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::traffic::{SLOW, Stage};

const ADMIN_KEY: &str = "llmh-admin-key-0001";

async fn over_http(host: &Host, key: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .post(format!("{}/admin/reload", host.url()))
        .header("authorization", format!("Bearer {key}"));
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON"),
    )
}

#[tokio::test]
async fn an_order_that_comes_while_the_host_starts_is_followed() {
    let plan = Plan::new().plugin("echo").variable("LLM_HOST_PLUGINS_DEBOUNCE", "1h");
    let starting = plan.begin();
    starting.log().line("loading plugins").await;
    starting.signal("HUP").await;
    let host = starting.ready().await;
    host.until("the signal is followed", |status| {
        status["reload"]["trigger"] == "signal"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_can_be_ordered() {
    let hash: String = digest(&SHA256, ADMIN_KEY.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let plan = Plan::new()
        // Longer than any test: nothing is taken up unless somebody says so.
        .variable("LLM_HOST_PLUGINS_DEBOUNCE", "1h")
        .settings(&format!(
            "[admin]
keys = [\"{hash}\"]
"
        ));
    let stage = Stage::of(plan).await;
    let host = &stage.host;
    let config = host.dir().join("host.toml");
    let mut held = stage.hold().await;
    let mut last = generation(&host.status().await, SLOW[0]);

    files::change(&config, "/g1", "/g2");
    host.signal("HUP").await;
    let status = host
        .until("the signal is followed", |status| {
            status["reload"]["trigger"] == "signal"
        })
        .await;
    assert!(generation(&status, SLOW[0]) > last);
    last = generation(&status, SLOW[0]);
    stage.step(&mut held).await;

    files::change(&config, "/g2", "/g3");
    let (status, answer) = host.admin(Method::POST, "/admin/reload").await;
    assert_eq!((status.as_u16(), &answer["ok"]), (200, &Value::Bool(true)), "{answer}");
    let status = host.status().await;
    assert!(generation(&status, SLOW[0]) > last);
    last = generation(&status, SLOW[0]);
    stage.step(&mut held).await;

    files::change(&config, "/g3", "/g4");
    let (refused, _) = over_http(host, llm_host_tests::host::KEY).await;
    assert_eq!(refused, 401, "a client's key is none of an admin");
    assert_eq!(generation(&host.status().await, SLOW[0]), last);
    let (ordered, answer) = over_http(host, ADMIN_KEY).await;
    assert_eq!(ordered, 200, "{answer}");
    assert!(generation(&host.status().await, SLOW[0]) > last);
    stage.step(&mut held).await;

    // What cannot be taken up is said to whoever ordered it.
    files::change(&config, "base_path", "base_pfad");
    let (status, answer) = host.admin(Method::POST, "/admin/reload").await;
    assert_eq!((status.as_u16(), &answer["ok"]), (409, &Value::Bool(false)), "{answer}");
    assert!(
        answer["error"]
            .as_str()
            .is_some_and(|error| error.contains("base_pfad")),
        "{answer}"
    );
    stage.finish(held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_behind_links_is_taken_up_when_a_link_is_swapped() {
    let stage = Stage::new().await;
    let host = &stage.host;
    let mut held = stage.hold().await;
    let before = generation(&host.status().await, SLOW[0]);

    // As a volume of Kubernetes: the file is a link through a directory that is a link itself.
    let config = host.dir().join("host.toml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    for (version, text) in [("one", text.clone()), ("two", text.replace("/g1", "/g2"))] {
        std::fs::create_dir(host.dir().join(version)).expect("a directory");
        std::fs::write(host.dir().join(version).join("host.toml"), text).expect("a file");
    }
    let swap = |to: &str, name: &str| {
        let aside = host.dir().join("aside");
        std::os::unix::fs::symlink(to, &aside).expect("a link");
        std::fs::rename(&aside, host.dir().join(name)).expect("a renamed link");
    };
    swap("one", "data");
    swap("data/host.toml", "host.toml");
    swap("two", "data");
    let status = host
        .until("the other version is served", |status| {
            generation(status, SLOW[0]) > before
        })
        .await;
    assert_eq!(status["config"]["last_error"], Value::Null, "{status}");
    stage.step(&mut held).await;
    stage.finish(held).await;
}
