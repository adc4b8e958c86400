use super::*;
use crate::types::{ErrorKind, FinishReason, Media, MediaSource, ProviderState};
use proptest::prelude::*;

fn start() -> ChatEvent {
    ChatEvent::Start(ResponseStart {
        extra: extra("tier", r#""fast""#),
        ..ResponseStart::new("1", "m")
    })
}

fn extra(name: &str, value: &str) -> Extras {
    vec![(name.to_owned(), value.to_owned())]
}

fn state(format: &str, data: &str) -> Option<ProviderState> {
    Some(ProviderState {
        format: format.to_owned(),
        data: data.as_bytes().to_vec(),
    })
}

fn finish(choice: u32) -> ChatEvent {
    ChatEvent::Finish(Finish::new(choice, FinishReason::Stop))
}

fn other(kind: &str, value: &str) -> ChatEvent {
    ChatEvent::Other(Annotated {
        kind: kind.to_owned(),
        value: value.to_owned(),
    })
}

/// A stream with these events between its start and its end.
fn around(middle: impl IntoIterator<Item = ChatEvent>) -> Result<ChatResponse, Error> {
    let end = [finish(0), ChatEvent::Done];
    fold([start()].into_iter().chain(middle).chain(end))
}

fn deltas(deltas: impl IntoIterator<Item = PartDelta>) -> Result<Vec<Part>, Error> {
    let answer = around(deltas.into_iter().map(ChatEvent::Delta))?;
    Ok(answer
        .choices
        .into_iter()
        .flat_map(|choice| choice.message.parts)
        .collect())
}

#[test]
fn parts_of_every_kind_in_their_order() {
    let media = Media::new("image/png", MediaSource::Inline(vec![1]));
    let own = Annotated {
        kind: "search".to_owned(),
        value: "{}".to_owned(),
    };
    let parts = deltas([
        PartDelta::text(0, 4, "Hel"),
        PartDelta::tool_call(0, 9, "c1", "add"),
        PartDelta::reasoning(0, 1, "Let me "),
        PartDelta::arguments(0, 9, "{\"a\""),
        PartDelta::text(0, 4, "lo"),
        PartDelta::new(0, 6, DeltaContent::Refusal("No".to_owned())),
        PartDelta::new(0, 5, DeltaContent::Media(media.clone())),
        PartDelta::reasoning(0, 1, "think"),
        PartDelta::new(0, 7, DeltaContent::Other(own.clone())),
        PartDelta::arguments(0, 9, ":1}"),
        PartDelta::new(0, 6, DeltaContent::Refusal(".".to_owned())),
    ])
    .unwrap();
    let contents: Vec<_> = parts.into_iter().map(|part| part.content).collect();
    assert_eq!(
        contents,
        [
            PartContent::Reasoning(Reasoning {
                text: "Let me think".to_owned(),
                redacted: false
            }),
            PartContent::Text("Hello".to_owned()),
            PartContent::Media(media),
            PartContent::Refusal("No.".to_owned()),
            PartContent::Other(own),
            PartContent::ToolCall(ToolCall {
                id: "c1".to_owned(),
                name: "add".to_owned(),
                arguments: "{\"a\":1}".to_owned(),
            }),
        ]
    );
}

#[test]
fn state_is_appended_byte_for_byte() {
    let parts = deltas([
        PartDelta::reasoning(0, 0, "a"),
        PartDelta {
            state: state("x", "sig"),
            ..PartDelta::reasoning(0, 0, "")
        },
        PartDelta {
            state: state("x", "nature"),
            ..PartDelta::reasoning(0, 0, "b")
        },
        PartDelta {
            state: state("x", "blob"),
            redacted: true,
            ..PartDelta::reasoning(0, 1, "")
        },
    ])
    .unwrap();
    assert_eq!(parts[0].state, state("x", "signature"));
    assert_eq!(parts[1].state, state("x", "blob"));
    assert_eq!(
        parts[1].content,
        PartContent::Reasoning(Reasoning {
            text: String::new(),
            redacted: true
        })
    );
}

#[test]
fn further_fields_of_a_part() {
    for (values, expected) in [
        (&["[1]", "[2,3]"][..], "[1,2,3]"),
        (&["[]", "[2]", "[]"], "[2]"),
        (&[" [ 1 ] ", " [ 2.50 ]"], " [ 1,2.50]"),
        (&["[[1]]", "[[2]]"], "[[1],[2]]"),
        (&[r#"["]"]"#, r#"["["]"#], r#"["]","["]"#),
        (&["1", "2"], "2"),
        (&["[1]", "null"], "null"),
        (&[r#""a""#, "[1]"], "[1]"),
    ] {
        let parts = deltas(values.iter().map(|value| PartDelta {
            extra: extra("x", value),
            ..PartDelta::text(0, 0, "")
        }))
        .unwrap();
        assert_eq!(parts[0].extra, extra("x", expected), "{values:?}");
    }
}

#[test]
fn the_answer_as_a_whole() {
    let early = Usage {
        input: 1,
        ..Usage::default()
    };
    let late = Usage {
        input: 1,
        output: 9,
        ..Usage::default()
    };
    let answer = fold([
        ChatEvent::Start(ResponseStart {
            created: Some(7),
            dropped: vec![crate::types::DroppedField::new("seed", "no")],
            extra: extra("tier", r#""fast""#),
            ..ResponseStart::new("1", "m")
        }),
        ChatEvent::Usage(early),
        ChatEvent::Delta(PartDelta::text(1, 0, "second")),
        ChatEvent::Delta(PartDelta::text(0, 0, "first")),
        other("tier", r#""slow""#),
        other("citations", "[1]"),
        other("citations", "[2]"),
        ChatEvent::Finish(Finish {
            detail: Some("stop_sequence".to_owned()),
            extra: extra("seen", "true"),
            ..Finish::new(1, FinishReason::Stop)
        }),
        ChatEvent::Finish(Finish::new(0, FinishReason::Length)),
        ChatEvent::Usage(late.clone()),
        ChatEvent::Done,
    ])
    .unwrap();
    assert_eq!(
        (answer.id.as_str(), answer.model.as_str(), answer.created),
        ("1", "m", Some(7))
    );
    assert_eq!(answer.dropped[0].field, "seed");
    assert_eq!(answer.usage, Some(late));
    assert_eq!(
        answer.extra,
        [
            ("tier".to_owned(), r#""slow""#.to_owned()),
            ("citations".to_owned(), "[1,2]".to_owned()),
        ]
    );
    let [first, second] = answer.choices.as_slice() else {
        panic!("{:?}", answer.choices);
    };
    assert_eq!((first.index, &first.finish), (0, &FinishReason::Length));
    assert_eq!(first.message, Message::text(Role::Assistant, "first"));
    assert_eq!((second.index, &second.finish), (1, &FinishReason::Stop));
    assert_eq!(second.finish_detail.as_deref(), Some("stop_sequence"));
    assert_eq!(second.extra, extra("seen", "true"));
}

#[test]
fn log_probabilities_are_appended_member_by_member() {
    for (pieces, expected) in [
        (
            &[r#"{"content":[1],"refusal":null}"#, r#"{"content":[2],"refusal":null}"#][..],
            Some(r#"{"content":[1,2],"refusal":null}"#),
        ),
        (
            &[r#"{"content":[1],"refusal":null}"#, r#"{"content":null,"refusal":[3]}"#],
            Some(r#"{"content":[1],"refusal":[3]}"#),
        ),
        (&["null", r#"{"content":[1]}"#, "null"], Some(r#"{"content":[1]}"#)),
        (&["null"], None),
        (&[], None),
    ] {
        let events = pieces.iter().map(|piece| {
            ChatEvent::Delta(PartDelta {
                logprobs: Some((*piece).to_owned()),
                ..PartDelta::text(0, 0, "")
            })
        });
        let answer = around(events).unwrap();
        assert_eq!(answer.choices[0].logprobs.as_deref(), expected, "{pieces:?}");
    }
}

#[test]
fn a_choice_may_have_no_parts() {
    let answer = around([]).unwrap();
    assert!(answer.choices[0].message.parts.is_empty());
    assert_eq!(answer.usage, None);
}

#[test]
fn streams_that_are_no_answer() {
    let own = || {
        DeltaContent::Other(Annotated {
            kind: "k".to_owned(),
            value: "1".to_owned(),
        })
    };
    for (parts, fault) in [
        (
            vec![PartDelta::text(0, 0, "a"), PartDelta::reasoning(0, 0, "b")],
            "changes its kind",
        ),
        (
            vec![PartDelta::new(0, 0, own()), PartDelta::new(0, 0, own())],
            "comes twice",
        ),
        (
            vec![PartDelta::arguments(0, 2, "{}")],
            "part 2 of choice 0 is a tool call that begins",
        ),
        (
            vec![
                PartDelta {
                    state: state("x", "1"),
                    ..PartDelta::text(0, 0, "")
                },
                PartDelta {
                    state: state("y", "1"),
                    ..PartDelta::text(0, 0, "")
                },
            ],
            "format of its state",
        ),
    ] {
        let error = deltas(parts).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert!(error.message.contains(fault), "{}", error.message);
    }
    assert_eq!(fold([]), Err(Error::truncated()));
    assert_eq!(fold([start(), finish(0)]), Err(Error::truncated()));
    let failed = Error::upstream("it broke");
    assert_eq!(fold([start(), ChatEvent::Error(failed.clone())]), Err(failed));
    assert_eq!(fold([start(), ChatEvent::Done]).unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(
        fold([finish(0), ChatEvent::Done]).unwrap_err().kind,
        ErrorKind::Internal
    );
}

proptest! {
    #[test]
    fn how_finely_a_text_comes_does_not_matter(texts in prop::collection::vec(".{0,12}", 1..12)) {
        let whole = around([ChatEvent::Delta(PartDelta::text(0, 0, texts.concat()))]);
        let pieces = texts.iter().map(|text| ChatEvent::Delta(PartDelta::text(0, 0, text)));
        prop_assert_eq!(around(pieces), whole);
    }

    #[test]
    fn arrays_append_as_their_values_do(lists in prop::collection::vec(prop::collection::vec("[\\[\\],\"\\\\ a]{0,4}", 0..3), 1..5)) {
        let mut text = String::new();
        for list in &lists {
            let list = json::text(list).unwrap();
            if text.is_empty() {
                text = list;
            } else {
                prop_assert!(append_items(&mut text, &list));
            }
        }
        prop_assert_eq!(json::value(&text), serde_json::json!(lists.concat()));
    }
}
