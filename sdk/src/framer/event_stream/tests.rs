use std::path::Path;

use super::*;
use crate::testing::every_split;

fn feed(pieces: &[&[u8]]) -> (Vec<Result<Frame, Fault>>, bool) {
    let mut framer = Framer::new();
    let frames = pieces.iter().flat_map(|piece| framer.feed(piece)).collect();
    (frames, framer.in_frame())
}

#[test]
fn checksum_of_the_standard() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn frames_come_out_whole_however_they_are_cut() {
    let mut bytes = encode(&[(":event-type", "a"), (":message-type", "event")], b"{\"x\":1}");
    bytes.extend(encode(&[], b""));
    bytes.extend(encode(&[(":event-type", "b")], &[0xff; 40]));
    let (whole, open) = feed(&[&bytes]);
    let frames: Vec<&Frame> = whole.iter().map(|frame| frame.as_ref().unwrap()).collect();
    assert_eq!((frames.len(), open), (3, false));
    assert_eq!(frames[0].header(":event-type"), Some("a"));
    assert_eq!(frames[0].payload(), b"{\"x\":1}");
    assert_eq!(frames[1].headers(), []);
    assert_eq!(frames[2].payload(), [0xff; 40]);
    every_split(&bytes, |pieces| assert_eq!(feed(pieces), (whole.clone(), false)));
    let joined: Vec<u8> = whole
        .into_iter()
        .flat_map(|frame| frame.unwrap().into_bytes())
        .collect();
    assert_eq!(joined, bytes);
}

#[test]
fn what_is_missing_is_seen() {
    let bytes = encode(&[(":event-type", "a")], b"{}");
    for at in 1..bytes.len() {
        let (frames, open) = feed(&[&bytes[..at]]);
        assert!(frames.is_empty() && open, "cut at {at}");
    }
    assert!(!Framer::new().in_frame());
}

#[test]
fn a_damaged_frame_is_named_and_ends_the_stream() {
    let good = encode(&[(":event-type", "a")], b"{}");
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes.extend(&good);
        bytes
    };
    let cases = [
        (flip(3), Fault::PreludeChecksum),
        (flip(9), Fault::PreludeChecksum),
        (flip(14), Fault::Checksum),
        (flip(good.len() - 5), Fault::Checksum),
        (flip(good.len() - 1), Fault::Checksum),
        (seal(&[1, b'a', 99], b""), Fault::Headers),
        (seal(&[0], b""), Fault::Headers),
        (seal(&[1, b'a', 7, 0, 9, b'x'], b""), Fault::Headers),
    ];
    for (bytes, fault) in cases {
        let mut framer = Framer::new();
        assert_eq!(framer.feed(&bytes), [Err(fault)]);
        assert_eq!(framer.feed(&good), [], "nothing follows");
        let error = Error::from(fault);
        assert_eq!((error.kind, error.retryable), (ErrorKind::Upstream, true));
    }
    // Lengths that cannot be, with a checksum that is right.
    let mut short = 15u32.to_be_bytes().to_vec();
    short.extend(8u32.to_be_bytes());
    short.extend(crc32(&short).to_be_bytes());
    assert_eq!(Framer::new().feed(&short), [Err(Fault::Length)]);
}

#[test]
fn a_frame_may_not_be_larger_than_the_limit() {
    let bytes = encode(&[], &[0; 100]);
    let limit = bytes.len();
    assert!(Framer::with_limit(limit).feed(&bytes)[0].is_ok());
    let fault = Fault::TooLong { limit: limit - 1 };
    assert_eq!(Framer::with_limit(limit - 1).feed(&bytes[..12]), [Err(fault)]);
    assert!(!Error::from(fault).retryable);
}

/// The vectors of the protocol, where they are on this machine (`LLM_HOST_SPECS`, default
/// `../shared/specs` beside the workspace).
#[test]
fn vectors_of_the_protocol() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let root = std::env::var_os("LLM_HOST_SPECS").map_or(beside, Into::into);
    let dir = root.join("eventstream-vectors");
    if !dir.is_dir() {
        println!("no {} (set LLM_HOST_SPECS): the vectors were not tried", dir.display());
        return;
    }
    let expected = [
        ("invalid_header_name_length", Some(Fault::Headers)),
        ("invalid_header_name_length_too_long", Some(Fault::Headers)),
        ("invalid_header_string_length_cut_off", Some(Fault::Headers)),
        ("invalid_header_string_value_length", Some(Fault::Headers)),
        ("invalid_header_value_type", Some(Fault::Headers)),
        ("invalid_headers_length", Some(Fault::Length)),
        ("invalid_message_checksum", Some(Fault::Checksum)),
        ("invalid_prelude_checksum", Some(Fault::PreludeChecksum)),
        ("valid_empty_payload", None),
        ("valid_no_headers", None),
        ("valid_with_all_headers_and_payload", None),
    ];
    for (name, fault) in expected {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        let frames = Framer::new().feed(&bytes);
        assert_eq!(frames.len(), 1, "{name}");
        // Those with wrong headers have no right checksum over them either, which is seen first.
        let seen = frames[0].as_ref().err().copied();
        let as_headers = seen.map(|seen| if seen == Fault::Checksum { Fault::Headers } else { seen });
        assert!(
            seen == fault || fault == Some(Fault::Headers) && as_headers == fault,
            "{name}: {seen:?}"
        );
    }
    let all = std::fs::read(dir.join("valid_with_all_headers_and_payload")).unwrap();
    let frames = Framer::new().feed(&all);
    let frame = frames[0].as_ref().unwrap();
    assert_eq!(frame.payload(), b"some payload");
    assert_eq!(frame.header("str"), Some("some str"));
    assert_eq!(frame.headers().len(), 10);
}

#[test]
fn a_picture_of_megabytes_may_come_in_small_pieces() {
    let payload = vec![0x5a; 4 << 20];
    let mut bytes = encode(&[(":event-type", "chunk")], &payload);
    bytes.extend(encode(&[(":event-type", "end")], b"{}"));
    // Each piece is copied once; were all that waits copied with each, this would be 16 GiB.
    let pieces: Vec<&[u8]> = bytes.chunks(512).collect();
    let (frames, open) = feed(&pieces);
    let sizes: Vec<usize> = frames
        .iter()
        .map(|frame| frame.as_ref().unwrap().payload().len())
        .collect();
    assert_eq!((sizes, open), (vec![payload.len(), 2], false));
}
