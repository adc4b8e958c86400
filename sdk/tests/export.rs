//! Every interface can be implemented, with its defaults, and be named in `export!`.

#![allow(clippy::result_large_err, missing_docs)]

use llm_provider_sdk::http::{self, Body};
use llm_provider_sdk::testing::{Recording, Reply, block_on};
use llm_provider_sdk::types::{
    ChatEvent, ChatRequest, Choice, Error, ErrorKind, Finish, FinishReason, Header, Message, PartContent, PartDelta,
    ResponseStart, Role, Usage,
};
use llm_provider_sdk::{
    Chat, Completions, Embeddings, EventStream, Images, Manifest, Native, Provider, Speech, Synthesis, completions,
    embeddings, images, native, speech,
};

struct Everything;

llm_provider_sdk::export!(Everything: chat, completions, embeddings, images, speech, native);

impl Provider for Everything {
    fn describe() -> Manifest {
        Manifest::new("everything", "0.1.0", "Everything")
    }
}

impl Chat for Everything {
    async fn stream(req: ChatRequest) -> Result<EventStream, Error> {
        let words = req.messages.into_iter().flat_map(|message| message.parts);
        let mut events = vec![ChatEvent::Start(ResponseStart::new("1", req.model))];
        for part in words {
            if let PartContent::Text(text) = part.content {
                events.push(ChatEvent::Delta(PartDelta::text(0, 0, text)));
            }
        }
        events.push(ChatEvent::Finish(Finish::new(0, FinishReason::Stop)));
        events.push(ChatEvent::Done);
        Ok(EventStream::from_events(events))
    }
}

impl Completions for Everything {
    async fn stream(req: completions::Request) -> Result<EventStream, Error> {
        let mut events = vec![ChatEvent::Start(ResponseStart::new("1", req.model))];
        for (choice, prompt) in (0..).zip(req.prompts) {
            if let completions::Prompt::Text(text) = prompt {
                events.push(ChatEvent::Delta(PartDelta::text(choice, 0, text + " and so on")));
            }
            events.push(ChatEvent::Finish(Finish::new(choice, FinishReason::Length)));
        }
        events.push(ChatEvent::Done);
        Ok(EventStream::from_events(events))
    }
}

impl Embeddings for Everything {
    async fn embed(req: embeddings::Request) -> Result<embeddings::Response, Error> {
        Ok(embeddings::Response {
            model: req.model,
            vectors: req.inputs.iter().map(|_| vec![0.5]).collect(),
            usage: None,
            dropped: Vec::new(),
            extra: Vec::new(),
        })
    }
}

impl Images for Everything {
    async fn generate(_: images::Request) -> Result<images::Response, Error> {
        Err(Error::unsupported("no pictures today"))
    }
}

impl Speech for Everything {
    async fn synthesize(req: speech::SynthesisRequest) -> Result<Synthesis, Error> {
        if req.voice == "own" {
            return Ok(Synthesis::new("audio/x", Body::from_bytes(req.input.into())));
        }
        let response = http::Request::post("https://a.example/speak").send().await?;
        Ok(Synthesis::from_response(response))
    }
}

impl Native for Everything {
    fn route(head: native::RequestHead) -> Result<native::Forward, Error> {
        Ok(native::Forward {
            url: format!("https://a.example{}", head.path),
            headers: head.headers,
            credential: None,
            request_body: native::BodyMode::Rewrite,
            response_body: native::BodyMode::Copy,
        })
    }

    async fn read_usage(_: u16, _: Vec<Header>, mut body: Body) -> Result<Option<Usage>, Error> {
        let output = body.bytes().await?.len() as u64;
        Ok(Some(Usage {
            output,
            ..Usage::default()
        }))
    }
}

#[test]
fn defaults_stand_in_for_what_is_not_implemented() {
    assert_eq!(Everything::check_config("{}"), Ok(()));
    let error = block_on(Everything::list_models()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);

    let request = ChatRequest::new("m", vec![Message::text(Role::User, "Hello")]);
    let answer = block_on(<Everything as Chat>::complete(request)).unwrap();
    assert_eq!(answer.choices[0].message, Message::text(Role::Assistant, "Hello"));

    let answer = block_on(<Everything as Completions>::complete(completions::Request::new(
        "m", "Once",
    )))
    .unwrap();
    assert_eq!(
        answer.choices,
        [Choice::text(0, "Once and so on", FinishReason::Length)]
    );

    let audio = speech::TranscriptionRequest {
        model: "m".to_owned(),
        audio: llm_provider_sdk::types::Media::new(
            "audio/wav",
            llm_provider_sdk::types::MediaSource::Inline(Vec::new()),
        ),
        language: None,
        prompt: None,
        extra: Vec::new(),
    };
    let error = block_on(Everything::transcribe(audio)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);

    let head = native::RequestHead {
        method: "POST".to_owned(),
        path: "/v1/x".to_owned(),
        query: None,
        headers: Vec::new(),
    };
    assert_eq!(Everything::route(head.clone()).unwrap().url, "https://a.example/v1/x");
    let body = block_on(Everything::rewrite_body(head, b"same".to_vec()));
    assert_eq!(body, Ok(b"same".to_vec()));
}

#[test]
fn sound_is_what_the_providers_answer_says_it_is() {
    for (content_type, expected) in [
        (Some("Audio/MPEG; rate=1"), "audio/mpeg"),
        (Some(""), "application/octet-stream"),
        (None, "application/octet-stream"),
    ] {
        let mut reply = Reply::new(200, "la la");
        if let Some(value) = content_type {
            reply = reply.header("content-type", value);
        }
        let _recording = Recording::new().reply(reply).install();
        let request = speech::SynthesisRequest {
            model: "m".to_owned(),
            input: "la la".to_owned(),
            voice: "v".to_owned(),
            format: None,
            speed: None,
            extra: Vec::new(),
        };
        let mut sound = block_on(Everything::synthesize(request)).unwrap();
        assert_eq!(sound.media_type, expected);
        assert_eq!(block_on(sound.body.bytes()), Ok(b"la la".to_vec()));
    }
}
