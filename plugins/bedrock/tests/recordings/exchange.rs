//! One recorded exchange.
//!
//! In: a file of the recordings. Out: its request, its answer, and the adapter run with both. Never: a
//! change to what was recorded.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_plugin_bedrock::Bedrock;
use llm_provider_sdk::Chat;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on};
use llm_provider_sdk::types::{ChatRequest, ChatResponse, Error, Message, Role};
use serde_json::{Value, json};

use crate::request;

/// Settings under which every recorded region may be asked.
pub(crate) static SETTINGS: LazyLock<Value> =
    LazyLock::new(|| json!({"region": "us-east-1", "regions": ["us-west-2", "eu-north-1", "eu-west-1"]}));

/// The call that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Converse,
    ConverseStream,
    Invoke,
    InvokeStream,
    Embeddings,
    Models,
    Other,
}

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) operation: String,
    pub(crate) model: String,
    pub(crate) region: String,
    /// The body that was sent, where there is one.
    pub(crate) request: Option<Value>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    tags: Vec<String>,
}

/// All exchanges, by name; `None` when there are no recordings on this machine.
pub(crate) fn all() -> Option<Vec<Exchange>> {
    let root = std::env::var_os("LLM_HOST_RECORDINGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings"),
        PathBuf::from,
    );
    let files = std::fs::read_dir(root.join("bedrock")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    if paths.is_empty() {
        println!(
            "no recordings under {} (set LLM_HOST_RECORDINGS): nothing was replayed",
            root.display()
        );
        return None;
    }
    paths.sort();
    Some(paths.iter().map(|path| Exchange::read(path)).collect())
}

impl Exchange {
    fn read(path: &Path) -> Self {
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let answer = &file["response"];
        let mut body = match (
            &answer["body"],
            answer["body_text"].as_str(),
            answer["body_base64"].as_str(),
        ) {
            (Value::Null, Some(text), _) => text.as_bytes().to_vec(),
            (Value::Null, None, Some(data)) => STANDARD.decode(data).unwrap(),
            (Value::Null, None, None) => Vec::new(),
            (body, _, _) => body.to_string().into_bytes(),
        };
        let tags: Vec<String> = serde_json::from_value(file["tags"].clone()).unwrap_or_default();
        if tags.iter().any(|tag| tag == "ndjson") {
            body = framed(&body);
        }
        let url = file["request"]["url"].as_str().unwrap_or_default();
        let region = url
            .split('.')
            .nth(1)
            .filter(|region| region.contains('-') && !region.contains('<'));
        let operation = file["operation"].as_str().unwrap_or_default();
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            kind: match operation {
                "converse" => Kind::Converse,
                "converse-stream" => Kind::ConverseStream,
                "invoke" => Kind::Invoke,
                "invoke-with-response-stream" => Kind::InvokeStream,
                "invoke-embeddings" => Kind::Embeddings,
                "models" => Kind::Models,
                _ => Kind::Other,
            },
            operation: operation.to_owned(),
            model: model(url)
                .or_else(|| file["model"].as_str().map(str::to_owned))
                .unwrap_or_default(),
            region: region.unwrap_or("us-east-1").to_owned(),
            request: Some(file["request"]["body"].clone()).filter(Value::is_object),
            status: u16::try_from(answer["status"].as_u64().unwrap_or(200)).unwrap(),
            headers: headers(&answer["headers"]),
            body,
            tags,
        }
    }

    /// Whether the recorded stream is damaged on purpose.
    pub(crate) fn is_damaged(&self) -> bool {
        self.tags.iter().any(|tag| tag == "corrupt-event-stream")
    }

    /// Whether the recorded stream is damaged on purpose, or ends with an exception.
    pub(crate) fn breaks_off(&self) -> bool {
        let is_stream = matches!(self.kind, Kind::ConverseStream | Kind::InvokeStream) && self.status < 400;
        let ends = || {
            crate::plain::frames(&self.body)
                .iter()
                .any(|frame| frame.kind.ends_with("Exception"))
        };
        self.is_damaged() || is_stream && ends()
    }

    /// The answer's body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The recorded answer.
    pub(crate) fn reply(&self) -> Reply {
        let mut reply = Reply::new(self.status, self.body.clone());
        for (name, value) in &self.headers {
            reply = reply.header(name, value);
        }
        reply
    }

    /// Where the request has to go.
    pub(crate) fn expected_url(&self) -> String {
        let call = if self.kind == Kind::ConverseStream {
            "converse-stream"
        } else {
            "converse"
        };
        let model = self.model.replace(':', "%3A").replace('/', "%2F");
        format!(
            "https://bedrock-runtime.{}.amazonaws.com/model/{model}/{call}",
            self.region
        )
    }

    /// The neutral request that the recorded one stands for, or a simple one.
    pub(crate) fn asked(&self) -> ChatRequest {
        let recorded = self.request.as_ref();
        let mut asked = recorded
            .and_then(|body| request::neutral(&self.model, body))
            .unwrap_or_else(|| ChatRequest::new(&self.model, vec![Message::text(Role::User, "Hello")]));
        asked.model = format!("{}/{}", self.region, self.model);
        asked
    }

    /// Runs the adapter with the recorded answer.
    pub(crate) fn run(&self, mut asked: ChatRequest) -> (Option<SentRequest>, Result<ChatResponse, Error>) {
        if !asked.model.contains('/') {
            asked.model = format!("{}/{}", self.region, asked.model);
        }
        let recording = Recording::new().config(&SETTINGS.clone()).reply(self.reply()).install();
        let result = block_on(async {
            if matches!(self.kind, Kind::ConverseStream | Kind::InvokeStream) {
                fold(Bedrock::stream(asked).await?.collect().await)
            } else {
                Bedrock::complete(asked).await
            }
        });
        (recording.requests().first().cloned(), result)
    }
}

/// The model in an address, decoded.
fn model(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("/model/")?;
    let (model, _) = rest.rsplit_once('/')?;
    Some(model.replace("%3A", ":").replace("%2F", "/"))
}

fn headers(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Array(items) => items.first().and_then(Value::as_str).map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let members = value.as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.to_lowercase(), text(value)?)))
        .filter(|(name, value)| name != "content-type" || !value.contains("ndjson"))
        .collect()
}

/// Events that were recorded one a line, as the frames they came in.
fn framed(lines: &[u8]) -> Vec<u8> {
    let lines = String::from_utf8_lossy(lines);
    let events = lines.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let (kind, payload) = event.as_object().unwrap().iter().next().unwrap();
        crate::plain::frame(
            &[(":event-type", kind), (":message-type", "event")],
            payload.to_string().as_bytes(),
        )
    });
    events.flatten().collect()
}
