//! Changing how a vault opens.
//!
//! In: unlock methods. Out: a vault that opens by these. Each call writes a new revision at once, edits included.

use crate::crypto::Key;
use crate::error::{Part, VaultError};
use crate::hex;
use crate::record::Record;
use crate::slot::{Lock, MAX_SLOTS, Slot};
use crate::unlock::{self, PlacedKeys, Unlock};
use crate::vault::{State, UnlockInfo, Vault, after};

/// What a change of unlock methods leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "keys that were left in the keyring should be deleted from it"]
pub struct Leftover {
    /// Accounts whose keys open nothing any more; delete them from the keyring.
    pub keyring_accounts: Vec<String>,
}

impl Vault {
    /// Gives the vault a new data key, seals everything anew and lets exactly `unlocks` open it. Whoever could open the
    /// vault before, by any method and with any copy of the file, cannot open what is saved from now on.
    ///
    /// # Errors
    /// As [`Vault::save`]; whatever an unlock method refuses.
    pub fn rekey(&mut self, unlocks: &[Unlock]) -> Result<Leftover, VaultError> {
        let (key, revision, mut placed) = (Key::random()?, after(self.state.revision)?, PlacedKeys::default());
        let slots = unlock::wrap_all(unlocks, &self.id, &key, &mut placed)?;
        let mut contents = self.contents().clone();
        for (name, stored) in &mut contents.entries {
            let damaged = || VaultError::Damaged {
                part: Part::Entry(name.clone()),
            };
            let secrets = stored
                .record
                .open(&self.state.key, &self.id, name)?
                .ok_or_else(damaged)?;
            stored.record = Record::seal(&key, &self.id, name, revision, &secrets)?;
        }
        self.change(
            State {
                revision,
                contents,
                slots,
                key,
            },
            placed,
        )
    }

    /// Adds a way to open the vault; the others stay as they are.
    ///
    /// # Errors
    /// [`VaultError::UnlockCount`] when there are eight already; as [`Vault::save`]; whatever the method refuses.
    pub fn add_unlock(&mut self, unlock: &Unlock) -> Result<UnlockInfo, VaultError> {
        if self.state.slots.len() >= MAX_SLOTS {
            return Err(VaultError::UnlockCount {
                count: self.state.slots.len() + 1,
            });
        }
        let mut placed = PlacedKeys::default();
        let mut slots = self.state.slots.clone();
        slots.push(unlock.wrap(&self.id, &self.state.key, &mut placed)?);
        let _nothing = self.change(self.with_slots(slots)?, placed)?;
        self.unlocks().pop().ok_or(VaultError::UnlockCount { count: 0 })
    }

    /// Takes a way to open the vault away, by the slot's id. The data key stays the same: someone who kept both the removed
    /// key and an older copy of the file can still read later ones. Where that matters, use [`Vault::rekey`].
    ///
    /// # Errors
    /// [`VaultError::UnknownUnlock`]; [`VaultError::UnlockCount`] for the last one; as [`Vault::save`].
    pub fn remove_unlock(&mut self, id: &str) -> Result<Leftover, VaultError> {
        let mut slots = self.state.slots.clone();
        slots.retain(|slot| hex::encode(&slot.id) != id);
        if slots.len() == self.state.slots.len() {
            return Err(VaultError::UnknownUnlock { id: id.to_owned() });
        }
        if slots.is_empty() {
            return Err(VaultError::UnlockCount { count: 0 });
        }
        self.change(self.with_slots(slots)?, PlacedKeys::default())
    }

    fn with_slots(&self, slots: Vec<Slot>) -> Result<State, VaultError> {
        Ok(State {
            revision: after(self.state.revision)?,
            contents: self.contents().clone(),
            slots,
            key: self.state.key.clone(),
        })
    }

    fn change(&mut self, next: State, placed: PlacedKeys) -> Result<Leftover, VaultError> {
        let in_keyring = |slot: &&Slot| matches!(slot.lock, Lock::Keyring(_));
        let kept: Vec<_> = next.slots.iter().map(|slot| slot.id).collect();
        let gone = self
            .state
            .slots
            .iter()
            .filter(in_keyring)
            .filter(|slot| !kept.contains(&slot.id));
        let keyring_accounts = gone.map(|slot| unlock::keyring_account(&self.id, &slot.id)).collect();
        placed.settle(self.write_over_opened(next))?;
        Ok(Leftover { keyring_accounts })
    }
}
