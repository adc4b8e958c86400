//! Recorded traffic of OpenAI's other operations, replayed through the adapter: continuations,
//! vectors, pictures, sound, and what passes through.

// What a test leans on may fail as loudly as the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::result_large_err)]

#[path = "../../openai-wire/tests/recorded/mod.rs"]
mod recorded;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use llm_plugin_openai::OpenAi;
use llm_provider_sdk::fold::fold;
use llm_provider_sdk::native::{BodyMode, RequestHead};
use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on, every_split};
use llm_provider_sdk::types::{Error, ErrorKind, Media, MediaSource, PartContent};
use llm_provider_sdk::{
    Completions, Embeddings, Images, Native, Provider, Speech, completions, embeddings, images, speech,
};
use serde_json::{Value, json};

use recorded::Exchange;

fn of(operation: &str) -> Vec<Exchange> {
    let mut found = recorded::all("openai");
    found.retain(|exchange| exchange.operation == operation);
    found
}

fn reply_of(exchange: &Exchange) -> Reply {
    let body = if exchange.bytes.is_empty() {
        exchange.body.clone().into_bytes()
    } else {
        exchange.bytes.clone()
    };
    let headers = exchange.headers.iter();
    headers.fold(Reply::new(exchange.status, body), |reply, (n, v)| reply.header(n, v))
}

/// What a call gave, and the request it sent.
fn call<T>(exchange: &Exchange, call: impl Future<Output = T>) -> (T, SentRequest) {
    let recording = Recording::new().reply(reply_of(exchange)).install();
    let answer = block_on(call);
    let sent = recording.requests().remove(0);
    assert_eq!(sent.credential.as_deref(), Some("api-key"), "{}", exchange.file);
    (answer, sent)
}

