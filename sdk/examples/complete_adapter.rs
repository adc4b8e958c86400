//! A complete adapter, for the invented provider *Lark*.
//!
//! Lark answers `POST /v1/generate` with an object, or with server-sent events `begin`, `text`,
//! `end` and `error`. The adapter has all that a real one has: manifest and settings, the request
//! out of the neutral one with what could not be carried, the answer back into the neutral one with
//! what it did not know, the stream as a state machine, errors, and tests without a network.
//!
//! A plugin's crate is a `cdylib`; this example is one too. Build it as a component with
//! `cargo build -p llm-provider-sdk --example complete_adapter --target wasm32-wasip2`.

// The ABI's `error` stays below the lint's limit on wasm32.
#![allow(clippy::result_large_err)]

use llm_provider_sdk::framer::sse;
use llm_provider_sdk::json::{self, Object};
use llm_provider_sdk::types::{
    ChatEvent, ChatRequest, ChatResponse, Choice, DroppedField, Error, ErrorKind, Extras, Finish, FinishReason,
    Message, ModelInfo, Part, PartContent, PartDelta, ResponseStart, Role, Usage,
};
use llm_provider_sdk::{Chat, CredentialSlot, EventStream, HttpError, Manifest, Provider, StreamDecoder, host, http};
use serde::{Deserialize, Serialize};

/// The slot of the manifest that holds the key.
const KEY: &str = "api-key";

struct Lark;

llm_provider_sdk::export!(Lark: chat);

// --- What the adapter is -------------------------------------------------------------------------

/// The settings, as `config_schema` describes them.
#[derive(Deserialize)]
struct Settings {
    #[serde(default = "public_api")]
    base_url: String,
}

fn public_api() -> String {
    "https://api.lark.example".to_owned()
}

impl Provider for Lark {
    fn describe() -> Manifest {
        Manifest {
            egress: vec![public_api(), "{config.base_url*}".to_owned()],
            credentials: vec![CredentialSlot::bearer(
                KEY,
                "A key of the Lark API; make one at https://lark.example/keys",
            )],
            config_schema: r#"{
                "type": "object",
                "properties": {
                    "base_url": {
                        "type": "string",
                        "format": "uri",
                        "description": "Origin of the API, where it is not the public one"
                    }
                },
                "additionalProperties": false
            }"#
            .to_owned(),
            ..Manifest::new("lark", env!("CARGO_PKG_VERSION"), "Lark")
        }
    }

    fn check_config(config: &str) -> Result<(), String> {
        let settings: Settings = serde_json::from_str(config).map_err(|error| error.to_string())?;
        if settings.base_url.ends_with('/') {
            return Err(format!(
                "base_url is an origin: write it without the `/` at the end of `{}`",
                settings.base_url
            ));
        }
        Ok(())
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        let settings: Settings = host::config()?;
        let mut response = http::Request::get(format!("{}/v1/models", settings.base_url))
            .credential(KEY)
            .send()
            .await?;
        if !response.is_success() {
            return Err(failure(&mut response).await);
        }
        let mut list: Object = response.json().await?;
        json::require::<Vec<Object>>(&mut list, "models")?
            .into_iter()
            .map(|mut model| {
                let id: String = json::require(&mut model, "id")?;
                Ok(ModelInfo {
                    context_window: json::take_u64(&mut model, "window"),
                    extra: json::extras(model),
                    ..ModelInfo::new(id)
                })
            })
            .collect()
    }
}

// --- Conversation --------------------------------------------------------------------------------

impl Chat for Lark {
    async fn complete(req: ChatRequest) -> Result<ChatResponse, Error> {
        let (mut response, dropped) = send(req, false).await?;
        answer(response.json().await?, dropped)
    }

    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let (response, dropped) = send(req, true).await?;
        Ok(EventStream::decode(response, Decoder::new(dropped)))
    }
}

/// Sends the request and gives the answer if it is one.
async fn send(req: ChatRequest, stream: bool) -> Result<(http::Response, Vec<DroppedField>), Error> {
    let settings: Settings = host::config()?;
    let (body, dropped) = request(req, stream)?;
    let mut response = http::Request::post(format!("{}/v1/generate", settings.base_url))
        .json(&body)
        .credential(KEY)
        .send()
        .await?;
    if response.is_success() {
        Ok((response, dropped))
    } else {
        Err(failure(&mut response).await)
    }
}

/// Lark's request.
#[derive(Serialize)]
struct Generate {
    model: String,
    turns: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop: Vec<String>,
    stream: bool,
    #[serde(flatten)]
    further: Object,
}

