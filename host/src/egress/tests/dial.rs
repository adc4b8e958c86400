//! Names, addresses, connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::upstream::{NAME, Upstream, Wire, whole};
use super::world::{Answers, CANARY, Setup, credential, granted, rule, store, text, world};
use crate::egress::EgressError;
use crate::egress::address::AddressKind;
use crate::egress::credential::Grant;
use crate::egress::error::{Rule, TimeoutPhase};
use crate::egress::testing::origins;

/// An upstream that closes each connection, so that each request dials.
async fn closing() -> Upstream {
    Upstream::start(Wire::Tls1, |_| async {
        let mut answer = whole("");
        answer.headers_mut().insert("connection", "close".parse().unwrap());
        answer
    })
    .await
}

#[tokio::test]
async fn the_checked_answer_is_the_one_that_is_dialled() {
    let upstream = closing().await;
    // A second look-up for the same request would meet the metadata service.
    let resolver = Answers::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let world = Setup {
        resolver,
        ..Setup::of(&upstream)
    }
    .build();
    assert_eq!(text(world.send("/1").await.unwrap()).await, Ok(String::new()));
    assert_eq!(world.resolver.asked(), 1);
    // The next connection asks again, is answered otherwise, and is refused.
    assert_eq!(rule(world.send("/2").await), Rule::Address(AddressKind::Metadata));
    assert_eq!(world.resolver.asked(), 2);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn one_bad_address_refuses_the_name() {
    let upstream = closing().await;
    let origin = upstream.origin();
    let public = || {
        let grant = Grant {
            origins: origins(&[&origin]),
            private_origins: Vec::new(),
            ..granted(&origin)
        };
        store(grant, credential(&origin), CANARY)
    };
    for (answer, private, kind) in [
        (&["127.0.0.1"][..], false, AddressKind::Loopback),
        (&["8.8.8.8", "127.0.0.1"], false, AddressKind::Loopback),
        (&["10.0.0.1", "8.8.8.8"], false, AddressKind::Private),
        (&["::ffff:127.0.0.1"], false, AddressKind::Embedded),
        (&["fd00:ec2::254"], false, AddressKind::Metadata),
        (&["127.0.0.1", "169.254.169.254"], true, AddressKind::Metadata),
        (&["0.0.0.0"], true, AddressKind::Unspecified),
        (&["::ffff:127.0.0.1"], true, AddressKind::Embedded),
    ] {
        let setup = Setup {
            resolver: Answers::new(&[answer]),
            ..Setup::of(&upstream)
        };
        let setup = if private {
            setup
        } else {
            Setup {
                store: public(),
                ..setup
            }
        };
        let world = setup.build();
        assert_eq!(rule(world.send("/v1").await), Rule::Address(kind), "{answer:?}");
        let remedies: Vec<_> = world
            .records
            .denied
            .lock()
            .unwrap()
            .iter()
            .map(|(_, remedy)| remedy.clone())
            .collect();
        let command = format!("host grant add demo --slot api-key --credential demo/key --private-origin {origin}");
        let lifted = !private && matches!(kind, AddressKind::Loopback | AddressKind::Private);
        assert_eq!(remedies, [lifted.then_some(command)], "{answer:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_address_in_the_url_is_dialled_as_it_stands() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let origin = format!("https://127.0.0.1:{}", upstream.port);
    let setup = Setup {
        roots: vec![upstream.root.clone()],
        resolver: Answers::new(&[]),
        ..Setup::at(&origin)
    };
    let world = setup.build();
    assert_eq!(world.send("/v1").await.unwrap().status, 200);
    assert_eq!(world.resolver.asked(), 0);
}

#[tokio::test]
async fn failures_to_connect_are_told_apart() {
    // A certificate that nobody vouches for, and one for another name.
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let untrusted = Setup {
        roots: Vec::new(),
        ..Setup::of(&upstream)
    }
    .build()
    .send("/v1")
    .await;
    assert!(
        matches!(&untrusted, Err(EgressError::Tls { host, .. }) if host == NAME),
        "{untrusted:?}"
    );
    let misnamed = format!("https://other.example:{}", upstream.port);
    let setup = Setup {
        roots: vec![upstream.root.clone()],
        ..Setup::at(&misnamed)
    };
    let misnamed = setup.build().send("/v1").await;
    assert!(
        matches!(&misnamed, Err(EgressError::Tls { host, .. }) if host == "other.example"),
        "{misnamed:?}"
    );

    // A name that does not exist, and one without addresses.
    for answers in [&[][..], &[&[][..]]] {
        let world = Setup {
            resolver: Answers::new(answers),
            ..Setup::of(&upstream)
        }
        .build();
        assert_eq!(
            world.send("/v1").await.unwrap_err(),
            EgressError::Dns { host: NAME.to_owned() }
        );
    }

    // A port that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = Setup::at(&format!("https://{NAME}:{free}")).build().send("/v1").await;
    assert!(
        matches!(&refused, Err(EgressError::Connect { host, .. }) if host == NAME),
        "{refused:?}"
    );
    assert!(refused.unwrap_err().retryable());
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_a_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limit = Duration::from_millis(50);
    let world = Setup {
        connect_timeout: limit,
        ..Setup::at(&format!("https://{NAME}:{port}"))
    }
    .build();
    let refused = world.send("/v1").await.unwrap_err();
    assert_eq!(
        refused,
        EgressError::Timeout {
            phase: TimeoutPhase::Connect,
            limit
        }
    );
    assert_eq!(world.counts().timed_out, 1);
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    for (answer, started) in [
        ("SSH-2.0-OpenSSH_9.9\r\n", false),
        ("", false),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{NAME}:{}", listener.local_addr().unwrap().port());
        let serving = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            assert!(read > 0);
            socket.write_all(answer.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        });
        let world = Setup::at(&origin).build();
        let result = match world.send("/v1").await {
            Ok(response) => text(response).await,
            Err(error) => Err(error),
        };
        match result {
            Err(EgressError::Protocol { started: at, .. }) => assert_eq!(at, started, "{answer:?}"),
            other => panic!("{answer:?}: {other:?}"),
        }
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn pools_of_providers_that_are_gone_are_dropped() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let world = world(&upstream);
    world.send("/1").await.unwrap();
    world.client.retain(|provider| provider == "demo");
    world.send("/2").await.unwrap();
    assert_eq!(upstream.connections(), 1);
    world.client.retain(|_| false);
    world.send("/3").await.unwrap();
    assert_eq!(upstream.connections(), 2);
}
