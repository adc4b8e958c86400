//! What requests have used, and how they ended: each is entered once.
//!
//! In: a request's account, from before its provider is asked. Out: a line in the log for each
//! account, and totals by provider. Never: an account that is closed twice or not at all; one that is
//! dropped was left by its caller, and is closed by that.

mod account;
mod settle;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::llm::Usage;

pub use account::{Account, Outcome};
pub use settle::Settle;

/// Totals since the host was started, by provider. They outlive reloads.
#[derive(Debug, Default)]
pub struct Ledger {
    // Held for a few additions, never while something is awaited.
    totals: Mutex<BTreeMap<Arc<str>, Totals>>,
}

/// What one provider was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were answered to their end.
    pub complete: u64,
    /// Requests that failed, before the answer or within it.
    pub failed: u64,
    /// Requests whose caller went before the end.
    pub left: u64,
    /// Requests among all of them whose usage is not known, because the provider never told it.
    pub unknown: u64,
    /// Tokens.
    pub tokens: Tokens,
}

/// Tokens in the disjoint buckets of the ABI's `usage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names and their meaning are those of `wit/types.wit`")]
pub struct Tokens {
    pub input: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_long: u64,
    pub input_audio: u64,
    pub input_image: u64,
    pub output: u64,
    pub reasoning: u64,
    pub output_audio: u64,
    pub output_image: u64,
}

impl Tokens {
    /// The buckets with their names.
    pub fn buckets(&self) -> [(&'static str, u64); 10] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("cache_write_long", self.cache_write_long),
            ("input_audio", self.input_audio),
            ("input_image", self.input_image),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("output_audio", self.output_audio),
            ("output_image", self.output_image),
        ]
    }

    fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.input, more.input),
            (&mut self.cache_read, more.cache_read),
            (&mut self.cache_write, more.cache_write),
            (&mut self.cache_write_long, more.cache_write_long),
            (&mut self.input_audio, more.input_audio),
            (&mut self.input_image, more.input_image),
            (&mut self.output, more.output),
            (&mut self.reasoning, more.reasoning),
            (&mut self.output_audio, more.output_audio),
            (&mut self.output_image, more.output_image),
        ] {
            // What a plugin claims is not trusted to be small.
            *sum = sum.saturating_add(more);
        }
    }
}

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Self {
        Self {
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            cache_write_long: usage.cache_write_long,
            input_audio: usage.input_audio,
            input_image: usage.input_image,
            output: usage.output,
            reasoning: usage.reasoning,
            output_audio: usage.output_audio,
            output_image: usage.output_image,
        }
    }
}

impl Ledger {
    /// The totals of each provider that was asked for something.
    pub fn totals(&self) -> BTreeMap<Arc<str>, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn enter(&self, provider: &Arc<str>, outcome: Outcome, tokens: Option<&Tokens>) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = totals.entry(Arc::clone(provider)).or_default();
        match outcome {
            Outcome::Complete => totals.complete += 1,
            Outcome::Failed => totals.failed += 1,
            Outcome::Left => totals.left += 1,
        }
        match tokens {
            Some(tokens) => totals.tokens.add(tokens),
            None => totals.unknown += 1,
        }
    }
}
