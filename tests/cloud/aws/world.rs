//! A host whose plugin may use one AWS identity, before the fake AWS.

use std::time::Duration;

use llm_host_tests::built;
use llm_host_tests::fake_aws::FakeAws;
use llm_host_tests::host::{Host, Plan};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

pub(super) const RULE: &str = r#"{"sigv4":{"service":"bedrock"}}"#;
pub(super) const KEY_ID: &str = "AKIACANARY0000000001";
pub(super) const SECRET: &str = "canary/aws+Secret/Key00000000000000000001";

pub(super) const STATIC: &[(&str, &str)] = &[("source", "static"), ("region", "us-east-1")];
pub(super) const KEYS: &[(&str, &str)] = &[("access_key_id", KEY_ID), ("secret_access_key", SECRET)];

/// What came of a request that the plugin sent.
#[derive(Debug)]
pub(super) struct Told(Value);

impl Told {
    /// The status that Bedrock answered with.
    #[track_caller]
    pub(super) fn status(&self) -> u64 {
        self.0["status"]
            .as_u64()
            .unwrap_or_else(|| panic!("no answer: {}", self.0))
    }

    /// The body, as JSON.
    #[track_caller]
    pub(super) fn body(&self) -> Value {
        let text = self.0["body"]
            .as_str()
            .unwrap_or_else(|| panic!("no answer: {}", self.0));
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A header of the answer.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.0["headers"].as_array()?;
        headers.iter().find(|pair| pair[0] == name)?[1].as_str()
    }

    /// That there is no answer, for this sort of reason, with these words.
    #[track_caller]
    pub(super) fn assert_failed(&self, kind: &str, words: &[&str]) {
        assert_eq!(self.0["failed"], kind, "{}", self.0);
        let text = self.0["text"].as_str().expect("a text");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A plan of a host whose plugin has the identity of these attributes and secrets. AWS's library
/// finds the fake.
pub(super) fn plan(fake: &FakeAws, attributes: &[(&str, &str)], secrets: &[(&str, &str)]) -> Plan {
    granted(
        fake,
        Granted::aws("hostile", fake.origin(), attributes, secrets).attached("api-key", RULE),
    )
}

/// The same for any credential in the slot `api-key`.
pub(super) fn granted(fake: &FakeAws, granted: Granted) -> Plan {
    let settings = format!(
        "[providers.hostile]\nplugin = \"hostile\"\nsettings = {{ upstream = \"{}\", other = \"https://other.example\" }}\n",
        fake.origin()
    );
    let plan = Plan::new()
        .component("hostile", built::guest("hostile").expect("a guest"))
        .settings(&settings)
        .granted(granted);
    let variables = fake.environment();
    variables
        .iter()
        .fold(plan, |plan, (name, value)| plan.variable(name, value))
}

/// Lets the plugin send a request with its credential.
pub(super) async fn send(host: &Host, fake: &FakeAws, path: &str) -> Told {
    let request = json!({
        "method": "POST",
        "url": format!("{}{path}", fake.origin()),
        "headers": [["content-type", "application/json"]],
        "body": "{\"messages\":[]}",
        "slot": "api-key",
    });
    let asked = json!({"model": "hostile/send", "messages": [{"role": "user", "content": request.to_string()}]});
    let response = host.post("/v1/chat/completions", &asked).await;
    let body = response.text().await.expect("a body");
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let text = answer["choices"][0]["message"]["content"].as_str();
    let text = text.unwrap_or_else(|| panic!("{body}\n{}", host.log().text()));
    Told(serde_json::from_str(text).expect("the plugin tells in JSON"))
}

/// The usual request.
pub(super) const CONVERSE: &str = "/model/anthropic.claude-3-5-sonnet-20240620-v1:0/converse";

/// Sends the usual request; it has to be taken.
pub(super) async fn converse(host: &Host, fake: &FakeAws) -> Value {
    let told = send(host, fake, CONVERSE).await;
    assert_eq!(told.status(), 200, "{told:?}\n{}", host.log().text());
    told.body()
}

/// Keys that outlive every test.
pub(super) const LONG: Duration = Duration::from_secs(3600);