fn check_error(exchange: &Exchange, error: &Error) {
    let name = &exchange.file;
    let body: Value = serde_json::from_str(&exchange.body).unwrap();
    let kind = match exchange.status {
        400 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        other => panic!("{name}: no expectation for status {other}"),
    };
    assert_eq!((error.kind, error.retryable), (kind, false), "{name}");
    assert_eq!(
        Some(error.message.as_str()),
        body["error"]["message"].as_str(),
        "{name}"
    );
    assert_eq!(error.provider_code.as_deref(), body["error"]["code"].as_str(), "{name}");
    assert_eq!(error.param.as_deref(), body["error"]["param"].as_str(), "{name}");
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn continuation(asked: &Value) -> completions::Request {
    let count = |name: &str| asked[name].as_u64().map(|n| u32::try_from(n).unwrap());
    let mut req = completions::Request::new(text(&asked["model"]).unwrap(), "");
    req.prompts = match &asked["prompt"] {
        Value::Array(prompts) => prompts
            .iter()
            .map(|p| completions::Prompt::Text(text(p).unwrap()))
            .collect(),
        prompt => vec![completions::Prompt::Text(text(prompt).unwrap())],
    };
    req.suffix = text(&asked["suffix"]);
    req.logprobs = count("logprobs");
    req.user = text(&asked["user"]);
    req.sampling.max_output_tokens = count("max_tokens");
    req.sampling.n = count("n");
    req.sampling.temperature = asked["temperature"].as_f64();
    req.sampling.top_p = asked["top_p"].as_f64();
    req.sampling.frequency_penalty = asked["frequency_penalty"].as_f64();
    req.sampling.presence_penalty = asked["presence_penalty"].as_f64();
    req.sampling.stop = match &asked["stop"] {
        Value::Array(stop) => stop.iter().filter_map(text).collect(),
        stop => text(stop).into_iter().collect(),
    };
    req
}

/// The recorded request in the adapter's words.
fn as_sent(asked: &Value) -> Value {
    let mut sent = asked.clone();
    let fields = sent.as_object_mut().unwrap();
    for name in ["temperature", "top_p", "frequency_penalty", "presence_penalty"] {
        if let Some(value) = fields.get_mut(name) {
            *value = value.as_f64().into();
        }
    }
    if let Some(Value::String(stop)) = fields.get("stop").cloned() {
        fields["stop"] = json!([stop]);
    }
    if let Some([only]) = fields["prompt"].as_array().map(Vec::as_slice) {
        fields["prompt"] = only.clone();
    }
    match fields.get("stream") {
        Some(Value::Bool(true)) => _ = fields.insert("stream_options".into(), json!({"include_usage": true})),
        _ => _ = fields.shift_remove("stream"),
    }
    sent
}

#[test]
fn continuations() {
    for exchange in of("completions").iter().filter(|e| e.method == "POST") {
        let name = &exchange.file;
        let streamed = exchange.request["stream"] == true;
        let req = continuation(&exchange.request);
        let answer = async {
            if streamed {
                <OpenAi as Completions>::stream(req).await?.fold().await
            } else {
                <OpenAi as Completions>::complete(req).await
            }
        };
        let (answer, sent) = call(exchange, answer);
        assert_eq!(sent.url, exchange.url, "{name}");
        assert_eq!(sent.json(), as_sent(&exchange.request), "{name}");
        if exchange.status >= 400 {
            check_error(exchange, &answer.unwrap_err());
            continue;
        }
        let answer = answer.unwrap();
        let chunks = if streamed {
            recorded::chunks(&exchange.body)
        } else {
            vec![serde_json::from_str(&exchange.body).unwrap()]
        };
        let own = |index: u32, field: &str| -> Vec<Value> {
            let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
            let of_index = choices.filter(|choice| choice["index"] == index);
            of_index.map(|choice| choice[field].clone()).collect()
        };
        for choice in &answer.choices {
            let PartContent::Text(said) = &choice.message.parts[0].content else {
                panic!("{name}: a text")
            };
            let told: String = own(choice.index, "text").iter().filter_map(text).collect();
            assert_eq!(*said, told, "{name}");
            let logprobs = choice.logprobs.as_ref().map(|json| serde_json::from_str(json).unwrap());
            if !streamed {
                assert_eq!(
                    logprobs.unwrap_or(Value::Null),
                    own(choice.index, "logprobs")[0],
                    "{name}"
                );
            }
        }
        let usage = chunks
            .iter()
            .map(|chunk| &chunk["usage"])
            .find(|usage| usage.is_object());
        assert_eq!(
            Some(answer.usage.unwrap().output),
            usage.unwrap()["completion_tokens"].as_u64(),
            "{name}"
        );
    }
}

#[test]
fn streamed_continuations_are_the_same_wherever_they_are_cut() {
    for exchange in of("completions").iter().filter(|e| e.is_stream()) {
        let events = |reply: Reply| {
            let _host = Recording::new().reply(reply).install();
            let req = continuation(&exchange.request);
            block_on(async { <OpenAi as Completions>::stream(req).await.unwrap().collect().await })
        };
        let whole = events(reply_of(exchange));
        assert!(fold(whole.clone()).is_ok());
        every_split(exchange.body.as_bytes(), |pieces| {
            if let [head, _] = pieces {
                assert_eq!(
                    events(reply_of(exchange).split_at(head.len())),
                    whole,
                    "{}",
                    exchange.file
                );
            }
        });
    }
}

#[test]
fn vectors() {
    for exchange in of("embeddings").iter().filter(|e| e.method == "POST") {
        let name = &exchange.file;
        let asked = &exchange.request;
        let texts: Vec<String> = match &asked["input"] {
            Value::Array(texts) => texts.iter().filter_map(text).collect(),
            one => text(one).into_iter().collect(),
        };
        let req = embeddings::Request {
            model: text(&asked["model"]).unwrap(),
            inputs: texts.iter().cloned().map(embeddings::Input::Text).collect(),
            dimensions: asked["dimensions"].as_u64().map(|n| n.try_into().unwrap()),
            user: None,
            extra: Vec::new(),
        };
        let (answer, sent) = call(exchange, OpenAi::embed(req));
        assert_eq!(sent.url, exchange.url, "{name}");
        assert_eq!(sent.json()["input"], json!(texts), "{name}");
        assert_eq!(sent.json()["encoding_format"], "base64", "{name}");
        if exchange.status >= 400 {
            check_error(exchange, &answer.unwrap_err());
            continue;
        }
        let answer = answer.unwrap();
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let size = asked["dimensions"].as_u64().unwrap();
        assert_eq!(answer.vectors.len(), texts.len(), "{name}");
        assert_eq!(answer.vectors[0].len() as u64, size, "{name}");
        assert_eq!(
            Some(answer.usage.unwrap().input),
            body["usage"]["prompt_tokens"].as_u64()
        );
    }
}

fn picture(asked: &Value) -> images::Request {
    let known = ["model", "prompt", "n", "size", "images"];
    let extra = asked.as_object().into_iter().flatten();
    images::Request {
        model: text(&asked["model"]).unwrap_or_default(),
        prompt: text(&asked["prompt"]).unwrap_or_default(),
        references: Vec::new(),
        mask: None,
        n: asked["n"].as_u64().map(|n| n.try_into().unwrap()),
        size: text(&asked["size"]),
        extra: extra
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
    }
}

#[test]
fn pictures() {
    for exchange in &of("image-generation") {
        let (answer, sent) = call(exchange, OpenAi::generate(picture(&exchange.request)));
        assert_eq!(sent.url, exchange.url, "{}", exchange.file);
        assert_eq!(sent.json(), exchange.request, "{}", exchange.file);
        check_error(exchange, &answer.unwrap_err());
    }
}

#[test]
fn changes_and_variations_of_pictures() {
    let forms = of("image-edit").into_iter().chain(of("image-variation"));
    for exchange in forms.filter(|e| !e.request_bytes.is_empty()) {
        let name = &exchange.file;
        let fields = form(&exchange);
        let field = |name: &str| {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| String::from_utf8(field.content.clone()).unwrap())
        };
        let media = |name: &str| {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| Media {
                name: field.file.clone(),
                ..Media::new(field.media_type.clone(), MediaSource::Inline(field.content.clone()))
            })
        };
        let req = images::Request {
            model: field("model").unwrap_or_default(),
            prompt: field("prompt").unwrap_or_default(),
            references: media("image").into_iter().collect(),
            mask: media("mask"),
            n: field("n").map(|n| n.parse().unwrap()),
            size: field("size"),
            extra: field("response_format")
                .map(|format| ("response_format".to_owned(), json!(format).to_string()))
                .into_iter()
                .collect(),
        };
        let (answer, sent) = call(&exchange, OpenAi::generate(req));
        assert_eq!(sent.url, exchange.url, "{name}");
        let sent = parse_form(sent.header("content-type").unwrap(), &sent.body);
        for own in &fields {
            let found = sent.iter().find(|field| field.name == own.name);
            let found = found.unwrap_or_else(|| panic!("{name}: no field {}", own.name));
            assert_eq!(
                (&found.content, &found.file),
                (&own.content, &own.file),
                "{name}: {}",
                own.name
            );
        }
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let addresses: Vec<_> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|item| text(&item["url"]))
            .collect();
        let given: Vec<_> = answer
            .unwrap()
            .images
            .into_iter()
            .filter_map(|image| match image.source {
                MediaSource::Url(url) => Some(url),
                _ => None,
            })
            .collect();
        assert_eq!(given, addresses, "{name}");
    }
}

