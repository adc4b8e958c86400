use super::*;
use crate::HttpError;
use crate::bindings::llm_host::provider::credentials::CredentialError;
use crate::credential::Credential;
use crate::testing::{Recording, Reply, block_on};
use serde_json::json;

fn get() -> Request {
    Request::get("https://api.example.com/v1")
}

#[test]
fn a_request_as_it_is_sent() {
    let recording = Recording::new()
        .reply(Reply::new(204, ""))
        .reply(Reply::new(200, ""))
        .install();
    block_on(async {
        Request::post("https://api.example.com/v1")
            .header("X-Beta", "a")
            .header("x-beta", "b")
            .json(&json!({"a": 1}))
            .credential("api-key")
            .first_byte_timeout_ms(1000)
            .idle_timeout_ms(500)
            .send()
            .await?;
        Request::new("PUT", "https://api.example.com/v2")
            .header("Content-Type", "application/vnd.x+json")
            .json(&json!([]))
            .send()
            .await
    })
    .unwrap();
    let requests = recording.requests();
    let [first, second] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(
        (first.method.as_str(), first.url.as_str()),
        ("POST", "https://api.example.com/v1")
    );
    assert_eq!(
        first.headers,
        [
            ("x-beta".to_owned(), b"a".to_vec()),
            ("x-beta".to_owned(), b"b".to_vec()),
            ("content-type".to_owned(), b"application/json".to_vec()),
        ]
    );
    assert_eq!(first.json(), json!({"a": 1}));
    assert_eq!(first.credential.as_deref(), Some("api-key"));
    assert_eq!(
        (first.first_byte_timeout_ms, first.idle_timeout_ms),
        (Some(1000), Some(500))
    );
    assert_eq!(second.method, "PUT");
    assert_eq!(second.header("content-type"), Some("application/vnd.x+json"));
    assert_eq!(second.headers.len(), 1);
    assert_eq!(second.credential, None);
}

#[test]
fn a_refused_credential_fails_the_request_before_it_is_sent() {
    for (error, denied) in [
        (CredentialError::NotGranted, true),
        (CredentialError::Expired, true),
        (CredentialError::NotConfigured, false),
        (CredentialError::Other("why".to_owned()), false),
    ] {
        let recording = Recording::new().refuse("api-key", error).install();
        let error = block_on(get().credential("api-key").send()).unwrap_err();
        let text = match &error {
            HttpError::Denied(text) if denied => text,
            HttpError::Credential(text) if !denied => text,
            other => panic!("{other:?}"),
        };
        assert!(text.contains("`api-key`"), "{text}");
        assert!(recording.requests().is_empty());
    }
}

#[test]
fn a_body_without_a_json_form_is_not_sent() {
    let recording = Recording::new().install();
    let by_pair = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = block_on(get().json(&by_pair).send()).unwrap_err();
    assert!(matches!(error, HttpError::Other(text) if text.contains("JSON")));
    assert!(recording.requests().is_empty());
}

#[test]
fn facts_about_a_credential() {
    let _recording = Recording::new()
        .credential("aws", "sigv4", &[("region", "eu-west-1")])
        .refuse("gone", CredentialError::NotConfigured)
        .install();
    let aws = Credential::acquire("aws").unwrap();
    assert_eq!(aws.kind(), "sigv4");
    assert_eq!(aws.attribute("region").as_deref(), Some("eu-west-1"));
    assert_eq!(aws.attribute("project"), None);
    assert!(Credential::acquire("gone").is_err());
}

#[test]
fn a_body_in_pieces_and_whole() {
    let body: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
    for size in [1000, 65_535, 65_536, 65_537, 200_000] {
        let _recording = Recording::new()
            .reply(Reply::new(200, body.clone()).in_pieces_of(size))
            .reply(Reply::new(200, body.clone()).in_pieces_of(size))
            .install();
        block_on(async {
            let mut response = get().send().await?;
            let mut pieces = Vec::new();
            while let Some(piece) = response.chunk().await {
                assert!(!piece.is_empty() && piece.len() <= 64 << 10);
                pieces.extend(piece);
            }
            assert!(pieces == body);
            response.end().await?;
            assert!(get().send().await?.bytes().await? == body);
            Ok::<_, HttpError>(())
        })
        .unwrap();
    }
}

