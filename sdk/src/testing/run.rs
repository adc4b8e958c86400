//! Running what an adapter is made of.
//!
//! In: futures, decoders, bytes. Out: their results. Never: a real clock or thread pool.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::StreamDecoder;
use crate::bindings::llm_host::provider::http::HttpError;
use crate::types::ChatEvent;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// The events that a decoder makes of these pieces and this end.
pub fn decode(mut decoder: impl StreamDecoder, pieces: &[&[u8]], end: Result<(), HttpError>) -> Vec<ChatEvent> {
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut events);
    }
    decoder.close(end, &mut events);
    events
}

/// Calls the check with the bytes as one piece, as pieces of one byte each, and cut in two at every
/// position. The work grows with the square of the length: a few kilobytes at most.
pub fn every_split(bytes: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    check(&single);
    for at in 1..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        check(&[head, tail]);
    }
}
