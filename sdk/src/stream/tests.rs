use super::*;
use crate::http::Request;
use crate::testing::{Recording, Reply, block_on};
use crate::types::{ErrorKind, Finish, FinishReason, PartDelta, ResponseStart, Usage};

fn start() -> ChatEvent {
    ChatEvent::Start(ResponseStart::new("1", "m"))
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Delta(PartDelta::text(0, 0, text))
}

fn finish(choice: u32) -> ChatEvent {
    ChatEvent::Finish(Finish::new(choice, FinishReason::Stop))
}

fn collect(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    block_on(EventStream::from_events(events).collect())
}

#[test]
fn what_is_well_formed_passes_unchanged() {
    let usage = ChatEvent::Usage(Usage::default());
    let whole = vec![start(), text("a"), usage, finish(0), finish(1), ChatEvent::Done];
    assert_eq!(collect(whole.clone()), whole);
    let failed = vec![start(), text("a"), ChatEvent::Error(Error::upstream("x"))];
    assert_eq!(collect(failed.clone()), failed);
    let at_once = vec![ChatEvent::Error(Error::upstream("x"))];
    assert_eq!(collect(at_once.clone()), at_once);
}

#[test]
fn what_breaks_the_protocol_is_cut_and_named() {
    for (events, kept, rule) in [
        (vec![text("a")], 0, "does not begin with `start`"),
        (vec![ChatEvent::Done], 0, "does not begin with `start`"),
        (vec![start(), start()], 1, "begins twice"),
        (vec![start(), text("a"), ChatEvent::Done], 2, "choice 0 has no `finish`"),
        (
            vec![start(), finish(0), text("a")],
            2,
            "choice 0 goes on after its `finish`",
        ),
        (vec![start(), finish(3), finish(3)], 2, "choice 3 finishes twice"),
    ] {
        let mut got = collect(events.clone());
        let Some(ChatEvent::Error(error)) = got.pop() else {
            panic!("{events:?}");
        };
        assert_eq!(error.kind, ErrorKind::Internal);
        assert!(error.message.contains(rule), "{}", error.message);
        assert_eq!(got, events[..kept]);
    }
}

#[test]
fn nothing_follows_the_end_and_the_log_says_so() {
    let recording = Recording::new().install();
    let whole = vec![start(), finish(0), ChatEvent::Done];
    let mut more = whole.clone();
    more.extend([text("late"), ChatEvent::Done]);
    assert_eq!(collect(more), whole);
    assert_eq!(recording.log().len(), 1);
}

#[test]
fn a_stream_that_just_stops_is_truncated() {
    for events in [vec![start(), text("a")], vec![]] {
        let got = collect(events);
        assert!(matches!(got.last(), Some(ChatEvent::Error(error))
            if error.kind == ErrorKind::StreamTruncated && error.retryable));
    }
}

#[test]
fn the_beginning_waits_for_the_first_events() {
    let batches = [vec![], vec![start()], vec![finish(0), ChatEvent::Done]];
    let stream = EventStream::from_batches(batches.clone().into_iter());
    let got = block_on(async { Ok::<_, Error>(stream.begin().await?.collect().await) });
    assert_eq!(got, Ok(batches.concat()));

    let failed = EventStream::from_events(vec![ChatEvent::Error(Error::upstream("no"))]);
    assert_eq!(block_on(failed.begin()).unwrap_err(), Error::upstream("no"));
    let empty = EventStream::from_events(vec![]);
    assert_eq!(block_on(empty.begin()).unwrap_err(), Error::truncated());

    // A failure after the start is the stream's, even when both come at once.
    let late = vec![start(), ChatEvent::Error(Error::upstream("no"))];
    let stream = block_on(EventStream::from_events(late.clone()).begin()).unwrap();
    assert_eq!(block_on(stream.collect()), late);
}

/// Each byte is a text; `.` ends it.
struct Bytewise {
    ended: bool,
}

impl StreamDecoder for Bytewise {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<ChatEvent>) {
        for byte in bytes {
            match byte {
                b'^' => out.push(start()),
                b'.' => {
                    out.extend([finish(0), ChatEvent::Done]);
                    self.ended = true;
                }
                b'_' => {}
                byte => out.push(text(&char::from(*byte).to_string())),
            }
        }
    }

    fn close(&mut self, end: Result<(), HttpError>, out: &mut Vec<ChatEvent>) {
        if !self.ended {
            out.push(ChatEvent::Error(end.map_or_else(Error::from, |()| Error::truncated())));
        }
    }
}

fn decode(reply: Reply) -> (Vec<Vec<ChatEvent>>, EventStream) {
    let _recording = Recording::new().reply(reply).install();
    block_on(async {
        let response = Request::get("https://a.example").send().await.unwrap();
        let mut stream = EventStream::decode(response, Bytewise { ended: false });
        let mut batches = Vec::new();
        while let Some(batch) = stream.next_batch().await {
            batches.push(batch);
        }
        (batches, stream)
    })
}

#[test]
fn a_batch_is_what_one_read_completes() {
    let (batches, _) = decode(Reply::new(200, "^ab____cd.").in_pieces_of(3));
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    // `__` of its own completes nothing and gives no batch.
    assert_eq!(sizes, [3, 2, 2]);
    let whole = [
        start(),
        text("a"),
        text("b"),
        text("c"),
        text("d"),
        finish(0),
        ChatEvent::Done,
    ];
    assert_eq!(batches.concat(), whole);
}

#[test]
fn the_answer_is_let_go_at_the_last_event() {
    let (batches, stream) = decode(Reply::new(200, "^a.never read").split_at(3));
    assert_eq!(batches.concat().len(), 4);
    assert!(matches!(stream.source, Source::Ended));
}

#[test]
fn a_body_that_breaks_off_is_the_decoders_to_report() {
    let reply = Reply::new(200, "^abc.").breaks_at(3, HttpError::Timeout("idle".to_owned()));
    let (batches, _) = decode(reply);
    let events = batches.concat();
    assert!(matches!(events.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::Timeout));
    let (batches, _) = decode(Reply::new(200, "^abc.").closes_at(3));
    let events = batches.concat();
    assert!(matches!(events.last(), Some(ChatEvent::Error(error)) if error.kind == ErrorKind::StreamTruncated));
}
