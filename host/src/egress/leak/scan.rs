//! A body that is searched as it passes.
//!
//! In: a body, and texts that must not be in it. Out: the same bytes, and an error at the first
//! such text. Bytes are held back only while they are the beginning of such a text, so a stream of
//! events is not delayed. Never: a part of a text that was found in full.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::Stream;

use super::search::Verdict;
use super::{Needles, Piece};
use crate::egress::body::Body;
use crate::egress::error::{EgressError, Rule};

/// A searched body.
pub struct Scan {
    needles: Needles,
    body: Option<Body>,
    /// The end of what has come, as far as it may be the beginning of a secret.
    held: Bytes,
    /// An error that comes after the bytes that were held when it came.
    failed: Option<EgressError>,
}

impl Scan {
    /// Searches a body.
    pub fn new(needles: Needles, body: Body) -> Self {
        Self {
            needles,
            body: Some(body),
            held: Bytes::new(),
            failed: None,
        }
    }

    /// Takes a piece; gives what may pass on.
    fn take(&mut self, piece: Bytes) -> Result<Bytes, Rule> {
        let mut window = if self.held.is_empty() {
            piece
        } else {
            let mut joined = BytesMut::with_capacity(self.held.len() + piece.len());
            joined.extend_from_slice(&self.held);
            joined.extend_from_slice(&piece);
            joined.freeze()
        };
        self.held = Bytes::new();
        match self.needles.search.run(&window) {
            Verdict::Found => Err(Rule::LeakIn("body")),
            Verdict::Clear(until) => {
                self.held = window.split_off(until);
                Ok(window)
            }
        }
    }
}

impl Stream for Scan {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        loop {
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Some(Err(error)));
            }
            let Some(body) = self.body.as_mut() else {
                return Poll::Ready(None);
            };
            match ready!(body.as_mut().poll_next(context)) {
                Some(Ok(piece)) => match self.take(piece) {
                    Ok(clear) if clear.is_empty() => {}
                    Ok(clear) => return Poll::Ready(Some(Ok(clear))),
                    Err(rule) => {
                        // Dropping the body cancels the upstream call.
                        self.body = None;
                        return Poll::Ready(Some(Err(rule.into())));
                    }
                },
                end => {
                    self.body = None;
                    self.failed = end.and_then(Result::err);
                    let held = std::mem::take(&mut self.held);
                    if !held.is_empty() {
                        return Poll::Ready(Some(Ok(held)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _, stream};
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "sk-canary-0123456789";

    fn scan(pieces: Vec<Piece>) -> Vec<Piece> {
        let body = stream::iter(pieces).boxed();
        Scan::new(Needles::of([SECRET]), body)
            .collect::<Vec<_>>()
            .now_or_never()
            .unwrap()
    }

    fn pieces(texts: &[&str]) -> Vec<Piece> {
        texts
            .iter()
            .map(|text| Ok(Bytes::copy_from_slice(text.as_bytes())))
            .collect()
    }

    fn passed(pieces: &[Piece]) -> Vec<u8> {
        pieces
            .iter()
            .filter_map(|piece| piece.as_ref().ok())
            .flatten()
            .copied()
            .collect()
    }

    #[test]
    fn a_secret_is_caught_at_every_split() {
        let text = format!("data: {SECRET}\n\n");
        for at in 0..=text.len() {
            let (left, right) = text.split_at(at);
            let out = scan(pieces(&[left, right]));
            assert_eq!(out.last(), Some(&Err(Rule::LeakIn("body").into())), "split at {at}");
            let passed = passed(&out);
            assert!(
                b"data: ".starts_with(passed.as_slice()),
                "split at {at}: {:?}",
                String::from_utf8_lossy(&passed)
            );
        }
    }

    #[test]
    fn a_secret_is_caught_byte_by_byte_even_after_a_false_start() {
        let text = format!("sk-sk-canary-0123sk-can{SECRET}");
        let bytes: Vec<Piece> = text.bytes().map(|byte| Ok(Bytes::copy_from_slice(&[byte]))).collect();
        let out = scan(bytes);
        assert_eq!(out.last(), Some(&Err(Rule::LeakIn("body").into())));
        assert_eq!(passed(&out), b"sk-sk-canary-0123sk-can");
    }

    #[test]
    fn an_event_is_passed_on_at_once() {
        let body = stream::iter(pieces(&["data: {\"text\":\"Hi\"}\n\n"]))
            .chain(stream::pending())
            .boxed();
        let mut scan = Scan::new(Needles::of([SECRET]), body);
        let piece = scan.next().now_or_never().unwrap();
        assert_eq!(piece, Some(Ok(Bytes::from_static(b"data: {\"text\":\"Hi\"}\n\n"))));
    }

    #[test]
    fn only_the_beginning_of_a_secret_is_held_back() {
        let body = stream::iter(pieces(&["text sk-can"])).chain(stream::pending()).boxed();
        let mut scan = Scan::new(Needles::of([SECRET]), body);
        assert_eq!(
            scan.next().now_or_never().unwrap(),
            Some(Ok(Bytes::from_static(b"text ")))
        );
        assert_eq!(scan.next().now_or_never(), None);
    }

    #[test]
    fn what_was_held_back_comes_before_the_end_and_before_an_error() {
        assert_eq!(scan(pieces(&["text sk-can"])), pieces(&["text ", "sk-can"]));
        let broken = EgressError::Protocol {
            reason: "reset".to_owned(),
            started: true,
        };
        let mut given = pieces(&["text sk-can"]);
        given.push(Err(broken.clone()));
        let mut expected = pieces(&["text ", "sk-can"]);
        expected.push(Err(broken));
        assert_eq!(scan(given), expected);
    }

    proptest! {
        #[test]
        fn text_without_a_secret_passes_unchanged(
            parts in prop::collection::vec("(s|sk|sk-|sk-canary|0123|[a-z ]{0,5}|sk-canary-012345678)", 0..40),
        ) {
            let text = parts.concat();
            prop_assume!(!Needles::of([SECRET]).are_in(text.as_bytes()));
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let out = scan(pieces(&parts));
            prop_assert!(out.iter().all(Result::is_ok));
            prop_assert_eq!(passed(&out), text.into_bytes());
        }
    }
}
