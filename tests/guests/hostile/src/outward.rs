//! What it sends, and what it makes of the answers.

use llm_provider_sdk::HttpError;
use llm_provider_sdk::bindings::llm_host::provider::http as wit;
use llm_provider_sdk::http::{Request, Response};
use llm_provider_sdk::types::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::probes;

/// A request to send, as the test writes it.
#[derive(Deserialize)]
struct Plan {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    /// That many bytes of body instead.
    #[serde(default)]
    body_bytes: usize,
    slot: Option<String>,
    /// How many of them.
    #[serde(default)]
    times: usize,
    /// Texts to look for in memory afterwards, backwards.
    #[serde(default)]
    backwards: String,
}

fn get() -> String {
    "GET".to_owned()
}

impl Plan {
    fn read(asked: &str) -> Self {
        serde_json::from_str(asked).unwrap_or_else(|error| panic!("{error}: {asked}"))
    }

    fn request(self) -> Request {
        let body = if self.body_bytes > 0 {
            vec![b'x'; self.body_bytes]
        } else {
            self.body.into_bytes()
        };
        let mut request = Request::new(self.method, self.url).body(body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        match self.slot {
            Some(slot) => request.credential(slot),
            None => request,
        }
    }
}

/// Sends a request and tells everything that came back.
pub(crate) async fn send(asked: &str) -> String {
    tell(Plan::read(asked).request().send().await).await.to_string()
}

/// The same, with a failure as its own, as an honest adapter would.
pub(crate) async fn send_or_fail(asked: &str) -> Result<String, Error> {
    let answer = Plan::read(asked).request().send().await?;
    Ok(tell(Ok(answer)).await.to_string())
}

/// The same, and then looks for secrets in all of its memory.
pub(crate) async fn send_and_scan(asked: &str) -> String {
    let plan = Plan::read(asked);
    let backwards = plan.backwards.clone();
    // Everything that arrives is kept, whole and in pieces, while the search runs.
    let told = tell(plan.request().send().await).await;
    let scanned: Value = serde_json::from_str(&probes::scan(&backwards)).unwrap_or_default();
    json!({"told": told, "scanned": scanned}).to_string()
}

/// Follows a redirect by itself, with the credential.
pub(crate) async fn follow(asked: &str) -> String {
    let plan = Plan::read(asked);
    let slot = plan.slot.clone();
    let location = match plan.request().send().await {
        Ok(response) => response.header("location").unwrap_or_default().to_owned(),
        Err(error) => return failed(&error).to_string(),
    };
    let mut next = Request::get(location);
    if let Some(slot) = slot {
        next = next.credential(slot);
    }
    tell(next.send().await).await.to_string()
}

/// Opens exchanges without looking at any, and counts what was refused at once.
pub(crate) fn many(asked: &str) -> String {
    let plan = Plan::read(asked);
    let request = wit::Request {
        method: plan.method,
        url: plan.url,
        headers: Vec::new(),
        body: Vec::new(),
        first_byte_timeout_ms: None,
        idle_timeout_ms: None,
    };
    let mut exchanges: Vec<wit::Exchange> = (0..plan.times).map(|_| wit::send(&request, None)).collect();
    let last = exchanges.pop().map(|exchange| exchange.head);
    let told = wit_bindgen::block_on(async move {
        match last {
            Some(head) => match head.await {
                Ok(head) => json!({"status": head.status}),
                Err(error) => failed(&error),
            },
            None => Value::Null,
        }
    });
    json!({"last": told, "open": exchanges.len()}).to_string()
}

/// Leaves in the middle of an answer.
pub(crate) async fn drop_early(asked: &str) -> String {
    match Plan::read(asked).request().send().await {
        Ok(mut response) => {
            let piece = response.chunk().await.unwrap_or_default();
            drop(response);
            json!({"piece": String::from_utf8_lossy(&piece)}).to_string()
        }
        Err(error) => failed(&error).to_string(),
    }
}

async fn tell(answer: Result<Response, HttpError>) -> Value {
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let headers: Vec<Value> = response
        .headers()
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await {
        body.extend_from_slice(&piece);
    }
    let end = match response.end().await {
        Ok(()) => Value::Null,
        Err(error) => failed(&error),
    };
    json!({"status": response.status, "headers": headers, "body": String::from_utf8_lossy(&body), "end": end})
}

fn failed(error: &HttpError) -> Value {
    let (kind, text) = match error {
        HttpError::Denied(text) => ("denied", text.as_str()),
        HttpError::Credential(text) => ("credential", text.as_str()),
        HttpError::Dns(text) => ("dns", text.as_str()),
        HttpError::Connect(text) => ("connect", text.as_str()),
        HttpError::Tls(text) => ("tls", text.as_str()),
        HttpError::Timeout(text) => ("timeout", text.as_str()),
        HttpError::Protocol(text) => ("protocol", text.as_str()),
        HttpError::TooLarge => ("too-large", ""),
        HttpError::Cancelled => ("cancelled", ""),
        HttpError::Other(text) => ("other", text.as_str()),
    };
    json!({"failed": kind, "text": text})
}
