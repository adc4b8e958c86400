//! Whether a streamed answer is well-formed, as the ABI defines it.
//!
//! In: batches of events as the guest wrote them. Out: the same batches, cut at the first event
//! that breaks the rules. Never: a change to an event.

use std::collections::BTreeSet;

use crate::llm::{ChatEvent, Finish, PartDelta};

/// Most choices of one stream, which the host keeps in mind until its end. A completion of many prompts
/// has some thousands.
const MOST_CHOICES: u32 = 1 << 16;

/// What has been seen of one stream.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    started: bool,
    ended: bool,
    finished: BTreeSet<u32>,
    open: BTreeSet<u32>,
}

/// The rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation(pub(super) String);

impl Grammar {
    /// Whether `done` or `error` has been seen.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Looks at a batch. What follows the last event is left out, and so is what follows a fault.
    pub(super) fn accept(&mut self, batch: &mut Vec<ChatEvent>) -> Result<(), Violation> {
        let mut good = 0;
        for event in batch.iter() {
            if self.ended {
                break;
            }
            if let Err(violation) = self.event(event) {
                batch.truncate(good);
                return Err(violation);
            }
            good += 1;
        }
        batch.truncate(good);
        Ok(())
    }

    fn event(&mut self, event: &ChatEvent) -> Result<(), Violation> {
        let fault = |text: String| Err(Violation(text));
        if !self.started && !matches!(event, ChatEvent::Start(_) | ChatEvent::Error(_)) {
            return fault("its stream does not begin with `start`".into());
        }
        match event {
            ChatEvent::Delta(PartDelta { choice, .. }) | ChatEvent::Finish(Finish { choice, .. })
                if *choice >= MOST_CHOICES =>
            {
                return fault(format!(
                    "its stream has a choice {choice}; the last one may be {}",
                    MOST_CHOICES - 1
                ));
            }
            ChatEvent::Start(_) if self.started => return fault("its stream has a second `start`".into()),
            ChatEvent::Start(_) => self.started = true,
            ChatEvent::Delta(delta) if self.finished.contains(&delta.choice) => {
                return fault(format!(
                    "its stream goes on with choice {} after `finish`",
                    delta.choice
                ));
            }
            ChatEvent::Delta(delta) => {
                self.open.insert(delta.choice);
            }
            ChatEvent::Finish(finish) if !self.finished.insert(finish.choice) => {
                return fault(format!("its stream finishes choice {} twice", finish.choice));
            }
            ChatEvent::Done => {
                if let Some(choice) = self.open.difference(&self.finished).next() {
                    return fault(format!("its stream is done without a `finish` of choice {choice}"));
                }
                self.ended = true;
            }
            ChatEvent::Error(_) => self.ended = true,
            ChatEvent::Finish(_) | ChatEvent::Usage(_) | ChatEvent::Other(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{DeltaContent, FinishReason, ResponseStart};

    fn start() -> ChatEvent {
        ChatEvent::Start(ResponseStart {
            id: "1".into(),
            model: "m".into(),
            created: None,
            dropped: vec![],
            extra: vec![],
        })
    }

    fn text(choice: u32) -> ChatEvent {
        ChatEvent::Delta(PartDelta {
            choice,
            part: 0,
            content: DeltaContent::Text("x".into()),
            state: None,
            redacted: false,
            logprobs: None,
            extra: vec![],
        })
    }

    fn finish(choice: u32) -> ChatEvent {
        ChatEvent::Finish(Finish {
            choice,
            reason: FinishReason::Stop,
            detail: None,
            extra: vec![],
        })
    }

    #[test]
    fn what_is_well_formed_passes_unchanged() {
        let events = vec![start(), text(0), text(1), finish(1), finish(0), ChatEvent::Done];
        let mut grammar = Grammar::default();
        for event in &events {
            let mut batch = vec![event.clone()];
            grammar.accept(&mut batch).unwrap();
            assert_eq!(batch.as_slice(), std::slice::from_ref(event));
        }
        assert!(grammar.ended());
    }

    #[test]
    fn each_rule_has_its_fault_and_keeps_what_came_before() {
        for (events, kept) in [
            (vec![text(0)], 0),
            (vec![start(), start()], 1),
            (vec![start(), finish(0), text(0)], 2),
            (vec![start(), finish(0), finish(0)], 2),
            (vec![start(), text(2), ChatEvent::Done], 2),
            (vec![start(), text(MOST_CHOICES - 1), text(MOST_CHOICES)], 2),
            (vec![start(), finish(u32::MAX)], 1),
        ] {
            let mut batch = events.clone();
            assert!(Grammar::default().accept(&mut batch).is_err(), "{events:?}");
            assert_eq!(batch.as_slice(), &events[..kept]);
        }
    }

    #[test]
    fn nothing_passes_after_the_last_event() {
        let mut batch = vec![start(), ChatEvent::Done, text(0)];
        Grammar::default().accept(&mut batch).unwrap();
        assert_eq!(batch.len(), 2);
    }
}
