//! Each source gets its tokens in the form that its service demands, and keeps them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::service::{APPLICATION, CLIENT, FEDERATED, IDENTITY_HEADER, SECRET, STRANGER, TENANT};
use super::world::{Entry, World, machine};

#[tokio::test]
async fn an_application_signs_in_by_its_secret_or_its_certificate() {
    let with_issuer = format!("{APPLICATION}{STRANGER}");
    for entry in [
        Entry::secret(),
        Entry::certificate(APPLICATION),
        Entry::certificate(APPLICATION).with("algorithm", "RS256"),
        Entry::certificate(&with_issuer).with("send_certificate_chain", "true"),
    ] {
        let world = World::new(entry).await;
        for _ in 0..3 {
            assert_eq!(world.send().await.unwrap().0, 200);
        }
        assert_eq!(world.entra.asked(), 1, "the token is kept");
    }
}

#[tokio::test]
async fn a_workload_signs_in_by_the_token_in_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "outdated.federated.token").unwrap();
    let env = |authority: &str| {
        vec![
            ("AZURE_TENANT_ID", TENANT.to_owned()),
            ("AZURE_CLIENT_ID", CLIENT.to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", file.display().to_string()),
            ("AZURE_AUTHORITY_HOST", authority.to_owned()),
        ]
    };
    // The entry of this world names its authority; the variable is there as a platform sets it.
    let world = World::with(
        Entry::from("workload-identity"),
        |_| env("https://login.microsoftonline.com/"),
        None,
    )
    .await;
    let (reason, _) = world.refused().await;
    assert!(reason.contains("AADSTS"), "{reason}");
    std::fs::write(&file, format!("{FEDERATED}\n")).unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert!(world.works().await, "the file is read at each fetch");

    let explicit = Entry::from("workload-identity")
        .with("tenant_id", TENANT)
        .with("client_id", CLIENT)
        .with("token_file", &file.display().to_string());
    assert!(World::with(explicit, |_| Vec::new(), None).await.works().await);
}

#[tokio::test]
async fn a_machine_signs_in_as_itself_or_as_an_identity_it_was_given() {
    for (name, value) in [
        None,
        Some(("client_id", CLIENT)),
        Some(("object_id", "object-1")),
        Some(("resource_id", "/subscriptions/s/identities/i")),
    ]
    .map(Option::unzip)
    {
        let entry = || match (name, value) {
            (Some(name), Some(value)) => Entry::from("managed-identity").with(name, value),
            _ => Entry::from("managed-identity"),
        };
        let world = World::new(entry()).await;
        assert!(world.works().await, "virtual machine, {name:?}");
        let [asked] = world.machine.received().try_into().unwrap();
        assert!(
            asked.target.starts_with("/metadata/identity/oauth2/token?"),
            "{}",
            asked.target
        );

        let world = World::with(
            entry(),
            |machine| {
                vec![
                    ("IDENTITY_ENDPOINT", format!("{}/msi/token", machine.origin())),
                    ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
                ]
            },
            None,
        )
        .await;
        assert!(world.works().await, "App Service, {name:?}");
    }
}

#[tokio::test]
async fn fifty_requests_in_mid_load_make_one_fetch_when_the_token_ends() {
    let world = Arc::new(World::with(Entry::secret(), machine, None).await);
    for (round, passed) in [(1, 0), (2, 3599), (3, 3580), (4, 100_000)] {
        world.clock.advance(Duration::from_secs(passed));
        let requests = (0..50).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.send().await })
        });
        for answer in join_all(requests).await {
            let (status, text) = answer.unwrap().unwrap();
            assert_eq!(status, 200, "{text}");
        }
        assert_eq!(world.entra.asked(), round);
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_without_anybody_waiting() {
    let world = World::new(Entry::secret()).await;
    assert!(world.works().await);
    world.clock.advance(Duration::from_secs(3599 - 300));
    assert!(world.works().await);
    world.authority.arrived(2).await;
    // The first token has ended; the one that was fetched ahead is there.
    world.clock.advance(Duration::from_secs(300));
    assert!(world.works().await);
    assert_eq!(world.entra.asked(), 2);
}

#[tokio::test]
async fn a_rotated_secret_fetches_anew_and_an_unchanged_entry_does_not() {
    const NEXT: &str = "canary~next-client-secret-9876";
    let world = World::new(Entry::secret()).await;
    assert!(world.works().await);
    world.reload(Entry::secret());
    assert!(world.works().await);
    assert_eq!(world.entra.asked(), 1, "the entry is as it was");
    world.entra.rotate(NEXT);
    world.reload(Entry::secret().field("client_secret", NEXT).version("second"));
    assert!(world.works().await);
    assert_eq!(world.entra.asked(), 2);
    world.reload(Entry::secret().field("client_secret", SECRET).version("third"));
    assert!(!world.works().await, "a token of another secret is not used");
}
