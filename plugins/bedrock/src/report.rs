//! What could not be carried.
//!
//! In: findings of the encoder. Out: the `dropped` list. Never: the same finding twice.

use llm_provider_sdk::types::DroppedField;

/// Collects findings.
#[derive(Debug, Default)]
pub struct Report(Vec<DroppedField>);

impl Report {
    /// Notes that a field did not reach the provider, or not as it was.
    pub fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        let found = DroppedField::new(field, reason);
        if !self.0.contains(&found) {
            self.0.push(found);
        }
    }

    /// Takes over what another encoder found.
    pub fn extend(&mut self, found: Vec<DroppedField>) {
        for one in found {
            self.add(one.field, one.reason);
        }
    }

    /// The list.
    pub fn into_dropped(self) -> Vec<DroppedField> {
        self.0
    }
}