#[test]
fn a_body_is_bounded_and_its_breaking_off_is_no_end() {
    let broken = HttpError::Connect("reset".to_owned());
    let _recording = Recording::new()
        .reply(Reply::new(200, "0123456789").header("content-length", "10").split_at(9))
        .reply(Reply::new(200, "0123456789").split_at(3))
        .reply(Reply::new(200, "0123456789").breaks_at(4, broken.clone()))
        .reply(Reply::new(200, "0123456789").breaks_at(4, broken.clone()))
        .install();
    block_on(async {
        let mut fits = get().send().await?;
        assert_eq!(fits.bytes_within(10).await, Ok(b"0123456789".to_vec()));
        let mut long = get().send().await?;
        assert_eq!(long.bytes_within(9).await, Err(HttpError::TooLarge));
        assert_eq!(long.chunk().await, None, "the rest is given up");
        assert_eq!(long.end().await, Err(HttpError::TooLarge));
        let mut cut = get().send().await?;
        assert_eq!(cut.bytes().await, Err(broken.clone()));
        let mut cut = get().send().await?;
        assert_eq!(cut.chunk().await, Some(b"0123".to_vec()));
        assert_eq!(cut.chunk().await, None);
        assert_eq!(cut.end().await, Err(broken.clone()));
        assert_eq!(cut.end().await, Err(broken), "asked again, it says the same");
        Ok::<_, HttpError>(())
    })
    .unwrap();
}

#[test]
fn a_body_that_an_adapter_makes() {
    let bytes: Vec<u8> = (0..100_000u32).map(|at| at as u8).collect();
    let mut body = Body::from_bytes(bytes.clone());
    let first = block_on(body.chunk()).unwrap();
    assert_eq!(first.len(), 64 << 10);
    let rest = block_on(body.bytes()).unwrap();
    assert!([first, rest].concat() == bytes);
    assert_eq!(block_on(body.chunk()), None);
    assert_eq!(block_on(body.end()), Ok(()));
}

#[test]
fn an_answers_head() {
    let reply = Reply::json(201, "{}").header("X-Odd", [0xff]).header("x-odd", "text");
    let _recording = Recording::new().reply(reply).install();
    let response = block_on(get().send()).unwrap();
    assert!(response.is_success());
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    assert_eq!(
        response.header("x-odd"),
        Some("text"),
        "what is not text is passed over"
    );
    assert_eq!(response.header("missing"), None);
}

#[test]
fn json_that_is_none_says_which_answer_it_was() {
    let reply = Reply::json(200, "{").header("x-request-id", "r9");
    let _recording = Recording::new().reply(reply).install();
    let error = block_on(async { get().send().await.unwrap().json::<crate::json::Object>().await });
    let error = error.unwrap_err();
    assert_eq!(
        (error.http_status, error.request_id.as_deref()),
        (Some(200), Some("r9"))
    );
}

#[test]
fn what_a_test_did_not_record_fails() {
    assert!(matches!(block_on(get().send()), Err(HttpError::Other(text)) if text.contains("install")));
    let outer = Recording::new().reply(Reply::new(200, "outer")).install();
    {
        let inner = Recording::new().install();
        let error = block_on(get().send()).unwrap_err();
        assert!(matches!(error, HttpError::Other(text) if text.contains("no reply left")));
        assert_eq!(inner.requests().len(), 1);
    }
    assert_eq!(outer.replies_left(), 1);
    assert!(block_on(get().send()).is_ok());
    assert_eq!(outer.requests().len(), 1);
}
