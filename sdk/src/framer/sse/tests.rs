use proptest::prelude::*;

use super::*;
use crate::testing::every_split;

fn event(name: Option<&str>, data: &str, id: Option<&str>) -> Event {
    Event {
        event: name.map(str::to_owned),
        data: data.to_owned(),
        id: id.map(str::to_owned),
        cut: false,
    }
}

fn frame(pieces: &[&[u8]]) -> (Vec<Event>, Option<Event>) {
    let mut framer = Framer::new();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(framer.feed(piece).into_iter().map(Result::unwrap));
    }
    (events, framer.finish())
}

/// The standard's rules on a stream that is all there, with no thought of pieces.
fn by_the_book(bytes: &[u8]) -> (Vec<Event>, Option<Event>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' => {
                at += usize::from(bytes.get(at + 1) == Some(&b'\n'));
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
        at += 1;
    }
    let unfinished = lines.pop().unwrap();
    let mut events = Vec::new();
    let mut block: Vec<String> = Vec::new();
    let build = |block: &[String]| {
        let mut name = String::new();
        let (mut data, mut id) = (Vec::new(), None);
        for line in block {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.to_owned(),
                "data" => data.push(value),
                "id" if !value.contains('\0') => id = Some(value),
                _ => {}
            }
        }
        let name = (!name.is_empty()).then_some(name.as_str());
        (!data.is_empty()).then(|| event(name, &data.join("\n"), id))
    };
    for line in lines {
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.is_empty() {
            events.extend(build(&block));
            block.clear();
        } else {
            block.push(line);
        }
    }
    if !unfinished.is_empty() {
        block.push(String::from_utf8_lossy(&unfinished).into_owned());
    }
    let last = build(&block).map(|event| Event { cut: true, ..event });
    (events, last)
}

#[test]
fn the_rules_one_by_one() {
    let cases: &[(&str, &str, &[Event])] = &[
        ("one line of data", "data: a\n\n", &[event(None, "a", None)]),
        (
            "several lines of data",
            "data: a\ndata: b\n\n",
            &[event(None, "a\nb", None)],
        ),
        ("carriage returns", "data: a\rdata: b\r\r", &[event(None, "a\nb", None)]),
        ("both", "data: a\r\ndata: b\r\n\r\n", &[event(None, "a\nb", None)]),
        (
            "a mixture",
            "data: a\r\n\ndata: b\n\r",
            &[event(None, "a", None), event(None, "b", None)],
        ),
        ("no space after the colon", "data:a\n\n", &[event(None, "a", None)]),
        (
            "only the first space goes",
            "data:  a \n\n",
            &[event(None, " a ", None)],
        ),
        (
            "a colon in the value",
            "data: {\"a\":1}\n\n",
            &[event(None, "{\"a\":1}", None)],
        ),
        (
            "a name",
            "event: ping\ndata: {}\n\n",
            &[event(Some("ping"), "{}", None)],
        ),
        ("an empty name", "event:\ndata: {}\n\n", &[event(None, "{}", None)]),
        ("an id", "id: 7\ndata: a\n\n", &[event(None, "a", Some("7"))]),
        (
            "an id with a null is none",
            "id: 7\0\ndata: a\n\n",
            &[event(None, "a", None)],
        ),
        (
            "an id is of one event",
            "id: 7\ndata: a\n\ndata: b\n\n",
            &[event(None, "a", Some("7")), event(None, "b", None)],
        ),
        (
            "comments",
            ": OPENROUTER PROCESSING\n\ndata: a\n:\n\n",
            &[event(None, "a", None)],
        ),
        (
            "an event without data is none",
            "event: ping\n\ndata: a\n\n",
            &[event(None, "a", None)],
        ),
        ("data without a value", "data\n\n", &[event(None, "", None)]),
        ("two of them", "data\ndata\n\n", &[event(None, "\n", None)]),
        (
            "fields of no meaning",
            "date: a\nDATA: b\ndata: c\n\n",
            &[event(None, "c", None)],
        ),
        ("a byte order mark", "\u{feff}data: a\n\n", &[event(None, "a", None)]),
        (
            "a second one is text",
            "data: a\n\n\u{feff}data: b\n\n",
            &[event(None, "a", None)],
        ),
        ("UTF-8", "data: Grüße 🦀\n\n", &[event(None, "Grüße 🦀", None)]),
        ("blank lines only", "\n\r\n\r", &[]),
    ];
    for (name, text, expected) in cases {
        every_split(text.as_bytes(), |pieces| {
            assert_eq!(frame(pieces), (expected.to_vec(), None), "{name}: {pieces:?}");
        });
        assert_eq!(by_the_book(text.as_bytes()).0, *expected, "{name}");
    }
}

