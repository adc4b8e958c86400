//! What a plugin asks for, in a form that is kept with a grant and compared later.
//!
//! In: a manifest. Out: [`Wishes`] as JSON, and the difference between two of them in sentences.
//! Never: a decision; an admin makes that.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::plugin::manifest::Manifest;

/// What a plugin asked for when a grant was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Wishes {
    /// The plugin's version.
    pub(in crate::cli) version: String,
    /// Origins it wants to reach, with its templates.
    pub(in crate::cli) egress: Vec<String>,
    /// Credentials it wants to use.
    pub(in crate::cli) slots: Vec<SlotWish>,
    /// What it says it can do.
    pub(in crate::cli) capabilities: Vec<String>,
}

/// A credential that a plugin wants to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct SlotWish {
    /// The slot's name.
    pub(in crate::cli) name: String,
    /// Kinds of credential that fit.
    pub(in crate::cli) kinds: Vec<String>,
    /// How it is to be attached, as JSON text.
    pub(in crate::cli) attach: String,
    /// Whether the plugin can do nothing without it.
    pub(in crate::cli) required: bool,
}

impl Wishes {
    /// What a manifest asks for.
    pub(in crate::cli) fn of(manifest: &Manifest) -> Self {
        let slots = manifest.slots.iter().map(|slot| SlotWish {
            name: slot.name.clone(),
            kinds: slot.kinds.clone(),
            attach: slot.attach.to_string(),
            required: slot.required,
        });
        Self {
            version: manifest.version.clone(),
            egress: manifest.egress.clone(),
            slots: slots.collect(),
            capabilities: manifest.capabilities.clone(),
        }
    }

    /// Reads what was kept with a grant. What an older host wrote may say less; nothing then counts
    /// as having been asked for.
    pub(in crate::cli) fn kept(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// The form that is kept with a grant.
    pub(in crate::cli) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What `now` asks for that this did not, and the other way round: one sentence each.
    pub(in crate::cli) fn difference(&self, now: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.version != now.version {
            lines.push(format!(
                "version: {} → {}",
                or_unknown(&self.version),
                or_unknown(&now.version)
            ));
        }
        lists(&mut lines, "reach", &self.egress, &now.egress);
        for slot in &now.slots {
            match self.slots.iter().find(|before| before.name == slot.name) {
                None => lines.push(format!(
                    "+ asks for a credential in slot {} ({})",
                    slot.name,
                    slot.kinds.join(", ")
                )),
                Some(before) if before != slot => lines.push(format!("~ {}", slot_difference(before, slot))),
                Some(_) => {}
            }
        }
        for slot in self
            .slots
            .iter()
            .filter(|slot| !now.slots.iter().any(|other| other.name == slot.name))
        {
            lines.push(format!("- no longer asks for a credential in slot {}", slot.name));
        }
        lists(&mut lines, "do", &self.capabilities, &now.capabilities);
        lines
    }
}

fn slot_difference(before: &SlotWish, now: &SlotWish) -> String {
    let mut changes = Vec::new();
    if before.kinds != now.kinds {
        changes.push(format!("kinds {} → {}", before.kinds.join(", "), now.kinds.join(", ")));
    }
    if before.attach != now.attach {
        changes.push(format!("attached as {} → {}", before.attach, now.attach));
    }
    if before.required != now.required {
        changes.push(
            if now.required {
                "now required"
            } else {
                "no longer required"
            }
            .to_owned(),
        );
    }
    format!("slot {}: {}", now.name, changes.join("; "))
}

fn lists<T: Display + PartialEq>(lines: &mut Vec<String>, verb: &str, before: &[T], now: &[T]) {
    lines.extend(
        now.iter()
            .filter(|item| !before.contains(item))
            .map(|item| format!("+ asks to {verb} {item}")),
    );
    lines.extend(
        before
            .iter()
            .filter(|item| !now.contains(item))
            .map(|item| format!("- no longer asks to {verb} {item}")),
    );
}

fn or_unknown(version: &str) -> &str {
    if version.is_empty() { "unknown" } else { version }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(version: &str, egress: &[&str], slots: &[(&str, &str)]) -> Wishes {
        let slot = |(name, attach): &(&str, &str)| SlotWish {
            name: (*name).to_owned(),
            kinds: vec!["bearer".to_owned()],
            attach: (*attach).to_owned(),
            required: true,
        };
        Wishes {
            version: version.to_owned(),
            egress: egress.iter().map(ToString::to_string).collect(),
            slots: slots.iter().map(slot).collect(),
            capabilities: vec![],
        }
    }

    #[test]
    fn each_change_is_one_sentence() {
        let before = wishes(
            "1.0.0",
            &["https://a.example", "https://b.example"],
            &[("key", "{}"), ("old", "{}")],
        );
        let now = wishes(
            "1.1.0",
            &["https://b.example", "https://c.example"],
            &[("key", "{\"x\":1}"), ("new", "{}")],
        );
        assert_eq!(
            before.difference(&now),
            [
                "version: 1.0.0 → 1.1.0",
                "+ asks to reach https://c.example",
                "- no longer asks to reach https://a.example",
                "~ slot key: attached as {} → {\"x\":1}",
                "+ asks for a credential in slot new (bearer)",
                "- no longer asks for a credential in slot old",
            ]
        );
        assert!(before.difference(&before).is_empty());
        assert_eq!(Wishes::kept(&before.to_json().unwrap()), before);
    }

    #[test]
    fn what_was_not_kept_counts_as_not_asked_for() {
        let now = wishes("1.0.0", &["https://a.example"], &[]);
        assert_eq!(
            Wishes::kept("{}").difference(&now),
            ["version: unknown → 1.0.0", "+ asks to reach https://a.example"]
        );
    }
}
