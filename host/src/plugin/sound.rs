//! Sound on its way from the guest to the caller.
//!
//! In: bytes as the guest writes them, and its word on how they ended. Out: the same bytes in
//! pieces; the last is a failure unless the guest said that the sound is complete. Never: an
//! unbounded queue, or a sound that just stops.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Source};

use super::call::{Answered, Call, Running, within};
use super::channel::{Reader, Writer, channel};
use super::error::{CallError, Limit};
use super::functions::Callee;
use super::generation::{Generation, InFlight};
use super::operation::Interface;
use super::queue::{Patience, fill};
use super::speech::SynthesisRequest;
use super::state::GuestState;
use crate::error::GatewayError;
use crate::llm;

/// Bytes of an answer as they come. After an error nothing follows; dropping it cancels the call.
pub type Pieces = BoxStream<'static, Result<Bytes, GatewayError>>;

/// Sound that is being made.
pub struct Sound {
    /// IANA media type.
    pub media_type: String,
    /// What the adapter could not carry.
    pub dropped: Vec<llm::DroppedField>,
    /// The bytes.
    pub body: Pieces,
}

/// Media type, and what was dropped.
type Head = (String, Vec<llm::DroppedField>);

/// Asks for sound and fills a queue with it until it has closed.
struct Speak {
    request: SynthesisRequest,
    /// Told whether there is sound.
    opened: oneshot::Sender<Result<Head, llm::Error>>,
    pieces: Writer<u8>,
}

impl Call for Speak {
    /// How the sound ended.
    type Output = Result<(), llm::Error>;
    const INTERFACE: Interface = Interface::Speech;

    async fn run(self, callee: Callee<'_>) -> wasmtime::Result<Self::Output> {
        let loaded = callee.speech()?;
        let speech = loaded.llm_host_provider_speech();
        let sound = match speech.call_synthesize(callee.accessor, self.request).await? {
            Ok(sound) => sound,
            Err(error) => {
                let _ = self.opened.send(Err(error));
                return Ok(Ok(()));
            }
        };
        let (said, end) = oneshot::channel();
        callee.accessor.with(|access| sound.end.pipe(access, End(Some(said))))?;
        let closed = fill(callee.accessor, sound.body, self.pieces)?;
        // Nobody listens when the caller has already gone; the queue notices too.
        let _ = self.opened.send(Ok((sound.media_type, sound.dropped)));
        closed.await;
        // A guest that drops its end without a word traps.
        Ok(end.await.unwrap_or(Ok(())))
    }
}

/// Takes the guest's word on how the sound ended.
struct End(Option<oneshot::Sender<Result<(), llm::Error>>>);

impl FutureConsumer<GuestState> for End {
    type Item = Result<(), llm::Error>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, GuestState>,
        mut source: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut item = None;
        source.read(store, &mut item)?;
        if let (Some(end), Some(said)) = (item, self.0.take()) {
            // The call's task is gone with its caller.
            let _ = said.send(end);
        }
        Poll::Ready(Ok(()))
    }
}

impl Generation {
    /// Speaks a text. The body ends with an error unless the sound is complete, and at the latest
    /// at `deadline`.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), for failures before the head.
    pub async fn speak(
        self: &Arc<Self>,
        id: Arc<str>,
        request: SynthesisRequest,
        deadline: Instant,
    ) -> Answered<Sound> {
        let in_flight = self.admit(Interface::Speech)?;
        let limit = self.config.limits.first_event_time;
        let outcome = within(limit, Limit::FirstEvent(limit), self.open_sound(id, request)).await;
        if !matches!(outcome, Ok(Ok(_))) {
            self.note(&outcome);
        }
        Ok(outcome?.map(|((media_type, dropped), running, pieces)| {
            let body = Body {
                generation: self.clone(),
                _in_flight: in_flight,
                running,
                pieces,
                patience: Patience::of(&self.config.limits, deadline),
            };
            Sound {
                media_type,
                dropped,
                body: body.pieces(),
            }
        }))
    }

    async fn open_sound(self: &Arc<Self>, id: Arc<str>, request: SynthesisRequest) -> Answered<Begun> {
        let (pieces, receiver) = channel();
        let (opened, waiting) = oneshot::channel();
        let call = Speak {
            request,
            opened,
            pieces,
        };
        let mut running = self.start(id, call).await?;
        match running.beside(waiting).await {
            Ok(Ok(head)) => Ok(Ok((head, running, receiver))),
            Ok(Err(refused)) => Ok(Err(refused)),
            Err(_) => {
                running.outcome().await?.ok();
                Err(CallError::Contract("it gave neither sound nor an error".into()))
            }
        }
    }
}

/// The head of a sound, its call, and the queue of its bytes.
type Begun = (Head, Running<Result<(), llm::Error>>, Reader<u8>);

/// The bytes of a sound that has begun.
struct Body {
    generation: Arc<Generation>,
    _in_flight: InFlight,
    running: Running<Result<(), llm::Error>>,
    pieces: Reader<u8>,
    patience: Patience,
}

impl Body {
    fn pieces(self) -> Pieces {
        futures::stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match body.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The next piece; `None` when the sound is complete.
    async fn next(&mut self) -> Result<Option<Bytes>, GatewayError> {
        let ended = match self.running.beside(self.patience.next(&mut self.pieces)).await {
            Ok(Some(piece)) => return Ok(Some(piece.into())),
            Ok(None) => {
                let (time, limit) = self.patience.left();
                within(time, limit, self.running.outcome()).await
            }
            Err(limit) => Err(CallError::Limit(limit)),
        };
        self.generation.note(&ended);
        let plugin = &self.generation.plugin.manifest.id;
        ended
            .map_err(|error| error.into_gateway(plugin))?
            .map_err(|error| GatewayError::Provider {
                provider: self.generation.provider.to_string(),
                error: Box::new(error),
            })?;
        Ok(None)
    }
}