#[test]
fn spoken_texts() {
    for exchange in &of("audio-speech") {
        let name = &exchange.file;
        let asked = &exchange.request;
        let extra = asked
            .get("stream_format")
            .map(|format| ("stream_format".to_owned(), format.to_string()));
        let req = speech::SynthesisRequest {
            model: text(&asked["model"]).unwrap(),
            input: text(&asked["input"]).unwrap(),
            voice: text(&asked["voice"]).unwrap(),
            format: text(&asked["response_format"]),
            speed: asked["speed"].as_f64(),
            extra: extra.into_iter().collect(),
        };
        let sound = async {
            let mut sound = OpenAi::synthesize(req).await.unwrap();
            (sound.media_type.clone(), sound.body.bytes().await.unwrap())
        };
        let ((media_type, bytes), sent) = call(exchange, sound);
        assert_eq!(sent.url, exchange.url, "{name}");
        assert_eq!(sent.json(), *asked, "{name}");
        let kind = exchange.header("content-type").unwrap().split(';').next().unwrap();
        assert_eq!(media_type, kind, "{name}");
        let whole = if exchange.bytes.is_empty() {
            exchange.body.as_bytes()
        } else {
            &exchange.bytes
        };
        assert!(bytes == whole, "{name}: every byte as it came");
    }
}

