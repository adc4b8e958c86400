//! What a guest can ask of the host: its log and settings, handles to credentials, and a way out.
//!
//! In: calls from the guest. Out: answers bound to the guest's own identity; a request goes to
//! `egress` with the name of a slot, never with a secret. Never: a decision about policy, which
//! is `egress`'s.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Access, Destination, FutureReader, HasSelf, Resource, StreamProducer, StreamReader, StreamResult,
};

use super::bindings::base::llm_host::provider::{credentials, host, http};
use super::state::GuestState;
use crate::egress::{self, AcquireError, EgressError, EgressRequest, UpstreamResponse};

/// What a guest holds instead of a credential: the right to name a slot.
#[derive(Debug)]
pub struct CredentialHandle {
    slot: Arc<str>,
    kind: String,
    attributes: Vec<(String, String)>,
}

impl crate::llm::Host for GuestState {}

impl host::Host for GuestState {
    fn log(&mut self, level: host::Level, message: String) -> wasmtime::Result<()> {
        self.log.line(level, &message);
        Ok(())
    }

    fn config(&mut self) -> wasmtime::Result<String> {
        Ok(self.identity.settings.clone())
    }
}

impl credentials::Host for GuestState {
    fn acquire(
        &mut self,
        slot: String,
    ) -> wasmtime::Result<Result<Resource<CredentialHandle>, credentials::CredentialError>> {
        let declared = self.identity.manifest.slot(&slot).is_some();
        let (true, Some(egress)) = (declared, &self.identity.egress) else {
            return Ok(Err(credentials::CredentialError::NotGranted));
        };
        let facts = match egress.acquire(&self.identity.holder, &slot) {
            Ok(facts) => facts,
            Err(error) => {
                if self.log.has_room() {
                    tracing::warn!(target: "grants", plugin = %self.identity.manifest.id,
                        provider = %self.identity.holder.provider, slot, request_id = &*self.request_id, "{error}");
                }
                return Ok(Err(match error {
                    AcquireError::NotGranted { .. } => credentials::CredentialError::NotGranted,
                    AcquireError::NotConfigured { .. } => credentials::CredentialError::NotConfigured,
                    AcquireError::Expired { .. } | AcquireError::Voided { .. } => credentials::CredentialError::Expired,
                }));
            }
        };
        let handle = CredentialHandle {
            slot: slot.into(),
            kind: facts.kind,
            attributes: facts.attributes,
        };
        Ok(Ok(self.table.push(handle)?))
    }
}

impl credentials::HostCredential for GuestState {
    fn kind(&mut self, handle: Resource<CredentialHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&handle)?.kind.clone())
    }

    fn attributes(&mut self, handle: Resource<CredentialHandle>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.table.get(&handle)?.attributes.clone())
    }

    fn drop(&mut self, handle: Resource<CredentialHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl http::Host for GuestState {}

impl http::HostWithStore<GuestState> for HasSelf<GuestState> {
    /// Starts the request at once, whether or not the guest waits for it; dropping the store
    /// drops the exchange and with it the connection to the provider.
    fn send(
        mut access: Access<'_, GuestState, Self>,
        request: http::Request,
        auth: Option<Resource<CredentialHandle>>,
    ) -> wasmtime::Result<http::Exchange> {
        let budget = access.get().budget.response_bytes.clone();
        let started = start(access.get(), request, auth)?;
        let (body_tx, body_rx) = oneshot::channel();
        let (end_tx, end_rx) = oneshot::channel();
        let head = FutureReader::new(&mut access, head(started, body_tx))?;
        let body = StreamReader::new(
            &mut access,
            Body {
                state: BodyState::Waiting(body_rx),
                end: Some(end_tx),
                budget,
            },
        )?;
        let end = FutureReader::new(&mut access, async move {
            // The body was dropped by the guest before its end: it has cancelled the exchange.
            wasmtime::error::Ok(end_rx.await.unwrap_or(Err(http::HttpError::Cancelled)))
        })?;
        Ok(http::Exchange { head, body, end })
    }
}

/// An exchange that has been started, or refused before it could.
type Started = Result<AbortOnDrop<Result<Sent, EgressError>>, http::HttpError>;

/// An answer, and the guest's permission to have it open.
struct Sent {
    response: UpstreamResponse,
    permit: OwnedSemaphorePermit,
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn start(
    state: &mut GuestState,
    request: http::Request,
    auth: Option<Resource<CredentialHandle>>,
) -> wasmtime::Result<Started> {
    let slot = match auth {
        Some(handle) => Some(state.table.get(&handle)?.slot.clone()),
        None => None,
    };
    let identity = &state.identity;
    let Some(egress) = identity.egress.clone() else {
        return Ok(Err(http::HttpError::Denied(
            "`describe` and `check-config` have no network".into(),
        )));
    };
    if state.budget.exchanges == 0 {
        return Ok(Err(http::HttpError::Denied(format!(
            "more than {} requests in one call (`limits.exchanges`)",
            state.limits.exchanges
        ))));
    }
    state.budget.exchanges -= 1;
    let Ok(permit) = state.budget.concurrent.clone().try_acquire_owned() else {
        return Ok(Err(http::HttpError::Denied(format!(
            "more than {} requests at once (`limits.concurrent_exchanges`)",
            state.limits.concurrent_exchanges
        ))));
    };
    if request.body.len() as u64 > state.limits.request_bytes {
        return Ok(Err(http::HttpError::Denied(format!(
            "a request body of more than {} bytes (`limits.request_bytes`)",
            state.limits.request_bytes
        ))));
    }
    let millis = |ms: Option<u32>| ms.map(|ms| Duration::from_millis(ms.into()));
    let outgoing = EgressRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: Bytes::from(request.body),
        first_byte_timeout: millis(request.first_byte_timeout_ms),
        idle_timeout: millis(request.idle_timeout_ms),
        max_response_bytes: state.budget.response_bytes.load(Ordering::Relaxed),
        ..identity.outgoing(state.request_id.clone(), slot)
    };
    Ok(Ok(AbortOnDrop(tokio::spawn(async move {
        let response = egress.send(outgoing).await?;
        Ok(Sent { response, permit })
    }))))
}

async fn head(
    started: Started,
    body: oneshot::Sender<(egress::Body, OwnedSemaphorePermit)>,
) -> wasmtime::Result<Result<http::ResponseHead, http::HttpError>> {
    let mut task = match started {
        Ok(task) => task,
        Err(refused) => return Ok(Err(refused)),
    };
    let Sent { response, permit } = match (&mut task.0).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(error)) => return Ok(Err(http_error(error))),
        Err(_) => return Ok(Err(http::HttpError::Cancelled)),
    };
    let head = http::ResponseHead {
        status: response.status,
        headers: response
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.to_vec()))
            .collect(),
    };
    // A guest that dropped the body only wanted the head.
    let _ = body.send((response.body, permit));
    Ok(Ok(head))
}

