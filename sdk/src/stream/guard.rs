//! The protocol of a stream, held before it leaves the adapter.
//!
//! In: the events an adapter gives. Out: those that keep the stream well-formed. Never: a changed
//! event; what breaks the protocol is replaced by an error that says how.

use crate::host::{self, Level};
use crate::types::{ChatEvent, Error};

/// Where a stream is.
#[derive(Debug, Default)]
pub(super) struct Guard {
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Running,
    Ended,
}

impl Guard {
    /// Whether the last event has passed.
    pub(super) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Cuts the batch after the stream's last event, and at the first that breaks the protocol.
    pub(super) fn check(&mut self, batch: &mut Vec<ChatEvent>) {
        for at in 0..batch.len() {
            let fault = match (&self.state, batch.get(at)) {
                (State::Before, Some(ChatEvent::Start(_))) => {
                    self.state = State::Running;
                    continue;
                }
                (State::Before | State::Running, Some(ChatEvent::Error(_)))
                | (State::Running, Some(ChatEvent::Done)) => {
                    self.state = State::Ended;
                    if batch.len() > at + 1 {
                        host::log(Level::Warn, "the adapter gave events after the last one");
                        batch.truncate(at + 1);
                    }
                    return;
                }
                (State::Before, _) => "the adapter's stream did not begin with `start`",
                (State::Running, Some(ChatEvent::Start(_))) => "the adapter's stream began twice",
                (State::Running, _) => continue,
                (State::Ended, _) => "the adapter's stream went on after its end",
            };
            batch.truncate(at);
            batch.push(ChatEvent::Error(Error::internal(fault)));
            self.state = State::Ended;
            return;
        }
    }

    /// The source has closed without a last event: the one that says so.
    pub(super) fn close(&self) -> Vec<ChatEvent> {
        vec![ChatEvent::Error(Error::truncated())]
    }
}