#[derive(Serialize)]
struct Turn {
    role: &'static str,
    text: String,
}

/// Fields of the caller's request that Lark knows under the same name.
const UNDERSTOOD: [&str; 1] = ["safety"];

/// The neutral request as Lark's, and what could not be carried.
fn request(req: ChatRequest, stream: bool) -> Result<(Generate, Vec<DroppedField>), Error> {
    if !req.tools.is_empty() {
        return Err(Error::unsupported("Lark has no tools").with_param("tools"));
    }
    let mut dropped = Vec::new();
    for (field, given) in [
        ("top_k", req.sampling.top_k.is_some()),
        ("seed", req.sampling.seed.is_some()),
        ("user", req.user.is_some()),
        ("reasoning", req.reasoning.is_some()),
    ] {
        if given {
            dropped.push(DroppedField::new(field, "Lark has no such setting"));
        }
    }
    let (understood, unknown): (Extras, Extras) = req
        .extra
        .into_iter()
        .partition(|(name, _)| UNDERSTOOD.contains(&name.as_str()));
    dropped.extend(
        unknown
            .into_iter()
            .map(|(name, _)| DroppedField::new(name, "Lark does not know this field")),
    );
    let mut further = Object::new();
    json::add_extras(&mut further, &understood);
    let turns = req
        .messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| turn(at, message))
        .collect::<Result<_, _>>()?;
    let body = Generate {
        model: req.model,
        turns,
        temperature: req.sampling.temperature,
        max_tokens: req.sampling.max_output_tokens,
        stop: req.sampling.stop,
        stream,
        further,
    };
    Ok((body, dropped))
}

fn turn(at: usize, message: Message) -> Result<Turn, Error> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "lark",
        Role::Tool => return Err(no_such_part(at)),
    };
    let mut text = String::new();
    for part in message.parts {
        match part.content {
            PartContent::Text(piece) => text.push_str(&piece),
            // Content is no option: an answer to half a message would be a wrong answer.
            _ => return Err(no_such_part(at)),
        }
    }
    Ok(Turn { role, text })
}

fn no_such_part(message: usize) -> Error {
    Error::unsupported("Lark takes messages of text only").with_param(format!("messages[{message}]"))
}

/// Lark's answer as the neutral one.
fn answer(mut body: Object, dropped: Vec<DroppedField>) -> Result<ChatResponse, Error> {
    let text: String = json::require(&mut body, "text")?;
    let stop: Option<String> = json::take(&mut body, "stop_reason")?;
    let (finish, finish_detail) = finish(stop);
    Ok(ChatResponse {
        id: json::require(&mut body, "id")?,
        model: json::require(&mut body, "model")?,
        created: None,
        choices: vec![Choice {
            index: 0,
            message: Message::new(Role::Assistant, vec![Part::text(text)]),
            finish,
            finish_detail,
            logprobs: None,
            extra: Vec::new(),
        }],
        usage: json::take_object(&mut body, "tokens").map(usage),
        dropped,
        extra: json::extras(body),
    })
}

fn finish(stop: Option<String>) -> (FinishReason, Option<String>) {
    match stop.as_deref() {
        Some("end") => (FinishReason::Stop, None),
        // The provider's own word is kept where it says more.
        Some("stop_text") => (FinishReason::Stop, stop),
        Some("limit") => (FinishReason::Length, None),
        Some(_) => (FinishReason::Other(stop.unwrap_or_default()), None),
        None => (FinishReason::Stop, None),
    }
}

/// Lark counts cached tokens in `in`, too; the neutral buckets are disjoint.
fn usage(mut tokens: Object) -> Usage {
    let input = json::take_u64(&mut tokens, "in").unwrap_or_default();
    let cached = json::take_u64(&mut tokens, "cached").unwrap_or_default();
    Usage {
        input: input.saturating_sub(cached),
        cache_read: cached,
        output: json::take_u64(&mut tokens, "out").unwrap_or_default(),
        extra: json::extras(tokens),
        ..Usage::default()
    }
}

// --- The stream ----------------------------------------------------------------------------------

/// Lark's events as neutral ones.
struct Decoder {
    framer: sse::Framer,
    dropped: Vec<DroppedField>,
    ended: bool,
}

impl Decoder {
    fn new(dropped: Vec<DroppedField>) -> Self {
        Self {
            framer: sse::Framer::new(),
            dropped,
            ended: false,
        }
    }

