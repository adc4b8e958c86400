//! Sources that give no keys: what the caller is told, what is tried again, and what never shows.

use llm_host_tests::fake_aws::{FakeAws, ROLE};
use llm_host_tests::host::PATIENCE;

use super::world::{CONVERSE, KEY_ID, KEYS, SECRET, converse, plan, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_tried_again() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    fake.role(ROLE, None).await;
    let attributes = [("source", "assume-role"), ("role_arn", ROLE), ("region", "us-east-1")];
    let host = plan(&fake, &attributes, KEYS).start().await;
    fake.fail("sts", 503).await;
    let told = send(&host, &fake, CONVERSE).await;
    told.assert_failed(
        "credential",
        &["AWS source `assume-role` gave no keys", "ServiceUnavailable"],
    );
    assert!(fake.seen("bedrock").await.is_empty(), "nothing went out unsigned");
    fake.fail("sts", 0).await;
    // The pause after a failure is a second.
    let healed = async { while send(&host, &fake, CONVERSE).await.text().contains("failed") {} };
    tokio::time::timeout(PATIENCE, healed)
        .await
        .expect("the next fetch is taken");
    converse(&host, &fake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_source_and_the_fix() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    fake.role(ROLE, Some("tenant-7")).await;
    let role = [("source", "assume-role"), ("role_arn", ROLE), ("region", "us-east-1")];
    let other_id = [role.as_slice(), &[("external_id", "tenant-8")]].concat();
    let no_file = [
        ("source", "web-identity"),
        ("role_arn", ROLE),
        ("region", "us-east-1"),
        ("token_file", "/nowhere/token"),
    ];
    let sso = [
        ("source", "sso"),
        ("start_url", "https://llm.awsapps.com/start"),
        ("sso_region", "us-east-1"),
        ("account_id", "123456789012"),
        ("role_name", "Developers"),
        ("region", "us-east-1"),
    ];
    let profile = [("source", "profile"), ("profile", "absent"), ("region", "us-east-1")];
    let malformed = [("source", "assume-role"), ("region", "us-east-1")];
    for (attributes, secrets, words) in [
        (
            &other_id[..],
            KEYS,
            &[
                "`assume-role` gave no keys",
                "AccessDenied",
                "not authorized to perform: sts:AssumeRole",
                "with this external id",
                ROLE,
            ][..],
        ),
        (
            &no_file,
            &[],
            &["`web-identity` gave no keys", "No such file", "/nowhere/token"],
        ),
        (&sso, &[], &["`sso` gave no keys", "aws sso login"]),
        (
            &profile,
            &[],
            &[
                "`profile` gave no keys",
                "absent",
                "aws sts get-caller-identity --profile absent",
            ],
        ),
        (&malformed, KEYS, &["attribute `role_arn` of the credential is missing"]),
        (&[("source", "magic")], KEYS, &["`magic` is not a source of AWS keys"]),
    ] {
        let host = plan(&fake, attributes, secrets).start().await;
        send(&host, &fake, CONVERSE).await.assert_failed("credential", words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_none_is_found_out_soon() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.fail("imds", 404).await;
    let host = plan(&fake, &[("source", "imds"), ("region", "us-east-1")], &[])
        .start()
        .await;
    let words = ["`imds` gave no keys", "an EC2 instance with an instance profile"];
    send(&host, &fake, CONVERSE).await.assert_failed("credential", &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_asked_for_in_the_clear_from_another_machine() {
    let Some(fake) = FakeAws::start().await else { return };
    let attributes = [("source", "assume-role"), ("role_arn", ROLE), ("region", "us-east-1")];
    let plan = plan(&fake, &attributes, KEYS).variable("AWS_ENDPOINT_URL_STS", "http://sts.example.com");
    let host = plan.start().await;
    let told = send(&host, &fake, CONVERSE).await;
    told.assert_failed("credential", &["`sts.example.com` is asked without TLS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_shows_in_the_log_or_in_an_answer() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    fake.role(ROLE, None).await;
    let attributes = [("source", "assume-role"), ("role_arn", ROLE), ("region", "us-east-1")];
    // All that there is to log.
    let plan = plan(&fake, &attributes, KEYS).variable("RUST_LOG", "trace");
    let host = plan.start().await;
    let told = send(&host, &fake, CONVERSE).await.text();
    fake.fail("sts", 403).await;
    let secrets = fake.secrets().await;
    assert_eq!(secrets.len(), 3, "the vault's key, and a key with its token");
    let (_, log) = host.stop().await;
    assert!(log.contains("fetched AWS keys"), "{log}");
    for secret in secrets {
        assert!(!told.contains(&secret));
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "a key is in the log: {line:?}");
    }
}
