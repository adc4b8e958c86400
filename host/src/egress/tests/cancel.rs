//! A plugin that no longer wants its answer.

use std::sync::Mutex;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::upstream::{Upstream, Wire, pieces};
use super::world::world;

#[tokio::test]
async fn dropping_the_body_ends_the_upstream_call() {
    for wire in [Wire::Plain, Wire::Tls1, Wire::Tls2] {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = Mutex::new(Some(receiver));
        let upstream = Upstream::start(wire, move |_| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            async move { pieces(ReceiverStream::new(receiver)) }
        })
        .await;
        let world = world(&upstream);
        let mut response = world.send("/v1").await.unwrap();
        sender.send(Ok(Bytes::from_static(b"data: 1\n\n"))).await.unwrap();
        assert!(response.body.next().await.unwrap().is_ok());
        drop(response);
        // Resolves when the upstream has dropped the body it was sending.
        sender.closed().await;
        let [used] = world.used().try_into().unwrap();
        assert_eq!(
            (used.outcome, used.status, used.response_bytes),
            ("cancelled", Some(200), 9),
            "{wire:?}"
        );
        assert_eq!((world.counts().cancelled, world.counts().in_flight), (1, 0));
    }
}

#[tokio::test]
async fn dropping_the_call_before_its_head_ends_it_too() {
    for wire in [Wire::Plain, Wire::Tls1, Wire::Tls2] {
        let (mut working, held) = oneshot::channel::<()>();
        let (arrived, mut has_arrived) = mpsc::channel(1);
        let held = Mutex::new(Some(held));
        let upstream = Upstream::start(wire, move |_| {
            let (held, arrived) = (held.lock().unwrap().take().unwrap(), arrived.clone());
            async move {
                arrived.send(()).await.unwrap();
                let _ = held.await;
                pieces(futures::stream::empty())
            }
        })
        .await;
        let world = world(&upstream);
        let mut call = Box::pin(world.send("/v1"));
        tokio::select! {
            _ = &mut call => panic!("{wire:?}: there is no answer yet"),
            _ = has_arrived.recv() => {}
        }
        drop(call);
        // Resolves when the upstream has given up working on it.
        working.closed().await;
        let [used] = world.used().try_into().unwrap();
        assert_eq!((used.outcome, used.status), ("cancelled", None), "{wire:?}");
        assert_eq!((world.counts().cancelled, world.counts().in_flight), (1, 0));
    }
}
