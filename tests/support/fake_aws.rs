//! A strict stand-in for AWS: `tests/cloud/aws/fake_aws.py`, run by the Python of the official clients.
//!
//! In: keys, roles and other set-up. Out: one origin, `http://127.0.0.1:<port>`, that is Bedrock,
//! STS, IAM Identity Center, a container's credential endpoint and an instance's metadata service at
//! once, and a log of what arrived. Each signed request is checked with botocore over the bytes that
//! arrived, and refused in AWS's own form (`InvalidSignatureException` and the like) when it is
//! wrong. What Bedrock answers is given by [`FakeAws::answer`], bytes and pieces alike; without that
//! it answers what arrived, as JSON. Never: a request to AWS, or a variable of this machine's.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::places;

/// The region that every part of it is in.
pub const REGION: &str = "us-east-1";
/// A role that [`FakeAws::role`] is usually given.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/llm";

/// What Bedrock is to answer.
#[derive(Debug, Clone)]
pub struct Canned {
    /// A regular expression (Python's) that the raw path has to match as a whole.
    pub path: String,
    /// The status.
    pub status: u16,
    /// Headers, `content-type` among them.
    pub headers: Vec<(String, String)>,
    /// The body: one piece with its length, several in chunks.
    pub pieces: Vec<Vec<u8>>,
    /// How often; always when absent.
    pub times: Option<u32>,
}

impl Canned {
    /// A whole JSON answer.
    pub fn json(path: &str, status: u16, body: &Value) -> Self {
        Self {
            path: path.to_owned(),
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            pieces: vec![body.to_string().into_bytes()],
            times: None,
        }
    }

    /// An event stream, its frames in these pieces.
    pub fn event_stream(path: &str, pieces: Vec<Vec<u8>>) -> Self {
        let kind = "application/vnd.amazon.eventstream";
        Self {
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            pieces,
            ..Self::json(path, 200, &Value::Null)
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// A request as the log has it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When, in seconds since 1970.
    pub at: f64,
    /// What was asked: `bedrock`, `sts:AssumeRole`, `imds:credentials`, `container:credentials`, …
    pub what: String,
    /// The path and query as they arrived.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// The error's code, if it was refused.
    pub error: Option<String>,
    /// The key that it was signed with, if it was signed with a known one.
    pub access_key_id: Option<String>,
}

/// The running fake. It stops when it is dropped.
pub struct FakeAws {
    origin: String,
    client: reqwest::Client,
    // It serves until its standard input ends, which is with this.
    _child: Child,
}

impl FakeAws {
    /// Starts it. Nothing, and a line that says so, where there is no Python with botocore.
    ///
    /// # Panics
    /// When it cannot be started for another reason.
    pub async fn start() -> Option<Self> {
        let python = places::python()?;
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/cloud/aws/fake_aws.py");
        let mut command = Command::new(python);
        command.args(["-B", program]).env_clear().kill_on_drop(true);
        command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let Some(line) = lines.next_line().await.expect("its output is text") else {
            let status = child.wait().await.expect("a child can be waited for");
            assert_eq!(status.code(), Some(3), "the fake AWS does not start");
            println!("SKIPPED: the Python of LLM_HOST_PYTHON has no botocore; `cargo xtask test` installs it");
            return None;
        };
        let said: Value = serde_json::from_str(&line).expect("it says its port");
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self {
            origin: format!("http://127.0.0.1:{}", said["port"]),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            _child: child,
        })
    }

    /// `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Variables with which AWS's own library finds the fake instead of AWS.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let origin = self.origin.clone();
        vec![
            ("AWS_ENDPOINT_URL_STS", origin.clone()),
            ("AWS_ENDPOINT_URL_SSO", origin.clone()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", origin.clone()),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{origin}/container/credentials"),
            ),
        ]
    }

    /// Knows long-lived keys, perhaps with a session token.
    pub async fn keys(&self, id: &str, secret: &str, token: Option<&str>) {
        let keys = json!({"access_key_id": id, "secret_access_key": secret, "session_token": token});
        self.tell("keys", &keys).await;
    }

    /// Knows a Bedrock API key.
    pub async fn bearer(&self, token: &str) {
        self.tell("bearer", &json!({"token": token})).await;
    }

    /// Has a role that any known key may assume, with this external id if there is one.
    pub async fn role(&self, arn: &str, external_id: Option<&str>) {
        self.tell("role", &json!({"arn": arn, "external_id": external_id}))
            .await;
    }

    /// Has a role that may be assumed with this token.
    pub async fn web_identity(&self, arn: &str, token: &str) {
        self.tell("role", &json!({"arn": arn, "web_identity_token": token}))
            .await;
    }

    /// Has a permission set that this token of the portal opens.
    pub async fn sso(&self, token: &str, account_id: &str, role_name: &str) {
        let known = json!({"token": token, "account_id": account_id, "role_name": role_name});
        self.tell("sso", &known).await;
    }

    /// The container's endpoint wants to be shown this.
    pub async fn container_token(&self, token: &str) {
        self.tell("container", &json!({"token": token})).await;
    }

    /// Keys that are given out from now on live so long (whole seconds), and take so long to come.
    pub async fn issue(&self, life: Duration, delay: Duration) {
        let how = json!({"life": life.as_secs(), "delay": delay.as_secs_f64()});
        self.tell("issue", &how).await;
    }

    /// A part (`sts`, `sso`, `imds`, `container`, `bedrock`) answers with this status; 0 heals it.
    pub async fn fail(&self, what: &str, status: u16) {
        self.tell("fail", &json!({"what": what, "status": status})).await;
    }

    /// What Bedrock answers from now on. The newest that fits wins.
    pub async fn answer(&self, canned: Canned) {
        let headers: serde_json::Map<String, Value> = canned
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let pieces: Vec<String> = canned.pieces.iter().map(|piece| STANDARD.encode(piece)).collect();
        let mut rule = json!({"path": canned.path, "status": canned.status, "headers": headers, "pieces": pieces});
        if let Some(times) = canned.times {
            rule["times"] = times.into();
        }
        self.tell("answer", &rule).await;
    }

    /// What has arrived so far, but for the test's own requests.
    pub async fn log(&self) -> Vec<Seen> {
        let log = self.tell("log", &json!({})).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
        let entries = log.as_array().expect("a list");
        entries
            .iter()
            .map(|entry| Seen {
                at: entry["at"].as_f64().expect("a time"),
                what: text(entry, "what").expect("a text"),
                path: text(entry, "path").expect("a text"),
                status: entry["status"]
                    .as_u64()
                    .and_then(|status| status.try_into().ok())
                    .expect("a status"),
                error: text(entry, "error"),
                access_key_id: text(entry, "access_key_id"),
            })
            .collect()
    }

    /// What of it was of this sort.
    pub async fn seen(&self, what: &str) -> Vec<Seen> {
        let mut seen = self.log().await;
        seen.retain(|one| one.what == what);
        seen
    }

    /// The secrets of all keys that it knows or has given out.
    pub async fn secrets(&self) -> Vec<String> {
        let issued = self.tell("issued", &json!({})).await;
        let texts = issued.as_array().expect("a list").iter();
        texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    async fn tell(&self, what: &str, body: &Value) -> Value {
        let url = format!("{}/_fake/{what}", self.origin);
        let request = self.client.post(url).body(body.to_string());
        let response = request.send().await.expect("the fake AWS answers");
        assert!(response.status().is_success(), "{what}: {}", response.status());
        let text = response.text().await.expect("a body");
        serde_json::from_str(&text).expect("JSON")
    }
}
