//! Converse, ConverseStream and InvokeModel of Bedrock through the real program.
//!
//! In: recordings of `bedrock`, and the cases of our own that begin with `bedrock-`; their streams are
//! lists of events. Each is asked for by a client over HTTP, goes through the sandboxed adapter with a
//! Bedrock API key of the vault, and is answered over TLS with the recorded bytes. Out: one line for
//! each in a table. Never: an expectation that the program had a part in.
//!
//! That the requests mean what was recorded, and how the models' own forms read, is tried in the
//! adapter's own tests; signatures are tried with the fake AWS.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use llm_host_tests::event_stream::{decode, encode};
use llm_host_tests::host::{Host, Plan};
use llm_host_tests::places;
use llm_host_tests::recording::Recording;
use llm_host_tests::upstream::{End as BodyEnd, Received, Reply, Upstream};
use llm_host_tests::vault::Granted;
use serde_json::{Value, json};

use crate::answer::{Answer, End};
use crate::plain::same;
use crate::table::{Outcome, Table};

/// The credential, which only the provider may see.
const SECRET: &str = "bedrock-api-key-canary-83d1";

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// One exchange to try.
struct Case {
    name: String,
    operation: String,
    recording: Recording,
    body: Vec<u8>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let recording = Recording::read(path);
        let events = recording.json["response"]["events"].as_array();
        let body = match events {
            Some(events) => events.iter().flat_map(frame).collect(),
            None => recording.body(),
        };
        Self {
            name: format!("bedrock/{}", recording.name()),
            operation: recording.json["operation"].as_str().unwrap_or_default().to_owned(),
            recording,
            body,
        }
    }

    fn all() -> Vec<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases");
        let mut paths = files(&own, "bedrock-");
        assert!(!paths.is_empty(), "the cases of our own are there");
        if let Some(root) = places::recordings() {
            paths.extend(files(&root.join("bedrock"), ""));
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Why it is not tried here. Told by what was recorded, so that a further recording is judged as well.
    fn skipped(&self) -> Option<&'static str> {
        match self.operation.as_str() {
            "converse" | "converse-stream" | "chat" => {}
            "invoke" | "invoke-with-response-stream" => {}
            "models" => return Some("lists of models: tried in the adapter's own tests"),
            "invoke-embeddings" => return Some("embeddings: tried in the adapter's own tests"),
            "invoke-rerank" => return Some("reranking has no neutral interface"),
            "responses" => return Some("the Responses API at another endpoint (mantle)"),
            _ => return Some("no route of the host asks for it; it passes by the native routes"),
        }
        let good = self.recording.status() < 400;
        let asked = &self.recording.json["request"]["body"];
        if self.operation.starts_with("invoke") && self.model().contains("claude") && asked["prompt"].is_string() {
            return Some("the older text form of Claude, which the adapter does not ask for");
        }
        if good && self.model().contains(":sagemaker:") {
            return Some("a SageMaker container's own form of text completions");
        }
        if good && self.operation.contains("stream") && self.body.first() != Some(&0) {
            return Some("a fixture of events without their frames");
        }
        None
    }

    /// Whether the service broke the recorded answer off.
    fn fails_inside(&self) -> bool {
        let whole = self.body.first() == Some(&0) && !self.recording.is("corrupt-event-stream");
        whole
            && decode(&self.body)
                .iter()
                .any(|frame| !frame.header(":exception-type").is_empty())
    }

    fn streams(&self) -> bool {
        self.operation.contains("stream") || self.body.starts_with(b"data:")
    }

    fn model(&self) -> String {
        let url = self.recording.json["request"]["url"].as_str().unwrap_or_default();
        let named = url.split_once("/model/").and_then(|(_, rest)| rest.rsplit_once('/'));
        named.map_or_else(
            || self.recording.json["model"].as_str().unwrap_or("any").to_owned(),
            |(model, _)| model.replace("%3A", ":").replace("%2F", "/"),
        )
    }

    fn reply(&self) -> Reply {
        let mut reply = Reply::recorded(&self.recording);
        reply.pieces = vec![self.body.clone().into()];
        if self.body.first() == Some(&0) && !reply.headers.iter().any(|(name, _)| name == "content-type") {
            reply.headers.push(("content-type".to_owned(), EVENT_STREAM.to_owned()));
        }
        reply
    }

    /// The request as a caller makes it.
    fn asked(&self, stream: bool) -> Value {
        let operation = match self.operation.as_str() {
            "chat" => "chat-completions",
            operation if operation.starts_with("invoke") => "invoke",
            _ => "converse",
        };
        let own = self.recording.json["ask"].clone();
        let mut body = if own.is_object() {
            own
        } else {
            json!({"messages": [{"role": "user", "content": "Hello"}]})
        };
        body["model"] = json!(format!("bedrock/{}", self.model()));
        body["bedrock"] = json!({"operation": operation});
        body["stream"] = json!(stream);
        if stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }
}

fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".json")
    });
    paths.sort();
    paths
}

/// The frame of an event that is written as `{"name": payload}`; of an exception as well.
fn frame(event: &Value) -> Vec<u8> {
    let (kind, payload) = event
        .as_object()
        .and_then(|event| event.iter().next())
        .expect("an event");
    let (of, name) = if kind.ends_with("Exception") {
        ("exception", ":exception-type")
    } else {
        ("event", ":event-type")
    };
    let headers = [
        (name, kind.as_str()),
        (":content-type", "application/json"),
        (":message-type", of),
    ];
    encode(&headers, payload.to_string().as_bytes())
}

struct Bench {
    host: Host,
    upstream: Upstream,
    reply: Arc<Mutex<Option<Reply>>>,
}

impl Bench {
    async fn start() -> Self {
        let reply: Arc<Mutex<Option<Reply>>> = Arc::default();
        let ready = Arc::clone(&reply);
        let upstream = Upstream::answering(move |_| {
            let reply = ready.lock().expect("nobody panicked").take();
            reply.unwrap_or_else(|| Reply::of(599, "text/plain", "no reply is ready"))
        })
        .await;
        let origin = upstream.origin();
        let settings = format!(
            "[limits]\ncpu_time = \"60s\"\n\
             [providers.bedrock.settings]\nregion = \"us-east-1\"\nendpoint = \"{origin}\"\nsign_in = \"api-key\"\n"
        );
        let granted = Granted::api_key("bedrock", SECRET, &origin);
        let plan = Plan::new()
            .plugin("bedrock")
            .granted(granted)
            .trusting(upstream.authority())
            .settings(&settings);
        Self {
            host: plan.start().await,
            upstream,
            reply,
        }
    }

