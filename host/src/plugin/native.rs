//! A provider's own API: the guest maps the head of a request, the host sends it and passes the
//! bodies.
//!
//! In: a caller's request. Out: the provider's answer, as it comes. Never: a byte of a body in the
//! sandbox unless the guest asked for it (`rewrite`, `copy`), and no way out but `egress`: address,
//! headers and credential are checked like those of a guest's own request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, StreamProducer, StreamReader, StreamResult};

use super::call::{Answered, Call};
use super::error::CallError;
use super::functions::Callee;
use super::generation::{Generation, InFlight};
use super::operation::{Interface, RewriteBody, Route};
use super::queue::Patience;
use super::sound::Pieces;
use super::state::GuestState;
use crate::egress::{self, EgressError, EgressRequest};
use crate::error::GatewayError;
use crate::llm::{self, ErrorKind};

pub use super::bindings::native::exports::llm_host::provider::native::RequestHead;
pub(super) use super::bindings::native::exports::llm_host::provider::native::{BodyMode, Forward};

/// How many pieces of an answer may wait for a guest that reads a copy of it. A guest that is
/// slower is ended: the caller does not wait for it.
const COPIES: usize = 64;

/// A request to the provider's own API.
#[derive(Debug, Clone)]
pub struct NativeRequest {
    /// Its head.
    pub head: RequestHead,
    /// Its body.
    pub body: Bytes,
}

/// The provider's answer.
pub struct NativeAnswer {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// Headers in lower case, without those of the connection and of authentication.
    pub headers: Vec<(String, Bytes)>,
    /// The body as it comes.
    pub body: Pieces,
    /// The usage, where the plugin finds it in a copy of the answer; soon after the body's end.
    pub usage: Option<oneshot::Receiver<llm::Usage>>,
}

impl Generation {
    /// Sends a request to the provider's own API. The body of the answer ends at the latest at
    /// `deadline`; dropping it cancels the call to the provider.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), for failures before the head of the answer; a refusal of the
    /// host or a broken connection is told as an adapter would tell it.
    pub async fn forward(
        self: &Arc<Self>,
        id: Arc<str>,
        request: NativeRequest,
        deadline: Instant,
    ) -> Answered<NativeAnswer> {
        // Admitted by each of its calls into the guest: after a back-off only one may pass.
        let in_flight = self.enter();
        let NativeRequest { head, body } = request;
        let method = head.method.clone();
        let route = Route { head: head.clone() };
        let forward = match self.ask(id.clone(), route).await? {
            Ok(forward) => forward,
            Err(refused) => return Ok(Err(refused)),
        };
        let body = match forward.request_body {
            BodyMode::Rewrite => {
                let body = body.to_vec();
                match self.ask(id.clone(), RewriteBody { head, body }).await? {
                    Ok(body) => body.into(),
                    Err(refused) => return Ok(Err(refused)),
                }
            }
            BodyMode::Pass | BodyMode::Copy => body,
        };
        let copied = matches!(forward.response_body, BodyMode::Copy | BodyMode::Rewrite);
        let response = match self.send(&id, method, forward, body).await? {
            Ok(response) => response,
            Err(error) => return Ok(Err(failure(&error))),
        };
        let (copy, usage) = copied.then(|| self.read_usage(id, &response)).unzip();
        let passing = Passing {
            generation: self.clone(),
            _in_flight: in_flight,
            body: response.body,
            copy,
            patience: Patience::of(&self.config.limits, deadline),
        };
        Ok(Ok(NativeAnswer {
            status: response.status,
            headers: response.headers,
            body: passing.pieces(),
            usage,
        }))
    }

    /// Sends what the guest has mapped, as if the guest had.
    async fn send(
        &self,
        id: &Arc<str>,
        method: String,
        forward: Forward,
        body: Bytes,
    ) -> Result<Result<egress::UpstreamResponse, EgressError>, CallError> {
        let slot: Option<Arc<str>> = forward.credential.map(Into::into);
        let undeclared = slot
            .as_deref()
            .filter(|slot| self.identity.manifest.slot(slot).is_none());
        if let Some(slot) = undeclared {
            let broken = CallError::Contract(format!("it names the slot `{slot}`, which its manifest does not have"));
            self.note::<()>(&Err(broken.clone()));
            return Err(broken);
        }
        let Some(egress) = &self.identity.egress else {
            return Ok(Err(EgressError::Other("there is no way out".to_owned())));
        };
        let outgoing = EgressRequest {
            method,
            url: forward.url,
            headers: forward.headers,
            body,
            max_response_bytes: self.config.limits.response_bytes,
            ..self.identity.outgoing(id.clone(), slot)
        };
        tokio::select! {
            biased;
            sent = egress.send(outgoing) => Ok(sent),
            () = self.stop.cancelled() => Err(CallError::Drained),
        }
    }

