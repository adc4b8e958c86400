//! Handles: what a plugin learns when it asks for a slot.
//!
//! In: the holder and the slot's name. Out: the credential's kind and its facts that are not
//! secret, or why there is none. Never: a secret, or the credential's name.

use std::time::SystemTime;

use super::store::{CredentialStore, Holder, Standing};
use crate::egress::remedy;

/// What a plugin learns of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleFacts {
    /// Its kind, e.g. `bearer`.
    pub kind: String,
    /// Facts that are not secret: region, project, organisation.
    pub attributes: Vec<(String, String)>,
}

/// Why a plugin may not use a slot's credential. The texts hold the command that changes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// No admin has granted it.
    #[error("slot `{slot}` is not granted to plugin `{plugin}`; to grant it: {remedy}")]
    NotGranted {
        /// The plugin's id.
        plugin: String,
        /// The slot that was asked for.
        slot: String,
        /// The command that would grant it.
        remedy: String,
    },
    /// It was granted, and the credential is not in the vault.
    #[error(
        "the credential of slot `{slot}` is not in the vault; `host grant list` names it and `host vault set` puts it there"
    )]
    NotConfigured {
        /// The slot that was asked for.
        slot: String,
    },
    /// The grant has expired.
    #[error("the grant of slot `{slot}` has expired; to renew it: {remedy}")]
    Expired {
        /// The slot that was asked for.
        slot: String,
        /// The command that would renew it.
        remedy: String,
    },
    /// The plugin's bytes are not those the grant was given to.
    #[error("plugin `{plugin}` has changed since slot `{slot}` was granted; to see and approve it: {remedy}")]
    Voided {
        /// The plugin's id.
        plugin: String,
        /// The slot that was asked for.
        slot: String,
        /// The command that would approve the change.
        remedy: String,
    },
}

/// Finds the credential of a slot.
pub(in crate::egress) fn acquire(
    store: &dyn CredentialStore,
    holder: &Holder,
    slot: &str,
    now: SystemTime,
) -> Result<HandleFacts, AcquireError> {
    let plugin = || holder.plugin.to_string();
    let slot_name = || slot.to_owned();
    let mut grants = store.grants(holder);
    grants.retain(|grant| grant.slot.as_deref() == Some(slot));
    // A valid grant wins over one that has only expired, and that over one for other bytes.
    grants.sort_by_key(|grant| match grant.standing(holder, now) {
        Standing::Valid => 0,
        Standing::Expired => 1,
        Standing::Voided => 2,
    });
    let Some(grant) = grants.first() else {
        let remedy = remedy::grant_slot(holder, slot);
        return Err(AcquireError::NotGranted {
            plugin: plugin(),
            slot: slot_name(),
            remedy,
        });
    };
    match grant.standing(holder, now) {
        Standing::Valid => {}
        Standing::Expired => {
            return Err(AcquireError::Expired {
                slot: slot_name(),
                remedy: remedy::approve(&grant.id),
            });
        }
        Standing::Voided => {
            let remedy = remedy::approve(&grant.id);
            return Err(AcquireError::Voided {
                plugin: plugin(),
                slot: slot_name(),
                remedy,
            });
        }
    }
    let facts = grant.credential.as_deref().and_then(|name| store.credential(name));
    let facts = facts.ok_or_else(|| AcquireError::NotConfigured { slot: slot_name() })?;
    let attributes = facts
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(HandleFacts {
        kind: facts.kind.to_string(),
        attributes,
    })
}