#[test]
fn what_is_not_utf8_is_replaced_and_goes_no_further() {
    every_split(b"data: a\xff\xc3b\n\ndata: c\n\n", |pieces| {
        let expected = vec![event(None, "a\u{fffd}\u{fffd}b", None), event(None, "c", None)];
        assert_eq!(frame(pieces), (expected, None));
    });
}

#[test]
fn the_end_gives_what_lacks_only_its_blank_line() {
    for (text, expected) in [
        ("data: [DONE]", Some("[DONE]")),
        ("data: [DONE]\n", Some("[DONE]")),
        ("data: a\ndata: {\"b", Some("a\n{\"b")),
        ("data: a\n\n", None),
        ("event: ping\n", None),
        (": bye", None),
        ("", None),
    ] {
        every_split(text.as_bytes(), |pieces| {
            let last = frame(pieces).1;
            assert_eq!(last.as_ref().map(|event| event.data.as_str()), expected, "{text:?}");
            assert!(last.is_none_or(|event| event.cut));
        });
    }
}

#[test]
fn the_wish_when_to_connect_again_is_kept() {
    let mut framer = Framer::new();
    framer.feed(b"retry: 2500\nretry: soon\nretry:\nretry: -1\n\n");
    assert_eq!(framer.retry_ms(), Some(2500));
}

#[test]
fn an_event_that_is_too_long_is_an_error_and_the_end() {
    let text = b"data: short\n\ndata: 0123456789\ndata: 0123456789\n\ndata: late\n\n";
    every_split(text, |pieces| {
        let mut framer = Framer::with_limit(24);
        let mut got = Vec::new();
        for piece in pieces {
            got.extend(framer.feed(piece));
        }
        assert_eq!(
            got,
            [Ok(event(None, "short", None)), Err(TooLong { limit: 24 })],
            "{pieces:?}"
        );
        assert_eq!(framer.finish(), None);
    });
}

#[test]
fn a_line_without_end_is_not_kept_for_ever() {
    let mut framer = Framer::with_limit(1000);
    let mut errors = 0;
    for _ in 0..10_000 {
        errors += framer.feed(b"xxxxxxxxxx").len();
    }
    assert_eq!(errors, 1);
    assert_eq!(framer.line.capacity(), 0);
}

/// Bytes in which everything that has a meaning is likely.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(&b"data"[..]),
        Just(&b"data: "[..]),
        Just(&b"event: x"[..]),
        Just(&b"id: 1"[..]),
        Just(&b":"[..]),
        Just(&b" "[..]),
        Just(&b"\r"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n\n"[..]),
        Just(&b"\xef\xbb\xbf"[..]),
        Just("ü🦀".as_bytes()),
        Just(&b"\xc3"[..]),
        Just(&b"\0"[..]),
    ];
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_cut_gives_what_the_standard_says(bytes in streams()) {
        let expected = by_the_book(&bytes);
        every_split(&bytes, |pieces| assert_eq!(frame(pieces), expected, "{pieces:?}"));
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..400) {
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(frame(&[head, tail]), by_the_book(&bytes));
    }
}
