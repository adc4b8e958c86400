//! Signatures, compared with AWS's own.
//!
//! The vectors in this file were computed with botocore 1.44.5. The suite is AWS's, found by
//! `LLM_HOST_SPECS` or beside the workspace; where it is not there, the test says so.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use url::Url;

use super::*;

const KEY_ID: &str = "AKIDEXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn keys(token: Option<&str>) -> Credentials {
    Credentials::new(KEY_ID, KEY, token.map(str::to_owned), None, "test")
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Outgoing {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    Outgoing {
        method: method.parse::<Method>().unwrap(),
        url: url.parse::<Url>().unwrap(),
        headers: map,
        body: Bytes::copy_from_slice(body),
        derived: Vec::new(),
    }
}

/// 2026-03-04T05:06:07Z.
const THEN: Duration = Duration::from_secs(1_772_600_767);

fn bedrock() -> Scope<'static> {
    Scope {
        service: "bedrock",
        region: "us-east-1",
        time: UNIX_EPOCH + THEN,
    }
}

const HOST: &str = "https://bedrock-runtime.us-east-1.amazonaws.com";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn paths_and_queries_are_signed_as_aws_reads_them() {
    let body = br#"{"messages":[]}"#.as_slice();
    let arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0";
    for (method, url, header, body, token, names, signature) in [
        (
            "POST",
            format!("{HOST}/model/anthropic.claude-3-5-sonnet-20240620-v1:0/converse"),
            Some(JSON),
            body,
            None,
            "content-type;host;x-amz-date",
            "5758613b96310fd327cdd6615a2ab2a8a7af03c2e2b1754a3bc3db5ab27ef417",
        ),
        (
            "POST",
            format!("{HOST}/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse"),
            Some(JSON),
            body,
            None,
            "content-type;host;x-amz-date",
            "0d51d00c23c1a7e66527608ae96dcf1b8a625385b4678efe4280cc1ba967a0dd",
        ),
        (
            "POST",
            format!("{HOST}/model/{arn}/converse-stream"),
            Some(JSON),
            body,
            Some("canary-session-token"),
            "content-type;host;x-amz-date;x-amz-security-token",
            "4d7e6c38bfbfca0dee4a186e351f46cba510a9d33a1576cb297dbf1720a35954",
        ),
        (
            "GET",
            "https://bedrock.us-east-1.amazonaws.com/foundation-models?byProvider=Amazon&byInferenceType=ON_DEMAND"
                .to_owned(),
            None,
            b"".as_slice(),
            None,
            "host;x-amz-date",
            "250cec387d52878937bf5dd003844bb942f0a172e05cbe68be7f8a442e2222a8",
        ),
        (
            "GET",
            "https://localhost:8443/inference-profiles?nextToken=a%2Bb%2F%3D&maxResults=10&type=".to_owned(),
            Some(("x-amzn-bedrock-trace", "ENABLED")),
            b"".as_slice(),
            None,
            "host;x-amz-date;x-amzn-bedrock-trace",
            "08578e4f89d3a98f1d618f52e0d76039cb1cd3ce7a7edb9b24a1e413377777c0",
        ),
    ] {
        let mut outgoing = request(method, &url, header.as_slice(), body);
        let signed = sign(&mut outgoing, &keys(token), bedrock()).unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/20260304/us-east-1/bedrock/aws4_request, SignedHeaders={names}, \
             Signature={signature}"
        );
        assert_eq!(outgoing.headers[AUTHORIZATION], expected, "{url}");
        assert_eq!(signed.expose(), signature, "{url}");
        assert_eq!(outgoing.headers["x-amz-date"], "20260304T050607Z");
        let sent = outgoing.headers.get("x-amz-security-token");
        assert_eq!(sent.map(|value| value.to_str().unwrap()), token);
    }
}

