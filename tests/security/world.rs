//! A host with a hostile plugin and an honest one.
//!
//! In: limits small enough for a suite of seconds. Out: answers of either plugin, and a watch over
//! the honest one that runs beside whatever a test does. Never: a wait for time to pass.

use llm_host_tests::built;
use llm_host_tests::host::{Host, Plan};
use llm_host_tests::upstream::Upstream;
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A secret that must be seen nowhere. Its characters differ between its encodings.
pub(crate) const CANARY: &str = "sk-canary/7Qz+Vw9~3xK.T/fL2>uB8mJ";

/// A metadata service that an admin was talked into granting.
pub(crate) const METADATA: &str = "http://169.254.169.254";

/// Limits under which each failure takes a fraction of a second.
const LIMITS: &str = r#"
[limits]
memory = "16MiB"
cpu_time = "800ms"
describe_time = "5s"
first_event_time = "3s"
idle_time = "1s"
total_time = "10s"
copy_bytes = "2MiB"
request_bytes = "64KiB"
response_bytes = "256KiB"
exchanges = 8
concurrent_exchanges = 4
handles = 100
log_lines = 20
log_line_bytes = "1KiB"
"#;

/// What one call came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Head and body as they were sent, for searching.
    pub(crate) raw: String,
    /// The body, as far as it is JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// What the model said.
    pub(crate) fn text(&self) -> &str {
        let text = self.body["choices"][0]["message"]["content"].as_str();
        text.unwrap_or_else(|| panic!("no answer: {}", self.raw))
    }

    /// What the model said, which the hostile plugin gives as JSON.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|error| panic!("{error}: {}", self.raw))
    }

    /// That the call failed in OpenAI's form, with these.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str, message: &str) {
        let error = &self.body["error"];
        assert_eq!(self.status, status, "{}", self.raw);
        assert_eq!(error["code"], code, "{}", self.raw);
        assert!(
            error["message"].as_str().is_some_and(|text| text.contains(message)),
            "{message:?}: {}",
            self.raw
        );
        assert!(
            error["type"].is_string() && error.get("param").is_some(),
            "{}",
            self.raw
        );
    }
}

/// A plan of such a host. `more` is added to the configuration.
pub(crate) fn plan(upstream: Option<&Upstream>, more: &str) -> Plan {
    let origin = upstream.map_or_else(|| "https://localhost:1".to_owned(), Upstream::origin);
    let plan = Plan::new()
        .plugin("echo")
        .component("hostile", built::guest("hostile").expect("a guest"))
        .settings(LIMITS)
        .settings(&format!(
            "[providers.hostile]\nplugin = \"hostile\"\n\
             settings = {{ upstream = \"{origin}\", other = \"https://other.example\" }}\n\
             [providers.echo]\nplugin = \"echo\"\n{more}"
        ))
        .granted(Granted::api_key("hostile", CANARY, &origin));
    match upstream {
        Some(upstream) => plan.trusting(upstream.authority()),
        None => plan,
    }
}

/// A started host of the plan without additions.
pub(crate) async fn start(upstream: Option<&Upstream>) -> Host {
    plan(upstream, "").start().await
}

/// Asks a model for a whole answer.
pub(crate) async fn ask(host: &Host, model: &str, asked: &str) -> Answer {
    let body = json!({"model": model, "messages": [{"role": "user", "content": asked}]});
    answer(host.post("/v1/chat/completions", &body).await).await
}

/// Asks for a stream; the answer's body is its last event.
pub(crate) async fn stream(host: &Host, model: &str, asked: &str) -> Answer {
    let body = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": asked}]});
    let mut answer = answer(host.post("/v1/chat/completions", &body).await).await;
    let last = answer
        .raw
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .next_back();
    if let Some(last) = last {
        answer.body = serde_json::from_str(last).unwrap_or_else(|_| json!(last));
    }
    answer
}

async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let head = format!("{:?}\n", response.headers());
    let body = response.text().await.expect("a body");
    Answer {
        status,
        body: serde_json::from_str(&body).unwrap_or_default(),
        raw: head + &body,
    }
}

/// Asks the hostile plugin for something harmless: it still serves, and its back-off is cleared.
pub(crate) async fn still_serves(host: &Host) {
    assert_eq!(ask(host, "hostile/echo", "still there").await.text(), "still there");
}

/// Asks the honest plugin again and again until it is told to stop.
pub(crate) struct Neighbour {
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Neighbour {
    /// Begins, with whole and streamed answers in turn.
    pub(crate) fn of(host: &Host) -> Self {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let request = host
            .request(http::Method::POST, "/v1/chat/completions")
            .header("content-type", "application/json");
        let task = tokio::spawn(async move {
            let mut served = 0;
            while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                let stream = served % 2 == 1;
                let words = "one two three four five";
                let body = json!({"model": "echo/echo", "stream": stream,
                    "messages": [{"role": "user", "content": words}]});
                let request = request.try_clone().expect("a request without a body can be cloned");
                let response = request
                    .body(body.to_string())
                    .send()
                    .await
                    .expect("the neighbour is answered");
                assert_eq!(response.status(), 200);
                let text = response.text().await.expect("the neighbour's answer is whole");
                assert!(
                    text.contains("five") && stream == text.trim_end().ends_with("[DONE]"),
                    "{text}"
                );
                served += 1;
            }
            served
        });
        Self { stop, task }
    }

    /// Ends it; all of its requests have been served, and there were some.
    pub(crate) async fn assert_served(self) {
        self.stop.send(()).expect("the neighbour was served to the end");
        let served = self.task.await.expect("the neighbour was served");
        assert!(served > 1, "only {served}");
    }
}

/// The provider `name` in the status that the command line shows.
pub(crate) async fn status(host: &Host, provider: &str) -> Value {
    let output = host.command(&["status", "--json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status: Value = serde_json::from_slice(&output.stdout).expect("the status is JSON");
    let providers = status["plugins"].as_array().expect("a list");
    providers
        .iter()
        .find(|one| one["provider"] == provider)
        .cloned()
        .unwrap_or_else(|| panic!("{status}"))
}