#[test]
fn sound_written_down() {
    for exchange in of("audio-transcription").iter().filter(|e| !e.request_bytes.is_empty()) {
        let name = &exchange.file;
        // Those that were cut, or that ask for pieces, cannot be asked for as they were.
        let cut = exchange.tags.iter().any(|tag| tag == "trimmed" || tag == "stream");
        if cut {
            continue;
        }
        let fields = form(exchange);
        let field = |name: &str| {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| String::from_utf8(field.content.clone()).unwrap())
        };
        let file = fields.iter().find(|field| field.name == "file").unwrap();
        let mut extra = Vec::new();
        for name in ["response_format", "temperature"] {
            extra.extend(field(name).map(|value| (name.to_owned(), json!(value).to_string())));
        }
        let times: Vec<_> = fields
            .iter()
            .filter(|field| field.name == "timestamp_granularities[]")
            .map(|field| String::from_utf8(field.content.clone()).unwrap())
            .collect();
        if !times.is_empty() {
            extra.push(("timestamp_granularities".to_owned(), json!(times).to_string()));
        }
        let req = speech::TranscriptionRequest {
            model: field("model").unwrap(),
            audio: Media {
                name: file.file.clone(),
                ..Media::new(file.media_type.clone(), MediaSource::Inline(file.content.clone()))
            },
            language: field("language"),
            prompt: field("prompt"),
            extra,
        };
        let (answer, sent) = call(exchange, OpenAi::transcribe(req));
        assert_eq!(sent.url, exchange.url, "{name}");
        let sent = parse_form(sent.header("content-type").unwrap(), &sent.body);
        for own in fields.iter().filter(|field| field.name != "stream") {
            let same = sent
                .iter()
                .any(|field| field.name == own.name && field.content == own.content);
            assert!(same, "{name}: {}", own.name);
        }
        if exchange.status >= 400 {
            check_error(exchange, &answer.unwrap_err());
            continue;
        }
        let answer = answer.unwrap();
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        assert_eq!(Some(answer.text), text(&body["text"]), "{name}");
        assert_eq!(answer.language, text(&body["language"]), "{name}");
        let duration = body["duration"]
            .as_f64()
            .map(|seconds| (seconds * 1000.0).round() as u64);
        assert_eq!(answer.duration_ms, duration, "{name}");
        let segments = answer.segments.map(|json| serde_json::from_str(&json).unwrap());
        assert_eq!(segments.unwrap_or(Value::Null), body["segments"], "{name}");
        let counted = body["usage"]["type"] == "tokens";
        assert_eq!(answer.usage.is_some(), counted, "{name}");
    }
}

/// Whatever else was recorded passes through to the same address.
#[test]
fn native_calls_go_where_they_went() {
    for exchange in &recorded::all("openai") {
        let (path, query) = match exchange.url.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (exchange.url.as_str(), None),
        };
        let _host = Recording::new().install();
        let forward = OpenAi::route(RequestHead {
            method: exchange.method.clone(),
            path: path.strip_prefix("https://api.openai.com").unwrap().to_owned(),
            query,
            headers: exchange
                .request_headers
                .iter()
                .map(|(n, v)| (n.clone(), v.clone().into_bytes()))
                .collect(),
        });
        let forward = forward.unwrap();
        assert_eq!(forward.url, exchange.url, "{}", exchange.file);
        assert_eq!(forward.request_body, BodyMode::Pass);
        let kept = forward
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let told = exchange
            .request_headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        assert_eq!(kept, told, "{}", exchange.file);
    }
}

#[test]
fn models() {
    for exchange in of("models").iter().filter(|e| e.url.ends_with("/v1/models")) {
        let (answer, sent) = call(exchange, OpenAi::list_models());
        assert_eq!(sent.url, exchange.url);
        check_error(exchange, &answer.unwrap_err());
    }
}

/// A field of a form.
struct Field {
    name: String,
    file: Option<String>,
    media_type: String,
    content: Vec<u8>,
}

