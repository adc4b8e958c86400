//! A plugin whose other interfaces than conversation rewrite, refuse, break off or give too little.
//!
//! In: a path of its own API says what to do. Out: what the provider at the setting `upstream`
//! answers, as far as it is let through.

#![allow(clippy::result_large_err)]

use llm_provider_sdk::http::{self, Body};
use llm_provider_sdk::native::{BodyMode, Forward, RequestHead};
use llm_provider_sdk::types::{Error, ErrorKind, Header, Usage};
use llm_provider_sdk::{
    CredentialSlot, Embeddings, Manifest, Native, Provider, Speech, Synthesis, embeddings, host, speech,
};
use serde::Deserialize;

/// The plugin.
#[derive(Debug)]
pub struct Unruly;

llm_provider_sdk::export!(Unruly: embeddings, native, speech);

const KEY: &str = "api-key";

#[derive(Deserialize)]
struct Settings {
    upstream: String,
}

fn url(path: &str) -> Result<String, Error> {
    let settings: Settings = host::config()?;
    Ok(settings.upstream + path)
}

impl Provider for Unruly {
    fn describe() -> Manifest {
        Manifest {
            egress: vec!["{config.upstream*}".to_owned()],
            credentials: vec![CredentialSlot::bearer(KEY, "sent to the test's upstream")],
            config_schema: r#"{"type":"object","properties":{"upstream":{"type":"string"}},"required":["upstream"]}"#
                .to_owned(),
            ..Manifest::new("unruly", "0.1.0", "Unruly")
        }
    }
}

impl Embeddings for Unruly {
    async fn embed(req: embeddings::Request) -> Result<embeddings::Response, Error> {
        Ok(embeddings::Response {
            model: req.model,
            vectors: vec![vec![1.0]],
            usage: None,
            dropped: Vec::new(),
            extra: Vec::new(),
        })
    }
}

impl Speech for Unruly {
    /// The upstream's bytes, and its end.
    async fn synthesize(_: speech::SynthesisRequest) -> Result<Synthesis, Error> {
        let request = http::Request::post(url("/speak")?).credential(KEY);
        Ok(Synthesis::from_response(request.send().await?))
    }
}

impl Native for Unruly {
    fn route(head: RequestHead) -> Result<Forward, Error> {
        let mut forward = Forward {
            url: url(&head.path)?,
            headers: Vec::new(),
            credential: Some(KEY.to_owned()),
            request_body: BodyMode::Pass,
            response_body: BodyMode::Pass,
        };
        match head.path.as_str() {
            "/rewrite" => forward.request_body = BodyMode::Rewrite,
            "/copy" | "/deaf" | "/mute" => forward.response_body = BodyMode::Copy,
            "/undeclared" => forward.credential = Some("nobody".to_owned()),
            "/authorization" => forward.headers = vec![("authorization".to_owned(), b"Bearer own".to_vec())],
            "/elsewhere" => forward.url = "https://other.example/".to_owned(),
            "/refuse" => return Err(Error::new(ErrorKind::Permission, "this path is not for you")),
            "/spin" => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
        Ok(forward)
    }

    async fn rewrite_body(_: RequestHead, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok([b"rewritten: ".as_slice(), &body].concat())
    }

    async fn read_usage(_: u16, headers: Vec<Header>, mut body: Body) -> Result<Option<Usage>, Error> {
        if headers.iter().any(|(name, _)| name == "x-deaf") {
            // An answer that never ends: it waits, and reads nothing of its copy.
            let request = http::Request::get(url("/never")?).credential(KEY);
            request.send().await?.bytes().await?;
        }
        let output = body.bytes().await?.len() as u64;
        Ok(Some(Usage {
            output,
            ..Usage::default()
        }))
    }
}
