//! A streamed answer as a response body of server-sent events.
//!
//! In: the answer's events, and a dialect's encoder. Out: a body that writes what has arrived in
//! one piece, keeps an idle connection alive with comments, and ends every stream, also one whose
//! events stop short. Never: an event held back. Dropping the body drops the events, which cancels
//! the call up to the provider.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::time::{Instant, Sleep};

use crate::dispatch::EventBatches;
use crate::llm;

/// How long a connection may be silent before a comment is sent. Common proxies close one after
/// 30 or 60 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A line that every client of server-sent events passes over.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// Enough bytes for one write; more waits for the next.
const FULL: usize = 16 * 1024;

/// Writes a dialect's events. Pure: it never waits.
pub(crate) trait Encoder: Send + Unpin + 'static {
    /// The answer begins.
    fn start(&mut self, start: &llm::ResponseStart, out: &mut BytesMut);
    /// More of it. Nothing comes after `done` or `error`.
    fn event(&mut self, event: &llm::ChatEvent, out: &mut BytesMut);
}

/// The body of a streamed answer.
pub(crate) struct Body<E> {
    events: Option<EventBatches>,
    encoder: E,
    buffer: BytesMut,
    idle: Pin<Box<Sleep>>,
}

impl<E: Encoder> Body<E> {
    /// The body of an answer that has begun.
    pub(crate) fn new(start: &llm::ResponseStart, events: EventBatches, mut encoder: E) -> Self {
        let mut buffer = BytesMut::with_capacity(1024);
        encoder.start(start, &mut buffer);
        Self {
            events: Some(events),
            encoder,
            buffer,
            idle: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
        }
    }

    /// Takes every event that has arrived, up to a full buffer.
    fn fill(&mut self, cx: &mut Context<'_>) {
        while self.buffer.len() < FULL {
            let Some(events) = &mut self.events else { return };
            match events.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(batch)) => self.write(&batch),
                Poll::Ready(None) => {
                    self.events = None;
                    self.encoder
                        .event(&llm::ChatEvent::Error(cut_short()), &mut self.buffer);
                }
            }
        }
    }

    fn write(&mut self, batch: &[llm::ChatEvent]) {
        for event in batch {
            self.encoder.event(event, &mut self.buffer);
            if matches!(event, llm::ChatEvent::Done | llm::ChatEvent::Error(_)) {
                self.events = None;
                return;
            }
        }
    }
}

impl<E: Encoder> http_body::Body for Body<E> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        this.fill(cx);
        if !this.buffer.is_empty() {
            this.idle.as_mut().reset(Instant::now() + KEEP_ALIVE);
            return Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))));
        }
        if this.events.is_none() {
            return Poll::Ready(None);
        }
        match this.idle.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.idle.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))))
            }
        }
    }
}

/// The failure of a stream whose events stop without an end.
fn cut_short() -> llm::Error {
    llm::Error {
        kind: llm::ErrorKind::StreamTruncated,
        message: "the answer broke off before it was complete; ask again".to_owned(),
        retryable: true,
        retry_after_ms: None,
        http_status: None,
        provider_code: None,
        param: None,
        request_id: None,
        raw: None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;

    /// Writes the names of the events.
    struct Names;

    impl Encoder for Names {
        fn start(&mut self, start: &llm::ResponseStart, out: &mut BytesMut) {
            out.extend_from_slice(start.id.as_bytes());
        }

        fn event(&mut self, event: &llm::ChatEvent, out: &mut BytesMut) {
            let name = match event {
                llm::ChatEvent::Done => " done".to_owned(),
                llm::ChatEvent::Error(error) => format!(" {}", error.message),
                llm::ChatEvent::Other(other) => format!(" {}", other.kind),
                _ => " event".to_owned(),
            };
            out.extend_from_slice(name.as_bytes());
        }
    }

    fn start() -> llm::ResponseStart {
        llm::ResponseStart {
            id: "start".into(),
            model: String::new(),
            created: None,
            dropped: vec![],
            extra: vec![],
        }
    }

    fn named(kind: &str) -> llm::ChatEvent {
        llm::ChatEvent::Other(llm::Annotated {
            kind: kind.into(),
            value: "1".into(),
        })
    }

    async fn frame(body: &mut Body<Names>) -> Option<String> {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(frame.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_has_arrived_goes_out_in_one_piece() {
        let batches = vec![
            vec![named("a"), named("b")],
            vec![named("c"), llm::ChatEvent::Done],
            vec![named("late")],
        ];
        let mut body = Body::new(&start(), Box::pin(stream::iter(batches)), Names);
        assert_eq!(frame(&mut body).await.as_deref(), Some("start a b c done"));
        assert_eq!(frame(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_stream_that_stops_short_is_a_failure() {
        let mut body = Body::new(&start(), Box::pin(stream::iter([vec![named("a")]])), Names);
        assert_eq!(
            frame(&mut body).await.as_deref(),
            Some("start a the answer broke off before it was complete; ask again")
        );
        assert_eq!(frame(&mut body).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bridged_by_comments() {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let events = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut body = Body::new(&start(), Box::pin(events), Names);
        assert_eq!(frame(&mut body).await.as_deref(), Some("start"));
        let began = Instant::now();
        assert_eq!(frame(&mut body).await.as_deref(), Some(": keep-alive\n\n"));
        assert_eq!(frame(&mut body).await.as_deref(), Some(": keep-alive\n\n"));
        assert_eq!(began.elapsed(), 2 * KEEP_ALIVE);
        sender.send(vec![named("a")]).await.unwrap();
        assert_eq!(frame(&mut body).await.as_deref(), Some(" a"));
        assert_eq!(began.elapsed(), 2 * KEEP_ALIVE);
        // Dropping the body drops the events, which is how the call behind them ends.
        drop(body);
        assert!(sender.is_closed());
    }
}
