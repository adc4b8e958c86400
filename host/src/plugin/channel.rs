//! The two ends of a queue that is bounded in batches and in bytes.
//!
//! In: batches of items. Out: the same, in their order. Never: more than [`BATCHES`] batches
//! waiting, and no further batch while [`BYTES`] bytes wait; until there is room, the writer waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::weight::Weigh;

/// How many batches may wait for a slow reader.
const BATCHES: usize = 4;

/// How many bytes may wait before no further batch is taken. A batch is never cut, so the one that
/// passes the limit is as large as the guest's own limits let it be.
const BYTES: usize = 256 << 10;

/// Both ends of a queue.
pub(super) fn channel<T: Weigh + Send + 'static>() -> (Writer<T>, Reader<T>) {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let room = Arc::new(Room::default());
    let writer = Writer {
        sender: PollSender::new(sender),
        room: Arc::clone(&room),
    };
    (writer, Reader { receiver, room })
}

/// Bytes that wait, and who waits for them to become fewer.
#[derive(Default)]
struct Room {
    waiting: AtomicUsize,
    writer: AtomicWaker,
}

impl Room {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.load(Ordering::Acquire) < BYTES {
            return Poll::Ready(());
        }
        self.writer.register(cx.waker());
        // The reader may have taken something before it could see the waker.
        if self.waiting.load(Ordering::Acquire) < BYTES {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn free(&self, bytes: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        if before >= BYTES {
            self.writer.wake();
        }
    }
}

/// The reader has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// The guest's end.
pub(super) struct Writer<T> {
    sender: PollSender<Batch<T>>,
    room: Arc<Room>,
}

/// Items with what they weigh.
struct Batch<T> {
    items: Vec<T>,
    bytes: usize,
}

impl<T: Weigh + Send + 'static> Writer<T> {
    /// Ready when a batch may be sent, which has to be done before anything else is.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        // Not the sender's own `is_closed`, which only knows what this end did.
        if self.sender.get_ref().is_none_or(mpsc::Sender::is_closed) {
            return Poll::Ready(Err(Closed));
        }
        ready!(self.room.poll(cx));
        self.sender.poll_reserve(cx).map_err(|_| Closed)
    }

    /// Sends a batch for which there is room. An empty one is nothing.
    pub(super) fn send(&mut self, items: Vec<T>) -> Result<(), Closed> {
        if items.is_empty() {
            self.sender.abort_send();
            return Ok(());
        }
        let bytes = items.iter().map(Weigh::weight).sum();
        self.room.waiting.fetch_add(bytes, Ordering::AcqRel);
        self.sender.send_item(Batch { items, bytes }).map_err(|_| Closed)
    }
}

/// The caller's end.
pub(super) struct Reader<T> {
    receiver: mpsc::Receiver<Batch<T>>,
    room: Arc<Room>,
}

impl<T> Reader<T> {
    /// The next batch; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Vec<T>> {
        let Batch { items, bytes } = self.receiver.recv().await?;
        self.room.free(bytes);
        Some(items)
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        // A writer that waits for room learns that nobody will make any.
        self.receiver.close();
        self.room.writer.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt as _;

    use super::*;
    use crate::llm::{Annotated, ChatEvent};

    fn event(bytes: usize) -> ChatEvent {
        ChatEvent::Other(Annotated {
            kind: String::new(),
            value: "x".repeat(bytes),
        })
    }

    async fn room(writer: &mut Writer<ChatEvent>) -> Result<(), Closed> {
        poll_fn(|cx| writer.poll_room(cx)).await
    }

    #[tokio::test]
    async fn small_batches_wait_up_to_their_number() {
        let (mut writer, mut reader) = channel();
        for _ in 0..BATCHES {
            room(&mut writer).await.unwrap();
            writer.send(vec![event(1)]).unwrap();
        }
        assert!(room(&mut writer).now_or_never().is_none());
        assert_eq!(reader.next().await, Some(vec![event(1)]));
        assert_eq!(room(&mut writer).now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn large_batches_wait_one_at_a_time() {
        let (mut writer, mut reader) = channel();
        room(&mut writer).await.unwrap();
        writer.send(vec![event(BYTES)]).unwrap();
        assert!(room(&mut writer).now_or_never().is_none());
        let (granted, taken) = tokio::join!(room(&mut writer), reader.next());
        assert_eq!((granted, taken.map(|batch| batch.len())), (Ok(()), Some(1)));
        // What was granted can be used, and nothing is still counted.
        writer.send(vec![event(1)]).unwrap();
        assert_eq!(reader.next().await, Some(vec![event(1)]));
        assert_eq!(writer.room.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_empty_batch_is_nothing() {
        let (mut writer, mut reader) = channel();
        for _ in 0..=BATCHES {
            room(&mut writer).await.unwrap();
            writer.send(Vec::new()).unwrap();
        }
        assert!(reader.next().now_or_never().is_none());
        drop(writer);
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_writer_that_waits_for_room_learns_that_the_reader_has_gone() {
        for bytes in [1, BYTES] {
            let (mut writer, reader) = channel();
            while let Some(granted) = room(&mut writer).now_or_never() {
                granted.unwrap();
                writer.send(vec![event(bytes)]).unwrap();
            }
            let (granted, ()) = tokio::join!(room(&mut writer), async { drop(reader) });
            assert_eq!(granted, Err(Closed));
        }
    }
}
