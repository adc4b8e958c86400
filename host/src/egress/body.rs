//! Watching and bounding a body as it passes.
//!
//! In: an answer's body. Out: the same bytes; [`watch`] tells an observer of them, [`limit`] ends
//! them with an error when there are too many. Never: a copy of a byte.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};

use super::error::EgressError;

/// A body on its way to the plugin. After an error nothing follows; dropping it cancels the call.
pub type Body = BoxStream<'static, Result<Bytes, EgressError>>;

/// Learns what passes. One that is dropped without [`end`](Self::end) saw a cancelled exchange.
pub(super) trait Observer: Send + Unpin + 'static {
    /// So many bytes passed.
    fn piece(&mut self, bytes: u64);
    /// The exchange is over.
    fn end(&mut self, result: Result<(), &EgressError>);
}

/// Tells an observer what passes.
pub(super) fn watch(body: Body, observer: impl Observer) -> Body {
    Watched { body, observer }.boxed()
}

struct Watched<O> {
    body: Body,
    observer: O,
}

impl<O: Observer> Stream for Watched<O> {
    type Item = Result<Bytes, EgressError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.body.as_mut().poll_next(context));
        match &piece {
            Some(Ok(bytes)) => self.observer.piece(length(bytes)),
            Some(Err(error)) => self.observer.end(Err(error)),
            None => self.observer.end(Ok(())),
        }
        Poll::Ready(piece)
    }
}

/// Ends a body with an error as soon as it is larger than `limit` bytes. What fits is passed on.
pub(super) fn limit(body: Body, limit: u64) -> Body {
    Limited {
        body: Some(body),
        left: limit,
        limit,
    }
    .boxed()
}

struct Limited {
    body: Option<Body>,
    left: u64,
    limit: u64,
}

impl Stream for Limited {
    type Item = Result<Bytes, EgressError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else {
            return Poll::Ready(None);
        };
        match ready!(body.as_mut().poll_next(context)) {
            Some(Ok(piece)) => match self.left.checked_sub(length(&piece)) {
                Some(left) => {
                    self.left = left;
                    Poll::Ready(Some(Ok(piece)))
                }
                None => {
                    // Dropping the body cancels the upstream call.
                    self.body = None;
                    Poll::Ready(Some(Err(EgressError::TooLarge { limit: self.limit })))
                }
            },
            end => {
                self.body = None;
                Poll::Ready(end)
            }
        }
    }
}

/// The length of bytes in the type that is counted with.
pub(super) fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, stream};

    use super::*;

    #[test]
    fn a_body_may_be_as_large_as_its_limit_and_no_larger() {
        let run = |most| {
            let body = stream::iter(["ab", "cd", "e"])
                .map(|text| Ok(Bytes::from_static(text.as_bytes())))
                .boxed();
            limit(body, most).collect::<Vec<_>>().now_or_never().unwrap()
        };
        let piece = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        assert_eq!(run(5), [piece("ab"), piece("cd"), piece("e")]);
        assert_eq!(
            run(4),
            [piece("ab"), piece("cd"), Err(EgressError::TooLarge { limit: 4 })]
        );
        assert_eq!(run(0), [Err(EgressError::TooLarge { limit: 0 })]);
    }
}
