//! One request's account.
//!
//! In: who asks whom for what, and usage as it becomes known. Out: one entry in the ledger and one
//! line in the log. Never: a second of either.

use std::sync::Arc;

use super::{Ledger, Tokens};
use crate::context::{Principal, RequestContext, RequestId};
use crate::llm::Usage;
use crate::plain;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered to its end.
    Complete,
    /// It failed, before the answer or within it.
    Failed,
    /// The caller went, or a limit of the host's own ended the wait.
    Left,
}

impl Outcome {
    /// The word for it in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

/// An account that is open. Dropping it closes it as [`Outcome::Left`].
#[derive(Debug)]
pub struct Account {
    ledger: Arc<Ledger>,
    request: RequestId,
    key: Option<Arc<str>>,
    provider: Arc<str>,
    model: String,
    operation: &'static str,
    tokens: Option<Tokens>,
    closed: bool,
}

impl Account {
    /// Opens an account. `model` is the provider's own name of it, empty where none was named.
    pub fn open(
        ledger: Arc<Ledger>,
        context: &RequestContext,
        provider: Arc<str>,
        model: String,
        operation: &'static str,
    ) -> Self {
        let key = match &context.principal {
            Principal::Anonymous => None,
            Principal::Key { name, .. } => Some(Arc::clone(name)),
        };
        Self {
            ledger,
            request: context.id.clone(),
            key,
            provider,
            model,
            operation,
            tokens: None,
            closed: false,
        }
    }

    /// An account of nobody's in particular.
    #[cfg(test)]
    pub(super) fn of(provider: &str, ledger: &Arc<Ledger>) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            request: RequestId::new("req_1"),
            key: None,
            provider: provider.into(),
            model: "m".to_owned(),
            operation: "chat",
            tokens: None,
            closed: false,
        }
    }

    /// Usage of the whole so far; it replaces what was said before.
    pub fn used(&mut self, usage: &Usage) {
        self.tokens = Some(usage.into());
    }

    /// Closes it.
    pub fn close(mut self, outcome: Outcome) {
        self.enter(outcome);
    }

    fn enter(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.ledger.enter(&self.provider, outcome, self.tokens.as_ref());
        let (request, key) = (self.request.as_str(), self.key.as_deref());
        let (provider, model, operation) = (&*self.provider, &*plain::brief(&self.model), self.operation);
        let outcome = outcome.word();
        match &self.tokens {
            Some(tokens) => {
                // Buckets that are empty, which most are, would only make the line longer.
                let bucket = |count: u64| (count > 0).then_some(count);
                tracing::info!(
                    target: "ledger", request, key, provider, model, operation, outcome,
                    input = tokens.input,
                    cache_read = bucket(tokens.cache_read),
                    cache_write = bucket(tokens.cache_write),
                    cache_write_long = bucket(tokens.cache_write_long),
                    input_audio = bucket(tokens.input_audio),
                    input_image = bucket(tokens.input_image),
                    output = tokens.output,
                    reasoning = bucket(tokens.reasoning),
                    output_audio = bucket(tokens.output_audio),
                    output_image = bucket(tokens.output_image),
                    "settled"
                );
            }
            None => tracing::info!(
                target: "ledger", request, key, provider, model, operation, outcome, "settled; usage is not known"
            ),
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.enter(Outcome::Left);
    }
}