    async fn ask(&self, case: &Case, reply: Reply, stream: bool) -> Result<(Answer, Received), String> {
        let before = self.upstream.received().len();
        *self.reply.lock().expect("nobody panicked") = Some(reply);
        let response = self.host.post("/v1/chat/completions", &case.asked(stream)).await;
        let answer = Answer::read(response).await;
        if answer.raw.contains(SECRET) {
            return Err("a credential is in the caller's answer".to_owned());
        }
        let received = self.upstream.received().get(before).cloned();
        let received = received.ok_or_else(|| format!("no provider was asked: {}", answer.raw))?;
        Ok((answer, received))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_traffic_of_bedrock() {
    let bench = Bench::start().await;
    let mut table = Table::default();
    for case in Case::all() {
        let outcome = match case.skipped() {
            Some(reason) => Outcome::Skipped(reason),
            None => match attempt(&bench, &case).await {
                Ok(checks) => Outcome::Passed(checks),
                Err(reason) => Outcome::Failed(reason),
            },
        };
        table.add(&case.name, outcome);
    }
    table.write();
    assert!(table.failures().is_empty(), "{}", table.failures().join("\n\n"));
}

async fn attempt(bench: &Bench, case: &Case) -> Result<Vec<String>, String> {
    let mut checks = Vec::new();
    let (answer, received) = bench.ask(case, case.reply(), case.streams()).await?;
    head(case, &received)?;
    checks.push("head".to_owned());
    let damaged = case.recording.is("corrupt-event-stream");
    let told = case.recording.json["error"].is_object();
    if case.recording.status() >= 400 || damaged || told || case.fails_inside() {
        failure(case, &answer, damaged)?;
        checks.push("error".to_owned());
        return Ok(checks);
    }
    let seen = visible(&answer.completion()?);
    if case.operation.starts_with("converse") {
        same("caller's", &seen, "recorded", &expected(case))?;
        checks.push("answer".to_owned());
    }
    if case.streams() && case.body.first() == Some(&0) {
        pieces(bench, case, &seen).await?;
        checks.push("pieces".to_owned());
        cuts(bench, case).await?;
        checks.push("cuts, damage, exception".to_owned());
    }
    Ok(checks)
}

/// What the provider was asked: the path with the model's name encoded once, the key, and no header of
/// a signature.
fn head(case: &Case, received: &Received) -> Result<(), String> {
    let model = case.model().replace(':', "%3A").replace('/', "%2F");
    let path = match case.operation.as_str() {
        "chat" => "/openai/v1/chat/completions".to_owned(),
        operation => format!("/model/{model}/{operation}"),
    };
    if received.method != "POST" || received.target != path {
        return Err(format!(
            "{} {} instead of POST {path}",
            received.method, received.target
        ));
    }
    let bearer = format!("Bearer {SECRET}");
    if received.header("authorization") != Some(bearer.as_str()) {
        return Err("the key is not there".to_owned());
    }
    let signed = received.headers.keys().any(|name| name.as_str().starts_with("x-amz-"));
    if signed || received.header("content-type") != Some("application/json") {
        return Err(format!("headers: {:?}", received.headers.keys().collect::<Vec<_>>()));
    }
    Ok(())
}

/// A caller's error against the recorded one.
fn failure(case: &Case, answer: &Answer, damaged: bool) -> Result<(), String> {
    let error = broken_off(answer)?;
    if damaged {
        let codes = [json!("provider_error"), json!("stream_truncated")];
        return if codes.contains(&error["code"]) {
            Ok(())
        } else {
            Err(format!("the error is {error}"))
        };
    }
    let wanted = &case.recording.json["error"];
    let recorded: Value = serde_json::from_slice(&case.body).unwrap_or_default();
    let said = error["message"].as_str().unwrap_or_default();
    let own = recorded["message"]
        .as_str()
        .or(wanted["message"].as_str())
        .unwrap_or_default();
    if !said.contains(own.trim_end()) {
        return Err(format!("the message is {said:?}, recorded is {own:?}"));
    }
    for (name, value) in wanted
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "message")
    {
        if &error[name.as_str()] != value {
            return Err(format!("{name} is {}, not {value}: {error}", error[name.as_str()]));
        }
    }
    if case.recording.status() >= 400 && error["provider_status"] != case.recording.status() {
        return Err(format!("the provider's status is not told: {error}"));
    }
    Ok(())
}

fn broken_off(answer: &Answer) -> Result<Value, String> {
    if answer.status >= 400 {
        return Ok(answer.json()?["error"].clone());
    }
    match answer.chunks()? {
        (_, End::Error(error)) => Ok(error),
        (_, end) => Err(format!("the answer ended with {end:?}")),
    }
}

/// What of a completion counts: text, calls, reasoning, why it ended, and the sums of tokens.
fn visible(completion: &Value) -> Value {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let calls: Vec<Value> = calls
        .map(|call| {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            let input: Value = serde_json::from_str(arguments).unwrap_or_default();
            json!([call["id"], call["function"]["name"], input])
        })
        .collect();
    json!({
        "text": message["content"].as_str().unwrap_or_default(),
        "thought": message["reasoning_content"].as_str().unwrap_or_default(),
        "calls": calls,
        "finish": choice["finish_reason"],
        "prompt_tokens": completion["usage"]["prompt_tokens"],
        "completion_tokens": completion["usage"]["completion_tokens"],
        "cached": completion["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0),
    })
}

/// The same of a recorded answer of Converse.
fn expected(case: &Case) -> Value {
    let (mut text, mut thought) = (String::new(), String::new());
    let mut calls: Vec<(Value, Value, String)> = Vec::new();
    let mut own = Vec::new();
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    let mut take = |kind: &str, value: &Value| match kind {
        "text" => text.push_str(value.as_str().unwrap_or_default()),
        "thought" => thought.push_str(value.as_str().unwrap_or_default()),
        _ => {}
    };
    if case.operation == "converse-stream" {
        for frame in decode(&case.body) {
            let event: Value = serde_json::from_slice(&frame.payload).expect("events are JSON");
            match frame.header(":event-type") {
                "contentBlockStart" if event["start"]["toolUse"]["type"] == "server_tool_use" => {
                    own.push(event["contentBlockIndex"].clone());
                }
                "contentBlockStart" if event["start"]["toolUse"].is_object() => {
                    let call = &event["start"]["toolUse"];
                    calls.push((call["toolUseId"].clone(), call["name"].clone(), String::new()));
                }
                "contentBlockDelta" if !own.contains(&event["contentBlockIndex"]) => {
                    take("text", &event["delta"]["text"]);
                    take("thought", &event["delta"]["reasoningContent"]["text"]);
                    if let Some((_, _, input)) = calls.last_mut() {
                        input.push_str(event["delta"]["toolUse"]["input"].as_str().unwrap_or_default());
                    }
                }
                "messageStop" => finish = event["stopReason"].clone(),
                "metadata" => usage = event["usage"].clone(),
                _ => {}
            }
        }
    } else {
        let whole: Value = serde_json::from_slice(&case.body).expect("the recording is JSON");
        for block in whole["output"]["message"]["content"].as_array().expect("blocks") {
            take("text", &block["text"]);
            take("thought", &block["reasoningContent"]["reasoningText"]["text"]);
            for piece in block["citationsContent"]["content"].as_array().into_iter().flatten() {
                take("text", &piece["text"]);
            }
            let call = &block["toolUse"];
            if call.is_object() {
                calls.push((
                    call["toolUseId"].clone(),
                    call["name"].clone(),
                    call["input"].to_string(),
                ));
            }
        }
        finish = whole["stopReason"].clone();
        usage = whole["usage"].clone();
    }
    let calls: Vec<Value> = calls
        .into_iter()
        .map(|(id, name, input)| {
            json!([
                id,
                name,
                serde_json::from_str::<Value>(&input).unwrap_or_else(|_| json!({}))
            ])
        })
        .collect();
    // Some models count in fractions of zero.
    let count = |name: &str| usage[name].as_f64().map_or(0, |count| count as u64);
    let cached = count("cacheReadInputTokens");
    json!({
        "text": text,
        "thought": thought,
        "calls": calls,
        "finish": match finish.as_str().unwrap_or_default() {
            "tool_use" => "tool_calls",
            "max_tokens" | "model_context_window_exceeded" => "length",
            "guardrail_intervened" | "content_filtered" => "content_filter",
            _ => "stop",
        },
        "prompt_tokens": count("inputTokens") + cached + count("cacheWriteInputTokens"),
        "completion_tokens": count("outputTokens"),
        "cached": cached,
    })
}

/// A stream gives the same in whatever pieces it comes.
async fn pieces(bench: &Bench, case: &Case, seen: &Value) -> Result<(), String> {
    for size in [3, 61, 997] {
        let (answer, _) = bench.ask(case, case.reply().in_pieces(size), true).await?;
        same(
            &format!("in pieces of {size}"),
            &visible(&answer.completion()?),
            "in one",
            seen,
        )?;
    }
    Ok(())
}

/// A stream that is cut, damaged, or ends with an exception is an error with what came before it.
async fn cuts(bench: &Bench, case: &Case) -> Result<(), String> {
    let length = case.body.len();
    for at in [0, length / 3, length - 1] {
        for end in [BodyEnd::Complete, BodyEnd::Broken] {
            let mut reply = case.reply();
            reply.pieces = vec![case.body[..at].to_vec().into()];
            let (answer, _) = bench.ask(case, reply.ending(end), true).await?;
            let error = broken_off(&answer).map_err(|error| format!("cut at {at} ({end:?}): {error}"))?;
            let codes: &[&str] = match end {
                BodyEnd::Complete => &["stream_truncated"],
                _ => &["stream_truncated", "provider_unreachable"],
            };
            if !codes.iter().any(|code| error["code"] == *code) {
                return Err(format!("cut at {at} ({end:?}): the error is {error}"));
            }
        }
    }
    let mut damaged = case.body.clone();
    damaged[length - 9] ^= 1;
    let mut reply = case.reply();
    reply.pieces = vec![damaged.into()];
    let (answer, _) = bench.ask(case, reply, true).await?;
    let error = broken_off(&answer).map_err(|error| format!("damaged: {error}"))?;
    if error["code"] != "provider_error" {
        return Err(format!("damaged: the error is {error}"));
    }
    let first = decode(&case.body).into_iter().next().ok_or("a stream has frames")?;
    let mut failing = first.bytes;
    failing.extend(frame(
        &json!({"throttlingException": {"message": "Too many tokens, please wait."}}),
    ));
    let mut reply = case.reply();
    reply.pieces = vec![failing.into()];
    let (answer, _) = bench.ask(case, reply, true).await?;
    let error = broken_off(&answer).map_err(|error| format!("exception: {error}"))?;
    if error["code"] != "rate_limit_exceeded" || error["message"] != "Too many tokens, please wait." {
        return Err(format!("exception: the error is {error}"));
    }
    Ok(())
}
