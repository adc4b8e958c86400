use proptest::prelude::*;

use super::*;
use crate::testing::every_split;

fn frame(pieces: &[&[u8]]) -> (Vec<String>, Option<Line>) {
    let mut framer = Framer::new();
    let mut lines = Vec::new();
    for piece in pieces {
        lines.extend(framer.feed(piece).into_iter().map(|line| line.unwrap().data));
    }
    (lines, framer.finish())
}

#[test]
fn lines_however_they_are_cut() {
    for (text, lines, rest) in [
        ("{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"][..], None),
        ("{\"a\":1}\r\n\r\n\n{\"b\":2}", &["{\"a\":1}"], Some("{\"b\":2}")),
        ("\u{feff}{}\n", &["{}"], None),
        ("  {} \n \n", &["{}"], None),
        ("{\"t\":\"Grüße 🦀\"}\n", &["{\"t\":\"Grüße 🦀\"}"], None),
        ("", &[], None),
        ("\n", &[], None),
    ] {
        every_split(text.as_bytes(), |pieces| {
            let rest = rest.map(|data| Line {
                data: data.to_owned(),
                cut: true,
            });
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(frame(pieces), (lines, rest), "{pieces:?}");
        });
    }
}

#[test]
fn a_line_that_is_too_long_is_an_error_and_the_end() {
    every_split(b"{}\n0123456789\n{}\n", |pieces| {
        let mut framer = Framer::with_limit(9);
        let got: Vec<_> = pieces.iter().flat_map(|piece| framer.feed(piece)).collect();
        let first = Line {
            data: "{}".to_owned(),
            cut: false,
        };
        assert_eq!(got, [Ok(first), Err(TooLong { limit: 9 })]);
        assert_eq!(framer.finish(), None);
    });
}

proptest! {
    #[test]
    fn no_cut_changes_the_lines(text in "[{}\"a-zü\r\n \u{feff}]{0,60}") {
        let expected = frame(&[text.as_bytes()]);
        every_split(text.as_bytes(), |pieces| assert_eq!(frame(pieces), expected));
    }
}
