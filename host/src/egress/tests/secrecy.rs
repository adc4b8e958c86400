//! The secret is seen by the upstream alone.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tracing_subscriber::fmt::MakeWriter;

use super::upstream::{NAME, Upstream, Wire, pieces, whole};
use super::world::{CANARY, Setup, credential, granted, store, text, world};
use crate::egress::audit::TracingSink;
use crate::egress::credential::{AcquireError, Grant, MemoryStore, Secret, Secrets};
use crate::egress::error::Rule;
use crate::egress::testing::{SIGNER, holder};
use crate::egress::{EgressError, EgressRequest, UpstreamResponse};

/// Everything that a plugin could get from a call.
async fn gist(result: Result<UpstreamResponse, EgressError>) -> (String, Option<EgressError>) {
    let (mut got, mut error) = (String::new(), None);
    match result {
        Err(refused) => error = Some(refused),
        Ok(mut response) => {
            got.push_str(&format!("{:?}", response.headers));
            while let Some(piece) = response.body.next().await {
                match piece {
                    Ok(bytes) => got.push_str(&String::from_utf8_lossy(&bytes)),
                    Err(failed) => error = Some(failed),
                }
            }
        }
    }
    got.push_str(&format!(
        "{error:?} {}",
        error.as_ref().map(ToString::to_string).unwrap_or_default()
    ));
    (got, error)
}