    fn event(&mut self, event: sse::Event, out: &mut Vec<ChatEvent>) -> Result<(), Error> {
        let mut data = match json::parse_object(event.data.as_bytes()) {
            // The connection broke in the middle of the event.
            Err(_) if event.cut => return Err(Error::truncated()),
            data => data?,
        };
        match event.event.as_deref() {
            Some("begin") => {
                let start = ResponseStart {
                    id: json::require(&mut data, "id")?,
                    model: json::require(&mut data, "model")?,
                    created: None,
                    dropped: std::mem::take(&mut self.dropped),
                    extra: json::extras(data),
                };
                // There is one text, possibly empty, as in the whole answer.
                let text = PartDelta::text(0, 0, "");
                out.extend([ChatEvent::Start(start), ChatEvent::Delta(text)]);
            }
            Some("text") => {
                let text: String = json::require(&mut data, "text")?;
                out.push(ChatEvent::Delta(PartDelta::text(0, 0, text)));
            }
            Some("end") => {
                let (reason, detail) = finish(json::take(&mut data, "stop_reason")?);
                out.push(ChatEvent::Finish(Finish {
                    detail,
                    ..Finish::new(0, reason)
                }));
                if let Some(tokens) = json::take_object(&mut data, "tokens") {
                    out.push(ChatEvent::Usage(usage(tokens)));
                }
                out.push(ChatEvent::Done);
                self.ended = true;
            }
            Some("error") => return Err(own_error(Error::upstream("Lark failed"), &mut data)),
            // A kind of event that did not exist yet when this was written.
            _ => host::log(host::Level::Debug, "an unknown event was left out"),
        }
        Ok(())
    }

    /// Takes an event, and turns a failure into the stream's last event.
    fn take(&mut self, event: Result<sse::Event, Error>, out: &mut Vec<ChatEvent>) {
        if self.ended {
            return;
        }
        if let Err(error) = event.and_then(|event| self.event(event, out)) {
            out.push(ChatEvent::Error(error));
            self.ended = true;
        }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for event in self.framer.feed(bytes) {
            self.take(event.map_err(Error::from), out);
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        if end.is_ok()
            && let Some(event) = self.framer.finish()
        {
            self.take(Ok(event), out);
        }
        let missing = end.map_or_else(Error::from, |()| Error::truncated());
        self.take(Err(missing), out);
    }
}

// --- Errors --------------------------------------------------------------------------------------

/// The error that a failed answer is. Status and headers are read by the SDK; the codes are Lark's.
async fn failure(response: &mut http::Response) -> Error {
    let error = Error::from_response(response).await;
    let body = error.raw.as_deref().map(json::value);
    match body {
        Some(serde_json::Value::Object(mut body)) => own_error(error, &mut body),
        _ => error,
    }
}

/// Lark's own codes, which say more than a status.
fn own_error(error: Error, body: &mut Object) -> Error {
    let Some(code) = json::take_string(body, "code") else {
        return error;
    };
    let message = json::take_string(body, "message").unwrap_or_else(|| error.message.clone());
    let error = match code.as_str() {
        "no_credit" => error.with_kind(ErrorKind::QuotaExhausted),
        "window_full" => error.with_kind(ErrorKind::ContextLength),
        "busy" => error.with_kind(ErrorKind::Overloaded),
        _ => error,
    };
    error.with_code(code).with_message(message)
}

// --- Tests, natively and without a network -------------------------------------------------------

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::fold;
    use llm_provider_sdk::testing::{Recording, Reply, block_on, decode, every_split};
    use serde_json::json;

