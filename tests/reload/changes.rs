//! Everything that can change under a running host, with more than 200 answers under way.

use llm_host_tests::admin::{generation, provider};
use llm_host_tests::host::Host;
use llm_host_tests::{built, files, vault};
use llm_host_vault::{Pin, Secret, Secrets};
use serde_json::Value;
use time::OffsetDateTime;

use crate::traffic::{Busy, Caller, HELD, SECRET, SLOW, Stage, soon};

fn digest(status: &Value, name: &str) -> String {
    provider(status, name)
        .and_then(|provider| provider["digest"].as_str())
        .unwrap_or_default()
        .to_owned()
}

fn problem<'s>(status: &'s Value, subject: &str) -> Option<&'s Value> {
    let problems = status["problems"].as_array()?;
    problems
        .iter()
        .find(|problem| problem["subject"].as_str().is_some_and(|text| text.ends_with(subject)))
}

/// What people are shown.
async fn shown(host: &Host) -> String {
    let output = host.command(&["status"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The generations of everything that is served.
fn generations(status: &Value) -> Vec<u64> {
    let all = status["plugins"].as_array().expect("a list");
    all.iter()
        .map(|provider| provider["generation"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_come_change_and_go() {
    let stage = Stage::new().await;
    let host = &stage.host;
    let mut held = stage.hold().await;
    let busy = Busy::start(host, 6);
    let plugins = host.dir().join("plugins");

    // One more.
    let anthropic = std::fs::read(built::plugin("anthropic").expect("a plugin")).expect("a component");
    files::put(&plugins.join("anthropic.wasm"), &anthropic);
    host.until("the new plugin is served", |status| {
        provider(status, "anthropic").is_some()
    })
    .await;
    stage.step(&mut held).await;

    // Another build in its place.
    let echo = std::fs::read(built::plugin("echo").expect("a plugin")).expect("a component");
    let before = host.status().await;
    files::put(&plugins.join("echo.wasm"), &files::built_again(&echo, "second"));
    let changed = |status: &Value| digest(status, "echo") != digest(&before, "echo");
    let after = host.until("the other build is served", changed).await;
    let (old, new) = (
        generation(&before, "echo").expect("served"),
        generation(&after, "echo").expect("served"),
    );
    assert!(new > old);
    assert_eq!(
        generation(&after, SLOW[0]),
        generation(&before, SLOW[0]),
        "what did not change is the same as before"
    );
    let asked = Caller::of(host).chat("echo/echo", "which one are you", false).await;
    assert_eq!(
        crate::traffic::generation(&asked),
        new,
        "new requests see the new generation"
    );
    stage.step(&mut held).await;

    // Gone.
    std::fs::remove_file(plugins.join("anthropic.wasm")).expect("it is there");
    host.until("the plugin is gone", |status| provider(status, "anthropic").is_none())
        .await;
    let refused = Caller::of(host).chat("anthropic/x", "are you there", false).await;
    assert_eq!(refused.status(), 404);
    stage.step(&mut held).await;

    // Broken ones, and one that is still being copied.
    let before = host.status().await;
    files::put(&plugins.join("broken.wasm"), b"\0asm, but no more of it");
    let half = &std::fs::read(plugins.join("openai.wasm")).expect("a component")[..100_000];
    std::fs::write(plugins.join("openai.wasm"), half).expect("a file");
    let status = host
        .until("both are reported", |status| {
            problem(status, "broken.wasm").is_some() && problem(status, "openai.wasm").is_some()
        })
        .await;
    assert_eq!(
        generations(&status),
        generations(&before),
        "nothing that is served has changed"
    );
    assert_eq!(
        problem(&status, "openai.wasm").expect("reported")["kept_previous"],
        true
    );
    let text = shown(host).await;
    assert!(text.contains("broken.wasm: not a WebAssembly component"), "{text}");
    let more = Caller::of(host).open(SLOW[0]).await;
    stage.step(&mut held).await;
    held.push(more);

    // The copy is complete, and nothing has happened.
    std::fs::remove_file(plugins.join("broken.wasm")).expect("it is there");
    std::fs::copy(built::plugin("openai").expect("a plugin"), plugins.join("openai.wasm")).expect("a copy");
    let sound = |status: &Value| status["problems"].as_array().is_some_and(Vec::is_empty);
    let status = host.until("nothing is reported", sound).await;
    assert_eq!(generations(&status), generations(&before));

    // A newcomer with the id of a plugin that is served does not take its place.
    files::put(&plugins.join("aaa.wasm"), &echo);
    let status = host
        .until("the second file is reported", |status| {
            problem(status, "aaa.wasm").is_some()
        })
        .await;
    assert_eq!(generations(&status), generations(&before));
    std::fs::remove_file(plugins.join("aaa.wasm")).expect("it is there");
    stage.step(&mut held).await;

    let answered = busy.end().await;
    assert!(
        answered.contains(&old) && answered.contains(&new),
        "short answers came from both generations"
    );
    // The old generation has nothing left to do, and is gone.
    host.until("the old generation has gone", |status| {
        status["replaced"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    stage.finish(held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_change_and_are_refused_when_wrong() {
    let stage = Stage::new().await;
    let host = &stage.host;
    let mut held = stage.hold().await;
    let busy = Busy::start(host, 6);
    let config = host.dir().join("host.toml");

    // Wrong ones change nothing.
    let sound = std::fs::read_to_string(&config).expect("a file");
    let before = host.status().await;
    for (wrong, why) in [
        (format!("{sound}\n[server]\nlisten = 7\n"), "host.toml"),
        (sound.replace("base_path", "base_pfad"), "base_pfad"),
        (sound.replace("127.0.0.1:0", "127.0.0.1:1"), "server.listen"),
        (
            format!("{sound}\n[log]\nlevel = \"debug\"\n"),
            "`log` can only change when the host is started again",
        ),
        (format!("{sound}\n[models]\ndefault = \"nobody/m\"\n"), "nobody"),
    ] {
        files::put(&config, wrong.as_bytes());
        let refused = |status: &Value| {
            status["reload"]["error"]
                .as_str()
                .is_some_and(|error| error.contains(why))
        };
        let status = host.until(why, refused).await;
        assert_eq!(status["generation"], before["generation"], "{why}");
        assert_eq!(generations(&status), generations(&before), "{why}");
        let text = shown_with(host, &sound, &wrong).await;
        assert!(text.contains(why), "{text}");
        stage.step(&mut held).await;
    }

    // Right ones count for new requests.
    files::put(&config, sound.replace("/g1", "/g2").as_bytes());
    let changed = |status: &Value| status["reload"]["ok"] == true;
    let status = host.until("the settings are taken up", changed).await;
    assert!(generation(&status, SLOW[1]) > generation(&before, SLOW[1]));
    assert_eq!(generation(&status, "echo"), generation(&before, "echo"));
    let finishing = status["replaced"].as_array().expect("a list");
    let counted: Vec<_> = finishing
        .iter()
        .map(|old| old["in_flight"].as_u64().expect("a number"))
        .collect();
    assert_eq!(
        counted,
        [HELD as u64, HELD as u64],
        "the old generations finish what they have begun"
    );
    let newer = Caller::of(host).open(SLOW[0]).await;
    assert_eq!(Some(newer.generation), generation(&status, SLOW[0]));
    stage.step(&mut held).await;
    assert!(held.iter().all(|open| open.said.iter().all(|tag| tag == "g1")));
    held.push(newer);

    // Callers that leave take their calls to the upstream with them.
    drop(held.drain(..20));
    soon("the upstream's callers leaving", stage.upstream.left(20)).await;
    let counted = |status: &Value| {
        let finishing = status["replaced"].as_array().into_iter().flatten();
        finishing.filter_map(|old| old["in_flight"].as_u64()).sum::<u64>() == 2 * HELD as u64 - 20
    };
    host.until("the calls are no longer counted", counted).await;

    let newer = held.pop().expect("the newest");
    busy.end().await;
    stage.finish(held).await;
    let newer = newer.rest().await;
    assert!(newer.said.iter().all(|tag| tag == "g2"), "{newer:?}");
    host.until("the old generations are gone", |status| {
        status["replaced"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    let status = host.status().await;
    assert!(
        status["plugins"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|provider| provider["in_flight"] == 0)
    );
}

/// `host status` reads the configuration for the socket's place, so a broken file is put aside for
/// the moment that it takes.
async fn shown_with(host: &Host, sound: &str, wrong: &str) -> String {
    let aside = host.dir().join("sound.toml");
    std::fs::write(&aside, sound).expect("a file");
    let output = tokio::process::Command::new(built::host().expect("a host"))
        .args(["status", "--config"])
        .arg(&aside)
        .output()
        .await
        .expect("the host can be run");
    assert!(
        output.status.success(),
        "with {wrong}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_and_grants_end() {
    let stage = Stage::new().await;
    let host = &stage.host;
    let mut held = stage.hold().await;
    let busy = Busy::start(host, 6);
    let caller = Caller::of(host);
    let model = format!("{}/m", SLOW[0]);
    let revision = |status: &Value| status["vault"]["revision"].as_u64().unwrap_or_default();
    let bearer = |upstream: &llm_host_tests::upstream::Upstream| {
        let received = upstream.received();
        received
            .last()
            .and_then(|last| last.header("authorization").map(str::to_owned))
            .unwrap_or_default()
    };
    assert_eq!(bearer(&stage.upstream), format!("Bearer {SECRET}"));

    // A new key.
    let before = revision(&host.status().await);
    vault::edit(host.dir(), |draft| {
        let secrets = Secrets::one("api_key", Secret::new("sk-upstream-0002"));
        draft.rotate("openai-api-key", &secrets, OffsetDateTime::now_utc())
    });
    host.until("the new key is taken up", |status| revision(status) > before)
        .await;
    held.push(caller.open(SLOW[0]).await);
    assert_eq!(bearer(&stage.upstream), "Bearer sk-upstream-0002");
    stage.step(&mut held).await;

    // Other bytes of the plugin have no grant: they wait, and the earlier ones go on serving.
    let plugins = host.dir().join("plugins");
    let openai = std::fs::read(built::plugin("openai").expect("a plugin")).expect("a component");
    let before = host.status().await;
    let other = files::built_again(&openai, "second");
    files::put(&plugins.join("openai.wasm"), &other);
    host.until("the other build waits for its approval", |status| {
        status["problems"].to_string().contains("host grant approve")
    })
    .await;
    assert_eq!(digest(&host.status().await, SLOW[0]), digest(&before, SLOW[0]));
    held.push(caller.open(SLOW[0]).await);
    stage.step(&mut held).await;

    // Approved, they take over; what runs goes on with the grant it began with.
    let bytes = ring::digest::digest(&ring::digest::SHA256, &other);
    let pin = Pin::Digest(bytes.as_ref().try_into().expect("SHA-256 has 32 bytes"));
    vault::edit(host.dir(), |draft| {
        let ids: Vec<String> = draft.grants().iter().map(|grant| grant.id.clone()).collect();
        ids.iter()
            .try_for_each(|id| draft.approve(id, pin, "{}".to_owned()).map(drop))
    });
    host.until("the other build is served", |status| {
        digest(status, SLOW[0]) != digest(&before, SLOW[0])
    })
    .await;
    held.push(caller.open(SLOW[0]).await);
    stage.step(&mut held).await;

    // A grant that is revoked counts from the next request on.
    let before = revision(&host.status().await);
    vault::edit(host.dir(), |draft| {
        let ids: Vec<String> = draft.grants().iter().map(|grant| grant.id.clone()).collect();
        ids.iter().try_for_each(|id| draft.revoke(id).map(drop))
    });
    host.until("the revocation is taken up", |status| revision(status) > before)
        .await;
    let asked = stage.upstream.received().len();
    let refused = caller.chat(&model, "go on", true).await;
    assert!(
        refused.status().is_client_error() || refused.status().is_server_error(),
        "{}",
        refused.status()
    );
    assert_eq!(stage.upstream.received().len(), asked, "nothing was sent");
    stage.step(&mut held).await;

    busy.end().await;
    stage.finish(held).await;
}