fn form(exchange: &Exchange) -> Vec<Field> {
    let mut headers = exchange.request_headers.iter();
    let kind = headers
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .unwrap();
    parse_form(&kind.1, &exchange.request_bytes)
}

/// Reads a form, as a server would.
fn parse_form(kind: &str, body: &[u8]) -> Vec<Field> {
    let boundary = kind.split_once("boundary=").unwrap().1.trim_matches('"');
    let find = |from: usize, wanted: &[u8]| {
        let found = body[from..].windows(wanted.len()).position(|window| window == wanted);
        found.map(|at| from + at)
    };
    let delimiter = format!("--{boundary}");
    let mut fields = Vec::new();
    let mut at = find(0, delimiter.as_bytes()).unwrap();
    while let Some(next) = find(at + delimiter.len(), delimiter.as_bytes()) {
        let start = at + delimiter.len() + 2;
        let head_end = find(start, b"\r\n\r\n").unwrap();
        let head = String::from_utf8(body[start..head_end].to_vec()).unwrap();
        let quoted = |name: &str| {
            let value = head.split_once(&format!("{name}=\""))?.1;
            Some(value.split('"').next()?.to_owned())
        };
        let lower = head.to_ascii_lowercase();
        let media_type = lower
            .split_once("content-type:")
            .map(|(_, rest)| rest.lines().next().unwrap().trim().to_owned());
        fields.push(Field {
            name: quoted(" name").unwrap_or_else(|| {
                head.split_once(" name=")
                    .unwrap()
                    .1
                    .split([';', '\r'])
                    .next()
                    .unwrap()
                    .to_owned()
            }),
            file: quoted("filename"),
            media_type: media_type.unwrap_or_default(),
            content: body[head_end + 4..next - 2].to_vec(),
        });
        at = next;
    }
    fields
}

/// Without recordings this still tries each operation.
#[test]
fn each_operation_on_a_bare_clone() {
    let reply = |body: &str| Reply::json(200, body.as_bytes().to_vec());
    let host = Recording::new()
        .reply(reply(
            r#"{"created":1,"data":[{"b64_json":"AAEC"}],"usage":{"input_tokens":2,"output_tokens":3}}"#,
        ))
        .reply(Reply::new(200, b"ID3".to_vec()).header("content-type", "audio/mpeg"))
        .reply(reply(r#"{"text":"hello"}"#))
        .reply(reply(r#"{"text":"hello"}"#))
        .install();
    let answer = block_on(OpenAi::generate(picture(
        &json!({"model": "gpt-image-1", "prompt": "a cat"}),
    )))
    .unwrap();
    assert_eq!(
        answer.images[0].source,
        MediaSource::Inline(BASE64.decode("AAEC").unwrap())
    );
    let req = speech::SynthesisRequest {
        model: "tts-1".into(),
        input: "hi".into(),
        voice: "alloy".into(),
        format: None,
        speed: None,
        extra: Vec::new(),
    };
    assert_eq!(block_on(OpenAi::synthesize(req)).unwrap().media_type, "audio/mpeg");
    let mut req = speech::TranscriptionRequest {
        model: "whisper-1".into(),
        audio: Media::new("audio/wav", MediaSource::Inline(vec![1])),
        language: None,
        prompt: None,
        extra: Vec::new(),
    };
    assert_eq!(block_on(OpenAi::transcribe(req.clone())).unwrap().text, "hello");
    req.extra = vec![("task".into(), "\"translate\"".into())];
    block_on(OpenAi::transcribe(req)).unwrap();
    let urls: Vec<_> = host.requests().into_iter().map(|sent| sent.url).collect();
    let base = "https://api.openai.com/v1";
    assert_eq!(
        urls,
        [
            format!("{base}/images/generations"),
            format!("{base}/audio/speech"),
            format!("{base}/audio/transcriptions"),
            format!("{base}/audio/translations")
        ]
    );
    let refused = OpenAi::route(RequestHead {
        method: "GET".into(),
        path: "/v1/../admin".into(),
        query: None,
        headers: Vec::new(),
    });
    assert_eq!(refused.unwrap_err().kind, ErrorKind::NotFound);
}