    const WHOLE: &str = r#"{"id":"g1","model":"wren-2","text":"Grüße!","stop_reason":"end",
        "tokens":{"in":12,"cached":4,"out":3,"searches":1}}"#;

    const STREAM: &str = concat!(
        "event: begin\ndata: {\"id\":\"g1\",\"model\":\"wren-2\"}\n\n",
        "event: text\ndata: {\"text\":\"Grü\"}\n\n",
        "event: text\ndata: {\"text\":\"ße!\"}\n\n",
        "event: end\ndata: {\"stop_reason\":\"end\",",
        "\"tokens\":{\"in\":12,\"cached\":4,\"out\":3,\"searches\":1}}\n\n",
    );

    fn hello() -> ChatRequest {
        ChatRequest {
            extra: vec![
                ("safety".to_owned(), r#""low""#.to_owned()),
                ("logit_bias".to_owned(), "{}".to_owned()),
            ],
            ..ChatRequest::new("wren-2", vec![Message::text(Role::User, "Hello")])
        }
    }

    #[test]
    fn a_whole_answer() {
        let recording = Recording::new().reply(Reply::json(200, WHOLE)).install();
        let answer = block_on(Lark::complete(hello())).unwrap();

        let sent = &recording.requests()[0];
        assert_eq!(sent.url, "https://api.lark.example/v1/generate");
        assert_eq!(sent.credential.as_deref(), Some(KEY));
        assert_eq!(
            sent.json(),
            json!({
                "model": "wren-2",
                "turns": [{"role": "user", "text": "Hello"}],
                "stream": false,
                "safety": "low",
            })
        );
        assert_eq!(answer.dropped[0].field, "logit_bias");
        let usage = answer.usage.unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output), (8, 4, 3));
        assert_eq!(usage.extra, [("searches".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_stream_adds_up_to_the_whole_answer_however_it_is_cut() {
        let _recording = Recording::new()
            .reply(Reply::json(200, WHOLE))
            .reply(Reply::sse(STREAM).in_pieces_of(7))
            .install();
        let whole = block_on(Lark::complete(hello())).unwrap();
        let streamed = block_on(async { Lark::stream(hello()).await?.fold().await });
        assert_eq!(streamed, Ok(whole.clone()));

        every_split(STREAM.as_bytes(), |pieces| {
            let decoder = Decoder::new(whole.dropped.clone());
            assert_eq!(fold::fold(decode(decoder, pieces, Ok(()))), Ok(whole.clone()));
        });
    }

    #[test]
    fn a_stream_that_just_stops_is_an_error() {
        // Without the blank line after `end`, all that matters has come.
        for at in 1..STREAM.len() - 2 {
            let decoder = Decoder::new(Vec::new());
            let events = decode(decoder, &[&STREAM.as_bytes()[..at]], Ok(()));
            assert!(
                matches!(events.last(), Some(ChatEvent::Error(error))
                    if error.kind == ErrorKind::StreamTruncated),
                "cut at {at}: {events:?}"
            );
        }
        let broken = decode(
            Decoder::new(Vec::new()),
            &[&STREAM.as_bytes()[..100]],
            Err(HttpError::Timeout("idle".to_owned())),
        );
        let Some(ChatEvent::Error(error)) = broken.last() else {
            panic!("{broken:?}");
        };
        assert_eq!(error.kind, ErrorKind::Timeout);
    }

    #[test]
    fn failures_say_whose_fault_and_when_to_try_again() {
        let cases = [
            (
                Reply::json(429, r#"{"code":"slow_down","message":"Slow down"}"#).header("retry-after", "3"),
                (ErrorKind::RateLimited, true, Some(3000)),
            ),
            (
                Reply::json(402, r#"{"code":"no_credit","message":"No credit"}"#),
                (ErrorKind::QuotaExhausted, false, None),
            ),
            (
                Reply::json(400, r#"{"code":"window_full","message":"Too long"}"#),
                (ErrorKind::ContextLength, false, None),
            ),
            (
                Reply::new(502, "<html>Bad gateway</html>"),
                (ErrorKind::Upstream, true, None),
            ),
            (
                Reply::failure(HttpError::Connect("refused".to_owned())),
                (ErrorKind::Transport, true, None),
            ),
        ];
        for (reply, expected) in cases {
            let _recording = Recording::new().reply(reply.clone()).install();
            let error = block_on(Lark::stream(hello())).unwrap_err();
            let seen = (error.kind, error.retryable, error.retry_after_ms);
            assert_eq!(seen, expected, "{reply:?}");
        }
    }

    #[test]
    fn a_failure_before_the_first_event_is_no_stream() {
        let overloaded = "event: error\ndata: {\"code\":\"busy\",\"message\":\"Come back\"}\n\n";
        let _recording = Recording::new().reply(Reply::sse(overloaded)).install();
        let error = block_on(async { Lark::stream(hello()).await?.begin().await }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert_eq!(error.message, "Come back");
    }

    #[test]
    fn settings_choose_the_origin() {
        let recording = Recording::new()
            .config(&json!({"base_url": "https://lark.internal"}))
            .reply(Reply::json(
                200,
                r#"{"models":[{"id":"wren-2","window":8192,"tier":1}]}"#,
            ))
            .install();
        let models = block_on(Lark::list_models()).unwrap();
        assert_eq!(recording.requests()[0].url, "https://lark.internal/v1/models");
        assert_eq!(models[0].context_window, Some(8192));
        assert_eq!(models[0].extra, [("tier".to_owned(), "1".to_owned())]);

        assert!(Lark::check_config(r#"{"base_url":"https://lark.internal/"}"#).is_err());
        assert_eq!(Lark::check_config("{}"), Ok(()));
    }
}
