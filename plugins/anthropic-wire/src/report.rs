//! The list of what could not be carried.
//!
//! In: a field in the caller's terms and a reason. Out: the `dropped` list that goes back with the
//! answer. Never: a field left out without an entry here.

use llm_provider_sdk::types::DroppedField;

/// Collects the fields of one request that do not reach the provider as they were written.
#[derive(Debug, Default)]
pub struct Report(Vec<DroppedField>);

impl Report {
    /// Notes one field: where it stood (`messages[2].name`) and why, in one sentence.
    pub fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(DroppedField::new(field, reason));
    }

    /// The list, in the order of the request.
    pub fn into_dropped(self) -> Vec<DroppedField> {
        self.0
    }
}