enum BodyState {
    /// The head is not there yet.
    Waiting(oneshot::Receiver<(egress::Body, OwnedSemaphorePermit)>),
    /// Bytes are coming.
    Open {
        body: egress::Body,
        _permit: OwnedSemaphorePermit,
    },
    /// Nothing more comes.
    Closed,
}

/// Feeds an upstream's body to the guest without copying it on the way.
struct Body {
    state: BodyState,
    end: Option<oneshot::Sender<Result<(), http::HttpError>>>,
    budget: Arc<AtomicU64>,
}

impl Body {
    fn close(&mut self, how: Result<(), http::HttpError>) -> Poll<wasmtime::Result<StreamResult>> {
        self.state = BodyState::Closed;
        if let Some(end) = self.end.take() {
            // A guest that does not look at `end` has dropped it.
            let _ = end.send(how);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }

    /// Takes the bytes off what the call may still receive.
    fn spend(&self, bytes: usize) -> bool {
        self.budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes as u64)
            })
            .is_ok()
    }
}

impl StreamProducer<GuestState> for Body {
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
        let pending = if finish {
            Poll::Ready(Ok(StreamResult::Cancelled))
        } else {
            Poll::Pending
        };
        loop {
            match &mut self.state {
                BodyState::Closed => return Poll::Ready(Ok(StreamResult::Dropped)),
                BodyState::Waiting(receiver) => match Pin::new(receiver).poll(cx) {
                    Poll::Pending => return pending,
                    Poll::Ready(Ok((body, permit))) => self.state = BodyState::Open { body, _permit: permit },
                    // No answer came; `head` has said why.
                    Poll::Ready(Err(_)) => return self.close(Ok(())),
                },
                BodyState::Open { body, .. } => match body.poll_next_unpin(cx) {
                    Poll::Pending => return pending,
                    Poll::Ready(None) => return self.close(Ok(())),
                    Poll::Ready(Some(Err(error))) => return self.close(Err(http_error(error))),
                    Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => {}
                    Poll::Ready(Some(Ok(bytes))) => {
                        if !self.spend(bytes.len()) {
                            return self.close(Err(http::HttpError::TooLarge));
                        }
                        destination.set_buffer(bytes);
                        return Poll::Ready(Ok(StreamResult::Completed));
                    }
                },
            }
        }
    }
}

/// What the guest is told. Texts come from `egress`, which keeps secrets and queries out of them.
fn http_error(error: EgressError) -> http::HttpError {
    let text = error.to_string();
    match error {
        EgressError::Denied { .. } => http::HttpError::Denied(text),
        EgressError::Credential { .. } => http::HttpError::Credential(text),
        EgressError::Dns { .. } => http::HttpError::Dns(text),
        EgressError::Connect { .. } => http::HttpError::Connect(text),
        EgressError::Tls { .. } => http::HttpError::Tls(text),
        EgressError::Timeout { .. } => http::HttpError::Timeout(text),
        EgressError::Protocol { .. } => http::HttpError::Protocol(text),
        EgressError::TooLarge { .. } => http::HttpError::TooLarge,
        EgressError::Cancelled => http::HttpError::Cancelled,
        EgressError::Other { .. } => http::HttpError::Other(text),
    }
}
