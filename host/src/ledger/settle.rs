//! The layer that settles every request with the ledger.
//!
//! In: a request on its way to its provider. Out: the answer as it is; its account is closed when
//! the answer has ended, however it ends. Never: a piece of the answer held back or changed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::oneshot;

use super::{Account, Ledger, Outcome};
use crate::context::RequestContext;
use crate::dispatch::{
    Ask, Dispatch, EventBatches, LlmAnswer, LlmRequest, LlmResponse, ModelEntry, NativeAnswer, NativeRequest,
    NativeResponse, Pieces,
};
use crate::error::GatewayError;
use crate::llm::{ChatEvent, Usage};
use crate::routing::{provider, route};

/// The layer, around the rest of the dispatch stack.
pub struct Settle<D> {
    inner: D,
    ledger: Arc<Ledger>,
}

impl<D> Settle<D> {
    /// Puts the layer around `inner`.
    pub fn new(inner: D, ledger: Arc<Ledger>) -> Self {
        Self { inner, ledger }
    }
}

#[async_trait]
impl<D: Dispatch> Dispatch for Settle<D> {
    async fn ask(&self, context: &RequestContext, request: LlmRequest) -> Result<LlmResponse, GatewayError> {
        let snapshot = &context.snapshot;
        // A name that leads nowhere has no account.
        let route = route(&snapshot.config.models, &snapshot.providers, &request.model)?;
        let provider = Arc::clone(&route.generation.provider);
        let account = Account::open(
            Arc::clone(&self.ledger),
            context,
            provider,
            route.model,
            operation(&request.ask),
        );
        match self.inner.ask(context, request).await {
            Ok(LlmResponse { target, answer }) => Ok(LlmResponse {
                target,
                answer: settled(account, answer),
            }),
            Err(error) => {
                account.close(Outcome::Failed);
                Err(error)
            }
        }
    }

    async fn native(
        &self,
        context: &RequestContext,
        name: &str,
        request: NativeRequest,
    ) -> Result<NativeResponse, GatewayError> {
        let provider = Arc::clone(&provider(&context.snapshot.providers, name)?.provider);
        let account = Account::open(Arc::clone(&self.ledger), context, provider, String::new(), "native");
        match self.inner.native(context, name, request).await {
            Ok(NativeResponse { target, answer }) => Ok(NativeResponse {
                target,
                answer: passing(account, answer),
            }),
            Err(error) => {
                account.close(Outcome::Failed);
                Err(error)
            }
        }
    }

    async fn models(&self, context: &RequestContext) -> Result<Vec<ModelEntry>, GatewayError> {
        self.inner.models(context).await
    }
}

fn operation(ask: &Ask) -> &'static str {
    match ask {
        Ask::Chat { .. } => "chat",
        Ask::Completion { .. } => "completion",
        Ask::Embeddings(_) => "embeddings",
        Ask::Images(_) => "images",
        Ask::Synthesis(_) => "speech",
        Ask::Transcription(_) => "transcription",
    }
}

fn settled(mut account: Account, answer: LlmAnswer) -> LlmAnswer {
    let usage = match &answer {
        LlmAnswer::Whole(answer) => answer.usage.as_ref(),
        LlmAnswer::Embeddings(answer) => answer.usage.as_ref(),
        LlmAnswer::Images(answer) => answer.usage.as_ref(),
        LlmAnswer::Transcript(answer) => answer.usage.as_ref(),
        LlmAnswer::Stream { .. } | LlmAnswer::Sound(_) => None,
    };
    if let Some(usage) = usage {
        account.used(usage);
    }
    match answer {
        LlmAnswer::Stream { start, events } => {
            let account = Some(account);
            let events: EventBatches = Counted { events, account }.boxed();
            LlmAnswer::Stream { start, events }
        }
        LlmAnswer::Sound(mut sound) => {
            sound.body = until_the_end(sound.body, move |outcome| account.close(outcome));
            LlmAnswer::Sound(sound)
        }
        whole => {
            account.close(Outcome::Complete);
            whole
        }
    }
}

