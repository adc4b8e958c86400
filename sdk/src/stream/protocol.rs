//! The protocol of a stream: which event may follow which.
//!
//! In: the events of one stream, one after the other. Out: whether each may stand where it stands.
//! Never: what an event says.

use std::collections::BTreeMap;

use crate::types::{ChatEvent, Error};

/// What has been seen of one stream.
#[derive(Debug, Default)]
pub(crate) struct Protocol {
    started: bool,
    ended: bool,
    /// Choices of which a delta or a finish has been seen, and whether they have finished.
    choices: BTreeMap<u32, bool>,
}

impl Protocol {
    /// Whether the last event has been seen.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Takes note of an event.
    ///
    /// # Errors
    /// Kind `internal`, naming the rule that the event breaks. The stream has then ended.
    pub(crate) fn accept(&mut self, event: &ChatEvent) -> Result<(), Error> {
        self.step(event).map_err(|fault| {
            self.ended = true;
            broken(&fault)
        })
    }

    fn step(&mut self, event: &ChatEvent) -> Result<(), String> {
        match event {
            _ if self.ended => return Err("it goes on after its last event".to_owned()),
            ChatEvent::Error(_) => self.ended = true,
            ChatEvent::Start(_) if self.started => return Err("it begins twice".to_owned()),
            ChatEvent::Start(_) => self.started = true,
            _ if !self.started => return Err("it does not begin with `start`".to_owned()),
            ChatEvent::Delta(delta) => {
                if *self.finished(delta.choice) {
                    return Err(format!("choice {} goes on after its `finish`", delta.choice));
                }
            }
            ChatEvent::Finish(finish) => {
                if std::mem::replace(self.finished(finish.choice), true) {
                    return Err(format!("choice {} finishes twice", finish.choice));
                }
            }
            ChatEvent::Usage(_) | ChatEvent::Other(_) => {}
            ChatEvent::Done => {
                if let Some((choice, _)) = self.choices.iter().find(|(_, finished)| !**finished) {
                    return Err(format!("choice {choice} has no `finish`"));
                }
                self.ended = true;
            }
        }
        Ok(())
    }

    fn finished(&mut self, choice: u32) -> &mut bool {
        self.choices.entry(choice).or_default()
    }
}

/// The error of a stream that breaks the protocol.
pub(crate) fn broken(fault: &str) -> Error {
    Error::internal(format!("the adapter's stream breaks the protocol: {fault}"))
}
