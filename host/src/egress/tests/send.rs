//! What a request and its answer look like on either side.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::Version;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::upstream::{NAME, Upstream, Wire, pieces, whole};
use super::world::{CANARY, Setup, credential, granted, rule, store, text, world};
use crate::egress::address::AddressKind;
use crate::egress::audit::{Caller, CredentialUse};
use crate::egress::credential::Grant;
use crate::egress::error::{CredentialFailure, HeaderFault, Rule};
use crate::egress::metrics::Counts;
use crate::egress::testing::origins;
use crate::egress::{EgressError, EgressRequest};

#[tokio::test]
async fn the_upstream_sees_the_credential_and_the_plugin_the_answer() {
    for (wire, version) in [
        (Wire::Plain, Version::HTTP_11),
        (Wire::Tls1, Version::HTTP_11),
        (Wire::Tls2, Version::HTTP_2),
    ] {
        let upstream = Upstream::start(wire, |_| async {
            let mut answer = whole(r#"{"ok":true}"#);
            answer.headers_mut().insert("x-request-id", "up-1".parse().unwrap());
            answer.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
            answer
        })
        .await;
        let world = world(&upstream);
        let mut request = world.request("/v1/chat?beta=true");
        request.headers = vec![("Content-Type".to_owned(), b"application/json".to_vec())];
        let response = world.egress.send(request).await.unwrap();

        assert_eq!(response.status, 200, "{wire:?}");
        let header = |name: &str| {
            response
                .headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(header("x-request-id"), Some(Bytes::from_static(b"up-1")));
        assert_eq!(header("set-cookie"), None);
        assert_eq!(text(response).await.unwrap(), r#"{"ok":true}"#);

        let [seen] = upstream.seen().try_into().unwrap();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("POST", "/v1/chat?beta=true")
        );
        assert_eq!(seen.authority, format!("{NAME}:{}", upstream.port));
        assert_eq!(seen.version, version);
        assert_eq!(seen.body, r#"{"model":"m"}"#);
        assert_eq!(seen.headers["authorization"], format!("Bearer {CANARY}"));
        assert_eq!(seen.headers["content-type"], "application/json");
        assert_eq!(seen.headers["accept-encoding"], "identity");
        assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("llm-host/"));

        let expected = CredentialUse {
            caller: Caller {
                plugin: "demo".into(),
                provider: "demo".into(),
                generation: 3,
                request_id: "r-1".into(),
            },
            slot: "api-key".into(),
            credential: "demo/key".into(),
            grant: "g-1".into(),
            method: "POST".to_owned(),
            origin: upstream.origin(),
            path: "/v1/chat".to_owned(),
            status: Some(200),
            request_bytes: 13,
            response_bytes: 11,
            outcome: "complete",
        };
        assert_eq!(world.used(), [expected]);
        let counts = Counts {
            started: 1,
            completed: 1,
            request_bytes: 13,
            response_bytes: 11,
            ..Counts::default()
        };
        assert_eq!(world.counts(), counts);
    }
}

#[tokio::test]
async fn each_kind_goes_where_it_belongs() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    for (attach, header, query) in [
        (
            r#"{"bearer":true}"#,
            Some(("authorization", format!("Bearer {CANARY}"))),
            "",
        ),
        (r#"{"header":"x-api-key"}"#, Some(("x-api-key", CANARY.to_owned())), ""),
        (
            r#"{"header":{"name":"authorization","prefix":"Key "}}"#,
            Some(("authorization", format!("Key {CANARY}"))),
            "",
        ),
        (r#"{"query":"key"}"#, None, "&key=sk-canary%2F0123456789%2Babcdef"),
    ] {
        let grant = Grant {
            attach: Some(attach.into()),
            ..granted(&upstream.origin())
        };
        let store = store(grant, credential(&upstream.origin()), CANARY);
        let world = Setup {
            store,
            ..Setup::of(&upstream)
        }
        .build();
        world.send("/v1?a=b").await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.target, format!("/v1?a=b{query}"), "{attach}");
        match header {
            Some((name, value)) => assert_eq!(seen.headers[name], value, "{attach}"),
            None => assert!(!seen.headers.contains_key("authorization"), "{attach}"),
        }
    }
}

#[tokio::test]
async fn a_stream_arrives_piece_by_piece() {
    for wire in [Wire::Tls1, Wire::Tls2] {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = std::sync::Mutex::new(Some(receiver));
        let upstream = Upstream::start(wire, move |_| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            async move { pieces(ReceiverStream::new(receiver)) }
        })
        .await;
        let world = world(&upstream);
        let mut response = world.send("/v1").await.unwrap();
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            sender.send(Ok(Bytes::from_static(event.as_bytes()))).await.unwrap();
            assert_eq!(
                response.body.next().await,
                Some(Ok(Bytes::from_static(event.as_bytes()))),
                "{wire:?}"
            );
        }
        assert_eq!(response.body.next().now_or_never(), None);
        assert_eq!(world.counts().in_flight, 1);
        drop(sender);
        assert_eq!(response.body.next().await, None);
        assert_eq!(world.counts().in_flight, 0);
    }
}

