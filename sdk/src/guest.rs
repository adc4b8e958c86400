//! The generated export traits, for every type that implements the SDK's own.
//!
//! In: the host's calls. Out: the adapter's answers, streams written from a task that goes on
//! after the call has returned. Never: anything on other targets than `wasm32`.

use crate::EventStream;
use crate::bindings::{chat, completions, embeddings, images, native, provider, speech};
use crate::capability;
use crate::http::Body;
use crate::types::{ChatEvent, ChatRequest, ChatResponse, Error, Header, ModelInfo, Usage};
use wit_bindgen::{StreamReader, StreamWriter};

impl<T: capability::Provider> provider::exports::llm_host::provider::provider::Guest for T {
    fn describe() -> crate::Manifest {
        T::describe()
    }

    fn check_config(config: String) -> Result<(), String> {
        T::check_config(&config)
    }

    async fn list_models() -> Result<Vec<ModelInfo>, Error> {
        T::list_models().await
    }
}

impl<T: capability::Chat> chat::exports::llm_host::provider::chat::Guest for T {
    async fn complete(req: ChatRequest) -> Result<ChatResponse, Error> {
        T::complete(req).await
    }

    async fn stream(req: ChatRequest) -> Result<StreamReader<ChatEvent>, Error> {
        let events = T::stream(req).await?.begin().await?;
        let (writer, reader) = chat::wit_stream::new();
        wit_bindgen::spawn_local(write(events, writer));
        Ok(reader)
    }
}

impl<T: capability::Completions> completions::exports::llm_host::provider::completions::Guest for T {
    async fn complete(req: crate::completions::Request) -> Result<ChatResponse, Error> {
        T::complete(req).await
    }

    async fn stream(req: crate::completions::Request) -> Result<StreamReader<ChatEvent>, Error> {
        let events = T::stream(req).await?.begin().await?;
        let (writer, reader) = completions::wit_stream::new();
        wit_bindgen::spawn_local(write(events, writer));
        Ok(reader)
    }
}

/// Writes the events until the last one, or until the host no longer reads.
async fn write(mut events: EventStream, mut writer: StreamWriter<ChatEvent>) {
    // What comes back was not taken: the reader is gone, and so is the reason to go on.
    // Dropping `events` closes the provider's answer.
    while let Some(batch) = events.next_batch().await {
        if !writer.write_all(batch).await.is_empty() {
            break;
        }
    }
}

impl<T: capability::Embeddings> embeddings::exports::llm_host::provider::embeddings::Guest for T {
    async fn embed(req: crate::embeddings::Request) -> Result<crate::embeddings::Response, Error> {
        T::embed(req).await
    }
}

impl<T: capability::Images> images::exports::llm_host::provider::images::Guest for T {
    async fn generate(req: crate::images::Request) -> Result<crate::images::Response, Error> {
        T::generate(req).await
    }
}

impl<T: capability::Speech> speech::exports::llm_host::provider::speech::Guest for T {
    async fn synthesize(
        req: crate::speech::SynthesisRequest,
    ) -> Result<speech::exports::llm_host::provider::speech::Synthesis, Error> {
        let capability::Synthesis {
            media_type,
            mut body,
            dropped,
        } = T::synthesize(req).await?;
        let (mut writer, reader) = speech::wit_stream::new();
        let (ended, end) = speech::wit_future::new(|| {
            Err(Error::new(
                crate::types::ErrorKind::Internal,
                "the adapter stopped before the sound was complete",
            ))
        });
        wit_bindgen::spawn_local(async move {
            while let Some(bytes) = body.chunk().await {
                if !writer.write_all(bytes).await.is_empty() {
                    break;
                }
            }
            let end = body.end().await.map_err(Error::from);
            drop(writer);
            // An error here means that nobody asks how it ended.
            let _ = ended.write(end).await;
        });
        Ok(speech::exports::llm_host::provider::speech::Synthesis {
            media_type,
            body: reader,
            end,
            dropped,
        })
    }

    async fn transcribe(req: crate::speech::TranscriptionRequest) -> Result<crate::speech::Transcript, Error> {
        T::transcribe(req).await
    }
}

impl<T: capability::Native> native::exports::llm_host::provider::native::Guest for T {
    fn route(head: crate::native::RequestHead) -> Result<crate::native::Forward, Error> {
        T::route(head)
    }

    async fn rewrite_body(head: crate::native::RequestHead, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        T::rewrite_body(head, body).await
    }

    async fn read_usage(status: u16, headers: Vec<Header>, body: StreamReader<u8>) -> Result<Option<Usage>, Error> {
        T::read_usage(status, headers, Body::from_reader(body)).await
    }
}
