use super::*;
use crate::http;
use crate::testing::{Recording, Reply, block_on};
use proptest::prelude::*;

fn headers(list: &[(&str, &str)]) -> Vec<Header> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn when_to_try_again() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (given, expected) in [
        (&[("retry-after", "3")][..], Some(3000)),
        (&[("Retry-After", " 0 ")], Some(0)),
        (&[("retry-after", "0.5")], Some(500)),
        (&[("retry-after-ms", "120.4")], Some(121)),
        (&[("retry-after-ms", "120"), ("retry-after", "1")], Some(120)),
        (&[("x-ms-retry-after-ms", "80")], Some(80)),
        (&[("retry-after-ms", "soon"), ("retry-after", "2")], Some(2000)),
        (&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60_000)),
        (
            &[date, ("retry-after", "Monday, 07-Nov-94 08:49:37 GMT")],
            Some(86_400_000),
        ),
        (&[date, ("retry-after", "Sun Nov  6 08:49:38 1994")], Some(1000)),
        (&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:36 GMT")], Some(0)),
        (&[date, ("retry-after", "Sun, 32 Nov 1994 08:49:36 GMT")], None),
        (&[date, ("retry-after", "Sun, 06 Nov 1994 24:49:36 GMT")], None),
        (&[date, ("retry-after", "tomorrow")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "inf")], None),
        (&[("retry-after", "1e9")], None),
        (&[("retry-after", ".")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "99999999999999999999999999")], Some(u64::MAX)),
        (&[], None),
    ] {
        assert_eq!(retry_after_ms(&headers(given)), expected, "{given:?}");
    }
    // Without a `date`, the clock counts: a date that has passed means now.
    let past = headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(retry_after_ms(&past), Some(0));
}

#[test]
fn what_a_status_means() {
    use ErrorKind as Kind;
    for (status, kind, retry) in [
        (301, Kind::Upstream, false),
        (400, Kind::InvalidRequest, false),
        (401, Kind::Authentication, false),
        (402, Kind::QuotaExhausted, false),
        (403, Kind::Permission, false),
        (404, Kind::NotFound, false),
        (408, Kind::Timeout, true),
        (409, Kind::Upstream, true),
        (413, Kind::RequestTooLarge, false),
        (422, Kind::InvalidRequest, false),
        (429, Kind::RateLimited, true),
        (498, Kind::Overloaded, true),
        (500, Kind::Upstream, true),
        (501, Kind::Unsupported, false),
        (502, Kind::Upstream, true),
        (503, Kind::Overloaded, true),
        (504, Kind::Timeout, true),
        (529, Kind::Overloaded, true),
    ] {
        let error = Error::from_status(status, &[], b"");
        assert_eq!((error.kind, error.retryable), (kind, retry), "{status}");
        assert_eq!(error.http_status, Some(status));
        assert_eq!(error.raw, None);
        assert!(error.message.contains(&status.to_string()), "{}", error.message);
    }
}

#[test]
fn what_the_usual_bodies_tell() {
    for (body, message, code, param) in [
        (
            r#"{"error":{"message":"No","type":"t","param":"n","code":"c"}}"#,
            "No",
            Some("c"),
            Some("n"),
        ),
        (
            r#"{"error":{"message":"No","type":"t","code":null}}"#,
            "No",
            Some("t"),
            None,
        ),
        (
            r#"{"type":"error","error":{"type":"e","message":"No"}}"#,
            "No",
            Some("e"),
            None,
        ),
        (r#"{"error":"No"}"#, "No", None, None),
        (r#"{"message":"No"}"#, "No", None, None),
        (r#"{"detail":"No"}"#, "No", None, None),
        (
            r#"[{"error":{"code":429,"message":"No","status":"X"}}]"#,
            "No",
            Some("429"),
            None,
        ),
        (r#"{"a":1}"#, "the provider answered with status 400", None, None),
        ("upstream connect error", "upstream connect error", None, None),
        ("<html>no</html>", "the provider answered with status 400", None, None),
    ] {
        let error = Error::from_status(400, &[], body.as_bytes());
        assert_eq!(error.message, message, "{body}");
        assert_eq!(error.provider_code.as_deref(), code, "{body}");
        assert_eq!(error.param.as_deref(), param, "{body}");
        let raw = error.raw.unwrap();
        let value = crate::json::value(&raw);
        assert!(
            raw == body || value == *body,
            "unchanged, or a JSON string of it: {raw}"
        );
    }
}

#[test]
fn what_the_headers_tell() {
    let error = Error::from_status(
        500,
        &headers(&[
            ("x-should-retry", "false"),
            ("request-id", "req_1"),
            ("cf-ray", "ray"),
            ("retry-after", "1"),
        ]),
        b"",
    );
    assert!(!error.retryable);
    assert_eq!(error.request_id.as_deref(), Some("req_1"));
    assert_eq!(error.retry_after_ms, Some(1000));
    let error = Error::from_status(400, &headers(&[("x-should-retry", "true")]), b"");
    assert!(error.retryable);
}

#[test]
fn a_failed_answer_whose_body_breaks_off_is_still_an_error_of_its_status() {
    let reply = Reply::json(429, r#"{"error":{"message":"Slow"}}"#)
        .header("retry-after", "2")
        .breaks_at(5, HttpError::Connect("reset".to_owned()));
    let _recording = Recording::new().reply(reply).install();
    let error = block_on(async {
        let mut response = http::Request::get("https://a.example").send().await.unwrap();
        Error::from_response(&mut response).await
    });
    assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::RateLimited, Some(2000)));
}

#[test]
fn what_happens_on_the_way() {
    use ErrorKind as Kind;
    let text = || "why".to_owned();
    for (error, kind, retry) in [
        (HttpError::Denied(text()), Kind::Denied, false),
        (HttpError::Credential(text()), Kind::Authentication, false),
        (HttpError::Dns(text()), Kind::Transport, true),
        (HttpError::Connect(text()), Kind::Transport, true),
        (HttpError::Tls(text()), Kind::Transport, false),
        (HttpError::Timeout(text()), Kind::Timeout, true),
        (HttpError::Protocol(text()), Kind::Transport, true),
        (HttpError::TooLarge, Kind::Denied, false),
        (HttpError::Cancelled, Kind::Cancelled, false),
        (HttpError::Other(text()), Kind::Transport, true),
    ] {
        let told = !matches!(error, HttpError::TooLarge | HttpError::Cancelled);
        let error = Error::from(error);
        assert_eq!((error.kind, error.retryable), (kind, retry));
        assert_eq!(error.message.contains("why"), told, "{}", error.message);
    }
}

proptest! {
    #[test]
    fn no_header_and_no_body_make_it_fail(value in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..200), status in 100u16..600) {
        let headers = headers(&[("retry-after", &value), ("date", &value), ("retry-after-ms", &value)]);
        let error = Error::from_status(status, &headers, &body);
        prop_assert!(!error.message.is_empty());
    }

    #[test]
    fn each_second_has_its_date(seconds in 0u64..4_102_444_800) {
        // A calendar of its own: day by day, with the leap years spelled out.
        let (mut days, mut year) = (seconds / 86_400, 1970u64);
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        while days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while days >= lengths[month] {
            days -= lengths[month];
            month += 1;
        }
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
        let rest = seconds % 86_400;
        let at = format!(
            "Xyz, {:02} {name} {year} {:02}:{:02}:{:02} GMT",
            days + 1, rest / 3600, rest / 60 % 60, rest % 60
        );
        let headers = headers(&[("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("retry-after", &at)]);
        prop_assert_eq!(retry_after_ms(&headers), Some(seconds * 1000));
    }
}