#[tokio::test]
async fn an_upstream_that_repeats_the_secret_does_not_get_it_into_the_plugin() {
    let upstream = Upstream::start(Wire::Tls1, |request| async move {
        let sent = request.headers()["authorization"].to_str().unwrap().to_owned();
        let secret = sent.strip_prefix("Bearer ").unwrap();
        let halves = |text: &str| {
            let (left, right) = text.split_at(text.len() / 2);
            let parts = [
                Bytes::copy_from_slice(left.as_bytes()),
                Bytes::copy_from_slice(right.as_bytes()),
            ];
            // Yielding between them sends them as two pieces.
            pieces(stream::iter(parts).then(|part| async {
                tokio::task::yield_now().await;
                Ok(part)
            }))
        };
        let mut answer = match request.uri().path() {
            "/body" => whole(format!("you sent {sent}")),
            "/halves" => halves(&format!("you sent {sent}, thank you")),
            "/json" => whole(format!(
                "{{\"sent\":{}}}",
                serde_json::to_string(&sent).unwrap().replace('/', "\\/")
            )),
            "/base64" => whole(STANDARD.encode(format!("you sent {sent}"))),
            "/base64-halves" => halves(&STANDARD.encode(format!("sent {sent} "))),
            "/percent" => whole(url::form_urlencoded::byte_serialize(sent.as_bytes()).collect::<String>()),
            "/hex" => whole(sent.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
            _ => whole(""),
        };
        match request.uri().path() {
            "/header" => answer.headers_mut().insert("x-echo", sent.parse().unwrap()),
            "/authorization" => answer.headers_mut().insert("authorization", sent.parse().unwrap()),
            "/location" => {
                let query: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                answer
                    .headers_mut()
                    .insert("location", format!("/?key={query}").parse().unwrap())
            }
            _ => None,
        };
        answer
    })
    .await;
    for (path, place) in [
        ("/body", "body"),
        ("/halves", "body"),
        ("/json", "body"),
        ("/base64", "body"),
        ("/base64-halves", "body"),
        ("/percent", "body"),
        ("/hex", "body"),
        ("/header", "headers"),
        ("/authorization", "headers"),
        ("/location", "headers"),
    ] {
        let world = world(&upstream);
        let (got, error) = gist(world.send(path).await).await;
        assert_eq!(error, Some(Rule::LeakIn(place).into()), "{path}");
        for part in ["canary", "0123456789", "MDEyMzQ1", "30313233"] {
            assert!(!got.contains(part), "{path}: {got}");
        }
        assert_eq!(world.records.denied.lock().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_refused_because_it_cannot_be_searched() {
    let upstream = Upstream::start(Wire::Tls1, |request| async move {
        let mut answer = whole("\u{1f}\u{8b}");
        let (header, value) = match request.uri().path() {
            "/transfer" => ("transfer-encoding", "gzip, chunked"),
            "/twice" => ("content-encoding", "identity, gzip"),
            _ => ("content-encoding", "gzip"),
        };
        answer.headers_mut().insert(header, value.parse().unwrap());
        answer
    })
    .await;
    let world = world(&upstream);
    for path in ["/v1", "/twice", "/transfer"] {
        let refused = world.send(path).await.unwrap_err();
        assert!(matches!(refused, EgressError::Protocol { .. }), "{path}: {refused:?}");
    }
    // Without a credential there is nothing to search for.
    let bare = EgressRequest {
        slot: None,
        ..world.request("/v1")
    };
    assert!(world.egress.send(bare).await.is_ok());
}

#[tokio::test]
async fn a_pair_that_was_encoded_for_the_request_is_searched_for_too() {
    let upstream = Upstream::start(Wire::Tls1, |request| async move {
        whole(request.headers()["authorization"].as_bytes().to_vec())
    })
    .await;
    let origin = upstream.origin();
    let grant = Grant {
        attach: Some(r#"{"basic":true}"#.into()),
        ..granted(&origin)
    };
    let mut facts = credential(&origin);
    facts.attributes.insert("username".to_owned(), "me".to_owned());
    // Too short to be looked for by itself; the encoded pair is long enough.
    let secrets = Secrets::one("password", Secret::new("pa55wrd"));
    let store = MemoryStore::new().with_grant(grant).with_credential(facts, secrets);
    let world = Setup {
        store,
        ..Setup::of(&upstream)
    }
    .build();
    let (_, error) = gist(world.send("/v1").await).await;
    assert_eq!(error, Some(Rule::LeakIn("body").into()));
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_line_of_any_library_holds_the_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    for wire in [Wire::Plain, Wire::Tls1, Wire::Tls2] {
        let upstream = Upstream::start(wire, |_| async { whole("fine") }).await;
        for attach in [r#"{"bearer":true}"#, r#"{"header":"x-api-key"}"#] {
            let grant = Grant {
                attach: Some(attach.into()),
                ..granted(&upstream.origin())
            };
            let store = store(grant, credential(&upstream.origin()), CANARY);
            let setup = Setup {
                store,
                sink: Some(Arc::new(TracingSink)),
                ..Setup::of(&upstream)
            };
            text(setup.build().send("/v1/chat?private=query").await.unwrap())
                .await
                .unwrap();
        }
    }
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // That the libraries did log shows that the test looks at something.
    assert!(written.contains("TRACE"), "{written}");
    assert!(
        written.contains("credential.used") && written.contains("/v1/chat"),
        "{written}"
    );
    // The upstream in this process logs what it receives as well, but only frames and lengths.
    for part in ["sk-canary", "0123456789", "c2stY2FuYXJ5"] {
        assert!(!written.contains(part), "{part}");
    }
}

#[tokio::test]
async fn no_error_holds_the_secret_or_the_query() {
    // Nobody listens here, so the client fails with the whole address in its hands.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let origin = format!("https://{NAME}:{port}");
    let grant = Grant {
        attach: Some(r#"{"query":"key"}"#.into()),
        ..granted(&origin)
    };
    let world = Setup {
        store: store(grant, credential(&origin), CANARY),
        ..Setup::at(&origin)
    }
    .build();
    let (got, error) = gist(world.send("/v1?private=query").await).await;
    assert!(matches!(error, Some(EgressError::Connect { .. })), "{error:?}");
    for part in ["canary", "0123456789", "private", "query", "/v1"] {
        assert!(!got.contains(part), "{got}");
    }
    let records = format!("{:?}", world.used());
    assert!(
        records.contains("/v1") && !records.contains("private") && !records.contains("canary"),
        "{records}"
    );
    let request = format!("{:?}", world.request("/v1?private=query"));
    assert!(!request.contains("private"), "{request}");
}

#[tokio::test]
async fn a_handle_tells_facts_and_a_refusal_the_command() {
    let origin = "https://api.example.com";
    let world = Setup::at(origin).build();
    let handle = world.egress.acquire(&holder(), "api-key").unwrap();
    assert_eq!(handle.kind, "api-key");
    assert_eq!(handle.attributes, [("organization".to_owned(), "org-1".to_owned())]);

    let refused = world.egress.acquire(&holder(), "other").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "slot `other` is not granted to plugin `demo`; to grant it: host grant add demo --slot other --credential NAME"
    );
    let voided = Grant {
        pin: crate::egress::credential::Pin::Signer(SIGNER),
        ..granted(origin)
    };
    let expired = Grant {
        expires: Some(std::time::SystemTime::UNIX_EPOCH),
        ..granted(origin)
    };
    let gone = Grant {
        credential: Some("gone".into()),
        ..granted(origin)
    };
    for (grants, expected) in [
        (vec![voided.clone()], "approve it: host grant approve g-1"),
        (vec![expired.clone()], "renew it: host grant approve g-1"),
        (vec![gone], "`host vault set` puts it there"),
    ] {
        let store = grants.into_iter().fold(MemoryStore::new(), MemoryStore::with_grant);
        world.credentials.replace(store);
        let refused = world.egress.acquire(&holder(), "api-key").unwrap_err();
        assert!(refused.to_string().ends_with(expected), "{refused}");
        assert!(!matches!(refused, AcquireError::NotGranted { .. }));
    }
    // One grant that counts is enough.
    let store = store(granted(origin), credential(origin), CANARY)
        .with_grant(voided)
        .with_grant(expired);
    world.credentials.replace(store);
    assert!(world.egress.acquire(&holder(), "api-key").is_ok());
}

#[tokio::test]
async fn a_redactor_takes_secrets_out_of_texts() {
    let world = Setup::at("https://api.example.com").build();
    let redactor = world.egress.redactor(&holder());
    let encoded = STANDARD.encode(CANARY);
    let redacted = redactor.redact(&format!("key={CANARY} {encoded}!")).into_owned();
    assert!(
        redacted.starts_with("key=[secret] ") && !redacted.contains("canary"),
        "{redacted}"
    );
    assert!(!redacted.contains(&encoded[4..20]), "{redacted}");
    assert_eq!(redactor.redact("nothing here"), "nothing here");
}