/// Events on their way, and the account that they belong to until the last of them.
struct Counted {
    events: EventBatches,
    account: Option<Account>,
}

impl Counted {
    fn note(&mut self, batch: &[ChatEvent]) {
        for event in batch {
            let outcome = match event {
                ChatEvent::Usage(usage) => {
                    if let Some(account) = &mut self.account {
                        account.used(usage);
                    }
                    continue;
                }
                ChatEvent::Done => Outcome::Complete,
                ChatEvent::Error(_) => Outcome::Failed,
                _ => continue,
            };
            if let Some(account) = self.account.take() {
                account.close(outcome);
            }
        }
    }
}

impl Stream for Counted {
    type Item = Vec<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.events.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(Some(batch)) => self.note(batch),
            // It broke off without saying why.
            Poll::Ready(None) => {
                if let Some(account) = self.account.take() {
                    account.close(Outcome::Failed);
                }
            }
            Poll::Pending => {}
        }
        next
    }
}

/// The answer of a provider's own API. Its usage is known only after its end, when the plugin has
/// read its copy.
fn passing(mut account: Account, answer: NativeAnswer) -> NativeAnswer {
    let NativeAnswer {
        status,
        headers,
        body,
        usage,
    } = answer;
    let refused = status >= 400;
    let told = move |outcome| match outcome {
        Outcome::Complete if refused => Outcome::Failed,
        outcome => outcome,
    };
    let body = match usage {
        None => until_the_end(body, move |outcome| account.close(told(outcome))),
        Some(usage) => {
            let (end, ended) = oneshot::channel::<Outcome>();
            tokio::spawn(async move {
                // Dropped unsent when the caller goes.
                let outcome = ended.await.unwrap_or(Outcome::Left);
                if let Ok(usage) = usage.await {
                    let usage: Usage = usage;
                    account.used(&usage);
                }
                account.close(told(outcome));
            });
            until_the_end(body, move |outcome| {
                // The task listens until then.
                let _ = end.send(outcome);
            })
        }
    };
    NativeAnswer {
        status,
        headers,
        body,
        usage: None,
    }
}

