//! Keys that end while many requests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_host_tests::fake_aws::FakeAws;
use llm_host_tests::vault;
use time::OffsetDateTime;

use super::world::{LONG, converse, plan};

const IMDS: &[(&str, &str)] = &[("source", "imds"), ("region", "us-east-1")];

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_wait_for_one_fetch() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.issue(LONG, Duration::from_millis(500)).await;
    let host = plan(&fake, IMDS, &[]).start().await;
    let answers = futures::future::join_all((0..50).map(|_| converse(&host, &fake))).await;
    assert_eq!(answers.len(), 50);
    for what in ["imds:token", "imds:role", "imds:credentials"] {
        assert_eq!(fake.seen(what).await.len(), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn load_goes_on_while_keys_end() {
    let Some(fake) = FakeAws::start().await else { return };
    let life = Duration::from_secs(4);
    fake.issue(life, Duration::from_millis(200)).await;
    let host = Arc::new(plan(&fake, IMDS, &[]).start().await);
    let fake = Arc::new(fake);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (host, fake, stop) = (Arc::clone(&host), Arc::clone(&fake), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut served = 0;
                while !stop.load(Ordering::Relaxed) {
                    converse(&host, &fake).await;
                    served += 1;
                }
                served
            })
        })
        .collect();
    // Four sets of keys: the first has ended by then.
    loop {
        let fetches = fake.seen("imds:credentials").await;
        assert!(
            callers.iter().all(|caller| !caller.is_finished()),
            "a caller was refused"
        );
        if fetches.len() >= 4 {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    let served: usize = futures::future::join_all(callers)
        .await
        .into_iter()
        .map(|served| served.expect("no caller was refused"))
        .sum();
    let fetches = fake.seen("imds:credentials").await;
    let gaps = fetches.windows(2).map(|pair| pair[1].at - pair[0].at);
    let shortest = gaps.fold(f64::INFINITY, f64::min);
    // Fetched anew after half of their life, less what the whole second of their end takes away.
    assert!(shortest > 1.0, "{shortest} s between two fetches: {fetches:?}");
    let refused: Vec<_> = fake.log().await.into_iter().filter(|one| one.status != 200).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(served > 50, "only {served}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_keys_whose_entry_did_not_change() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = plan(&fake, IMDS, &[]).start().await;
    converse(&host, &fake).await;
    let reload = async || {
        let output = host.command(&["reload"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    vault::edit(host.dir(), |draft| {
        let entry = llm_host_vault::NewEntry {
            kind: "api-key".to_owned(),
            secrets: llm_host_vault::Secrets::one("api_key", llm_host_vault::Secret::new("canary-of-somebody-else")),
            hosts: vec!["https://api.example.com".to_owned()],
            ..Default::default()
        };
        draft.set("stranger", entry, OffsetDateTime::now_utc())
    });
    reload().await;
    converse(&host, &fake).await;
    assert_eq!(fake.seen("imds:credentials").await.len(), 1);
    vault::edit(host.dir(), |draft| {
        let attributes = [
            ("source", "imds"),
            ("region", "us-east-1"),
            ("instance_profile", "instance-role"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        draft.set_attributes("hostile-api-key", attributes.into())
    });
    reload().await;
    converse(&host, &fake).await;
    assert_eq!(fake.seen("imds:credentials").await.len(), 2);
    assert_eq!(fake.seen("imds:role").await.len(), 1, "the role's name is known now");
}
