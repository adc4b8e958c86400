//! Each source that keys may come from, to the signed request that Bedrock takes.

use llm_host_tests::fake_aws::{FakeAws, ROLE};
use llm_host_tests::host::Host;
use serde_json::json;

use super::world::{KEY_ID, KEYS, SECRET, converse, plan};

async fn comes_from(host: &Host, fake: &FakeAws, source: &str) {
    assert_eq!(converse(host, fake).await["source"], source);
}

/// Two requests, for which `what` is asked once.
async fn asks_once(host: &Host, fake: &FakeAws, source: &str, what: &str) {
    comes_from(host, fake, source).await;
    comes_from(host, fake, source).await;
    let asked = fake.seen(what).await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assumed_with_keys_of_the_vault() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    fake.role(ROLE, Some("tenant-7")).await;
    let attributes = [
        ("source", "assume-role"),
        ("role_arn", ROLE),
        ("external_id", "tenant-7"),
        ("session_name", "gateway"),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, KEYS).start().await;
    asks_once(&host, &fake, "AssumeRole", "sts:AssumeRole").await;
    let asked = fake.seen("sts:AssumeRole").await;
    assert_eq!(asked[0].access_key_id.as_deref(), Some(KEY_ID));
    assert_ne!(fake.seen("bedrock").await[0].access_key_id.as_deref(), Some(KEY_ID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assumed_with_another_source() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.role(ROLE, None).await;
    let attributes = [
        ("source", "assume-role"),
        ("base", "container"),
        ("role_arn", ROLE),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, &[]).start().await;
    asks_once(&host, &fake, "AssumeRole", "container:credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assumed_with_a_token_in_a_file() {
    let Some(fake) = FakeAws::start().await else { return };
    let token = "eyJhbGciOiJSUzI1NiJ9.canary-web-identity.0001";
    fake.web_identity(ROLE, token).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    std::fs::write(&file, token).expect("a file");
    let attributes = [
        ("source", "web-identity"),
        ("role_arn", ROLE),
        ("token_file", file.to_str().expect("a path in UTF-8")),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, &[]).start().await;
    asks_once(
        &host,
        &fake,
        "AssumeRoleWithWebIdentity",
        "sts:AssumeRoleWithWebIdentity",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_a_container() {
    let Some(fake) = FakeAws::start().await else { return };
    let token = "canary-pod-identity-token-0001";
    fake.container_token(token).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    std::fs::write(&file, token).expect("a file");
    let plan = plan(&fake, &[("source", "container"), ("region", "us-east-1")], &[]);
    let file = file.to_str().expect("a path in UTF-8");
    let host = plan
        .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
        .start()
        .await;
    asks_once(&host, &fake, "container", "container:credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_an_instance() {
    let Some(fake) = FakeAws::start().await else { return };
    let host = plan(&fake, &[("source", "imds"), ("region", "us-east-1")], &[])
        .start()
        .await;
    asks_once(&host, &fake, "imds", "imds:credentials").await;
    let asked: Vec<(String, u16)> = fake.log().await.into_iter().map(|one| (one.what, one.status)).collect();
    assert_eq!(
        asked[0],
        ("imds:token".to_owned(), 200),
        "version 2 begins with a token: {asked:?}"
    );
    assert!(asked.iter().all(|(_, status)| *status == 200), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn iam_identity_center() {
    let Some(fake) = FakeAws::start().await else { return };
    let token = "canary-sso-access-token-0001";
    fake.sso(token, "123456789012", "Developers").await;
    let start_url = "https://llm.awsapps.com/start";
    let attributes = [
        ("source", "sso"),
        ("start_url", start_url),
        ("sso_region", "us-east-1"),
        ("account_id", "123456789012"),
        ("role_name", "Developers"),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, &[]).start().await;
    // What `aws sso login` leaves behind: a file named by the SHA-1 of the portal's address.
    let cache = host.dir().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).expect("a directory");
    let name = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, start_url.as_bytes());
    let name: String = name.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let login = json!({
        "startUrl": start_url, "region": "us-east-1", "accessToken": token, "expiresAt": "2099-01-01T00:00:00Z",
    });
    std::fs::write(cache.join(name + ".json"), login.to_string()).expect("a file");
    asks_once(&host, &fake, "sso", "sso:GetRoleCredentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_in_files_of_its_own() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    fake.role(ROLE, None).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (config, credentials) = (dir.path().join("config"), dir.path().join("credentials"));
    let profile = format!("[profile work]\nrole_arn = {ROLE}\nsource_profile = keys\nregion = us-east-1\n");
    std::fs::write(&config, profile).expect("a file");
    let keys = format!("[keys]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&credentials, keys).expect("a file");
    let attributes = [
        ("source", "profile"),
        ("profile", "work"),
        ("config_file", config.to_str().expect("UTF-8")),
        ("credentials_file", credentials.to_str().expect("UTF-8")),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, &[]).start().await;
    asks_once(&host, &fake, "AssumeRole", "sts:AssumeRole").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_asks_a_program() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (config, said) = (dir.path().join("config"), dir.path().join("said.json"));
    let keys = json!({"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET});
    std::fs::write(&said, keys.to_string()).expect("a file");
    let profile = format!("[default]\ncredential_process = cat {}\n", said.display());
    std::fs::write(&config, profile).expect("a file");
    let attributes = [
        ("source", "profile"),
        ("config_file", config.to_str().expect("UTF-8")),
        ("region", "us-east-1"),
    ];
    let host = plan(&fake, &attributes, &[]).start().await;
    comes_from(&host, &fake, "static").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_awss_own_tools_find() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let chain = [("source", "default-chain"), ("region", "us-east-1")];
    let from_environment = plan(&fake, &chain, &[])
        .variable("AWS_ACCESS_KEY_ID", KEY_ID)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET);
    comes_from(&from_environment.start().await, &fake, "static").await;
    // Without keys in the environment and without files the chain comes to the container.
    comes_from(&plan(&fake, &chain, &[]).start().await, &fake, "container").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_the_environment_are_used_by_no_entry_that_does_not_say_so() {
    let Some(fake) = FakeAws::start().await else { return };
    fake.keys(KEY_ID, SECRET, None).await;
    let host = plan(&fake, &[("source", "imds"), ("region", "us-east-1")], &[])
        .variable("AWS_ACCESS_KEY_ID", KEY_ID)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET)
        .start()
        .await;
    comes_from(&host, &fake, "imds").await;
}
