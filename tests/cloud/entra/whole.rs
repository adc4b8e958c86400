//! The real host, the adapter of Azure's resources, and the services: from the caller's request to the
//! token and back.

use std::sync::{Arc, Mutex};

use llm_host_tests::host::Plan;
use llm_host_tests::upstream::{Received, Upstream};
use llm_host_tests::vault;
use llm_host_vault::{Grant, NewEntry, Pin, Secret, Secrets};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::service::{CLIENT, Entra, RESOURCE, SECRET, TENANT};
use super::world::ManualClock;

const PLUGIN: &str = "azure-openai";

#[tokio::test]
async fn a_caller_is_answered_with_an_identity_that_no_plugin_has_seen() {
    // The host goes by the machine's clock, and the tokens' lives are counted from their arrival.
    let entra = Entra::new(Arc::<ManualClock>::default());
    let own = Arc::new(Mutex::new(String::new()));
    let (service, at) = (Arc::clone(&entra), Arc::clone(&own));
    let authority =
        Upstream::answering(move |request: &Received| service.token_endpoint(&at.lock().unwrap(), request)).await;
    *own.lock().unwrap() = authority.origin();
    let service = Arc::clone(&entra);
    let upstream = Upstream::answering(move |request: &Received| service.resource(request)).await;
    let settings = format!(
        "[providers.{PLUGIN}]\nplugin = {PLUGIN:?}\nsettings = {{ endpoint = {:?}, api = \"v1\", discover = \"off\" }}",
        upstream.origin()
    );
    let host = Plan::new()
        .plugin(PLUGIN)
        .trusting(&format!("{}{}", authority.authority(), upstream.authority()))
        .settings(&settings)
        .start()
        .await;
    let component = std::fs::read(host.dir().join("plugins").join(PLUGIN).with_extension("wasm")).unwrap();
    let give = |scope: Option<&str>| {
        vault::edit(host.dir(), |draft| {
            let attributes = [
                ("source", "client-secret"),
                ("tenant_id", TENANT),
                ("client_id", CLIENT),
                ("authority", &authority.origin()),
            ];
            let entry = NewEntry {
                kind: "entra".to_owned(),
                secrets: Secrets::one("client_secret", Secret::new(SECRET)),
                attributes: attributes
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                hosts: vec![upstream.origin()],
            };
            let now = OffsetDateTime::now_utc();
            draft.set("entra", entry, now)?;
            let earlier: Vec<String> = draft.grants().iter().map(|grant| grant.id.clone()).collect();
            for id in earlier {
                draft.revoke(&id)?;
            }
            let pin = Pin::Digest(digest(&SHA256, &component).as_ref().try_into().unwrap());
            let mut grant = Grant::new(PLUGIN, pin, now);
            grant.slot = Some("entra".to_owned());
            grant.credential = Some("entra".to_owned());
            grant.private_origins = vec![upstream.origin()];
            grant.attach = scope.map(|scope| json!({ "entra": { "scope": scope } }).to_string());
            draft.add_grant(grant).map(drop)
        });
    };
    let request =
        json!({ "model": format!("{PLUGIN}/gpt-5-mini"), "messages": [{ "role": "user", "content": "hello" }] });

    give(None);
    assert!(host.command(&["reload"]).await.status.success());
    for _ in 0..2 {
        let response = host.post("/v1/chat/completions", &request).await;
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{body}\n{}", host.log().text());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "hello");
    }
    assert_eq!(entra.asked(), 1);
    let doctor = host.command(&["doctor", PLUGIN, "--no-call"]).await;
    let found = String::from_utf8(doctor.stdout).unwrap();
    let who = format!("slot entra: application {CLIENT}, object object-1, tenant {TENANT}, audience {RESOURCE}");
    assert!(doctor.status.success() && found.contains(&who), "{found}");

    give(Some("https://ai.azure.com/.default"));
    assert!(host.command(&["reload"]).await.status.success());
    let response = host.post("/v1/chat/completions", &request).await;
    let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
    assert!((400..600).contains(&status), "{status} {body}");
    assert!(body.contains("audience is incorrect"), "{body}");

    // The secret is no longer the application's: who asks the doctor is told what to do.
    give(None);
    entra.rotate("canary~next-client-secret-9876");
    let doctor = host.command(&["doctor", PLUGIN, "--no-call"]).await;
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{found}");
    for part in [
        "FAILED   identity   slot entra: no token for slot `entra`: Entra refuses: the client secret is wrong",
        "(AADSTS7000215, trace 00000000-1111-2222-3333-444444444444)",
        "-> host vault rotate entra",
        "skipped  models",
    ] {
        assert!(found.contains(part), "{part:?} is not in\n{found}");
    }
    assert!(!found.contains("canary"), "{found}");

    let (_, log) = host.stop().await;
    for secret in [SECRET, "canary-token", "canary"] {
        assert!(
            !log.contains(secret) && !body.contains(secret),
            "{secret} is in\n{log}\n{body}"
        );
    }
}