    /// Gives the guest a copy of the answer, in which it finds the usage. Once the answer has ended
    /// it has as long as it may be silent.
    fn read_usage(
        self: &Arc<Self>,
        id: Arc<str>,
        response: &egress::UpstreamResponse,
    ) -> (Copy, oneshot::Receiver<llm::Usage>) {
        let (found, usage) = oneshot::channel();
        let (copy, pieces) = mpsc::channel(COPIES);
        let (passing, passed) = oneshot::channel::<()>();
        let given_up = CancellationToken::new();
        let cut = given_up.clone();
        let headers = response.headers.iter();
        let call = ReadUsage {
            status: response.status,
            headers: headers.map(|(name, value)| (name.clone(), value.to_vec())).collect(),
            pieces,
        };
        let generation = self.clone();
        self.tasks.spawn(async move {
            let patience = async {
                // It is never sent, only dropped.
                let _ = passed.await;
                tokio::time::sleep(generation.config.limits.idle_time).await;
            };
            let outcome = tokio::select! {
                outcome = generation.ask(id.clone(), call) => Some(outcome),
                () = patience => None,
                // What it would find in a part of the answer is not the usage.
                () = cut.cancelled() => None,
            };
            match outcome {
                Some(Ok(Ok(Some(usage)))) => drop(found.send(usage)),
                Some(Ok(Ok(None))) => {}
                Some(Ok(Err(error))) => tracing::warn!(
                    request = &*id,
                    provider = &*generation.provider,
                    "the usage of a native call cannot be read: {}",
                    error.message
                ),
                // It has been noted where it happened.
                Some(Err(_)) => {}
                None => tracing::warn!(
                    request = &*id,
                    provider = &*generation.provider,
                    "the plugin reads its copy of an answer more slowly than it comes, so its usage is not known"
                ),
            }
        });
        let copy = Copy {
            pieces: copy,
            given_up,
            _passing: passing,
        };
        (copy, usage)
    }
}

/// The guest's copy of an answer.
struct Copy {
    pieces: mpsc::Sender<Bytes>,
    /// Ends the guest that does not keep up.
    given_up: CancellationToken,
    /// Dropped with the answer.
    _passing: oneshot::Sender<()>,
}

/// Asks for the usage in a copy of an answer.
struct ReadUsage {
    status: u16,
    headers: Vec<llm::Header>,
    pieces: mpsc::Receiver<Bytes>,
}

impl Call for ReadUsage {
    type Output = Result<Option<llm::Usage>, llm::Error>;
    const INTERFACE: Interface = Interface::Native;

    async fn run(self, callee: Callee<'_>) -> wasmtime::Result<Self::Output> {
        let loaded = callee.native()?;
        let pieces = Copied(self.pieces);
        let body = callee.accessor.with(|access| StreamReader::new(access, pieces))?;
        let native = loaded.llm_host_provider_native();
        native
            .call_read_usage(callee.accessor, self.status, self.headers, body)
            .await
    }
}

/// Feeds the copy to the guest.
struct Copied(mpsc::Receiver<Bytes>);

impl StreamProducer<GuestState> for Copied {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, GuestState>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.0.poll_recv(cx) {
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Some(piece)) => {
                destination.set_buffer(piece);
                Poll::Ready(Ok(StreamResult::Completed))
            }
        }
    }
}

/// An answer on its way to the caller.
struct Passing {
    generation: Arc<Generation>,
    _in_flight: InFlight,
    body: egress::Body,
    copy: Option<Copy>,
    patience: Patience,
}

impl Passing {
    fn pieces(self) -> Pieces {
        futures::stream::unfold(Some(self), |passing| async move {
            let mut passing = passing?;
            match passing.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(passing))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, GatewayError> {
        let (time, limit) = self.patience.left();
        let stop = self.generation.stop.clone();
        let piece = tokio::select! {
            biased;
            piece = tokio::time::timeout(time, self.body.next()) => piece.map_err(|_| CallError::Limit(limit)),
            () = stop.cancelled() => Err(CallError::Drained),
        };
        let piece = piece.map_err(|error| error.into_gateway(&self.generation.plugin.manifest.id))?;
        match piece.transpose() {
            Ok(Some(piece)) => {
                self.copy(&piece);
                Ok(Some(piece))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(GatewayError::Provider {
                provider: self.generation.provider.to_string(),
                error: Box::new(failure(&error)),
            }),
        }
    }

    fn copy(&mut self, piece: &Bytes) {
        let Some(copy) = self.copy.as_ref().filter(|_| !piece.is_empty()) else {
            return;
        };
        // A guest that has enough of it closes its end; one that is behind is ended.
        if let Err(mpsc::error::TrySendError::Full(_)) = copy.pieces.try_send(piece.clone()) {
            copy.given_up.cancel();
            self.copy = None;
        }
    }
}

/// A failed exchange in the words of the ABI.
fn failure(error: &EgressError) -> llm::Error {
    let (kind, retryable) = match error {
        EgressError::Denied(_) | EgressError::TooLarge { .. } => (ErrorKind::Denied, false),
        EgressError::Credential(_) => (ErrorKind::Authentication, false),
        EgressError::Tls { .. } => (ErrorKind::Transport, false),
        EgressError::Timeout { .. } => (ErrorKind::Timeout, true),
        EgressError::Cancelled => (ErrorKind::Cancelled, false),
        EgressError::Dns { .. }
        | EgressError::Connect { .. }
        | EgressError::Protocol { .. }
        | EgressError::Other(_) => (ErrorKind::Transport, true),
    };
    llm::Error {
        kind,
        message: error.to_string(),
        retryable,
        retry_after_ms: None,
        http_status: None,
        provider_code: None,
        param: None,
        request_id: None,
        raw: None,
    }
}
