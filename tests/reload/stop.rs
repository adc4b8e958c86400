//! The end of a host that is in the middle of hundreds of answers.

use std::sync::Arc;

use crate::traffic::{Stage, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_answers_come_to_their_end() {
    let stage = Stage::new().await;
    let mut held = stage.hold().await;
    stage.host.signal("TERM").await;
    stage.host.log().line("stopping").await;
    let address = stage.host.url().trim_start_matches("http://").to_owned();
    let refused = async { while tokio::net::TcpStream::connect(&address).await.is_ok() {} };
    soon("the listener closing", refused).await;
    stage.step(&mut held).await;
    stage.finish(held).await;
    let host = Arc::into_inner(stage.host).expect("nobody else has it");
    let (status, log) = host.ended().await;
    assert!(status.success(), "{status}:\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_order_to_stop_ends_it_at_once() {
    let stage = Stage::new().await;
    let held = stage.hold().await;
    stage.host.signal("TERM").await;
    stage.host.log().line("stopping").await;
    let host = Arc::into_inner(stage.host).expect("nobody else has it");
    let (status, log) = host.stop().await;
    assert_eq!(status.code(), Some(1), "{log}");
    // The connections to the upstream ended with the process.
    soon("the upstream's callers leaving", stage.upstream.left(held.len())).await;
}