#[test]
fn what_may_change_on_the_way_is_not_signed() {
    let url = format!("{HOST}/model/m/converse");
    let changing = [
        JSON,
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("user-agent", "llm-host/1"),
        ("x-amzn-trace-id", "Root=1"),
    ];
    let signature = |headers: &[(&str, &str)]| {
        let mut outgoing = request("POST", &url, headers, b"{}");
        sign(&mut outgoing, &keys(None), bedrock()).unwrap();
        outgoing.headers[AUTHORIZATION].clone()
    };
    assert_eq!(signature(&changing), signature(&[JSON]));
}

#[test]
fn a_body_that_was_changed_has_another_signature() {
    let url = format!("{HOST}/model/m/converse");
    let signature = |body: &[u8]| {
        let mut outgoing = request("POST", &url, &[JSON], body);
        let signature = sign(&mut outgoing, &keys(None), bedrock()).unwrap();
        signature.expose().to_owned()
    };
    assert_ne!(signature(b"{}"), signature(b"{ }"));
}

/// Cases of the suite that cannot happen here, and why.
const NOT_OURS: [(&str, &str); 3] = [
    (
        "get-utf8",
        "its path is not percent-encoded; a URL's always is, and is then encoded a second time",
    ),
    (
        "get-space",
        "its path is not percent-encoded; a URL's always is, and is then encoded a second time",
    ),
    (
        "post-sts-header-after",
        "the session token is added after signing, which some services want and Bedrock does not",
    ),
];

#[test]
fn the_suite_of_aws_passes() {
    let Some(suite) = suite() else {
        println!("SKIPPED: AWS's suite of signatures cannot be found (LLM_HOST_SPECS)");
        return;
    };
    let mut cases = Vec::new();
    collect(&suite, &mut cases);
    let (mut passed, mut failed, mut left) = (0, Vec::new(), 0);
    for case in &cases {
        let name = case.file_stem().unwrap().to_str().unwrap();
        if let Some((_, why)) = NOT_OURS.iter().find(|(other, _)| *other == name) {
            println!("not ours: {name}: {why}");
            left += 1;
            continue;
        }
        let expected = std::fs::read_to_string(case.with_extension("authz")).unwrap();
        // The token is a part of the keys, and stands in the signed request alone in some cases.
        let signed = std::fs::read_to_string(case.with_extension("sreq")).unwrap();
        let token = signed
            .lines()
            .find_map(|line| line.strip_prefix("X-Amz-Security-Token:"));
        match authorization_of(&std::fs::read(case).unwrap(), token) {
            got if got == expected.trim_end() => passed += 1,
            got => failed.push(format!("{name}\n  expected {}\n  got      {got}", expected.trim_end())),
        }
    }
    assert_eq!(left, NOT_OURS.len(), "an exception is not in the suite");
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    assert!(passed > 25, "only {passed} cases in {}", suite.display());
}

fn suite() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let specs = std::env::var_os("LLM_HOST_SPECS").map_or(beside, PathBuf::from);
    Some(specs.join("sigv4/aws4_testsuite")).filter(|path| path.is_dir())
}

fn collect(dir: &Path, cases: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, cases);
        } else if path.extension().is_some_and(|extension| extension == "req") {
            cases.push(path);
        }
    }
}

/// The `Authorization` of a request as the suite writes it. A header's value over several lines is
/// one value with blanks in it (RFC 9112, section 5.2).
fn authorization_of(raw: &[u8], token: Option<&str>) -> String {
    let text = String::from_utf8(raw.to_vec()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end_matches('\n'), ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let mut lines = head.lines();
    let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(':').unwrap()).collect();
    let value = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let url = format!("https://{}{target}", value("host").unwrap());
    let sent: Vec<(&str, &str)> = headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
        .map(|(name, value)| (*name, value.trim()))
        .collect();
    let mut outgoing = request(method, &url, &sent, body.as_bytes());
    let scope = Scope {
        service: "service",
        region: "us-east-1",
        // 2015-08-30T12:36:00Z
        time: UNIX_EPOCH + Duration::from_secs(1_440_938_160),
    };
    sign(&mut outgoing, &keys(token.map(str::trim)), scope).unwrap();
    outgoing.headers[AUTHORIZATION].to_str().unwrap().to_owned()
}