/// Calls `tell` when the bytes have ended or broken off; drops it uncalled when nobody reads them to
/// their end.
fn until_the_end(body: Pieces, tell: impl FnOnce(Outcome) + Send + 'static) -> Pieces {
    let state = Some((body, tell));
    futures::stream::unfold(state, |state| async move {
        let (mut body, tell) = state?;
        match body.next().await {
            Some(Ok(bytes)) => Some((Ok::<Bytes, GatewayError>(bytes), Some((body, tell)))),
            Some(Err(error)) => {
                tell(Outcome::Failed);
                Some((Err(error), None))
            }
            None => {
                tell(Outcome::Complete);
                None
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::GatewayError;
    use crate::ledger::{Tokens, Totals};
    use crate::llm::{Error, ErrorKind, Finish, FinishReason, ResponseStart};

    fn usage(output: u64) -> Usage {
        Usage {
            input: 3,
            cache_read: 0,
            cache_write: 0,
            cache_write_long: 0,
            input_audio: 0,
            input_image: 0,
            output,
            reasoning: 0,
            output_audio: 0,
            output_image: 0,
            extra: vec![],
        }
    }

    fn failure() -> ChatEvent {
        ChatEvent::Error(Error {
            kind: ErrorKind::StreamTruncated,
            message: "broke".to_owned(),
            retryable: true,
            retry_after_ms: None,
            http_status: None,
            provider_code: None,
            param: None,
            request_id: None,
            raw: None,
        })
    }

    fn finish() -> ChatEvent {
        ChatEvent::Finish(Finish {
            choice: 0,
            reason: FinishReason::Stop,
            detail: None,
            extra: vec![],
        })
    }

    fn totals(ledger: &Ledger) -> Totals {
        ledger.totals().get("acme").copied().unwrap_or_default()
    }

    fn expected(outcome: Outcome, tokens: Option<u64>) -> Totals {
        let count = |other: Outcome| u64::from(outcome == other);
        Totals {
            complete: count(Outcome::Complete),
            failed: count(Outcome::Failed),
            left: count(Outcome::Left),
            unknown: u64::from(tokens.is_none()),
            tokens: tokens.map_or(Tokens::default(), |output| (&usage(output)).into()),
        }
    }

    fn stream(account: Account, batches: Vec<Vec<ChatEvent>>) -> EventBatches {
        let start = ResponseStart {
            id: "1".to_owned(),
            model: "m".to_owned(),
            created: None,
            dropped: vec![],
            extra: vec![],
        };
        let events = futures::stream::iter(batches).boxed();
        match settled(account, LlmAnswer::Stream { start, events }) {
            LlmAnswer::Stream { events, .. } => events,
            _ => panic!("it is a stream"),
        }
    }

    #[tokio::test]
    async fn a_stream_is_settled_once_with_the_last_usage_however_it_ends() {
        let used = |output| ChatEvent::Usage(usage(output));
        for (batches, read, outcome, tokens) in [
            (
                vec![vec![used(1)], vec![finish(), used(5), ChatEvent::Done]],
                2,
                Outcome::Complete,
                Some(5),
            ),
            (vec![vec![used(1), failure()]], 1, Outcome::Failed, Some(1)),
            (vec![vec![failure()]], 1, Outcome::Failed, None),
            (vec![vec![used(2)], vec![finish()]], 1, Outcome::Left, Some(2)),
            (vec![vec![finish()]], 0, Outcome::Left, None),
            (vec![vec![used(2)]], 2, Outcome::Failed, Some(2)),
        ] {
            let ledger = Arc::new(Ledger::default());
            let mut events = stream(Account::of("acme", &ledger), batches.clone());
            let mut passed = Vec::new();
            for _ in 0..read {
                passed.extend(events.next().await);
            }
            drop(events);
            let whole: Vec<_> = batches.iter().take(read).cloned().collect();
            assert_eq!(passed, whole);
            assert_eq!(totals(&ledger), expected(outcome, tokens), "{batches:?}");
        }
    }

    fn native(status: u16, body: Vec<Result<Bytes, GatewayError>>, usage: Option<Usage>) -> NativeAnswer {
        let usage = usage.map(|usage| {
            let (tell, told) = oneshot::channel();
            tell.send(usage).unwrap();
            told
        });
        NativeAnswer {
            status,
            headers: vec![],
            body: futures::stream::iter(body).boxed(),
            usage,
        }
    }

    #[tokio::test]
    async fn an_answer_of_a_providers_own_api_is_settled_after_its_end() {
        let piece = || Ok(Bytes::from_static(b"x"));
        let broken = || {
            Err(GatewayError::Internal {
                message: "broke".to_owned(),
            })
        };
        for (status, body, read, tokens, outcome) in [
            (200, vec![piece(), piece()], 3, Some(4), Outcome::Complete),
            (200, vec![piece()], 2, None, Outcome::Complete),
            (429, vec![piece()], 2, None, Outcome::Failed),
            (200, vec![piece(), broken()], 2, Some(4), Outcome::Failed),
            (200, vec![piece(), piece()], 1, Some(4), Outcome::Left),
            (200, vec![piece(), piece()], 1, None, Outcome::Left),
        ] {
            let ledger = Arc::new(Ledger::default());
            let answer = native(status, body, tokens.map(usage));
            let mut body = passing(Account::of("acme", &ledger), answer).body;
            for _ in 0..read {
                body.next().await;
            }
            drop(body);
            while totals(&ledger) == Totals::default() {
                tokio::task::yield_now().await;
            }
            assert_eq!(totals(&ledger), expected(outcome, tokens), "{status} {read} {tokens:?}");
        }
    }

    #[test]
    fn what_a_plugin_claims_cannot_overflow() {
        let ledger = Arc::new(Ledger::default());
        for _ in 0..2 {
            let mut account = Account::of("acme", &ledger);
            account.used(&usage(u64::MAX));
            account.close(Outcome::Complete);
        }
        assert_eq!(totals(&ledger).complete, 2);
        assert_eq!(totals(&ledger).tokens.output, u64::MAX);
    }
}