#[tokio::test]
async fn a_redirect_is_handed_back() {
    let upstream = Upstream::start(Wire::Tls1, |_| async {
        let mut answer = whole("");
        *answer.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        answer
            .headers_mut()
            .insert("location", "http://169.254.169.254/latest/meta-data".parse().unwrap());
        answer
    })
    .await;
    let world = world(&upstream);
    let response = world.send("/v1").await.unwrap();
    assert_eq!(response.status, 307);
    assert!(response.headers.iter().any(|(name, _)| name == "location"));
    assert_eq!(upstream.seen().len(), 1);
    // What the plugin would do next.
    let next = EgressRequest {
        url: "http://169.254.169.254/latest/meta-data".to_owned(),
        manifest_origins: std::sync::Arc::new(["http://169.254.169.254".to_owned()]),
        ..world.request("")
    };
    let refused = rule(world.egress.send(next).await);
    assert_eq!(
        refused,
        Rule::NotGranted {
            origin: "http://169.254.169.254".to_owned()
        }
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends() {
    let upstream = Upstream::start(Wire::Tls1, |request| async move {
        match request.uri().path() {
            "/declared" => whole(vec![b'a'; 100]),
            _ => pieces(stream::repeat_with(|| Ok(Bytes::from(vec![b'a'; 40])))),
        }
    })
    .await;
    let world = world(&upstream);
    let request = |path| EgressRequest {
        max_response_bytes: 99,
        ..world.request(path)
    };
    let too_large = EgressError::TooLarge { limit: 99 };
    assert_eq!(world.egress.send(request("/declared")).await.unwrap_err(), too_large);
    let response = world.egress.send(request("/endless")).await.unwrap();
    let all: Vec<_> = response.body.collect().await;
    assert_eq!(all.last(), Some(&Err(too_large)));
    let passed: usize = all.iter().filter_map(|piece| piece.as_ref().ok()).map(Bytes::len).sum();
    assert!(passed <= 99, "{passed}");
    assert_eq!(
        world.used().iter().map(|used| used.outcome).collect::<Vec<_>>(),
        ["too_large", "too_large"]
    );
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_upstream() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let origin = upstream.origin();
    let world = world(&upstream);
    let elsewhere = "https://elsewhere.example".to_owned();
    let base = || world.request("/v1");
    let table: Vec<(EgressRequest, Rule)> = vec![
        (
            EgressRequest {
                headers: vec![("Authorization".to_owned(), b"Bearer mine".to_vec())],
                ..base()
            },
            Rule::Header(HeaderFault::Authentication("authorization".to_owned())),
        ),
        (
            // Nor under an account of the plugin's own, by a request without the slot.
            EgressRequest {
                slot: None,
                headers: vec![("Authorization".to_owned(), b"Bearer mine".to_vec())],
                ..base()
            },
            Rule::Header(HeaderFault::Authentication("authorization".to_owned())),
        ),
        (
            EgressRequest {
                headers: vec![("Host".to_owned(), b"elsewhere.example".to_vec())],
                ..base()
            },
            Rule::Header(HeaderFault::Owned("host".to_owned())),
        ),
        (
            EgressRequest {
                url: format!("{elsewhere}/v1"),
                ..base()
            },
            Rule::NotRequested {
                origin: elsewhere.clone(),
            },
        ),
        (
            EgressRequest {
                url: format!("{elsewhere}/v1"),
                manifest_origins: std::sync::Arc::new([elsewhere.clone()]),
                ..base()
            },
            Rule::NotGranted {
                origin: elsewhere.clone(),
            },
        ),
        (
            EgressRequest {
                slot: Some("other".into()),
                ..base()
            },
            Rule::SlotNotGranted {
                slot: "other".to_owned(),
            },
        ),
        (
            EgressRequest {
                body: format!("{{\"key\":\"{CANARY}\"}}").into(),
                ..base()
            },
            Rule::LeakOut("body"),
        ),
        (
            EgressRequest {
                url: format!("{origin}/v1?x={CANARY}"),
                ..base()
            },
            Rule::LeakOut("address"),
        ),
        (
            EgressRequest {
                url: format!("{origin}/v1?y=%zz&x=s%6b-canary%2f0123456789%2Babcdef"),
                ..base()
            },
            Rule::LeakOut("address"),
        ),
        (
            EgressRequest {
                headers: vec![("x-note".to_owned(), CANARY.as_bytes().to_vec())],
                ..base()
            },
            Rule::LeakOut("headers"),
        ),
        (
            EgressRequest {
                slot: None,
                body: CANARY.into(),
                ..base()
            },
            Rule::LeakOut("body"),
        ),
    ];
    let rules: Vec<Rule> = table.iter().map(|(_, rule)| rule.clone()).collect();
    for (request, expected) in table {
        assert_eq!(rule(world.egress.send(request).await), expected);
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(world.used(), []);
    assert_eq!(world.counts().denied, rules.len() as u64);
    let logged: Vec<Rule> = world
        .records
        .denied
        .lock()
        .unwrap()
        .iter()
        .map(|(rule, _)| rule.clone())
        .collect();
    assert_eq!(logged, rules);
}

#[tokio::test]
async fn a_credential_goes_only_to_its_own_hosts() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let facts = credential("https://api.other.example");
    let world = Setup {
        store: store(granted(&upstream.origin()), facts, CANARY),
        ..Setup::of(&upstream)
    }
    .build();
    let expected = Rule::CredentialHost {
        slot: "api-key".to_owned(),
        origin: upstream.origin(),
    };
    assert_eq!(rule(world.send("/v1").await), expected);
    let remedy = format!("host vault set demo/key --add-host {}", upstream.origin());
    assert_eq!(*world.records.denied.lock().unwrap(), [(expected, Some(remedy))]);
    // Without the credential the grant still holds.
    let bare = EgressRequest {
        slot: None,
        ..world.request("/v1")
    };
    assert_eq!(world.egress.send(bare).await.unwrap().status, 200);
    assert!(!upstream.seen()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_vault_of_the_moment_counts() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let origin = upstream.origin();
    let world = world(&upstream);
    world.send("/1").await.unwrap();
    world
        .credentials
        .replace(store(granted(&origin), credential(&origin), "sk-rotated-9876543210"));
    world.send("/2").await.unwrap();
    let sent: Vec<_> = upstream
        .seen()
        .iter()
        .map(|seen| seen.headers["authorization"].clone())
        .collect();
    assert_eq!(
        sent,
        [format!("Bearer {CANARY}"), "Bearer sk-rotated-9876543210".to_owned()]
    );

    world.credentials.replace(crate::egress::credential::MemoryStore::new());
    assert_eq!(
        rule(world.send("/3").await),
        Rule::SlotNotGranted {
            slot: "api-key".to_owned()
        }
    );

    let gone = Grant {
        credential: Some("demo/gone".into()),
        ..granted(&origin)
    };
    world.credentials.replace(store(gone, credential(&origin), CANARY));
    let refused = world.send("/4").await.unwrap_err();
    let failure = CredentialFailure::NotConfigured {
        slot: "api-key".to_owned(),
    };
    assert_eq!(refused, failure.clone().into());
    assert_eq!(*world.records.unattached.lock().unwrap(), [failure]);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_grant_for_private_addresses_does_not_lend_its_connections() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let origin = upstream.origin();
    let world = world(&upstream);
    world.send("/1").await.unwrap();
    // The same origin, no longer private, while a connection to it is pooled.
    let public = Grant {
        origins: origins(&[&origin]),
        private_origins: Vec::new(),
        ..granted(&origin)
    };
    world.credentials.replace(store(public, credential(&origin), CANARY));
    assert_eq!(rule(world.send("/2").await), Rule::Address(AddressKind::Loopback));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_grants_rate_is_kept_across_a_change_of_the_vault() {
    let upstream = Upstream::start(Wire::Tls1, |_| async { whole("") }).await;
    let origin = upstream.origin();
    let grant = Grant {
        rate_per_minute: Some(2),
        ..granted(&origin)
    };
    let limited = || store(grant.clone(), credential(&origin), CANARY);
    let world = Setup {
        store: limited(),
        ..Setup::of(&upstream)
    }
    .build();
    world.send("/1").await.unwrap();
    world.send("/2").await.unwrap();
    world.credentials.replace(limited());
    let refused = world.send("/3").await.unwrap_err();
    assert_eq!(refused, Rule::Rate { per_minute: 2 }.into());
    assert!(refused.retryable());
}

#[tokio::test]
async fn connections_are_reused() {
    for wire in [Wire::Tls1, Wire::Tls2] {
        let upstream = Upstream::start(wire, |_| async { whole("x") }).await;
        let world = world(&upstream);
        for _ in 0..5 {
            text(world.send("/v1").await.unwrap()).await.unwrap();
        }
        assert_eq!(
            (upstream.seen().len(), upstream.connections(), world.resolver.asked()),
            (5, 1, 1),
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn more_answers_are_under_way_at_once_than_one_connection_takes() {
    // What `hyper` takes on an HTTP/2 connection, and half as many again.
    const AT_ONCE: usize = 300;
    let (open, held) = tokio::sync::watch::channel(());
    let upstream = Upstream::start(Wire::Tls2, move |_| {
        let mut held = held.clone();
        let end = stream::once(async move {
            let _ = held.changed().await;
            Ok("end".into())
        });
        async { pieces(stream::iter([Ok("begin, ".into())]).chain(end)) }
    })
    .await;
    let world = world(&upstream);
    let heads = futures::future::try_join_all((0..AT_ONCE).map(|_| world.send("/v1")));
    let answers = tokio::time::timeout(Duration::from_secs(60), heads)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.counts().in_flight, AT_ONCE as u64);
    open.send(()).unwrap();
    for answer in answers {
        assert_eq!(text(answer).await.unwrap(), "begin, end");
    }
}
