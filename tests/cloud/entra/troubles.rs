//! What goes wrong is told apart, says what to do, and holds no secret.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use llm_host::egress::EgressError;

use super::service::{APPLICATION, FEDERATED, IDENTITY_HEADER, SECRET, STRANGER};
use super::world::{Entry, ManualClock, World};

const MANAGEMENT: &str = r#"{"entra":{"scope":"https://management.azure.com/.default"}}"#;

fn sound(text: &str) {
    for secret in [SECRET, FEDERATED, IDENTITY_HEADER, "canary", "PRIVATE KEY"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    for (entry, parts) in [
        (
            Entry::secret().field("client_secret", "canary~another-secret-000"),
            ["`host vault rotate`", "AADSTS7000215"],
        ),
        (
            Entry::secret().with("tenant_id", "nowhere.example"),
            ["`tenant_id`", "AADSTS90002"],
        ),
        (
            Entry::secret().with("client_id", "00000000-0000-0000-0000-000000000000"),
            ["`client_id`", "AADSTS700016"],
        ),
        (Entry::certificate(STRANGER), ["certificate", "AADSTS700027"]),
        (
            Entry::from("managed-identity").with("client_id", "another"),
            ["Identity not found", "status 400"],
        ),
        (
            Entry::from("managed-identity")
                .with("object_id", "a")
                .with("client_id", "b"),
            ["more than one", "none means"],
        ),
        (Entry::from("workload-identity"), ["`tenant_id`", "AZURE_TENANT_ID"]),
        (Entry::certificate(&APPLICATION[..200]), ["no certificate", "PEM"]),
    ] {
        let world = World::new(entry).await;
        let (reason, retryable) = world.refused().await;
        assert!(parts.iter().all(|part| reason.contains(part)) && !retryable, "{reason}");
        sound(&reason);
        assert!(
            world.upstream.received().is_empty(),
            "nothing is sent without its token"
        );
    }
}

#[tokio::test]
async fn an_expired_secret_is_told_from_a_wrong_one() {
    let world = World::new(Entry::secret()).await;
    world.entra.expire_secret();
    let (reason, _) = world.refused().await;
    assert!(
        reason.contains("expired") && reason.contains("AADSTS7000222"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_wrong_clock_is_named() {
    let slow = Arc::<ManualClock>::default();
    slow.set_back(Duration::from_secs(3600));
    let world = World::with(Entry::certificate(APPLICATION), |_| Vec::new(), Some(slow)).await;
    let (reason, _) = world.refused().await;
    assert!(reason.contains("clock") && reason.contains("AADSTS700024"), "{reason}");
}

#[tokio::test]
async fn a_service_that_asks_for_rest_gets_it() {
    let world = Arc::new(World::new(Entry::secret()).await);
    world.entra.trouble(&[(429, Some(30))]);
    let requests = (0..50).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.refused().await })
    });
    for refused in join_all(requests).await {
        let (reason, retryable) = refused.unwrap();
        assert!(reason.contains("left alone") && retryable, "{reason}");
    }
    world.clock.advance(Duration::from_secs(29));
    assert!(world.refused().await.1);
    assert_eq!(world.entra.asked(), 1, "it is not asked before the time that it named");
    world.clock.advance(Duration::from_secs(1));
    assert!(world.works().await);
    assert_eq!(world.entra.asked(), 2);
}

#[tokio::test]
async fn an_outage_is_not_noticed_while_the_token_is_good() {
    let world = World::new(Entry::from("managed-identity")).await;
    assert!(world.works().await);
    world.entra.trouble(&[(503, None); 8]);
    for passed in [3599 - 300, 60, 60, 60] {
        world.clock.advance(Duration::from_secs(passed));
        assert!(world.works().await);
    }
    world.clock.advance(Duration::from_secs(120));
    let (reason, retryable) = world.refused().await;
    assert!(reason.contains("status 503") && retryable, "{reason}");
}

#[tokio::test]
async fn a_metadata_service_that_is_updated_comes_back() {
    let world = World::new(Entry::from("managed-identity")).await;
    world.entra.trouble(&[(410, None), (404, None)]);
    for pause in [1, 2] {
        let (reason, retryable) = world.refused().await;
        assert!(reason.contains("not available") && retryable, "{reason}");
        world.clock.advance(Duration::from_secs(pause));
    }
    assert!(world.works().await);
}

#[tokio::test]
async fn nobody_there_is_told_apart() {
    let world = World::with(
        Entry::from("managed-identity"),
        |_| vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1".to_owned())],
        None,
    )
    .await;
    let (reason, retryable) = world.refused().await;
    assert!(reason.contains("no answer from `127.0.0.1`") && retryable, "{reason}");
    let world = World::new(Entry::secret()).await;
    world.reload(Entry::secret());
    let far = World::with(
        Entry::from("managed-identity"),
        |_| {
            vec![(
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                "http://metadata.example".to_owned(),
            )]
        },
        None,
    )
    .await;
    let (reason, _) = far.refused().await;
    assert!(reason.contains("has to be `https`"), "{reason}");
}

#[tokio::test]
async fn a_token_for_another_audience_is_the_resources_to_refuse() {
    let rule = r#"{"entra":{"scope":"https://ai.azure.com/.default"}}"#;
    let world = World::new(Entry::secret().rule(rule)).await;
    let (status, text) = world.send().await.unwrap();
    assert_eq!(status, 401);
    assert!(text.contains("audience is incorrect"), "{text}");
}

#[tokio::test]
async fn only_an_admin_opens_other_audiences() {
    let world = World::new(Entry::secret()).await;
    let refused = world.send_wishing(MANAGEMENT).await.unwrap_err();
    assert!(matches!(refused, EgressError::Credential(_)));
    let text = refused.to_string();
    assert!(
        text.contains("management.azure.com") && text.contains("--attach"),
        "{text}"
    );
    assert_eq!(world.entra.asked(), 0, "no such token is even asked for");
    let world = World::new(Entry::secret().rule(MANAGEMENT)).await;
    assert_eq!(
        world.send().await.unwrap().0,
        401,
        "the token is the management's, which the resource refuses"
    );
    assert_eq!(world.entra.asked(), 1);
}
